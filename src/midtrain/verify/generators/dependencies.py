"""Word problems as random graphs: each quantity is told by others, the sentences are shuffled, some do not matter.

After iGSM (Ye, Xu, Li and Allen-Zhu 2024, "Physics of Language Models: Part 2.1"): a model can only answer by finding
what the asked quantity depends on and computing it in an order in which everything is known. Quantity i is told by one
of the relations below from quantities before it, so a graph is one choice per quantity, and all graphs can be numbered.
What the asked quantity does not depend on stays in the text and out of the solution.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import NamedTuple

from midtrain.verify.generators.domain import Domain
from midtrain.verify.generators.family import Digits, Family, Operands, Posed
from midtrain.verify.generators.words import NAMES, THINGS

_REACH = 3  # a quantity is told by those at most this far before it
_LARGEST = 99_999


class _Relation(NamedTuple):
    """How a quantity follows: `kind`, the places of the quantities it is told by, a constant (0: none)."""

    kind: str
    parents: tuple[int, ...] = ()
    constant: int = 0

    def value(self, known: list[int]) -> int:
        first = known[self.parents[0]] if self.parents else 0
        second = known[self.parents[1]] if len(self.parents) == 2 else self.constant
        return {
            "given": self.constant,
            "more": first + second,
            "fewer": first - second,
            "times": first * second,
            "together": first + second,
            "difference": first - second,
            "product": first * second,
        }[self.kind]


_TOLD = {
    "given": ("{a} has {k} {x}.", "{a} has exactly {k} {x}."),
    "more": ("{a} has {k} more {x} than {b} has {y}.", "The number of {a}'s {x} is {k} more than that of {b}'s {y}."),
    "fewer": (
        "{a} has {k} fewer {x} than {b} has {y}.",
        "The number of {a}'s {x} is {k} less than that of {b}'s {y}.",
    ),
    "times": (
        "{a} has {k} times as many {x} as {b} has {y}.",
        "{a} has {k} bags of {x}, and in each bag there are as many {x} as {b} has {y}.",
        "For each of {b}'s {y}, {a} has {k} {x}.",
    ),
    "together": (
        "{a} has as many {x} as {b} has {y} and {c} has {z} together.",
        "The number of {a}'s {x} is the sum of the numbers of {b}'s {y} and {c}'s {z}.",
    ),
    "difference": (
        "{a} has as many {x} as {b} has {y} beyond the number of {c}'s {z}.",
        "The number of {a}'s {x} is that of {b}'s {y} minus that of {c}'s {z}.",
    ),
    "product": (
        "For each of {b}'s {y}, {a} has as many {x} as {c} has {z}.",
        "The number of {a}'s {x} is that of {b}'s {y} multiplied by that of {c}'s {z}.",
    ),
}
"""A is told by B (and C): one of several wordings."""
_OPERATORS = {"more": "+", "fewer": "-", "times": "*", "together": "+", "difference": "-", "product": "*"}


@cache
def _relations(place: int) -> tuple[_Relation, ...]:
    """Every way to tell the quantity at `place`."""
    near = range(max(0, place - _REACH), place)
    ways = [_Relation("given", (), k) for k in range(2, 14)]
    ways += [_Relation(kind, (one,), k) for kind in ("more", "fewer") for one in near for k in range(2, 12)]
    ways += [_Relation("times", (one,), k) for one in near for k in range(2, 7)]
    for one in near:
        for other in near:
            if one < other:
                ways += [_Relation("together", (one, other)), _Relation("product", (one, other))]
            if one != other:
                ways.append(_Relation("difference", (one, other)))
    return tuple(ways)


_COUNTS = {1: 4, 2: 6, 3: 8}
_NEEDED = {1: (2, 4), 2: (4, 6), 3: (6, 8)}


def _needed(graph: tuple[_Relation, ...]) -> list[int]:
    """The places that the last quantity depends on, itself included, in order."""
    wanted = {len(graph) - 1}
    for place in reversed(range(len(graph))):
        if place in wanted:
            wanted |= set(graph[place].parents)
    return sorted(wanted)


def _values(graph: tuple[_Relation, ...]) -> list[int] | None:
    known: list[int] = []
    for relation in graph:
        value = relation.value(known)
        if not 1 < value <= _LARGEST:
            return None
        known.append(value)
    return known


def _graph(difficulty: int, digits: Digits) -> Operands | None:
    graph = tuple(digits.choose(_relations(place)) for place in range(_COUNTS[difficulty]))
    low, high = _NEEDED[difficulty]
    if graph[-1].kind == "given" or not low <= len(_needed(graph)) <= high or _values(graph) is None:
        return None
    return tuple(tuple(relation) for relation in graph)


def _pose_graph(operands: Operands, wording: Digits) -> Posed:
    graph = tuple(_Relation(*relation) for relation in operands)
    values = _values(graph)
    assert values is not None
    owners = wording.arrange(NAMES, len(graph))
    things = [wording.choose(THINGS) for _ in graph]
    told, steps, needed = [], [], set(_needed(graph))
    for place, (relation, value) in enumerate(zip(graph, values, strict=True)):
        fields: dict[str, str | int] = {"a": owners[place], "x": things[place], "k": relation.constant}
        for (owner, thing), parent in zip((("b", "y"), ("c", "z")), relation.parents, strict=False):
            fields |= {owner: owners[parent], thing: things[parent]}
        told.append(wording.choose(_TOLD[relation.kind]).format(**fields))
        if place in needed:
            steps.append(f"{owners[place]}'s {things[place]}: {_worked(relation, values, value)}")
    facts = " ".join(wording.arrange(told, len(told)))
    fields = {"facts": facts, "name": owners[-1], "things": things[-1]}
    return Posed(fields, str(values[-1]), tuple(steps), passage=facts)


def _worked(relation: _Relation, values: list[int], value: int) -> str:
    if relation.kind == "given":
        return str(value)
    right = values[relation.parents[1]] if len(relation.parents) == 2 else relation.constant
    return f"{values[relation.parents[0]]} {_OPERATORS[relation.kind]} {right} = {value}"


def _sizes() -> tuple[int, int, int]:
    sizes = [prod(len(_relations(place)) for place in range(count)) for count in _COUNTS.values()]
    return sizes[0], sizes[1], sizes[2]


_CONTAINERS = ("house", "room", "cupboard", "shelf", "crate", "box", "bag")
_PLURAL = {"shelf": "shelves", "box": "boxes"}


def _kinds(container: str) -> str:
    return _PLURAL.get(container, container + "s")


def _pose_nested(operands: Operands, wording: Digits) -> Posed:
    """(outermost count, then for each level from the outside in: containers inside, loose things)."""
    outer, *levels = operands
    depth = len(levels) // 2
    start = wording.below(len(_CONTAINERS) - depth)
    names = _CONTAINERS[start : start + depth + 1]
    name, things = wording.choose(NAMES), wording.choose(THINGS)
    told = [f"{name} has {outer} {_kinds(names[0])}."]
    for level in range(depth):
        inside, loose = levels[2 * level : 2 * level + 2]
        loose_things = f"{loose} loose {things if loose > 1 else things[:-1]}"
        told.append(f"Each {names[level]} holds {inside} {_kinds(names[level + 1])} and {loose_things}.")
    innermost = wording.between(2, 9)
    told.append(f"Each {names[depth]} holds {innermost} {things} and nothing else.")
    held, steps = innermost, []
    for level in reversed(range(depth)):
        inside, loose = levels[2 * level : 2 * level + 2]
        steps.append(f"one {names[level]}: {inside} * {held} + {loose} = {inside * held + loose}")
        held = inside * held + loose
    steps.append(f"all {_kinds(names[0])}: {outer} * {held} = {outer * held}")
    facts = " ".join(wording.arrange(told, len(told)))
    return Posed({"facts": facts, "name": name, "things": things}, str(outer * held), tuple(steps), passage=facts)


_NESTED = Domain(
    (range(2, 10), range(2, 8), range(1, 10)),
    (range(2, 10), range(2, 8), range(1, 10), range(2, 8), range(1, 10)),
    (range(2, 10),) + (range(2, 8), range(1, 10)) * 4,
)

FAMILIES = (
    Family(
        name="quantity_graph",
        description="who has how many, told by a graph of other quantities in any order",
        verifier="number",
        templates=(
            "{facts} How many {things} does {name} have?",
            "How many {things} does {name} have? {facts}",
            "{facts} What is the number of {name}'s {things}?",
        ),
        held_out_templates=("Here is what is known. {facts} From this, count the {things} that belong to {name}.",),
        sizes=_sizes(),
        operands=_graph,
        pose=_pose_graph,
    ),
    Family(
        name="nested_containers",
        description="things in boxes in crates on shelves: how many in all (held out whole)",
        verifier="number",
        templates=(
            "{facts} How many {things} does {name} have in all?",
            "How many {things} does {name} have in all, loose or not? {facts}",
        ),
        held_out_templates=("{facts} Count every one of the {things} that {name} owns.",),
        sizes=_NESTED.sizes,
        operands=_NESTED.operands,
        pose=_pose_nested,
        splits=("evaluation",),
    ),
)
