"""Two-step word problems. The numbers are the operands; who has what is only wording."""

from __future__ import annotations

from midtrain.verify.generators.family import Digits, Family, Operands, Posed
from midtrain.verify.generators.words import NAMES, THINGS

_AMOUNTS = {1: (2, 20), 2: (21, 99), 3: (100, 999)}
_BOXES = {1: ((2, 5), (2, 20), (2, 20)), 2: ((2, 9), (21, 99), (2, 99)), 3: ((10, 99), (10, 99), (2, 99))}


def _gain_and_loss(difficulty: int, digits: Digits) -> Operands | None:
    bounds = _AMOUNTS[difficulty]
    a, b, c = digits.between(*bounds), digits.between(*bounds), digits.between(*bounds)
    return (a, b, c) if c <= a + b else None


def _pose_gain_and_loss(operands: Operands, wording: Digits) -> Posed:
    a, b, c = operands
    name, other = wording.arrange(NAMES, 2)
    fields = {"a": a, "b": b, "c": c, "name": name, "other": other, "things": wording.choose(THINGS)}
    return Posed(fields, str(a + b - c), (f"{a} + {b} = {a + b}", f"{a + b} - {c} = {a + b - c}"))


def _boxes(difficulty: int, digits: Digits) -> Operands | None:
    a, b, c = (digits.between(*bounds) for bounds in _BOXES[difficulty])
    return (a, b, c) if c <= a * b else None


def _pose_boxes(operands: Operands, wording: Digits) -> Posed:
    a, b, c = operands
    fields = {"a": a, "b": b, "c": c, "name": wording.choose(NAMES), "things": wording.choose(THINGS)}
    return Posed(fields, str(a * b - c), (f"{a} * {b} = {a * b}", f"{a * b} - {c} = {a * b - c}"))


def _first_two_sorted(operands: Operands) -> Operands:
    a, b, c = operands
    return (min(a, b), max(a, b), c)


FAMILIES = (
    Family(
        name="story_gain_and_loss",
        description="a word problem of two steps: some are added, some go",
        verifier="number",
        templates=(
            "{name} has {a} {things}, gets {b} more and gives {c} to {other}. How many {things} does {name} have?",
            "{other} gives {name} {b} {things}. {name} had {a} before, and now loses {c}. How many are left?",
            "There were {a} {things} in a bag. {name} put in {b} and took out {c}. How many {things} are in it now?",
        ),
        held_out_templates=(
            "A shop with {a} {things} receives {b} from {name} and sells {c}. How many {things} has the shop now?",
        ),
        sizes=(19**3, 79**3, 900**3),
        operands=_gain_and_loss,
        pose=_pose_gain_and_loss,
        canonical=_first_two_sorted,
    ),
    Family(
        name="story_boxes",
        description="a word problem of two steps: boxes of things, some of which go",
        verifier="number",
        templates=(
            "{name} has {a} boxes of {b} {things} and loses {c} {things}. How many {things} are left?",
            "Each of {a} boxes holds {b} {things}. {name} takes {c} {things}. How many {things} are left?",
            "{name} fills {a} bags with {b} {things} each, then sells {c}. How many {things} does {name} still have?",
        ),
        held_out_templates=("On {a} shelves stand {b} {things} each. {name} borrows {c}. How many {things} remain?",),
        sizes=(4 * 19 * 19, 8 * 79 * 98, 90 * 90 * 98),
        operands=_boxes,
        pose=_pose_boxes,
        canonical=_first_two_sorted,
    ),
)
