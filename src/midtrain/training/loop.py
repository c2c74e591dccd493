"""The training loop: one stage of one run, from its newest checkpoint or from the start, to its last step.

    decide -> batch -> forward and backward (micro-batches) -> clip -> AdamW at the schedule's rate -> log, checkpoint

The loop knows nothing of recipes. It is given a model, the stage's batches (a pure function of the step), what the
stage before left, and an open `Run`; what it writes there (journal, checkpoints, decisions) is all that anyone reads.
Step numbers are steps *done*: after step s the journal says s, a checkpoint is called step-s, and its batch was
`data.batch(s - 1)`.

It may be killed at any moment. Everything that decides the next step is in the newest checkpoint, so the run that goes
on from it ends with the same bits and the same journal, clocks aside (on a CPU; GPUs are as deterministic as their
kernels). Asked to stop, it finishes the step, saves and raises `Stopped`. A loss or gradient that is not a number ends
the run before it can reach a checkpoint; on a GPU it is looked at only when a line is written or a checkpoint due, so
that nothing waits for the device in between.
"""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from typing import Any

import torch

from midtrain.core.artifact import Draft
from midtrain.core.config import format_size
from midtrain.core.errors import Stopped, UserError
from midtrain.core.permutation import derive_key
from midtrain.core.progress import say
from midtrain.core.run import Run, decisions_digest
from midtrain.models.flops import gemm_peak, step_flops
from midtrain.models.fused import fuse
from midtrain.tokens.batches import Batch, StageData
from midtrain.tokens.prefetch import prefetch
from midtrain.training.averaging import Average
from midtrain.training.config import StageConfig
from midtrain.training.decisions import Decisions, Hook
from midtrain.training.optimizer import (
    clip_gradients,
    get_moments,
    make_optimizer,
    select_trainable,
    set_learning_rate,
    set_moments,
)
from midtrain.training.process import StopSignals, steady
from midtrain.training.schedule import learning_rate
from midtrain.training.state import (
    CarriedState,
    carry_moments,
    carry_weights,
    phase_at,
    read_average,
    read_checkpoint,
    restore_rng,
    settle,
    write_checkpoint,
)
from midtrain.training.step import forward_backward
from midtrain.training.telemetry import Clock, Meter, log_line, real_lengths

_LINE_EVERY_S = 2.0


def train(
    *,
    model: Any,
    data: StageData,
    config: StageConfig,
    run: Run,
    initial: CarriedState | None = None,
    hook: Hook | None = None,
    seed: int,
    label: str = "train",
    inspect: str = "midtrain inspect RUN",
) -> Draft:
    """Train one stage and return the draft with which its run is sealed.

    `model` (float32, on its device) is trained in place; `initial` is what the stage before or the base left, None when
    nothing is known; `label` begins what is said, `inspect` is the command that shows a step's documents. Raises
    `Stopped` when asked to stop, and `UserError` when what is to be carried is not there, the data are not those of the
    checkpoint, or the loss is not a number.
    """
    assert data.num_steps == config.num_steps, (data.num_steps, config.num_steps)
    device = next(model.parameters()).device
    devices = [device] if device.type == "cuda" else []
    fuse(model)  # the same numbers, and a third less is held for the backward pass
    with torch.random.fork_rng(devices=devices), steady(device), StopSignals() as signals:
        loop = _Loop(model, data, config, run, initial, hook, seed, device, label, inspect)
        loop.go(signals)
    return loop.draft()


class _Loop:
    """The state of a running stage."""

    def __init__(
        self,
        model: Any,
        data: StageData,
        config: StageConfig,
        run: Run,
        initial: CarriedState | None,
        hook: Hook | None,
        seed: int,
        device: torch.device,
        label: str,
        inspect: str,
    ):
        self.model, self.config, self.run, self.device = model, config, run, device
        self.label, self.inspect = label, inspect
        self.start = settle(config, initial)
        self.parameters = select_trainable(model, config.trainable)
        self.optimizer = make_optimizer(model, self.parameters, self.start.optimizer)
        found = run.resume()
        self.saved_step = self.step = found[0] if found else 0
        self.average = Average(config.average, self.parameters, config.num_steps) if config.average else None
        self.decisions = Decisions(run, hook, data, self.step)
        saved = self._resume(found[1].path) if found else None
        self.clock = Clock(saved["clock"] if saved else None)
        self.meter = Meter(data.mixture.names, device, saved["meter"] if saved else None)
        with self.clock.stall():
            self.peak = gemm_peak(str(device))
        if saved is None:
            self._begin(initial, seed)
        self.rate, self.norm = 0.0, torch.zeros((), device=device)
        self.bad_step = torch.zeros((), dtype=torch.int64, device=device)
        self.ended_by: str | None = None
        self._window_start, self._first = self.clock.learning, (self.step, self.clock.seconds)
        self._last_line = time.monotonic()
        model.train()

    def _begin(self, initial: CarriedState | None, seed: int) -> None:
        """Put what is carried in place and say what that means."""
        torch.manual_seed(derive_key("training", seed) % 2**63)
        sentences = self.start.sentences + carry_weights(self.model, self.config, initial, seed)
        sentences += carry_moments(self.optimizer, self.parameters, self.config, initial)
        sentences += [self.average.sentence()] if self.average else []
        moving, total = (sum(p.numel() for p in part) for part in (self.parameters.values(), self.model.parameters()))
        if moving < total:
            sentences.append(f"{format_size(moving)} of {format_size(total)} parameters may move.")
        say(
            f"{self.label}: {self.config.num_steps} steps of {format_size(self.config.batch_tokens)} tokens, "
            f"context {self.config.context}. {' '.join(sentences)}"
        )
        self.run.journal.append("event", 0, what="start", sentences=sentences, num_steps=self.config.num_steps)

    def _resume(self, path: Any) -> dict[str, Any]:
        """Put a checkpoint in place; returns its state."""
        state, weights, moments = read_checkpoint(path)
        if state["data"]["digest"] != self.decisions.data.digest:
            raise UserError(
                f"{path} was made with other data than this stage has now; remove {self.run.path} to train it anew."
            )
        CarriedState(f"checkpoint {path.name}", weights=weights).load_weights(self.model)
        set_moments(self.optimizer, self.parameters, moments, state["step_counters"])
        restore_rng(state["rng"])
        if self.average:
            self.average.restore(read_average(path))
        say(f"{self.label}: goes on after step {self.step} of {self.config.num_steps}.")
        return state

    def go(self, signals: StopSignals) -> None:
        """Train to the last step, or to where a decision ends the stage; raises Stopped when a person ends it."""
        batches: Any = None
        try:
            while self.step < self.config.num_steps:
                with self.clock.stall():
                    made = self._decide() if self.step else None
                    if made:
                        say(f"Step {self.step}: {made['reason']}: {json.dumps(made['change'])}.")
                    if made and made["change"].get("stop"):
                        self.ended_by = made["reason"]
                        break
                    if made and batches is not None:
                        batches.close()
                    if made or batches is None:
                        batches = prefetch(self.decisions.data, self.step, self.config.num_steps)
                    batch = next(batches)
                self._take(batch)
                self._after_step(signals)
        finally:
            if batches is not None:
                batches.close()
        if self.saved_step != self.step:
            self._log()
            self._checkpoint()

    def _decide(self) -> dict[str, Any] | None:
        """The decision that takes effect now; a hook is shown the average where that is the result."""
        shown = self.average.in_place if self.average else nullcontext
        return self.decisions.at(self.step, self.model, self.config.num_steps, shown)

    def _take(self, batch: Batch) -> None:
        """One optimizer step."""
        config, at = self.config, self.start.schedule_offset + self.step
        self.rate = learning_rate(config.schedule, self.start.peak, at, self.start.schedule_offset + config.num_steps)
        set_learning_rate(self.optimizer, self.rate)
        sums = forward_backward(
            self.model,
            batch,
            micro_sequences=config.micro_sequences,
            num_sources=len(self.meter.sources),
            z_loss=config.objective.z_loss,
        )
        self.norm = clip_gradients(self.parameters, self.start.optimizer.clip)
        self.step += 1
        self._watch(sums.loss, self.norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.update(self.step)
        self.meter.add(sums, batch, step_flops(self.model, real_lengths(batch), batch.num_targets))

    def _watch(self, loss: torch.Tensor, norm: torch.Tensor) -> None:
        """Remember on the device the first step that was not finite, and look when it costs nothing or is due."""
        bad = ~(torch.isfinite(loss) & torch.isfinite(norm))
        self.bad_step = torch.where(bad & (self.bad_step == 0), self.step, self.bad_step)
        due = self.step % self.config.log_every == 0 or self.step % self.config.checkpoint_every == 0
        if (self.device.type == "cpu" or due or self.step == self.config.num_steps) and int(self.bad_step):
            raise UserError(
                f"The loss or its gradient is not a finite number at step {int(self.bad_step)} (at step {self.step}: "
                f"loss {float(loss):.4g}, gradient norm {float(norm):.4g}); nothing was saved of it. See its documents "
                f"with `{self.inspect} --step {int(self.bad_step)}`, lower schedule.peak or lengthen schedule.warmup."
            )

    def _after_step(self, signals: StopSignals) -> None:
        last = self.step == self.config.num_steps
        if self.step % self.config.log_every == 0 or last:
            self._log()
        stop = (signals.received or self.run.stop_requested()) and not last
        if self.step % self.config.checkpoint_every == 0 or last or stop:
            self._checkpoint()
        if stop:
            raise Stopped(
                f"{self.label} stopped after step {self.step} of {self.config.num_steps}, with a checkpoint; run the "
                f"same command again to go on."
            )

    def _log(self) -> None:
        """Write what was seen since the last line; nothing when no step was taken since."""
        seconds = max(self.clock.learning - self._window_start, 1e-9)
        clock = {
            "seconds": round(self.clock.seconds, 3),
            "tokens_per_second": round(self.meter.window_tokens / seconds, 1),
            "mfu": round(self.meter.window_flops / seconds / self.peak, 4),
            "goodput": round(self.clock.goodput, 4),
        }
        seen = self.meter.window()
        if not seen:
            return
        metrics = {**seen, "learning_rate": self.rate, "gradient_norm": float(self.norm)}
        self.run.journal.append("metrics", self.step, clock, **metrics)
        self._window_start = self.clock.learning
        now, last = time.monotonic(), self.step == self.config.num_steps
        if last or now - self._last_line >= _LINE_EVERY_S:
            self._last_line = now
            pace = (self.clock.seconds - self._first[1]) / max(self.step - self._first[0], 1)
            left = (self.config.num_steps - self.step) * pace
            say(log_line(self.step, self.config.num_steps, metrics, clock, left))

    def _checkpoint(self) -> None:
        """Save everything that decides the next step."""
        with self.clock.stall(), self.run.checkpoint(self.step) as draft:
            moments, counters = get_moments(self.optimizer, self.parameters)
            average = self.average.tensors() if self.average else {}
            write_checkpoint(draft, self.model, moments, self._state(counters), average)
            draft.counts.update(step=self.step, tokens=self.meter.tokens)
        self.run.keep_checkpoints(self.config.keep_checkpoints)
        self.saved_step = self.step

    def _state(self, counters: dict[str, int]) -> dict[str, Any]:
        """What a checkpoint holds besides tensors."""
        config, start = self.config, self.start
        position, end = start.schedule_offset + self.step, start.schedule_offset + config.num_steps
        settings = {**start.optimizer.model_dump(mode="json"), "peak": start.peak}
        return {
            "step": self.step,
            "num_steps": config.num_steps,
            "total": {
                "step": start.total["step"] + self.step,
                "tokens": start.total["tokens"] + self.meter.tokens,
            },
            "learning_rate": learning_rate(config.schedule, start.peak, position, end),
            "phase": phase_at(config, position, end),
            "hyperparameters": settings,
            "schedule": {"position": position, "num_steps": end, **config.schedule.model_dump(mode="json")},
            "step_counters": counters,
            "data": {
                "position": self.step * config.batch_sequences,
                "digest": self.decisions.data.digest,
                "decisions": decisions_digest(self.run.decisions()),
            },
            "meter": self.meter.state(),
            "clock": self.clock.state(),
        }

    def draft(self) -> Draft:
        """What the sealed run says of itself."""
        seconds, learning = self.clock.seconds, max(self.clock.learning, 1e-9)
        draft = Draft(self.run.path, counts={"tokens": self.meter.tokens, "targets": self.meter.targets})
        draft.counts["steps"] = self.step
        draft.facts.update(
            final_checkpoint=f"checkpoints/step-{self.step:08d}",
            steps=self.step,
            tokens=self.meter.tokens,
            seconds=round(seconds, 1),
            goodput=round(self.clock.goodput, 4),
            mfu=round(self.meter.flops / learning / self.peak, 4),
            tokens_per_second=round(self.meter.tokens / learning, 1),
            carried=self.start.sentences,
        )
        if self.ended_by is not None:
            draft.facts["ended_by"] = self.ended_by
        return draft
