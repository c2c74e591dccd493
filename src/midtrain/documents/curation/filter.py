"""Decides by attributes which documents of a source stay; each that goes has the first reason that held against it.

The declared checks are asked in one order (license, language, rules, personal data, quality), shard by shard, from the
attributes alone: no text is read, so trying another threshold costs seconds. What a threshold would have done is seen
in the histograms that are kept of every attribute something was decided on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from midtrain.core.artifact import Draft
from midtrain.core.errors import UserError
from midtrain.documents.curation.attributes import Attributes

REASONS, NAMES = "reasons.npy", "reasons.json"
_BINS = 40


class Decision(NamedTuple):
    """Why each of N documents goes."""

    reason_N: np.ndarray
    """int16: an index into `reasons`, or -1 for what stays."""
    reasons: list[str]


class Check(NamedTuple):
    """One thing that is decided from these columns of the attributes, shard by shard."""

    columns: list[str]
    decide: Callable[[pa.Table, int], Decision]
    """(a shard's attributes, how many documents are before it) -> what is decided about its documents."""


class Watched(NamedTuple):
    """An attribute whose distribution people want to see, with the thresholds it is held against."""

    column: str
    at_least: float | None = None
    at_most: float | None = None


def filter_documents(
    source: str, attributes: Attributes, checks: list[Check], watched: list[Watched], draft: Draft
) -> None:
    """Write what `checks` decide about every document of `source` into `draft` (see `read_reasons`).

    Counts: documents, kept, bytes, bytes_kept. Drops by reason. Facts: bytes dropped by reason; a histogram for each
    of `watched`. Raises UserError when nothing would be left.
    """
    wanted = [column for check in checks for column in check.columns] + [one.column for one in watched] + ["bytes"]
    found: list[np.ndarray] = []
    sizes: list[np.ndarray] = []
    seen: dict[str, list[np.ndarray]] = {one.column: [] for one in watched}
    names: list[str] = []
    before = 0
    for table in attributes.tables(wanted):
        found.append(_first([check.decide(table, before) for check in checks], len(table), names))
        before += len(table)
        sizes.append(np.asarray(table["bytes"], dtype=np.int64))
        for column, values in seen.items():
            values.append(np.asarray(table[column], dtype=np.float32))
    reason_N, bytes_N = np.concatenate(found), np.concatenate(sizes)
    kept_N = reason_N < 0
    np.save(draft.path / REASONS, reason_N)
    (draft.path / NAMES).write_text(json.dumps(names))
    dropped = np.bincount(reason_N[~kept_N], minlength=len(names))
    weighed = np.bincount(reason_N[~kept_N], weights=bytes_N[~kept_N], minlength=len(names))
    draft.drops = {name: int(count) for name, count in zip(names, dropped, strict=True)}
    draft.counts.update(
        documents=len(kept_N), kept=int(kept_N.sum()), bytes=int(bytes_N.sum()), bytes_kept=int(bytes_N[kept_N].sum())
    )
    draft.facts["bytes_dropped"] = {name: int(size) for name, size in zip(names, weighed, strict=True)}
    draft.facts["histograms"] = [histogram(one, np.concatenate(seen[one.column]), kept_N) for one in watched]
    if not kept_N.any():
        worst = max(draft.drops, key=draft.drops.__getitem__)
        raise UserError(
            f'Source "{source}": curation leaves none of its {len(kept_N):,} documents; most went for "{worst}" '
            f"({draft.drops[worst]:,}): loosen that threshold, or take the source out of the recipe."
        )


def read_reasons(folder: Path) -> Decision:
    """What `filter_documents` wrote."""
    return Decision(np.load(folder / REASONS), json.loads((folder / NAMES).read_text()))


def histogram(watched: Watched, values_N: np.ndarray, kept_N: np.ndarray) -> dict[str, Any]:
    """The distribution of an attribute over what stays and what goes, in bins that hold all but the outermost 0.5 %."""
    finite_N = np.isfinite(values_N)
    low, high = np.quantile(values_N[finite_N], [0.005, 0.995]) if finite_N.any() else (0.0, 1.0)
    limits = [limit for limit in (watched.at_least, watched.at_most) if limit is not None]
    low, high = float(min(low, *limits, high)), float(max(high, *limits, low))
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    inside_N = np.clip(values_N, edges[0], edges[-1])
    return {
        **watched._asdict(),
        "edges": [round(float(edge), 6) for edge in edges],
        "kept": np.histogram(inside_N[finite_N & kept_N], edges)[0].tolist(),
        "dropped": np.histogram(inside_N[finite_N & ~kept_N], edges)[0].tolist(),
    }


def _first(decisions: list[Decision], rows: int, names: list[str]) -> np.ndarray:
    """The first reason of each row as an index into `names`, which grows by the reasons it lacks."""
    reason_N = np.full(rows, -1, dtype=np.int16)
    for decision in decisions:
        for reason in decision.reasons:
            if reason not in names:
                names.append(reason)
        place = np.array([*(names.index(reason) for reason in decision.reasons), -1], dtype=np.int16)
        reason_N = np.where(reason_N < 0, place[decision.reason_N], reason_N)
    return reason_N
