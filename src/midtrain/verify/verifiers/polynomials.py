"""Exact arithmetic with letters: expressions as polynomials with rational coefficients, by a parser of our own.

    "3 * (x + 2)^2 - 50% of 8"  -->  {(): 8, (x,): 12, (x, x): 3}

A number is a polynomial without letters. Nothing is evaluated but + - * / ^ and percent; the sizes of numbers, powers
and polynomials are bounded, and the nesting of brackets too, so no text takes long.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

Polynomial = dict[tuple[str, ...], Fraction]
"""Coefficient by monomial, a sorted tuple of letters; no coefficient is 0."""

_TOKEN = re.compile(
    r"\s*(?:([0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)|(mod|of|[a-zA-Z]|[-+*/^()%]))"
)
_SPELLING = {
    "\u00d7": "*",
    "\u00b7": "*",
    "\u22c5": "*",
    "\u00f7": "/",
    "\u2212": "-",
    "[": "(",
    "]": ")",
    "$": "",
    "\u00b2": "^2",
    "\u00b3": "^3",
}
_DEEPEST, _MOST_TERMS, _HIGHEST, _LARGEST = 30, 60, 64, 4_000  # the last in bits


class NotAnExpression(Exception):
    """The text is no expression, or one too large."""


def polynomial(text: str, letters: frozenset[str] = frozenset()) -> Polynomial:
    """The polynomial that all of `text` is, in some of `letters`. Raises NotAnExpression."""
    for spelt, meant in _SPELLING.items():
        text = text.replace(spelt, meant)
    tokens, place = [], 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if not match or ((match[2] or "").isalpha() and match[2] not in (*letters, "mod", "of")):
            raise NotAnExpression(text)
        tokens.append((match[1] or "").replace(",", "") or match[2])
        place = match.end()
    reader = _Reader(tokens)
    found = reader.sum(0)
    if reader.place < len(tokens):
        raise NotAnExpression(text)
    return found


def constant(value: Fraction | int) -> Polynomial:
    """The polynomial that is a number."""
    return {(): Fraction(value)} if value else {}


def minus(one: Polynomial, other: Polynomial) -> Polynomial:
    """one - other."""
    return plus(one, {monomial: -value for monomial, value in other.items()})


def plus(one: Polynomial, other: Polynomial) -> Polynomial:
    """one + other."""
    total = dict(one)
    for monomial, value in other.items():
        total[monomial] = total.get(monomial, Fraction(0)) + value
    return {monomial: value for monomial, value in total.items() if value}


def times(one: Polynomial, other: Polynomial) -> Polynomial:
    """one * other. Raises NotAnExpression when the product is too large."""
    if len(one) * len(other) > _MOST_TERMS**2:
        raise NotAnExpression("too many terms")
    total: Polynomial = {}
    for a, x in one.items():
        for b, y in other.items():
            monomial = tuple(sorted(a + b))
            total[monomial] = total.get(monomial, Fraction(0)) + x * y
    return _bounded({monomial: value for monomial, value in total.items() if value})


def number_of(one: Polynomial) -> Fraction | None:
    """Its value, if it has no letters."""
    return one.get((), Fraction(0)) if set(one) <= {()} else None


def letters_of(one: Polynomial) -> set[str]:
    """The letters in it."""
    return {letter for monomial in one for letter in monomial}


def _bounded(one: Polynomial) -> Polynomial:
    if len(one) > _MOST_TERMS or any(len(monomial) > _HIGHEST for monomial in one):
        raise NotAnExpression("too many terms")
    if any(max(abs(v.numerator), v.denominator).bit_length() > _LARGEST for v in one.values()):
        raise NotAnExpression("too large a number")
    return one


class _Reader:
    """Recursive descent: sum = product {+- product}; product = power {*/ power | power}; power = atom [^ power]."""

    def __init__(self, tokens: list[str]):
        self.tokens, self.place = tokens, 0

    def peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self) -> str:
        self.place += 1
        return self.tokens[self.place - 1] if self.place <= len(self.tokens) else ""

    def sum(self, depth: int) -> Polynomial:
        if depth > _DEEPEST:
            raise NotAnExpression("too deep")
        total = self.product(depth)
        while self.peek() in ("+", "-"):
            total = (plus if self.take() == "+" else minus)(total, self.product(depth))
        return _bounded(total)

    def product(self, depth: int) -> Polynomial:
        total = self.signed(depth)
        while self.peek() and self.peek() not in "+-)":
            sign = self.peek()
            if sign in ("*", "/", "of", "mod"):
                self.take()
                total = _operation(sign, total, self.signed(depth))
            elif sign == "(" or sign.isalpha():  # 2(3 + 4), 2x
                total = times(total, self.power(depth))
            else:
                raise NotAnExpression("two numbers side by side")
        return total

    def signed(self, depth: int) -> Polynomial:
        negative = False
        while self.peek() in ("+", "-"):
            negative ^= self.take() == "-"
        found = self.power(depth)
        return minus({}, found) if negative else found

    def power(self, depth: int) -> Polynomial:
        base = self.atom(depth)
        if self.peek() != "^":
            return base
        self.take()
        if self.peek() == "^" or depth > _DEEPEST:
            raise NotAnExpression("a power without an exponent")
        negative = self.peek() == "-" and bool(self.take())
        exponent = number_of(self.power(depth + 1))
        if exponent is None or exponent.denominator != 1 or exponent > _HIGHEST:
            raise NotAnExpression("too high a power")
        total = constant(1)
        for _ in range(int(exponent)):
            total = times(total, base)
        return _operation("/", constant(1), total) if negative else total

    def atom(self, depth: int) -> Polynomial:
        token = self.take()
        if token == "(":
            found = self.sum(depth + 1)
            if self.take() != ")":
                raise NotAnExpression("a bracket is not closed")
        elif token[:1].isdigit() or token[:1] == ".":
            found = _bounded(constant(Fraction(token)))
        elif len(token) == 1 and token.isalpha():
            found = {(token,): Fraction(1)}
        else:
            raise NotAnExpression("an operand is missing")
        while self.peek() == "%":
            self.take()
            found = times(found, constant(Fraction(1, 100)))
        return found


def _operation(sign: str, one: Polynomial, other: Polynomial) -> Polynomial:
    if sign in ("*", "of"):
        return times(one, other)
    divisor = number_of(other)
    if not divisor:
        raise NotAnExpression("divided by no number")
    if sign == "/":
        return times(one, constant(1 / divisor))
    dividend = number_of(one)
    if dividend is None:
        raise NotAnExpression("a remainder of no number")
    return constant(dividend % divisor)


def follows(claim: Polynomial, given: list[Polynomial]) -> bool | None:
    """Whether claim = 0 wherever every one of `given` is 0; None where this cannot be told here.

    Decided for linear systems (the claim is in their span) and for one equation in one letter (its square-free part
    divides the claim, so that the claim vanishes at all its roots, complex ones included).
    """
    if not claim:
        return True
    if all(len(monomial) <= 1 for one in (*given, claim) for monomial in one):
        return not _reduced(claim, given) or not _consistent(given)
    letters = {letter for one in (*given, claim) for letter in letters_of(one)}
    if len(given) == 1 and len(letters) == 1 and letters_of(given[0]):
        return not _remainder(_coefficients(claim), _square_free(_coefficients(given[0])))
    return None


def _echelon(given: list[Polynomial]) -> list[tuple[tuple[str, ...], Polynomial]]:
    rows: list[tuple[tuple[str, ...], Polynomial]] = []
    for one in given:
        rest = _by_rows(one, rows)
        pivot = max(rest, default=())
        if pivot:
            rows.append((pivot, times(rest, constant(1 / rest[pivot]))))
        elif rest:
            rows.append(((), rest))
    return rows


def _by_rows(one: Polynomial, rows: list[tuple[tuple[str, ...], Polynomial]]) -> Polynomial:
    for _ in rows:
        for pivot, row in rows:
            if pivot and pivot in one:
                one = minus(one, times(row, constant(one[pivot])))
    return one


def _reduced(claim: Polynomial, given: list[Polynomial]) -> Polynomial:
    return _by_rows(claim, _echelon(given))


def _consistent(given: list[Polynomial]) -> bool:
    return all(pivot for pivot, _ in _echelon(given))


def _coefficients(one: Polynomial) -> list[Fraction]:
    """Of a polynomial in one letter, the highest power first."""
    degree = max(map(len, one), default=0)
    by_degree: Mapping[int, Fraction] = {len(monomial): value for monomial, value in one.items()}
    return [by_degree.get(power, Fraction(0)) for power in range(degree, -1, -1)]


def _remainder(one: list[Fraction], other: list[Fraction]) -> list[Fraction]:
    rest = list(one)
    while len(rest) >= len(other):
        factor = rest[0] / other[0]
        rest = [a - factor * b for a, b in zip(rest, other + [Fraction(0)] * (len(rest) - len(other)), strict=True)][1:]
    while rest and not rest[0]:
        rest.pop(0)
    return rest


def _square_free(one: list[Fraction]) -> list[Fraction]:
    degree = len(one) - 1
    a, b = one, [value * (degree - place) for place, value in enumerate(one[:-1])]
    while b:
        a, b = b, _remainder(a, b)
    quotient, rest = [], list(one)
    while len(rest) >= len(a):
        factor = rest[0] / a[0]
        quotient.append(factor)
        rest = [x - factor * y for x, y in zip(rest, a + [Fraction(0)] * (len(rest) - len(a)), strict=True)][1:]
    return quotient
