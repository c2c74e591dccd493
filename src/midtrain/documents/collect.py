"""The one door through which documents enter: rows become checked, deduplicated, split Parquet shards.

    rows --check--> batch --first of each content--> limit --> shards in input order
           bad rows, counted by reason, few or refused

Everything counted here is what the report shows: nothing leaves without a reason. Files, the Python installation and
generated problems all come this way, so lineage (source, license, parents, group, split) is in every row, and the
same input gives the same bytes.

Memory: one batch (8 MB of text), and 16 bytes for each document (its content key and its group key).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from midtrain.core.artifact import Draft
from midtrain.core.errors import UserError
from midtrain.core.fingerprint import fingerprint
from midtrain.core.progress import Progress, progress
from midtrain.documents import batch as batches
from midtrain.documents.batch import Batch
from midtrain.documents.config import HoldoutConfig, LimitConfig, SourceConfig
from midtrain.documents.reading.files import files_by_entry
from midtrain.documents.reading.python_address import parse_address
from midtrain.documents.reading.python_packages import python_identity
from midtrain.documents.reading.read import read_source
from midtrain.documents.rows import Rows, one_by_one
from midtrain.documents.schema import BadRow, Row, Unusable, Where, printable
from midtrain.documents.seen import SeenKeys
from midtrain.documents.shards import ShardWriter

_HOPELESS_AFTER = 1000
_SAMPLES = 3
_LICENSES = 100


def collect_source(config: SourceConfig, *, source: str, holdout: HoldoutConfig, draft: Draft) -> None:
    """Read what `config` names and write it into `draft` (see `collect`)."""
    collect(
        read_source(config),
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
    rows: Iterable[Row | BadRow | Rows],
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
    """Write `rows` (see schema.py and rows.py) as documents of `source` into `draft`.

    `license` and `lang` are for rows that name none; `origin` says for people where the rows come from. Counts:
    rows_in, documents, heldout, bytes_train, bytes_heldout (UTF-8 bytes of text), groups, shards. Facts: documents by
    license (the 100 most frequent). Raises UserError when more than `max_bad_rows` of the rows are unusable, or no
    document is left.
    """
    origin = origin or source
    gate = _Gate(source, draft, max_bad_rows)
    sink = _Sink(draft, limit or LimitConfig())
    with ShardWriter(draft.path) as writer, progress(f"documents {source}", sink.limit.bytes, "B") as bar:
        sink.writer = writer
        intake = _Intake(gate, sink, Batch(source, license, lang, holdout), bar, min_characters)
        for item in rows:
            plain = item.plain() if isinstance(item, Rows) else None
            if plain is not None:
                intake.add_columns(plain)
            else:
                for row in one_by_one([item]):
                    intake.add(row)
                    if sink.full:
                        break
            if sink.full:
                break
        intake.take()
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

    Files: their names, sizes and times of change (ETags of those elsewhere). The Python installation: its version and
    the distributions looked at.
    """
    files: list[list[Any]] = []
    installed: list[Any] = []
    for entry, found in files_by_entry(config.entries, config.format):
        if found is None:
            installed.append(python_identity(parse_address(entry)))
        else:
            files += [[file.name, *file.stamp()] for file in found]
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
        self.draft.drop(row.reason, {"where": _place(row.where), "row": row.sample})
        if row.usual:
            return
        self.bad_rows += 1
        self.first = self.first or row
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
class _Intake:
    """Brings rows into a batch, and the batch into the sink as soon as it is full or might reach the limit."""

    gate: _Gate
    sink: _Sink
    batch: Batch
    bar: Progress
    min_characters: int

    def add(self, row: Row | BadRow) -> None:
        """Take in one row."""
        self.gate.rows += 1
        if isinstance(row, BadRow):
            self.gate.bad(row)
            return
        try:
            if not self.batch.add(row, self.min_characters):
                self._too_short(1)
        except Unusable as reason:
            where = row.get("where") or (self.gate.source, self.gate.rows)
            self.gate.bad(BadRow(str(reason), where, _show(row)))
        if min(self._room()) <= 0:
            self.take()

    def add_columns(self, plain: pa.RecordBatch) -> None:
        """Take in many rows (see `Rows.plain`), to the one that reaches the limit."""
        kept_K = np.arange(len(plain))
        if self.min_characters:
            kept_K = np.flatnonzero(pc.utf8_length(plain["text"]).to_numpy() >= self.min_characters)
        kept = plain if len(kept_K) == len(plain) else plain.take(kept_K)
        ends_K = np.cumsum(pc.binary_length(kept["text"]).to_numpy(), dtype=np.int64)
        row = k = 0
        while row < len(plain) and not self.sink.full:
            rows, size = self._room()
            before = ends_K[k - 1] if k else 0
            end = min(k + rows, int(np.searchsorted(ends_K, before + size)) + 1, len(kept))
            if end > k:
                self.batch.add_columns(kept.slice(k, end - k))
            full = min(self._room()) <= 0
            row_end = int(kept_K[end - 1]) + 1 if full else len(plain)
            self.gate.rows += row_end - row
            self._too_short(row_end - row - (end - k))
            row, k = row_end, end
            if full:
                self.take()

    def take(self) -> None:
        """Bring the batch into the sink."""
        if self.batch.rows:
            self.bar.advance(self.sink.take(self.batch))
            self.batch.clear()

    def _room(self) -> tuple[int, int]:
        """(rows, bytes) that the batch still takes: were none a duplicate, neither would pass the limit."""
        rows, size = batches.BATCH_ROWS - self.batch.rows, batches.BATCH_BYTES - self.batch.text_bytes
        limit = self.sink.limit
        if limit.documents is not None:
            rows = min(rows, limit.documents - self.sink.documents - self.batch.rows)
        if limit.bytes is not None:
            size = min(size, limit.bytes - self.sink.bytes - self.batch.text_bytes)
        return rows, size

    def _too_short(self, count: int) -> None:
        for _ in range(count):
            self.gate.draft.drop(f"shorter than {self.min_characters} characters")


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

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        limit = self.limit
        return (limit.documents is not None and self.documents >= limit.documents) or (
            limit.bytes is not None and self.bytes >= limit.bytes
        )

    def take(self, batch: Batch) -> int:
        """Write what is new in `batch`; returns the bytes of text written."""
        table, keys_N, groups_N, sizes_N = batch.finish()
        new_N = self.contents.add(keys_N)
        for _ in range(len(table) - int(new_N.sum())):
            self.draft.drop("duplicate")
        if not new_N.any():
            return 0
        if not new_N.all():
            table = table.filter(pa.array(new_N)).combine_chunks()
        self.groups.add(groups_N[new_N])
        self._count(table, sizes_N[new_N])
        size = int(sizes_N[new_N].sum())
        assert self.writer is not None
        self.writer.write(table, size)
        return size

    def _count(self, table: pa.Table, sizes_K: np.ndarray) -> None:
        heldout_K = pc.equal(table["split"], "heldout").to_numpy()
        self.documents += len(table)
        self.heldout += int(heldout_K.sum())
        self.bytes += int(sizes_K.sum())
        self.bytes_heldout += int(sizes_K[heldout_K].sum())
        for license in pc.value_counts(pc.fill_null(table["license"], "unknown")).to_pylist():
            self.licenses[license["values"]] += license["counts"]
        if len(self.draft.samples.setdefault("documents", [])) < _SAMPLES:
            for row in table.slice(0, _SAMPLES).to_pylist():
                shown = row["text"] or "\n".join(f"{m['role']}: {m['content']}" for m in row["messages"])
                self.draft.samples["documents"].append({"id": row["id"], "text": printable(shown, 400)})

    def counts(self) -> dict[str, int]:
        return {
            "documents": self.documents,
            "heldout": self.heldout,
            "bytes_train": self.bytes - self.bytes_heldout,
            "bytes_heldout": self.bytes_heldout,
            "groups": len(self.groups),
        }
