"""Small deductions: an order from pairs, a chain of "all x are y", the value of a boolean expression.

Nothing known of the world helps: the names say nothing of who is taller, and the kinds are invented words. What is
asked follows from the premises alone, and so does its negation: "no" means that it does not follow.
"""

from __future__ import annotations

import math

from midtrain.verify.generators.family import Digits, Family, Operands, Posed
from midtrain.verify.generators.words import KINDS, NAMES

_SUPERLATIVES = {"taller": ("tallest", "shortest"), "older": ("oldest", "youngest"), "faster": ("fastest", "slowest")}
_LENGTHS = {1: 3, 2: 4, 3: 5}
_LITERALS = ("True", "False", "not True", "not False")
_TRUTH = {"True": True, "False": False, "not True": False, "not False": True}
_OPERATORS = ("and", "or", "xor")


def _order(difficulty: int, digits: Digits) -> Operands:
    """(names from most to least, the order in which the pairs are told, which end is asked)."""
    length = _LENGTHS[difficulty]
    told = digits.arrange(range(length - 1), length - 1)
    return digits.below(2), tuple(told), tuple(digits.arrange(NAMES, length))


def _order_sizes() -> tuple[int, int, int]:
    sizes = [2 * math.factorial(length - 1) * math.perm(len(NAMES), length) for length in _LENGTHS.values()]
    return sizes[0], sizes[1], sizes[2]


def _pose_order(operands: Operands, wording: Digits) -> Posed:
    end, told, names = operands
    comparative = wording.choose(tuple(_SUPERLATIVES))
    facts = " ".join(f"{names[i]} is {comparative} than {names[i + 1]}." for i in told)
    fields = {"facts": facts, "superlative": _SUPERLATIVES[comparative][end]}
    options = {"options": sorted(names)}
    return Posed(fields, names[-1] if end else names[0], (" > ".join(names),), options, passage=facts)


def _chain(difficulty: int, digits: Digits) -> Operands:
    """(kinds from narrow to wide, the order in which the premises are told, which two kinds are asked of)."""
    length = _LENGTHS[difficulty]
    told = digits.arrange(range(length - 1), length - 1)
    asked = digits.arrange(range(length), 2)
    return tuple(asked), tuple(told), tuple(digits.arrange(KINDS, length))


def _chain_sizes() -> tuple[int, int, int]:
    sizes = [
        length * (length - 1) * math.factorial(length - 1) * math.perm(len(KINDS), length)
        for length in _LENGTHS.values()
    ]
    return sizes[0], sizes[1], sizes[2]


def _pose_chain(operands: Operands, wording: Digits) -> Posed:
    (narrow, wide), told, kinds = operands
    facts = " ".join(f"All {kinds[i]} are {kinds[i + 1]}." for i in told)
    step = f"all {kinds[narrow]} are: {', '.join(kinds[narrow + 1 :]) or 'nothing else'}"
    fields = {"facts": facts, "x": kinds[narrow], "y": kinds[wide]}
    options = {"options": ["yes", "no"]}
    return Posed(fields, "yes" if narrow < wide else "no", (step,), options, passage=facts)


def _entities(operands: Operands) -> Operands:
    """The entities in their order: neither the telling nor the question makes it another problem."""
    return operands[-1]


def _expression(difficulty: int, digits: Digits) -> Operands:
    """(literal, operator, literal, operator, literal, ...), grouped from the left."""
    operands = [digits.choose(_LITERALS)]
    for _ in range({1: 2, 2: 3, 3: 5}[difficulty]):
        operands += [digits.choose(_OPERATORS), digits.choose(_LITERALS)]
    return tuple(operands)


def _pose_expression(operands: Operands, wording: Digits) -> Posed:
    text, value, steps = operands[0], _TRUTH[operands[0]], []
    for count, (operator, literal) in enumerate(zip(operands[1::2], operands[2::2], strict=True)):
        text = f"({text}) {operator} {literal}" if count else f"{text} {operator} {literal}"
        right = _TRUTH[literal]
        result = {"and": value and right, "or": value or right, "xor": value != right}[operator]
        steps.append(f"{value} {operator} {right} = {result}")
        value = result
    return Posed({"expression": text}, str(value), tuple(steps), {"options": ["True", "False"]})


FAMILIES = (
    Family(
        name="ordering",
        description="who is tallest, shortest, oldest, ..., from comparisons of pairs",
        verifier="choice",
        templates=("{facts} Who is {superlative}?", "Who is {superlative}? {facts}", "{facts} The {superlative} is?"),
        held_out_templates=("Given this, name the {superlative} person. {facts}",),
        sizes=_order_sizes(),
        operands=_order,
        pose=_pose_order,
        canonical=_entities,
    ),
    Family(
        name="syllogism",
        description="whether all of one kind must be of another, from a chain of kinds",
        verifier="choice",
        templates=(
            "{facts} Are all {x} {y}?",
            "{facts} Does it follow that all {x} are {y}?",
            "{facts} Must every one of the {x} be one of the {y}?",
        ),
        held_out_templates=("{facts} From this, can you be sure that {x} are always {y}?",),
        sizes=_chain_sizes(),
        operands=_chain,
        pose=_pose_chain,
        canonical=_entities,
    ),
    Family(
        name="boolean",
        description="the value of a boolean expression",
        verifier="choice",
        templates=("{expression} = ?", "What is {expression}?", "Evaluate: {expression}"),
        held_out_templates=("Is this True or False? {expression}",),
        sizes=(4**3 * 3**2, 4**4 * 3**3, 4**6 * 3**5),
        operands=_expression,
        pose=_pose_expression,
    ),
)
