"""A file of answers judged: a verdict for each, and what came of them, counted by cause.

    answers.jsonl --read_answers--> claims --Pool--> verdicts.jsonl, Tally

Answers that could not be judged (INFRA_ERROR) are in no denominator: the share of right answers is of those judged.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from midtrain.core.progress import progress
from midtrain.verify.claims import Claim, claim_of
from midtrain.verify.files import line_file, read_answers
from midtrain.verify.pool import Pool
from midtrain.verify.problem import Problem
from midtrain.verify.verdict import Outcome, Verdict


@dataclass
class Tally:
    """What came of a file of answers."""

    outcomes: Counter[str] = field(default_factory=Counter)
    causes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(verifier, outcome, cause) -> how many."""
    isolations: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    """Of judging, summed over answers."""

    def add(self, verifier: str, verdict: Verdict) -> None:
        """Count one verdict."""
        self.outcomes[verdict.outcome.value] += 1
        self.causes[verifier, verdict.outcome.value, verdict.cause] += 1
        self.isolations[verdict.isolation] += 1
        self.seconds += verdict.seconds

    @property
    def answers(self) -> int:
        """How many answers there were."""
        return self.outcomes.total()

    @property
    def judged(self) -> int:
        """How many of them have a verdict that says something of the answer."""
        return self.answers - self.outcomes[Outcome.INFRA_ERROR.value]

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain data."""
        passed = self.outcomes[Outcome.PASS.value]
        return {
            "answers": self.answers,
            "judged": self.judged,
            "passed": passed,
            "share": passed / self.judged if self.judged else None,
            "outcomes": {outcome.value: self.outcomes[outcome.value] for outcome in Outcome},
            "causes": [
                {"verifier": verifier, "outcome": outcome, "cause": cause, "answers": count}
                for (verifier, outcome, cause), count in self.causes.most_common()
            ],
            "isolation": dict(self.isolations.most_common()),
            "seconds": round(self.seconds, 3),
        }


def check_file(answers: Path, problems: Path | None, out: Path | None, pool: Pool) -> Tally:
    """Judge the answers of a file; write a verdict for each to `out`, in their order, whole or not at all."""
    total = sum(1 for _ in read_answers(answers, problems))  # everything is read once before anything is judged
    tally = Tally()
    asked: deque[Problem] = deque()  # of the answers whose verdicts are still to come

    def claims() -> Iterator[Claim]:
        for answer in read_answers(answers, problems):
            asked.append(answer.problem)
            yield claim_of(answer.problem, answer.completion, answer.form, answer.truncated)

    with progress("verify", total, "answers") as shown, nullcontext(None) if out is None else line_file(out) as write:
        for verdict in pool.check_all(claims()):
            problem = asked.popleft()
            tally.add(problem.verifier, verdict)
            if write is not None:
                write({"problem": problem.id, **verdict.to_json()})
            shown.advance()
    return tally
