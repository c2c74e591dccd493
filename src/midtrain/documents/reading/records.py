"""Records of small files that people keep beside a corpus (judged examples, evaluation items): every row must be right.

Where a corpus counts its bad rows, a file of a few hundred judgements or questions is refused for one: half of a
benchmark would look like all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq

from midtrain.core.errors import UserError
from midtrain.documents.reading.files import SourceFile
from midtrain.documents.reading.lines import read_errors, read_lines


def first_record(file: SourceFile, what: str) -> dict[str, Any] | None:
    """The first row of a file, for a look at it before its turn comes; None for a file that is not on this machine.

    Raises UserError as `read_records` does, and for a file without a row.
    """
    if file.remote is not None:
        return None
    if file.format == "parquet":
        with read_errors(file), file.open() as stored:
            for batch in pq.ParquetFile(stored).iter_batches(batch_size=1):
                return batch.to_pylist()[0]
    else:
        for _, row in read_records(file, what):
            return row
    raise UserError(f"{file.path} holds no {what}; add some, or leave the file out.")


def read_records(file: SourceFile, what: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, row) of a JSONL or Parquet file; raises UserError for what is no row. `what` names a row for people."""
    if file.format == "parquet":
        with read_errors(file), file.open() as stored:
            rows = pq.read_table(stored).to_pylist()
        yield from enumerate(rows, 1)
        return
    if file.format != "jsonl":
        raise UserError(f"{file.path} is {file.format}; {what}s are read from JSONL or Parquet.")
    for number, line in enumerate(read_lines(file), 1):
        if line is not None and not line.strip():
            continue
        try:
            row = json.loads((line or b"").decode())
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise UserError(f"{file.path}, row {number} is not a JSON object; write one {what} per line.")
        yield number, row
