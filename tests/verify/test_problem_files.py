"""Problems and answers in files: nothing changes on the way, nothing is skipped, and a file is whole or not there."""

from __future__ import annotations

import gzip
import json

import pytest

from midtrain.core.errors import UserError
from midtrain.verify.check_file import check_file
from midtrain.verify.claims import claim_of
from midtrain.verify.config import ProblemsConfig
from midtrain.verify.export import rows
from midtrain.verify.files import line_file, problem_of, problem_row, read_answers, read_problems, write_problems
from midtrain.verify.generate import generate
from midtrain.verify.make import export_file, make_file, samples
from midtrain.verify.pool import Pool

PROBLEM = '{"prompt": "p", "gold": "1", "verifier": "number"}\n'


@pytest.fixture
def problems():
    return list(generate(ProblemsConfig(families=["addition", "comparison"], count=12)))


def write(path, *objects):
    path.write_text("".join(json.dumps(one) + "\n" for one in objects))
    return path


@pytest.mark.parametrize("name", ["problems.jsonl", "problems.jsonl.gz"])
def test_a_problem_read_back_is_the_problem(problems, tmp_path, name):
    assert write_problems(iter(problems), tmp_path / name) == 12
    assert list(read_problems(tmp_path / name)) == problems


def test_a_packed_file_has_the_same_bytes_every_time(problems, tmp_path):
    for name in ("one.jsonl.gz", "two.jsonl.gz"):
        write_problems(problems, tmp_path / name)
    assert (tmp_path / "one.jsonl.gz").read_bytes() == (tmp_path / "two.jsonl.gz").read_bytes()


def test_a_file_that_cannot_be_finished_is_never_seen(problems, tmp_path):
    def broken():
        yield problems[0]
        raise UserError("no more")

    write_problems(problems, tmp_path / "problems.jsonl")
    before = (tmp_path / "problems.jsonl").read_bytes()
    with pytest.raises(UserError, match="no more"):
        write_problems(broken(), tmp_path / "problems.jsonl")
    assert (tmp_path / "problems.jsonl").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["problems.jsonl"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "line 2 is not JSON"),
        ("[1]", "line 2 is not a JSON object"),
        ('{"prompt": "p", "gold": "1"}', 'line 2 has no "verifier"'),
        ('{"prompt": "p", "gold": 1, "verifier": "number"}', 'line 2 has no "gold" \\(a text\\)'),
        ('{"prompt": "p", "gold": "1", "verifier": "numbr"}', 'Did you mean "number"'),
        ('{"prompt": "p", "gold": "1", "verifier": "number", "golt": "1"}', 'Did you mean "gold"'),
        ('{"prompt": "p", "gold": "1", "verifier": "number", "arguments": [1]}', "must be objects"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, sentence):
    path = tmp_path / "problems.jsonl"
    path.write_text(PROBLEM + line + "\n")
    with pytest.raises(UserError, match=sentence):
        list(read_problems(path))


def test_a_file_that_is_none_is_one_sentence(tmp_path):
    (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress(PROBLEM.encode() * 9)[:-9])
    (tmp_path / "latin.jsonl").write_bytes(b'{"prompt": "\xe9"}\n')
    for name in ("packed.jsonl.gz", "latin.jsonl", "none.jsonl"):
        with pytest.raises(UserError, match=r"cannot be read .* give a file of JSON lines"):
            list(read_problems(tmp_path / name))


def test_answers_are_judged_in_order_and_counted_by_cause(problems, tmp_path):
    write_problems(problems, tmp_path / "problems.jsonl")
    right = [{"problem": one.id, "completion": one.solution()} for one in problems]
    wrong = [{"problem": problems[0].id, "completion": f"Answer: {int(problems[0].gold) + 1}"}]
    alone = [{"gold": "1/2", "verifier": "number", "completion": "Answer: 0.5"}, {**right[0], "completion": "no idea"}]
    answers = write(tmp_path / "answers.jsonl", *right, *wrong, *alone)
    with Pool(workers=1) as pool:
        tally = check_file(answers, tmp_path / "problems.jsonl", tmp_path / "verdicts.jsonl", pool)
    verdicts = [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
    assert [one["outcome"] for one in verdicts] == ["pass"] * 12 + ["fail", "pass", "unparseable"]
    assert [one["problem"] for one in verdicts[:12]] == [one.id for one in problems]
    facts = tally.to_json()
    assert (facts["answers"], facts["judged"], facts["passed"]) == (15, 15, 13)
    assert {"verifier": "number", "outcome": "fail", "cause": "different number", "answers": 1} in facts["causes"]


def test_a_text_completion_goes_on_from_the_prompt(tmp_path):
    line = {"prompt": "1 + 1?", "gold": "2", "verifier": "number", "completion": " 2\nand on", "form": "text"}
    (answer,) = read_answers(write(tmp_path / "a.jsonl", line), None)
    assert answer.form == "text"
    with Pool(workers=1) as pool:
        assert check_file(tmp_path / "a.jsonl", None, None, pool).outcomes == {"pass": 1}


def test_answers_may_use_the_names_a_file_gives_its_problems(tmp_path):
    problem = {"id": "HumanEval/0", "prompt": "1 + 1?", "gold": "2", "verifier": "number"}
    write(tmp_path / "p.jsonl", problem)
    answers = write(tmp_path / "a.jsonl", {"problem": "HumanEval/0", "completion": "Answer: 2"})
    assert [answer.problem.gold for answer in read_answers(answers, tmp_path / "p.jsonl")] == ["2"]


def test_answers_that_fit_no_problem_are_told_before_anything_is_judged(problems, tmp_path):
    answers = write(tmp_path / "answers.jsonl", {"problem": "none", "completion": "1"})
    with pytest.raises(UserError, match="line 1: the problem 'none' needs a file of problems"):
        list(read_answers(answers, None))
    write_problems(problems, tmp_path / "problems.jsonl")
    with Pool(workers=1) as pool, pytest.raises(UserError, match="is not in"):
        check_file(answers, tmp_path / "problems.jsonl", tmp_path / "verdicts.jsonl", pool)
    assert not (tmp_path / "verdicts.jsonl").exists()
    bad = write(tmp_path / "bad.jsonl", {"gold": "1", "verifier": "number", "completion": "1", "form": "chatt"})
    with pytest.raises(UserError, match="form is 'chatt'"):
        list(read_answers(bad, None))


def test_problems_are_made_shown_and_exported(tmp_path):
    assert make_file(tmp_path / "p.jsonl", {"families": ["addition"], "count": "20"}) == 20
    made = list(read_problems(tmp_path / "p.jsonl"))
    assert samples(str(tmp_path / "p.jsonl"), 3, None) == made[:3]
    assert [one.family for one in samples("predecessor", 2, None)] == ["predecessor"] * 2
    with pytest.raises(UserError, match='Did you mean "addition"'):
        samples("additon", 1, None)
    assert export_file(tmp_path / "p.jsonl", "chat", tmp_path / "chat.jsonl", 0) == 20
    with pytest.raises(UserError, match=r'no form "chatt".* Did you mean "chat"'):
        export_file(tmp_path / "p.jsonl", "chatt", tmp_path / "x.jsonl", 0)
    with pytest.raises(UserError, match="no family of problems"):
        make_file(tmp_path / "q.jsonl", {"families": ["additon"], "count": "20"})
    assert not (tmp_path / "q.jsonl").exists()


def test_steps_are_labelled_up_to_the_first_error(problems):
    found = list(rows(problems, "steps", seed=3))
    assert {row["kind"] for row in found} > {"right"}
    for row in found:
        assert len(row["labels"]) == len(row["steps"])
        if row["kind"] == "right":
            assert all(row["labels"])
        else:
            wrong = row["labels"].index(False)
            assert not any(row["labels"][wrong:])


def test_a_row_holds_all_of_a_problem(problems):
    assert list(problem_row(problems[0]))[:4] == ["id", "prompt", "gold", "verifier"]
    assert json.loads(json.dumps(problem_row(problems[0])))["steps"] == list(problems[0].steps)


def test_lines_are_json_in_the_letters_of_their_language(tmp_path):
    with line_file(tmp_path / "x.jsonl") as put:
        put({"a": "ответ"})
    assert (tmp_path / "x.jsonl").read_text() == '{"a": "ответ"}\n'


def test_a_solution_is_read_from_the_prompts_end_in_its_language_and_not_where_it_was_cut():
    def claim(completion, **settings):
        problem = problem_of({"prompt": "?", "gold": "7", "verifier": "math", **settings.pop("problem", {})}, "here")
        return claim_of(problem, completion, **settings)

    with Pool(workers=1) as pool:
        outcomes = {
            "after the prompt's marker": claim(" 7\nWhat else? Answer: 9"),
            "in Swahili": claim("kwanza 3\nJibu: 7\n", problem={"lang": "sw"}, form="chat"),
            "cut": claim("so\nAnswer: 7", form="chat", truncated=True),
            "whole, then cut": claim("so\nAnswer: 7\nand", form="chat", truncated=True),
            "boxed, then cut": claim("so \\boxed{7} and", form="chat", truncated=True),
        }
        verdicts = dict(zip(outcomes, pool.check_all(outcomes.values()), strict=True))
    assert {name: verdict.outcome.value for name, verdict in verdicts.items()} == {
        "after the prompt's marker": "pass",
        "in Swahili": "pass",
        "cut": "unparseable",
        "whole, then cut": "pass",
        "boxed, then cut": "pass",
    }
