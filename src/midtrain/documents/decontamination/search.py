"""Searches the shards of all sources for evaluation items: on all cores, or on a Ray cluster."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from midtrain.core.parallel import BYTES, Unit, map_units
from midtrain.documents.curation.masking import Masking
from midtrain.documents.decontamination.audit import FOUND, find
from midtrain.documents.decontamination.index import Index
from midtrain.documents.store import Documents, row_groups

_INDEX, _MATCHES = "index.pickle", "matches.parquet"


class _Task(NamedTuple):
    index_path: str
    shard: str
    source: str
    kept_N: np.ndarray | None
    hide: Masking | None


def search(
    index: Index,
    sources: Mapping[str, tuple[Documents, np.ndarray | None]],
    work: Path,
    hidden: Mapping[str, Masking] | None = None,
) -> pa.Table:
    """The matches (FOUND) in the documents of all sources, in their order.

    `sources`: name -> its documents and which of them to look at (bool [N]; None for all). `work` is an existing
    folder that names everything that decides the result. `hidden`: source -> what masks personal data in excerpts.
    """
    (work / _INDEX).write_bytes(pickle.dumps(index))
    units = []
    for source, (documents, kept_N) in sources.items():
        for shard, rows in documents.slices():
            kept = None if kept_N is None else kept_N[rows]
            task = _Task(str(work / _INDEX), str(shard.absolute()), source, kept, (hidden or {}).get(source))
            units.append(Unit(f"{source}-{shard.stem}", task, shard.stat().st_size))
    folders = map_units(_search_shard, units, work=work / "shards", label="contamination", measure=BYTES)
    return pa.concat_tables([FOUND.empty_table(), *(pq.read_table(folder / _MATCHES) for folder in folders)])


def _search_shard(task: _Task, folder: Path) -> dict[str, int]:
    index = pickle.loads(Path(task.index_path).read_bytes())
    found, start = [FOUND.empty_table()], 0
    for table in row_groups(Path(task.shard), ["id", "text", "messages"]):
        rows = len(table)
        if task.kept_N is not None:
            table = table.filter(pa.array(task.kept_N[start : start + rows]))
        start += rows
        if len(table):
            found.append(find(index, table, task.source, task.hide))
    matches = pa.concat_tables(found)
    pq.write_table(matches, folder / _MATCHES)
    return {"matches": len(matches)}
