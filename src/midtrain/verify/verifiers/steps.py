r"""Solutions step by step: the first line that states something false, by exact arithmetic.

    7 + 5 = 12, carry 1          every equality between expressions of numbers must hold, also inside a sentence
    17 / 5 = 3 remainder 2       a quotient with its remainder
    2x + 3 = 11                  where the problem gives equations, an equality with their letters must follow from
    x = 4   or  x = 2 or x = 3   them (the alternatives of a line together)
    (x-2)(x-3) = x^2 - 5x + 6    an identity always follows

What states no equality that can be read ("so she has 12 left") is not judged; a solution without a single judged line
is no solution. Half of a pair of roots does not follow: x^2 = 4 gives "x = 2 or x = -2".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from typing import Any

from midtrain.verify.answer import final_answer, marker
from midtrain.verify.verdict import Outcome
from midtrain.verify.verifiers.basic import number
from midtrain.verify.verifiers.polynomials import (
    NotAnExpression,
    Polynomial,
    follows,
    letters_of,
    minus,
    number_of,
    polynomial,
    times,
)
from midtrain.verify.verifiers.protocol import PASSED, Judgement

_MOST_LINES, _LONGEST_LINE = 500, 1_000
_BULLET = re.compile(r"^\s*(?:[-*\u2022]|[0-9]+[.)]|\(?[a-z]\)|Step [0-9]+[.:])\s+")
_LATEX = (
    (r"\\(?:times|cdot)(?![A-Za-z])", "*"), (r"\\div(?![A-Za-z])", "/"),
    (r"\\(?:left|right)(?![A-Za-z])|\\[()\[\]]|\$", ""),
    (r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r"((\1)/(\2))"), (r"\\%", "%"), (r"\^\s*\{([^{}]*)\}", r"^(\1)"),
    (r"(?<=[0-9)])\s*x\s*(?=[0-9(])", "*"),
)  # fmt: skip
_REMAINDER = re.compile(r"^\s*([0-9,]+)\s*(?:remainder|rest|r\.?|R\.?)\s*([0-9,]+)")
_TAIL = re.compile(r"(?:[-0-9.,+*/^()%\s]|(?<![A-Za-z])(?:[A-Za-z]|mod|of)(?![A-Za-z]))*$")
_HEAD = re.compile(r"(?:[-0-9.,+*/^()%\s]|(?<![A-Za-z])(?:[A-Za-z]|mod|of)(?![A-Za-z]))*")


def first_wrong_step(lines: Sequence[str], given: Sequence[str] = ()) -> int | None:
    """The place (from 0) of the first line that states something false, or None.

    `given` are the problem's equations ("2x + 3 = 11"). Raises ValueError for one that cannot be read.
    """
    return next((place for place, holds in enumerate(judged_lines(lines, given)) if holds is False), None)


def judged_lines(lines: Sequence[str], given: Sequence[str] = ()) -> Iterator[bool | None]:
    """For each line whether what it states is true; None for one that states nothing that can be judged."""
    letters = frozenset(
        c for text in given for c in re.findall(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])", _spelt(text, True))
    )
    equations = [_equation(text, letters) for text in given]
    for line in lines:
        yield _judged(line[:_LONGEST_LINE], equations, letters)


def steps(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement:
    """Every line of the solution holds, and the final answer is gold's number (where gold is not empty).

    Arguments: `given`, the problem's equations; `lang`, of the final answer's marker; those of `number`.
    """
    lines = [line for line in answer.splitlines() if line.strip()]
    word = marker(str(arguments.get("lang", "en")))
    ends = [place for place, line in enumerate(lines) if line.lstrip(" \t*").startswith((word, marker("en")))]
    solution = lines[: ends[0]] if ends else lines
    if len(solution) > _MOST_LINES:
        return Judgement(Outcome.UNPARSEABLE, "too long")
    found = list(judged_lines(solution, arguments.get("given", ())))
    details: dict[str, Any] = {"lines": len(found), "judged": sum(one is not None for one in found)}
    if False in found:
        return Judgement(Outcome.FAIL, "a wrong step", {**details, "first_wrong_step": found.index(False)})
    if not details["judged"]:
        return Judgement(Outcome.UNPARSEABLE, "no step that can be judged", details)
    final = PASSED
    if gold:
        final = number(
            final_answer(answer, bool(arguments.get("truncated")), str(arguments.get("lang", "en"))), gold, arguments
        )
    return final._replace(details=details)


def _spelt(text: str, with_letters: bool = False) -> str:
    for pattern, to in _LATEX[:-1] if with_letters else _LATEX:
        text = re.sub(pattern, to, text)
    return text.replace("\u2212", "-").replace("\u00d7", "*").replace("\u00b7", "*").replace("\u00f7", "/")


def _equation(text: str, letters: frozenset[str]) -> Polynomial:
    try:
        left, right = (polynomial(side, letters) for side in _spelt(text, True).split("="))
    except (NotAnExpression, ValueError) as error:
        raise ValueError(f"{text!r} is no equation that can be read") from error
    return minus(left, right)


def _judged(line: str, equations: list[Polynomial], letters: frozenset[str]) -> bool | None:
    """False when any equality of the line is false, None when it has none.

    "- 3 + 4 = 7" and "1. 3 + 4 = 7": what may begin an item or an expression makes the line wrong only if both do.
    """
    bare = _BULLET.sub("", line)
    found = _judged_text(bare, equations, letters)
    return found or _judged_text(line, equations, letters) or found if bare != line else found


def _judged_text(line: str, equations: list[Polynomial], letters: frozenset[str]) -> bool | None:
    text = _spelt(line, "x" in letters)
    claims = [minus(*pair) for part in re.split(r"\bor\b", text) for pair in _pairs(part, letters)]
    with_letters = [claim for claim in claims if letters_of(claim)]
    verdicts: list[bool | None] = [not claim for claim in claims if not letters_of(claim)]
    if with_letters and re.search(r"\bor\b", text):
        try:
            verdicts.append(follows(reduce(times, with_letters), equations))
        except NotAnExpression:
            verdicts.append(None)
    else:
        verdicts += [follows(claim, equations) for claim in with_letters]
    verdicts += [a == b * q + r and 0 <= r < b for a, b, q, r in _divisions(text)]
    return False if False in verdicts else True if True in verdicts else None


def _pairs(text: str, letters: frozenset[str]) -> Iterator[tuple[Polynomial, Polynomial]]:
    """The two sides of every "=" that stands between two expressions."""
    if re.search(r"[<>!:=]=|=[<>=]|\u2248|\u2260", text):
        return
    parts = text.split("=")
    for place, (left, right) in enumerate(pairwise(parts)):
        if _REMAINDER.match(right):
            continue
        one = _readable(left, _TAIL if place == 0 else None, letters)
        other = _readable(right, _HEAD if place == len(parts) - 2 else None, letters)
        if place and one is None:  # "12 apples = ...": the side before counts to where words begin
            one = _readable(left, _TAIL, letters)
        if other is None:
            other = _readable(right, _HEAD, letters)
        if one is not None and other is not None:
            yield one, other


def _readable(text: str, run: re.Pattern[str] | None, letters: frozenset[str]) -> Polynomial | None:
    """The expression at the end (or beginning) of a text; None when there is none, or when words cut it in two."""
    if run is _TAIL:
        found = _TAIL.search(text)
        before, text = (text[: found.start()], found[0]) if found else (text, "")
        text = re.sub(r"^[\s,.]+|[\s,.(]+$", "", text)
        if re.match(r"[*/+^%)]", text) or (text.startswith("-") and before.strip()):
            return None  # "3 km * 4"
        if text.startswith("(") and before[-1:].isalpha():
            return None  # "sqrt(9)"
    elif run is _HEAD:
        head = _HEAD.match(text)
        text = re.split(r"[.,](?![0-9])", head[0] if head else "")[0]
    text = text.strip().rstrip("(").strip()
    while text:
        try:
            return polynomial(text, letters)
        except NotAnExpression:
            shorter = re.sub(r"^\S+\s*" if run is _TAIL else r"\s*\S+$", "", text)
            cut_in_two = re.match(r"\s*[-+*/^%)]", shorter) if run is _TAIL else re.search(r"[-+*/^(]\s*$", shorter)
            stays = run and shorter != text and re.search(r"[A-Za-z]", text) and not cut_in_two  # "x + 1" is not 1
            text = shorter if stays else ""
    return None


def _divisions(text: str) -> Iterator[tuple[Fraction, Fraction, Fraction, Fraction]]:
    """(dividend, divisor, quotient, remainder) of every "a / b = q remainder r"."""
    parts = text.split("=")
    for left, right in pairwise(parts):
        found, division = _REMAINDER.match(right), re.search(r"([0-9,]+)\s*/\s*([0-9,]+)\s*$", left)
        if found and division:
            texts = (division[1], division[2], found[1], found[2])
            values = [number_of(polynomial(one.replace(",", ""))) for one in texts]
            if None not in values:
                a, b, q, r = (value for value in values if value is not None)
                yield a, b, q, r
