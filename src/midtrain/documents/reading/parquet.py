"""Parquet: some megabytes of rows at a time, the needed columns only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from midtrain.documents.config import SourceConfig
from midtrain.documents.reading.columns import Columns
from midtrain.documents.reading.files import SourceFile
from midtrain.documents.reading.lines import read_errors
from midtrain.documents.rows import Rows
from midtrain.documents.schema import BadRow, Row

_ROWS_AT_ONCE = 8192
_BYTES_AT_ONCE = 8 << 20


def read_parquet(file: SourceFile, config: SourceConfig) -> Iterator[Row | BadRow | Rows]:
    """The rows of a Parquet file."""
    columns = Columns(config, file)
    number = 0
    with (
        read_errors(file),
        file.open() as stored,
        pq.ParquetFile(stored, pre_buffer=False, buffer_size=1 << 20) as parquet,
    ):
        columns.look(parquet.schema_arrow.names)
        columns.demand()
        for group in range(parquet.num_row_groups):
            facts = parquet.metadata.row_group(group)
            mean = max(facts.total_byte_size // max(facts.num_rows, 1), 1)
            count = min(max(_BYTES_AT_ONCE // mean, 1), _ROWS_AT_ONCE)
            for batch in parquet.iter_batches(count, row_groups=[group], columns=columns.wanted, use_threads=False):
                yield rows_of_batch(batch, columns, number)
                number += len(batch)


def rows_of_batch(batch: pa.RecordBatch, columns: Columns, before: int) -> Rows:
    """The rows of an Arrow batch that comes after `before` rows of its file."""

    def each() -> Iterator[Row | BadRow]:
        names = batch.schema.names
        path = str(columns.file.path)
        cells = zip(*[_values(column) for column in batch.columns], strict=True)
        for number, values in enumerate(cells, before + 1):
            if _INVALID in values:
                yield BadRow("invalid UTF-8", (path, number))
            else:
                yield columns.row(dict(zip(names, values, strict=True)), (path, number))

    def values(name: str) -> list[Any]:
        return _values(batch[name])

    def column(name: str) -> pa.Array:
        return batch[name] if name in batch.schema.names else pa.nulls(len(batch))

    return Rows(each=each, columns=lambda: columns.arrays(column, values))


_INVALID = object()


def _values(array: pa.Array) -> list[Any]:
    """The values of a column; those that are not UTF-8 become `_INVALID`."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    try:
        values = array.to_pylist()
    except UnicodeDecodeError:
        values = [_one(array[i]) for i in range(len(array))]
    return [_decode(v) if isinstance(v, bytes) else v for v in values]


def _one(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return _INVALID


def _decode(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return _INVALID
