"""Parquet: some megabytes of rows at a time, the needed columns only."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from midtrain.documents import schema
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
            bad = next((value for value in values if isinstance(value, _Bad)), None)
            if bad is not None:
                yield BadRow(bad.value, (path, number))
            else:
                yield columns.row(dict(zip(names, values, strict=True)), (path, number))

    def values(name: str) -> list[Any]:
        return _values(batch[name])

    def column(name: str) -> pa.Array:
        return batch[name] if name in batch.schema.names else pa.nulls(len(batch))

    return Rows(each=each, columns=lambda: columns.arrays(column, values))


class _Bad(Enum):
    """What stands for a value that cannot be a text."""

    INVALID = "invalid UTF-8"
    TOO_LONG = "longer than 256 MiB"


def _values(array: pa.Array) -> list[Any]:
    """The values of a column, those that cannot be a text as `_Bad`; one that is too long is never made a string."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    too_long: list[int] = []
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type) or pa.types.is_binary(array.type):
        long_N = pc.greater(pc.binary_length(array), schema.MAX_ROW_BYTES).fill_null(False)
        too_long = np.flatnonzero(np.asarray(long_N)).tolist()
        if too_long:
            array = pc.if_else(long_N, pa.scalar(None, array.type), array)
    try:
        values = array.to_pylist()
    except UnicodeDecodeError:
        values = [_one(array[i]) for i in range(len(array))]
    values = [_decode(value) if isinstance(value, bytes) else value for value in values]
    for i in too_long:
        values[i] = _Bad.TOO_LONG
    return values


def _one(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return _Bad.INVALID


def _decode(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return _Bad.INVALID
