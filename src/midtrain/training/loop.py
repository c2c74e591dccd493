"""The training loop: one stage of one run, from its newest checkpoint or from the start, to its last step.

    decide -> batch -> forward and backward (micro-batches) -> clip -> AdamW at the schedule's rate -> log, checkpoint

The loop knows nothing of recipes. It is given a model, the stage's batches (a pure function of the step), what the
stage before left, and an open `Run`; what it writes there (journal, checkpoints, decisions) is all that anyone reads.
Step numbers are steps *done*: after step s the journal says s, a checkpoint is called step-s, and its batch was
`data.batch(s - 1)`.

It may be killed at any moment. Everything that decides the next step is in the newest checkpoint, so the run that goes
on from it ends with the same bits and the same journal, clocks aside (on a CPU; GPUs are as deterministic as their
kernels). Asked to stop, it finishes the step, saves and raises `Stopped`. A loss or gradient that is not a number ends
the run before it can reach a checkpoint, unless the stage is told to skip such steps (spikes.py); on a GPU it is looked
at only when a line is written or a checkpoint due, so that nothing waits for the device in between.
"""

from __future__ import annotations

import json
import math
import time
from contextlib import nullcontext
from typing import Any

import torch

from midtrain.core.artifact import Draft, write_atomically
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
from midtrain.training.bootstrap import warm_in
from midtrain.training.config import StageConfig
from midtrain.training.decisions import Decisions, Hook
from midtrain.training.optimizer import (
    clip_gradients,
    get_moments,
    make_optimizer,
    select_trainable,
    set_learning_rate,
    set_moments,
    skip_step_if,
)
from midtrain.training.process import StopSignals, steady
from midtrain.training.schedule import learning_rate
from midtrain.training.spikes import QUARANTINE, Spike, SpikeGuard, document_losses, quarantine_of, suspects
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
from midtrain.training.trackers import Trackers
from midtrain.training.watchdog import Watchdog

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
    trackers: Trackers | None = None,
) -> Draft:
    """Train one stage and return the draft with which its run is sealed.

    `model` (float32, on its device) is trained in place; `initial` is what the stage before or the base left, None when
    nothing is known; `label` begins what is said, `inspect` is the command that shows a step's documents; `trackers`
    are sent what the journal says. Raises `Stopped` when asked to stop, and `UserError` when what is to be carried is
    not there, the data are not those of the checkpoint, the loss is not a number, or its spikes cannot be mended.
    """
    assert data.num_steps == config.num_steps, (data.num_steps, config.num_steps)
    device = next(model.parameters()).device
    devices = [device] if device.type == "cuda" else []
    fuse(model)  # the same numbers, and a third less is held for the backward pass
    with torch.random.fork_rng(devices=devices), steady(device), StopSignals() as signals:
        loop = _Loop(model, data, config, run, initial, hook, seed, device, label, inspect, trackers)
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
        trackers: Trackers | None,
    ):
        self.model, self.config, self.run, self.device = model, config, run, device
        self.label, self.inspect, self.trackers = label, inspect, trackers
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
        self.guard = SpikeGuard(config.spikes, device, saved and saved["spikes"]) if config.spikes else None
        self.rate, self.norm = 0.0, torch.zeros((), device=device)
        self.bad_step = torch.zeros((), dtype=torch.int64, device=device)
        self.ended_by: str | None = None
        self.batches: Any = None
        self.watchdog = Watchdog(config.hang_after, run.journal, label)
        self._window_start, self._first = self.clock.learning, (self.step, self.clock.seconds)
        self._last_line = time.monotonic()
        model.train()

    def _begin(self, initial: CarriedState | None, seed: int) -> None:
        """Put what is carried in place and say what that means."""
        torch.manual_seed(derive_key("training", seed) % 2**63)
        sentences = self.start.sentences + carry_weights(self.model, self.config, initial, seed)
        sentences += carry_moments(self.optimizer, self.parameters, self.config, initial)
        if self.start.optimizer.warm_in and not self.optimizer.state:
            steps = self.start.optimizer.warm_in
            warm_in(self.model, self.optimizer, self.parameters, self.decisions.data, self.config, steps)
            sentences.append(f"They are gathered over {steps} batches at a rate of 0.")
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
        try:
            with self.watchdog:
                while self.step < self.config.num_steps:
                    with self.clock.stall():
                        with self.watchdog.paused():
                            ended = self._decided()
                        if ended:
                            break
                        batch = self._next_batch()
                    self._take(batch)
                    self.watchdog.step_done(self.step)
                    self._after_step(signals)
        finally:
            self._close_batches()
        if self.saved_step != self.step:
            self._log()
            self._checkpoint()

    def _decided(self) -> bool:
        """Let the decision that takes effect now, if any, take effect; whether it ends the stage."""
        made = self._decide() if self.step else None
        if made is None:
            return False
        say(f"Step {self.step}: {made['reason']}: {json.dumps(made['change'])}.")
        if made["change"].get("stop"):
            self.ended_by = made["reason"]
            return True
        if self.guard:
            self.guard.forget()
        self._close_batches()
        return False

    def _next_batch(self) -> Batch:
        if self.batches is None:
            self.batches = prefetch(self.decisions.data, self.step, self.config.num_steps)
        return next(self.batches)

    def _close_batches(self) -> None:
        """Forget the batches that were made ahead: the data are others now, or the stage is over."""
        if self.batches is not None:
            self.batches.close()
        self.batches = None

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
        norm = clip_gradients(self.parameters, self.start.optimizer.clip)
        self.step += 1
        if self.guard:
            skip = self.guard.judge(self.step, sums.loss, norm)
            skip_step_if(self.optimizer, skip)
            sums = sums.unless(skip)
            norm = torch.where(torch.isfinite(norm), norm, 0.0)  # for the journal
        else:
            self._watch(sums.loss, norm)
        self.norm = norm
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.update(self.step)
        self.meter.add(sums, batch, step_flops(self.model, real_lengths(batch), batch.num_targets))
        if self._looks():
            self._answer_spikes()

    def _looks(self) -> bool:
        """Whether the host looks at what is on the device now: always on a CPU, where it costs nothing."""
        due = self.step % self.config.log_every == 0 or self.step % self.config.checkpoint_every == 0
        return self.device.type == "cpu" or due or self.step == self.config.num_steps

    def _watch(self, loss: torch.Tensor, norm: torch.Tensor) -> None:
        """Remember on the device the first step that was not finite, and end the run when it is seen."""
        bad = ~(torch.isfinite(loss) & torch.isfinite(norm))
        self.bad_step = torch.where(bad & (self.bad_step == 0), self.step, self.bad_step)
        if self._looks() and int(self.bad_step):
            raise UserError(
                f"The loss or its gradient is not a finite number at step {int(self.bad_step)} (at step {self.step}: "
                f"loss {float(loss):.4g}, gradient norm {float(norm):.4g}); nothing was saved of it. See its documents "
                f"with `{self.inspect} --step {int(self.bad_step)}`, lower schedule.peak or lengthen schedule.warmup."
            )

    def _answer_spikes(self) -> None:
        """Write down the steps that were skipped and decide what follows from them."""
        spikes = self.guard.look() if self.guard else []
        if not self.guard or not spikes:
            return
        named = []
        with self.clock.stall(), self.watchdog.paused():
            for spike in spikes:
                pieces = document_losses(self.model, self.decisions.data, spike.step - 1, self.config.micro_sequences)
                named += suspects(pieces)
                documents = [{**p, "loss": p["loss"] if math.isfinite(p["loss"]) else None} for p in suspects(pieces)]
                self.run.journal.append("event", spike.step, what="spike", **spike.plain(), documents=documents)
                say(f"{spike} See its documents with `{self.inspect} --step {spike.step}`.")
            back_to = self._rollback_target(spikes[-1])
            quarantine = quarantine_of(named) if self.guard.config.quarantine else {}
            if not quarantine and back_to is None:
                return
            reason = f"a spike of {self.guard.streak or len(spikes)} skipped steps"
            change = self.decisions.after_a_spike(self.step, quarantine, back_to, reason)
            self._close_batches()
            ledger = "".join(json.dumps(line) + "\n" for line in self.decisions.quarantined())
            write_atomically(self.run.path / QUARANTINE, ledger)
            if change["rollback"] is not None:
                self._roll_back(change["rollback"])

    def _rollback_target(self, spike: Spike) -> int | None:
        """The checkpoint to go back to when a spike does not end; UserError when there is nothing left to try."""
        assert self.guard
        if self.guard.streak < self.guard.config.patience:
            return None
        if self.guard.healthy is None or self.guard.rollbacks >= self.guard.config.rollbacks:
            tried = (
                f"after {self.guard.rollbacks} rollbacks" if self.guard.healthy is not None else "before a checkpoint"
            )
            raise UserError(
                f"The last {self.guard.streak} steps up to step {spike.step} were skipped, {tried}: {spike} Lower "
                f"schedule.peak, lengthen schedule.warmup, raise spikes.sigmas, or see the documents with "
                f"`{self.inspect} --step {spike.step}`."
            )
        return self.guard.healthy

    def _roll_back(self, to: int) -> None:
        """Weights, moments, average and what is usual as they were after step `to`; data and schedule go on."""
        assert self.guard
        path = self.run.checkpoint_path(to)
        state, weights, moments = read_checkpoint(path)
        CarriedState(f"checkpoint {path.name}", weights=weights).load_weights(self.model)
        set_moments(self.optimizer, self.parameters, moments, state["step_counters"])
        if self.average:
            self.average.restore(read_average(path))
        self.guard.roll_back(state["spikes"])
        say(f"Step {self.step}: the weights go back to step {to}, the data go on.")

    def _after_step(self, signals: StopSignals) -> None:
        last = self.step == self.config.num_steps
        if self.step % self.config.log_every == 0 or last:
            self._log()
        stop = (signals.received or self.run.stop_requested()) and not last
        if stop:
            self._answer_spikes()
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
        if self.guard:
            metrics["skipped"] = self.guard.skipped
        self.run.journal.append("metrics", self.step, clock, **metrics)
        if self.trackers:
            with self.clock.stall(), self.watchdog.paused():
                self.trackers.follow()
        self._window_start = self.clock.learning
        now, last = time.monotonic(), self.step == self.config.num_steps
        if last or now - self._last_line >= _LINE_EVERY_S:
            self._last_line = now
            pace = (self.clock.seconds - self._first[1]) / max(self.step - self._first[0], 1)
            left = (self.config.num_steps - self.step) * pace
            say(log_line(self.step, self.config.num_steps, metrics, clock, left))

    def _checkpoint(self) -> None:
        """Save everything that decides the next step."""
        if self.guard and not self.guard.streak:
            self.guard.healthy = self.step
        with self.clock.stall(), self.watchdog.paused(), self.run.checkpoint(self.step) as draft:
            moments, counters = get_moments(self.optimizer, self.parameters)
            average = self.average.tensors() if self.average else {}
            write_checkpoint(draft, self.model, moments, self._state(counters), average)
            draft.counts.update(step=self.step, tokens=self.meter.tokens)
        self.run.keep_checkpoints(self.config.keep_checkpoints, self.guard.healthy if self.guard else None)
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
            **({"spikes": self.guard.state()} if self.guard else {}),
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
        if self.guard:
            draft.facts.update(skipped_steps=self.guard.skipped, rollbacks=self.guard.rollbacks)
        if self.ended_by is not None:
            draft.facts["ended_by"] = self.ended_by
        return draft
