"""Wrong solutions with the place of the first error, for process rewards.

    17 * 4 = 68          17 * 4 = 48        the first error: a carry is forgotten
    68 + 7 = 75          48 + 7 = 55        right in itself, on the wrong number
    Answer: 75           Answer: 55

A model's own mistakes look like this: one thing goes wrong, and everything after it follows. So one equality is made
wrong and every later line that uses its result is computed again. What cannot be carried through exactly (a result that
is not used, a number that occurs twice and may be meant either way, a fraction of a person) is not used, and where
nothing is left there is no wrong solution. Lines are read by the same arithmetic that judges steps.

Kinds "slip", "carry" and "sign" leave an equality that is false. "operation" and "copy" leave one that is true, of
another operation or another number than the problem asks for: a checker of arithmetic alone does not find those.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from midtrain.core.permutation import derive_key
from midtrain.verify.problem import Problem
from midtrain.verify.verifiers.polynomials import NotAnExpression, number_of, polynomial

Kind = Literal["slip", "carry", "sign", "operation", "copy"]

_NUMBER = re.compile(r"(?<![\w.])-?[0-9]+(?:\.[0-9]+)?(?:/[0-9]+(?![.0-9]))?")
_TAIL = re.compile(r"(?:[-+*/^().0-9 ]|\bmod\b)+$")
_HEAD = re.compile(r"(?:[-+*/^().0-9 ]|\bmod\b)+")
_OPERATION = re.compile(r"(?<=[0-9)] )[-+*/](?= [0-9(])")
_DIVISION = re.compile(r"([0-9]+) \* ([0-9]+) \+ ([0-9]+)")
_COLUMN = re.compile(r"([0-9]) \+ ([0-9])( \+ 1)? = [0-9]+(?:, carry 1)?")


@dataclass(frozen=True, slots=True)
class Wrong:
    """A solution that goes wrong at `steps[first_error]` (from 0); what stands before is right."""

    steps: tuple[str, ...]
    first_error: int
    kind: Kind
    answer: str
    """The final answer that follows from the wrong steps."""


@dataclass(frozen=True, slots=True)
class _Equality:
    """`text[start:middle]`, " = ", `text[middle + 3:end]` of a line: two expressions that are equal."""

    line: int
    start: int
    middle: int
    end: int


def corrupt(problem: Problem, seed: int) -> Wrong | None:
    """A wrong variant of the problem's steps, the same for the same seed; None where no error can be carried on."""
    source = random.Random(derive_key(seed, "wrong step", problem.id))
    columns = [match for step in problem.steps if (match := _COLUMN.fullmatch(step))]
    if len(columns) == len(problem.steps) > 0:
        return _wrong_columns(problem, columns, source)
    whole = " ".join((problem.prompt, *problem.steps))
    plain = not re.search(r"(?<![\w.])-[0-9]", whole), not re.search(r"[0-9][./][0-9]", whole)
    sites = [(one, kind) for one in _equalities(problem.steps) for kind in _KINDS]
    source.shuffle(sites)
    for site, kind in sites:
        lines = list(problem.steps)
        for first in _KINDS[kind](lines[site.line], site, source, problem.prompt):
            wrong = _carried(problem, lines, site, first, plain)
            if wrong is not None:
                steps, answer = wrong
                return Wrong(steps, site.line, kind, answer)
    return None


@lru_cache(maxsize=4096)  # the same expressions are read again for every error that is tried
def value_of(text: str) -> Fraction | None:
    """The exact value of an expression of numbers; None for anything else."""
    try:
        return number_of(polynomial(text))
    except (NotAnExpression, ZeroDivisionError):
        return None


def _equalities(lines: tuple[str, ...] | list[str]) -> Iterator[_Equality]:
    """Every equality of two expressions that are numbers and hold, in order."""
    for place, line in enumerate(lines):
        yield from _equalities_of(line, place)


@lru_cache(maxsize=4096)
def _equalities_of(line: str, place: int) -> tuple[_Equality, ...]:
    found = []
    for sign in re.finditer(r" = ", line):
        tail, head = _TAIL.search(line[: sign.start()]), _HEAD.match(line[sign.end() :])
        if not tail or not head:
            continue
        start = tail.start() + len(tail[0]) - len(tail[0].lstrip())
        end = sign.end() + len(head[0].rstrip(" .("))
        glued = (start and line[start - 1].isalpha()) or line[end : end + 1].isalpha()
        left, right = value_of(line[start : sign.start()]), value_of(line[sign.end() : end])
        if not glued and left is not None and left == right:
            found.append(_Equality(place, start, sign.start(), end))
    return tuple(found)


# Errors: (line, equality, chance, prompt) -> texts of the line with that equality gone wrong -------------------------


Errors = Callable[[str, _Equality, random.Random, str], Iterator[str]]


def _slips(line: str, site: _Equality, source: random.Random, prompt: str) -> Iterator[str]:
    """The result is a little off, or two of its digits change places."""
    left, result = line[site.start : site.middle], line[site.middle + 3 : site.end]
    division = _DIVISION.fullmatch(result)
    if division and left.isdigit():
        quotient, divisor, rest = (int(one) for one in division.groups())
        others = [rest + off for off in (-2, -1, 1, 2, 10) if 0 <= rest + off < divisor]
        source.shuffle(others)
        for other in others:
            yield _put(line, site, f"{quotient} * {divisor} + {other}")
    elif _NUMBER.fullmatch(result) and not _NUMBER.fullmatch(left):
        value, unit = Fraction(result), _unit(result)
        near = [value + off * unit for off in (-10, -2, -1, 1, 2, 10)]
        digits = result.lstrip("-")
        if digits.isdigit() and len(digits) > 1:
            place = source.randrange(len(digits) - 1)
            turned = digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]
            if turned[0] != "0" and turned != digits:
                near.append(Fraction(int(turned)))
        source.shuffle(near)
        for one in near:
            yield _put(line, site, _written(one, result))


def _carries(line: str, site: _Equality, source: random.Random, prompt: str) -> Iterator[str]:
    """One carry (or borrow) between two columns is forgotten."""
    operation = re.fullmatch(r"([0-9]+) ([-+*]) ([0-9]+)", line[site.start : site.middle])
    result = line[site.middle + 3 : site.end]
    if not operation or not result.isdigit():
        return
    a, sign, b = int(operation[1]), operation[2], int(operation[3])
    single = sign == "*" and min(a, b) < 10
    if sign == "*" and not single:
        return
    off, carry, place = [], 0, 1
    while place * 10 <= max(a, b):
        x, y = a // place % 10, b // place % 10
        column = {"+": x + y, "-": x - y, "*": (max(a, b) // place % 10) * min(a, b)}[sign] + carry
        carry = column // 10  # -1 for a borrow
        place *= 10
        if carry:
            off.append(carry * place)
    source.shuffle(off)
    for one in off:
        if int(result) - one >= 0:
            yield _put(line, site, str(int(result) - one))


def _signs(line: str, site: _Equality, source: random.Random, prompt: str) -> Iterator[str]:
    """The result has the wrong sign; only where negative numbers are about."""
    left, result = line[site.start : site.middle], line[site.middle + 3 : site.end]
    about = re.search(r"(?<![\w.])-[0-9]", prompt + " " + line)
    if about and _NUMBER.fullmatch(result) and not _NUMBER.fullmatch(left) and Fraction(result):
        yield _put(line, site, result[1:] if result.startswith("-") else f"-{result}")


def _operations(line: str, site: _Equality, source: random.Random, prompt: str) -> Iterator[str]:
    """Another operation than the one that is due, done rightly."""
    left, result = line[site.start : site.middle], line[site.middle + 3 : site.end]
    signs = list(_OPERATION.finditer(left))
    if not signs or not _NUMBER.fullmatch(result) or _chained(line, site):
        return
    sign = source.choice(signs)
    for other in source.sample([one for one in "+-*/" if one != sign[0]], 3):
        turned = left[: sign.start()] + other + left[sign.end() :]
        value = value_of(turned)
        if value is not None and value != Fraction(result):
            yield _put(line[: site.start] + turned + line[site.middle :], site, _written(value, result))


def _copies(line: str, site: _Equality, source: random.Random, prompt: str) -> Iterator[str]:
    """A number of the problem is copied wrongly, and the step done rightly on it."""
    left, result = line[site.start : site.middle], line[site.middle + 3 : site.end]
    given = set(_NUMBER.findall(prompt))
    copied = [one for one in _NUMBER.finditer(left) if one[0] in given and one[0].isdigit() and len(one[0]) > 1]
    if not copied or not _NUMBER.fullmatch(result) or not _OPERATION.search(left) or _chained(line, site):
        return
    number = source.choice(copied)
    for place in source.sample(range(len(number[0])), len(number[0])):
        digits = list(number[0])
        if place and digits[place] != digits[place - 1] and not (place == 1 and digits[1] == "0"):
            digits[place - 1], digits[place] = digits[place], digits[place - 1]
        else:
            digits[place] = str((int(digits[place]) + source.randrange(1, 9)) % 9 + 1)
        turned = left[: number.start()] + "".join(digits) + left[number.end() :]
        value = value_of(turned)
        if value is not None and value != Fraction(result):
            wrong = line[: site.start] + turned + line[site.middle :]
            yield _put(wrong, site, _written(value, result))


_KINDS: dict[Kind, Errors] = {
    "slip": _slips,
    "carry": _carries,
    "sign": _signs,
    "operation": _operations,
    "copy": _copies,
}
"""What makes each kind of error."""


def _put(line: str, site: _Equality, result: str) -> str:
    return line[: site.middle + 3] + result + line[site.end :]


def _chained(line: str, site: _Equality) -> bool:
    """Whether the left side is itself the right side of an equality, which another left side would break."""
    return any(one.end == site.middle for one in _equalities_of(line, site.line))


def _unit(text: str) -> Fraction:
    """One in the last place of a written number: 1, 1/100 for 2.50, 1/12 for 5/12."""
    if "/" in text:
        return Fraction(1, int(text.split("/")[1]))
    return Fraction(1, 10 ** len(text.partition(".")[2]))


def _written(value: Fraction, like: str) -> str:
    """A value in the form of another number: over the same unreduced denominator, with as many decimals."""
    if "/" in like and str(Fraction(like)) != like:
        bottom = int(like.split("/")[1])
        if (value * bottom).denominator == 1:
            return f"{value * bottom}/{bottom}"
    if "." in like:
        places = len(like.partition(".")[2])
        while (value * 10**places).denominator > 1 and places < 12:
            places += 1
        if (value * 10**places).denominator == 1:
            digits = str(abs(value) * 10**places).rjust(places + 1, "0")
            return ("-" if value < 0 else "") + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)
    return str(value)


# Carrying an error through the lines that follow -------------------------------------------------------------------

_CONSTANTS = {"0", "1", "2", "3", "4", "5", "7", "10", "12", "24", "60", "100", "365", "1000", "1440", "3600", "4200"}


class _Unclear(Exception):
    """The error cannot be carried on exactly."""


class _Carrier:
    """Rewrites lines in order. `changed`: the numbers that are now others; `seen`: all that were written before."""

    def __init__(self, plain: tuple[bool, bool], seen: set[str], later: str):
        self.natural, self.whole = plain
        self.seen, self.later, self.changed = seen, later, dict[str, str]()

    def change(self, old: str, new: str) -> None:
        """From here on `old` is `new`. Raises _Unclear for a value out of place, or one that may be meant otherwise."""
        value = Fraction(new)
        if (self.natural and value < 0) or (self.whole and value.denominator > 1) or len(new) > len(old) + 6:
            raise _Unclear
        if old == new:
            self.changed.pop(old, None)
            return
        if (old in self.seen or old in _CONSTANTS) and old in _NUMBER.findall(self.later):
            raise _Unclear
        self.changed[old] = new

    def put(self, text: str) -> str:
        """A text with the changed numbers in it; one that stands twice may be two things."""
        numbers = _NUMBER.findall(text)
        if any(numbers.count(old) > 1 for old in self.changed):
            raise _Unclear
        return _NUMBER.sub(self._new, text)

    def _new(self, match: re.Match[str]) -> str:
        new = self.changed.get(match[0], match[0])
        before = match.string[: match.start()]
        return f"({new})" if new.startswith("-") and re.search(r"[-+*/] $", before) else new

    def line(self, old: str, later: str) -> str:
        """The line as it follows from the changed numbers; `later` is the text after it."""
        self.later = later
        sides = old.split(" = ")
        new = [self.put(sides[0])]
        for place in range(1, len(sides)):
            equality = next(iter(_equalities_of(f"{sides[place - 1]} = {sides[place]}", 0)), None)
            new.append(self._right(sides[place], equality, new[-1]) if equality else self.put(sides[place]))
        text = " = ".join(new)
        if text != old:
            self._check(text)
        self.seen |= set(_NUMBER.findall(old))
        return text

    def _right(self, old: str, equality: _Equality, left: str) -> str:
        """The right side that follows from a new left side."""
        length = equality.end - equality.middle - 3
        result, rest = old[:length], old[length:]
        tail = _TAIL.search(left)
        value = value_of(tail[0]) if tail else None
        division = _DIVISION.fullmatch(result)
        if value is None:
            raise _Unclear
        if _NUMBER.fullmatch(result):
            new = _written(value, result)
            self.change(result, new)
        elif division and value.denominator == 1:
            new = self._divided(int(value), division)
        else:
            new = self.put(result)
            if value_of(new) != value:
                raise _Unclear
        return new + self.put(rest)

    def _divided(self, value: int, old: re.Match[str]) -> str:
        """The line of a division with remainder, divided again; it must end, or go on, where it did."""
        divisor = int(self.changed.get(old[2], old[2]))
        if divisor <= 0 or value < 0 or (value % divisor == 0) != (old[3] == "0"):
            raise _Unclear
        for place, number in ((1, value // divisor), (3, value % divisor)):
            if old[place] != str(number):
                self.change(old[place], str(number))
        return f"{value // divisor} * {divisor} + {value % divisor}"

    def _check(self, text: str) -> None:
        """What is said beside equalities must still be true: relations; and roots cannot be carried through."""
        for left, sign, right in re.findall(rf"({_NUMBER.pattern}) ([<>]) (?=({_NUMBER.pattern}))", text):
            if (Fraction(left) < Fraction(right)) != (sign == "<"):
                raise _Unclear
        if "sqrt" in text or "prime" in text:
            raise _Unclear


def _carried(
    problem: Problem, lines: list[str], site: _Equality, first: str, plain: tuple[bool, bool]
) -> tuple[tuple[str, ...], str] | None:
    """The steps with line `site.line` as `first` and all that follows from it, and the answer; None if unclear."""
    line = lines[site.line]
    result, rest = line[site.middle + 3 : site.end], line[site.end :]
    head = first[: first.index(" = ", site.start) + 3]
    wrong_result = first[len(head) : len(first) - len(rest)]
    before = [problem.prompt, *lines[: site.line], line[: site.middle]]
    carrier = _Carrier(plain, {number for text in before for number in _NUMBER.findall(text)}, "")
    after = lines[site.line + 1 :]
    try:
        carrier.later = "\n".join((rest, *after))
        if rest.startswith(", carry"):
            raise _Unclear
        for old, new in zip(_NUMBER.findall(result), _NUMBER.findall(wrong_result), strict=True):
            if old != new:
                carrier.change(old, new)
        written = [head + carrier.line(result + rest, "\n".join(after))]
        for place, old in enumerate(after):
            written.append(carrier.line(old, "\n".join(after[place + 1 :])))
        answer = carrier.put(problem.gold)
    except _Unclear:
        return None
    steps = (*lines[: site.line], *written)
    return None if answer == problem.gold or steps[site.line] == line else (steps, answer)


# Columns, whose results are digits of the answer --------------------------------------------------------------------


def _wrong_columns(problem: Problem, columns: list[re.Match[str]], source: random.Random) -> Wrong | None:
    """A written addition in which one column is added wrongly, or forgets its carry; the columns after it follow."""
    places = [(place, kind) for place in range(len(columns)) for kind in ("slip", "carry")]
    source.shuffle(places)
    off = source.choice((-1, 1, 2))
    for wrong, kind in places:
        if kind == "carry" and not columns[wrong][3]:
            continue
        lines, carry, answer = [], 0, 0
        for place, column in enumerate(columns):
            a, b = int(column[1]), int(column[2])
            if place == wrong and kind == "carry":
                carry = 0
            total = a + b + carry + (off if place == wrong and kind == "slip" else 0)
            terms = f"{a} + {b} + {carry}" if carry else f"{a} + {b}"
            carry = total // 10
            lines.append(f"{terms} = {total}, carry {carry}" if carry else f"{terms} = {total}")
            answer += 10**place * (total if place == len(columns) - 1 else total % 10)
        if answer >= 0 and total >= 0 and min(int(line.split(" = ")[1].split(",")[0]) for line in lines) >= 0:
            return Wrong(tuple(lines), wrong, "slip" if kind == "slip" else "carry", str(answer))
    return None
