"""Algebra with exact roots: equations and inequalities, linear and quadratic, alone and in systems.

Each line of a solution follows from the line before it, and the arithmetic of a line stands in it, as in
"3x = 20 - 5 = 15".
"""

from __future__ import annotations

import math
from fractions import Fraction

from midtrain.verify.generators.domain import Domain, term
from midtrain.verify.generators.family import Operands, Posed


def times(factor: int, name: str, first: bool = True) -> str:
    """A term of a polynomial: 3x, -x, or with its sign before it (+ 3x, - x) where it is not the first; "" for 0."""
    if factor == 0:
        return ""
    size = "" if abs(factor) == 1 and name else str(abs(factor))
    sign = ("-" if factor < 0 else "") if first else ("- " if factor < 0 else "+ ")
    return f"{sign}{size}{name}"


def linear(*terms: tuple[int, str]) -> str:
    """A sum of terms as it is written: linear((2, "x"), (-3, "y"), (5, "")) is "2x - 3y + 5"."""
    written: list[str] = []
    for factor, name in terms:
        if factor:
            written.append(times(factor, name, first=not written))
    return " ".join(written) or "0"


def _moved(value: int, constant: int) -> str:
    """`value - constant` as it is written when a constant is taken to the other side."""
    return f"{value} - {constant}" if constant > 0 else f"{value} + {-constant}"


def _posed(equation: str, answer: int | Fraction, steps: tuple[str, ...]) -> Posed:
    """A problem that gives one equation, which a checker of steps needs to know."""
    return Posed({"equation": equation}, str(answer), steps, {"given": [equation]})


def _equation(a: int, x: int, b: int) -> Posed:
    """a x + b = c"""
    c = a * x + b
    steps = (f"{times(a, 'x')} = {_moved(c, b)} = {a * x}", f"x = {a * x} / {term(a)} = {x}")
    return _posed(f"{linear((a, 'x'), (b, ''))} = {c}", x, steps)


def _both_sides(a: int, c: int, x: int, b: int) -> Posed:
    """a x + b = c x + d"""
    d = (a - c) * x + b
    left, right = linear((a, "x"), (b, "")), linear((c, "x"), (d, ""))
    steps = (
        f"{linear((a, 'x'), (-c, 'x'))} = {times(a - c, 'x')}",
        f"{times(a - c, 'x')} = {_moved(d, b)} = {d - b}",
        f"x = {d - b} / {term(a - c)} = {x}",
    )
    return _posed(f"{left} = {right}", x, steps)


def _brackets(a: int, b: int, x: int, c: int) -> Posed:
    """a (x + b) + c = d"""
    d = a * (x + b) + c
    equation = f"{times(a, '')}({linear((1, 'x'), (b, ''))}) {times(c, '', first=False)} = {d}"
    inner = linear((1, "x"), (b, ""))
    steps = (
        f"{a}({inner}) = {_moved(d, c)} = {d - c}",
        f"{inner} = {d - c} / {term(a)} = {x + b}",
        f"x = {_moved(x + b, b)} = {x}",
    )
    return _posed(equation, x, steps)


def _rational_root(a: int, b: int, c: int) -> Posed:
    """a x + b = c with a root that need not be whole"""
    root = Fraction(c - b, a)
    steps = (f"{times(a, 'x')} = {_moved(c, b)} = {c - b}", f"x = {c - b} / {term(a)} = {root}")
    return _posed(f"{linear((a, 'x'), (b, ''))} = {c}", root, steps)


def _proportion(a: int, b: int, c: int) -> Posed:
    """a / b = x / (c b)"""
    steps = (f"{b} * x = {a} * {b * c} = {a * b * c}", f"x = {a * b * c} / {b} = {a * c}")
    return Posed({"a": a, "b": b, "c": b * c}, str(a * c), steps)


def _discriminant(a: int, b: int, c: int) -> tuple[list[str], int]:
    """The lines up to the root of the discriminant, and that root."""
    inside = b * b - 4 * a * c
    root = math.isqrt(inside)
    assert root * root == inside
    return [f"D = {term(b)}^2 - 4 * {term(a)} * {term(c)} = {inside}", f"sqrt(D) = {root}"], root


def _roots(a: int, b: int, c: int) -> tuple[tuple[str, ...], Fraction, Fraction]:
    """The worked roots of a x^2 + b x + c, a > 0: the steps, the smaller root, the larger one."""
    steps, root = _discriminant(a, b, c)
    large, small = Fraction(-b + root, 2 * a), Fraction(-b - root, 2 * a)
    steps.append(f"x1 = ({-b} + {root}) / {2 * a} = {large}")
    steps.append(f"x2 = ({-b} - {root}) / {2 * a} = {small}")
    return tuple(steps), small, large


def _quadratic(p: int, q: int, a: int) -> Posed:
    """a (x - p) (x - q) = 0"""
    b, c = -a * (p + q), a * p * q
    steps, _, large = _roots(a, b, c)
    return _posed(f"{linear((a, 'x^2'), (b, 'x'), (c, ''))} = 0", large, steps)


def _rational_quadratic(a: int, p: int, d: int, q: int) -> Posed:
    """(a x - p) (d x - q) = 0"""
    first, second, third = a * d, -(a * q + d * p), p * q
    steps, _, large = _roots(first, second, third)
    equation = f"{linear((first, 'x^2'), (second, 'x'), (third, ''))} = 0"
    return _posed(equation, large, steps)


def _symmetric(p: int, q: int) -> Posed:
    """Two numbers from their sum and product."""
    s, m = p + q, p * q
    steps, _, large = _roots(1, -s, m)
    equation = f"{linear((1, 'x^2'), (-s, 'x'), (m, ''))} = 0"
    return Posed({"sum": s, "product": m}, str(large), (equation, *steps), {"given": [equation]})


def _system(a: int, b: int, c: int, d: int, x: int, y: int) -> Posed:
    """a x + b y = e, c x + d y = f: the first times c, the second times a, and their difference."""
    e, f = a * x + b * y, c * x + d * y
    top, bottom = linear((a, "x"), (b, "y")), linear((c, "x"), (d, "y"))
    inside = d * a - b * c
    steps = (
        f"{linear((a * c, 'x'), (b * c, 'y'))} = {e} * {term(c)} = {e * c}",
        f"{linear((a * c, 'x'), (d * a, 'y'))} = {f} * {term(a)} = {f * a}",
        f"{times(inside, 'y')} = {f * a} - {term(e * c)} = {inside * y}",
        f"y = {inside * y} / {term(inside)} = {y}",
        f"{times(a, 'x')} = {e} - {term(b)} * {term(y)} = {a * x}",
        f"x = {a * x} / {term(a)} = {x}",
    )
    return Posed({"first": f"{top} = {e}", "second": f"{bottom} = {f}"}, str(x), steps)


def _triangular_system(a: int, b: int, c: int, x: int, y: int, z: int) -> Posed:
    """x + y + z = s, x + a y = t, b y + c z = u: x and z in terms of y, put into the third."""
    s, t, u = x + y + z, x + a * y, b * y + c * z
    inside, rest = c * (a - 1) + b, times(a - 1, "y", first=False)
    steps = (
        f"x = {t} - {times(a, 'y')}",
        f"z = {s} - x - y = {s} - {term(t)} {rest} = {s - t} {rest}",
        f"{times(b, 'y')} + {c} * ({s - t} {rest}) = {u}",
        f"{c} * {term(s - t)} = {c * (s - t)}",
        f"{linear((b, 'y'), (c * (a - 1), 'y'))} = {times(inside, 'y')}",
        f"{times(inside, 'y')} = {u} - {term(c * (s - t))} = {inside * y}",
        f"y = {inside * y} / {term(inside)} = {y}",
        f"x = {t} - {a} * {term(y)} = {x}",
        f"z = {s} - {term(x)} - {term(y)} = {z}",
    )
    fields = {
        "first": f"x + y + z = {s}",
        "second": f"{linear((1, 'x'), (a, 'y'))} = {t}",
        "third": f"{linear((b, 'y'), (c, 'z'))} = {u}",
    }
    return Posed(fields, str(z), steps)


def _inequality(a: int, b: int, c: int) -> Posed:
    """a x + b < c: the largest (for a > 0) or the smallest (for a < 0) whole x."""
    bound = Fraction(c - b, a)
    sign, side = ("<", "largest") if a > 0 else (">", "smallest")
    found = math.ceil(bound) - 1 if a > 0 else math.floor(bound) + 1
    steps = (
        f"{_moved(c, b)} = {c - b}",
        f"{times(a, 'x')} < {c - b}",
        f"{c - b} / {term(a)} = {bound}",
        f"x {sign} {bound}",
        f"{found} {sign} {bound}",
    )
    return Posed({"inequality": f"{linear((a, 'x'), (b, ''))} < {c}", "side": side}, str(found), steps)


def _polynomial(a: int, b: int, c: int, d: int, x: int) -> Posed:
    """The value of a polynomial by Horner's scheme."""
    factors = [a, b, c, d] if a else [b, c, d]
    value, steps = factors[0], []
    for factor in factors[1:]:
        following = value * x + factor
        steps.append(f"{value} * {term(x)} + {term(factor)} = {following}")
        value = following
    text = linear((a, "x^3"), (b, "x^2"), (c, "x"), (d, ""))
    return Posed({"polynomial": text, "x": x}, str(value), tuple(steps))


def _derivative(a: int, b: int, c: int, x: int) -> Posed:
    """The slope of a x^3 + b x^2 + c x at x."""
    first, second = 3 * a * x * x, 2 * b * x
    steps = (
        f"f'(x) = {linear((3 * a, 'x^2'), (2 * b, 'x'), (c, ''))}",
        f"{3 * a} * {term(x)} * {term(x)} = {first}",
        f"{2 * b} * {term(x)} = {second}",
        f"{first} + {term(second)} + {term(c)} = {first + second + c}",
    )
    polynomial = linear((a, "x^3"), (b, "x^2"), (c, "x"))
    return Posed({"polynomial": polynomial, "x": x}, str(first + second + c), steps)


def _sides(low: int, high: int) -> list[int]:
    """Numbers of both signs, without those nearer to 0 than `low`."""
    return [*range(-high, -low + 1), *range(low, high + 1)]


def _regular(a: int, b: int, c: int, d: int, x: int, y: int) -> bool:
    return a * d != b * c


def _swapped(operands: Operands) -> Operands:
    """The order of the two factors does not matter."""
    a, p, d, q = operands
    return tuple(sorted(((a, p), (d, q))))


_SOLVE = ("Solve for x: {equation}", "{equation}. What is x?", "Find x such that {equation}.")
_SOLVE_HELD_OUT = ("For which number x does {equation} hold?",)
_ROOT = (
    "What is the larger root of {equation}?",
    "Solve {equation} and give the larger solution.",
    "{equation}. Find the larger value of x.",
)
_ROOT_HELD_OUT = ("Two numbers x satisfy {equation}. Name the greater one.",)

FAMILIES = (
    Domain(
        (range(2, 10), range(1, 13), range(1, 20)),
        (_sides(2, 15), _sides(13, 30), _sides(1, 60)),
        (_sides(11, 60), _sides(31, 200), _sides(61, 999)),
    ).family("linear_equation", "a linear equation with a whole root", _equation, _SOLVE, _SOLVE_HELD_OUT),
    Domain(
        (range(4, 12), range(1, 4), range(1, 12), range(1, 20)),
        (_sides(2, 15), _sides(1, 15), _sides(12, 30), _sides(1, 60)),
        (_sides(16, 60), _sides(16, 60), _sides(31, 200), _sides(61, 999)),
        keep=lambda a, c, x, b: a != c and (a - c) * x + b != 0,
    ).family(
        "linear_both_sides",
        "a linear equation with the unknown on both sides",
        _both_sides,
        _SOLVE,
        _SOLVE_HELD_OUT,
    ),
    Domain(
        (range(2, 10), range(1, 10), range(1, 12), range(1, 20)),
        (range(2, 20), _sides(1, 20), _sides(12, 40), _sides(1, 60)),
        (range(11, 80), _sides(21, 90), _sides(41, 300), _sides(61, 999)),
    ).family("linear_brackets", "a linear equation with brackets", _brackets, _SOLVE, _SOLVE_HELD_OUT),
    Domain(
        (range(2, 10), range(1, 20), range(30)),
        (_sides(2, 20), _sides(20, 60), _sides(1, 60)),
        (_sides(11, 90), _sides(61, 999), _sides(61, 999)),
        keep=lambda a, b, c: (c - b) % a != 0,
    ).family(
        "linear_rational",
        "a linear equation whose root is a fraction",
        _rational_root,
        tuple(f"{one} Give a fraction in lowest terms." for one in _SOLVE),
        tuple(f"{one} Give a fraction in lowest terms." for one in _SOLVE_HELD_OUT),
    ),
    Domain(
        (range(2, 30), range(2, 20), range(2, 12)),
        (range(30, 100), range(3, 60), range(3, 20)),
        (range(100, 1000), range(11, 100), range(11, 60)),
        keep=lambda a, b, c: a % b != 0,
    ).family(
        "proportion",
        "the fourth term of a proportion",
        _proportion,
        ("{a}/{b} = x/{c}. What is x?", "Solve for x: {a}/{b} = x/{c}", "{a} is to {b} as x is to {c}. Find x."),
        ("Which x makes x/{c} equal to {a}/{b}?",),
    ),
    Domain(
        (range(-12, 13), range(-12, 13), (1,)),
        (range(-25, 26), range(-25, 26), (2, 3, 4)),
        (_sides(26, 99), _sides(1, 99), range(1, 10)),
        keep=lambda p, q, a: p < q,
    ).family("quadratic", "a quadratic equation with whole roots", _quadratic, _ROOT, _ROOT_HELD_OUT),
    Domain(
        (range(1, 4), _sides(1, 6), range(2, 4), _sides(1, 6)),
        (range(1, 7), _sides(7, 15), range(2, 7), _sides(1, 15)),
        (range(2, 12), _sides(16, 40), range(2, 12), _sides(5, 40)),
        keep=lambda a, p, d, q: math.gcd(a, p) == 1 and math.gcd(d, q) == 1 and a * q != d * p,
    ).family(
        "quadratic_rational",
        "a quadratic equation whose roots may be fractions (held out whole)",
        _rational_quadratic,
        tuple(f"{one} Give a whole number or a fraction in lowest terms." for one in _ROOT),
        tuple(f"{one} Give a whole number or a fraction in lowest terms." for one in _ROOT_HELD_OUT),
        canonical=_swapped,
        train=False,
    ),
    Domain(
        (range(1, 40), range(1, 40)),
        (_sides(40, 90), _sides(1, 90)),
        (_sides(91, 600), _sides(1, 600)),
        keep=lambda p, q: p < q,
    ).family(
        "sum_and_product",
        "two numbers from their sum and product",
        _symmetric,
        (
            "Two numbers add up to {sum} and multiply to {product}. What is the larger one?",
            "The sum of two numbers is {sum}, their product is {product}. Find the larger number.",
            "x + y = {sum} and x * y = {product}. What is the larger of x and y?",
        ),
        ("Of two numbers with the sum {sum} and the product {product}, name the greater.",),
    ),
    Domain(
        (range(1, 5), range(1, 5), range(1, 5), range(1, 5), range(1, 8), range(1, 8)),
        (range(2, 9), _sides(1, 9), range(1, 9), _sides(1, 9), _sides(8, 15), _sides(1, 15)),
        (range(3, 20), _sides(2, 20), range(2, 20), _sides(2, 20), _sides(16, 60), _sides(5, 60)),
        keep=_regular,
    ).family(
        "system_of_two",
        "two linear equations in two unknowns, by elimination",
        _system,
        (
            "Solve the system {first} and {second}. What is x?",
            "{first} and {second}. Find x.",
            "Given {first} and {second}, what is the value of x?",
        ),
        ("Both {first} and {second} hold. Name the number x.",),
    ),
    Domain(
        (range(2, 5), range(1, 5), range(1, 5), range(1, 8), range(1, 8), range(1, 8)),
        (range(2, 9), range(1, 9), range(2, 9), _sides(8, 15), _sides(1, 15), _sides(1, 15)),
        (range(2, 20), range(2, 20), range(2, 20), _sides(16, 60), _sides(2, 60), _sides(2, 60)),
    ).family(
        "system_of_three",
        "three linear equations in three unknowns, by substitution (held out whole)",
        _triangular_system,
        ("Solve the system {first}, {second} and {third}. What is z?", "{first}, {second} and {third}. Find z."),
        ("All of {first}, {second} and {third} hold. Name the number z.",),
        train=False,
    ),
    Domain(
        (range(2, 10), range(1, 20), range(20, 80)),
        (_sides(2, 20), _sides(20, 60), _sides(1, 99)),
        (_sides(11, 90), _sides(61, 999), _sides(100, 999)),
    ).family(
        "inequality",
        "the last whole number that satisfies a linear inequality",
        _inequality,
        (
            "What is the {side} integer x with {inequality}?",
            "{inequality}. Find the {side} integer x.",
            "Solve {inequality} over the integers and give the {side} solution.",
        ),
        ("Among the whole numbers x with {inequality}, which is the {side}?",),
    ),
    Domain(
        ((0,), range(1, 6), range(1, 10), range(1, 10), range(2, 10)),
        ((0,), _sides(1, 12), _sides(10, 30), _sides(1, 30), _sides(2, 12)),
        (_sides(1, 9), _sides(1, 20), _sides(1, 40), _sides(1, 99), _sides(2, 15)),
    ).family(
        "polynomial_value",
        "the value of a polynomial by Horner's scheme",
        _polynomial,
        (
            "What is {polynomial} at x = {x}?",
            "Evaluate {polynomial} for x = {x}.",
            "f(x) = {polynomial}. What is f({x})?",
        ),
        ("Put x = {x} into {polynomial}. What comes out?",),
    ),
    Domain(
        ((0,), range(1, 20), range(1, 20), range(1, 10)),
        (range(1, 8), _sides(1, 15), _sides(1, 30), _sides(1, 9)),
        (_sides(8, 30), _sides(1, 30), _sides(1, 99), _sides(1, 15)),
    ).family(
        "slope",
        "the derivative of a polynomial at a point",
        _derivative,
        (
            "f(x) = {polynomial}. What is f'({x})?",
            "What is the slope of y = {polynomial} at x = {x}?",
            "Differentiate {polynomial} and evaluate the derivative at x = {x}.",
        ),
        ("How steep is the graph of {polynomial} where x = {x}?",),
    ),
)
