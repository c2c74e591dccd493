"""Scores: one Parquet row per item, from which every number in a report can be computed again.

A capability is a name (`bpb/code`, `problems/addition`) and its value is a ratio over its items,

    sum(value * weight) / sum(weight),

so bits per byte is weighted by bytes (long documents count for what they are) and exact match counts every problem
once. Keeping items, not averages, is what makes paired comparisons, per-item samples and a later change of mind
possible; a row costs some 100 bytes. Items of the same capability have the same `item` names in every model's scores.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from midtrain.core.errors import UserError, disk_errors

Metric = Literal["bits_per_byte", "exact_match"]
LOWER_IS_BETTER: dict[str, bool] = {"bits_per_byte": True, "exact_match": False}
"""The direction of every metric."""

SCHEMA = pa.schema(
    [
        pa.field("capability", pa.string(), nullable=False),
        pa.field("item", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
        pa.field("prediction", pa.string()),
        pa.field("reference", pa.string()),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("settings", pa.string(), nullable=False),
    ]
)


def score_row(
    capability: str,
    item: str,
    value: float,
    weight: float,
    metric: Metric,
    settings: Mapping[str, Any],
    prediction: str | None = None,
    reference: str | None = None,
) -> dict[str, Any]:
    """One row of SCHEMA; `settings` says how it was measured and becomes JSON."""
    return {
        "capability": capability,
        "item": item,
        "value": float(value),
        "weight": float(weight),
        "prediction": prediction,
        "reference": reference,
        "metric": metric,
        "settings": json.dumps(dict(settings), sort_keys=True),
    }


def write_scores(rows: Iterable[Mapping[str, Any]], path: Path | str) -> pa.Table:
    """Write rows to a Parquet file and return them as a table; the same item twice in a capability is a mistake."""
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA)
    names = list(zip(table["capability"].to_pylist(), table["item"].to_pylist(), strict=True))
    assert len(set(names)) == len(names), "an item was scored twice in one capability"
    with disk_errors(path):
        pq.write_table(table, path, compression="zstd")
    return table


def read_scores(path: Path | str) -> pa.Table:
    """Read a scores file; raises UserError when it is missing, damaged or not one."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path} cannot be read as scores ({error}); evaluate again.") from None
    missing = [name for name in SCHEMA.names if name not in table.column_names]
    if missing:
        raise UserError(f"{path} has no column {missing[0]}, so it is not a scores file; evaluate again.")
    return table.select(SCHEMA.names)


@dataclass(frozen=True)
class Capability:
    """The items of one capability in one model's scores, in the file's order."""

    name: str
    metric: Metric
    items: list[str]
    value_I: np.ndarray
    weight_I: np.ndarray

    @property
    def value(self) -> float:
        """sum(value * weight) / sum(weight)."""
        return float(self.value_I @ self.weight_I / self.weight_I.sum())


def capabilities(table: pa.Table) -> dict[str, Capability]:
    """The capabilities of a scores table, by name, in order of first appearance."""
    found: dict[str, Capability] = {}
    columns = {name: table[name].to_numpy(zero_copy_only=False) for name in ("value", "weight")}
    names = table["capability"].to_numpy(zero_copy_only=False)
    items = np.asarray(table["item"].to_pylist(), dtype=object)
    metrics = table["metric"].to_pylist()
    for name in dict.fromkeys(names.tolist()):
        rows_I = np.flatnonzero(names == name)
        metric = metrics[rows_I[0]]
        if metric not in LOWER_IS_BETTER:
            raise UserError(f'"{name}" has the unknown metric "{metric}"; evaluate again with this version.')
        found[name] = Capability(
            name, metric, items[rows_I].tolist(), columns["value"][rows_I], columns["weight"][rows_I]
        )
    return found


def summarize(table: pa.Table) -> dict[str, dict[str, Any]]:
    """{capability: {value, n, metric}} of one model's scores."""
    return {
        name: {"value": found.value, "n": len(found.items), "metric": found.metric}
        for name, found in capabilities(table).items()
    }
