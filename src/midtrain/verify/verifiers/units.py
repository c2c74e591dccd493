"""Units of measurement as data: what a written unit is worth, and of what dimension.

    "km/h" -> (5/18, m s^-1)      "$" -> (1, USD)      "minutes" -> (60, s)      "%" -> (1/100, none)

A unit is a product of powers of base units times an exact factor (SI Brochure, 9th edition, 2019; the inch, pound and
gallon by their international or US definitions). Every currency is a dimension of its own, so that euros are never
dollars; a month is not a number of days; degrees Celsius and Fahrenheit are compared only with themselves.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache


@dataclass(frozen=True, slots=True)
class Unit:
    """`factor` times the product of base units to their powers."""

    factor: Fraction
    powers: frozenset[tuple[str, int]]

    def times(self, other: Unit, power: int = 1) -> Unit:
        """The product of this and a power of another."""
        powers = Counter(dict(self.powers))
        for base, exponent in other.powers:
            powers[base] += exponent * power
        kept = frozenset((base, exponent) for base, exponent in powers.items() if exponent)
        return Unit(self.factor * other.factor**power, kept)


NONE = Unit(Fraction(1), frozenset())

_PREFIXES = {
    "p": ("pico", -12), "n": ("nano", -9), "\u00b5": ("micro", -6), "u": ("micro", -6), "m": ("milli", -3),
    "c": ("centi", -2), "d": ("deci", -1), "h": ("hecto", 2), "k": ("kilo", 3), "M": ("mega", 6), "G": ("giga", 9),
    "T": ("tera", 12),
}  # fmt: skip

# symbol, names, factor, base units; the first block takes SI prefixes
_METRIC = """
m    meter meters metre metres          1         m
g    gram grams gramme grammes          1/1000    kg
s    second seconds sec secs            1         s
A    ampere amperes amp amps            1         A
K    kelvin kelvins                     1         K
mol  mole moles                         1         mol
L    liter liters litre litres l        1/1000    m^3
Hz   hertz                              1         s^-1
N    newton newtons                     1         kg m s^-2
Pa   pascal pascals                     1         kg m^-1 s^-2
J    joule joules                       1         kg m^2 s^-2
W    watt watts                         1         kg m^2 s^-3
Wh   watt-hour watt-hours               3600      kg m^2 s^-2
C    coulomb coulombs                   1         A s
V    volt volts                         1         kg m^2 s^-3 A^-1
F    farad farads                       1         kg^-1 m^-2 s^4 A^2
\u03a9    ohm ohms \u2126                       1         kg m^2 s^-3 A^-2
T    tesla teslas                       1         kg s^-2 A^-1
cal  calorie calories                   523/125   kg m^2 s^-2
bit  bits                               1         bit
B    byte bytes                         8         bit
"""
_OTHER = """
min  minute minutes mins                60        s
h    hour hours hr hrs                  3600      s
-    day days                           86400     s
-    week weeks                         604800    s
-    month months                       1         month
-    year years yr yrs                  12        month
t    tonne tonnes                       1000      kg
ha   hectare hectares                   10000     m^2
in   inch inches                        127/5000  m
ft   foot feet                          381/1250  m
yd   yard yards                         1143/1250 m
mi   mile miles                         201168/125  m
lb   pound pounds lbs                   45359237/100000000  kg
oz   ounce ounces                       45359237/1600000000 kg
gal  gallon gallons                     473176473/125000000000 m^3
mph  -                                  1397/3125 m s^-1
kmh  kph                                5/18      m s^-1
\u00b0    degree degrees deg                 1         degree
\u00b0C   celsius                            1         celsius
\u00b0F   fahrenheit                         1         fahrenheit
%    percent                            1/100     -
-    dozen                              12        -
$    dollar dollars USD US$             1         USD
\u00a2    cent cents                         1/100     USD
\u20ac    euro euros EUR                     1         EUR
\u00a3    GBP                                1         GBP
\u00a5    yen JPY                            1         JPY
\u20b9    rupee rupees INR                   1         INR
-    yuan CNY RMB \u5143                     1         CNY
\u20bd    ruble rubles rouble roubles RUB    1         RUB
-    peso pesos MXN                     1         MXN
-    shilling shillings KES             1         KES
-    taka BDT \u09f3                         1         BDT
"""
CURRENCY_SIGNS = "$\u20ac\u00a3\u00a5\u20b9\u20bd\u09f3"
_SUPERSCRIPTS = str.maketrans("\u2070\u00b9\u00b2\u00b3\u2074\u207b", "01234-")
_FACTOR = re.compile(r"([^\d\s*/^()\u00b7.-][^\d\s*/^()\u00b7]*?)(?:\^?\(?(-?[1-9])\)?)?")
_NAMED_POWER = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}


def _rows(table: str) -> Iterable[tuple[list[str], list[str], Unit]]:
    for line in table.strip().splitlines():
        words = line.split()
        place = next(i for i, word in enumerate(words) if i and re.fullmatch(r"[0-9]+(/[0-9]+)?", word))
        powers = {}
        for base in words[place + 1 :]:
            if base != "-":
                name, _, exponent = base.partition("^")
                powers[name] = int(exponent or 1)
        unit = Unit(Fraction(words[place]), frozenset(powers.items()))
        symbols = [words[0]] if words[0] != "-" else []
        yield symbols, [word for word in words[1:place] if word != "-"], unit


@cache
def _table() -> tuple[dict[str, Unit], dict[str, Unit]]:
    """Units by symbol (the case matters: mW is not MW) and by name (it does not)."""
    symbols: dict[str, Unit] = {}
    names: dict[str, Unit] = {}
    for table in (_METRIC, _OTHER):
        for some_symbols, some_names, unit in _rows(table):
            for symbol in some_symbols:
                symbols[symbol] = unit
            for name in some_names:
                names[name.casefold()] = unit
    for some_symbols, some_names, unit in _rows(_METRIC):
        for short, (long, exponent) in _PREFIXES.items():
            scaled = Unit(unit.factor * Fraction(10) ** exponent, unit.powers)
            for symbol in some_symbols:
                symbols.setdefault(short + symbol, scaled)  # min is minutes and not milli-inches
            if some_symbols == ["L"]:
                symbols.setdefault(short + "l", scaled)
            for name in some_names:
                names.setdefault(long + name.casefold(), scaled)
    return symbols, names


@cache
def unit_of(text: str) -> Unit | None:
    """The unit that `text` is ("km/h", "kilometers per hour", "m/s^2", "square feet"), or None."""
    text = text.translate(_SUPERSCRIPTS)
    text = re.sub(r"\s*(?:/|\bper\b)\s*", "/", text.strip())
    text = re.sub(r"\s*[\u00b7*\u22c5]\s*", " ", text)
    numerator, *denominators = text.split("/")
    unit = NONE if numerator == "" and denominators else _product(numerator)
    for part in denominators:
        below = _product(part.strip("()"))
        if unit is None or below is None:
            return None
        unit = unit.times(below, -1)
    return unit


def _product(text: str) -> Unit | None:
    """A product of powers: "kg m^2", "square feet"."""
    unit, named = NONE, 1
    words = text.split()
    if not words:
        return None
    for place, word in enumerate(words):
        if word.casefold() in _NAMED_POWER and place + 1 < len(words):
            named = _NAMED_POWER[word.casefold()]
            continue
        if word.casefold() in ("squared", "cubed") and place and named == 1:
            before = _one(words[place - 1])
            if before is None:
                return None
            unit = unit.times(before, 1 if word.casefold() == "squared" else 2)
            continue
        match = _FACTOR.fullmatch(word)
        found = _one(match[1]) if match else None
        if match is None or found is None:
            return None
        unit = unit.times(found, named * int(match[2] or 1))
        named = 1
    return unit if named == 1 else None


def _one(word: str) -> Unit | None:
    symbols, names = _table()
    return symbols.get(word) or names.get(word.casefold())
