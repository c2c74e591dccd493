"""Wrong solutions: the first error is where it is said to be, and what follows it follows from it."""

from __future__ import annotations

from collections import Counter

import pytest

from midtrain.verify.config import ProblemsConfig
from midtrain.verify.generate import families, generate
from midtrain.verify.problem import Problem
from midtrain.verify.verifiers.steps import judged_lines
from midtrain.verify.wrong_steps import Wrong, corrupt

FALSE_KINDS = ("slip", "carry", "sign")
WORKED = (
    "addition",
    "story_boxes",
    "signed_subtraction",
    "long_multiplication",
    "long_division",
    "expression",
    "fraction_addition",
    "decimal_multiplication",
    "linear_equation",
    "system_of_two",
    "quantity_graph",
    "nested_containers",
    "selections",
    "test_result",
    "market_equilibrium",
    "accelerated_distance",
    "change_in_cents",
    "worded_shopping",
)


def posed(*steps: str, gold: str, prompt: str = "?") -> Problem:
    parts = {"question": prompt, "answer": gold, "passage": None}
    return Problem(prompt, gold, "number", {}, parts, "test", 1, "train", "test:0", steps)


def drawn(name: str, count: int, lang: str = "en") -> list[Problem]:
    split = "train" if "train" in families()[name].splits else "evaluation"
    return list(generate(ProblemsConfig(families=[name], count=count, split=split, languages=[lang])))


def false_lines(problem: Problem, lines: tuple[str, ...]) -> list[int]:
    return [place for place, holds in enumerate(judged_lines(lines)) if holds is False]


@pytest.mark.parametrize("name", WORKED)
def test_the_first_error_is_found_by_an_independent_reader(name):
    found = 0
    for problem in drawn(name, 21):
        wrong = corrupt(problem, 0)
        if wrong is None:
            continue
        found += 1
        place = wrong.first_error
        assert len(wrong.steps) == len(problem.steps)
        assert wrong.steps[:place] == problem.steps[:place]
        assert wrong.steps[place] != problem.steps[place]
        assert wrong.answer != problem.gold
        columns = name == "addition" and wrong.kind == "carry"
        if not problem.arguments.get("given"):
            expected = [place] if wrong.kind in FALSE_KINDS and not columns else []
            assert false_lines(problem, wrong.steps) == expected, (problem.text(), wrong)
        else:  # a letter's equations tell that the lines after it are wrong too
            first = next(iter(judged_false(problem, wrong)), place)
            assert first == place, (problem.text(), wrong)
    assert found >= 15


def judged_false(problem: Problem, wrong: Wrong) -> list[int]:
    given = problem.arguments["given"]
    return [place for place, holds in enumerate(judged_lines(wrong.steps, given)) if holds is False]


def test_every_kind_of_error_occurs_and_seeds_differ():
    problems = [problem for name in WORKED for problem in drawn(name, 6)]
    kinds = Counter(wrong.kind for problem in problems if (wrong := corrupt(problem, 1)))
    assert min(kinds[kind] for kind in ("slip", "carry", "sign", "operation", "copy")) >= 3
    again = [corrupt(problem, 1) for problem in problems]
    assert again == [corrupt(problem, 1) for problem in problems]
    assert sum(one != corrupt(problem, 2) for one, problem in zip(again, problems, strict=True)) > len(problems) / 2


def test_what_uses_a_wrong_result_is_computed_again():
    problem = posed("17 * 4 = 68", "68 + 7 = 75", "75 - 9 = 66", gold="66", prompt="17 boxes of 4, 7 more, 9 less?")
    for seed in range(40):
        wrong = corrupt(problem, seed)
        assert wrong is not None
        results = [int(line.split(" = ")[1]) for line in wrong.steps]
        assert wrong.answer == str(results[-1])
        if wrong.first_error == 0:
            assert wrong.steps[1:] == (f"{results[0]} + 7 = {results[0] + 7}", f"{results[1]} - 9 = {results[1] - 9}")
        if wrong.kind == "carry":
            assert wrong.first_error == 1 or results[0] == 48 or wrong.steps[2] == "75 - 9 = 76"


def test_a_forgotten_carry_in_columns_changes_the_columns_after_it():
    problem = posed(
        "7 + 5 = 12, carry 1", "9 + 0 + 1 = 10, carry 1", "2 + 3 + 1 = 6", gold="602", prompt="297 + 305 = ?"
    )
    wrongs = [corrupt(problem, seed) for seed in range(60)]
    forgotten = ("7 + 5 = 12, carry 1", "9 + 0 = 9", "2 + 3 = 5")
    assert Wrong(forgotten, 1, "carry", "592") in wrongs
    assert all(wrong and wrong.answer != "602" for wrong in wrongs)


def test_what_cannot_be_carried_on_is_left():
    assert corrupt(posed("5 > 3", gold="5"), 0) is None
    assert corrupt(posed(gold="5"), 0) is None
    unused = posed("3 * 6 = 18", "2 + 2 = 4", gold="99")
    assert corrupt(unused, 0) is None, "no result is the answer"
    parts = posed("21 + 21 = 42", "42 / 6 = 7", gold="7", prompt="21 and 21 things for 6 people")
    for seed in range(30):
        wrong = corrupt(parts, seed)
        assert wrong is None or "/" not in wrong.answer, "no fraction of a thing"
    (riddle,) = drawn("row_order", 1)
    assert corrupt(riddle, 0) is None


def test_ambiguous_numbers_are_not_carried_on():
    """The 12 of the last line is the 12 that was given, not the result."""
    problem = posed("3 * 4 = 12", "5 + 12 = 17", gold="17", prompt="3 times 4; then 5 and 12")
    wrongs = [wrong for seed in range(30) if (wrong := corrupt(problem, seed))]
    assert {wrong.first_error for wrong in wrongs} == {1}


@pytest.mark.parametrize("lang", ["de", "sw", "zh"])
def test_other_languages_are_corrupted_in_their_own_words(lang):
    for problem in drawn("worded_shopping", 9, lang):
        wrong = corrupt(problem, 0)
        assert wrong is not None
        words = ["".join(c for c in line if not c.isdigit() and c not in " +-*/") for line in wrong.steps]
        assert words == ["".join(c for c in line if not c.isdigit() and c not in " +-*/") for line in problem.steps]
