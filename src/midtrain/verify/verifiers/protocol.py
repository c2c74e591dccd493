"""What a verifier is: a function of (answer, gold, arguments) that returns a judgement, and where it may run.

    answer, gold, arguments  --verifier-->  outcome, cause, details

It must not raise for anything a model can write; if it does, that is a defect of ours, and the verdict is INFRA_ERROR,
never FAIL. What a verifier may be trusted with says where it runs: a comparison of strings in our own process; what
can hang or eat memory on a hostile answer (a computer algebra system, a solver) in a child that is killed; what runs
the answer as a program in the sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, NamedTuple

from midtrain.verify.verdict import Outcome


class Judgement(NamedTuple):
    """What a verifier says of one answer."""

    outcome: Outcome
    cause: str = ""
    """A short reason from a small set, so that causes can be counted; empty for a plain PASS."""
    details: Mapping[str, Any] = {}
    """What else was learnt, as JSON: the first wrong step, how many tests passed."""
    isolation: str = "in-process"
    """How the answer was kept from doing harm; the sandbox names its level here."""


PASSED = Judgement(Outcome.PASS)

Judge = Callable[[str, str, Mapping[str, Any]], Judgement]
"""(answer, gold, arguments) -> judgement."""
QuickJudge = Callable[[str, str, Mapping[str, Any]], Judgement | None]
"""(answer, gold, arguments) -> judgement, or None where only the full judge can tell."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A verifier by name; its module is imported when it is first used."""

    name: str
    function: str
    """Where the judge is: `module:function` under `midtrain.verify.verifiers`."""
    description: str
    """One sentence for a person choosing."""
    reads: Literal["answer", "solution", "completion"] = "answer"
    """The line of the final answer; the solution in which it stands (told by its arguments `lang` and `truncated`);
    or everything that was written, because all of it is the answer (a program, a proof)."""
    runs: Literal["here", "child", "sandbox"] = "here"
    """In our own process, in a child killed when it takes too long or too much, or in the sandbox."""
    seconds: float = 5.0
    """Wall-clock limit for one judgement, where it is not run here."""
    quick: str = ""
    """A harmless judge tried first in our own process, where there is one: `module:function`, see `QuickJudge`."""

    def judge(self) -> Judge:
        """The function itself."""
        found: Judge = load(self.function)
        return found

    def quick_judge(self) -> QuickJudge | None:
        """The function that is tried first, or None."""
        return load(self.quick) if self.quick else None


def load(function: str) -> Any:
    """The function named `module:function` under `midtrain.verify.verifiers`."""
    module, name = function.split(":")
    return getattr(import_module(f"midtrain.verify.verifiers.{module}"), name)
