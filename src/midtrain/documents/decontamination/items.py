"""Evaluation items as rows: what is sought in the documents.

    id, benchmark    names, for the audit
    question         the question or prompt, as a model is asked
    answer           its solution; a final answer may follow `####`
    passage          the text the question is about, or None

An item without a question is no item: it is refused with the file and row, for a benchmark that is half read would
look clean.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from midtrain.core.errors import UserError
from midtrain.documents.decontamination.config import ItemsConfig
from midtrain.documents.reading.files import files_by_entry
from midtrain.documents.reading.records import first_record, read_records

FINAL = "####"
"""What stands before the final answer of a worked solution, as in GSM8K."""


class Item(NamedTuple):
    """One evaluation item."""

    id: str
    benchmark: str
    question: str
    answer: str | None = None
    passage: str | None = None

    @property
    def final(self) -> str | None:
        """The final answer: what follows `####`, or the whole answer."""
        return self.answer.rsplit(FINAL, 1)[-1] if self.answer else None


def items_of(rows: Iterable[dict[str, Any]], benchmark: str) -> list[Item]:
    """Items of plain rows {question, answer, passage | None, id?, benchmark?}, such as the parts of a problem."""
    config = ItemsConfig(read=benchmark, benchmark=benchmark)
    return [_item(row, config, number, f"{benchmark}, item {number}") for number, row in enumerate(rows, 1)]


def read_items(config: ItemsConfig) -> list[Item]:
    """All items of a file, folder or glob. Raises UserError for what cannot be read and for a row without question."""
    found: list[Item] = []
    for _, files in files_by_entry([config.read]):
        if files is None:
            raise UserError(f"{config.read} holds no evaluation items; name a JSONL or Parquet file of them.")
        for file in files:
            for number, row in read_records(file, "evaluation item"):
                found.append(_item(row, config, len(found) + 1, f"{file.path}, row {number}"))
    if not found:
        raise UserError(f"{config.read} holds no items; name a file with at least one, or leave it out of `against`.")
    return found


def check_items(config: ItemsConfig) -> None:
    """Raise UserError when the first row of a file of items is none: a look that costs nothing."""
    for _, files in files_by_entry([config.read]):
        for file in files or []:
            row = first_record(file, "evaluation item")
            if row is not None:
                _item(row, config, 1, f"{file.path}, row 1")


def _item(row: dict[str, Any], config: ItemsConfig, number: int, where: str) -> Item:
    question = row.get(config.question)
    if not isinstance(question, str) or not question.strip():
        there = ", ".join(sorted(row)[:20])
        raise UserError(
            f'{where} has no question in "{config.question}" (its columns: {there}); '
            f"name the right column, or take the row out."
        )
    benchmark = str(row.get("benchmark") or config.name)
    answer, passage = (None if row.get(name) is None else str(row[name]) for name in (config.answer, config.passage))
    return Item(str(row.get(config.id) or f"{benchmark}/{number}"), benchmark, question, answer, passage)
