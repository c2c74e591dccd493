"""Number words from 0 to 9,999, agreeing with what is counted.

What agrees differs: Spanish and Russian numerals have gender (veintiuna, две), Russian ones an accusative (одну
тысячу), Swahili ones the class of the noun in 1-5 and 8 (vitabu viwili, machungwa mawili), Chinese has another "two"
before a measure word (两个). Bengali has a word of its own for every number up to 99. A spelling of a language takes
(number, noun, case); a number alone, as in counting, has the noun ALONE.
"""

from __future__ import annotations

from midtrain.verify.languages.grammar import Noun

ALONE = Noun({"": "", "acc": ""})
"""Nothing is counted: the number as it is said alone, masculine in the languages with gender."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_EN = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_EN_TENS = _words(". . twenty thirty forty fifty sixty seventy eighty ninety")


def english(number: int, noun: Noun = ALONE, case: str = "") -> str:
    """British usage: "one thousand two hundred and five"."""
    if number < 20:
        return _EN[number]
    if number < 100:
        ten, one = divmod(number, 10)
        return _EN_TENS[ten] + (f"-{_EN[one]}" if one else "")
    if number < 1000:
        hundred, rest = divmod(number, 100)
        return f"{_EN[hundred]} hundred" + (f" and {english(rest)}" if rest else "")
    thousand, rest = divmod(number, 1000)
    joint = " and " if rest < 100 else " "
    return f"{english(thousand)} thousand" + (f"{joint}{english(rest)}" if rest else "")
