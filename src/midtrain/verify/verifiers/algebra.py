"""Values compared by computer algebra: parsed with math-verify's LaTeX grammar, then computed to many digits.

Two values are equal when they agree to 40 digits: constants as they are, expressions at several points where both are
defined. Numbers decide and not simplification: two different closed forms that agree so far do not come up by
accident, while simplifying is what hangs and what misses true identities. Variables keep their case; i is the imaginary
unit and e Euler's number. Runs in a child: whatever hangs or eats memory here is killed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import sympy
from latex2sympy2_extended import latex2sympy
from latex2sympy2_extended.latex2sympy2 import ConversionConfig

from midtrain.verify.verdict import Outcome
from midtrain.verify.verifiers.equivalence import Values
from midtrain.verify.verifiers.latex import NoAnswer
from midtrain.verify.verifiers.tolerance import within

_DIGITS = 60  # computed
_AGREE = sympy.Float(10, _DIGITS) ** -40  # relative
_MOST_SYMBOLS = 8
_POINTS = tuple(
    sympy.Rational(a, b) for a, b in ((37, 23), (-29, 19), (11, 31), (-7, 41), (503, 17), (-61, 53), (89, 13), (2, 97))
)
_NEEDED = 3  # points at which both sides must be defined
_READ = ConversionConfig(lowercase_symbols=False)
_UNFINISHED = (sympy.Integral, sympy.Sum, sympy.Product, sympy.Limit, sympy.Derivative)


class Computed(Values):
    """Compares by computing."""

    def computed_equal(self, gold: str, answer: str) -> bool:
        """Whether two values are equal, or within the tolerance."""
        left, right = _gold(gold), _expression(answer)
        with _computing():
            if isinstance(left, sympy.MatrixBase) or isinstance(right, sympy.MatrixBase):
                if getattr(left, "shape", 0) != getattr(right, "shape", 1):
                    return False
                return all(self._near(a, b) for a, b in zip(left, right, strict=True))
            return self._near(left, right)

    def proportional(self, gold: tuple[str, str], answer: tuple[str, str], positive: bool) -> bool:
        """Whether left minus right of one is a constant times the other's."""
        sides = [*map(_gold, gold), *map(_expression, answer)]
        with _computing():
            one, other = sides[0] - sides[1], sides[2] - sides[3]
            if one.free_symbols != other.free_symbols or not one.free_symbols:
                return False
            ratios = [b / a for a, b in _samples(one, other) if a != 0]
            if len(ratios) < _NEEDED or ratios[0] == 0 or not all(_agree(ratios[0], ratio) for ratio in ratios):
                return False
            return not positive or bool(sympy.re(ratios[0]) > 0)

    def _near(self, left: Any, right: Any) -> bool:
        if left == right:
            return True
        if left.free_symbols != right.free_symbols and not _vanishing(left, right):
            return False
        symbols = left.free_symbols | right.free_symbols
        pairs = list(_samples(left, right))
        if len(pairs) < (_NEEDED if symbols else 1):
            return False
        if self._tolerance is not None and not symbols and all(value.is_real for value in pairs[0]):
            wanted, given = (Fraction(str(value)) for value in pairs[0])
            return within(given, wanted, self._tolerance)
        return all(_agree(a, b) for a, b in pairs)


@contextmanager
def _computing() -> Iterator[None]:
    """What sympy raises (anything: it overflows, divides by zero, knows no power of a matrix) is no verdict."""
    try:
        yield
    except (NoAnswer, MemoryError):
        raise
    except Exception as error:
        raise NoAnswer("cannot be computed", Outcome.TIMEOUT) from error


def _vanishing(left: Any, right: Any) -> bool:
    """Whether symbols may cancel (x - x), so that different symbols need not mean different values."""
    return len(left.free_symbols ^ right.free_symbols) <= 2


def _gold(text: str) -> Any:
    try:
        return _expression(text, gold=True)
    except NoAnswer as error:
        raise ValueError(f"the gold answer's {text[:100]!r} cannot be read: {error.cause}") from error


def _expression(text: str, gold: bool = False) -> Any:
    """The expression that `text` is, all of it. Raises NoAnswer."""
    text = re.sub(r"(?<![A-Za-z])([0-9.]+)\s*\^\s*\{?\s*\\circ\s*\}?", r"(\1\\frac{\\pi}{180})", text)
    text = re.sub(r"([0-9]*)\.([0-9]+)", _exact_decimal, text)
    try:
        found = latex2sympy(text, conversion_config=_READ)
    except MemoryError:
        raise
    except RecursionError as error:
        raise NoAnswer("too deeply nested") from error
    except Exception as error:  # the grammar raises plain Exception, and its actions whatever they stumble on
        raise NoAnswer("not an expression") from error
    if not isinstance(found, (sympy.Expr, sympy.MatrixBase)):
        raise NoAnswer("not an expression")
    if found.has(*_UNFINISHED):
        if not gold:
            raise NoAnswer("a calculation, not its result")
        found = found.doit()
    with _computing():
        return found.subs({sympy.Symbol("i"): sympy.I, sympy.Symbol("e"): sympy.E})


def _exact_decimal(match: re.Match[str]) -> str:
    """A decimal as a fraction: the grammar would keep 15 digits of it."""
    whole, part = match[1], match[2]
    return rf"\frac{{{int(whole + part)}}}{{{10 ** len(part)}}}"


def _samples(left: Any, right: Any) -> list[tuple[Any, Any]]:
    """Both values where both are finite numbers: once for constants, else at several points."""
    symbols = sorted(left.free_symbols | right.free_symbols, key=str)
    if len(symbols) > _MOST_SYMBOLS:
        raise NoAnswer("too many variables", Outcome.TIMEOUT)
    pairs = []
    for turn in range(len(_POINTS) if symbols else 1):
        point = {s: _POINTS[(turn + 3 * place) % len(_POINTS)] + place for place, s in enumerate(symbols)}
        a, b = (side.subs(point).evalf(_DIGITS, maxn=200) for side in (left, right))
        if all(value.is_number and value.is_finite and not value.has(sympy.nan, sympy.zoo) for value in (a, b)):
            pairs.append((a, b))
    return pairs


def _agree(a: Any, b: Any) -> bool:
    distance, size = abs(a - b), max(abs(a), abs(b), key=float)
    return bool(distance <= _AGREE * size) or bool(distance <= sympy.Float(10, _DIGITS) ** -55)
