"""Right is 1, wrong is 0, and what the checker failed on is neither."""

import json

import pyarrow.parquet as pq
import pytest
import torch

from midtrain.core.errors import UserError
from midtrain.evaluation import exact_match
from midtrain.evaluation.config import EvaluationConfig, ProblemFileConfig, ProblemSetConfig
from midtrain.evaluation.evaluate import evaluate
from midtrain.evaluation.exact_match import judge_problems, score_problems, score_solutions
from midtrain.evaluation.problem_sets import file_digests, problems_of
from midtrain.evaluation.scores import summarize, write_scores
from midtrain.generation.request import Completion
from midtrain.models.load import init_model
from midtrain.models.tokenizer import train_tokenizer
from midtrain.verify.files import write_problems
from midtrain.verify.generate import generate as generate_problems
from midtrain.verify.problem import Problem
from midtrain.verify.verdict import Outcome, Verdict

torch.set_num_threads(1)
CONFIG = ProblemSetConfig(count=6, families=["addition"], difficulty=[1], max_new_tokens=8)


@pytest.fixture(scope="module")
def problems():
    return list(generate_problems(CONFIG))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory, problems):
    return train_tokenizer([problem.text() for problem in problems] * 4, 320, tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def model(tokenizer):
    fields = {"model_type": "llama", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    return init_model({**fields, "num_attention_heads": 2, "max_position_embeddings": 256}, tokenizer, seed=0)


def answering(monkeypatch, answers, finish="stop"):
    """Let the model say `answers`, and record what it was asked."""
    asked = []

    def generate(model, tokenizer, requests):
        asked.extend(requests)
        return [Completion(text, (), (), finish, i) for i, text in enumerate(answers)]

    monkeypatch.setattr(exact_match, "generate", generate)
    return asked


def test_right_and_wrong_answers(monkeypatch, problems):
    answers = [problem.solution() for problem in problems[:3]] + ["Answer: 99999", "no idea at\nall", ""]
    asked = answering(monkeypatch, answers)
    scores = judge_problems(None, None, problems, CONFIG, "problems/add")
    assert [row["value"] for row in scores.rows] == [1, 1, 1, 0, 0, 0]
    assert scores.excluded == []
    first = scores.rows[0]
    assert (first["item"], first["metric"], first["weight"]) == (problems[0].id, "exact_match", 1)
    assert (first["prediction"], first["reference"]) == (answers[0], problems[0].gold)
    settings = json.loads(first["settings"])
    assert (settings["prompt"], settings["outcome"]) == (problems[0].prompt_text(), "pass")
    assert asked[0].prompt == problems[0].prompt_text()
    assert asked[0].sampling.temperature == 0
    assert asked[0].sampling.max_tokens == 8


def test_an_answer_cut_by_the_token_budget_is_not_an_answer(monkeypatch, problems):
    answering(monkeypatch, [f"Answer: {problem.gold}" for problem in problems], finish="length")
    assert sum(row["value"] for row in judge_problems(None, None, problems, CONFIG, "p").rows) == 0


def test_a_failing_checker_is_never_a_wrong_answer(monkeypatch, problems):
    answering(monkeypatch, ["Answer: 1"] * 6)

    def check_all(pool, claims):
        for place, _ in enumerate(claims):
            yield Verdict(Outcome.INFRA_ERROR if place == 2 else Outcome.TIMEOUT, "no space")

    monkeypatch.setattr(exact_match.Pool, "check_all", check_all)
    scores = judge_problems(None, None, problems, CONFIG, "problems/add")
    assert [row["value"] for row in scores.rows] == [0] * 5
    assert scores.excluded == [{"capability": "problems/add", "item": problems[2].id, "cause": "no space"}]


def test_problems_of_a_file_are_asked_and_judged_alike(monkeypatch, problems, tmp_path):
    path = tmp_path / "problems.jsonl.gz"
    write_problems(problems, path)
    config = ProblemFileConfig(read=str(path), count=4, max_new_tokens=8)
    read = list(problems_of(config))
    assert read == problems[:4]
    asked = answering(monkeypatch, [problem.solution() for problem in read])
    assert [row["value"] for row in judge_problems(None, None, read, config, "p").rows] == [1] * 4
    assert [request.prompt for request in asked] == [problem.prompt_text() for problem in read]
    digests = file_digests({"own": config, "made": CONFIG})
    assert list(digests) == ["own"]
    write_problems(problems[:1], path)
    assert file_digests({"own": config}) != digests
    with pytest.raises(UserError, match=r"evaluation.problems.own.read: there is no file"):
        file_digests({"own": ProblemFileConfig(read=str(tmp_path / "none.jsonl"))})


def test_a_program_is_asked_for_without_a_marker(monkeypatch):
    problem = Problem(
        prompt="Write f.",
        gold="def f():\n    return 1",
        verifier="code",
        arguments={"entry_point": "f", "calls": [[[], 1]]},
        parts={"question": "Write f.", "answer": None, "passage": None},
        family="file",
        difficulty=1,
        split="evaluation",
        group="file:1",
    )
    asked = answering(monkeypatch, [problem.gold])
    judge_problems(None, None, [problem], CONFIG, "p")
    assert asked[0].prompt == "Write f.\n"
    assert asked[0].sampling.stop == ()
    assert problem.text() == "Write f.\ndef f():\n    return 1"


def test_a_chat_is_asked_as_a_chat(monkeypatch, problems):
    config = CONFIG.model_copy(update={"form": "chat"})
    asked = answering(monkeypatch, [problem.solution() for problem in problems])
    scores = judge_problems(None, None, problems, config, "p")
    assert asked[0].messages == problems[0].messages()[:1]
    assert sum(row["value"] for row in scores.rows) == 6


def test_solution_bits_count_the_solution_and_nothing_else(model, tokenizer, problems):
    for form in ("text", "chat"):
        rows = score_solutions(model, tokenizer, problems, form, "p (bpb)", 64)
        for row, problem in zip(rows, problems, strict=True):
            given = problem.prompt_text() if form == "text" else problem.prompt + "\n"
            assert row["weight"] == len(problem.text().encode()) - len(given.encode())
            assert 0 < row["value"] < 12
    bits = {row["item"]: row["value"] for row in score_solutions(model, tokenizer, problems[:1], "text", "p", 64)}
    again = {row["item"]: row["value"] for row in score_solutions(model, tokenizer, problems, "text", "p", 4096)}
    assert again[problems[0].id] == pytest.approx(bits[problems[0].id], rel=1e-5)


def test_a_whole_evaluation_with_a_real_model(model, tokenizer, problems, tmp_path):
    found = score_problems(model, tokenizer, CONFIG, "problems/add")
    assert summarize(write_scores(found.rows, tmp_path / "s.parquet")).keys() == {"problems/add", "problems/add (bpb)"}
    config = EvaluationConfig(bits_per_byte=None, problems={"add": CONFIG})
    scores = evaluate(model, tokenizer, {}, config, context=64)
    assert scores.rows == found.rows
    assert pq.read_table(tmp_path / "s.parquet").num_rows == 12


def test_an_unknown_family_is_said(model, tokenizer):
    with pytest.raises(UserError, match='Did you mean "addition"'):
        score_problems(model, tokenizer, CONFIG.model_copy(update={"families": ["adition"]}), "p")
