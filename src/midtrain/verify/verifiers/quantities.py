"""A number with its unit: "72 km/h", "$3.50", "1 h 30 min", "about 12.5%".

The number must be the only one, as for a bare number; two units of one dimension in a row ("1 h 30 min") are one
quantity. The unit is all that follows the number, and a known one must be of the same dimension as the gold answer's:
20 m/s is 72 km/h, but 72 m/s is not. Without a unit the answer is read in the gold answer's, where leaving it out is
allowed: if the gold answer leaves it out as well, or the problem says `unit_optional`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from midtrain.verify.verdict import Outcome
from midtrain.verify.verifiers.protocol import PASSED, Judgement
from midtrain.verify.verifiers.tolerance import within
from midtrain.verify.verifiers.units import CURRENCY_SIGNS, NONE, Unit, unit_of

_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_POWER = r"(?:[eE][-+]?[0-9]{1,3}|\s*(?:\u00d7|x|\*|\\times|\\cdot)\s*10\s*\^\s*\{?\s*[-+]?[0-9]{1,3}\s*\}?)"
_NUMBER = re.compile(
    rf"(?<![\w.,/])([-+]?)\s?((?:US)?[{CURRENCY_SIGNS}]?)\s?([-+]?)"
    rf"({_DIGITS}\s+[0-9]+/[0-9]+|{_DIGITS}/[0-9]+|{_DIGITS}(?:\.[0-9]+)?|\.[0-9]+)({_POWER}?)(?![0-9/]|[.,][0-9])"
)
QUALIFIED = re.compile(
    r"(?:[-\u2010-\u2015\uff0d]|\b(?:minus|negative)\b|[\u00b1\u2213\u221a<>\u2264\u2265\u2260])\s*$", re.IGNORECASE
)
"""What before a number makes it another one, or two: a sign apart from it, plus or minus, a bound."""
SCALED = re.compile(r"\s*(?:hundred|thousand|million|billion|trillion)\b", re.IGNORECASE)
"""What after a number makes it another one."""
_POWER_IN_UNIT = re.compile(r"\^\{?(-?[1-4])\}?(?![0-9])")
_LATEX = (
    (r"\\(?:text|mathrm|textrm|mbox)\s*\{([^{}]*)\}", r" \1 "),
    (r"\\[,;:! ]|~", " "),
    (r"\\([$%])", r"\1"),
    (r"\s+\^", "^"),
)
_LONGEST = 500
_MOST_WORDS = 4


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value in `unit`; None: no unit was written. `unknown`: what followed the number is no unit we know."""

    value: Fraction
    unit: Unit | None
    unknown: str = ""


class Unreadable(Exception):
    """The text holds no quantity, or more than one."""


def judge(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement:
    """Compare as quantities. Arguments: `unit`, `unit_optional`, `tolerance` ({"absolute": x} or {"relative": x}).

    Raises ValueError for a gold answer or a unit that cannot be read.
    """
    asked = str(arguments.get("unit", ""))
    unit = unit_of(asked) if asked else NONE
    if unit is None:
        raise ValueError(f"there is no unit {asked!r}")
    try:
        wanted = read(gold)
    except Unreadable as error:
        raise ValueError(f"the gold answer {gold!r} is no quantity: {error}") from error
    if wanted.unknown:
        raise ValueError(f"the gold answer {gold!r} has no known unit")
    if asked and wanted.unit is not None and wanted.unit.powers != unit.powers:
        raise ValueError(f"the gold answer {gold!r} is not in {asked!r}")
    try:
        given = read(answer)
    except Unreadable as error:
        return Judgement(Outcome.UNPARSEABLE, str(error))
    gold_unit = wanted.unit or unit
    if given.unit is None:
        if given.unknown and gold_unit != NONE:
            return Judgement(Outcome.FAIL, "another unit")
        if wanted.unit is not None and not arguments.get("unit_optional"):
            return Judgement(Outcome.FAIL, "no unit")
    given_unit = given.unit or gold_unit
    if not asked and wanted.unit is None and given_unit.powers:
        given_unit = NONE  # "12 h" where a bare number is asked: as "12 apples"
    if given_unit.powers != gold_unit.powers:
        return Judgement(Outcome.FAIL, "another unit")
    near = within(given.value * given_unit.factor / gold_unit.factor, wanted.value, arguments.get("tolerance"))
    return PASSED if near else Judgement(Outcome.FAIL, "different number")


def read(text: str) -> Quantity:
    """The one quantity in `text`. Raises Unreadable, with the cause."""
    text = text.replace("\u2212", "-").strip()
    if len(text) > _LONGEST:
        raise Unreadable("too long")
    if len(text) > 1 and text[0] == text[-1] == "$":  # LaTeX's, not a currency
        text = text[1:-1]
    for pattern, to in _LATEX:
        text = re.sub(pattern, to, text)
    hidden = _POWER_IN_UNIT.sub(lambda match: "^" + match[1].translate(_HIDE), text)  # the 2 of m^2 is not a number
    hidden = re.sub(r"(10\s*)\^([\ue000-\ue009\ue00d]+)", lambda m: m[1] + "^" + m[2].translate(_SHOW), hidden)
    matches = list(_NUMBER.finditer(hidden))
    if not matches:
        raise Unreadable("no number in the answer")
    if QUALIFIED.search(hidden[: matches[0].start()]) or any(SCALED.match(hidden, match.end()) for match in matches):
        raise Unreadable("more than a number")
    parts = [
        _part(match, hidden[match.end() : end]) for match, end in zip(matches, _ends(matches, hidden), strict=True)
    ]
    if len(parts) == 1:
        return parts[0]
    return _sum(parts)


_HIDE = {ord(c): chr(0xE000 + "0123456789...-".index(c)) for c in "0123456789-"}
_SHOW = {hidden: chr(shown) for shown, hidden in ((shown, ord(hidden)) for shown, hidden in _HIDE.items())}


def _ends(matches: list[re.Match[str]], text: str) -> list[int]:
    return [*(match.start() for match in matches[1:]), len(text)]


def _part(match: re.Match[str], after: str) -> Quantity:
    sign, currency, inner_sign, digits, power = match.groups()
    value = _value(digits, power) * (-1 if "-" in (sign, inner_sign) else 1)
    if re.match(r"\s*[*/^+=]", after):
        raise Unreadable("a calculation, not its result")
    words = re.match(r"\s*-?\s*([^\n,;:!?()]*)", after.translate(_SHOW))
    following = words[1] if words else ""
    if currency:
        unit, _ = _longest_unit(f"{currency[-1]} {following}" if following.startswith("per ") else currency[-1])
        return Quantity(value, unit)
    unit, unknown = _longest_unit(following)
    return Quantity(value, unit, unknown)


def _longest_unit(text: str) -> tuple[Unit | None, str]:
    """The unit that `text` begins with, and the first word when that is none."""
    words = text.rstrip(". ").split()
    for count in range(min(len(words), _MOST_WORDS), 0, -1):
        unit = unit_of(" ".join(words[:count]).rstrip("."))
        if unit is not None:
            return unit, ""
    return None, words[0] if words else ""


def _value(digits: str, power: str) -> Fraction:
    *whole, last = digits.replace(",", "").split()
    if "/" in last and not int(last.split("/")[1]):
        raise Unreadable("a denominator of 0")
    value = sum((Fraction(part) for part in whole), Fraction(last))
    exponent = re.search(r"([-+]?[0-9]+)\s*\}?$", power) if power else None
    return value * Fraction(10) ** int(exponent[1]) if exponent else value


def _sum(parts: list[Quantity]) -> Quantity:
    """ "1 h 30 min": quantities of one dimension, each in a smaller unit than the one before and less than it."""
    units = [part.unit for part in parts]
    first = units[0]
    total = Fraction(0)
    for place, (part, unit) in enumerate(zip(parts, units, strict=True)):
        if unit is None or first is None or unit.powers != first.powers or not unit.powers:
            raise Unreadable("several numbers in the answer")
        before = units[place - 1] if place else None
        if before and (unit.factor >= before.factor or not 0 <= part.value * unit.factor < before.factor):
            raise Unreadable("several numbers in the answer")
        total += part.value * unit.factor
    assert first
    return Quantity(total / first.factor, first)
