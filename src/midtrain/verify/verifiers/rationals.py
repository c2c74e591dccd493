"""Exact rational numbers as people write them in LaTeX; whatever is not such a number is None.

12  -3.5  1,234  \\frac{3}{4}  -\\frac{3}{4}  3/4  3\\frac{1}{2}  0.1\\overline{6}  25\\%  6.02\\times 10^{23}  2^{10}
"""

from __future__ import annotations

import re
from fractions import Fraction

_WHOLE = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)"
_DECIMAL = rf"(?:{_WHOLE}(?:\.[0-9]+)?|\.[0-9]+)"
_SIGN = r"[-+]?"
_PLAIN = re.compile(_DECIMAL)
_REPEATING = re.compile(rf"({_WHOLE}|)\.([0-9]*)\\overline\s*\{{([0-9]+)\}}")
_FRACTION = re.compile(rf"\\frac\s*\{{\s*({_SIGN}{_DECIMAL})\s*\}}\s*\{{\s*({_SIGN}{_DECIMAL})\s*\}}")
_SLASH = re.compile(rf"({_DECIMAL})\s*/\s*({_DECIMAL})")
_MIXED = re.compile(rf"({_WHOLE})(?:\s*(\\frac\s*\{{.*)|\s+({_WHOLE}\s*/\s*{_WHOLE}))")
_POWER = re.compile(r"([0-9]{1,4})\s*\^\s*(?:\{\s*([-+]?[0-9]{1,3})\s*\}|([0-9]))")
_SCIENTIFIC = re.compile(rf"({_DECIMAL})\s*(?:\\times|\\cdot|\*)\s*(10\s*\^.*)")
_LONGEST = 300


def rational(text: str) -> Fraction | None:
    """The number that `text` is, a percentage as its hundredths, or None."""
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    if text.endswith(r"\%"):
        number = rational(text[:-2])
        return None if number is None else number / 100
    while text.startswith("{") and text.endswith("}") and "{" not in text[1:-1]:
        text = text[1:-1].strip()
    if text[:1] in ("-", "+"):
        number = _unsigned(text[1:].lstrip())
        return number if number is None or text[0] == "+" else -number
    return _unsigned(text)


def _unsigned(text: str) -> Fraction | None:
    if _PLAIN.fullmatch(text):
        return _decimal(text)
    if match := _FRACTION.fullmatch(text) or _SLASH.fullmatch(text):
        above, below = _decimal(match[1]), _decimal(match[2])
        return above / below if below else None
    if match := _MIXED.fullmatch(text):
        part = _unsigned(match[2] or match[3])
        return _decimal(match[1]) + part if part is not None and 0 <= part < 1 else None
    if match := _REPEATING.fullmatch(text):
        whole, first, cycle = match[1] or "0", match[2], match[3]
        nines = 10 ** len(cycle) - 1
        return _decimal(whole) + (Fraction(int(first or "0")) + Fraction(int(cycle), nines)) / 10 ** len(first)
    if match := _POWER.fullmatch(text):
        base, exponent = int(match[1]), int(match[2] or match[3])
        return Fraction(base) ** exponent if base or exponent > 0 else None
    if match := _SCIENTIFIC.fullmatch(text):
        power = _unsigned(match[2])
        return None if power is None else _decimal(match[1]) * power
    return None


def _decimal(text: str) -> Fraction:
    return Fraction(text.replace(",", ""))
