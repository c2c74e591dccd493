"""Operations on short lists of letters: the easiest things a model can be asked to do exactly.

They need no knowledge and little room (copying, position, membership, counting), so they show whether a very small
model learns an algorithm at all. Difficulty is the length of the list.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

from midtrain.verify.generators.family import Digits, Family, Operands, Posed
from midtrain.verify.generators.words import LETTERS

_LENGTHS = {1: 3, 2: 5, 3: 8}
_SIZES = (math.perm(26, 3), math.perm(26, 5), math.perm(26, 8))
_PATTERN_LENGTHS = {1: 4, 2: 7, 3: 10}


def _list(difficulty: int, digits: Digits) -> Operands:
    return tuple(digits.arrange(LETTERS, _LENGTHS[difficulty]))


def _odd_list(difficulty: int, digits: Digits) -> Operands:
    return tuple(digits.arrange(LETTERS, 2 * difficulty + 1))


def _numbered(items: Operands) -> str:
    return ", ".join(f"{i} {item}" for i, item in enumerate(items, 1))


def _pose_list(answer: Callable[[Operands], str], step: Callable[[Operands], str]) -> Callable[..., Posed]:
    """A problem about a whole list: `answer` and `step` are computed from its items."""

    def pose(operands: Operands, wording: Digits) -> Posed:
        return Posed({"items": " ".join(operands)}, answer(operands), (step(operands),), passage=" ".join(operands))

    return pose


def _chain(items: Operands) -> str:
    """The neighbours in sorted order, 'a < d, d < k': what makes the order right."""
    left = sorted(items)
    return ", ".join(f"{item} < {following}" for item, following in itertools.pairwise(left))


def _asked_list(difficulty: int, digits: Digits) -> Operands:
    """(items..., asked): the asked letter is in the list in half of the problems."""
    items = _list(difficulty, digits)
    outside = [letter for letter in LETTERS if letter not in items]
    present, position, turn = digits.below(2), digits.below(len(items)), LETTERS.index(items[0])
    return (*items, items[position] if present else outside[(turn + position) % len(outside)])


def _pose_membership(operands: Operands, wording: Digits) -> Posed:
    *items, asked = operands
    present = asked in items
    step = f"{asked} is item {items.index(asked) + 1}" if present else f"{asked} is no item"
    fields = {"items": " ".join(items), "asked": asked}
    options = {"options": ["yes", "no"]}
    return Posed(fields, "yes" if present else "no", (step,), options, passage=" ".join(items))


def _pattern(difficulty: int, digits: Digits) -> Operands | None:
    """(items..., asked): a list of two letters, of which one is to be counted; the other occurs at least once."""
    asked, other = digits.arrange(LETTERS, 2)
    items = [asked if digits.below(2) else other for _ in range(_PATTERN_LENGTHS[difficulty])]
    return (*items, asked) if other in items else None


def _pose_count(operands: Operands, wording: Digits) -> Posed:
    *items, asked = operands
    counted = [f"{asked}{number}" for number in range(1, items.count(asked) + 1)]
    fields = {"items": " ".join(items), "asked": asked}
    return Posed(fields, str(len(counted)), (" ".join(counted) or "none",), passage=" ".join(items))


def _list_family(
    name: str, description: str, ask: tuple[str, str, str], held_out: str, pose: Callable[..., Posed]
) -> Family:
    return Family(
        name=name,
        description=description,
        verifier="exact",
        templates=ask,
        held_out_templates=(held_out,),
        sizes=_SIZES,
        operands=_list,
        pose=pose,
    )


FAMILIES = (
    _list_family(
        "copy",
        "a list of letters, copied",
        ("Copy: {items}", "Repeat this: {items}", "Write again: {items}"),
        "What are the letters in {items}, in the same order?",
        _pose_list(" ".join, lambda items: f"{len(items)} letters"),
    ),
    _list_family(
        "first_item",
        "the first letter of a list",
        ("First of {items}?", "What is the first letter: {items}?", "Which letter begins {items}?"),
        "In {items}, name the one that stands before all others.",
        _pose_list(lambda items: items[0], lambda items: f"1 {items[0]}"),
    ),
    _list_family(
        "last_item",
        "the last letter of a list",
        ("Last of {items}?", "What is the last letter: {items}?", "Which letter ends {items}?"),
        "In {items}, name the one that stands after all others.",
        _pose_list(lambda items: items[-1], lambda items: f"{len(items)} {items[-1]}"),
    ),
    Family(
        name="middle_item",
        description="the middle letter of a list (held out whole)",
        verifier="exact",
        templates=("Middle of {items}?", "What is the middle letter: {items}?"),
        held_out_templates=("In {items}, name the one with as many before it as after it.",),
        sizes=(math.perm(26, 3), math.perm(26, 5), math.perm(26, 7)),
        operands=_odd_list,
        pose=_pose_list(lambda items: items[len(items) // 2], _numbered),
        splits=("evaluation",),
    ),
    _list_family(
        "reverse",
        "a list of letters, backwards",
        ("Reverse: {items}", "Write backwards: {items}", "What is {items} in reverse?"),
        "Turn {items} around, last letter first.",
        _pose_list(lambda items: " ".join(reversed(items)), _numbered),
    ),
    _list_family(
        "sort_letters",
        "a list of letters, in alphabetical order",
        ("Sort: {items}", "Write in order: {items}", "What is {items} in alphabetical order?"),
        "Arrange {items} from a to z.",
        _pose_list(lambda items: " ".join(sorted(items)), _chain),
    ),
    Family(
        name="membership",
        description="whether a letter is in a list",
        verifier="choice",
        templates=("Is {asked} in {items}?", "{items}: is {asked} there?", "Does {items} contain {asked}?"),
        held_out_templates=("Look for {asked} among {items}. Did you find it?",),
        sizes=(_SIZES[0] * 2 * 3, _SIZES[1] * 2 * 5, _SIZES[2] * 2 * 8),
        operands=_asked_list,
        pose=_pose_membership,
    ),
    Family(
        name="count_item",
        description="how often a letter occurs in a list",
        verifier="number",
        templates=(
            "How many {asked} in {items}?",
            "Count {asked}: {items}",
            "How often does {asked} occur in {items}?",
        ),
        held_out_templates=("In {items}, find the number of times you see {asked}.",),
        sizes=(650 * 2**4, 650 * 2**7, 650 * 2**10),
        operands=_pattern,
        pose=_pose_count,
    ),
)
