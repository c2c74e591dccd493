"""Lists, sets and intervals of exact numbers, compared here and at once; `math` compares those of any expressions.

set        {1, 2, 3} is 3, 2, 1
list       1, 2, 3 is (1, 2, 3) and [1, 2, 3], and not 3, 2, 1; lists may be nested
interval   [1, 2) U [2, 5] is 1 <= x <= 5: intervals that touch are one
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from midtrain.verify.verdict import Outcome
from midtrain.verify.verifiers.latex import NoAnswer, plain
from midtrain.verify.verifiers.protocol import PASSED, Judgement
from midtrain.verify.verifiers.rationals import rational
from midtrain.verify.verifiers.structure import MOST_ITEMS, Node, encloses, parse, split

_End = tuple[Fraction | float, bool]
"""A bound (an infinity is a float) and whether it belongs to the interval."""


def unordered(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement:
    """The same elements; an element written twice counts once."""
    return _judged(answer, gold, lambda text: frozenset(_elements(_parsed(text), ("set", "list"))))


def ordered(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement:
    """The same elements in the same order."""
    return _judged(answer, gold, lambda text: _sequence(plain(text)))


def interval(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement:
    """The same real numbers."""
    return _judged(answer, gold, lambda text: tuple(_merged(list(_intervals(_parsed(text))))))


def _judged(answer: str, gold: str, read: Any) -> Judgement:
    try:
        wanted = read(gold)
    except NoAnswer as error:
        raise ValueError(f"the gold answer {gold[:100]!r} cannot be read: {error.cause}") from error
    try:
        given = read(answer)
    except NoAnswer as error:
        return Judgement(error.outcome, error.cause)
    return PASSED if given == wanted else Judgement(Outcome.FAIL, "other elements")


def _parsed(text: str) -> Node:
    return parse(plain(text))


def _sequence(text: str) -> tuple[Any, ...]:
    """The elements of "1, 2", "(1, 2)", "[1, 2]" and "[[1, 2], [3]]"."""
    if not text:
        raise NoAnswer("no answer")
    if text[0] + text[-1] in ("[]", "()") and encloses(text):
        text = text[1:-1].strip()
    elif text[0] in "([" and encloses(text):
        raise NoAnswer("brackets that do not match")
    parts = split(text, ",") if text else []
    if len(parts) > MOST_ITEMS:
        raise NoAnswer("too many items")
    return tuple(_sequence(part) if part[:1] == "[" else _element(parse(part)) for part in map(str.strip, parts))


def _elements(node: Node, kinds: tuple[str, ...]) -> list[Any]:
    items = node.items if node.kind in kinds else (node,)
    return [_element(item) for item in items]


def _element(node: Node) -> Any:
    """A number, a word, or a pair of such."""
    if node.kind == "bracket" and node.text == "()":
        return tuple(_element(item) for item in node.items)
    if node.kind == "words":
        return node.text
    number = rational(node.text) if node.kind == "value" and not node.unit else None
    if number is not None:
        return number
    if node.kind == "value" and node.text.isalnum():
        return node.text.casefold()
    raise NoAnswer("an element that is no number and no word")


def _intervals(node: Node) -> list[tuple[_End, _End]]:
    if node.kind == "named":
        return _intervals(node.items[0])
    if node.kind == "union":
        return [one for item in node.items for one in _intervals(item)]
    if node.kind in ("set", "value"):
        points = [_bound(item) for item in (node.items if node.kind == "set" else (node,))]
        return [((point, True), (point, True)) for point in points]
    if node.kind != "bracket" or len(node.items) != 2:
        raise NoAnswer("no interval")
    low, high = (_bound(item) for item in node.items)
    closed = node.text[0] == "[", node.text[1] == "]"
    if low > high or (low == high and not all(closed)):
        return []
    return [((low, closed[0] and low != float("-inf")), (high, closed[1] and high != float("inf")))]


def _bound(node: Node) -> Fraction | float:
    text = node.text.replace(" ", "").lstrip("+")
    if text in (r"\infty", r"-\infty"):
        return float("inf") if text[0] != "-" else float("-inf")
    number = rational(node.text) if node.kind == "value" else None
    if number is None:
        raise NoAnswer("a bound that is no number")
    return number


def _merged(intervals: list[tuple[_End, _End]]) -> list[tuple[_End, _End]]:
    """Disjoint intervals in order, those that touch made one."""
    found: list[tuple[_End, _End]] = []
    for low, high in sorted(intervals, key=lambda one: (one[0][0], not one[0][1])):
        if found:
            (start, (end, closed)) = found[-1]
            if low[0] < end or (low[0] == end and (low[1] or closed)):
                found[-1] = (start, max((end, closed), high))
                continue
        found.append((low, high))
    return found
