"""A claim: an answer said to be right, with all that is needed to judge it, and the judging of those that are harmless.

    problem, completion --claim_of--> Claim --Pool (or judge_here)--> Verdict

Two equal claims have one verdict, so a claim's key is what verdicts are remembered by.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from midtrain.core.errors import MidtrainError
from midtrain.verify.answer import final_answer
from midtrain.verify.problem import Form, Problem
from midtrain.verify.verdict import Outcome, Verdict
from midtrain.verify.verifiers.protocol import Judgement, Verifier
from midtrain.verify.verifiers.registry import find


@dataclass(frozen=True)
class Claim:
    """`answer` is what the verifier reads: the final answer, or what it stands in."""

    verifier: Verifier
    answer: str
    gold: str
    arguments: Mapping[str, Any]

    @cached_property
    def key(self) -> str:
        """The name of the claim's content: verifier, answer, gold and arguments.

        Not a fingerprint, which is the same for 1 and 1.0: a program may tell them apart.
        """
        content = [self.verifier.name, self.answer, self.gold, dict(self.arguments)]
        return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


def claim_of(problem: Problem, completion: str, form: Form = "text", truncated: bool = False) -> Claim:
    """What `completion` claims to be the answer of `problem`.

    `form` says what the model was given: "text" the problem's `prompt_text()`, "chat" its user message. `truncated`
    says that the completion ended because its token budget did. Raises UserError for an unknown verifier.
    """
    verifier = find(problem.verifier, f"Problem {problem.id}")
    if verifier.reads == "completion":
        return Claim(verifier, completion, problem.gold, problem.arguments)
    written = completion
    if form == "text":
        written = problem.prompt_text()[len(problem.prompt) :] + completion
    if verifier.reads == "answer":
        answer = final_answer(written, truncated, problem.lang)
        return Claim(verifier, answer, problem.gold, problem.arguments)
    told: dict[str, Any] = {"lang": problem.lang} if problem.lang != "en" else {}
    told |= {"truncated": True} if truncated else {}
    return Claim(verifier, written, problem.gold, {**problem.arguments, **told})


def judge_here(claim: Claim) -> Verdict:
    """The verdict, in this process. Whatever the verifier breaks on is an INFRA_ERROR, never a wrong answer.

    Raises UserError for what a person must mend: a library or a proof assistant that is not there, no sandbox.
    """
    start = time.perf_counter()
    try:
        judgement = claim.verifier.judge()(claim.answer, claim.gold, claim.arguments)
    except MidtrainError:
        raise
    except Exception as error:  # whatever broke, it was not the answer
        cause = f"{claim.verifier.name}: {type(error).__name__}: {error}"
        judgement = Judgement(Outcome.INFRA_ERROR, cause)
    outcome, cause, details, isolation = judgement
    return Verdict(outcome, cause, time.perf_counter() - start, isolation, details)
