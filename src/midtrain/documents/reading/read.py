"""Readers: every kind of source becomes the same rows, one at a time, in a memory that does not depend on its size.

    Parquet   a thousand rows at a time, the needed columns only
    JSONL     plain, .gz or .zst; a line that is no JSON object is a bad row, not the end of the work
    text      .txt, .md, .rst, ...: one document per file
    python:// text of the Python installation (see python_source.py)

A bad row is yielded as `BadRow`; `collect` counts it and decides when there are too many. A damaged file, a missing
file and a column that no row has are the person's to mend: a UserError at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from midtrain.core.errors import UserError
from midtrain.documents.config import ColumnsConfig, SourceConfig
from midtrain.documents.reading.files import SourceFile, files_by_entry
from midtrain.documents.reading.lines import read_all, read_errors, read_lines
from midtrain.documents.reading.python_address import parse_address
from midtrain.documents.reading.python_source import python_rows
from midtrain.documents.schema import BadRow, Row, Where, printable

_ROWS_AT_ONCE = 1024
_decode_json = json.JSONDecoder().decode
_LOOK_AT = 1000
"""A JSONL column that none of the first 1,000 rows has does not exist."""


def read_rows(config: SourceConfig) -> Iterator[Row | BadRow]:
    """All rows of a source, entry by entry, files in the order of their names."""
    for entry, files in files_by_entry(config.entries, config.format):
        if files is None:
            yield from python_rows(parse_address(entry))
            continue
        for file in files:
            for row in _READERS[file.format](file, config.columns):
                if config.group == "file" and isinstance(row, dict) and row.get("group") is None:
                    row["group"] = file.name
                yield row


class _Columns:
    """Turns a record into a row, and finds out whether the columns that were named exist."""

    def __init__(self, columns: ColumnsConfig, file: SourceFile):
        self.file = file
        self.text = columns.text or (None if columns.messages else "text")
        self.messages = columns.messages or (None if columns.text else "messages")
        self.id = columns.id
        self.labels = [(f, c) for f in ("group", "license", "lang") if (c := getattr(columns, f)) is not None]
        named = columns.text, columns.messages, columns.id, columns.group, columns.license, columns.lang
        self.unseen = {name for name in named if name is not None}
        self.content_unseen = not (columns.text or columns.messages)
        self.known: set[str] = set()

    @property
    def satisfied(self) -> bool:
        return not (self.unseen or self.content_unseen)

    @property
    def wanted(self) -> list[str]:
        """The columns to read, of those that are known."""
        wanted = {self.text, self.messages, self.id, *(column for _, column in self.labels)}
        return [column for column in sorted(self.known) if column in wanted]

    def look(self, names: Mapping[str, Any] | list[str]) -> None:
        """Note the columns of one row, or of a file."""
        self.known.update(names)
        self.unseen.difference_update(names)
        self.content_unseen = self.content_unseen and not ("text" in names or "messages" in names)

    def demand(self) -> None:
        """Raise UserError for a column that nobody has seen."""
        there = ", ".join(printable(name, 60) for name in sorted(self.known)[:30]) or "none"
        for column in sorted(self.unseen):
            raise UserError(
                f'{self.file.path} has no column "{column}" (its columns: {there}); correct `columns` in the source.'
            )
        if self.content_unseen:
            raise UserError(
                f'{self.file.path} has neither a column "text" nor "messages" (its columns: {there}); '
                f"name the right one with `columns: {{text: ...}}`."
            )

    def row(self, record: Mapping[str, Any], where: Where) -> Row:
        """The row of one record; text wins where both text and messages are given."""
        row: Row = {"where": where, "text": record.get(self.text) if self.text else None}
        if row["text"] is None and self.messages is not None:
            row["messages"] = record.get(self.messages)
        for field, column in self.labels:
            row[field] = record.get(column)
        if self.id is not None:
            row["meta"] = {"id": record.get(self.id)}
        return row


def _read_jsonl(file: SourceFile, config: ColumnsConfig) -> Iterator[Row | BadRow]:
    columns = _Columns(config, file)
    path, records = str(file.path), 0
    for number, line in enumerate(read_lines(file), 1):
        try:
            record = _parse(line)
        except _BadLine as bad:
            if number == 1 and line is not None and line.lstrip()[:1] == b"[":
                raise UserError(f"{path} is one JSON array; write it as one object per line (JSONL).") from None
            yield BadRow(str(bad), (path, number), printable((line or b"")[:200].decode("utf-8", "backslashreplace")))
            continue
        if record is None:
            continue
        if not columns.satisfied:
            columns.look(record)
            records += 1
            if records == _LOOK_AT:
                columns.demand()
        yield columns.row(record, (path, number))
    if records and not columns.satisfied:
        columns.demand()


class _BadLine(Exception):
    pass


def _parse(line: bytes | None) -> dict[str, Any] | None:
    """The object on one line; None for a blank line."""
    if line is None:
        raise _BadLine("longer than 256 MiB")
    try:
        record = _decode_json(line.decode())
    except UnicodeDecodeError:
        raise _BadLine("invalid UTF-8") from None
    except (ValueError, RecursionError):  # ValueError: also a number of thousands of digits
        if not line.strip():
            return None
        raise _BadLine("invalid JSON") from None
    if not isinstance(record, dict):
        raise _BadLine("not a JSON object")
    return record


def _read_parquet(file: SourceFile, config: ColumnsConfig) -> Iterator[Row | BadRow]:
    columns = _Columns(config, file)
    path, number = str(file.path), 0
    with (
        read_errors(file),
        pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20, memory_map=False) as parquet,
    ):
        columns.look(parquet.schema_arrow.names)
        columns.demand()
        for batch in parquet.iter_batches(_ROWS_AT_ONCE, columns=columns.wanted, use_threads=False):
            names = batch.schema.names
            values = [_values(column) for column in batch.columns]
            for cells in zip(*values, strict=True):
                number += 1
                if _INVALID in cells:
                    yield BadRow("invalid UTF-8", (path, number))
                else:
                    yield columns.row(dict(zip(names, cells, strict=True)), (path, number))


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


def _read_text(file: SourceFile, _: ColumnsConfig) -> Iterator[Row | BadRow]:
    where = (str(file.path), None)
    data = read_all(file)
    if data is None:
        yield BadRow("longer than 256 MiB", where)
        return
    text = _decode(data)
    if text is _INVALID:
        yield BadRow("invalid UTF-8", where, printable(data[:200].decode("utf-8", "backslashreplace")))
    else:
        yield {"text": text, "where": where, "meta": {"file": file.name}}


_READERS = {"jsonl": _read_jsonl, "parquet": _read_parquet, "text": _read_text}
