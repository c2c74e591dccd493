"""Quantities, lettered choices, collections, formats, solvers, steps and proofs: what each accepts and refuses."""

from __future__ import annotations

import json
from contextlib import suppress
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midtrain.core.errors import UserError
from midtrain.verify.verifiers import basic, collections, formats, smt, steps
from midtrain.verify.verifiers.polynomials import NotAnExpression, number_of, polynomial
from midtrain.verify.verifiers.registry import VERIFIERS
from midtrain.verify.verifiers.units import unit_of


@pytest.mark.parametrize("verifier", VERIFIERS.values(), ids=lambda one: one.name)
def test_every_verifier_is_where_the_registry_says(verifier):
    assert callable(verifier.judge())
    if verifier.quick:
        assert callable(verifier.quick_judge())


@pytest.mark.parametrize(
    ("answer", "gold", "arguments", "expected"),
    [
        ("72 km/h", "72", {"unit": "km/h"}, "pass"),
        ("72", "72", {"unit": "km/h"}, "pass"),  # gold leaves the unit out as well
        ("72", "72 km/h", {}, "unparseable"),  # a bare gold is a fraction's text; with a unit it needs `unit`
        ("72", "72 km/h", {"unit": "km/h"}, "fail"),
        ("72", "72 km/h", {"unit": "km/h", "unit_optional": True}, "pass"),
        ("20 m/s", "72", {"unit": "km/h"}, "pass"),
        ("72 m/s", "72", {"unit": "km/h"}, "fail"),
        ("72 kilometers per hour", "72", {"unit": "km/h"}, "pass"),
        ("72 apples", "72", {"unit": "km/h"}, "fail"),
        ("5 mW", "5", {"unit": "MW"}, "fail"),
        ("9.8 m/s\u00b2", "9.8", {"unit": "m/s^2"}, "pass"),
        (r"$12\text{ cm}^2$", "12", {"unit": "cm^2"}, "pass"),
        ("12 cm", "12", {"unit": "cm^2"}, "fail"),
        ("1 h 30 min", "90", {"unit": "min"}, "pass"),
        ("1 h 90 min", "150", {"unit": "min"}, "unparseable"),
        ("30 min 1 h", "90", {"unit": "min"}, "unparseable"),
        ("5 km or 6 km", "5", {"unit": "km"}, "unparseable"),
        ("2 * 36 km", "72", {"unit": "km"}, "unparseable"),
        ("$3.50", "3.5", {"unit": "$"}, "pass"),
        ("350 cents", "3.5", {"unit": "$"}, "pass"),
        ("\u20ac3.50", "3.5", {"unit": "$"}, "fail"),
        ("12.5%", "12.5", {"unit": "%"}, "pass"),
        ("3.14", "3.14159", {"tolerance": {"relative": 0.01}}, "pass"),
        ("3.0", "3.14159", {"tolerance": {"relative": 0.01}}, "fail"),
        ("1.5e3 J", "1.5", {"unit": "kJ"}, "pass"),
        ("twelve km", "12", {"unit": "km"}, "unparseable"),
    ],
)
def test_quantities(answer, gold, arguments, expected):
    if gold == "72 km/h" and not arguments:
        with pytest.raises(ValueError):
            basic.number(answer, gold, arguments)
        return
    assert basic.number(answer, gold, arguments).outcome == expected


def test_units_are_exact():
    mile, metre = unit_of("mile"), unit_of("m")
    assert mile.factor / metre.factor == Fraction(1609344, 1000)
    assert unit_of("kWh").factor == 3_600_000
    assert unit_of("min").factor == 60
    assert unit_of("g/cm^3").powers == unit_of("kg m^-3").powers
    assert unit_of("furlongs") is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("B", "pass"),
        ("(b)", "pass"),
        ("B. Rome", "pass"),
        ("Rome.", "pass"),
        (r"$\boxed{\text{B}}$", "pass"),
        ("A", "fail"),
        ("Paris", "fail"),
        ("B) Paris", "unparseable"),
        ("B or C", "unparseable"),
        ("A dog", "unparseable"),
        ("D", "unparseable"),
        ("", "unparseable"),
    ],
)
def test_choice_by_letter(answer, expected):
    options = {"A": "Paris", "B": "Rome", "C": "Berlin"}
    assert basic.choice(answer, "B", {"options": options}).outcome == expected


@pytest.mark.parametrize(
    ("judge", "gold", "answer", "expected"),
    [
        ("unordered", "{1, 2, 3}", "3, 2, 1", "pass"),
        ("unordered", "{1, 2, 3}", "1, 2", "fail"),
        ("unordered", "red, blue", "blue, red", "pass"),
        ("unordered", "1, 1/2", "0.5, 1", "pass"),
        ("unordered", "1, 2", "1, ?", "unparseable"),
        ("ordered", "1, 2, 3", "(1, 2, 3)", "pass"),
        ("ordered", "1, 2, 3", "3, 2, 1", "fail"),
        ("interval", "1 <= x <= 5", r"[1,2) \cup [2,5]", "pass"),
        ("interval", "(1,3)", r"(1,2)\cup(2,3)", "fail"),
        ("interval", "(1,3)", r"(1,2)\cup\{2\}\cup(2,3)", "pass"),
        ("interval", r"(3,\infty)", "x > 3", "pass"),
        ("interval", r"(3,\infty)", "x >= 3", "fail"),
        ("interval", r"(3,\infty)", "many", "unparseable"),
    ],
)
def test_collections(judge, gold, answer, expected):
    assert getattr(collections, judge)(answer, gold, {}).outcome == expected


SCHEMA = {
    "type": "object",
    "required": ["name", "age"],
    "properties": {"name": {"type": "string", "minLength": 1}, "age": {"type": "integer", "minimum": 0}},
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("answer", "outcome", "cause"),
    [
        ('{"name": "Ada", "age": 36}', "pass", ""),
        ('```json\n{"name": "Ada", "age": 36}\n```', "pass", ""),
        ('{"name": "Ada"}', "fail", "breaks required"),
        ('{"name": "Ada", "age": "36"}', "fail", "breaks type"),
        ('{"name": "Ada", "age": true}', "fail", "breaks type"),
        ('{"name": "Ada", "age": -1}', "fail", "breaks minimum"),
        ('{"name": "Ada", "age": 36, "x": 1}', "fail", "breaks additionalProperties"),
        ('{"name": "Ada", "age": 36, "age": 37}', "unparseable", "not JSON"),
        ('{"name": "Ada", "age": NaN}', "unparseable", "not JSON"),
        ("[" * 100_000, "unparseable", "not JSON"),
        ('Here: {"name": "Ada", "age": 36}', "unparseable", "not JSON"),
    ],
)
def test_json_fits_its_schema(answer, outcome, cause):
    found = formats.json_value(answer, "", {"schema": SCHEMA})
    assert (found.outcome, found.cause) == (outcome, cause)


def test_json_equals_gold_with_its_types():
    assert formats.json_value("[1.0, {}]", "[1, {}]", {}).outcome == "pass"
    assert formats.json_value("[true, {}]", "[1, {}]", {}).outcome == "fail"
    assert formats.json_value(json.dumps(float("inf")), "[1]", {}).outcome == "unparseable"
    with pytest.raises(ValueError, match="oneOf"):
        formats.json_value("1", "", {"schema": {"oneOf": []}})


@pytest.mark.parametrize(
    ("rules", "text", "broken"),
    [
        ({"lines": 2}, "a\n\nb", []),
        ({"lines": {"at_most": 1}}, "a\nb", ["lines"]),
        ({"words": {"at_least": 3}, "lacks": [","]}, "one, two", ["lacks", "words"]),
        ({"matches": r"\d+-\d+"}, "12-34", []),
        ({"matches": r"\d+-\d+"}, "12-34 ", []),
        ({"matches": r"\d+-\d+"}, "x12-34", ["matches"]),
        ({"script": "Cyrillic"}, "да, 5", []),
        ({"script": "Cyrillic"}, "да, no", ["script"]),
        ({"case": "lower"}, "abc", []),
        ({"starts": "Dear", "ends": "!"}, "Dear me", ["ends"]),
    ],
)
def test_rules_of_form(rules, text, broken):
    found = formats.keeps_rules(text, "", rules)
    assert list(found.details.get("broken", [])) == broken
    assert found.outcome == ("fail" if broken else "pass")


def test_a_rule_of_language_asks_the_classifier(monkeypatch):
    monkeypatch.setattr("midtrain.text.language.identify", lambda column: (pa.array(["de"]).dictionary_encode(), [0.9]))
    assert formats.keeps_rules("Der Hund.", "", {"language": "de"}).outcome == "pass"
    assert formats.keeps_rules("Der Hund.", "", {"language": "fr"}).details == {"broken": ["language"]}


SUM = "(declare-const x Int)(declare-const y Int)(assert (= (+ x y) 10))"
BOTH = SUM + "(assert (= (- x y) 4))"
CUBES = (
    "(declare-const a Int)(declare-const b Int)(declare-const c Int)"
    "(assert (and (> a 0) (> b 0) (> c 0) (= (+ (* a a a) (* b b b)) (* c c c))))"
)


@pytest.mark.parametrize(
    ("text", "answer", "gold", "arguments", "expected"),
    [
        (BOTH, "x = 7, y = 3", "", {}, "pass"),
        (BOTH, "x = 7, y = 4", "", {}, "fail"),
        (BOTH, "x = 7", "", {}, "unparseable"),
        (BOTH, "x = 7, y = 3, z = 1", "", {}, "unparseable"),
        (BOTH, "x = 7, x = 8, y = 3", "", {}, "unparseable"),
        (BOTH, "x = 7.5, y = 2.5", "", {}, "unparseable"),
        (BOTH, "(assert false)", "", {}, "unparseable"),
        (SUM, "x = 7, y = 3", "", {}, "pass"),
        (SUM, "x = 7, y = 3", "", {"unique": True}, "fail"),
        (BOTH, "x = 7, y = 3", "", {"unique": True}, "pass"),
        (BOTH, "7", "", {"ask": "value", "term": "x"}, "pass"),
        (BOTH, "8", "", {"ask": "value", "term": "x"}, "fail"),
        (SUM, "7", "", {"ask": "value", "term": "x"}, "fail"),
        (BOTH, "sat", "sat", {}, "pass"),
        (BOTH, "unsat", "unsat", {}, "fail"),  # the solver decides, not gold
        (BOTH, "maybe", "sat", {}, "unparseable"),
        (CUBES, "unsat", "unsat", {"rlimit": 50_000}, "timeout"),
    ],
)
def test_z3(text, answer, gold, arguments, expected):
    pytest.importorskip("z3")
    assert smt.smt(answer, gold, {"smt": text, **arguments}).outcome == expected


def test_z3_forces_a_claim_or_does_not_know():
    pytest.importorskip("z3")
    assert smt.forced(BOTH, "(= x 7)") is True
    assert smt.forced(SUM, "(= x 7)") is False
    assert smt.forced(BOTH + "(assert (= x 8))", "(= x 8)") is False  # whatever follows from a contradiction
    assert smt.forced(CUBES, "(= a 1)", work=20_000) is None
    with pytest.raises(ValueError, match="SMT-LIB"):
        smt.solver_of("(assert (= nobody 1))")


def test_without_z3_the_person_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "z3", None)
    with pytest.raises(UserError, match=r"midtrain\[smt\]"):
        smt.smt("sat", "sat", {"smt": BOTH})


@pytest.mark.parametrize(
    ("lines", "given", "expected"),
    [
        (["7 + 5 = 12, carry 1", "2 + 3 + 1 = 6"], (), None),
        (["7 + 5 = 12, carry 1", "2 + 3 + 1 = 7"], (), 1),
        (["13 - 5 = 8, borrow 1"], (), None),
        (["She buys 3 * 4 = 12 apples and 2 * 5 = 11 pears."], (), 0),
        (["17 / 5 = 3 remainder 2"], (), None),
        (["17 / 5 = 3 remainder 3"], (), 0),
        (["17 mod 5 = 2"], (), None),
        (["So he has 48/2 = <<48/2=24>>24 clips"], (), None),
        (["1/2 + 1/3 = 3/6 + 2/6 = 5/6"], (), None),
        (["1/2 + 1/3 = 3/6 + 2/6 = 4/6"], (), 0),
        (["- 3 + 4 = 7", "1. 3 + 4 = 7", "-3 + 4 = 1"], (), None),
        (["1. 3 + 4 = 8"], (), 0),
        (["20% of 50 = 10", "$5 \u00d7 3 = $15", "1,234 + 1 = 1,235"], (), None),
        (["10 / 3 = 3.33"], (), 0),
        (["3 km * 4 = 12 km", "so x is small", "Total = 12", "9^9^9^9 = 1"], (), None),
        (["2x + 3 = 11", "2x = 8", "x = 4"], ("2x + 3 = 11",), None),
        (["2x = 8", "x = 5"], ("2x + 3 = 11",), 1),
        (["(x - 2)(x - 3) = 0", "x = 2 or x = 3"], ("x^2 - 5x + 6 = 0",), None),
        (["x = 2"], ("x^2 = 4",), 0),  # half of the roots
        (["x = 2 or x = -2"], ("x^2 = 4",), None),
        (["2x = 8", "x = 4, y = 1"], ("x + y = 5", "x - y = 3"), None),
        (["x = 4, y = 2"], ("x + y = 5", "x - y = 3"), 0),
        (["(x + 1)^2 = x^2 + 2x + 1"], ("x + y = 5",), None),
        (
            ["x^2 - 43x + 432 = 0", "x + 1 = 20 / 2 = 10", "sqrt(71289) = 267", "12 = 20 - 2x"],
            (),
            None,
        ),  # not cut in two
        (["She has a 5 + 3 = 8", "so 5 + 3 = 9 a day"], (), 1),
    ],
)
def test_the_first_wrong_step(lines, given, expected):
    assert steps.first_wrong_step(lines, given) == expected


def test_a_solution_is_right_in_every_step_and_in_its_answer():
    right = steps.steps("7 + 5 = 12\n12 * 2 = 24\nAnswer: 24", "24", {})
    assert right.outcome == "pass"
    assert right.details == {"lines": 2, "judged": 2}
    wrong = steps.steps("7 + 5 = 12\n12 * 2 = 25\nAnswer: 24", "24", {})
    assert (wrong.outcome, wrong.details["first_wrong_step"]) == ("fail", 1)
    assert steps.steps("7 + 5 = 12\nAnswer: 25", "24", {}).outcome == "fail"
    assert steps.steps("It is easy.\nAnswer: 24", "24", {}).outcome == "unparseable"


@given(st.integers(-999, 999), st.integers(-999, 999), st.integers(1, 99), st.sampled_from("+-*/"))
def test_the_parser_computes_as_fractions_do(a, b, c, sign):
    expected = {"+": Fraction(a) + b, "-": Fraction(a) - b, "*": Fraction(a) * b, "/": Fraction(a) / (b or 1)}[sign]
    assert number_of(polynomial(f"({a}) {sign} ({b if sign != '/' else b or 1}) * {c} / {c}")) == (
        expected if sign in "*/" else {"+": Fraction(a) + b, "-": Fraction(a) - b}[sign]
    )


@given(st.text(alphabet="0123456789.,+-*/^()%xy =ofmd$", max_size=40))
@settings(max_examples=200)
def test_no_text_breaks_the_steps(text):
    steps.first_wrong_step([text], ("2x + y = 7",))
    with suppress(NotAnExpression):
        polynomial(text)
