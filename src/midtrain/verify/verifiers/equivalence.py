"""Mathematical equivalence: is the answer the same object as the gold answer, however it is written?

    gold, answer --latex.plain--> structure --same--> pairs of values --> equal?
                                             fractions here (`quick`), computer algebra in a child (`full`)

Structure is compared as structure (see `structure`) and only single values are computed. A decimal is exactly itself:
0.333 is not 1/3, unless the problem gives a `tolerance`. What is equal without being a result ("24 + 11" where the
gold answer is the number 35) is no answer, since repeating the question must earn nothing; a fraction, a root, a power
is one. A percent sign or a unit may be left out on either side, but two different units are different answers, and a
percent sign is left out only where the number is above 1 (0.5 is not 0.5%).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from midtrain.verify.verdict import Outcome
from midtrain.verify.verifiers.latex import NoAnswer, alike, final, plain, refuse_bombs
from midtrain.verify.verifiers.protocol import PASSED, Judgement
from midtrain.verify.verifiers.rationals import rational
from midtrain.verify.verifiers.structure import Node, parse
from midtrain.verify.verifiers.tolerance import within

_CALCULATION = re.compile(
    r"(?<=[0-9A-Za-z)}\]!])\s*(?:[-+*]|\\(?:cdot|times|div|pm)(?![A-Za-z]))"
    r"|\\(?:sum|int|iint|oint|prod|lim|max|min|gcd|deg|det|operatorname)(?![A-Za-z])"
    r"|(?<=[0-9)])\s*\("
)


class Undecided(Exception):
    """Two values that only computer algebra can compare."""


class Values(ABC):
    """How single values are compared."""

    def __init__(self, tolerance: Mapping[str, Any] | None):
        self._tolerance = tolerance

    def equal(self, gold: str, answer: str, is_result: bool) -> bool:
        """Whether two values are equal; `is_result`: the answer is claimed as a result, not as a step towards one."""
        if alike(gold, answer):
            return True
        wanted, given = rational(gold), rational(answer)
        if wanted is not None and given is not None:
            return within(given, wanted, self._tolerance) or _percent_left_out(gold, answer, wanted, given)
        if wanted is not None and is_result and _CALCULATION.search(answer):
            raise NoAnswer("a calculation, not its result")
        if re.search(r"(?<![_0-9])[0-9]+\s+[0-9]", answer):
            raise NoAnswer("two numbers side by side")
        if re.search(r"[0-9]\s*_", gold + " " + answer):  # the grammar would forget the base
            return False
        for text in (gold, answer):
            refuse_bombs(text)
        return self.computed_equal(gold, answer)

    @abstractmethod
    def computed_equal(self, gold: str, answer: str) -> bool:
        """Whether two values are equal, by computing them."""

    @abstractmethod
    def proportional(self, gold: tuple[str, str], answer: tuple[str, str], positive: bool) -> bool:
        """Whether left minus right of one is the other's times a constant other than 0, or a positive one."""


class _Exact(Values):
    """Fractions only; raises Undecided for the rest."""

    def computed_equal(self, gold: str, answer: str) -> bool:
        raise Undecided

    def proportional(self, gold: tuple[str, str], answer: tuple[str, str], positive: bool) -> bool:
        raise Undecided


def quick(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement | None:
    """The judgement where exact fractions and equal texts suffice, else None."""
    try:
        return judge(answer, gold, arguments, _Exact(arguments.get("tolerance")))
    except Undecided:
        return None


def full(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement:
    """The judgement, by computer algebra; to be run where it can be killed."""
    from midtrain.verify.verifiers.algebra import Computed  # sympy and math-verify: a second to load

    return judge(answer, gold, arguments, Computed(arguments.get("tolerance")))


def judge(answer: str, gold: str, arguments: Mapping[str, Any], values: Values) -> Judgement:
    """Take both apart and compare them; a gold answer that cannot be read raises ValueError."""
    try:
        wanted = parse(plain(gold))
    except NoAnswer as error:
        raise ValueError(f"the gold answer {gold[:100]!r} cannot be read: {error.cause}") from error
    try:
        given = plain(final(answer, str(arguments.get("lang", "en")), bool(arguments.get("truncated"))))
        if not given:
            return Judgement(Outcome.UNPARSEABLE, "no answer")
        equal = same(wanted, parse(given), values)
    except NoAnswer as error:
        return Judgement(error.outcome, error.cause)
    return PASSED if equal else Judgement(Outcome.FAIL, "not equal")


def same(gold: Node, answer: Node, values: Values, is_result: bool = True) -> bool:
    """Whether two structures are the same. May raise NoAnswer or what `values` raises."""
    if answer.kind == "chain":  # it claims every member, and its last one as the result
        *steps, result = answer.items
        return same(gold, result, values) and all(same(gold, step, values, False) for step in steps)
    if gold.kind == "chain":
        return same(gold.items[-1], answer, values)
    kinds = {gold.kind, answer.kind}
    if kinds & {"equation", "inequality"}:
        return _same_relation(gold, answer, values)
    if kinds == {"named"}:
        return gold.text == answer.text and same(gold.items[0], answer.items[0], values, is_result)
    if gold.kind == "named":
        return same(gold.items[0], answer, values, is_result)
    if answer.kind == "named":
        return same(gold, answer.items[0], values, is_result)
    if "words" in kinds:
        return kinds <= {"words", "value"} and gold.text.casefold() == answer.text.casefold()
    if kinds == {"value"}:
        if gold.unit and answer.unit and gold.unit != answer.unit:
            return False
        return values.equal(gold.text, answer.text, is_result)
    if kinds <= {"set", "list", "value"}:
        return _same_items(gold, answer, values)
    if kinds == {"union"}:
        return _same_set(gold.items, answer.items, values)
    if kinds in ({"bracket"}, {"matrix"}):
        return (
            gold.text == answer.text
            and len(gold.items) == len(answer.items)
            and all(same(g, a, values) for g, a in zip(gold.items, answer.items, strict=True))
        )
    return False


def _same_items(gold: Node, answer: Node, values: Values) -> bool:
    wanted = gold.items if gold.kind != "value" else (gold,)
    given = answer.items if answer.kind != "value" else (answer,)
    if all(item.kind == "named" for item in (*wanted, *given)):
        names, given_names = [item.text for item in wanted], [item.text for item in given]
        if len(set(names)) == len(names):
            by_name = {item.text: item for item in given}
            return sorted(names) == sorted(given_names) and all(
                same(item, by_name[item.text], values) for item in wanted
            )
        return set(names) == set(given_names) and _same_set(wanted, given, values)
    for items in (wanted, given):  # x = 1, y = 2 is not the set of 1 and 2, but x = 1, x = 2 and x_1 = 1, x_2 = 2 are
        if len({item.text.split("_")[0] for item in items if item.kind == "named"}) > 1:
            return False
    return _same_set(wanted, given, values)


def _same_set(wanted: tuple[Node, ...], given: tuple[Node, ...], values: Values) -> bool:
    def covered(one: tuple[Node, ...], others: tuple[Node, ...], swap: bool) -> bool:
        return all(any(same(b, a, values) if swap else same(a, b, values) for b in others) for a in one)

    return covered(wanted, given, False) and covered(given, wanted, True)


def _same_relation(gold: Node, answer: Node, values: Values) -> bool:
    sides = []
    for node in map(_as_relation, (gold, answer)):
        if node.kind not in ("equation", "inequality") or {item.kind for item in node.items} != {"value"}:
            return False
        sides.append(node)
    one, other = sides
    if one.text != other.text:
        return False
    pairs = [(node.items[0].text, node.items[1].text) for node in sides]
    if all(map(alike, *pairs)):
        return True
    for side in (*pairs[0], *pairs[1]):
        refuse_bombs(side)
    return values.proportional(pairs[0], pairs[1], positive=one.kind == "inequality")


def _as_relation(node: Node) -> Node:
    """y = 2x+3 as an equation and x > 2 as an inequality; anything else as it is."""
    if node.kind != "named":
        return node
    name, inside = Node("value", node.text), node.items[0]
    if inside.kind == "bracket" and len(inside.items) == 2:
        low, high = inside.items
        if low.text == r"-\infty":
            return Node("inequality", "<=" if inside.text[1] == "]" else "<", (name, high))
        if high.text == r"\infty":
            return Node("inequality", "<=" if inside.text[0] == "[" else "<", (low, name))
    return Node("equation", "=", (name, inside))


def _percent_left_out(gold: str, answer: str, wanted: Fraction, given: Fraction) -> bool:
    """Whether the two are the same number above 1, one of them with a percent sign."""
    signs = gold.rstrip().endswith("%"), answer.rstrip().endswith("%")
    if signs[0] == signs[1]:
        return False
    wanted, given = wanted * (100 if signs[0] else 1), given * (100 if signs[1] else 1)
    return wanted == given and abs(wanted) > 1
