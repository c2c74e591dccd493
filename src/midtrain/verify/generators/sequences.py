"""Sequences with a rule: a far term or a sum, from the rule that the first terms show."""

from __future__ import annotations

from fractions import Fraction

from midtrain.verify.generators.domain import Domain, term
from midtrain.verify.generators.family import Posed


def _listed(*terms: int | Fraction) -> str:
    return ", ".join(map(str, terms))


def _arithmetic(start: int, step: int, n: int) -> Posed:
    last = start + (n - 1) * step
    steps = (
        f"{start + step} - {term(start)} = {step}",
        f"{n} - 1 = {n - 1}",
        f"{n - 1} * {term(step)} = {(n - 1) * step}",
        f"{start} + {term((n - 1) * step)} = {last}",
    )
    return Posed({"terms": _listed(*(start + i * step for i in range(3))), "n": n}, str(last), steps)


def _arithmetic_sum(start: int, step: int, n: int) -> Posed:
    last = start + (n - 1) * step
    steps = (
        f"{start + step} - {term(start)} = {step}",
        f"{start} + {n - 1} * {term(step)} = {last}",
        f"{start} + {term(last)} = {start + last}",
        f"{start + last} * {n} / 2 = {(start + last) * n // 2}",
    )
    terms = _listed(*(start + i * step for i in range(3)))
    return Posed({"terms": terms, "n": n}, str((start + last) * n // 2), steps)


def _how_many(start: int, step: int, n: int) -> Posed:
    last = start + (n - 1) * step
    steps = (
        f"{start + step} - {start} = {step}",
        f"{last} - {start} = {last - start}",
        f"{last - start} / {step} = {n - 1}",
        f"{n - 1} + 1 = {n}",
    )
    terms = f"{start}, {start + step}, {start + 2 * step}, ..., {last}"
    return Posed({"terms": terms}, str(n), steps)


def _geometric(start: int, ratio: int, n: int) -> Posed:
    steps, value = [f"{start * ratio} / {start} = {ratio}"], start
    for _ in range(n - 1):
        steps.append(f"{value} * {ratio} = {value * ratio}")
        value *= ratio
    return Posed({"terms": _listed(*(start * ratio**i for i in range(3))), "n": n}, str(value), tuple(steps))


def _geometric_sum(start: int, ratio: int, n: int) -> Posed:
    """start * (ratio^n - 1) / (ratio - 1)"""
    power, result = ratio**n, start * (ratio**n - 1) // (ratio - 1)
    steps = (
        f"{start * ratio} / {start} = {ratio}",
        f"{ratio}^{n} = {power}",
        f"{power} - 1 = {power - 1}",
        f"{start} * {power - 1} = {start * (power - 1)}",
        f"{ratio} - 1 = {ratio - 1}",
        f"{start * (power - 1)} / {ratio - 1} = {result}",
    )
    return Posed({"terms": _listed(*(start * ratio**i for i in range(3))), "n": n}, str(result), steps)


def _endless_sum(start: int, top: int, bottom: int) -> Posed:
    """start / (1 - ratio) for a ratio between 0 and 1"""
    ratio = Fraction(top, bottom)
    result = start / (1 - ratio)
    terms = _listed(*(start * ratio**i for i in range(3)))
    steps = (
        f"({start * ratio}) / {start} = {ratio}",
        f"1 - {ratio} = {1 - ratio}",
        f"{start} / ({1 - ratio}) = {result}",
    )
    return Posed({"terms": terms}, str(result), steps)


def _quadratic(start: int, first: int, growth: int, n: int) -> Posed:
    """The n-th term where the gaps grow by the same amount: start + (n - 1) first + (n - 1)(n - 2) / 2 growth"""
    gaps, pairs = n - 1, (n - 1) * (n - 2) // 2
    last = start + gaps * first + pairs * growth
    shown = [start, start + first, start + 2 * first + growth, start + 3 * first + 3 * growth]
    steps = (
        f"{shown[1]} - {term(shown[0])} = {first}",
        f"{shown[2]} - {term(shown[1])} = {first + growth}",
        f"{first + growth} - {term(first)} = {growth}",
        f"{gaps} * {term(first)} = {gaps * first}",
        f"{gaps} * {n - 2} / 2 = {pairs}",
        f"{pairs} * {term(growth)} = {pairs * growth}",
        f"{start} + {term(gaps * first)} + {term(pairs * growth)} = {last}",
    )
    return Posed({"terms": _listed(*shown), "n": n}, str(last), steps)


def _recurrence(a: int, b: int, start: int, n: int) -> Posed:
    value, steps = start, []
    for _ in range(n - 1):
        steps.append(f"{a} * {term(value)} + {term(b)} = {a * value + b}")
        value = a * value + b
    rule = f"{a} times the term before it {'plus' if b > 0 else 'minus'} {abs(b)}"
    return Posed({"start": start, "rule": rule, "n": n}, str(value), tuple(steps))


def _fibonacci_like(first: int, second: int, n: int) -> Posed:
    left, right, steps = first, second, []
    for _ in range(n - 2):
        steps.append(f"{left} + {right} = {left + right}")
        left, right = right, left + right
    return Posed({"a": first, "b": second, "n": n}, str(right), tuple(steps))


def _both(low: int, high: int) -> list[int]:
    return [*range(-high, -low + 1), *range(low, high + 1)]


_LINES = (
    (range(1, 20), range(1, 10), range(5, 20)),
    (_both(20, 99), _both(2, 20), range(10, 60)),
    (_both(100, 999), _both(2, 99), range(40, 500)),
)
_POWERS = (
    (range(1, 30), (2, 3, 5, 10), range(4, 7)),
    (range(1, 60), range(2, 11), range(7, 10)),
    (range(1, 100), range(2, 13), range(10, 14)),
)
_NTH = (
    "What is term number {n} of the sequence {terms}, ...?",
    "{terms}, ...: find term {n}.",
    "The sequence {terms}, ... goes on in the same way. What is its term number {n}?",
)

FAMILIES = (
    Domain(*_LINES).family(
        "arithmetic_term",
        "a far term of a sequence with equal gaps",
        _arithmetic,
        tuple(one.replace("sequence", "arithmetic sequence") for one in _NTH),
        ("Counting on from {terms} with the same gap, which number stands at place {n}?",),
    ),
    Domain(*_LINES).family(
        "arithmetic_sum",
        "the sum of the first terms of a sequence with equal gaps",
        _arithmetic_sum,
        (
            "What is the sum of the first {n} terms of the arithmetic sequence {terms}, ...?",
            "Add up the first {n} terms of {terms}, ... (equal gaps).",
            "{terms}, ... has equal gaps. Find the sum of its first {n} terms.",
        ),
        ("The gaps in {terms}, ... stay the same. How much do the first {n} numbers make together?",),
    ),
    Domain(
        (range(1, 20), range(1, 10), range(5, 20)),
        (range(20, 100), range(2, 20), range(10, 60)),
        (range(100, 1000), range(2, 99), range(40, 500)),
    ).family(
        "arithmetic_length",
        "how many terms an arithmetic sequence has (held out whole)",
        _how_many,
        ("How many numbers are in the arithmetic sequence {terms}?", "Count the terms: {terms} (equal gaps)"),
        ("With equal gaps, {terms} is a list of how many numbers?",),
        train=False,
    ),
    Domain(*_POWERS).family(
        "geometric_term",
        "a term of a sequence with equal ratios",
        _geometric,
        tuple(one.replace("sequence", "geometric sequence") for one in _NTH),
        ("Each number in {terms}, ... is the same multiple of the one before. Which one is at place {n}?",),
    ),
    Domain(*_POWERS).family(
        "geometric_sum",
        "the sum of the first terms of a sequence with equal ratios",
        _geometric_sum,
        (
            "What is the sum of the first {n} terms of the geometric sequence {terms}, ...?",
            "Add up the first {n} terms of {terms}, ... (equal ratios).",
            "{terms}, ... has equal ratios. Find the sum of its first {n} terms.",
        ),
        ("The ratio in {terms}, ... stays the same. How much do the first {n} numbers make together?",),
    ),
    Domain(
        (range(1, 100), (1,), range(2, 6)),
        (range(1, 200), (2, 3), range(4, 9)),
        (range(1, 300), (4, 5, 6), range(7, 14)),
        keep=lambda start, top, bottom: Fraction(top, bottom).denominator == bottom,
    ).family(
        "endless_sum",
        "the sum of all terms of a shrinking geometric sequence",
        _endless_sum,
        (
            "What is the sum of the endless geometric series {terms}, ...? Give a whole number or a reduced fraction.",
            "Add all terms of the infinite geometric sequence {terms}, ... as a whole number or a reduced fraction.",
            "{terms}, ... goes on forever with equal ratios. Find the sum as a whole number or a reduced fraction.",
        ),
        ("What do the numbers {terms}, and so on, approach when added? Give a whole number or a reduced fraction.",),
    ),
    Domain(
        (range(20), range(1, 8), range(1, 5), range(6, 12)),
        (range(20, 60), _both(1, 15), _both(1, 8), range(10, 30)),
        (_both(61, 300), _both(1, 60), _both(2, 20), range(20, 120)),
    ).family(
        "quadratic_term",
        "a far term of a sequence whose gaps grow evenly",
        _quadratic,
        tuple(one.replace("sequence", "quadratic sequence") for one in _NTH),
        ("The gaps in {terms}, ... change by the same amount each time. Which number is at place {n}?",),
    ),
    Domain(
        ((2, 3, 4, 5), _both(1, 20), range(2, 12), (3, 4)),
        ((2, 3, 4, 5), _both(1, 30), range(12, 40), (4, 5)),
        ((2, 3, 4, 5, 6), _both(10, 60), range(40, 99), (6, 7, 8)),
        keep=lambda a, b, start, n: a * start + b > start,
    ).family(
        "recurrence",
        "a term of a sequence told by how each follows from the last",
        _recurrence,
        (
            "The first term is {start}. Each following term is {rule}. What is term number {n}?",
            "A sequence starts with {start}, and every next term is {rule}. Find term {n}.",
            "Start with {start}; each new term is {rule}. Which number is term {n}?",
        ),
        ("Write {start} down first. Then always write {rule}. What is the number written at place {n}?",),
    ),
    Domain(
        (range(1, 20), range(1, 20), range(5, 8)),
        (range(20, 60), range(1, 60), range(7, 11)),
        (range(60, 300), range(1, 300), range(11, 16)),
    ).family(
        "fibonacci_like",
        "a term of a sequence in which each is the sum of the two before it",
        _fibonacci_like,
        (
            "A sequence starts {a}, {b}, and each term is the sum of the two before it. What is term number {n}?",
            "{a}, {b}, ...: every further term is the sum of the previous two. Find term {n}.",
            "Start with {a} and {b} and keep adding the last two terms. What is the term at place {n}?",
        ),
        ("Two numbers, {a} and {b}, begin a list in which the next is always the last two together. Name entry {n}.",),
    ),
)
