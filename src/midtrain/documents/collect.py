"""The one door through which documents enter: rows become checked, deduplicated, split Parquet shards.

    rows --check--> batch --first of each content--> limit --> shards in input order
           bad rows, counted by reason, few or refused

Everything counted here is what the report shows: nothing leaves without a reason. Files, the Python installation and
generated problems all come this way, so lineage (source, license, parents, group, split) is in every row, and the
same input gives the same bytes.

Memory: one batch (8 MB of text), and 16 bytes for each document (its content key and its group key).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from midtrain.core.artifact import Draft
from midtrain.core.errors import UserError
from midtrain.core.fingerprint import fingerprint
from midtrain.core.progress import progress
from midtrain.documents.batch import Batch
from midtrain.documents.config import HoldoutConfig, LimitConfig, SourceConfig
from midtrain.documents.reading.files import files_by_entry
from midtrain.documents.reading.python_address import parse_address
from midtrain.documents.reading.python_packages import python_identity
from midtrain.documents.reading.read import read_rows
from midtrain.documents.schema import BadRow, Row, Unusable, Where, printable
from midtrain.documents.seen import SeenKeys
from midtrain.documents.shards import ShardWriter

_HOPELESS_AFTER = 1000
_SAMPLES = 3
_LICENSES = 100


def collect_source(config: SourceConfig, *, source: str, holdout: HoldoutConfig, draft: Draft) -> None:
    """Read what `config` names and write it into `draft` (see `collect`)."""
    collect(
        read_rows(config),
        source=source,
        holdout=holdout,
        draft=draft,
        license=config.license,
        lang=config.lang,
        limit=config.limit,
        max_bad_rows=config.max_bad_rows,
        min_characters=config.min_characters,
        origin=", ".join(config.entries),
    )


def collect(
    rows: Iterable[Row | BadRow],
    *,
    source: str,
    holdout: HoldoutConfig,
    draft: Draft,
    license: str | None = None,
    lang: str | None = None,
    limit: LimitConfig | None = None,
    max_bad_rows: float = 0.0,
    min_characters: int = 0,
    origin: str | None = None,
) -> None:
    """Write `rows` (see schema.py) as documents of `source` into `draft`.

    `license` and `lang` are for rows that name none; `origin` says for people where the rows come from. Counts:
    rows_in, documents, heldout, bytes_train, bytes_heldout (UTF-8 bytes of text), groups, shards. Facts: documents by
    license (the 100 most frequent). Raises UserError when more than `max_bad_rows` of the rows are unusable, or no
    document is left.
    """
    origin = origin or source
    gate = _Gate(source, draft, max_bad_rows)
    sink = _Sink(draft, limit or LimitConfig())
    batch = Batch(source, license, lang, holdout)
    total = sink.limit.bytes
    with ShardWriter(draft.path) as writer, progress(f"documents {source}", total, "B") as bar:
        sink.writer = writer
        for row in rows:
            gate.rows += 1
            if isinstance(row, BadRow):
                gate.bad(row)
                continue
            try:
                if not batch.add(row, min_characters):
                    draft.drop(f"shorter than {min_characters} characters")
            except Unusable as reason:
                gate.bad(BadRow(str(reason), row.get("where") or (source, gate.rows), _show(row)))
            if batch.full or sink.might_reach(len(batch), batch.bytes):
                bar.advance(sink.take(batch))
                batch.clear()
                if sink.full:
                    break
        if len(batch):
            bar.advance(sink.take(batch))
    gate.close()
    if not sink.documents:
        dropped = ", ".join(f"{count:,} {reason}" for reason, count in draft.drops.items())
        raise UserError(
            f'Source "{source}": {origin} gave no documents ({gate.rows:,} rows{": " + dropped if dropped else ""}); '
            f"correct `read` or `columns`, or take the source out of the recipe."
        )
    draft.counts.update(rows_in=gate.rows, **sink.counts(), shards=writer.shards)
    draft.facts["licenses"] = dict(sink.licenses.most_common(_LICENSES))


def source_identity(config: SourceConfig) -> dict[str, Any]:
    """What names the content behind a source without reading it, for the fingerprint of the step that does.

    Files: their names, sizes and times of change. The Python installation: its version and the distributions looked at.
    """
    files: list[list[Any]] = []
    installed: list[Any] = []
    for entry, found in files_by_entry(config.entries, config.format):
        if found is None:
            installed.append(python_identity(parse_address(entry)))
        else:
            facts = [(file.name, os.stat(file.path)) for file in found]
            files += [[name, fact.st_size, fact.st_mtime_ns] for name, fact in facts]
    identity: dict[str, Any] = {"digest": fingerprint({"files": files, "python": installed})}
    if files:
        identity |= {"files": len(files), "bytes": sum(size for _, size, _ in files)}
    if installed:
        identity["python"] = installed
    return identity


@dataclass
class _Gate:
    """Counts rows and bad rows, and refuses a source that has too many of them."""

    source: str
    draft: Draft
    max_bad_rows: float
    rows: int = 0
    bad_rows: int = 0
    first: BadRow | None = None

    def bad(self, row: BadRow) -> None:
        self.bad_rows += 1
        self.first = self.first or row
        self.draft.drop(row.reason, {"where": _place(row.where), "row": row.sample})
        if self.rows > _HOPELESS_AFTER and self.bad_rows > 2 * self.max_bad_rows * self.rows:
            self._refuse("the first ")

    def close(self) -> None:
        if self.bad_rows > self.max_bad_rows * self.rows:
            self._refuse("")

    def _refuse(self, which: str) -> None:
        assert self.first is not None
        raise UserError(
            f'Source "{self.source}": {self.bad_rows:,} of {which}{self.rows:,} rows cannot be used '
            f"(max_bad_rows is {self.max_bad_rows:g}); the first is {_place(self.first.where)}: {self.first.reason}; "
            f"mend the file, or raise max_bad_rows to go on without them."
        )


def _place(where: Where) -> str:
    file, number = where
    return printable(file, 500) if number is None else f"{printable(file, 500)} row {number}"


def _show(row: Row) -> str:
    content = row.get("text") if row.get("text") is not None else row.get("messages")
    return printable(content if isinstance(content, str) else repr(content))


@dataclass
class _Sink:
    """Takes batches: leaves out what was seen, stops at the limit, counts and writes."""

    draft: Draft
    limit: LimitConfig
    writer: ShardWriter | None = None
    documents: int = 0
    heldout: int = 0
    bytes: int = 0
    bytes_heldout: int = 0
    contents: SeenKeys = field(default_factory=SeenKeys)
    groups: SeenKeys = field(default_factory=SeenKeys)
    licenses: Counter[str] = field(default_factory=Counter)

    def might_reach(self, rows: int, size: int) -> bool:
        """Whether `rows` more documents of `size` bytes, were none a duplicate, would reach the limit.

        A batch is taken as soon as it might, so that no row is read in vain and none is taken beyond the limit.
        """
        return (self.limit.documents is not None and self.documents + rows >= self.limit.documents) or (
            self.limit.bytes is not None and self.bytes + size >= self.limit.bytes
        )

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self.might_reach(0, 0)

    def take(self, batch: Batch) -> int:
        """Write what is new in `batch`; returns the bytes of text written."""
        keys_N = np.frombuffer(b"".join(batch.digests), dtype="<u8")[::2]
        new_N = self.contents.add(keys_N)
        for _ in range(len(batch) - int(new_N.sum())):
            self.draft.drop("duplicate")
        kept_K = np.flatnonzero(new_N)
        if not len(kept_K):
            return 0
        table = batch.table(kept_K)
        sizes_K = np.array(batch.sizes)[kept_K]
        self.groups.add(np.array(batch.groups, dtype=np.uint64)[kept_K])
        size = self._count(table, sizes_K)
        assert self.writer is not None
        self.writer.write(table, size)
        return size

    def _count(self, table: pa.Table, sizes_K: np.ndarray) -> int:
        heldout_K = np.array([split == "heldout" for split in table["split"].to_pylist()])
        self.documents += len(table)
        self.heldout += int(heldout_K.sum())
        self.bytes += int(sizes_K.sum())
        self.bytes_heldout += int(sizes_K[heldout_K].sum())
        self.licenses.update(name or "unknown" for name in table["license"].to_pylist())
        if len(self.draft.samples.setdefault("documents", [])) < _SAMPLES:
            for row in table.slice(0, _SAMPLES).to_pylist():
                shown = row["text"] or "\n".join(f"{m['role']}: {m['content']}" for m in row["messages"])
                self.draft.samples["documents"].append({"id": row["id"], "text": printable(shown, 400)})
        return int(sizes_K.sum())

    def counts(self) -> dict[str, int]:
        return {
            "documents": self.documents,
            "heldout": self.heldout,
            "bytes_train": self.bytes - self.bytes_heldout,
            "bytes_heldout": self.bytes_heldout,
            "groups": len(self.groups),
        }
