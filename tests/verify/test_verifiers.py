"""What counts as the right answer, what as a wrong one, and what as none: also for a model that tries to cheat."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midtrain.core.errors import UserError
from midtrain.verify.judge import verify
from midtrain.verify.problem import Problem
from midtrain.verify.verdict import Outcome
from midtrain.verify.verifiers import basic


def problem(gold: str, verifier: str, steps: tuple[str, ...] = ("a step",), **arguments) -> Problem:
    return Problem(
        prompt="What is it?",
        gold=gold,
        verifier=verifier,
        arguments=arguments,
        parts={"question": "What is it?", "answer": gold, "passage": None},
        family="test",
        difficulty=1,
        split="train",
        group="test:0",
        steps=steps,
    )


def outcome(one: Problem, completion: str, **settings) -> Outcome:
    return verify(one, completion, **settings).outcome


@pytest.mark.parametrize(
    ("completion", "gold", "expected"),
    [
        ("Answer: 12", "12", "pass"),
        ("7 + 5 = 12\nAnswer: 12\n", "12", "pass"),
        ("Answer: 12.", "12", "pass"),
        ("Answer: **12**", "12", "pass"),
        ("**Answer:** 12", "12", "pass"),
        ("Answer: 12 apples", "12", "pass"),
        ("Answer: 12.0", "12", "pass"),
        ("Answer: 1,234", "1234", "pass"),
        ("Answer: -5", "-5", "pass"),
        ("Answer: \u22125", "-5", "pass"),
        ("Answer: 5", "-5", "fail"),
        ("Answer: 0.50", "1/2", "pass"),
        ("Answer: 2/4", "1/2", "pass"),
        ("Answer: 0.3333", "1/3", "fail"),
        ("Answer: 0.1", "1/10", "pass"),
        ("So it is 12.", "12", "pass"),  # one line, no marker
        ("So it is 3, then 12.", "12", "unparseable"),
        ("7 + 5 = 12\n12", "12", "unparseable"),
        ("Answer: 13", "12", "fail"),
        ("Answer: 12\nAnswer: 13", "12", "pass"),  # the first answer is the answer
        ("Answer: 13\nAnswer: 12", "12", "fail"),
        ("Answer: 12 or 13", "12", "unparseable"),
        ("Answer: 11 12 13", "12", "unparseable"),
        ("Answer: 12x", "12", "unparseable"),
        ("Answer: x12", "12", "unparseable"),
        ("Answer: 12%", "12", "unparseable"),
        ("Answer: 24/2", "12", "unparseable"),
        ("Answer: 24 / 2", "12", "unparseable"),
        ("Answer: 6 + 6", "12", "unparseable"),
        ("Answer: 15-3", "12", "unparseable"),
        ("Answer: 12,34", "1234", "unparseable"),
        ("Answer: 1.2.3", "3", "unparseable"),
        ("Answer: 1e3", "1000", "unparseable"),
        ("Answer: 1e999999999", "1000", "unparseable"),
        ("Answer: 1/0", "1/2", "unparseable"),
        ("Answer: \u0661\u0662", "12", "unparseable"),
        ("Answer: twelve", "12", "unparseable"),
        ("Answer:", "12", "unparseable"),
        ("Answer: \n12", "12", "unparseable"),
        ("", "12", "unparseable"),
        ("Answer: " + "9" * 100_000, "12", "unparseable"),
        ("Answer: nan", "12", "unparseable"),
    ],
)
def test_number(completion, gold, expected):
    assert outcome(problem(gold, "number"), completion) == expected


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("Answer: a b c", "pass"),
        ("Answer:  a  b\tc ", "pass"),
        ("Answer: a b c\nAnswer: d", "pass"),
        ("a b c\n", "pass"),  # one line, no marker
        ("Answer: a b", "fail"),
        ("Answer: a b c d", "fail"),
        ("Answer: abc", "fail"),
        ("Answer: A b c", "fail"),
        ("a b c\nd", "unparseable"),
        ("Answer:   ", "unparseable"),
    ],
)
def test_exact(completion, expected):
    assert outcome(problem("a b c", "exact"), completion) == expected


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("Answer: yes", "pass"),
        ("Answer: Yes.", "pass"),
        ("Answer: yes, it is", "pass"),
        ("yes", "pass"),
        ("Answer: no", "fail"),
        ("Answer: yes and no", "unparseable"),
        ("Answer: no, yes", "unparseable"),
        ("Answer: not yes", "unparseable"),
        ("Answer: yesterday", "unparseable"),
        ("Answer: maybe", "unparseable"),
        ("yes\nno", "unparseable"),
        ("Answer:", "unparseable"),
    ],
)
def test_choice(completion, expected):
    assert outcome(problem("yes", "choice", options=["yes", "no"]), completion) == expected


def test_the_prompts_marker_counts_in_text_but_not_in_chat():
    without_steps = problem("12", "number", steps=())
    assert outcome(without_steps, " 12\nWhat is 3 + 4?\nAnswer: 7") == "pass"
    assert outcome(without_steps, "12 or 13") == "unparseable"
    assert outcome(without_steps, "Let me see.\nAnswer: 12", form="chat") == "pass"


def test_a_cut_answer_is_no_answer():
    one = problem("12", "number")
    assert outcome(one, "Answer: 12") == "pass"
    assert outcome(one, "Answer: 12", truncated=True) == "unparseable"
    assert outcome(one, "7 + 5 = 12", truncated=True) != "pass"
    assert outcome(one, "Answer: 12\nWhat", truncated=True) == "pass"
    names = problem("a b", "exact")
    assert outcome(names, "Answer: a b", truncated=True) == "unparseable"
    assert outcome(names, "Answer: a b ", truncated=True) == "unparseable"


def test_a_crash_in_a_verifier_is_an_infrastructure_error(monkeypatch):
    def broken(answer, gold, arguments):
        raise RuntimeError("out of paper")

    monkeypatch.setattr(basic, "exact", broken)
    verdict = verify(problem("a", "exact"), "Answer: a")
    assert verdict.outcome is Outcome.INFRA_ERROR
    assert "out of paper" in verdict.cause
    assert not verdict.judged
    assert not verdict.passed
    assert outcome(problem("maybe", "choice", options=["yes", "no"]), "Answer: yes") is Outcome.INFRA_ERROR
    assert outcome(problem("twelve", "number"), "Answer: 12") is Outcome.INFRA_ERROR


def test_an_unknown_verifier_is_the_users_mistake():
    with pytest.raises(UserError, match='Did you mean "number"'):
        verify(problem("1", "numbr"), "1")


def test_a_verdict_says_its_cause_cost_and_isolation():
    verdict = verify(problem("12", "number"), "Answer: 12 or 13")
    assert verdict.judged
    assert verdict.cause == "several numbers in the answer"
    assert verdict.seconds > 0
    assert verdict.isolation == "in-process"


@given(st.integers(-(10**30), 10**30), st.integers(-(10**30), 10**30))
def test_numbers_compare_exactly(a, b):
    one = problem(str(a), "number")
    assert outcome(one, f"Answer: {a:,}") == "pass"
    assert outcome(one, f"Answer: {b}") == ("pass" if a == b else "fail")


@given(st.fractions(max_denominator=10**6), st.integers(2, 99))
def test_fractions_compare_by_value(value, times):
    one = problem(f"{value.numerator}/{value.denominator}", "number")
    assert outcome(one, f"Answer: {value.numerator * times}/{value.denominator * times}") == "pass"
    near = value + Fraction(1, 10**9)
    assert outcome(one, f"Answer: {near.numerator}/{near.denominator}") == "fail"


@given(st.text(max_size=60), st.sampled_from(["number", "exact", "choice"]), st.booleans(), st.booleans())
def test_nothing_a_model_writes_breaks_a_verifier(text, verifier, marked, truncated):
    gold, options = ("yes", ["yes", "no"]) if verifier == "choice" else ("12", [])
    completion = f"Answer: {text}" if marked else text
    assert outcome(problem(gold, verifier, options=options), completion, truncated=truncated) != Outcome.INFRA_ERROR
