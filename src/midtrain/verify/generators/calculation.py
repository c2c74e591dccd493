"""Integers by the methods of school, digit by digit: long multiplication and division, powers, factors, other bases.

The scratchpad is the point. A product of four-digit numbers is beyond what a model can do in one token and within what
it can do in thirty lines each of which uses two digits and a carry.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from midtrain.verify.generators.domain import Domain, product, term, total, unordered
from midtrain.verify.generators.family import Posed


def _signed_sum(a: int, b: int) -> Posed:
    same = (a < 0) == (b < 0)
    large, small = max(abs(a), abs(b)), min(abs(a), abs(b))
    sizes = f"{large} + {small} = {large + small}" if same else f"{large} - {small} = {large - small}"
    return Posed({"a": a, "b": term(b)}, str(a + b), (sizes, f"{a} + {term(b)} = {a + b}"))


def _signed_difference(a: int, b: int) -> Posed:
    turned = f"{a} - {term(b)} = {a} + {term(-b)}"
    return Posed({"a": a, "b": term(b)}, str(a - b), (turned, f"{a} + {term(-b)} = {a - b}"))


def _partial_product(a: int, digit: int, zeros: int) -> list[str]:
    """The lines of a * digit, column by column, and of the zeros appended to it."""
    lines, carry = [], 0
    digits = [int(one) for one in reversed(str(a))]
    for place, one in enumerate(digits):
        value = one * digit + carry
        terms = f"{one} * {digit} + {carry}" if carry else f"{one} * {digit}"
        carry = value // 10
        last = place == len(digits) - 1
        lines.append(f"{terms} = {value}" + (f", carry {carry}" if carry and not last else ""))
    lines.append(f"{a} * {digit} = {a * digit}")
    if zeros:
        lines.append(f"{a * digit} * {10**zeros} = {a * digit * 10**zeros}")
    return lines


def _long_multiplication(a: int, b: int) -> Posed:
    steps, parts = [], []
    for zeros, digit in enumerate(int(one) for one in reversed(str(b))):
        if digit:
            steps += _partial_product(a, digit, zeros)
            parts.append(a * digit * 10**zeros)
    if len(parts) > 1:
        steps.append(f"{total(parts)} = {a * b}")
    return Posed({"a": a, "b": b}, str(a * b), tuple(steps))


def _long_division(a: int, b: int) -> Posed:
    steps, rest, started = [], 0, False
    for digit in map(int, str(a)):
        value = 10 * rest + digit
        if started:
            steps.append(f"bring down {digit}: {value} = {value // b} * {b} + {value % b}")
        elif value >= b:
            steps.append(f"{value} = {value // b} * {b} + {value % b}")
            started = True
        rest = value % b
    steps.append(f"{a} = {a // b} * {b} + {rest}")
    return Posed({"a": a, "b": b}, f"{a // b} remainder {rest}", tuple(steps))


def _power(a: int, n: int) -> Posed:
    steps = [f"{a ** (k - 1)} * {a} = {a**k}" for k in range(2, n + 1)]
    return Posed({"a": a, "n": n}, str(a**n), tuple(steps))


def _euclid(a: int, b: int) -> list[str]:
    """Divisions with remainder until nothing remains; the last divisor is the answer."""
    large, small, lines = max(a, b), min(a, b), []
    while small:
        lines.append(f"{large} = {large // small} * {small} + {large % small}")
        large, small = small, large % small
    return lines


def _gcd(a: int, b: int) -> Posed:
    return Posed({"a": a, "b": b}, str(math.gcd(a, b)), tuple(_euclid(a, b)))


def _lcm(a: int, b: int) -> Posed:
    common = math.gcd(a, b)
    steps = (*_euclid(a, b), f"{a} / {common} = {a // common}", f"{a // common} * {b} = {math.lcm(a, b)}")
    return Posed({"a": a, "b": b}, str(math.lcm(a, b)), steps)


def prime_factors(number: int) -> list[int]:
    """The prime factors of a natural number in rising order, each as often as it divides."""
    factors, candidate = [], 2
    while candidate * candidate <= number:
        while number % candidate == 0:
            factors.append(candidate)
            number //= candidate
        candidate += 1
    return [*factors, number] if number > 1 else factors


def _factorization(number: int) -> Posed:
    factors, left, steps = prime_factors(number), number, []
    for factor in factors[:-1]:
        steps.append(f"{left} / {factor} = {left // factor}")
        left //= factor
    steps.append(f"{left} is prime")
    return Posed({"a": number}, product(factors), tuple(steps))


def _digits_in(number: int, base: int) -> str:
    digits = ""
    while number:
        digits = "0123456789abcdef"[number % base] + digits
        number //= base
    return digits


def _to_base(number: int, base: int) -> Posed:
    steps, left = [], number
    while left:
        steps.append(f"{left} = {left // base} * {base} + {left % base}")
        left //= base
    return Posed({"a": number, "b": base}, _digits_in(number, base), tuple(steps))


def _from_base(number: int, base: int) -> Posed:
    digits = _digits_in(number, base)
    value = int(digits[0], base)
    steps = [f"{digits[0]} = {value}"] if digits[0].isalpha() else []
    for digit in digits[1:]:
        following = value * base + int(digit, base)
        steps.append(f"{value} * {base} + {int(digit, base)} = {following}")
        value = following
    return Posed({"a": digits, "b": base}, str(number), tuple(steps))


def _modular_power(a: int, n: int, m: int) -> Posed:
    """Square and multiply, from the highest binary digit of the exponent down."""
    value, steps = a % m, [f"{a} mod {m} = {a % m}"] if a >= m else []
    for bit in f"{n:b}"[1:]:
        for factor in [value, a] if bit == "1" else [value]:
            result = value * factor
            steps += [f"{value} * {factor} = {result}", f"{result} mod {m} = {result % m}"]
            value = result % m
    return Posed({"a": a, "n": n, "m": m}, str(value), tuple(steps))


def _modular_inverse(a: int, m: int) -> Posed:
    steps, known = [], [(m, 0), (a, 1)]
    while known[-1][0] != 1:
        (left, x), (right, y) = known[-2:]
        times = left // right
        known.append((left - times * right, x - times * y))
        steps.append(f"{left} - {times} * {right} = {known[-1][0]}")
        steps.append(f"{x} - {times} * {term(y)} = {known[-1][1]}")
    found = known[-1][1] % m
    steps.append(f"{a} * {found} = {a * found // m} * {m} + 1")
    return Posed({"a": a, "m": m}, str(found), tuple(steps))


_SHAPES = (
    "a + b * c",
    "(a + b) * c",
    "a * b - c",
    "a * (b - c)",
    "a * b + c * d",
    "(a + b) * (c - d)",
    "a - (b - c) * d",
)


def _expression(shape: str, a: int, b: int, c: int, d: int) -> Posed:
    """The value of one of the shapes, innermost part first."""
    value = {"a": a, "b": b, "c": c, "d": d}
    text = "".join(str(value.get(one, one)) for one in shape)
    parts: dict[str, list[tuple[int, str, int]]] = {
        "a + b * c": [(b, "*", c), (a, "+", b * c)],
        "(a + b) * c": [(a, "+", b), (a + b, "*", c)],
        "a * b - c": [(a, "*", b), (a * b, "-", c)],
        "a * (b - c)": [(b, "-", c), (a, "*", b - c)],
        "a * b + c * d": [(a, "*", b), (c, "*", d), (a * b, "+", c * d)],
        "(a + b) * (c - d)": [(a, "+", b), (c, "-", d), (a + b, "*", c - d)],
        "a - (b - c) * d": [(b, "-", c), (b - c, "*", d), (a, "-", (b - c) * d)],
    }
    steps, result = [], 0
    for left, operator, right in parts[shape]:
        result = {"+": left + right, "-": left - right, "*": left * right}[operator]
        steps.append(f"{left} {operator} {term(right)} = {result}")
    return Posed({"expression": text}, str(result), tuple(steps))


def _rounding(number: int, place: int) -> Posed:
    below = number // place * place
    half, above = below + place // 2, below + place
    nearest = below if number < half else above
    steps = (
        f"{below} < {number} < {above}",
        f"{below} + {place} / 2 = {half}",
        f"{number} {'<' if number < half else '>' if number > half else '='} {half}",
    )
    return Posed({"a": number, "b": place}, str(nearest), steps)


def _square_root(root: int) -> Posed:
    tens = root // 10 * 10
    steps = [f"{tens} * {tens} = {tens**2}", f"{tens + 10} * {tens + 10} = {(tens + 10) ** 2}"]
    steps.append(f"{root} * {root} = {root**2}")
    return Posed({"a": root**2}, str(root), tuple(steps))


def _mean(*numbers: int) -> Posed:
    mean = Fraction(sum(numbers), len(numbers))
    steps = (f"{total(numbers)} = {sum(numbers)}", f"{sum(numbers)} / {len(numbers)} = {mean}")
    return Posed({"numbers": ", ".join(map(str, numbers))}, str(mean), steps)


def _signs(low: int, high: int) -> list[int]:
    return [*range(-high, -low + 1), *range(low, high + 1)]


_SIGNED: tuple[Any, Any, Any] = (
    (_signs(1, 20), _signs(1, 20)),
    (_signs(21, 200), _signs(1, 200)),
    (_signs(201, 9999), _signs(1, 9999)),
)
_NOT_BOTH_POSITIVE = Domain(*_SIGNED, keep=lambda a, b: a < 0 or b < 0)
_TWO = Domain(
    (range(4, 49), range(4, 49)),
    (range(50, 500), range(12, 500)),
    (range(500, 10_000), range(100, 10_000)),
    keep=lambda a, b: a != b,
)
_BASES = (2, 3, 4, 5, 6, 7, 8, 9, 12, 16)
_BASED = Domain((range(5, 40), _BASES), (range(40, 1000), _BASES), (range(1000, 40_000), _BASES), lambda a, b: a > b)

FAMILIES = (
    _NOT_BOTH_POSITIVE.family(
        "signed_addition",
        "the sum of two numbers of which one or both are negative",
        _signed_sum,
        ("What is {a} + {b}?", "{a} + {b} = ?", "Add: {a} + {b}"),
        ("Find the sum {a} + {b}.",),
        canonical=unordered,
    ),
    _NOT_BOTH_POSITIVE.family(
        "signed_subtraction",
        "the difference of two numbers of which one or both are negative",
        _signed_difference,
        ("What is {a} - {b}?", "{a} - {b} = ?", "Subtract: {a} - {b}"),
        ("Find the difference {a} - {b}.",),
    ),
    Domain(
        (range(12, 100), range(12, 100)),
        (range(100, 1000), range(12, 1000)),
        (range(1000, 10_000), range(100, 10_000)),
    ).family(
        "long_multiplication",
        "the product of two numbers, digit by digit with carries",
        _long_multiplication,
        (
            "Multiply step by step: {a} * {b}",
            "Work out {a} * {b} digit by digit.",
            "Long multiplication: {a} * {b} = ?",
        ),
        ("Use the written method to find {a} times {b}.",),
        canonical=unordered,
    ),
    Domain(
        (range(24, 1000), range(3, 10)),
        (range(1000, 100_000), range(3, 20)),
        (range(100_000, 10_000_000), range(12, 100)),
        keep=lambda a, b: a >= b,
    ).family(
        "long_division",
        "quotient and remainder, digit by digit",
        _long_division,
        (
            "Divide {a} by {b}. Answer in the form: 12 remainder 3",
            "{a} / {b} = ? Give quotient and remainder, such as 12 remainder 3.",
            "Long division, with quotient and remainder (such as 12 remainder 3): {a} by {b}",
        ),
        ("How many times does {b} go into {a}, and what is left over? Write it like 12 remainder 3.",),
        verifier="exact",
    ),
    Domain(
        (range(2, 400), (2, 3)),
        (range(2, 200), (4, 5, 6)),
        (range(2, 100), (7, 8, 9, 10, 11, 12)),
    ).family(
        "power",
        "a number multiplied by itself, factor by factor",
        _power,
        ("What is {a}^{n}?", "{a} to the power of {n} = ?", "Compute {a}^{n}."),
        ("Raise {a} to the power {n}.",),
    ),
    _TWO.family(
        "gcd",
        "the greatest common divisor by Euclid's algorithm",
        _gcd,
        (
            "What is the greatest common divisor of {a} and {b}?",
            "gcd({a}, {b}) = ?",
            "Find the largest number that divides both {a} and {b}.",
        ),
        ("Name the highest common factor of {a} and {b}.",),
        canonical=unordered,
    ),
    _TWO.family(
        "lcm",
        "the least common multiple (held out whole)",
        _lcm,
        ("What is the least common multiple of {a} and {b}?", "lcm({a}, {b}) = ?"),
        ("Name the smallest number that both {a} and {b} divide.",),
        canonical=unordered,
        train=False,
    ),
    Domain(
        (range(4, 1000),), (range(1000, 20_000),), (range(20_000, 1_000_000),), lambda a: len(prime_factors(a)) > 1
    ).family(
        "prime_factorization",
        "a number as a product of primes",
        _factorization,
        (
            "Write {a} as a product of primes in rising order, such as 2 * 2 * 3.",
            "Factor {a} into primes, smallest first (for example 2 * 2 * 3).",
            "What is the prime factorization of {a}? Write it like 2 * 2 * 3.",
        ),
        ("Which primes, from the smallest up, multiply to {a}? Answer in the form 2 * 2 * 3.",),
        verifier="exact",
    ),
    _BASED.family(
        "to_base",
        "a number in another base, digit by digit",
        _to_base,
        ("Write {a} in base {b}.", "What is {a} in base {b}?", "Convert {a} from base 10 to base {b}."),
        ("Which digits has {a} when it is written in base {b}?",),
        verifier="exact",
    ),
    _BASED.family(
        "from_base",
        "the value of digits in another base",
        _from_base,
        (
            "The digits {a} are in base {b}. What is the number in base 10?",
            "Convert {a} from base {b} to base 10.",
            "What is {a} (base {b}) in base 10?",
        ),
        ("Someone counts in base {b} and writes {a}. Which decimal number is meant?",),
    ),
    Domain(
        (range(2, 10), range(3, 10), range(3, 12)),
        (range(10, 30), range(5, 40), range(7, 60)),
        (range(30, 100), range(40, 1000), range(60, 1000)),
        keep=lambda a, n, m: a % m > 1,
    ).family(
        "modular_power",
        "the remainder of a power by repeated squaring",
        _modular_power,
        ("What is {a}^{n} mod {m}?", "{a}^{n} mod {m} = ?", "Find the remainder of {a}^{n} divided by {m}."),
        ("When {a}^{n} is divided by {m}, what is left over?",),
    ),
    Domain(
        (range(2, 20), range(5, 20)),
        (range(11, 100), range(20, 100)),
        (range(51, 1000), range(100, 1000)),
        keep=lambda a, m: a < m and math.gcd(a, m) == 1,
    ).family(
        "modular_inverse",
        "the inverse modulo a number by Euclid's extended algorithm (held out whole)",
        _modular_inverse,
        ("Which number x from 1 to {m} - 1 satisfies {a} * x mod {m} = 1?", "What is the inverse of {a} modulo {m}?"),
        ("Name the positive x below {m} for which {a} * x leaves the remainder 1 on division by {m}.",),
        train=False,
    ),
    Domain(
        (_SHAPES[:4], range(2, 13), range(2, 13), range(2, 13), (0,)),
        (_SHAPES[4:], range(2, 13), range(2, 13), range(2, 13), range(2, 13)),
        (_SHAPES[4:], range(13, 100), range(13, 100), range(13, 100), range(13, 100)),
    ).family(
        "expression",
        "the value of an expression with brackets, innermost part first",
        _expression,
        ("What is {expression}?", "{expression} = ?", "Evaluate: {expression}"),
        ("Find the value of {expression}.",),
    ),
    Domain(
        (range(11, 1000), (10,)),
        (range(101, 100_000), (100,)),
        (range(1001, 10_000_000), (1000, 10_000)),
        keep=lambda a, b: a % b != 0 and a > b,
    ).family(
        "rounding",
        "the nearest multiple of a power of ten; halves go up",
        _rounding,
        ("Round {a} to the nearest {b}.", "What is {a} rounded to the nearest {b}?", "Nearest multiple of {b} to {a}?"),
        ("To the closest {b}, halves going up, how much is {a}?",),
    ),
    Domain((range(2, 200),), (range(200, 2000),), (range(2000, 30_000),)).family(
        "square_root",
        "the root of a square, between two multiples of ten (held out whole)",
        _square_root,
        ("What is the square root of {a}?", "sqrt({a}) = ?"),
        ("Which positive number times itself gives {a}?",),
        train=False,
    ),
    Domain((range(1, 20),) * 3, (range(10, 60),) * 4, (range(20, 200),) * 5).family(
        "mean",
        "the mean of some numbers, as a whole number or a fraction",
        _mean,
        (
            "What is the mean of {numbers}? Give a whole number or a fraction in lowest terms.",
            "Average (as a whole number or a fraction in lowest terms): {numbers}",
            "Find the average of {numbers} as a whole number or a fraction in lowest terms.",
        ),
        ("Add {numbers} and share the total equally: how much is each share, as a whole number or reduced fraction?",),
        canonical=unordered,
    ),
)
