"""Judging completions: what an evaluation, a filter of synthetic data or a reward calls."""

from __future__ import annotations

from midtrain.verify.claims import claim_of, judge_here
from midtrain.verify.problem import Form, Problem
from midtrain.verify.verdict import Verdict


def verify(problem: Problem, completion: str, form: Form = "text", truncated: bool = False) -> Verdict:
    """Judge `completion` as the answer to `problem`; see `claims.claim_of` for `form` and `truncated`."""
    return judge_here(claim_of(problem, completion, form, truncated))
