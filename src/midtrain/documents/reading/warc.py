"""WARC: the pages of a web crawl, plain or .gz, one document a page (ISO 28500).

A page is a response with status 200 whose content is HTML, XHTML or plain text. Other responses (redirects, images)
and pages without main text are usual in a crawl: they are counted by reason, and are no bad rows. Requests, metadata
and conversions are about pages, not pages, and are not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from midtrain.documents import schema
from midtrain.documents.config import SourceConfig
from midtrain.documents.reading.files import SourceFile
from midtrain.documents.reading.html import NO_TEXT, page_text, require_web
from midtrain.documents.reading.lines import open_file
from midtrain.documents.schema import BadRow, Row

_HTML = ("text/html", "application/xhtml+xml")


def read_warc(file: SourceFile, config: SourceConfig) -> Iterator[Row | BadRow]:
    """The pages of a WARC file, with their address and date in `meta`."""
    require_web()
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    with open_file(file) as stream:
        whole: Any = _Stream(stream)
        for number, record in enumerate(ArchiveIterator(whole, parse_http=False), 1):
            where = str(file.path), number
            if record.content_length > schema.MAX_ROW_BYTES:
                yield BadRow("longer than 256 MiB", where, usual=True)
                continue
            _read_whole(record)
            if record.record_type == WarcRecordType.response:
                row = _page(record, where)
                if config.group == "file" and isinstance(row, dict):
                    row["group"] = file.name
                yield row


class _Stream:
    """What FastWARC asks of a file: reading on, and the place; Arrow tells no place in what it decompresses."""

    def __init__(self, stream: pa.NativeFile):
        self._stream, self._place = stream, 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._place += len(data)
        return data

    def tell(self) -> int:
        return self._place


def _read_whole(record: Any) -> None:
    """Take a record into memory; raises OSError when the file ends within it (FastWARC gives what there is)."""
    promised = record.content_length
    record.freeze()
    if record.headers.get("Content-Length") is None or record.content_length != promised:
        raise OSError("its last record is incomplete")
    record.parse_http(auto_decode="all")


def _page(record: Any, where: schema.Where) -> Row | BadRow:
    """The document of one response."""
    url = record.headers.get("WARC-Target-URI") or ""
    status = record.http_headers.status_code if record.http_headers is not None else None
    kind = (record.http_content_type or "").lower()
    if status != 200:
        return BadRow("a response without status 200", where, url, usual=True)
    if kind not in _HTML and kind != "text/plain":
        return BadRow("a response that is not a page", where, f"{url} ({kind or 'no type'})", usual=True)
    data = record.reader.read()
    text = page_text(data, record.http_charset) if kind in _HTML else data.decode("utf-8", "replace").strip()
    if not text:
        return BadRow(NO_TEXT, where, url, usual=True)
    date = record.record_date
    return {"text": text, "where": where, "meta": {"url": url, "date": date.isoformat() if date else None}}
