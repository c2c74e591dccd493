"""The learning rates of a stage as the plan shows them."""

from __future__ import annotations

from typing import Any

from midtrain.training.config import StageConfig
from midtrain.training.schedule import learning_rate, resolve_peak


def rate_points(stage: StageConfig, peak: float, count: int) -> list[float]:
    """The learning rate at `count` moments of a stage."""
    steps = stage.num_steps
    return [
        learning_rate(stage.schedule, peak, min(int((i + 0.5) * steps / count), steps - 1), steps) for i in range(count)
    ]


def peak_of(stage: StageConfig, before: float | None, where: str) -> tuple[float, str]:
    """The peak of a stage and a note on where it comes from; `before` is the rate at which `where` stopped."""
    peak, _ = resolve_peak(stage.schedule, before, None, where)
    source = f", inherited from {where}" if stage.schedule.peak == "inherit" else ""
    stops = learning_rate(stage.schedule, peak, stage.num_steps, stage.num_steps)
    return peak, f"peak {peak:g}{source}, ends at {stops:g}"


def stop_rate(stage: StageConfig, peak: float) -> float:
    """The learning rate at which a stage stops: what the next one would inherit."""
    return learning_rate(stage.schedule, peak, stage.num_steps, stage.num_steps)


def base_rate(state: dict[str, Any] | None) -> float | None:
    """Where the base's pretraining stopped, if it says so."""
    return None if state is None else state.get("learning_rate")
