"""Fractions, decimals and percentages, exactly: results are reduced fractions or terminating decimals."""

from __future__ import annotations

import math
from fractions import Fraction

from midtrain.verify.generators.domain import Domain, decimal, measured, unordered
from midtrain.verify.generators.family import Operands, Posed

_LOWEST = " Give a whole number or a fraction in lowest terms."


def _written(top: int, bottom: int, result: Fraction) -> str:
    """The line that reduces top/bottom, or says that it is a whole number; none where nothing changes."""
    if result.denominator == bottom:
        return ""
    common = math.gcd(top, bottom)
    return f"{top}/{bottom} = ({top} / {common})/({bottom} / {common}) = {result}"


def _joined(a: int, b: int, c: int, d: int, sign: int) -> Posed:
    """a/b + c/d or a/b - c/d over the least common denominator."""
    operator = "+" if sign > 0 else "-"
    bottom = math.lcm(b, d)
    left, right = a * (bottom // b), c * (bottom // d)
    result = Fraction(left + sign * right, bottom)
    steps = [f"{a}/{b} = {left}/{bottom}", f"{c}/{d} = {right}/{bottom}"]
    steps = [step for step, old in zip(steps, (b, d), strict=True) if old != bottom]
    whole = left + sign * right
    steps += [f"{left}/{bottom} {operator} {right}/{bottom} = ({left} {operator} {right})/{bottom} = {whole}/{bottom}"]
    steps += [_written(whole, bottom, result)]
    fields = {"a": f"{a}/{b}", "b": f"{c}/{d}"}
    return Posed(fields, str(result), tuple(step for step in steps if step))


def _sum(a: int, b: int, c: int, d: int) -> Posed:
    return _joined(a, b, c, d, 1)


def _difference(a: int, b: int, c: int, d: int) -> Posed:
    return _joined(a, b, c, d, -1)


def _multiplied(a: int, b: int, c: int, d: int) -> list[str]:
    result = Fraction(a * c, b * d)
    line = f"{a}/{b} * {c}/{d} = ({a} * {c})/({b} * {d}) = {a * c}/{b * d}"
    return [line for line in (line, _written(a * c, b * d, result)) if line]


def _product(a: int, b: int, c: int, d: int) -> Posed:
    fields = {"a": f"{a}/{b}", "b": f"{c}/{d}"}
    return Posed(fields, str(Fraction(a * c, b * d)), tuple(_multiplied(a, b, c, d)))


def _quotient(a: int, b: int, c: int, d: int) -> Posed:
    steps = (f"({a}/{b}) / ({c}/{d}) = {a}/{b} * {d}/{c}", *_multiplied(a, b, d, c))
    return Posed({"a": f"{a}/{b}", "b": f"{c}/{d}"}, str(Fraction(a * d, b * c)), steps)


def _reduced(a: int, b: int, times: int) -> Posed:
    top, bottom = a * times, b * times
    large, small, steps = max(top, bottom), min(top, bottom), []
    while small:
        steps.append(f"{large} = {large // small} * {small} + {large % small}")
        large, small = small, large % small
    steps += [f"{top} / {times} = {a}", f"{bottom} / {times} = {b}", f"{top}/{bottom} = {a}/{b}"]
    return Posed({"a": f"{top}/{bottom}"}, f"{a}/{b}", tuple(steps))


def _larger(a: int, b: int, c: int, d: int) -> Posed:
    steps = [f"{a} * {d} = {a * d}", f"{c} * {b} = {c * b}"]
    first = a * d > c * b
    steps.append(f"{max(a * d, c * b)} > {min(a * d, c * b)}")
    options = [f"{a}/{b}", f"{c}/{d}"]
    return Posed({"a": options[0], "b": options[1]}, options[not first], tuple(steps), {"options": options})


def _proper(*numbers: int) -> bool:
    """Two fractions in lowest terms that differ, the first number above each second."""
    a, b, c, d = numbers
    return math.gcd(a, b) == 1 and math.gcd(c, d) == 1 and b > 1 and d > 1 and a * d != c * b


def _falling(a: int, b: int, c: int, d: int) -> bool:
    return _proper(a, b, c, d) and a * d > c * b


def _pairs(operands: Operands) -> Operands:
    a, b, c, d = operands
    return tuple(sorted(((a, b), (c, d))))


_TWO = (
    (range(1, 10), range(2, 10)) * 2,
    (range(1, 20), range(10, 25)) * 2,
    (range(20, 60), range(11, 60)) * 2,
)
_FRACTIONS = Domain(*_TWO, keep=_proper)


def _places(cents: int, places: int) -> str:
    return decimal(Fraction(cents, 10**places))


def _decimal_sum(a: int, b: int, places: int) -> Posed:
    """Both as whole numbers of the last place, added, and turned back."""
    x, y, scale = _places(a, places), _places(b, places), 10**places
    steps = (
        f"{x} * {scale} = {a}",
        f"{y} * {scale} = {b}",
        f"{a} + {b} = {a + b}",
        f"{a + b} / {scale} = {_places(a + b, places)}",
    )
    return Posed({"a": x, "b": y}, _places(a + b, places), steps)


def _decimal_difference(a: int, b: int, places: int) -> Posed:
    x, y, scale = _places(a, places), _places(b, places), 10**places
    steps = (
        f"{x} * {scale} = {a}",
        f"{y} * {scale} = {b}",
        f"{a} - {b} = {a - b}",
        f"{a - b} / {scale} = {_places(a - b, places)}",
    )
    return Posed({"a": x, "b": y}, _places(a - b, places), steps)


def _decimal_product(a: int, b: int, places: int) -> Posed:
    x, y, scale = _places(a, places), _places(b, 1), 10 ** (places + 1)
    steps = (
        f"{x} * {10**places} = {a}",
        f"{y} * 10 = {b}",
        f"{a} * {b} = {a * b}",
        f"{a * b} / {scale} = {decimal(Fraction(a * b, scale))}",
    )
    return Posed({"a": x, "b": y}, decimal(Fraction(a * b, scale)), steps)


def _as_decimal(a: int, b: int) -> Posed:
    """Extended until the denominator is a power of ten."""
    scale = next(10**n for n in range(1, 8) if 10**n % b == 0)
    steps = (
        f"{scale} / {b} = {scale // b}",
        f"{a} * {scale // b} = {a * (scale // b)}",
        f"{a}/{b} = {a * (scale // b)}/{scale}",
        f"{a * (scale // b)} / {scale} = {decimal(Fraction(a, b))}",
    )
    return Posed({"a": f"{a}/{b}"}, decimal(Fraction(a, b)), steps)


def _percent_of(percent: int, whole: int) -> Posed:
    part = decimal(Fraction(percent * whole, 100))
    steps = (f"{whole} * {percent} = {whole * percent}", f"{whole * percent} / 100 = {part}")
    return Posed({"p": percent, "a": whole}, part, steps)


def _percent_change(before: int, percent: int) -> Posed:
    after = before + before * percent // 100
    steps = (
        f"{after} - {before} = {after - before}",
        f"{after - before} / {before} = {decimal(Fraction(percent, 100))}",
        f"{decimal(Fraction(percent, 100))} * 100 = {percent}",
    )
    return measured({"a": before, "b": after}, percent, "%", steps)


def _successive(price: int, up: int, down: int) -> Posed:
    first = Fraction(price * (100 + up), 100)
    second = first * (100 - down) / 100
    steps = (
        f"{price} * {100 + up} / 100 = {decimal(first)}",
        f"{decimal(first)} * {100 - down} / 100 = {decimal(second)}",
    )
    return Posed({"a": price, "p": up, "q": down}, decimal(second), steps)


_DECIMALS = Domain(
    (range(11, 400), range(11, 400), (1,)),
    (range(101, 10_000), range(101, 10_000), (2,)),
    (range(1001, 1_000_000), range(1001, 1_000_000), (3,)),
    keep=lambda a, b, places: a > b and a % 10 != 0 and b % 10 != 0,
)

FAMILIES = (
    _FRACTIONS.family(
        "fraction_addition",
        "the sum of two fractions over the least common denominator",
        _sum,
        ("What is {a} + {b}?" + _LOWEST, "Add {a} and {b}." + _LOWEST, "{a} + {b} = ?" + _LOWEST),
        ("Find the sum of the fractions {a} and {b}." + _LOWEST,),
        canonical=_pairs,
    ),
    Domain(*_TWO, keep=_falling).family(
        "fraction_subtraction",
        "the difference of two fractions over the least common denominator",
        _difference,
        ("What is {a} - {b}?" + _LOWEST, "Subtract {b} from {a}." + _LOWEST, "{a} - {b} = ?" + _LOWEST),
        ("By how much is {a} more than {b}?" + _LOWEST,),
    ),
    _FRACTIONS.family(
        "fraction_multiplication",
        "the product of two fractions, reduced",
        _product,
        ("What is {a} * {b}?" + _LOWEST, "Multiply {a} by {b}." + _LOWEST, "{a} * {b} = ?" + _LOWEST),
        ("How much is {a} of {b}?" + _LOWEST,),
        canonical=_pairs,
    ),
    _FRACTIONS.family(
        "fraction_division",
        "the quotient of two fractions, reduced (held out whole)",
        _quotient,
        ("What is ({a}) / ({b})?" + _LOWEST, "Divide {a} by {b}." + _LOWEST),
        ("How often does {b} fit into {a}?" + _LOWEST,),
        train=False,
    ),
    Domain(
        (range(1, 10), range(2, 12), range(2, 8)),
        (range(5, 40), range(12, 60), range(3, 20)),
        (range(20, 200), range(60, 300), range(7, 60)),
        keep=lambda a, b, times: math.gcd(a, b) == 1 and a != b,
    ).family(
        "reduce_fraction",
        "a fraction in lowest terms",
        _reduced,
        ("Write {a} in lowest terms.", "Reduce the fraction {a}.", "Simplify {a}."),
        ("Which fraction with the smallest possible numbers equals {a}?",),
        verifier="exact",
    ),
    _FRACTIONS.family(
        "fraction_comparison",
        "the larger of two fractions, by multiplying crosswise",
        _larger,
        ("Which is larger, {a} or {b}?", "What is the larger of {a} and {b}?", "max({a}, {b}) = ?"),
        ("Of {a} and {b}, name the fraction that is greater.",),
        verifier="choice",
        canonical=_pairs,
    ),
    _DECIMALS.family(
        "decimal_addition",
        "the sum of two decimals",
        _decimal_sum,
        ("What is {a} + {b}?", "{a} + {b} = ?", "Add {a} and {b}."),
        ("Find the sum of {a} and {b}.",),
        canonical=unordered,
    ),
    _DECIMALS.family(
        "decimal_subtraction",
        "the difference of two decimals",
        _decimal_difference,
        ("What is {a} - {b}?", "{a} - {b} = ?", "Subtract {b} from {a}."),
        ("Take {b} away from {a}. How much is left?",),
    ),
    Domain(
        (range(11, 100), range(11, 100), (1,)),
        (range(101, 1000), range(11, 100), (2,)),
        (range(1001, 100_000), range(11, 1000), (3,)),
        keep=lambda a, b, places: a % 10 != 0 and b % 10 != 0,
    ).family(
        "decimal_multiplication",
        "the product of two decimals",
        _decimal_product,
        ("What is {a} * {b}?", "{a} * {b} = ?", "Multiply {a} by {b}."),
        ("Find the product of {a} and {b}.",),
    ),
    Domain(
        (range(1, 40), (2, 4, 5, 10, 20, 25)),
        (range(40, 500), (4, 5, 8, 16, 20, 25, 40, 50)),
        (range(500, 5000), (16, 32, 40, 64, 80, 125, 160, 200, 250)),
        keep=lambda a, b: a % b != 0 and math.gcd(a, b) == 1,
    ).family(
        "fraction_to_decimal",
        "a fraction as a terminating decimal",
        _as_decimal,
        ("Write {a} as a decimal.", "What is {a} as a decimal number?", "Convert {a} to a decimal."),
        ("Which decimal number has the same value as {a}?",),
    ),
    Domain(
        ((5, 10, 20, 25, 50, 75), range(20, 400, 4)),
        (range(1, 100), range(400, 2000)),
        (range(1, 300), range(2000, 50_000)),
    ).family(
        "percent_of",
        "a percentage of a number",
        _percent_of,
        ("What is {p}% of {a}?", "{p}% of {a} = ?", "Find {p} percent of {a}."),
        ("How much is {p} percent of {a}?",),
    ),
    Domain(
        (range(20, 801, 20), range(5, 101, 5)),
        (range(850, 4001, 50), range(2, 101, 2)),
        (range(100, 20_001, 100), range(101, 400)),
    ).family(
        "percent_change",
        "by how many percent a value has risen",
        _percent_change,
        (
            "By how many percent is {b} more than {a}?",
            "A value rises from {a} to {b}. What is the rise in percent?",
            "From {a} to {b}: an increase of how many percent?",
        ),
        ("Something cost {a} and now costs {b}. Give the increase as a percentage of the old price.",),
    ),
    Domain(
        (range(20, 2000, 20), (10, 20, 50), (10, 20, 50)),
        (range(110, 2000, 20), range(5, 51, 5), range(5, 51, 5)),
        (range(2000, 20_000, 50), range(1, 60), range(1, 60)),
    ).family(
        "percent_up_and_down",
        "a price raised by one percentage and then lowered by another (held out whole)",
        _successive,
        (
            "A price of {a} is raised by {p}% and the new price is then lowered by {q}%. What is it in the end?",
            "Increase {a} by {p}% and decrease the result by {q}%. What do you get?",
        ),
        ("First {a} grows by {p} percent, then what it has become shrinks by {q} percent. How much remains?",),
        train=False,
    ),
)
