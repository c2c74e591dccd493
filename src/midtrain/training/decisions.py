"""What may change a run while it runs: a hook (a guard), or a person through the run's control file.

A hook is asked at the beginning of each of the mixture's blocks and answers nothing, `Stop` or `Remix`. The answer is
checked, written ahead to the run's decisions, and only then takes effect, from the block that begins next. A run that
was killed in between finds the decision when it gets to that step again and applies it without asking: a hook that
measures something noisy need not give the same answer twice. What is decided after a spike (spikes.py) is written the
same way. Between decisions nothing here costs more than reading one small file per step.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from midtrain.core.errors import UserError
from midtrain.core.progress import say
from midtrain.core.run import Run
from midtrain.tokens.batches import StageData
from midtrain.tokens.config import MixtureConfig
from midtrain.tokens.weights import Weights


@dataclass(frozen=True)
class HookState:
    """What a hook may look at; it must not change the model."""

    model: Any
    step: int
    """Steps done."""
    num_steps: int
    block: int
    """The block that begins now."""
    data: StageData


@dataclass(frozen=True)
class Stop:
    """End the stage here; what was trained so far is its result."""

    reason: str


@dataclass(frozen=True)
class Remix:
    """Go on with other weights of the mixture."""

    weights: dict[str, float]
    reason: str


Hook = Callable[[HookState], Stop | Remix | None]
Shown = Callable[[], AbstractContextManager[None]]


class Decisions:
    """The decisions of one run: those recorded before, and those to come."""

    def __init__(self, run: Run, hook: Hook | None, data: StageData, step: int):
        """`data` is the stage as the recipe has it, `step` where the run goes on: earlier decisions are in force."""
        self._run, self._hook = run, hook
        made = run.decisions()
        self._recorded = {one["step"]: one for one in made if not _of_a_spike(one)}
        # A checkpoint is written after the decision on a spike in its step, but before a remix takes effect.
        self.data = data.from_decisions([one for one in made if one["step"] < step + _of_a_spike(one)])

    def at(self, step: int, model: Any, num_steps: int, shown: Shown = nullcontext) -> dict[str, Any] | None:
        """The decision that takes effect before step `step` (steps done), if any; `data` has it applied.

        A hook is asked inside of `shown()`, in which the model has the weights that it shall judge.
        """
        made = self._recorded.get(step)
        from_block = self.data.next_block(step)
        if made is not None:
            made = self._run.decide(step, made["from_block"], made["change"], made["reason"])
        else:
            made = self._asked_by_a_person(step, from_block)
            made = made or self._asked_of_the_hook(step, from_block, model, num_steps, shown)
        if made is not None:
            self.data = self.data.from_decisions([made])
        return made

    def after_a_spike(
        self, step: int, quarantine: dict[str, dict[str, int]], rollback: int | None, reason: str
    ) -> dict[str, Any]:
        """Decide, after step `step`, from which documents no more is learned and to which checkpoint the run goes back
        (None: it does not); returns the change."""
        change = {"quarantine": quarantine, "rollback": rollback}
        made = self._run.decide(step, self.data.next_block(step), change, reason)
        self.data = self.data.from_decisions([made])
        return made["change"]

    def quarantined(self) -> list[dict[str, Any]]:
        """The ledger: {step, source, documents} of everything that was quarantined, in order."""
        return [
            {"step": made["step"], "source": source, "documents": sorted(documents)}
            for made in self._run.decisions()
            for source, documents in (made["change"].get("quarantine") or {}).items()
        ]

    def _asked_by_a_person(self, step: int, from_block: int) -> dict[str, Any] | None:
        weights = self._run.remix_requested()
        if weights is None:
            return None
        made = None
        try:
            made = self._remix(step, from_block, weights, "asked by a person")
        except UserError as error:
            say(f"The remix that was asked for is refused. {error}")
        self._run.remix_answered()
        return made

    def _asked_of_the_hook(
        self, step: int, from_block: int, model: Any, num_steps: int, shown: Shown
    ) -> dict[str, Any] | None:
        at_block = step * self.data.batch_sequences == from_block * self.data.mixture.block
        if self._hook is None or not at_block:
            return None
        training = model.training
        model.eval()
        try:
            with torch.random.fork_rng(), shown():  # what a hook draws at random must not change what is trained
                answer = self._hook(HookState(model, step, num_steps, from_block, self.data))
        finally:
            model.train(training)
        if isinstance(answer, Stop):
            return self._run.decide(step, from_block, {"stop": True}, answer.reason)
        if isinstance(answer, Remix):
            return self._remix(step, from_block, answer.weights, answer.reason)
        return None

    def _remix(self, step: int, from_block: int, weights: dict[str, float], reason: str) -> dict[str, Any]:
        """Check that the remix can be, then record it."""
        names = self.data.mixture.names
        if from_block >= self.data.mixture.num_blocks:
            raise UserError("The stage's last block of batches has begun, so other weights would come too late.")
        self.data.remix(from_block, Weights(MixtureConfig(weights=weights), names, "remix"))
        return self._run.decide(step, from_block, {"weights": weights}, reason)


def _of_a_spike(made: dict[str, Any]) -> bool:
    return "quarantine" in made["change"]
