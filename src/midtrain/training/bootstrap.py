"""Optimizer state for a base that brings none: moments gathered before the first step, and a rate that can be trusted.

Nearly every base on a hub is weights alone. Adam then begins with empty moments, whose bias correction divides by
1 - beta^t: the first updates are of about the full rate in every parameter, whatever the gradient's size, at the
weights that took the most compute to reach. Two mends:

    warm_in     read the first batches of the stage with a learning rate of 0, so that only the moments move; then
                begin at the first batch. The weights are untouched, the moments are those of the base under the new
                data, and nothing depends on anything but the stage (so a killed warm-in is simply done again)
    rate_probe  raise the rate step by step, as an exponential, from far too small to far too large, and see where the
                loss goes (the learning-rate range test of L. Smith, arXiv:1506.01186); the weights are put back

The probe's losses are of different batches, so they are compared with the losses of the same batches at rate 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch

from midtrain.tokens.batches import StageData
from midtrain.training.config import StageConfig
from midtrain.training.optimizer import (
    Parameters,
    clip_gradients,
    make_optimizer,
    select_trainable,
    set_learning_rate,
)
from midtrain.training.step import forward_backward

_WORSE = 0.1
"""Nats above the untrained model at which a rate has plainly done harm, and the probe ends."""


def warm_in(
    model: Any,
    optimizer: torch.optim.Optimizer,
    parameters: Parameters,
    data: StageData,
    config: StageConfig,
    steps: int,
) -> None:
    """Gather moments over the first `steps` batches at a learning rate of 0. No weight changes."""
    set_learning_rate(optimizer, 0.0)
    for at in range(steps):
        _loss_and_gradients(model, parameters, data, config, at)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


@dataclass(frozen=True)
class RateProbe:
    """What a range test saw."""

    rates: list[float]
    changes: list[float]
    """Loss at each rate minus the loss of the same batch with the weights of the beginning; negative is better."""
    best: float
    """The rate at which the loss fell fastest: a peak to begin with."""
    worst: float | None
    """The rate at which the loss was plainly above that of the beginning; None when it never was."""

    def sentence(self) -> str:
        """What a person should know of it."""
        until = "none of them did harm" if self.worst is None else f"{self.worst:.1e} did harm"
        return (
            f"Of rates from {self.rates[0]:.0e} to {self.rates[-1]:.0e} the loss fell fastest at {self.best:.1e}, and "
            f"{until}."
        )


def rate_probe(
    model: Any, data: StageData, config: StageConfig, *, lowest: float = 1e-6, highest: float = 1e-1, steps: int = 60
) -> RateProbe:
    """Try rates from `lowest` to `highest` on the first `steps` batches; weights and random state are put back.

    Moments are warmed in on an eighth as many batches first. Costs about as much as twice `steps` training steps.
    """
    device = next(model.parameters()).device
    parameters = select_trainable(model, config.trainable)
    kept = {name: p.detach().clone() for name, p in parameters.items()}
    optimizer = make_optimizer(model, parameters, config.optimizer)
    rates = [lowest * (highest / lowest) ** (at / (steps - 1)) for at in range(steps)]
    before, losses = [], []
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        warm_in(model, optimizer, parameters, data, config, max(1, steps // 8))
        for at in range(steps):
            before.append(_loss_and_gradients(model, parameters, data, config, at))
            optimizer.zero_grad(set_to_none=True)
        try:
            for at, rate in enumerate(rates):
                set_learning_rate(optimizer, rate)
                losses.append(_loss_and_gradients(model, parameters, data, config, at))
                if not losses[-1] < before[at] + 1.0:
                    break
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
        finally:
            optimizer.zero_grad(set_to_none=True)
            with torch.no_grad():
                for name, parameter in parameters.items():
                    parameter.copy_(kept[name])
    # The loss at step i shows the updates up to i - 1, so it is told of the rate before.
    changes = [loss - start if math.isfinite(loss) else math.inf for loss, start in zip(losses, before, strict=False)]
    return judge(rates[: len(changes) - 1], changes[1:])


def judge(rates: Sequence[float], changes: Sequence[float]) -> RateProbe:
    """The rate of the steepest fall of the smoothed change, and the first that did harm."""
    smooth, mean = [], 0.0
    for at, change in enumerate(changes):
        mean = 0.7 * mean + 0.3 * min(change, 10.0)
        smooth.append(mean / (1 - 0.7 ** (at + 1)))
    harmed = next((at for at, change in enumerate(smooth) if change > _WORSE), None)
    falls = [after - here for here, after in pairwise(smooth[:harmed])]
    best = min(range(len(falls)), key=falls.__getitem__) if falls else 0
    return RateProbe(list(rates), list(changes), rates[best], None if harmed is None else rates[harmed])


def _loss_and_gradients(model: Any, parameters: Parameters, data: StageData, config: StageConfig, at: int) -> float:
    """The mean loss of batch `at` (from the beginning again after the last); its clipped gradients are left."""
    sums = forward_backward(
        model,
        data.batch(at % data.num_steps),
        micro_sequences=config.micro_sequences,
        num_sources=len(data.mixture.names),
        z_loss=config.objective.z_loss,
    )
    clip_gradients(parameters, config.optimizer.clip)
    return float(sums.loss)
