"""Judging one completion after another: what a filter of synthetic data or a person in a shell calls.

Whoever has many completions at hand gives them to a `Pool` at once, which judges them side by side.
"""

from __future__ import annotations

import atexit
from functools import cache

from midtrain.verify.claims import claim_of, judge_here
from midtrain.verify.pool import Pool
from midtrain.verify.problem import Form, Problem
from midtrain.verify.verdict import Verdict


def verify(problem: Problem, completion: str, form: Form = "text", truncated: bool = False) -> Verdict:
    """Judge `completion` as the answer to `problem`; see `claims.claim_of` for `form` and `truncated`."""
    claim = claim_of(problem, completion, form, truncated)
    return judge_here(claim) if claim.verifier.runs == "here" else _pool().check(claim)


@cache
def _pool() -> Pool:
    """One child for the whole process, made when it is first needed."""
    pool = Pool(workers=1)
    atexit.register(pool.close)
    return pool
