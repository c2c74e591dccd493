"""The learning rate of every step, as a pure function of the step: no scheduler object, nothing to save or restore.

A stage has three phases, in this order: warmup (up to the peak), stable (at the peak), decay (down to `final` times
the peak). The curve is drawn over time measured in steps: it begins at 0 and ends at N, the number of steps.

    rate
    peak      ___________
             /           `-.
            /               `--._      1-sqrt, linear, cosine: end exactly at final * peak when the stage is over
    0      /                     `     exponential, power: follow their law and never go below final * peak
          0  W           N-D     N  time in steps

Step i (counted from 0) is the stretch of time from i to i + 1. While the rate climbs it takes the curve's value at the
stretch's end, while it falls the value at its beginning. So the first step of a warmup is not wasted on a rate of 0,
step W - 1 has the peak, and the last step of a decay to 0 still learns: for the linear shape it has 1/D of the peak.
The value at time N is where the stage *stopped*: that is what the next stage inherits, and what it must not inherit
when it is 0.
"""

from __future__ import annotations

import math

from midtrain.core.errors import UserError
from midtrain.training.config import DecayConfig, ScheduleConfig


def phases(config: ScheduleConfig, num_steps: int) -> tuple[int, int]:
    """(W, D): the steps of warmup at the beginning and of decay at the end of `num_steps`; the rest is stable.

    Shares are rounded to the nearest step. A decay longer than what the warmup leaves is shortened to it.
    """
    warmup = config.warmup if config.warmup >= 1 else config.warmup * num_steps
    warmup_steps = min(num_steps, math.floor(warmup + 0.5))
    decay_steps = min(num_steps - warmup_steps, math.floor(config.decay.share * num_steps + 0.5))
    return warmup_steps, decay_steps


def learning_rate(config: ScheduleConfig, peak: float, step: int, num_steps: int) -> float:
    """The rate of step `step` in [0, num_steps), or with step = num_steps the rate at which the stage stops."""
    assert 0 <= step <= num_steps, (step, num_steps)
    warmup_steps, decay_steps = phases(config, num_steps)
    begin = num_steps - decay_steps
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if step < begin or decay_steps == 0:
        return peak
    return peak * decay_factor(config.decay, config.final, step, begin, num_steps)


def decay_factor(decay: DecayConfig, final: float, step: int, begin: int, end: int) -> float:
    """The fraction of the peak at time `step` of a decay from `begin` to `end`.

    With x = (step - begin) / (end - begin): linear 1 - x, cosine (1 + cos(pi x)) / 2, 1-sqrt 1 - sqrt(x)
    (arXiv:2405.18392 section 4), each scaled to end at `final`; exponential 0.5^(x / half) (MiniCPM, arXiv:2404.06395)
    and power (step / begin)^b (arXiv:2408.13359 as in OLMo-core), each held at `final` once they reach it.
    """
    x = (step - begin) / (end - begin)
    if decay.shape == "exponential":
        return max(final, 0.5 ** (x / decay.half))
    if decay.shape == "power":
        return max(final, (max(step, 1) / max(begin, 1)) ** decay.power)
    falls = {
        "constant": 1.0,
        "linear": 1.0 - x,
        "cosine": (1.0 + math.cos(math.pi * x)) / 2.0,
        "1-sqrt": 1.0 - math.sqrt(x),
    }[decay.shape]
    return final + (1.0 - final) * falls


def resolve_peak(
    config: ScheduleConfig, stopped_at: float | None, step: int | None, where: str
) -> tuple[float, str | None]:
    """The peak rate, and the sentence to tell the person where it came from.

    `stopped_at` is the rate at which the model's training stopped after `step` steps (None when nothing is known),
    and `where` says whose that is ("the base's training state"). Raises UserError when the peak is to be inherited
    and there is nothing to inherit.
    """
    at = f" (step {step})" if step is not None else ""
    if config.peak != "inherit":
        if stopped_at is None:
            return config.peak, None
        return config.peak, f"Learning rate {rate_text(config.peak)}, not the {rate_text(stopped_at)} of {where}{at}."
    if stopped_at is None:
        raise UserError(
            f"schedule.peak is to be inherited, but {where} says no learning rate; set schedule.peak "
            f"(a third to a half of the pretraining peak is usual, such as 3e-4)."
        )
    if not stopped_at > 0:
        raise UserError(
            f"schedule.peak is to be inherited, but {where} ended at a learning rate of 0{at}; set schedule.peak."
        )
    return stopped_at, f"Inherited learning rate {rate_text(stopped_at)} from {where}{at}."


def rate_text(rate: float) -> str:
    """A learning rate as people write it: 3e-3, 1.25e-4, 0."""
    if rate == 0:
        return "0"
    mantissa, exponent = f"{rate:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
