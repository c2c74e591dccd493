"""Inspecting a trace: all checks over it, and whether it stays.

    Trace --inspect--> [Defect(reason, score, place, note), ...] --decide--> kept, or dropped for one reason

A text that was cut off leaves things open and a text in a loop repeats its answer; what another defect explains is not
reported twice. Costs about half a second a megabyte on one slow core, most of it for repetition.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from midtrain.verify.traces.answers import changed, course, lingering
from midtrain.verify.traces.config import Reason, TracesConfig
from midtrain.verify.traces.formatting import empty_thinking, garbled, truncated, unclosed
from midtrain.verify.traces.identity import identity
from midtrain.verify.traces.repetition import repetition
from midtrain.verify.traces.trace import Defect, Trace
from midtrain.verify.traces.wording import hedging, mixing

_LONG = 150  # words: below, no trace is overlong, however short the shortest
_EXPLAINS: dict[Reason, frozenset[Reason]] = {
    Reason.TRUNCATED: frozenset({Reason.UNCLOSED}),
    Reason.REPETITION: frozenset({Reason.REVERIFICATION, Reason.OVERTHINKING, Reason.HEDGING}),
}


class Decision(NamedTuple):
    """Whether a trace stays, and if not, why."""

    keep: bool
    reason: Reason | None = None


def inspect(trace: Trace, config: TracesConfig | None = None, shortest: str | None = None) -> list[Defect]:
    """The defects of `trace`, gravest first.

    `shortest` is the shortest verified solution of the same problem (see `repair.shortest_verified`); without it
    nothing is overlong. Thresholds of 0 or 2 in `config` give every score.
    """
    config = config or TracesConfig()
    way = course(trace)
    found = [
        *truncated(trace, way),
        *garbled(trace),
        *empty_thinking(trace),
        *repetition(trace, config),
        *mixing(trace, config),
        *identity(trace),
        *changed(trace, config, way),
        *unclosed(trace),
        *lingering(trace, config, way),
        *hedging(trace, config),
        *(_overlong(trace, shortest, config) if shortest is not None else ()),
    ]
    explained = {reason for defect in found for reason in _EXPLAINS.get(defect.reason, ())}
    order = list(Reason)
    return sorted((d for d in found if d.reason not in explained), key=lambda defect: order.index(defect.reason))


def decide(defects: Iterable[Defect], config: TracesConfig | None = None) -> Decision:
    """Drop for the gravest defect that costs a trace its place, or keep."""
    drop = (config or TracesConfig()).drop
    order = list(Reason)
    reasons = [defect.reason for defect in defects if defect.reason in drop]
    return Decision(False, min(reasons, key=order.index)) if reasons else Decision(True)


def _overlong(trace: Trace, shortest: str, config: TracesConfig) -> list[Defect]:
    """Many times as long, in characters, as the shortest verified solution."""
    ratio = len(trace.text) / max(len(shortest), 1)
    if ratio <= config.length_ratio or len(trace.text.split()) < _LONG:
        return []
    note = "times as long as the shortest verified solution"
    return [Defect(Reason.OVERLONG, round(ratio, 2), len(shortest), len(trace.text), note)]
