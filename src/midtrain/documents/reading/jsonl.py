"""JSONL: one JSON object a line, plain, .gz or .zst; a line that is none is a bad row, not the end of the work.

Once the named columns have been seen, a thousand lines (or a megabyte) go on together as `Rows`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from midtrain.core.errors import UserError
from midtrain.documents.config import SourceConfig
from midtrain.documents.reading.columns import Columns
from midtrain.documents.reading.files import SourceFile
from midtrain.documents.reading.lines import read_lines
from midtrain.documents.rows import Rows
from midtrain.documents.schema import BadRow, Row, printable

_LOOK_AT = 1000
"""A column that none of the first 1,000 rows has does not exist."""
_ROWS_AT_ONCE = 1024
_BYTES_AT_ONCE = 1 << 20
_DECODER = json.JSONDecoder()

_Records = list[tuple[int, dict[str, Any]]]


def read_jsonl(file: SourceFile, config: SourceConfig) -> Iterator[Row | BadRow | Rows]:
    """The rows of a JSONL file."""
    columns = Columns(config, file)
    path, looked_at = str(file.path), 0
    records: _Records = []
    size = 0
    for number, line in enumerate(read_lines(file), 1):
        try:
            record = _parse(line)
        except _BadLine as bad:
            if number == 1 and line is not None and line.lstrip()[:1] == b"[":
                raise UserError(f"{path} is one JSON array; write it as one object per line (JSONL).") from None
            if records:
                yield _rows(records, columns)
                records, size = [], 0
            yield BadRow(str(bad), (path, number), printable((line or b"")[:200].decode("utf-8", "backslashreplace")))
            continue
        if record is None:
            continue
        if not columns.satisfied:
            columns.look(record)
            looked_at += 1
            if looked_at == _LOOK_AT:
                columns.demand()
            yield columns.row(record, (path, number))
            continue
        records.append((number, record))
        size += len(line or b"")
        if len(records) == _ROWS_AT_ONCE or size >= _BYTES_AT_ONCE:
            yield _rows(records, columns)
            records, size = [], 0
    if records:
        yield _rows(records, columns)
    if looked_at and not columns.satisfied:
        columns.demand()


def _rows(records: _Records, columns: Columns) -> Rows:
    path = str(columns.file.path)

    def values(name: str) -> list[Any]:
        return [record.get(name) for _, record in records]

    return Rows(
        each=lambda: (columns.row(record, (path, number)) for number, record in records),
        columns=lambda: columns.arrays(lambda name: pa.array(values(name)), values),
    )


class _BadLine(Exception):
    pass


def _parse(line: bytes | None) -> dict[str, Any] | None:
    """The object on one line; None for a blank line."""
    if line is None:
        raise _BadLine("longer than 256 MiB")
    try:
        text = line.decode()
        try:
            record, end = _DECODER.raw_decode(text)
        except ValueError:
            end = -1
        if end != len(text):  # white space around the object, or something else
            record = _DECODER.decode(text)
    except UnicodeDecodeError:
        raise _BadLine("invalid UTF-8") from None
    except (ValueError, RecursionError):  # ValueError: also a number of thousands of digits
        if not line.strip():
            return None
        raise _BadLine("invalid JSON") from None
    if not isinstance(record, dict):
        raise _BadLine("not a JSON object")
    return record
