"""What a person sees of a run: one good line, and the same numbers in the journal.

    step 120/400  loss 3.214  lr 1.2e-3  grad 0.81  9.8k tok/s  mfu 43%  code 2.91 problems 1.02  0:41 left

Loss and the losses by source are means over the steps since the last line, weighted by target. Speed counts real
tokens: padding is waste, so it is neither in tok/s nor in the FLOPs of `mfu`, and attention is counted as the documents
need it, sum(length^2) / 2, not as full windows; the peak is that of a matrix product measured on this machine. Goodput
is the share of the wall clock in which the model learned; the rest is loading, waiting for batches, checkpoints and
whatever a hook does.

Everything that is not a time is a pure function of the run, and is saved with a checkpoint, so that the journal of a
resumed run has the same lines.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from midtrain.core.config import format_size
from midtrain.tokens.batches import Batch
from midtrain.training.schedule import rate_text
from midtrain.training.step import StepSums


class Clock:
    """Wall time of a run, kept apart into learning and stalls; goes on from what a checkpoint recorded."""

    def __init__(self, saved: Mapping[str, float] | None = None):
        self._start = time.monotonic()
        self._before, self._stalled = (saved["seconds"], saved["stalled"]) if saved else (0.0, 0.0)

    @contextmanager
    def stall(self) -> Iterator[None]:
        """Count the time inside as lost."""
        start = time.monotonic()
        try:
            yield
        finally:
            self._stalled += time.monotonic() - start

    @property
    def seconds(self) -> float:
        """Wall time of the run, its earlier processes up to their last checkpoint included."""
        return self._before + time.monotonic() - self._start

    @property
    def learning(self) -> float:
        """Wall time without stalls."""
        return self.seconds - self._stalled

    @property
    def goodput(self) -> float:
        """The share of the wall time that was no stall."""
        return self.learning / max(self.seconds, 1e-9)

    def state(self) -> dict[str, float]:
        """What a checkpoint records."""
        return {"seconds": self.seconds, "stalled": self._stalled}


class Meter:
    """Counts over the run, and sums since the last line."""

    def __init__(self, sources: Sequence[str], device: torch.device, saved: Mapping[str, Any] | None = None):
        self.sources = tuple(sources)
        self._sums = torch.zeros(2 * len(sources) + 1, dtype=torch.float64, device=device)
        self._tokens_S, self._window_S = np.zeros((2, len(sources)), np.int64)
        self.tokens = self.targets = self.window_tokens = 0
        self.flops = self.window_flops = 0.0
        if saved:
            self._sums.copy_(torch.tensor(saved["sums"], dtype=torch.float64))
            self._tokens_S[:], self._window_S[:] = saved["mixture"], saved["source_tokens"]
            self.tokens, self.targets, self.flops = saved["tokens"], saved["targets"], saved["flops"]

    def add(self, sums: StepSums, batch: Batch, flops: float) -> None:
        """Count one step; nothing waits for the device."""
        self._sums += torch.cat([sums.nll_S, sums.weight_S, sums.z[None]])
        counts_S = np.bincount(batch.source_BT.ravel() + 1, minlength=len(self.sources) + 1)[1:]
        self._tokens_S += counts_S
        self._window_S += counts_S
        self.tokens += int(counts_S.sum())
        self.targets += batch.num_targets
        self.flops += flops
        self.window_tokens += int(counts_S.sum())
        self.window_flops += flops

    def window(self) -> dict[str, Any]:
        """Means and tokens by source since the last call, and counts so far ("mixture": tokens by source).

        This waits for the device. Empty when nothing was added.
        """
        sums, tokens_S = self._sums.tolist(), self._window_S.tolist()
        self._sums.zero_()
        self._window_S[:] = 0
        self.window_tokens, self.window_flops = 0, 0.0
        nll_S, weight_S = sums[: len(self.sources)], sums[len(self.sources) : -1]
        weight = sum(weight_S)
        if not weight:
            return {}
        return {
            "loss": sum(nll_S) / weight,
            "z": sums[-1] / weight,
            "source_loss": {name: n / w for name, n, w in zip(self.sources, nll_S, weight_S, strict=True) if w},
            "source_tokens": dict(zip(self.sources, tokens_S, strict=True)),
            "mixture": dict(zip(self.sources, self._tokens_S.tolist(), strict=True)),
            "tokens": self.tokens,
            "targets": self.targets,
        }

    def state(self) -> dict[str, Any]:
        """What a checkpoint records."""
        return {
            "sums": self._sums.tolist(),
            "mixture": self._tokens_S.tolist(),
            "source_tokens": self._window_S.tolist(),
            "tokens": self.tokens,
            "targets": self.targets,
            "flops": self.flops,
        }


def real_lengths(batch: Batch) -> list[int]:
    """The lengths of a batch's documents, without the padding of its rows."""
    starts = np.cumsum([0, *batch.lengths[:-1]])
    real = batch.source_BT.ravel()[starts] >= 0
    return np.asarray(batch.lengths)[real].tolist()


def log_line(step: int, num_steps: int, metrics: Mapping[str, Any], clock: Mapping[str, float], left: float) -> str:
    """Everything a person watches, in one line; `left` is in seconds."""
    parts = [
        f"step {step}/{num_steps}",
        f"loss {metrics['loss']:.3f}",
        f"lr {rate_text(metrics['learning_rate'])}",
        f"grad {metrics['gradient_norm']:.2f}",
        f"{format_size(clock['tokens_per_second'])} tok/s",
        f"mfu {clock['mfu']:.0%}",
    ]
    if len(metrics["source_loss"]) > 1:
        parts.append(" ".join(f"{name} {loss:.2f}" for name, loss in metrics["source_loss"].items()))
    return "  ".join([*parts, f"{time_text(left)} left"])


def time_text(seconds: float) -> str:
    """0:41, 12:05 or 3:07:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
