"""Readers: every kind of source becomes the same rows, in a memory that does not depend on its size.

    Parquet   some megabytes of rows at a time, the needed columns only (parquet.py)
    Arrow     IPC streams and files: data sets that `datasets` saved to disk (arrow.py)
    JSONL     plain, .gz or .zst; a line that is no JSON object is a bad row, not the end of the work (jsonl.py)
    text      .txt, .md, .rst, ...: one document per file
    html      the main text of a page, its formulas, code and tables kept (html.py); one document per file
    warc      .warc and .warc.gz: the pages of a crawl (warc.py)
    python:// text of the Python installation (python_source.py)

Files may lie elsewhere: s3://, gs://, hf://datasets/ORG/NAME, https:// (remote.py).

A bad row is yielded as `BadRow`; `collect` counts it and decides when there are too many. A damaged file, a missing
file and a column that no row has are the person's to mend: a UserError at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from midtrain.documents.config import SourceConfig
from midtrain.documents.reading.arrow import read_arrow
from midtrain.documents.reading.files import SourceFile, files_by_entry
from midtrain.documents.reading.html import read_html
from midtrain.documents.reading.jsonl import read_jsonl
from midtrain.documents.reading.lines import read_all
from midtrain.documents.reading.parquet import read_parquet
from midtrain.documents.reading.python_address import parse_address
from midtrain.documents.reading.python_source import python_rows
from midtrain.documents.reading.warc import read_warc
from midtrain.documents.rows import Rows, one_by_one
from midtrain.documents.schema import BadRow, Row, printable


def read_source(config: SourceConfig) -> Iterator[Row | BadRow | Rows]:
    """All rows of a source, entry by entry, files in the order of their names; many at a time where a file allows."""
    for entry, files in files_by_entry(config.entries, config.format):
        if files is None:
            yield from python_rows(parse_address(entry))
            continue
        for file in files:
            yield from _READERS[file.format](file, config)


def read_rows(config: SourceConfig) -> Iterator[Row | BadRow]:
    """All rows of a source, one by one."""
    return one_by_one(read_source(config))


def _read_text(file: SourceFile, config: SourceConfig) -> Iterator[Row | BadRow]:
    where = (str(file.path), None)
    data = read_all(file)
    if data is None:
        yield BadRow("longer than 256 MiB", where)
        return
    try:
        text = data.decode()
    except UnicodeDecodeError:
        yield BadRow("invalid UTF-8", where, printable(data[:200].decode("utf-8", "backslashreplace")))
        return
    row: Row = {"text": text, "where": where, "meta": {"file": file.name}}
    yield row | ({"group": file.name} if config.group == "file" else {})


_READERS = {
    "parquet": read_parquet,
    "arrow": read_arrow,
    "jsonl": read_jsonl,
    "text": _read_text,
    "html": read_html,
    "warc": read_warc,
}
