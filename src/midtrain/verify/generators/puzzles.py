"""Logic puzzles with exactly one solution, proven twice: by trying every world, and by SMT-LIB text for a solver.

A clue is the set of worlds in which it holds, as the bits of an integer, and a puzzle is a choice of clues. So the
solutions are the bits that all clues share, and a choice that leaves not exactly one, or has a clue to spare, is no
problem: one AND per clue decides it. `arguments["smt"]` states the clues; `arguments["claim"]` the gold answer. The
clues are satisfiable, and with the claim denied they are not.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from midtrain.verify.generators.family import Digits, Family, Operands, Posed
from midtrain.verify.generators.words import NAMES


@dataclass(frozen=True)
class _Clue:
    """One thing that may be said: its words and SMT-LIB, with {0}, {1}, ... for the names, and where it holds."""

    text: str
    formula: str
    worlds: int


def _bits(holds: Callable[..., bool], worlds: Sequence[Any]) -> int:
    return sum(1 << place for place, world in enumerate(worlds) if holds(world))


def _decide(clues: Sequence[int]) -> int | None:
    """The one world that all clues share; None if there is not exactly one, or if one clue says nothing new."""
    left = -1
    for clue in clues:
        left &= clue
    if left <= 0 or left & (left - 1):
        return None
    for spared in range(len(clues)):
        others = -1
        for place, clue in enumerate(clues):
            if place != spared:
                others &= clue
        if others == left:
            return None
    return left.bit_length() - 1


def _chosen(digits: Digits, clues: int, count: int) -> tuple[int, ...]:
    """`count` of `clues` in rising order: one digit, unranked in the combinatorial number system."""
    rank, chosen = digits.below(math.comb(clues, count)), []
    for left in range(count, 0, -1):
        clues = bisect_right(range(clues), rank, key=lambda one: math.comb(one, left)) - 1
        rank -= math.comb(clues, left)
        chosen.append(clues)
    return tuple(reversed(chosen))


def _script(declared: Sequence[str], known: Sequence[str], clues: Sequence[str]) -> str:
    return "\n".join((*declared, *(f"(assert {formula})" for formula in (*known, *clues))))


# Knights and knaves -------------------------------------------------------------------------------------------------

_ISLANDERS = {1: 2, 2: 3, 3: 4}


@cache
def _casts(count: int) -> tuple[tuple[bool, ...], ...]:
    """Every way to make `count` people knights (True) or knaves."""
    return tuple(itertools.product((True, False), repeat=count))


@cache
def _statements(count: int, speaker: int) -> tuple[_Clue, ...]:
    """What one of `count` people may say; the clue holds where the statement is as true as its speaker."""
    said: list[tuple[str, str, Callable[..., bool]]] = []
    others = [one for one in range(count) if one != speaker]
    for one in others:
        said.append((f"{{{one}}} is a knight", f"k{one}", lambda cast, a=one: cast[a]))
        said.append((f"{{{one}}} is a knave", f"(not k{one})", lambda cast, a=one: not cast[a]))
    for one, other in itertools.combinations(range(count), 2):
        pair = f"{{{one}}} and {{{other}}}" if speaker not in (one, other) else f"{{{one + other - speaker}}} and I"
        said += [
            (f"{pair} are of the same kind", f"(= k{one} k{other})", lambda cast, a=one, b=other: cast[a] == cast[b]),
            (f"{pair} are of different kinds", f"(xor k{one} k{other})", lambda c, a=one, b=other: c[a] != c[b]),
            (f"{pair} are both knaves", f"(not (or k{one} k{other}))", lambda c, a=one, b=other: not (c[a] or c[b])),
            (
                f"at least one of {pair.replace('and I', 'and me')} is a knave",
                f"(not (and k{one} k{other}))",
                lambda c, a=one, b=other: not (c[a] and c[b]),
            ),
        ]
    every = " ".join(f"(ite k{one} 1 0)" for one in range(count))
    for number in range(count):
        are = "is a knight" if number == 1 else "are knights"
        words = f"exactly {number} of us {are}" if number else "none of us is a knight"
        said.append((words, f"(= {number} (+ {every}))", lambda cast, n=number: sum(cast) == n))
    return tuple(
        _Clue(
            f"{{{speaker}}} says: {words}.",
            f"(= k{speaker} {formula})",
            _bits(lambda cast, holds=holds: cast[speaker] == holds(cast), _casts(count)),
        )
        for words, formula, holds in said
    )


def _island(difficulty: int, digits: Digits) -> Operands | None:
    count = _ISLANDERS[difficulty]
    said = tuple(digits.below(len(_statements(count, speaker))) for speaker in range(count))
    names = tuple(digits.arrange(NAMES, count))
    left = -1
    for speaker, one in enumerate(said):
        left &= _statements(count, speaker)[one].worlds
    return (said, names) if left > 0 and not left & (left - 1) else None


def _island_sizes() -> tuple[int, int, int]:
    sizes = [
        math.prod(len(_statements(count, speaker)) for speaker in range(count)) * math.perm(len(NAMES), count)
        for count in _ISLANDERS.values()
    ]
    return sizes[0], sizes[1], sizes[2]


def _pose_island(operands: Operands, wording: Digits) -> Posed:
    said, names = operands
    count = len(said)
    clues = [_statements(count, speaker)[one] for speaker, one in enumerate(said)]
    solution: tuple[bool, ...] = ()
    steps = []
    for place, cast in enumerate(_casts(count)):
        wrong = [speaker for speaker, clue in enumerate(clues) if not clue.worlds >> place & 1]
        kinds = ", ".join(f"{name} {'knight' if knight else 'knave'}" for name, knight in zip(names, cast, strict=True))
        if wrong:
            who = names[wrong[0]]
            steps.append(f"{kinds}: no, {who} would {'lie' if cast[wrong[0]] else 'tell the truth'}")
        else:
            steps.append(f"{kinds}: possible")
            solution = cast
    knights = sorted(name for name, knight in zip(names, solution, strict=True) if knight)
    facts = " ".join(clue.text.format(*names) for clue in clues)
    claim = " ".join(f"k{i}" if knight else f"(not k{i})" for i, knight in enumerate(solution))
    declared = [f"(declare-const k{i} Bool)" for i in range(count)]
    arguments = {"smt": _script(declared, (), [clue.formula for clue in clues]), "claim": f"(and {claim})"}
    fields = {"facts": facts, "people": ", ".join(names[:-1]) + " and " + names[-1]}
    return Posed(fields, ", ".join(knights) or "none", tuple(steps), arguments, passage=facts)


# Who stands where -----------------------------------------------------------------------------------------------------

_ROWS = {1: (3, 2), 2: (4, 3), 3: (5, 4)}
"""How many people stand in the row, and how many clues are told."""


@cache
def _orders(count: int) -> tuple[tuple[int, ...], ...]:
    """Every order of `count` people: the place of each, from 0."""
    return tuple(itertools.permutations(range(count)))


@cache
def _row_clues(count: int) -> tuple[_Clue, ...]:
    ordinals = ("first", "second", "third", "fourth", "fifth")
    told: list[tuple[str, str, Callable[..., bool]]] = []
    for one in range(count):
        for place in range(count):
            told.append(
                (f"{{{one}}} is {ordinals[place]}.", f"(= p{one} {place})", lambda p, a=one, k=place: p[a] == k)
            )
        ends = f"(or (= p{one} 0) (= p{one} {count - 1}))"
        told.append((f"{{{one}}} is at one of the ends.", ends, lambda p, a=one: p[a] in (0, count - 1)))
        told.append((f"{{{one}}} is at neither end.", f"(not {ends})", lambda p, a=one: p[a] not in (0, count - 1)))
    for one, other in itertools.permutations(range(count), 2):
        a, b = f"{{{one}}}", f"{{{other}}}"
        told.append((f"{a} is somewhere before {b}.", f"(< p{one} p{other})", lambda p, a=one, b=other: p[a] < p[b]))
        after = f"(= p{one} (+ p{other} 1))"
        told.append((f"{a} comes directly after {b}.", after, lambda p, a=one, b=other: p[a] == p[b] + 1))
        if one < other:
            near = f"(or (= p{one} (+ p{other} 1)) (= p{other} (+ p{one} 1)))"
            told.append((f"{a} and {b} are neighbours.", near, lambda p, a=one, b=other: abs(p[a] - p[b]) == 1))
            told.append(
                (f"{a} and {b} are not neighbours.", f"(not {near})", lambda p, a=one, b=other: abs(p[a] - p[b]) > 1)
            )
            gap = f"(or (= p{one} (+ p{other} 2)) (= p{other} (+ p{one} 2)))"
            words = f"Exactly one person is between {a} and {b}."
            told.append((words, gap, lambda p, a=one, b=other: abs(p[a] - p[b]) == 2))
    orders = _orders(count)
    return tuple(_Clue(words, formula, _bits(holds, orders)) for words, formula, holds in told)


def _draw(
    levels: dict[int, tuple[int, int]], clues_of: Callable[[int], tuple[_Clue, ...]], difficulty: int, digits: Digits
) -> Operands | None:
    """(clues in rising order, the names), None where they decide nothing; the clues may be told in any order."""
    count, number = levels[difficulty]
    clues = clues_of(count)
    chosen = _chosen(digits, len(clues), number)
    names = tuple(digits.arrange(NAMES, count))
    return None if _decide([clues[one].worlds for one in chosen]) is None else (chosen, names)


def _sizes(levels: dict[int, tuple[int, int]], clues_of: Callable[[int], tuple[_Clue, ...]]) -> tuple[int, int, int]:
    sizes = [math.comb(len(clues_of(n)), m) * math.perm(len(NAMES), n) for n, m in levels.values()]
    return sizes[0], sizes[1], sizes[2]


def _pose_row(operands: Operands, wording: Digits) -> Posed:
    chosen, names = operands
    count = len(names)
    orders = _orders(count)
    clues = wording.arrange([_row_clues(count)[one] for one in chosen], len(chosen))
    steps, left = [], (1 << len(orders)) - 1
    for clue in clues:
        left &= clue.worlds
        rows = [_in_order(orders[place], names) for place in range(len(orders)) if left >> place & 1]
        listed = ": " + "; ".join(rows) if len(rows) <= 6 else ""
        steps.append(f"{clue.text.format(*names)} {len(rows)} of {len(orders)} orders fit{listed}")
    places = orders[left.bit_length() - 1]
    asked = wording.below(count)
    ordinal = ("first", "second", "third", "fourth", "fifth")[asked]
    declared = [f"(declare-const p{i} Int)" for i in range(count)]
    known = [
        *(f"(<= 0 p{i} {count - 1})" for i in range(count)),
        "(distinct " + " ".join(f"p{i}" for i in range(count)) + ")",
    ]
    facts = " ".join(clue.text.format(*names) for clue in clues)
    fields = {"facts": facts, "people": ", ".join(sorted(names)), "ordinal": ordinal, "n": count}
    arguments = {
        "options": sorted(names),
        "smt": _script(declared, known, [clue.formula for clue in clues]),
        "claim": f"(= p{places.index(asked)} {asked})",
    }
    return Posed(fields, names[places.index(asked)], tuple(steps), arguments, passage=facts)


def _in_order(places: tuple[int, ...], names: Sequence[str]) -> str:
    return " ".join(names[places.index(place)] for place in range(len(places)))


# Who has what ---------------------------------------------------------------------------------------------------------

_PETS = ("cat", "dog", "parrot", "rabbit")
_DRINKS = ("tea", "milk", "juice", "water")
_HOMES = {1: (3, 3), 2: (3, 4), 3: (4, 6)}
"""How many people there are, each with a pet and a drink of its own, and how many clues are told."""


@cache
def _homes(count: int) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """Every (pet of each person, drink of each person)."""
    orders = _orders(count)
    return tuple(itertools.product(orders, orders))


@cache
def _home_clues(count: int) -> tuple[_Clue, ...]:
    told: list[tuple[str, str, Callable[..., bool]]] = []
    for kind, (things, has, letter) in enumerate(((_PETS, "has the", "p"), (_DRINKS, "drinks", "d"))):
        hasnt = "does not have the" if kind == 0 else "does not drink"
        for person in range(count):
            for thing in range(count):
                formula = f"(= {letter}{person} {thing})"
                told.append(
                    (f"{{{person}}} {has} {things[thing]}.", formula, lambda w, k=kind, a=person, t=thing: w[k][a] == t)
                )
                told.append(
                    (
                        f"{{{person}}} {hasnt} {things[thing]}.",
                        f"(not {formula})",
                        lambda w, k=kind, a=person, t=thing: w[k][a] != t,
                    )
                )
    for pet, drink in itertools.product(range(count), repeat=2):
        formula = "(or " + " ".join(f"(and (= p{i} {pet}) (= d{i} {drink}))" for i in range(count)) + ")"
        words = f"Whoever has the {_PETS[pet]} drinks {_DRINKS[drink]}."
        told.append((words, formula, lambda w, p=pet, d=drink: w[0].index(p) == w[1].index(d)))
        words = f"Whoever has the {_PETS[pet]} does not drink {_DRINKS[drink]}."
        told.append((words, f"(not {formula})", lambda w, p=pet, d=drink: w[0].index(p) != w[1].index(d)))
        for person in range(count):
            words = f"{{{person}}} has the {_PETS[pet]} or drinks {_DRINKS[drink]}, but not both."
            formula = f"(xor (= p{person} {pet}) (= d{person} {drink}))"
            told.append((words, formula, lambda w, a=person, p=pet, d=drink: (w[0][a] == p) != (w[1][a] == d)))
    worlds = _homes(count)
    return tuple(_Clue(words, formula, _bits(holds, worlds)) for words, formula, holds in told)


def _pose_home(operands: Operands, wording: Digits) -> Posed:
    chosen, names = operands
    count = len(names)
    worlds = _homes(count)
    clues = wording.arrange([_home_clues(count)[one] for one in chosen], len(chosen))
    steps, left = [], (1 << len(worlds)) - 1
    for clue in clues:
        left &= clue.worlds
        fits = [_told_home(worlds[place], names) for place in range(len(worlds)) if left >> place & 1]
        listed = ": " + "; ".join(fits) if len(fits) <= 4 else ""
        steps.append(f"{clue.text.format(*names)} {len(fits)} of {len(worlds)} cases fit{listed}")
    kind, thing = wording.below(2), wording.below(count)
    owner = worlds[left.bit_length() - 1][kind].index(thing)
    declared = [f"(declare-const {letter}{i} Int)" for letter in "pd" for i in range(count)]
    known = [f"(<= 0 {letter}{i} {count - 1})" for letter in "pd" for i in range(count)]
    known += [f"(distinct {' '.join(f'{letter}{i}' for i in range(count))})" for letter in "pd"]
    facts = " ".join(clue.text.format(*names) for clue in clues)
    fields = {
        "facts": facts,
        "people": ", ".join(sorted(names)),
        "pets": ", ".join(_PETS[:count]),
        "drinks": ", ".join(_DRINKS[:count]),
        "asked": f"has the {_PETS[thing]}" if kind == 0 else f"drinks {_DRINKS[thing]}",
    }
    arguments = {
        "options": sorted(names),
        "smt": _script(declared, known, [clue.formula for clue in clues]),
        "claim": f"(= {'pd'[kind]}{owner} {thing})",
    }
    return Posed(fields, names[owner], tuple(steps), arguments, passage=facts)


def _told_home(world: tuple[tuple[int, ...], tuple[int, ...]], names: Sequence[str]) -> str:
    pets, drinks = world
    return ", ".join(f"{name} {_PETS[p]} {_DRINKS[d]}" for name, p, d in zip(names, pets, drinks, strict=True))


# A hidden number ------------------------------------------------------------------------------------------------------

_HIDDEN = {1: (range(10, 100), 2), 2: (range(100, 1000), 3), 3: (range(1000, 10_000), 4)}
"""Which numbers it may be, and how many clues are told."""


@cache
def _number_clues(difficulty: int) -> tuple[_Clue, ...]:
    numbers, _ = _HIDDEN[difficulty]
    width = len(str(numbers[0]))
    digit = [f"(mod (div n {10**place}) 10)" for place in range(width)]
    told: list[tuple[str, str, Callable[..., bool]]] = []
    for wanted in range(2, 9 * width):
        formula = f"(= {wanted} (+ {' '.join(digit)}))"
        told.append((f"Its digits add up to {wanted}.", formula, lambda n, k=wanted: sum(map(int, str(n))) == k))
    for divisor in (7, 8, 9, 11, 12, 13, 14, 15, 17, 19, 23, 29, 31, 37, 41, 43):
        told.append((f"It is divisible by {divisor}.", f"(= 0 (mod n {divisor}))", lambda n, k=divisor: n % k == 0))
        for rest in (1, 2, divisor - 1):
            words = f"Divided by {divisor} it leaves {rest}."
            told.append((words, f"(= {rest} (mod n {divisor}))", lambda n, k=divisor, r=rest: n % k == r))
    for gap in range(1, 9):
        formula = f"(= {digit[-1]} (+ {digit[0]} {gap}))"
        words = f"Its first digit is {gap} more than its last."
        told.append((words, formula, lambda n, k=gap: int(str(n)[0]) - int(str(n)[-1]) == k))
    for one in range(1, 10):
        words = f"Its first digit is {one}."
        told.append((words, f"(= {digit[-1]} {one})", lambda n, k=one: int(str(n)[0]) == k))
        told.append((f"Its last digit is {one}.", f"(= {digit[0]} {one})", lambda n, k=one: n % 10 == k))
    for bound in range(numbers[0] * 2, numbers[-1], numbers[0]):
        told.append((f"It is less than {bound}.", f"(< n {bound})", lambda n, k=bound: n < k))
        told.append((f"It is more than {bound}.", f"(> n {bound})", lambda n, k=bound: n > k))
    return tuple(_Clue(words, formula, _bits(holds, numbers)) for words, formula, holds in told)


def _hidden(difficulty: int, digits: Digits) -> Operands | None:
    clues = _number_clues(difficulty)
    chosen = _chosen(digits, len(clues), _HIDDEN[difficulty][1])
    return None if _decide([clues[one].worlds for one in chosen]) is None else (difficulty, chosen)


def _hidden_sizes() -> tuple[int, int, int]:
    sizes = [math.comb(len(_number_clues(difficulty)), number) for difficulty, (_, number) in _HIDDEN.items()]
    return sizes[0], sizes[1], sizes[2]


def _pose_hidden(operands: Operands, wording: Digits) -> Posed:
    difficulty, chosen = operands
    numbers, _ = _HIDDEN[difficulty]
    clues = wording.arrange([_number_clues(difficulty)[one] for one in chosen], len(chosen))
    steps, left = [], (1 << len(numbers)) - 1
    for clue in clues:
        left &= clue.worlds
        fits = [number for place, number in enumerate(numbers) if left >> place & 1]
        listed = ": " + ", ".join(map(str, fits)) if len(fits) <= 12 else ""
        steps.append(f"{clue.text} {len(fits)} of {len(numbers)} numbers fit{listed}")
    gold = numbers[left.bit_length() - 1]
    known = [f"(<= {numbers[0]} n {numbers[-1]})"]
    facts = " ".join(clue.text for clue in clues)
    smt = _script(["(declare-const n Int)"], known, [clue.formula for clue in clues])
    fields = {"facts": facts, "low": numbers[0], "high": numbers[-1]}
    return Posed(fields, str(gold), tuple(steps), {"smt": smt, "claim": f"(= n {gold})"}, passage=facts)


FAMILIES = (
    Family(
        name="knights_and_knaves",
        description="who always tells the truth and who always lies",
        verifier="exact",
        templates=(
            "Knights always tell the truth, knaves always lie. {facts} "
            "Which of {people} are knights? List them in alphabetical order, or answer none.",
            "On an island knights tell only truths and knaves only lies. You meet {people}. {facts} "
            "Name the knights in alphabetical order, with commas, or none.",
            "{people} are each a knight (never lies) or a knave (always lies). {facts} "
            "Who are the knights, in alphabetical order? (Say none if there is none.)",
        ),
        held_out_templates=(
            "Of {people}, some may be liars, who say nothing true, and the others knights, who say nothing false. "
            "A liar is called a knave. {facts} List the knights from A to Z with commas, or write none.",
        ),
        sizes=_island_sizes(),
        operands=_island,
        pose=_pose_island,
        canonical=lambda operands: operands[0],
    ),
    Family(
        name="row_order",
        description="who stands at which place, from clues about places and neighbours",
        verifier="choice",
        templates=(
            "{people} stand in a row. {facts} Who is {ordinal}?",
            "{n} people, {people}, wait in a line. {facts} Who stands in the {ordinal} place?",
            "{facts} These are all clues on the queue of {people}. Who is {ordinal} in it?",
        ),
        held_out_templates=("A race was run by {people} alone. {facts} Which of them came in {ordinal}?",),
        sizes=_sizes(_ROWS, _row_clues),
        operands=partial(_draw, _ROWS, _row_clues),
        pose=_pose_row,
        canonical=lambda operands: (len(operands[1]), operands[0]),
    ),
    Family(
        name="who_has_what",
        description="who has which pet and drink (held out whole)",
        verifier="choice",
        templates=(
            "{people} each have one pet ({pets}) and one drink ({drinks}), all different. {facts} Who {asked}?",
            "Among {people} every pet ({pets}) and every drink ({drinks}) belongs to one person. {facts} Who {asked}?",
        ),
        held_out_templates=(
            "{facts} Each of {people} has another pet ({pets}) and drink ({drinks}). Find who {asked}.",
        ),
        sizes=_sizes(_HOMES, _home_clues),
        operands=partial(_draw, _HOMES, _home_clues),
        pose=_pose_home,
        canonical=lambda operands: (len(operands[1]), operands[0]),
        splits=("evaluation",),
    ),
    Family(
        name="hidden_number",
        description="the one number that fits all clues",
        verifier="number",
        templates=(
            "A whole number is between {low} and {high}. {facts} What is the number?",
            "I think of an integer from {low} to {high}. {facts} Which one is it?",
            "Find the integer from {low} to {high}. {facts}",
        ),
        held_out_templates=("The code of a safe is a number of {low} to {high}. {facts} Work out the code.",),
        sizes=_hidden_sizes(),
        operands=_hidden,
        pose=_pose_hidden,
    ),
)
