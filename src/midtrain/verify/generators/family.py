"""What a family of problems is, and how its problems are numbered.

A family numbers its problems: at each difficulty there are `sizes[difficulty]` of them, and `operands(difficulty,
digits)` reads the i-th one's operands from the digits of i in a mixed radix. So a generator is a walk through a keyed
permutation of range(size): distinct problems without remembering any, and a known end, at which it can say how many
there are. Some numbers name no problem (5 - 9 among natural numbers); they give None and are passed over.

**What is held out.** Problems are split by a hash of their canonical operands: what the answer is computed from, in an
order that does not matter to it (3 + 5 and 5 + 3 are one), without wording (template, names in a story, what is
counted). One in eight goes to evaluation. The salt is frozen: no seed, count or difficulty moves a problem across.
Beyond that, some families are held out whole (`splits` lacks "train": predecessor, lcm, grid_paths, ...), and every
family has templates that no training problem uses. So an evaluation can ask for new operands in known words, for
new words, and for a task never trained.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
Operands = tuple[Any, ...]

_COUNTED = re.compile(r"(\S+ [a-z]+)\(s\)")
_SALT = "midtrain problems"
_EVALUATION_SHARE = 32  # of 256


class Digits:
    """The digits of a number in a mixed radix, least significant first: each choice takes one digit off.

    Reading an index of range(product of the radices) so is a bijection. The same class reads wording from a random
    64-bit number.
    """

    __slots__ = ("left",)

    def __init__(self, number: int):
        self.left = number

    def below(self, radix: int) -> int:
        """The next digit, in [0, radix)."""
        self.left, digit = divmod(self.left, radix)
        return digit

    def between(self, low: int, high: int) -> int:
        """The next digit as a number in [low, high], both included."""
        return low + self.below(high - low + 1)

    def choose(self, options: Sequence[T]) -> T:
        """One of `options`."""
        return options[self.below(len(options))]

    def arrange(self, options: Sequence[T], count: int) -> list[T]:
        """`count` different ones of `options`, in order: one of math.perm(len(options), count) arrangements."""
        left = list(options)
        return [left.pop(self.below(len(left))) for _ in range(count)]


def told(template: str, fields: Mapping[str, Any]) -> str:
    """A template filled in; "{n} day(s)" becomes "1 day" or "2 days"."""
    return _COUNTED.sub(lambda match: f"{match[1]}{'s' * (match[1].split()[0] != '1')}", template.format(**fields))


@dataclass(frozen=True, slots=True)
class Posed:
    """A problem before it is put into words: what fills the template, the answer and the way to it."""

    fields: dict[str, Any]
    gold: str
    steps: tuple[str, ...]
    arguments: dict[str, Any] = field(default_factory=dict)
    passage: str | None = None


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of problems. See the module's docstring for what is held out of training."""

    name: str
    description: str
    verifier: str
    templates: tuple[str, ...]
    """Wordings, with `{name}` where a field of `Posed` goes."""
    held_out_templates: tuple[str, ...]
    """Wordings that no training problem uses."""
    sizes: tuple[int, int, int]
    """How many numbers name problems, at difficulty 1, 2 and 3 (not counting wordings)."""
    operands: Callable[[int, Digits], Operands | None]
    """(difficulty, digits) -> operands, each at most once over range(size); None where there is no such problem."""
    pose: Callable[[Operands, Digits], Posed]
    """(operands, digits for names) -> the problem, its answer and steps."""
    canonical: Callable[[Operands], Operands] = lambda operands: operands
    """What the split hashes; by default the operands as they are."""
    splits: tuple[str, ...] = ("train", "evaluation")
    langs: tuple[str, ...] = ("en",)
    """The languages it can be told in; a problem's side of the split is the same in all of them."""

    def in_language(self, lang: str) -> Family:
        """The family as it is told in `lang`, one of `langs`."""
        assert lang in self.langs, (self.name, lang)
        return self

    def size(self, difficulty: int) -> int:
        """How many numbers name problems at `difficulty`."""
        return self.sizes[difficulty - 1]

    def place(self, operands: Operands) -> tuple[str, str]:
        """(split, group) of a problem: decided by its family and canonical operands alone."""
        name = f"{_SALT}\x1f{self.name}\x1f{self.canonical(operands)!r}"
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        held_out = digest[0] < _EVALUATION_SHARE or "train" not in self.splits
        return "evaluation" if held_out else "train", f"{self.name}:{digest.hex()}"
