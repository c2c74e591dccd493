"""What was once accepted, refused or left hanging by mistake: each stays mended."""

from __future__ import annotations

import time

import pytest

from midtrain.verify.claims import Claim
from midtrain.verify.config import ProblemsConfig
from midtrain.verify.generate import generate
from midtrain.verify.generators.family import told
from midtrain.verify.verifiers import basic, collections, equivalence, formats
from midtrain.verify.verifiers.registry import VERIFIERS

LETTERS = {"options": {"A": "Paris", "B": "Rome", "C": "a city", "D": "A"}}


@pytest.mark.parametrize(
    ("judge", "answer", "gold", "arguments", "expected"),
    [
        # what stands beside a number and makes it another one, or two
        *(
            (basic.number, answer, "3", {}, "unparseable")
            for answer in (
                "- 3",
                "\u20133",
                "minus 3",
                "\u00b13",
                "< 3",
                "3 %",
                "3 + i",
                "3..4",
                "3 million",
                "3 dozen",
            )
        ),
        (basic.number, "about **3**.", "3", {}, "pass"),
        (basic.number, "x = 3 apples - all of them", "3", {}, "pass"),
        (basic.number, "\u00b15 J", "5", {"unit": "J"}, "unparseable"),
        (basic.number, "5 million dollars", "5", {"unit": "$"}, "unparseable"),
        (basic.number, "$3.50 per kg", "3.5", {"unit": "$"}, "fail"),
        (basic.number, "72 km\u00b7h\u207b\u00b9", "72", {"unit": "km/h"}, "pass"),
        (basic.number, "45%", "45", {"unit": "%"}, "pass"),
        (basic.choice, "B - Rome", "B", LETTERS, "pass"),
        (basic.choice, "**B**", "B", LETTERS, "pass"),
        (basic.choice, "A", "A", LETTERS, "pass"),  # the letter, although it is also the text of D
        (basic.choice, "a city", "C", LETTERS, "pass"),
        (collections.ordered, "[[1, 2], [3]]", "[[1,2],[3]]", {}, "pass"),
        (collections.ordered, "[[1], [2, 3]]", "[[1,2],[3]]", {}, "fail"),
        (collections.ordered, "[]", "[]", {}, "pass"),
        (collections.ordered, "[1]", "1", {}, "pass"),
        (collections.ordered, "[1, 2)", "1, 2", {}, "unparseable"),
        (collections.unordered, "{}", r"\emptyset", {}, "pass"),
        (formats.json_value, "1e999", "", {"schema": {"type": "integer"}}, "fail"),
        (formats.json_value, '{"a":' * 900 + "1" + "}" * 900, '{"a":' * 900 + "1" + "}" * 900, {}, "unparseable"),
        (equivalence.full, "x^{x^{x^{x}}}", "3", {}, "timeout"),
        (equivalence.full, r"\csc 0", "y=2x+1", {}, "timeout"),
        (equivalence.full, "12_{3}", "12", {}, "fail"),
        (equivalence.full, r"3 \text{ apples and 4 pears}", "3", {}, "unparseable"),
        (equivalence.full, "x^{-1}", r"\frac1x", {}, "pass"),
        (equivalence.full, r"\mathbb R", r"(-\infty,\infty)", {}, "pass"),
    ],
)
def test_it_is_judged_as_it_stands(judge, answer, gold, arguments, expected):
    answer = rf"\boxed{{{answer}}}" if judge is equivalence.full else answer
    assert judge(answer, gold, arguments).outcome == expected


def test_boxes_within_boxes_take_no_time():
    start = time.monotonic()
    found = equivalence.quick("\\boxed{" * 100_000 + "}" * 100_000, "3", {})
    assert found is not None
    assert found.outcome == "unparseable"
    assert time.monotonic() - start < 5


def test_equal_keys_mean_equal_questions():
    def key(argument):
        return Claim(VERIFIERS["code"], "a", "", {"entry_point": "f", "calls": [[[argument], "x"]]}).key

    assert len({key(1), key(1.0), key(True), key("1"), key(None)}) == 5


def test_one_of_a_kind_is_told_so():
    assert told("{n} day(s) and {m} hour(s)", {"n": 1, "m": 21}) == "1 day and 21 hours"
    some = ["present_value", "energy_cost", "to_seconds", "nested_containers", "mixture_temperature"]
    for problem in generate(ProblemsConfig(families=some, count=500, split="evaluation")):
        assert not any(
            f" 1 {word}" in problem.prompt for word in ("years", "hours", "seconds", "loose apples", "litres")
        )
        assert "(s)" not in problem.prompt
