"""The verdict of a verifier: five outcomes, because "wrong" is only one of the ways an answer is not right.

A score that folds everything into 0 and 1 hides its own failures: a crashed scorer reads as a wrong answer, a model
that never learned the format as one that cannot add. So an outcome says which it was. INFRA_ERROR says nothing of the
answer, and whoever counts (an evaluation, a reward) leaves it out of the denominator and reports how many there were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What came of checking one answer."""

    PASS = "pass"
    """The answer was read and is right."""
    FAIL = "fail"
    """The answer was read and is wrong."""
    UNPARSEABLE = "unparseable"
    """There is no answer in the completion, or more than one."""
    TIMEOUT = "timeout"
    """The check was given up; the answer may be right."""
    INFRA_ERROR = "infra_error"
    """The checker itself failed; the answer was not judged."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome with its cause (a short reason, empty for a plain PASS), its cost and how it was isolated."""

    outcome: Outcome
    cause: str = ""
    seconds: float = 0.0
    isolation: str = "in-process"
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else was learnt, as JSON: the first wrong step, how many tests passed."""

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.outcome is Outcome.PASS

    @property
    def judged(self) -> bool:
        """Whether the outcome says anything of the answer; a verdict that does not must not be averaged or rewarded."""
        return self.outcome is not Outcome.INFRA_ERROR

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain data."""
        return {
            "outcome": self.outcome.value,
            "cause": self.cause,
            "seconds": round(self.seconds, 6),
            "isolation": self.isolation,
            "details": dict(self.details),
        }
