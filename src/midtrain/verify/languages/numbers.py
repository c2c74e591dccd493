"""Numbers as a language writes them in figures, and the plural category that a noun beside them takes.

The categories are those of the Unicode CLDR (cldr.unicode.org, plural rules), for natural numbers only; the separators
too, but Spanish is written as the Real Academia recommends (a space, and four digits together), and Bengali with
European digits, as in MGSM, since answers are read in them.
"""

from __future__ import annotations

NO_BREAK_SPACE = "\u00a0"
NARROW_SPACE = "\u202f"

_ONE_OTHER = ("one", "other")
CATEGORIES: dict[str, tuple[str, ...]] = {
    "bn": _ONE_OTHER,
    "de": _ONE_OTHER,
    "en": _ONE_OTHER,
    "es": _ONE_OTHER,
    "fr": _ONE_OTHER,
    "ru": ("one", "few", "many"),
    "sw": _ONE_OTHER,
    "zh": ("other",),
}
"""The categories of natural numbers up to 999,999; a noun's forms are listed in this order."""

_GROUPS = {"bn": ",", "de": ".", "en": ",", "es": NO_BREAK_SPACE, "fr": NARROW_SPACE, "ru": NO_BREAK_SPACE, "sw": ","}
_DECIMALS = {"de": ",", "es": ",", "fr": ",", "ru": ","}
_FOUR_TOGETHER = {"es", "ru"}


def plural(number: int, lang: str) -> str:
    """The CLDR plural category of a natural number below a million."""
    if lang == "zh":
        return "other"
    if lang == "ru":
        last, teens = number % 10, number % 100 in (11, 12, 13, 14)
        return "many" if teens or not 1 <= last <= 4 else "one" if last == 1 else "few"
    return "one" if number == 1 or (number == 0 and lang in ("bn", "fr")) else "other"


def figures(number: int, lang: str, decimals: int = 0) -> str:
    """A natural number below a million in figures, thousands set apart; `decimals` zeros after it, as in prices."""
    text = str(number)
    separate = len(text) > (4 if lang in _FOUR_TOGETHER else 3)
    if separate:
        text = f"{text[:-3]}{_GROUPS.get(lang, ',')}{text[-3:]}"
        if lang == "bn" and number >= 100_000:
            text = f"{text[0]},{text[1:]}"  # lakhs: 1,23,456
    return f"{text}{_DECIMALS.get(lang, '.')}{'0' * decimals}" if decimals else text
