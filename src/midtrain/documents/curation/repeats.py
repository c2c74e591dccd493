"""Documents that became equal to others when passages were cut and personal data masked.

Two letters that differ in an address are one text once it is masked. One id is one document, and a copy must not stand
on both sides of the hold-out: of those that are equal, a held-out one stays, else the first.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from midtrain.documents.schema import SCHEMA
from midtrain.documents.shards import open_shard
from midtrain.documents.store import row_groups


def find_repeats(shards: list[Path], rewritten: set[str]) -> list[np.ndarray]:
    """Rows (int64, rising) to leave out of each shard; only documents equal to one of the ids `rewritten` can be."""
    places: dict[str, list[tuple[bool, int, int]]] = {}
    for number, shard in enumerate(shards if rewritten else []):
        row = 0
        for table in row_groups(shard, ["id", "split"]):
            for name, split in zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True):
                if name in rewritten:
                    places.setdefault(name, []).append((split != "heldout", number, row))
                row += 1
    gone: list[list[int]] = [[] for _ in shards]
    for equal in places.values():
        for _, number, row in sorted(equal)[1:]:
            gone[number].append(row)
    return [np.array(sorted(rows), dtype=np.int64) for rows in gone]


def write_without(shard: Path, rows: np.ndarray, path: Path) -> pa.Table:
    """Write `shard` without `rows` to `path`; returns those rows."""
    gone, start = [SCHEMA.empty_table()], 0
    with open_shard(path) as writer:
        for table in row_groups(shard, SCHEMA.names):
            leaves_N = np.isin(np.arange(start, start + len(table)), rows)
            start += len(table)
            gone.append(table.filter(pa.array(leaves_N)))
            kept = table.filter(pa.array(~leaves_N))
            if len(kept):
                writer.write_table(kept, row_group_size=len(kept))
    return pa.concat_tables(gone)


def read_column(shard: Path, name: str) -> set[str]:
    """The distinct values of a column of text."""
    return set(pq.read_table(shard, columns=[name], use_threads=False)[name].unique().to_pylist())
