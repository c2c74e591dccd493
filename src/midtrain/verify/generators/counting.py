"""Counting without listing: choices, arrangements, selections, overlaps, ways to share."""

from __future__ import annotations

import math

from midtrain.verify.generators.domain import Domain, product, total
from midtrain.verify.generators.family import Posed


def _menu(*counts: int) -> Posed:
    kinds = ("starters", "main dishes", "desserts", "drinks", "sides")
    listed = [f"{count} {kind}" for count, kind in zip(counts, kinds, strict=False)]
    value, steps = counts[0], []
    for count in counts[1:]:
        steps.append(f"{value} * {count} = {value * count}")
        value *= count
    return Posed({"menu": ", ".join(listed[:-1]) + " and " + listed[-1]}, str(value), tuple(steps))


def _falling(n: int, k: int) -> list[str]:
    """The lines of n (n - 1) ... over k factors."""
    value, lines = n, []
    for factor in range(n - 1, n - k, -1):
        lines.append(f"{value} * {factor} = {value * factor}")
        value *= factor
    return lines


def _arrangements(n: int, k: int) -> Posed:
    return Posed({"n": n, "k": k}, str(math.perm(n, k)), tuple(_falling(n, k)))


def _selected(n: int, k: int) -> list[str]:
    """The lines of "n choose k"."""
    lines = [*_falling(n, k), f"{product(range(k, 0, -1))} = {math.factorial(k)}"] if k > 1 else []
    return [*lines, f"{math.perm(n, k)} / {math.factorial(k)} = {math.comb(n, k)}"]


def _selections(n: int, k: int) -> Posed:
    return Posed({"n": n, "k": k}, str(math.comb(n, k)), tuple(_selected(n, k)))


def _committee(women: int, men: int, w: int, m: int) -> Posed:
    left, right = math.comb(women, w), math.comb(men, m)
    steps = (*_selected(women, w), *_selected(men, m), f"{left} * {right} = {left * right}")
    return Posed({"women": women, "men": men, "w": w, "m": m}, str(left * right), steps)


def _word(*counts: int) -> Posed:
    """The arrangements of letters of which some are alike."""
    letters = "".join(letter * count for letter, count in zip("ABCDE", counts, strict=False))
    n = len(letters)
    result, steps = math.factorial(n), [f"{product(range(n, 0, -1))} = {math.factorial(n)}"]
    for count in counts:
        if count > 1:
            block = math.factorial(count)
            steps += [f"{product(range(count, 0, -1))} = {block}", f"{result} / {block} = {result // block}"]
            result //= block
    return Posed({"letters": " ".join(letters)}, str(result), tuple(steps))


def _two_sets(a: int, b: int, both: int, neither: int) -> Posed:
    inside = a + b - both
    steps = (f"{a} + {b} = {a + b}", f"{a + b} - {both} = {inside}", f"{inside} + {neither} = {inside + neither}")
    fields = {"a": a, "b": b, "both": both, "neither": neither}
    return Posed(fields, str(inside + neither), steps)


def _multiples(n: int, p: int, q: int) -> Posed:
    """How many of 1..n are divisible by p or by q."""
    both = math.lcm(p, q)
    steps = [f"{n} = {n // d} * {d} + {n % d}" for d in (p, q)]
    steps += [f"lcm({p}, {q}) = {both}", f"{n} = {n // both} * {both} + {n % both}"]
    result = n // p + n // q - n // both
    steps.append(f"{n // p} + {n // q} - {n // both} = {result}")
    return Posed({"n": n, "p": p, "q": q}, str(result), tuple(steps))


def _share(things: int, people: int, least: int) -> Posed:
    """Ways to share equal things among people who each get at least `least`: stars and bars."""
    left = things - people * least
    steps = [f"{things} - {people} * {least} = {left}"] if least else []
    n, k = left + people - 1, people - 1
    steps += [f"{left} + {people} - 1 = {n}", *_selected(n, k)]
    rule = f"at least {least}" if least else "any number, even none"
    return Posed({"n": things, "people": people, "rule": rule}, str(math.comb(n, k)), tuple(steps))


def _paths(right: int, up: int) -> Posed:
    n, k = right + up, min(right, up)
    steps = (f"{right} + {up} = {n}", *_selected(n, k))
    return Posed({"right": right, "up": up}, str(math.comb(n, k)), steps)


def _handshakes(people: int) -> Posed:
    pairs = people * (people - 1)
    steps = (f"{people} - 1 = {people - 1}", f"{people} * {people - 1} = {pairs}", f"{pairs} / 2 = {pairs // 2}")
    return Posed({"n": people}, str(pairs // 2), steps)


def _leftover(boys: int, girls: int, k: int) -> Posed:
    """Groups of k with at least one girl: all less those without."""
    n = boys + girls
    every, without = math.comb(n, k), math.comb(boys, k)
    lines = [
        f"{boys} + {girls} = {n}",
        *_selected(n, k),
        *_selected(boys, k),
        f"{every} - {without} = {every - without}",
    ]
    return Posed({"boys": boys, "girls": girls, "k": k}, str(every - without), tuple(lines))


def _partitions_of_rooms(*sizes: int) -> Posed:
    """People put into named rooms of given sizes: one room after another."""
    left, result, steps = sum(sizes), 1, [f"{total(sizes)} = {sum(sizes)}"]
    for size in sizes[:-1]:
        ways = math.comb(left, size)
        steps += _selected(left, size)
        if result > 1:
            steps.append(f"{result} * {ways} = {result * ways}")
        result *= ways
        left -= size
    beds = ", ".join(f"room {name} for {size}" for name, size in zip("ABCD", sizes, strict=False))
    return Posed({"n": sum(sizes), "rooms": beds}, str(result), tuple(steps))


FAMILIES = (
    Domain((range(2, 20),) * 2, (range(2, 30),) * 3, (range(3, 30),) * 5).family(
        "menu",
        "how many ways to choose one of each kind",
        _menu,
        (
            "A menu has {menu}. How many different meals with one of each are there?",
            "How many ways are there to take one of each from {menu}?",
            "There are {menu}, and one of each is chosen. How many choices are possible?",
        ),
        ("Someone picks exactly one from every group: {menu}. Count the possible picks.",),
        canonical=lambda operands: tuple(sorted(operands)),
    ),
    Domain((range(4, 400), (2,)), (range(5, 200), (3, 4)), (range(10, 150), (5, 6, 7))).family(
        "arrangements",
        "ordered choices without repetition",
        _arrangements,
        (
            "In how many ways can {k} of {n} people stand in a row?",
            "{n} runners compete for the first {k} places. How many outcomes are possible?",
            "How many ordered lists of {k} different items can be made from {n} items?",
        ),
        ("A code has {k} different symbols in a row, taken from {n} symbols. How many codes are there?",),
    ),
    Domain((range(4, 400), (2,)), (range(6, 200), (3, 4)), (range(12, 150), (5, 6, 7))).family(
        "selections",
        "choices without order",
        _selections,
        (
            "In how many ways can {k} of {n} people be chosen for a team?",
            "How many sets of {k} can be made from {n} different books?",
            "What is {n} choose {k}?",
        ),
        ("From {n} cards a hand of {k} is dealt; order does not matter. How many hands are there?",),
    ),
    Domain(
        (range(3, 12), range(3, 12), (1, 2), (1, 2)),
        (range(4, 16), range(4, 16), (2, 3), (2, 3)),
        (range(7, 21), range(7, 21), (3, 4, 5), (4, 5)),
        keep=lambda women, men, w, m: not (w == m == 2 and women > 3),
    ).family(
        "committee",
        "choices from two groups",
        _committee,
        (
            "A committee takes {w} of {women} women and {m} of {men} men. In how many ways?",
            "From {women} women and {men} men, {w} of the women and {m} of the men are picked. How many ways?",
            "How many teams can be formed of {w} of {women} women and {m} of {men} men?",
        ),
        ("{women} women and {men} men apply; {w} of the women and {m} of the men are taken. How many results?",),
    ),
    Domain((range(1, 9),) * 2, (range(1, 6),) * 3, (range(1, 5),) * 4, keep=lambda *counts: max(counts) > 1).family(
        "arrangements_of_letters",
        "the arrangements of letters of which some are alike",
        _word,
        (
            "How many different words can be made from all the letters {letters}?",
            "In how many orders can the letters {letters} be written?",
            "Count the distinct arrangements of {letters}.",
        ),
        ("Someone rearranges {letters}. How many different strings are possible?",),
    ),
    Domain(
        (range(5, 30), range(5, 30), range(1, 15), range(10)),
        (range(30, 100), range(30, 100), range(5, 60), range(10, 60)),
        (range(100, 999), range(100, 999), range(20, 500), range(61, 400)),
        keep=lambda a, b, both, neither: both < min(a, b),
    ).family(
        "two_groups",
        "how many in all, where two groups overlap",
        _two_sets,
        (
            "{a} pupils play football, {b} play chess, {both} play both and {neither} neither. How many are there?",
            "In a class, {a} like tea, {b} like milk, {both} of them like both, and {neither} like neither. "
            "How many pupils are in the class?",
            "{a} people speak French, {b} speak Dutch, {both} both and {neither} none of the two. How many people?",
        ),
        ("Of some guests {a} ate soup and {b} salad, among them {both} who ate both; {neither} ate none. Count them.",),
    ),
    Domain(
        (range(20, 200), (2, 3, 5), (3, 4, 7)),
        (range(200, 2000), range(3, 13), range(5, 16)),
        (range(2000, 99_999), range(6, 40), range(7, 60)),
        keep=lambda n, p, q: p < q and q % p != 0,
    ).family(
        "divisible_by_either",
        "how many numbers up to n are divisible by one of two (held out whole)",
        _multiples,
        (
            "How many of the numbers from 1 to {n} are divisible by {p} or by {q}?",
            "Count the integers from 1 to {n} that are multiples of {p} or {q}.",
        ),
        ("Strike out every {p}th and every {q}th number from 1 to {n}. How many are struck out?",),
        train=False,
    ),
    Domain(
        (range(4, 120), (2, 3), (0, 1)),
        (range(8, 120), (3, 4), (2, 3)),
        (range(20, 120), (4, 5, 6), (0, 1)),
        keep=lambda n, people, least: n > people * (least + 1),
    ).family(
        "ways_to_share",
        "ways to share equal things (stars and bars)",
        _share,
        (
            "In how many ways can {n} equal coins be shared among {people} children if each gets {rule}?",
            "{n} identical balls go into {people} different boxes. Each box takes {rule}. How many ways are there?",
            "How many ways are there to split {n} equal stones between {people} people, each getting {rule}?",
        ),
        ("{people} friends divide {n} identical sweets; each receives {rule}. Count the divisions.",),
    ),
    Domain((range(2, 6), range(2, 9)), (range(6, 14), range(2, 14)), (range(14, 30), range(3, 20))).family(
        "grid_paths",
        "shortest ways over a grid (held out whole)",
        _paths,
        (
            "How many shortest paths lead {right} blocks east and {up} blocks north over a grid?",
            "A robot makes {right} moves right and {up} moves up in any order. How many routes are there?",
        ),
        ("Count the ways to walk to a crossing {right} streets east and {up} streets north without detours.",),
        train=False,
    ),
    Domain((range(3, 1000),), (range(1000, 5000),), (range(5000, 50_000),)).family(
        "pairs",
        "how many pairs there are",
        _handshakes,
        (
            "{n} people shake hands, each with every other once. How many handshakes are there?",
            "How many games are played when each of {n} teams meets every other once?",
            "{n} points are joined two by two. How many lines are drawn?",
        ),
        ("Every one of {n} towns gets a direct road to every other. Count the roads.",),
    ),
    Domain(
        (range(3, 30), range(1, 20), (2,)),
        (range(4, 30), range(2, 30), (3,)),
        (range(6, 40), range(3, 30), (4, 5)),
    ).family(
        "at_least_one",
        "choices with at least one of a kind, as all less those without",
        _leftover,
        (
            "From {boys} boy(s) and {girls} girl(s) a group of {k} is chosen. How many groups have at least one girl?",
            "How many teams of {k} from {boys} boy(s) and {girls} girl(s) include at least one girl?",
            "A group of {k} is taken from {boys} boy(s) and {girls} girl(s), not all of them boys. In how many ways?",
        ),
        ("{k} of {boys} boy(s) and {girls} girl(s) are invited, at least one of them a girl. Count the guest lists.",),
    ),
    Domain((range(2, 20),) * 2, (range(1, 9),) * 3, (range(1, 7),) * 4).family(
        "rooms",
        "people put into rooms of given sizes",
        _partitions_of_rooms,
        (
            "{n} guests are put into {rooms}. In how many ways can they be assigned?",
            "A hostel has {rooms}, all filled by {n} guests. How many assignments are there?",
            "How many ways are there to send {n} people into {rooms}?",
        ),
        ("Count the ways in which {n} travellers can fill {rooms}.",),
    ),
)
