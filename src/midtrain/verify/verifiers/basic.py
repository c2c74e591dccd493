"""Verifiers that need no library: the same text, the same number, the same option.

What was found is read strictly. A line that holds two numbers or two options is no answer, since accepting it would
reward naming everything; "12x", "12%" and "1e3" are not numbers; "24/2" is not the number 12, since that would reward
repeating the question.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from midtrain.verify.verdict import Outcome
from midtrain.verify.verifiers import quantities
from midtrain.verify.verifiers.protocol import PASSED, Judgement

_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_NUMBER = re.compile(
    rf"(?<![\w.,/+-])[-+]?(?:{_DIGITS}(?:\.[0-9]+|/[0-9]+)?|\.[0-9]+)(?![\w/%]|[.,+-][0-9])"
)  # 12, -3, 1,234, 0.5, .5, 3/4, and nothing glued to it
_CONTINUED = re.compile(r"\s*(?:[%+/^\u00d7\u00b7\u00f7]|\.\.|dozen\b)")
_REVERSING = re.compile(r"[\u202a-\u202e\u2066-\u2069]")  # a person would read other digits than we do
_LONGEST_NUMBER = 200  # characters: no answer is longer, and int() refuses 4,300 digits


def exact(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement:
    """The same characters, up to the amount of white space."""
    if not answer:
        return Judgement(Outcome.UNPARSEABLE, "no answer")
    return PASSED if answer.split() == gold.split() else Judgement(Outcome.FAIL, "different text")


def number(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement:
    """The same value, compared exactly as a fraction: 0.50 is 1/2. A fraction is an answer only where gold is one.

    With `unit` or `tolerance` among the arguments it is a quantity; see `quantities.judge`.
    """
    if arguments.get("unit") or arguments.get("tolerance"):
        return quantities.judge(answer, gold, arguments)
    if _REVERSING.search(answer):
        return Judgement(Outcome.UNPARSEABLE, "control characters")
    text = answer.replace("\u2212", "-")
    found = list(_NUMBER.finditer(text))
    if len(found) != 1:
        return Judgement(Outcome.UNPARSEABLE, "several numbers in the answer" if found else "no number in the answer")
    after = text[found[0].end() :]
    if (
        quantities.QUALIFIED.search(text[: found[0].start()])
        or quantities.SCALED.match(after)
        or _CONTINUED.match(after)
    ):
        return Judgement(Outcome.UNPARSEABLE, "more than a number")
    written = found[0][0]
    if len(written) > _LONGEST_NUMBER:
        return Judgement(Outcome.UNPARSEABLE, "a number too long to be an answer")
    if "/" in written and ("/" not in gold or not int(written.split("/")[1])):
        return Judgement(
            Outcome.UNPARSEABLE, "a fraction where none is asked" if "/" not in gold else "a denominator of 0"
        )
    equal = Fraction(written.replace(",", "")) == Fraction(gold)
    return PASSED if equal else Judgement(Outcome.FAIL, "different number")


def choice(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement:
    """One of `arguments["options"]`, in any case, first in the answer and the only one ("Yes, it is" is yes).

    Options by letter, {"A": "Paris", "B": "Rome"}, are named by letter, by text or by both; gold is the letter.
    """
    if isinstance(arguments["options"], Mapping):
        return _lettered(answer, gold, arguments["options"])
    options = [option.casefold() for option in arguments["options"]]
    if gold.casefold() not in options:
        raise ValueError(f"the gold answer {gold!r} is not among the options")
    words = "|".join(re.escape(option) for option in sorted(options, key=len, reverse=True))
    named = {match[0] for match in re.finditer(rf"(?<!\w)(?:{words})(?!\w)", answer.casefold())}
    if len(named) != 1:
        return Judgement(Outcome.UNPARSEABLE, "several options in the answer" if named else "not one of the options")
    if not answer.casefold().startswith(tuple(named)):
        return Judgement(Outcome.UNPARSEABLE, "the option does not come first")
    return PASSED if named == {gold.casefold()} else Judgement(Outcome.FAIL, "another option")


def _lettered(answer: str, gold: str, options: Mapping[str, str]) -> Judgement:
    """ "B", "(b)", "B. Rome" or "Rome"; a letter beside another option's text is no answer."""
    if gold not in options:
        raise ValueError(f"the gold answer {gold!r} is not among the options")
    text = answer.replace("$", "").replace("*", "")
    for _ in range(2):  # \boxed{\text{B}}
        text = re.sub(r"\\(?:boxed|text|mathrm|textbf)\s*\{([^{}]*)\}", r"\1", text)
    match = re.fullmatch(
        r"\s*\(?\s*(\w)\s*(?:[).:]|$|(?=\s))[).:]*\s*(?:[-\u2013\u2014]\s+)?(.*?)[\s.]*", text, re.DOTALL
    )
    letters = {letter.casefold(): letter for letter in options}
    texts = {_folded(option): letter for letter, option in options.items()}
    by_text = texts.get(_folded(text))
    by_letter = letters.get(match[1].casefold()) if match else None
    if match and by_letter and match[2]:
        beside = texts.get(_folded(match[2]))
        if beside != by_letter:
            by_letter = None if beside is None else ""
    named = by_letter or by_text
    if not named:
        cause = "the letter and the text disagree" if by_letter == "" else "not one of the options"
        return Judgement(Outcome.UNPARSEABLE, cause)
    return PASSED if named == gold else Judgement(Outcome.FAIL, "another option")


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .")
