"""The average of a stage's weights, kept while it trains: EMA, the mean of the last points, or WSM instead of a decay.

Every kind is one weighted mean over points of the run, and is built up as a running mean: a point with the share s
moves the average by s of the way to the weights. So one float32 copy of the weights is all there is to keep, whatever
the number of points, and the share is a pure function of the step (`shares`): nothing else is saved or restored, and a
resumed run has the same average to the last bit.

    ema    after n steps the step j counts decay^(n - j), over the sum of these (arXiv:1412.6980 corrects the same bias)
    last   `points` points at equal distances over the last `share` of the stage count the same (PMA, arXiv:2505.12082)
    wsm    with the rate held, points theta_0 .. theta_k count c_0 = 1 - w_1, c_j = w_j - w_(j+1), c_k = w_k, which is
           theta_0 - sum_i w_i g_i for the updates g_i between them: the decay by w, had the updates been the same
           (WSM, arXiv:2507.17634). w_i is the schedule's curve at the beginning of the i-th stretch

The average is the stage's result: what is exported, and with what the next stage begins. The moments are those of the
last step. A stage that is ended before its first point results in its last weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate

import torch

from midtrain.training.config import AverageConfig
from midtrain.training.optimizer import Parameters
from midtrain.training.schedule import decay_factor

FILE = "average.safetensors"


def merge_weights(curve: list[float]) -> list[float]:
    """WSM's weights c_0 .. c_k of k + 1 points from the decay curve w_1 .. w_k; they sum to 1 (arXiv:2507.17634)."""
    return [before - after for before, after in zip([1.0, *curve], [*curve, 0.0], strict=True)]


def points(config: AverageConfig, num_steps: int) -> dict[int, float]:
    """{steps done: weight} of the points of `last` and `wsm` in a stage of `num_steps` steps, in order."""
    assert config.kind != "ema"
    length = max(1, round(config.share * num_steps))
    begin, count = num_steps - length, min(config.points, length)
    at = [begin + j * length // count for j in range(count + 1)]
    if config.kind == "last":
        return dict.fromkeys(at[1:], 1.0 / count)
    curve = [decay_factor(config.curve, config.final, step, begin, num_steps) for step in at[:-1]]
    return dict(zip(at, merge_weights(curve), strict=True))


def shares(config: AverageConfig, num_steps: int) -> Callable[[int], float]:
    """How far the average moves to the weights after a given number of steps: from 0, not at all, to 1, all the way."""
    if config.kind == "ema":
        return lambda step: (1 - config.decay) / (1 - config.decay**step)
    weighted = {step: weight for step, weight in points(config, num_steps).items() if weight > 0}
    totals = accumulate(weighted.values())
    found = {step: weight / total for (step, weight), total in zip(weighted.items(), totals, strict=True)}
    return lambda step: found.get(step, 0.0)


class Average:
    """The running mean of the parameters that move, in float32 on their device."""

    def __init__(self, config: AverageConfig, parameters: Parameters, num_steps: int):
        self._config, self._parameters, self._num_steps = config, parameters, num_steps
        self._share = shares(config, num_steps)
        self._means: dict[str, torch.Tensor] | None = None

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after `step` steps in, when it is a point."""
        share = self._share(step)
        if not share:
            return
        now = [p.detach() for p in self._parameters.values()]
        if self._means is None:
            self._means = {name: p.detach().clone() for name, p in self._parameters.items()}
        else:
            torch._foreach_lerp_(list(self._means.values()), now, share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the average into the model while inside, and the very weights back afterwards."""
        if self._means is None:
            yield
            return
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        assert self._means is not None
        for name, parameter in self._parameters.items():
            parameter.data, self._means[name] = self._means[name], parameter.data

    def tensors(self) -> dict[str, torch.Tensor]:
        """The average by parameter name on the CPU, for a checkpoint; empty before the first point."""
        return {name: mean.to("cpu").contiguous() for name, mean in (self._means or {}).items()}

    def restore(self, saved: Mapping[str, torch.Tensor]) -> None:
        """Put back what `tensors` gave."""
        self._means = {n: saved[n].to(p, copy=True) for n, p in self._parameters.items()} if saved else None

    def sentence(self) -> str:
        """What the result of the stage is."""
        config = self._config
        if config.kind == "ema":
            return f"The result is the moving average of the weights with decay {config.decay:g}."
        at = [step for step, weight in points(config, self._num_steps).items() if weight > 0]
        kind = "average of" if config.kind == "last" else f"WSM average ({config.curve.shape}) of"
        return f"The result is the {kind} {len(at)} points from step {at[0]} to {at[-1]}."
