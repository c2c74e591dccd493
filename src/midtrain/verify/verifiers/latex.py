"""An answer in LaTeX made plain: its box, its spelling, and a cheap scan for what no parser should be given.

    completion --final--> the answer's text --plain--> one spelling --refuse_bombs--> safe to parse

What is read is read strictly. A box that never ends, two boxes that differ, control characters (which show one thing
and mean another) are no answer: accepting the last box of many would reward naming everything.
"""

from __future__ import annotations

import re
import unicodedata

from midtrain.verify.answer import final_answer
from midtrain.verify.verdict import Outcome

LONGEST = 2_000
"""Characters: no final answer in LaTeX is longer."""
_DEEPEST, _MOST_BOXES = 24, 200
_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])")
_UNICODE = {
    "\u2212": "-", "\u00d7": r"\times ", "\u00b7": r"\cdot ", "\u22c5": r"\cdot ", "\u00f7": "/", "\u221a": r"\sqrt",
    "\u03c0": r"\pi ", "\u221e": r"\infty ", "\u2264": "<=", "\u2265": ">=", "\u00b1": r"\pm ", "\u222a": r"\cup ",
    "\u2208": r"\in ", "\u2205": r"\emptyset ", "\u00b0": r"^\circ", "\u00b2": "^{2}", "\u00b3": "^{3}",
    "\u00bd": r"\frac{1}{2}", "\u00bc": r"\frac{1}{4}", "\u00be": r"\frac{3}{4}", "\u2013": "-", "\u03b8": r"\theta ",
}  # fmt: skip
_REWRITES = [
    (re.compile(pattern), to)
    for pattern, to in (
        (r"\\(?:left|right)\s*\.", ""),
        (r"\\(?:left|right|bigl|bigr|Bigl|Bigr|biggl|biggr|big|Big|displaystyle|textstyle|limits)(?![A-Za-z])", ""),
        (r"(?<=[0-9])(?:\\[,;:!]|\{,\}|\\ )(?=[0-9]{3}(?![0-9]))", ","),
        (r"\\!", ""),
        (r"\\mathrm\s*\{(?:[~\s]+([A-Za-z]+)|([A-Za-z]{2,}))\s*\}", r"\\text{\1\2}"),  # a unit
        (r"(?<!\\)\\[,;:> ]|~|\\(?:quad|qquad)(?![A-Za-z])", " "),
        (r"\\log_\{?e(?![A-Za-z])\}?", r"\\ln "),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\(?:mathrm|mathbf|mathit|boldsymbol|textit)\s*\{([^{}]*)\}", r"\1"),
        (r"\\(?:textbf|textrm|mbox)\s*\{", r"\\text{"),
        (r"\\text\s*\{\s*([-+]?[0-9][0-9.,/]*)\s*\}", r"\1"),
        (r"\\(?:leqslant|leq|le)(?![A-Za-z])", "<="),
        (r"\\(?:geqslant|geq|ge)(?![A-Za-z])", ">="),
        (r"\\lt(?![A-Za-z])", "<"),
        (r"\\gt(?![A-Za-z])", ">"),
        (r"\\(?:varnothing)(?![A-Za-z])", r"\\emptyset"),
        (r"\\(?:lbrace)(?![A-Za-z])", r"\\{"),
        (r"\\(?:rbrace)(?![A-Za-z])", r"\\}"),
        (r"\\(?:langle|lparen)(?![A-Za-z])", "("),
        (r"\\(?:rangle|rparen)(?![A-Za-z])", ")"),
        (r"\\(?:mathbb\s*(?:\{R\}|R(?![A-Za-z]))|R(?![A-Za-z]))", r"(-\\infty,\\infty)"),
        (r"\\(?:lor|vee)(?![A-Za-z])|\\text\s*\{\s*or\s*\}|(?<![A-Za-z\\])or(?![A-Za-z])", r" \\or "),
        (r"\\text\s*\{\s*and\s*\}|(?<![A-Za-z\\])and(?![A-Za-z])", " , "),
        (r"\\frac\s*([0-9])\s*([0-9A-Za-z])", r"\\frac{\1}{\2}"),
        (r"\\frac\s*([0-9A-Za-z])\s*\{", r"\\frac{\1}{"),
        (r"(\\frac\s*\{[^{}]*\})\s*([0-9A-Za-z])", r"\1{\2}"),
        (r"\\sqrt\s*([0-9A-Za-z])", r"\\sqrt{\1}"),
        (r"\\sqrt\s*(\\[A-Za-z]+)", r"\\sqrt{\1}"),
        (r"\\\$|\\(?:euro|pounds)(?![A-Za-z])", ""),
        (r"(?<!\\)%", r"\\%"),
    )
]
_BOMB = re.compile(
    r"[0-9]\)?\}?\s*!\s*!|[0-9]{4,}\s*!|[({][^A-Za-z(){}]*[)}]\s*!"  # factorials of large and of computed numbers
    r"|[0-9)}]\s*\^\s*[{(]?\s*-?\s*[0-9]{5,}"  # a number to a power of five digits
    r"|[0-9)}]\s*\^\s*[{(]?\s*-?\s*[0-9.]+\s*\)?\s*\^"  # towers of numbers
    r"|\\binom\s*\{[0-9]{5,}|[0-9]{201,}"
)


class NoAnswer(Exception):
    """The text cannot be judged: `outcome` UNPARSEABLE or TIMEOUT, `cause` one of a few phrases."""

    def __init__(self, cause: str, outcome: Outcome = Outcome.UNPARSEABLE):
        super().__init__(cause)
        self.cause, self.outcome = cause, outcome


def final(completion: str, lang: str = "en", truncated: bool = False) -> str:
    """The answer in a completion: what its boxes hold, all the same, else its answer's line (`answer.final_answer`).

    Of a `truncated` completion a closed box counts, and a line only if another follows.
    """
    boxes: list[str] = []
    for match in _BOX.finditer(completion):
        if len(boxes) == _MOST_BOXES:
            raise NoAnswer("too many boxes")
        rest = completion[match.end() : match.end() + LONGEST + 2].lstrip()
        end = _closing(rest) if rest.startswith("{") else 0
        if not end:
            raise NoAnswer("an unterminated box")
        boxes.append(rest[1:end])
    if len({_unspaced(box) for box in boxes}) > 1:
        raise NoAnswer("several different boxes")
    return (boxes[0] if boxes else final_answer(completion, truncated, lang)).strip()


def plain(text: str) -> str:
    """`text` in one spelling, without dollars, sizes and spaces that mean nothing. Raises NoAnswer."""
    if len(text) > LONGEST:
        raise NoAnswer("too long")
    if any(unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs") and c not in "\n\t\r" for c in text):
        raise NoAnswer("control characters")
    if any(c.isnumeric() and not c.isascii() and c not in _UNICODE for c in text):
        raise NoAnswer("digits of another script")
    if _depth(text) > _DEEPEST:
        raise NoAnswer("too deeply nested")
    text = text.replace(r"\$", "").replace("$", " ").replace(r"\(", " ").replace(r"\)", " ")
    text = re.sub(r"\\\[|\\\]|\*\*", " ", text)
    text = "".join(_UNICODE.get(c, c) for c in text)
    for pattern, to in _REWRITES:
        text = pattern.sub(to, text)
    text = " ".join(text.split())
    return re.sub(r"\s*[.,;]$", "", text).strip()


def refuse_bombs(text: str) -> None:
    """Raise NoAnswer for what would take a computer algebra system for ever: towers of powers and huge factorials."""
    if _BOMB.search(text):
        raise NoAnswer("too large to compute", Outcome.TIMEOUT)


def alike(one: str, other: str) -> bool:
    """Whether two texts differ in spaces alone, none of them between two digits."""
    return _unspaced(one) == _unspaced(other)


def _depth(text: str) -> int:
    """How deep the deepest bracket is."""
    depth = deepest = 0
    for c in text:
        depth += (c in "({[") - (c in ")}]")
        deepest = max(deepest, depth)
    return deepest


def _closing(text: str) -> int:
    """The place of the brace that closes the first one; 0 when there is none."""
    depth = 0
    for place, c in enumerate(text):
        if text[place - 1 : place] == "\\" and text[place - 2 : place - 1] != "\\":
            continue
        depth += (c == "{") - (c == "}")
        if depth == 0:
            return place
    return 0


def _unspaced(text: str) -> str:
    return re.sub(r"(?<![0-9])\s+|\s+(?![0-9])", "", text)
