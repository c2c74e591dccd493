"""Program synthesis: a function told in words, a reference program, and tests that an answer never sees.

A specification is a chain of stages, each told in one clause and written as one line; a last stage may reduce what is
left to a number. The expected values come from functions here, not from the reference program, so that a test of the
one against the other means something. A chain with a stage that changes nothing on any test is no problem: then the
tests could not tell whether an answer has it. The worked solution is the program, with the clauses as comments.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from midtrain.verify.generators.calculation import prime_factors
from midtrain.verify.generators.family import Digits, Family, Operands, Posed

_TESTS = 10


@dataclass(frozen=True)
class _Stage:
    """One clause of a specification: its words, an expression of `x`, and what it does."""

    words: str
    code: str
    do: Callable[[Any], Any]


@dataclass(frozen=True)
class _Kind:
    """A kind of program: what it takes, its stages and endings, and inputs that show what each does."""

    takes: str
    names: tuple[str, ...]
    stages: tuple[_Stage, ...]
    endings: tuple[_Stage, ...]
    inputs: Callable[[Digits], Any]
    edges: tuple[Any, ...]
    """Inputs that are tested of every program: empty ones and the like."""


def _numbers(digits: Digits) -> list[int]:
    return [digits.between(-30, 60) for _ in range(digits.between(3, 12))]


_LIST_STAGES = (
    _Stage("keep only the even numbers", "[n for n in x if n % 2 == 0]", lambda x: [n for n in x if not n & 1]),
    _Stage("keep only the odd numbers", "[n for n in x if n % 2 == 1]", lambda x: [n for n in x if n & 1]),
    _Stage("keep only the positive numbers", "[n for n in x if n > 0]", lambda x: list(filter(lambda n: n > 0, x))),
    _Stage("drop every number below -5", "[n for n in x if n >= -5]", lambda x: [n for n in x if not n < -5]),
    _Stage(
        "keep only the numbers divisible by 3",
        "[n for n in x if n % 3 == 0]",
        lambda x: [n for n in x if n // 3 * 3 == n],
    ),
    _Stage("keep only the numbers above 10", "[n for n in x if n > 10]", lambda x: [n for n in x if n >= 11]),
    _Stage("square every number", "[n * n for n in x]", lambda x: [abs(n) ** 2 for n in x]),
    _Stage("double every number", "[2 * n for n in x]", lambda x: [n + n for n in x]),
    _Stage("add 7 to every number", "[n + 7 for n in x]", lambda x: [n - -7 for n in x]),
    _Stage("subtract 4 from every number", "[n - 4 for n in x]", lambda x: [n + -4 for n in x]),
    _Stage("change the sign of every number", "[-n for n in x]", lambda x: [0 - n for n in x]),
    _Stage("replace every number by its absolute value", "[abs(n) for n in x]", lambda x: [max(n, -n) for n in x]),
    _Stage(
        "replace every number by its remainder on division by 5 (from 0 to 4)",
        "[n % 5 for n in x]",
        lambda x: [n - 5 * math.floor(n / 5) for n in x],
    ),
    _Stage("sort the numbers in rising order", "sorted(x)", lambda x: sorted(x, reverse=True)[::-1]),
    _Stage(
        "sort the numbers in falling order", "sorted(x, reverse=True)", lambda x: [-n for n in sorted(-n for n in x)]
    ),
    _Stage("reverse the list", "x[::-1]", lambda x: list(reversed(x))),
    _Stage(
        "remove repeated numbers, keeping the first of each",
        "list(dict.fromkeys(x))",
        lambda x: [n for i, n in enumerate(x) if n not in x[:i]],
    ),
    _Stage(
        "keep the first three numbers (all, if there are fewer)",
        "x[:3]",
        lambda x: [n for i, n in enumerate(x) if i < 3],
    ),
    _Stage(
        "drop the first two numbers (all, if there are fewer)", "x[2:]", lambda x: [n for i, n in enumerate(x) if i > 1]
    ),
    _Stage(
        "keep every second number, beginning with the first",
        "x[::2]",
        lambda x: [n for i, n in enumerate(x) if not i % 2],
    ),
    _Stage(
        "replace every number by the sum of it and all before it",
        "[sum(x[:i + 1]) for i in range(len(x))]",
        lambda x: [sum(n for j, n in enumerate(x) if j <= i) for i in range(len(x))],
    ),
    _Stage(
        "replace the list by the differences of neighbours (the later minus the earlier)",
        "[b - a for a, b in zip(x, x[1:])]",
        lambda x: [x[i] - x[i - 1] for i in range(1, len(x))],
    ),
)
_LIST_ENDINGS = (
    _Stage("return the list", "x", lambda x: x),
    _Stage("return the sum (0 for an empty list)", "sum(x)", lambda x: math.fsum(x).__int__()),
    _Stage("return how many numbers are left", "len(x)", lambda x: sum(1 for _ in x)),
    _Stage("return the largest number (0 for an empty list)", "max(x, default=0)", lambda x: sorted(x)[-1] if x else 0),
    _Stage("return the smallest number (0 for an empty list)", "min(x, default=0)", lambda x: sorted(x)[0] if x else 0),
    _Stage(
        "return the largest minus the smallest number (0 for an empty list)",
        "max(x, default=0) - min(x, default=0)",
        lambda x: sorted(x)[-1] - sorted(x)[0] if x else 0,
    ),
    _Stage("return how many different numbers there are", "len(set(x))", lambda x: len(dict.fromkeys(x))),
    _Stage("return the last number (0 for an empty list)", "x[-1] if x else 0", lambda x: x[len(x) - 1] if x else 0),
)

_WORDS = [
    "river",
    "Stone",
    "apple",
    "7",
    "moon",
    "Garden",
    "level",
    "window",
    "Tree",
    "noon",
    "42",
    "bottle",
    "Paper",
    "civic",
    "music",
    "Table",
    "cloud",
    "radar",
    "Yellow",
    "a",
    "I",
    "we",
    "summer",
    "eye",
    "chess",
    "Kitten",
    "banana",
    "Mississippi",
    "2026",
    "okay",
    "xyz",
    "rhythm",
    "queue",
]


def _phrase(digits: Digits) -> str:
    return " ".join(digits.choose(_WORDS) for _ in range(digits.between(2, 6)))


_VOWELS = "aeiouAEIOU"
_TEXT_STAGES = (
    _Stage("reverse the text", "x[::-1]", lambda x: "".join(reversed(x))),
    _Stage("turn all letters to upper case", "x.upper()", lambda x: "".join(c.upper() for c in x)),
    _Stage("turn all letters to lower case", "x.lower()", lambda x: "".join(c.lower() for c in x)),
    _Stage(
        "swap upper and lower case",
        "x.swapcase()",
        lambda x: "".join(c.lower() if c.isupper() else c.upper() for c in x),
    ),
    _Stage(
        "remove all vowels (a, e, i, o, u in either case)",
        '"".join(c for c in x if c not in "aeiouAEIOU")',
        lambda x: "".join(c for c in x if c.lower() not in "aeiou"),
    ),
    _Stage(
        "remove all digits",
        '"".join(c for c in x if not c.isdigit())',
        lambda x: x.translate(dict.fromkeys(range(48, 58))),
    ),
    _Stage("remove all spaces", 'x.replace(" ", "")', lambda x: "".join(x.split(" "))),
    _Stage("replace every space by an underscore", 'x.replace(" ", "_")', lambda x: "_".join(x.split(" "))),
    _Stage("write every character twice", '"".join(c + c for c in x)', lambda x: "".join(2 * c for c in x)),
    _Stage(
        "keep every second character, beginning with the first",
        "x[::2]",
        lambda x: "".join(c for i, c in enumerate(x) if not i % 2),
    ),
    _Stage(
        "keep the first five characters (all, if there are fewer)",
        "x[:5]",
        lambda x: "".join(c for i, c in enumerate(x) if i < 5),
    ),
    _Stage(
        "drop the first two characters (all, if there are fewer)",
        "x[2:]",
        lambda x: "".join(c for i, c in enumerate(x) if i > 1),
    ),
    _Stage(
        "reverse the order of the words (words are what spaces separate) and put one space between them",
        '" ".join(x.split()[::-1])',
        lambda x: " ".join(reversed(x.split())),
    ),
    _Stage(
        "reverse every word in its place (words are what spaces separate), with one space between them",
        '" ".join(w[::-1] for w in x.split())',
        lambda x: " ".join("".join(reversed(w)) for w in x.split()),
    ),
    _Stage(
        "sort the words by code point (words are what spaces separate) and put one space between them",
        '" ".join(sorted(x.split()))',
        lambda x: " ".join(sorted(x.split(), reverse=True)[::-1]),
    ),
    _Stage(
        "keep the first letter of each word (words are what spaces separate), with nothing between them",
        '"".join(w[0] for w in x.split())',
        lambda x: "".join(w[:1] for w in x.split()),
    ),
    _Stage("sort the characters by code point", '"".join(sorted(x))', lambda x: "".join(sorted(x, reverse=True)[::-1])),
    _Stage(
        "remove repeated characters, keeping the first of each",
        '"".join(dict.fromkeys(x))',
        lambda x: "".join(c for i, c in enumerate(x) if c not in x[:i]),
    ),
)
_TEXT_ENDINGS = (
    _Stage("return the text", "x", lambda x: x),
    _Stage("return its length", "len(x)", lambda x: sum(1 for _ in x)),
    _Stage(
        "return how many vowels (a, e, i, o, u in either case) it has",
        'sum(c in "aeiouAEIOU" for c in x)',
        lambda x: sum(x.count(vowel) for vowel in _VOWELS),
    ),
    _Stage(
        "return whether it reads the same backwards (True or False)",
        "x == x[::-1]",
        lambda x: list(x) == list(reversed(x)),
    ),
    _Stage("return how many different characters it has", "len(set(x))", lambda x: len(dict.fromkeys(x))),
    _Stage(
        "return how many words it has (words are what spaces separate)",
        "len(x.split())",
        lambda x: sum(1 for _ in x.split()),
    ),
    _Stage('return the last character ("" for an empty text)', "x[-1:]", lambda x: "" if not x else list(x)[-1]),
)


def _natural(digits: Digits) -> int:
    return digits.between(2, 3000)


_NUMBER_STAGES = (
    _Stage(
        "replace it by the sum of its decimal digits",
        "sum(int(d) for d in str(x))",
        lambda x: sum(x // 10**i % 10 for i in range(len(str(x)))),
    ),
    _Stage(
        "reverse its decimal digits (leading zeros fall away)",
        "int(str(x)[::-1])",
        lambda x: sum(int(d) * 10**i for i, d in enumerate(str(x))),
    ),
    _Stage("double it", "2 * x", lambda x: x + x),
    _Stage("add 9", "x + 9", lambda x: x - -9),
    _Stage("square it", "x * x", lambda x: x**2),
    _Stage("halve it, rounding down", "x // 2", lambda x: (x - x % 2) // 2),
    _Stage("replace it by its remainder on division by 97", "x % 97", lambda x: x - 97 * (x // 97)),
    _Stage(
        "multiply it by 3 and add 1 if it is odd, otherwise halve it",
        "3 * x + 1 if x % 2 else x // 2",
        lambda x: x // 2 if x & 1 == 0 else x + x + x + 1,
    ),
    _Stage("replace it by how many decimal digits it has", "len(str(x))", lambda x: sum(1 for _ in str(x))),
    _Stage("replace it by its largest decimal digit", "max(int(d) for d in str(x))", lambda x: int(sorted(str(x))[-1])),
    _Stage(
        "replace it by the number of ones in its binary digits",
        'bin(x).count("1")',
        lambda x: sum(x >> i & 1 for i in range(x.bit_length())),
    ),
    _Stage(
        "replace it by the sum of all whole numbers from 1 up to it",
        "x * (x + 1) // 2",
        lambda x: sum(range(x + 1)) if x < 5000 else (x * x + x) // 2,
    ),
    _Stage(
        "replace it by the greatest common divisor of it and 360",
        "__import__('math').gcd(x, 360)",
        lambda x: math.gcd(360, x),
    ),
)
_NUMBER_ENDINGS = (
    _Stage("return it", "x", lambda x: x),
    _Stage("return whether it is even (True or False)", "x % 2 == 0", lambda x: not x & 1),
    _Stage(
        "return whether it is a prime number (True or False)",
        "x > 1 and all(x % d for d in range(2, int(x ** 0.5) + 1))",
        lambda x: prime_factors(x) == [x],
    ),
    _Stage("return it as text in binary digits, without a prefix", 'format(x, "b")', lambda x: bin(x)[2:]),
    _Stage(
        "return the list of its decimal digits, from left to right",
        "[int(d) for d in str(x)]",
        lambda x: list(map(int, str(x))),
    ),
    _Stage(
        "return whether it is a square of a whole number (True or False)",
        "any(r * r == x for r in range(int(x ** 0.5) + 2))",
        lambda x: math.isqrt(x) ** 2 == x,
    ),
)

_KINDS = {
    "list_program": _Kind(
        "a list of integers",
        ("transform", "process", "solve", "convert", "pick", "refine"),
        _LIST_STAGES,
        _LIST_ENDINGS,
        _numbers,
        ([], [4], [3, 3, 3, 6, 12, 12]),
    ),
    "text_program": _Kind(
        "a text (str)",
        ("rewrite", "process", "solve", "convert", "format_text", "edit"),
        _TEXT_STAGES,
        _TEXT_ENDINGS,
        _phrase,
        ("", "A", "never odd or even"),
    ),
    "number_program": _Kind(
        "a whole number of at least 1",
        ("compute", "process", "solve", "convert", "evaluate", "reduce_number"),
        _NUMBER_STAGES,
        _NUMBER_ENDINGS,
        _natural,
        (1, 10, 97),
    ),
}


def _run(chain: tuple[_Stage, ...], value: Any) -> Any:
    for stage in chain:
        value = stage.do(value)
    return value


def _chain(kind: _Kind, operands: Operands) -> tuple[_Stage, ...]:
    *places, ending = operands
    return (*(kind.stages[place] for place in places), kind.endings[ending])


@cache
def _inputs(name: str, salt: int) -> tuple[Any, ...]:
    """The inputs of the hidden tests: the edges of the kind, and others drawn for one of a few salts."""
    kind = _KINDS[name]
    digest = hashlib.blake2b(f"{name}\x1f{salt}".encode(), digest_size=64).digest()
    digits = Digits(int.from_bytes(digest * 8, "little"))
    return (*kind.edges, *(kind.inputs(digits) for _ in range(_TESTS - len(kind.edges))))


_SALTS = 64


def _tested(name: str, operands: Operands) -> tuple[Any, ...]:
    return _inputs(name, hash_of(operands) % _SALTS)


def hash_of(operands: Operands) -> int:
    """A number that depends on the operands alone, in every process."""
    return int.from_bytes(hashlib.blake2b(repr(operands).encode(), digest_size=8).digest(), "little")


def _program_operands(name: str) -> Callable[[int, Digits], Operands | None]:
    kind = _KINDS[name]

    def operands(difficulty: int, digits: Digits) -> Operands | None:
        """The stages by number, then the ending; None if the tests could not tell that one of them is there."""
        chosen = tuple(digits.below(len(kind.stages)) for _ in range(_STAGES[difficulty]))
        ending = digits.below(len(kind.endings))
        found = (*chosen, ending)
        if len(set(chosen)) < len(chosen):
            return None
        chain, inputs = _chain(kind, found), _tested(name, found)
        expected = [_run(chain, value) for value in inputs]
        if len({repr(value) for value in expected}) < min(3, 1 + difficulty) and not isinstance(expected[0], bool):
            return None
        if len({repr(value) for value in expected}) < 2:
            return None
        for spared in range(len(chosen)):
            shorter = chain[:spared] + chain[spared + 1 :]
            if all(_run(shorter, value) == wanted for value, wanted in zip(inputs, expected, strict=True)):
                return None
        return found

    return operands


_STAGES = {1: 2, 2: 3, 3: 4}


def _pose_program(name: str) -> Callable[[Operands, Digits], Posed]:
    kind = _KINDS[name]

    def pose(operands: Operands, wording: Digits) -> Posed:
        chain = _chain(kind, operands)
        entry = wording.choose(kind.names)
        clauses = [stage.words for stage in chain]
        code = "\n".join(
            [f"def {entry}(x):"]
            + [f"    x = {stage.code}  # {stage.words}" for stage in chain[:-1]]
            + [f"    return {chain[-1].code}"]
        )
        calls = [[[value], _run(chain, value)] for value in _tested(name, operands)]
        fields = {
            "name": entry,
            "takes": kind.takes,
            "plan": "; then ".join(clauses[:-1]) + f"; finally {clauses[-1]}",
            "list": "\n".join(f"{i}. {clause[0].upper()}{clause[1:]}." for i, clause in enumerate(clauses, 1)),
        }
        return Posed(fields, f"```python\n{code}\n```", (), {"entry_point": entry, "calls": calls})

    return pose


def _family(name: str, description: str) -> Family:
    kind = _KINDS[name]
    sizes = [len(kind.stages) ** count * len(kind.endings) for count in _STAGES.values()]
    return Family(
        name=name,
        description=description,
        verifier="code",
        templates=(
            "Write a Python function {name}(x) that takes {takes} and does this: {plan}.",
            "Implement {name}(x) in Python. The argument is {takes}. Do the following in order:\n{list}",
            "Define a Python function called {name} of one argument x, {takes}. It should {plan}.",
        ),
        held_out_templates=(
            "A colleague needs {name}(x) in Python, where x is {takes}. The requirements, one after another:\n{list}",
        ),
        sizes=(sizes[0], sizes[1], sizes[2]),
        operands=_program_operands(name),
        pose=_pose_program(name),
    )


FAMILIES = (
    _family("list_program", "a function of a list of numbers, by stages, with hidden tests"),
    _family("text_program", "a function of a text, by stages, with hidden tests"),
    _family("number_program", "a function of a whole number, by stages, with hidden tests"),
)
