"""Problems with one right answer: the share solved, and how many bits the right solution costs.

Each problem is put to the model as it would have been written in training, completed greedily, and judged by its
verifier: 1 if right, 0 if wrong, unreadable or out of time. What the checker itself failed on says nothing of the
model: it is left out and listed, never counted as wrong, and the comparison leaves it out of the other models too.

Small models solve nothing for most of their training, so `problems/NAME (bpb)` measures what comes before: the bits
per byte of the whole right solution (steps and answer) given the problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from midtrain.evaluation.bits_per_byte import TokenSequence, score_sequences
from midtrain.evaluation.config import ProblemFileConfig, ProblemSetConfig
from midtrain.evaluation.problem_sets import problems_of
from midtrain.evaluation.scores import score_row
from midtrain.generation.local import generate
from midtrain.generation.request import Request, Sampling
from midtrain.models.chat import render
from midtrain.models.tokenizer import Tokenizer
from midtrain.verify.claims import claim_of
from midtrain.verify.pool import Pool
from midtrain.verify.problem import Form, Problem

ProblemSet = ProblemSetConfig | ProblemFileConfig


@dataclass(frozen=True)
class ProblemScores:
    """Score rows, and what could not be judged as {capability, item, cause}."""

    rows: list[dict[str, Any]]
    excluded: list[dict[str, str]]


def score_problems(
    model: Any, tokenizer: Tokenizer, config: ProblemSet, capability: str, *, batch_tokens: int = 8192
) -> ProblemScores:
    """Generate, complete and judge the problems of `config`; with `answer_bits` also score their solutions."""
    problems = list(problems_of(config))
    scores = judge_problems(model, tokenizer, problems, config, capability)
    if config.answer_bits:
        rows = score_solutions(model, tokenizer, problems, config.form, f"{capability} (bpb)", batch_tokens)
        scores.rows.extend(rows)
    return scores


def judge_problems(
    model: Any, tokenizer: Tokenizer, problems: Sequence[Problem], config: ProblemSet, capability: str
) -> ProblemScores:
    """One row per judged problem: value 1 or 0; the settings hold the prompt and the outcome."""
    completions = generate(model, tokenizer, [_request(problem, config) for problem in problems])
    claims = [
        claim_of(problem, completion.text, config.form, truncated=completion.finish == "length")
        for problem, completion in zip(problems, completions, strict=True)
    ]
    with Pool() as pool:
        verdicts = list(pool.check_all(claims))
    scores = ProblemScores([], [])
    for problem, completion, verdict in zip(problems, completions, verdicts, strict=True):
        if not verdict.judged:
            scores.excluded.append({"capability": capability, "item": problem.id, "cause": verdict.cause})
            continue
        settings = {
            "form": config.form,
            "max_new_tokens": config.max_new_tokens,
            "outcome": str(verdict.outcome),
            "cause": verdict.cause,
            "family": problem.family,
            "prompt": problem.prompt_text() if config.form == "text" else problem.prompt,
        }
        scores.rows.append(
            score_row(capability, problem.id, verdict.passed, 1, "exact_match", settings, completion.text, problem.gold)
        )
    return scores


def score_solutions(
    model: Any, tokenizer: Tokenizer, problems: Sequence[Problem], form: Form, capability: str, batch_tokens: int
) -> list[dict[str, Any]]:
    """One row per problem: bits per byte of its solution given the problem, weight = the solution's bytes."""
    sequences = [_solution(tokenizer, problem, form) for problem in problems]
    longest = max(2, *(len(sequence.ids_T) for sequence in sequences))
    scored = score_sequences(model, tokenizer, sequences, context=longest, limit_windows=1, batch_tokens=batch_tokens)
    return [
        score_row(capability, problem.id, bits / size, size, "bits_per_byte", {"form": form}, reference=problem.gold)
        for problem, (bits, size) in zip(problems, scored, strict=True)
    ]


def _request(problem: Problem, config: ProblemSet) -> Request:
    # Without steps the answer is the rest of the prompt's last line, so a line break ends it.
    stop = () if problem.steps or problem.wants_all or config.form == "chat" else ("\n",)
    sampling = Sampling(max_tokens=config.max_new_tokens, stop=stop)
    if config.form == "chat":
        return Request(messages=problem.messages()[:-1], sampling=sampling)
    return Request(prompt=problem.prompt_text(), sampling=sampling)


def _solution(tokenizer: Tokenizer, problem: Problem, form: Form) -> TokenSequence:
    """The ids of problem and solution, with a mask on the solution."""
    if form == "chat":
        ids, mask = render(tokenizer, problem.messages())
        return TokenSequence(np.array(ids), np.array(mask, bool))
    given = problem.prompt_text()
    prompt, solution = tokenizer.encode_pieces([given, problem.text()[len(given) :]])
    prompt = [*tokenizer.prefix, *prompt]
    mask_T = np.arange(len(prompt) + len(solution)) >= len(prompt)
    return TokenSequence(np.array(prompt + solution), mask_T)
