"""Measures the documents of a source: everything that will be decided on, in one pass over each shard.

A shard is read a row group (8 MB of text) at a time, every annotator sees the same Arrow column, and the attribute
shard is written beside. Shards are units of `map_units`: on all cores, or on a Ray cluster, with the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from midtrain.core.artifact import Draft
from midtrain.core.parallel import BYTES, Unit, map_units
from midtrain.documents.schema import SCHEMA, content_bytes, content_of
from midtrain.documents.store import Documents, row_groups

SHARD = "attributes.parquet"

Annotator = Callable[[pa.Array, Mapping[str, Any]], dict[str, Any]]
"""(what N documents say; the columns of their rows, and what earlier annotators found) -> columns of N values."""


def annotate(documents: Documents, annotators: Callable[[], list[Annotator]], draft: Draft, label: str) -> None:
    """Write the attribute shards of `documents` into `draft`.

    `annotators` is picklable and makes the annotators in the process that uses them, so that a model is loaded once
    for each worker and sent to none. Counts: documents, bytes.
    """
    assert draft.work is not None
    units = [Unit(shard.stem, str(shard.absolute()), shard.stat().st_size) for shard in documents.shards]
    measure = partial(annotate_shard, annotators)
    for shard, folder in zip(
        documents.shards, map_units(measure, units, work=draft.work, label=label, measure=BYTES), strict=True
    ):
        os.link(folder / SHARD, draft.path / shard.name)
    draft.counts.update(documents=documents.count(), bytes=documents.bytes())


def annotate_shard(annotators: Callable[[], list[Annotator]], shard: str, folder: Path) -> dict[str, int]:
    """Measure one shard of documents; the result counts its rows."""
    made, rows = annotators(), 0
    with ExitStack() as stack:
        writer: pq.ParquetWriter | None = None
        for table in row_groups(Path(shard), SCHEMA.names):
            measured = annotate_table(made, table)
            writer = writer or stack.enter_context(_writer(folder / SHARD, measured.schema))
            writer.write_table(measured, row_group_size=len(measured))
            rows += len(measured)
    return {"rows": rows}


def annotate_table(annotators: list[Annotator], table: pa.Table) -> pa.Table:
    """The attributes of the rows of `table` (of SCHEMA), the id first, then the bytes of what they say."""
    texts = content_of(table)
    known: dict[str, Any] = {name: table[name].combine_chunks() for name in table.column_names}
    columns: dict[str, Any] = {"id": known["id"], "bytes": content_bytes(table)}
    for annotator in annotators:
        found = annotator(texts, known)
        assert not found.keys() & columns.keys(), "two annotators give one column"
        columns |= found
        known |= found
    return pa.table(columns)


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, schema, compression="zstd", compression_level=1, write_statistics=False)
