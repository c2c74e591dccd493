"""The families beside the primer: every line of arithmetic holds, and answers are found again in other ways."""

from __future__ import annotations

import calendar
import itertools
import math
import re
from datetime import date, timedelta
from fractions import Fraction

import numpy as np
import pytest

from midtrain.core.errors import UserError
from midtrain.core.permutation import Permutation
from midtrain.verify.config import ProblemsConfig
from midtrain.verify.generate import SETS, families, generate
from midtrain.verify.generators.domain import decimal
from midtrain.verify.generators.family import Digits
from midtrain.verify.judge import verify
from midtrain.verify.verifiers.steps import judged_lines

FAMILIES = {f.name: f for name, some in SETS.items() if name not in ("primer", "worded") for f in some}
PROGRAMS = {family.name for family in SETS["programs"]}


def draw(name: str, count: int = 15, **settings) -> list:
    settings = {"split": FAMILIES[name].splits[-1] if "train" not in FAMILIES[name].splits else "train", **settings}
    return list(generate(ProblemsConfig(families=[name], count=count, **settings)))


def numbers(text: str) -> list[Fraction]:
    return [Fraction(one) for one in re.findall(r"(?<![\w.^])-?\d+(?:\.\d+)?(?:/\d+)?", text)]


def integers(text: str) -> list[int]:
    return [int(one) for one in re.findall(r"\d+", text)]


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_step_holds_and_the_solution_is_accepted(name):
    for problem in draw(name) + draw(name, 3, split="evaluation", wording="held_out"):
        assert "{" not in problem.prompt.replace("{...}", ""), problem.prompt
        assert problem.text().startswith(problem.prompt_text())
        if name in PROGRAMS:
            continue
        assert problem.steps
        assert False not in list(judged_lines(problem.steps, problem.arguments.get("given", ()))), problem.text()
        assert verify(problem, problem.text().removeprefix(problem.prompt_text())).passed, problem.text()
        assert verify(problem, problem.messages()[1]["content"], form="chat").passed
        assert not verify(problem, f"Answer: {problem.gold}1").passed
        assert not verify(problem, problem.prompt, form="chat").passed, "repeating the question must not pay"


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_numbers_name_problems_once_and_often_enough(name):
    """What the walk relies on: all digits are used, no two numbers agree, and one in 128 names a problem."""
    family, seen = FAMILIES[name], set()
    for difficulty in (1, 2, 3):
        size = family.size(difficulty)
        assert size * max(len(family.templates), len(family.held_out_templates)) <= 2**62
        for number, left in ((size - 1, 0), (size, 1)):
            digits = Digits(number)
            family.operands(difficulty, digits)
            assert digits.left == left
        drawn = Permutation(size, difficulty)(np.arange(min(size, 600)))
        found = [family.operands(difficulty, Digits(number)) for number in drawn.tolist()]
        valid = [one for one in found if one is not None]
        assert len(valid) * 128 >= len(found)
        assert len(set(valid)) == len(valid)
        assert not seen & set(valid)
        seen |= set(valid)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_both_sides_of_the_split_are_disjoint(name):
    assert set(FAMILIES[name].templates).isdisjoint(FAMILIES[name].held_out_templates)
    if "train" in FAMILIES[name].splits:
        count = 12 if FAMILIES[name] in (*SETS["programs"], *SETS["puzzles"]) else 60
        train = {p.group for p in draw(name, count)}
        assert train.isdisjoint(p.group for p in draw(name, count // 3, split="evaluation"))


def change_of_sides(prompt: str) -> Fraction:
    """Solve a linear equation by its values at 0 and 1."""
    equation = re.search(r"[-\dx(][-+\dx()* ]* = [-+\dx ]*[\dx]", prompt)[0]
    spelt = re.sub(r"(\d|\))(?=[x(])", r"\1*", equation).replace("-(", "-1*(")
    left, right = spelt.split("=")

    def gap(x: int) -> Fraction:
        return Fraction(eval(left, {"x": x})) - Fraction(eval(right, {"x": x}))

    return -gap(0) / (gap(1) - gap(0))


def days(prompt: str) -> list[date]:
    months = list(calendar.month_name)[1:]
    found = re.findall(rf"(\d+) ({'|'.join(months)}) (\d+)", prompt)
    return [date(int(year), months.index(month) + 1, int(day)) for day, month, year in found]


def minutes(prompt: str) -> list[int]:
    return [60 * int(hour) + int(minute) for hour, minute in re.findall(r"(\d\d):(\d\d)", prompt)]


def graph_value(prompt: str) -> int:
    """Read the sentences again, in whatever order gives values."""
    things = r"(\w+)"
    known: dict[tuple[str, str], int] = {}
    forms = [
        (rf"(?<!, )\b(\w+) has (?:exactly )?(\d+) {things}\.", "given"),
        (rf"(\w+) has (\d+) (more|fewer) {things} than (\w+) has {things}\.", "off"),
        (rf"The number of (\w+)'s {things} is (\d+) (more|less) than that of (\w+)'s {things}\.", "off_number"),
        (rf"(\w+) has (\d+) times as many {things} as (\w+) has {things}\.", "times"),
        (rf"(\w+) has (\d+) bags of {things}, and in each bag there are as many \w+ as (\w+) has {things}\.", "times"),
        (rf"For each of (\w+)'s {things}, (\w+) has (\d+) {things}\.", "each"),
        (rf"(\w+) has as many {things} as (\w+) has {things} and (\w+) has {things} together\.", "+"),
        (rf"The number of (\w+)'s {things} is the sum of the numbers of (\w+)'s {things} and (\w+)'s {things}\.", "+"),
        (rf"(\w+) has as many {things} as (\w+) has {things} beyond the number of (\w+)'s {things}\.", "-"),
        (rf"The number of (\w+)'s {things} is that of (\w+)'s {things} minus that of (\w+)'s {things}\.", "-"),
        (rf"The number of (\w+)'s {things} is that of (\w+)'s {things} multiplied by that of (\w+)'s {things}\.", "*"),
        (rf"For each of (\w+)'s {things}, (\w+) has as many {things} as (\w+) has {things}\.", "each of"),
    ]
    for _ in range(10):
        for pattern, kind in forms:
            for match in re.findall(pattern, prompt):
                one = graph_sentence(kind, match, known)
                if one is not None:
                    known[one[0]] = one[1]
    question = re.search(r"How many (\w+) does (\w+) have\?|number of (\w+)'s (\w+)\?", prompt)
    return known[(question[2], question[1]) if question[1] else (question[3], question[4])]


def graph_sentence(kind: str, match: tuple[str, ...], known: dict) -> tuple[tuple[str, str], int] | None:
    try:
        if kind == "given":
            return (match[0], match[2]), int(match[1])
        if kind == "off":
            sign = 1 if match[2] == "more" else -1
            return (match[0], match[3]), known[match[4], match[5]] + sign * int(match[1])
        if kind == "off_number":
            sign = 1 if match[3] == "more" else -1
            return (match[0], match[1]), known[match[4], match[5]] + sign * int(match[2])
        if kind == "times":
            return (match[0], match[2]), known[match[3], match[4]] * int(match[1])
        if kind == "each":
            return (match[2], match[4]), known[match[0], match[1]] * int(match[3])
        if kind == "each of":
            return (match[2], match[3]), known[match[0], match[1]] * known[match[4], match[5]]
        left, right = known[match[2], match[3]], known[match[4], match[5]]
        return (match[0], match[1]), {"+": left + right, "-": left - right, "*": left * right}[kind]
    except KeyError:
        return None


def two_dice(prompt: str) -> Fraction:
    a, b, t = (n for n in integers(re.sub(r"\b(numbered )?from 1\b|\b1 to\b", "", prompt)))
    rolls = list(itertools.product(range(1, a + 1), range(1, b + 1)))
    return Fraction(sum(x + y == t for x, y in rolls), len(rolls))


def ways_to_share(things: int, people: int, least: int) -> int:
    """By recursion over people, not by the formula."""
    ways = [1] + [0] * things
    for _ in range(people):
        ways = [sum(ways[total - k] for k in range(least, total + 1)) for total in range(things + 1)]
    return ways[things]


SOLVERS = {
    "signed_addition": lambda p: sum(int(n) for n in re.findall(r"-?\d+", p)),
    "signed_subtraction": lambda p: (lambda a, b: a - b)(*(int(n) for n in re.findall(r"-?\d+", p))),
    "long_multiplication": lambda p: math.prod(integers(p)),
    "long_division": lambda p: "{} remainder {}".format(*divmod(*integers(p.replace("12 remainder 3", "")))),
    "power": lambda p: math.prod([integers(p)[0]] * integers(p)[1]),
    "gcd": lambda p: max(d for d in range(1, min(integers(p)) + 1) if all(n % d == 0 for n in integers(p))),
    "lcm": lambda p: next(n for n in itertools.count(max(integers(p)), max(integers(p))) if n % min(integers(p)) == 0),
    "from_base": lambda p: int(
        re.search(r"(?:digits|Convert|What is) ([0-9a-f]+)\b", p)[1], int(re.search(r"base (?!10\b)(\d+)", p)[1])
    ),
    "modular_power": lambda p: pow(*integers(p)),
    "expression": lambda p: eval(re.search(r"[(\d][-+*\d() ]*[\d)]", p)[0]),
    "square_root": lambda p: math.isqrt(integers(p)[0]),
    "mean": lambda p: Fraction(sum(integers(p)), len(integers(p))),
    "fraction_addition": lambda p: sum(numbers(p)),
    "fraction_subtraction": lambda p: max(numbers(p)) - min(numbers(p)),
    "fraction_multiplication": lambda p: math.prod(numbers(p)),
    "fraction_comparison": lambda p: max(numbers(p)),
    "reduce_fraction": lambda p: numbers(p)[0],
    "decimal_addition": lambda p: decimal(sum(numbers(p.rstrip(".")))),
    "decimal_subtraction": lambda p: decimal(max(numbers(p.rstrip("."))) - min(numbers(p.rstrip(".")))),
    "decimal_multiplication": lambda p: decimal(math.prod(numbers(p.rstrip(".")))),
    "fraction_to_decimal": lambda p: decimal(numbers(p)[0]),
    "percent_of": lambda p: decimal(Fraction(math.prod(integers(p)), 100)),
    "linear_equation": change_of_sides,
    "linear_both_sides": change_of_sides,
    "linear_brackets": change_of_sides,
    "linear_rational": change_of_sides,
    "quantity_graph": graph_value,
    "days_between": lambda p: abs((days(p)[1] - days(p)[0]).days),
    "date_after": lambda p: days(p)[0] + timedelta(next(n for n in integers(re.sub(r"\d+ [A-Z]\w+ \d+", "", p)))),
    "weekday_of_date": lambda p: f"{days(p)[0]:%A}",
    "elapsed_time": lambda p: (minutes(p)[1] - minutes(p)[0]) % 1440,
    "dice_sum": two_dice,
    "pairs": lambda p: math.comb(integers(p)[0], 2),
    "selections": lambda p: math.comb(max(integers(p)), min(integers(p))),
    "arrangements": lambda p: math.perm(max(integers(p)), min(integers(p))),
    "grid_paths": lambda p: math.comb(sum(integers(p)), integers(p)[0]),
    "ways_to_share": lambda p: ways_to_share(
        *sorted(integers(p.split("at least")[0]), reverse=True)[:2], int((re.search(r"at least (\d)", p) or "00")[1])
    ),
    "kinetic_energy": lambda p: decimal(
        Fraction(int(re.search(r"(\d+) kg", p)[1]) * int(re.search(r"(\d+) m/s", p)[1]) ** 2, 2)
    ),
    "free_fall": lambda p: decimal(5 * numbers(p)[0] ** 2),
    "heat": lambda p: integers(p)[0] * integers(p)[1] * 4200,
}


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_answers_are_found_again(name):
    for problem in draw(name, 30):
        assert str(SOLVERS[name](problem.prompt)) == problem.gold, problem.text()


def test_factorizations_and_bases_give_the_number_back():
    for problem in draw("prime_factorization", 60):
        factors = [int(one) for one in problem.gold.split(" * ")]
        assert math.prod(factors) == integers(problem.prompt)[0]
        assert factors == sorted(factors)
        assert all(math.gcd(one, math.factorial(one - 1)) == 1 for one in factors if one < 2000)
    for problem in draw("to_base", 60):
        number, base = [n for n in integers(problem.prompt) if n != 10 or "from base 10" not in problem.prompt][:2]
        assert int(problem.gold, base) == number


def test_roots_satisfy_their_equations():
    for name in ("quadratic", "quadratic_rational"):
        for problem in draw(name, 60):
            left = problem.arguments["given"][0].split(" = ")[0].replace("^", "**")
            x = Fraction(problem.gold)
            spelt = re.sub(r"(\d)x", r"\1*x", left)
            assert eval(spelt, {"x": x}) == 0, problem.text()
            slope = eval(spelt, {"x": x + Fraction(1, 10**6)})
            assert slope > 0, "the larger root is where the parabola rises"
    for problem in draw("system_of_two", 40) + draw("system_of_three", 40):
        found = {one[0]: int(one[1]) for one in re.findall(r"^([xyz]) = .* = (-?\d+)$", "\n".join(problem.steps), re.M)}
        equations = re.findall(r"-?\d*[xyz][-+\dxyz ]* = -?\d+", problem.prompt)
        assert len(equations) == len(found)
        for equation in equations:
            left, right = re.sub(r"(\d)([xyz])", r"\1*\2", equation).split(" = ")
            assert eval(left, dict(found)) == int(right), problem.text()


@pytest.mark.parametrize("name", ["knights_and_knaves", "row_order", "who_has_what", "hidden_number"])
def test_puzzles_have_one_solution_by_another_solver(name):
    z3 = pytest.importorskip("z3", reason="the proof needs Z3")
    for problem in draw(name, 12):
        solver = z3.SimpleSolver(ctx=z3.Context())
        solver.from_string(problem.arguments["smt"])
        assert solver.check() == z3.sat
        solver = z3.SimpleSolver(ctx=z3.Context())
        solver.from_string(f"{problem.arguments['smt']}\n(assert (not {problem.arguments['claim']}))")
        assert solver.check() == z3.unsat, problem.text()


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_reference_programs_give_what_the_hidden_tests_expect(name):
    for problem in draw(name, 30):
        source = re.fullmatch(r"```python\n(.*)\n```", problem.gold, re.DOTALL)[1]
        space: dict = {}
        exec(source, space)
        calls = problem.arguments["calls"]
        assert len(calls) == 10
        assert len({repr(expected) for _, expected in calls}) > 1
        for given, expected in calls:
            found = space[problem.arguments["entry_point"]](*given)
            assert found == expected, problem.text()
            assert type(found) is type(expected)


def test_sets_and_families_can_be_mixed_and_all_is_all():
    config = ProblemsConfig(families="all", count=len(families()), difficulty=[1], split="evaluation")
    assert {p.family for p in generate(config)} == set(families())
    mixed = {p.family for p in generate(ProblemsConfig(families=["physics", "addition"], count=120))}
    assert mixed == {f.name for f in SETS["physics"] if "train" in f.splits} | {"addition"}
    with pytest.raises(UserError, match='Did you mean "physics"'):
        generate(ProblemsConfig(families=["phisics"], count=1))


def test_small_families_of_a_set_give_what_they_have_and_the_others_the_rest(monkeypatch):
    monkeypatch.setitem(SETS, "few", (FAMILIES["arrangements_of_letters"], FAMILIES["pairs"]))
    config = ProblemsConfig(families="few", count=1000, difficulty=[1])
    problems = list(generate(config))
    assert len(problems) == len({p.id for p in problems}) == 1000
    assert sum(p.family == "pairs" for p in problems) > 700
    assert [p.id for p in generate(config.model_copy(update={"count": 200}))] == [p.id for p in problems[:200]]
    with pytest.raises(UserError, match=r"These families have 2,\d+ distinct problems"):
        generate(config.model_copy(update={"count": 9000}))


def test_languages_are_asked_for_and_split_alike():
    config = ProblemsConfig(families=["worded"], languages=["de", "sw"], count=120)
    problems = list(generate(config))
    assert {p.lang for p in problems} == {"de", "sw"}
    held_out = generate(ProblemsConfig(families=["worded"], languages=["en"], count=300, split="evaluation"))
    assert {p.group for p in problems}.isdisjoint(p.group for p in held_out)
    with pytest.raises(UserError, match="is told in en only"):
        generate(ProblemsConfig(families=["addition"], languages=["de"], count=1))
    with pytest.raises(UserError, match='the language "xx"'):
        generate(ProblemsConfig(families="all", languages=["xx"], count=1))
    with pytest.raises(UserError, match="has problems for train in de"):
        generate(ProblemsConfig(families=["physics"], languages=["de"], count=1))


def test_decimals_are_written_without_needless_zeros():
    written = [decimal(Fraction(n, d)) for n, d in ((5, 4), (-1, 8), (3, 1), (120, 1), (1, 50), (0, 1))]
    assert written == ["1.25", "-0.125", "3", "120", "0.02", "0"]
