"""Journals to series: what the plots draw, as plain lists. Long series are thinned so that a page stays small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from midtrain.report.inputs import StageRecord

MOST_POINTS = 240
"""Points of one line: more than a plot has pixels to show apart."""


@dataclass(frozen=True)
class Span:
    """A stage on the axis of all tokens of its arm."""

    name: str
    start: int
    stop: int


def metrics(stage: StageRecord) -> list[Mapping[str, Any]]:
    """The metrics entries of a stage, in order."""
    return [entry for entry in stage.entries if entry.get("kind") == "metrics" and "tokens" in entry]


def notices(stage: StageRecord) -> list[Mapping[str, Any]]:
    """Events and decisions of a stage, in order."""
    return [entry for entry in stage.entries if entry.get("kind") in ("event", "decision")]


def spans(stages: Sequence[StageRecord]) -> list[Span]:
    """Where each stage lies on the axis of tokens since the first began."""
    found, start = [], 0
    for stage in stages:
        logged = metrics(stage)
        stop = start + int(logged[-1]["tokens"] if logged else 0)
        found.append(Span(stage.name, start, stop))
        start = stop
    return found


def line(stages: Sequence[StageRecord], *keys: str) -> tuple[list[float], list[float]]:
    """(tokens, values) of a field, such as ("loss",) or ("clock", "tokens_per_second"), over all stages.

    Entries without the field are skipped; long lines are averaged over runs of neighbours.
    """
    x: list[float] = []
    y: list[float] = []
    for stage, span in zip(stages, spans(stages), strict=True):
        for entry in metrics(stage):
            value: Any = entry
            for key in keys:
                value = value.get(key) if isinstance(value, Mapping) else None
            if value is not None:
                x.append(span.start + entry["tokens"])
                y.append(float(value))
    return thin(x, y)


def thin(x: Sequence[float], y: Sequence[float], most: int = MOST_POINTS) -> tuple[list[float], list[float]]:
    """At most `most` points: means of y over equal runs of neighbours, placed at the run's last x."""
    size = -(-len(x) // most) if x else 1
    starts = range(0, len(x), size)
    return [x[min(i + size, len(x)) - 1] for i in starts], [_mean(y[i : i + size]) for i in starts]


def source_names(arms: Mapping[str, Mapping[int, Sequence[StageRecord]]]) -> list[str]:
    """Every source that was planned or seen, in order of first appearance."""
    names: dict[str, None] = {}
    for seeds in arms.values():
        for stages in seeds.values():
            for stage in stages:
                for point in stage.planned:
                    names.update(dict.fromkeys(point["weights"]))
                for entry in metrics(stage)[:1]:
                    names.update(dict.fromkeys(entry.get("source_tokens", {})))
    return list(names)


def actual_mixture(stages: Sequence[StageRecord], names: Sequence[str]) -> tuple[list[float], dict[str, list[float]]]:
    """(tokens, {source: share of the tokens}) as it was read, smoothed over runs of log entries; begins at token 0."""
    x: list[float] = []
    rows: list[Mapping[str, float]] = []
    for stage, span in zip(stages, spans(stages), strict=True):
        for entry in metrics(stage):
            if entry.get("source_tokens"):
                x.append(span.start + entry["tokens"])
                rows.append(entry["source_tokens"])
    size = max(1, -(-len(x) // 60))
    ends: list[float] = []
    shares: dict[str, list[float]] = {name: [] for name in names}
    for start in range(0, len(x), size):
        part = rows[start : start + size]
        total = sum(sum(row.values()) for row in part) or 1
        ends.append(x[min(start + size, len(x)) - 1])
        for name in names:
            shares[name].append(sum(row.get(name, 0) for row in part) / total)
    if not ends:
        return ends, shares
    return [0.0, *ends], {name: [values[0], *values] for name, values in shares.items()}


def planned_mixture(stages: Sequence[StageRecord], names: Sequence[str]) -> tuple[list[float], dict[str, list[float]]]:
    """(tokens, {source: planned share}) at the corners of the plan."""
    x: list[float] = []
    shares: dict[str, list[float]] = {name: [] for name in names}
    for stage, span in zip(stages, spans(stages), strict=True):
        for at, weights in _corners(stage):
            x.append(span.start + at * (span.stop - span.start))
            total = sum(weights.values()) or 1
            for name in names:
                shares[name].append(weights.get(name, 0.0) / total)
    return x, shares


def _corners(stage: StageRecord) -> list[tuple[float, Mapping[str, float]]]:
    points = [(float(point["at"]), point["weights"]) for point in stage.planned]
    if not points:
        return []
    corners = [(0.0, points[0][1])]
    for at, weights in points:
        if stage.curve == "step":
            corners.append((at, corners[-1][1]))
        corners.append((at, weights))
    return [*corners, (1.0, points[-1][1])]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
