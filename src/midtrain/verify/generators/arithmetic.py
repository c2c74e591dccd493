"""Arithmetic on natural numbers: the four column methods at school length, comparison, remainders and sequences.

Steps are what a pupil writes in the margin, one short line per column or part, least significant first where carries
run that way, so that a small model can copy each step from the line before it.
"""

from __future__ import annotations

from midtrain.verify.generators.family import Digits, Family, Operands, Posed

_BOUNDS = {1: (0, 49), 2: (50, 999), 3: (1000, 99_999)}


def _spans(count: int, bounds: dict[int, tuple[int, int]] = _BOUNDS) -> tuple[int, int, int]:
    """How many tuples of `count` numbers lie within the bounds of each difficulty."""
    sizes = [(high - low + 1) ** count for low, high in bounds.values()]
    return sizes[0], sizes[1], sizes[2]


def _pair(difficulty: int, digits: Digits) -> Operands:
    return digits.between(*_BOUNDS[difficulty]), digits.between(*_BOUNDS[difficulty])


def _falling_pair(difficulty: int, digits: Digits) -> Operands | None:
    a, b = _pair(difficulty, digits)
    return (a, b) if a >= b else None


def _different_pair(difficulty: int, digits: Digits) -> Operands | None:
    a, b = _pair(difficulty, digits)
    return (a, b) if a != b else None


def _sorted(operands: Operands) -> Operands:
    return tuple(sorted(operands))


def _add(operands: Operands, wording: Digits) -> Posed:
    a, b = operands
    steps, carry, place = [], 0, 1
    while place == 1 or place <= max(a, b):
        left, right = a // place % 10, b // place % 10
        total = left + right + carry
        terms = f"{left} + {right} + {carry}" if carry else f"{left} + {right}"
        carry = total // 10
        steps.append(f"{terms} = {total}, carry {carry}" if carry else f"{terms} = {total}")
        place *= 10
    return Posed({"a": a, "b": b}, str(a + b), tuple(steps))


def _subtract(operands: Operands, wording: Digits) -> Posed:
    a, b = operands
    steps, borrow, place = [], 0, 1
    while place == 1 or place <= a:
        left, right = a // place % 10, b // place % 10
        terms = f"{right} - {borrow}" if borrow else str(right)
        borrow = int(left - right - borrow < 0)
        digit = (a - b) // place % 10
        steps.append(f"{10 * borrow + left} - {terms} = {digit}, borrow 1" if borrow else f"{left} - {terms} = {digit}")
        place *= 10
    return Posed({"a": a, "b": b}, str(a - b), tuple(steps))


def _factors(difficulty: int, digits: Digits) -> Operands:
    first, second = {1: ((2, 99), (2, 9)), 2: ((100, 999), (2, 9)), 3: ((10, 999), (10, 99))}[difficulty]
    return digits.between(*first), digits.between(*second)


def _multiply(operands: Operands, wording: Digits) -> Posed:
    a, b = operands
    split, whole = (b, a) if b >= 10 else (a, b)
    parts = [int(digit) * 10**power for power, digit in enumerate(reversed(str(split))) if digit != "0"][::-1]
    products = [part * whole for part in parts]
    steps = [f"{part} * {whole} = {product}" for part, product in zip(parts, products, strict=True)]
    if len(parts) > 1:
        steps.append(f"{' + '.join(str(product) for product in products)} = {a * b}")
    return Posed({"a": a, "b": b}, str(a * b), tuple(steps))


def _division(difficulty: int, digits: Digits) -> Operands:
    number, modulus = {1: ((0, 99), (2, 10)), 2: ((100, 999), (2, 20)), 3: ((1000, 99_999), (2, 99))}[difficulty]
    return digits.between(*number), digits.between(*modulus)


def _modular(operands: Operands, wording: Digits) -> Posed:
    a, b = operands
    return Posed({"a": a, "b": b}, str(a % b), (f"{a} = {a // b} * {b} + {a % b}",))


def _larger(operands: Operands, wording: Digits) -> Posed:
    a, b = operands
    return Posed({"a": a, "b": b}, str(max(a, b)), (f"{max(a, b)} > {min(a, b)}",))


def _triple(difficulty: int, digits: Digits) -> Operands | None:
    bounds = _BOUNDS[difficulty]
    a, b, c = digits.between(*bounds), digits.between(*bounds), digits.between(*bounds)
    return (a, b, c) if len({a, b, c}) == 3 else None


def _largest(operands: Operands, wording: Digits) -> Posed:
    a, b, c = operands
    return Posed({"a": a, "b": b, "c": c}, str(max(operands)), (f"{max(a, b)} > {min(a, b)}", f"{max(operands)} wins"))


_COUNTING = {1: (1, 999), 2: (1000, 99_999), 3: (100_000, 9_999_999)}


def _one(difficulty: int, digits: Digits) -> Operands:
    return (digits.between(*_COUNTING[difficulty]),)


def _successor(operands: Operands, wording: Digits) -> Posed:
    (a,) = operands
    return Posed({"a": a}, str(a + 1), (f"{a} + 1 = {a + 1}",))


def _predecessor(operands: Operands, wording: Digits) -> Posed:
    (a,) = operands
    return Posed({"a": a}, str(a - 1), (f"{a} - 1 = {a - 1}",))


def _sequence(difficulty: int, digits: Digits) -> Operands:
    """Four terms: rising by 1 to 9; falling by 1 to 99; rising by differences that grow."""
    if difficulty == 1:
        start, first, growth = digits.between(0, 99), digits.between(1, 9), 0
    elif difficulty == 2:
        start, first, growth = digits.between(400, 999), -digits.between(1, 99), 0
    else:
        start, first, growth = digits.between(0, 999), digits.between(1, 50), digits.between(1, 20)
    return start, start + first, start + 2 * first + growth, start + 3 * first + 3 * growth


def _next_term(operands: Operands, wording: Digits) -> Posed:
    a, b, c, d = operands
    first, growth = b - a, (c - b) - (b - a)
    gap = first + 3 * growth
    steps = [f"{d} {'+' if gap > 0 else '-'} {abs(gap)} = {d + gap}"]
    if growth:
        steps.insert(0, f"gaps {first}, {first + growth}, {first + 2 * growth}, {gap}")
    return Posed({"terms": f"{a}, {b}, {c}, {d}"}, str(d + gap), tuple(steps))


FAMILIES = (
    Family(
        name="successor",
        description="the number that comes after a number",
        verifier="number",
        templates=("What number comes after {a}?", "{a} comes before what number?", "Count on by one: {a}, ?"),
        held_out_templates=("Name the whole number right after {a}.",),
        sizes=_spans(1, _COUNTING),
        operands=_one,
        pose=_successor,
    ),
    Family(
        name="predecessor",
        description="the number that comes before a number (held out whole)",
        verifier="number",
        templates=("What number comes before {a}?",),
        held_out_templates=("Name the whole number right before {a}.",),
        sizes=_spans(1, _COUNTING),
        operands=_one,
        pose=_predecessor,
        splits=("evaluation",),
    ),
    Family(
        name="comparison",
        description="the larger of two numbers",
        verifier="number",
        templates=("Which is larger, {a} or {b}?", "What is the larger of {a} and {b}?", "max({a}, {b}) = ?"),
        held_out_templates=("Of the numbers {a} and {b}, name the greater.",),
        sizes=_spans(2),
        operands=_different_pair,
        pose=_larger,
        canonical=_sorted,
    ),
    Family(
        name="largest_of_three",
        description="the largest of three numbers (held out whole)",
        verifier="number",
        templates=("Which is largest, {a}, {b} or {c}?",),
        held_out_templates=("Of the numbers {a}, {b} and {c}, name the greatest.",),
        sizes=_spans(3),
        operands=_triple,
        pose=_largest,
        canonical=_sorted,
        splits=("evaluation",),
    ),
    Family(
        name="addition",
        description="the sum of two numbers, column by column with carries",
        verifier="number",
        templates=("What is {a} + {b}?", "{a} + {b} = ?", "Add {a} and {b}."),
        held_out_templates=("Find the sum of {a} and {b}.",),
        sizes=_spans(2),
        operands=_pair,
        pose=_add,
        canonical=_sorted,
    ),
    Family(
        name="subtraction",
        description="the difference of two numbers, column by column with borrows",
        verifier="number",
        templates=("What is {a} - {b}?", "{a} - {b} = ?", "Subtract {b} from {a}."),
        held_out_templates=("Take {b} away from {a}. How much is left?",),
        sizes=_spans(2),
        operands=_falling_pair,
        pose=_subtract,
    ),
    Family(
        name="multiplication",
        description="the product of two numbers, by parts",
        verifier="number",
        templates=("What is {a} * {b}?", "{a} * {b} = ?", "Multiply {a} by {b}."),
        held_out_templates=("Find the product of {a} and {b}.",),
        sizes=(98 * 8, 900 * 8, 990 * 90),
        operands=_factors,
        pose=_multiply,
        canonical=_sorted,
    ),
    Family(
        name="modular",
        description="the remainder of a division",
        verifier="number",
        templates=("What is {a} mod {b}?", "{a} mod {b} = ?", "Divide {a} by {b}. What remains?"),
        held_out_templates=("What is the remainder of {a} over {b}?",),
        sizes=(100 * 9, 900 * 19, 99_000 * 98),
        operands=_division,
        pose=_modular,
    ),
    Family(
        name="next_term",
        description="the next term of a sequence of numbers",
        verifier="number",
        templates=("What comes next: {terms}?", "{terms}, ?", "Continue: {terms}, ..."),
        held_out_templates=("Find the term that follows {terms}.",),
        sizes=(100 * 9, 600 * 99, 1000 * 50 * 20),
        operands=_sequence,
        pose=_next_term,
    ),
)
