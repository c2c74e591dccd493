"""Which column of a file is what: finds the columns that a source names, and turns records into rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from midtrain.core.errors import UserError
from midtrain.documents.config import SourceConfig
from midtrain.documents.reading.files import SourceFile
from midtrain.documents.reading.html import page_text, require_web
from midtrain.documents.rows import as_strings
from midtrain.documents.schema import Row, Where, meta_text, printable


class Columns:
    """Turns a record into a row, and finds out whether the columns that were named exist."""

    def __init__(self, config: SourceConfig, file: SourceFile):
        columns = config.columns
        self.file = file
        self.file_group = file.name if config.group == "file" else None
        given = columns.text or columns.html or columns.messages
        self.text = columns.text or columns.html or (None if given else "text")
        self.is_html = columns.html is not None
        self.messages = columns.messages or (None if given else "messages")
        if self.is_html:
            require_web()
        self.id = columns.id
        self.labels = [(f, c) for f in ("group", "license", "lang") if (c := getattr(columns, f)) is not None]
        named = columns.text, columns.html, columns.messages, columns.id, columns.group, columns.license, columns.lang
        self.unseen = {name for name in named if name is not None}
        self.content_unseen = not given
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
        if self.is_html and isinstance(row["text"], str):
            row["text"] = page_text(row["text"])
        if row["text"] is None and self.messages is not None:
            row["messages"] = record.get(self.messages)
        for field, column in self.labels:
            row[field] = record.get(column)
        if self.file_group is not None and row.get("group") is None:
            row["group"] = self.file_group
        if self.id is not None:
            row["meta"] = {"id": record.get(self.id)}
        return row

    def arrays(self, column: Callable[[str], pa.Array], values: Callable[[str], list[Any]]) -> dict[str, pa.Array]:
        """What `Rows.columns` gives: `column(name)` is a column of the file as Arrow has it, `values` as Python."""
        if self.text is None or self.is_html:
            return {}
        arrays = {"text": column(self.text)} | {field: column(name) for field, name in self.labels}
        if self.file_group is not None:
            groups = as_strings(arrays.get("group", pa.nulls(len(arrays["text"]))))
            arrays["group"] = groups if groups is None else groups.fill_null(self.file_group)
        if self.id is not None:
            arrays["meta"] = pa.array([meta_text({"id": value}) for value in values(self.id)], pa.string())
        return arrays
