"""Families whose operands are drawn from finite sets: one set per operand and difficulty, less what poses no problem.

    Domain((range(2, 10), range(10, 100)), ..., ..., keep=lambda a, b: a < b)

names every pair of the product once, which is what a family must do; the sets of two difficulties must not share a
tuple. `fraction`, `decimal` and `term` write numbers as the steps and the verifiers read them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import prod
from typing import Any

from midtrain.verify.generators.family import Digits, Family, Operands, Posed

Axes = tuple[Sequence[Any], ...]
"""The set of each operand at one difficulty."""


class Domain:
    """The operands of a family: at each difficulty the product of its axes, where `keep(*operands)` holds."""

    def __init__(self, easy: Axes, middle: Axes, hard: Axes, keep: Callable[..., bool] | None = None):
        self._axes = (easy, middle, hard)
        self._keep = keep
        self.sizes = prod(map(len, easy)), prod(map(len, middle)), prod(map(len, hard))

    def operands(self, difficulty: int, digits: Digits) -> Operands | None:
        """The tuple that `digits` names; None for one that is not kept."""
        drawn = tuple(digits.choose(axis) for axis in self._axes[difficulty - 1])
        return drawn if self._keep is None or self._keep(*drawn) else None

    def family(
        self,
        name: str,
        description: str,
        work: Callable[..., Posed],
        ask: tuple[str, ...],
        held_out: tuple[str, ...],
        verifier: str = "number",
        canonical: Callable[[Operands], Operands] | None = None,
        train: bool = True,
    ) -> Family:
        """The family that poses `work(*operands)`; without `train` it is held out whole."""
        return Family(
            name=name,
            description=description,
            verifier=verifier,
            templates=ask,
            held_out_templates=held_out,
            sizes=self.sizes,
            operands=self.operands,
            pose=lambda operands, wording: work(*operands),
            canonical=canonical or (lambda operands: operands),
            splits=("train", "evaluation") if train else ("evaluation",),
        )


def unordered(operands: Operands) -> Operands:
    """Operands whose order does not matter to the answer."""
    return tuple(sorted(operands))


def term(number: int | Fraction) -> str:
    """A number as it stands after an operator: a negative one in brackets."""
    return f"({number})" if number < 0 else str(number)


def decimal(number: Fraction | int) -> str:
    """A number as a terminating decimal, without needless zeros: 5/4 is 1.25."""
    exact = Fraction(number)
    places, rest = 0, exact.denominator
    while rest != 1:
        factor = 10 if rest % 10 == 0 else 2 if rest % 2 == 0 else 5
        assert rest % factor == 0, f"{number} does not terminate"
        rest //= factor
        places += 1
    places = next(fewer for fewer in range(places + 1) if (exact * 10**fewer).denominator == 1)
    digits = f"{abs(exact) * 10**places}".rjust(places + 1, "0")
    sign = "-" if exact < 0 else ""
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def product(factors: Sequence[Any]) -> str:
    """Factors with signs of multiplication between them."""
    return " * ".join(map(str, factors))


def total(terms: Sequence[Any]) -> str:
    """Terms with plus signs between them."""
    return " + ".join(map(str, terms))


def measured(fields: dict[str, Any], value: int | Fraction, unit: str, steps: Sequence[str]) -> Posed:
    """A problem whose answer is a quantity: the value as a decimal, with its unit for the verifier."""
    return Posed(fields, decimal(value), tuple(steps), {"unit": unit})
