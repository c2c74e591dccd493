"""Writes the curated documents of a source: what stays, in its order, and for the rest the reason and a few samples.

    documents shard + reasons + duplicates + contaminated + passages to cut + personal data to mask --> curated shard

A shard becomes one shard, so the result does not depend on how many processes made it. A text that is cut or masked is
another document: its id is the hash of the new text, and the old id is its parent.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from midtrain.core.artifact import Draft
from midtrain.core.errors import UserError
from midtrain.core.parallel import BYTES, Unit, map_units, unit_result
from midtrain.documents.curation.filter import Decision
from midtrain.documents.schema import SCHEMA, Unusable, content_of, document_id, encode_messages, encode_text, printable
from midtrain.documents.shards import open_shard
from midtrain.documents.store import Documents, row_groups

EMPTIED = "nothing left after cutting and masking"
_SAMPLES = 6
_CHARACTERS = 700

Rewrite = Callable[[pa.Array], tuple[pa.Array, dict[str, int]]]
"""texts [N] -> (texts [N] with something masked, how many of what)."""


Changed = dict[int, str | list[dict[str, str]]]
"""row -> its new text, or its new messages."""


class _Task(NamedTuple):
    shard: str
    reason_N: np.ndarray
    reasons: list[str]
    cuts: dict[int, list[tuple[int, int]]]
    rewrite: Callable[[], Rewrite] | None


def apply(
    documents: Documents,
    decision: Decision,
    draft: Draft,
    *,
    cuts: dict[int, list[tuple[int, int]]] | None = None,
    rewrite: Callable[[], Rewrite] | None = None,
    label: str = "curated",
) -> None:
    """Write the documents that `decision` (over all N of them, in order) keeps into `draft`.

    `cuts` are byte ranges to take out of the texts of some rows, `rewrite` is picklable and makes what masks texts.
    Counts and facts are those of `collect`, and further rewritten, masked (by kind), bytes dropped by reason and
    samples of what stayed and of what went for each reason.
    """
    assert draft.work is not None
    start, units = 0, []
    for shard in documents.shards:
        rows = pq.read_metadata(shard).num_rows
        here = {row - start: spans for row, spans in (cuts or {}).items() if start <= row < start + rows}
        task = _Task(str(shard.absolute()), decision.reason_N[start : start + rows], decision.reasons, here, rewrite)
        units.append(Unit(shard.stem, task, shard.stat().st_size))
        start += rows
    assert start == len(decision.reason_N), "a decision about other documents"
    total = _Tally()
    folders = map_units(_apply_shard, units, work=draft.work, label=label, measure=BYTES)
    for shard, folder in zip(documents.shards, folders, strict=True):
        os.link(folder / shard.name, draft.path / shard.name)
        total.add(unit_result(folder))
    total.record(draft, len(documents.shards))
    if not total.counts["documents"]:
        raise UserError(
            f"curation leaves none of the {start:,} documents in {documents.path}; loosen its settings, or take the "
            "source out of the recipe."
        )


def read_cuts(file: Path) -> dict[int, list[tuple[int, int]]]:
    """Byte ranges to cut by row, from the arrays rows, starts and ends of an .npz file."""
    arrays = np.load(file)
    cuts: dict[int, list[tuple[int, int]]] = {}
    for row, start, end in zip(*(arrays[name].tolist() for name in ("rows", "starts", "ends")), strict=True):
        cuts.setdefault(row, []).append((start, end))
    return cuts


class _Tally:
    """Adds up what the shards report."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.drops: Counter[str] = Counter()
        self.bytes_dropped: Counter[str] = Counter()
        self.masked: Counter[str] = Counter()
        self.licenses: Counter[str] = Counter()
        self.samples: dict[str, list[Any]] = {}

    def add(self, result: dict[str, Any]) -> None:
        """One shard's result; the first samples are kept, so they depend on the order of the shards alone."""
        for name in ("counts", "drops", "bytes_dropped", "masked", "licenses"):
            getattr(self, name).update(result[name])
        for name, samples in result["samples"].items():
            kept = self.samples.setdefault(name, [])
            kept += samples[: _SAMPLES - len(kept)]

    def record(self, draft: Draft, shards: int) -> None:
        """Enter everything in the manifest."""
        draft.counts.update({**self.counts, "shards": shards})
        draft.drops = dict(self.drops)
        draft.samples = self.samples
        draft.facts.update(
            licenses=dict(self.licenses.most_common(100)),
            bytes_dropped=dict(self.bytes_dropped),
            masked=dict(self.masked),
        )


def _apply_shard(task: _Task, folder: Path) -> dict[str, Any]:
    """Write one curated shard; the result is what `_Tally` adds up."""
    tally, start = _Tally(), 0
    rewrite = task.rewrite() if task.rewrite else None
    path = Path(task.shard)
    with open_shard(folder / path.name) as writer:
        for table in row_groups(path, SCHEMA.names):
            reason_N = task.reason_N[start : start + len(table)]
            _count(tally, table, reason_N, task.reasons)
            kept_K = np.flatnonzero(reason_N < 0)
            cuts = {k: task.cuts[start + int(row)] for k, row in enumerate(kept_K) if start + int(row) in task.cuts}
            start += len(table)
            kept = _rewritten(table.take(pa.array(kept_K)), cuts, rewrite, tally)
            tally.counts["documents"] += len(kept)
            _count_kept(tally, kept)
            if len(kept):
                writer.write_table(kept, row_group_size=len(kept))
    names = ("counts", "drops", "bytes_dropped", "masked", "licenses")
    return {**{name: dict(getattr(tally, name)) for name in names}, "samples": tally.samples}


def _count(tally: _Tally, table: pa.Table, reason_N: np.ndarray, reasons: list[str]) -> None:
    texts = content_of(table)
    bytes_N = np.asarray(pc.binary_length(texts))
    tally.counts["rows_in"] += len(table)
    tally.counts["bytes_in"] += int(bytes_N.sum())
    for number in np.unique(reason_N[reason_N >= 0]).tolist():
        rows_R = np.flatnonzero(reason_N == number)
        tally.drops[reasons[number]] += len(rows_R)
        tally.bytes_dropped[reasons[number]] += int(bytes_N[rows_R].sum())
        _sample(tally, f"dropped: {reasons[number]}", table, texts, rows_R)
    _sample(tally, "kept", table, texts, np.flatnonzero(reason_N < 0))


def _sample(tally: _Tally, name: str, table: pa.Table, texts: pa.Array, rows_R: np.ndarray) -> None:
    """Keep a few of the rows: spread over the row group, so that neighbours do not look alike."""
    kept = tally.samples.setdefault(name, [])
    room = _SAMPLES - len(kept)
    chosen = rows_R[np.linspace(0, len(rows_R) - 1, min(room, len(rows_R))).astype(int)] if len(rows_R) else []
    for row in np.unique(chosen).tolist():
        kept.append({"id": table["id"][row].as_py(), "text": printable(texts[row].as_py(), _CHARACTERS)})


def _count_kept(tally: _Tally, kept: pa.Table) -> None:
    bytes_K = np.asarray(pc.binary_length(content_of(kept))) if len(kept) else np.zeros(0, dtype=np.int64)
    heldout_K = np.asarray(pc.equal(kept["split"], "heldout")).astype(bool)
    tally.counts["heldout"] += int(heldout_K.sum())
    tally.counts["bytes_heldout"] += int(bytes_K[heldout_K].sum())
    tally.counts["bytes_train"] += int(bytes_K[~heldout_K].sum())
    tally.licenses.update(name or "unknown" for name in kept["license"].to_pylist())


def _rewritten(
    kept: pa.Table, cuts: dict[int, list[tuple[int, int]]], rewrite: Rewrite | None, tally: _Tally
) -> pa.Table:
    """`kept` with passages cut and personal data masked; what is left empty goes."""
    changed = _cut(kept, cuts)
    if rewrite is not None and len(kept):
        _mask(kept, rewrite, changed, tally)
    if not changed:
        return kept
    rows = kept.to_pylist()
    emptied = []
    for row, content in changed.items():
        old = rows[row]
        says = encode_text if isinstance(content, str) else encode_messages
        try:
            encoded = says(content)
        except Unusable:
            emptied.append(row)
            continue
        data = encoded if isinstance(encoded, bytes) else encoded[0]
        field = "text" if isinstance(content, str) else "messages"
        rows[row] = old | {field: content, "id": document_id(data), "parents": [old["id"]]}
    tally.counts["rewritten"] += len(changed) - len(emptied)
    if emptied:
        tally.drops[EMPTIED] += len(emptied)
    left = set(emptied)
    return pa.Table.from_pylist([row for number, row in enumerate(rows) if number not in left], schema=SCHEMA)


def _cut(kept: pa.Table, cuts: dict[int, list[tuple[int, int]]]) -> Changed:
    """The texts of some rows without the bytes of their spans; chats are left whole."""
    changed: Changed = {}
    for row, spans in cuts.items():
        text = kept["text"][row].as_py()
        if text is None:
            continue
        data, at, pieces = text.encode(), 0, []
        for first, last in sorted(spans):
            pieces.append(data[at : max(first, at)])
            at = max(at, last)
        changed[row] = b"".join([*pieces, data[at:]]).decode()
    return changed


def _mask(kept: pa.Table, rewrite: Rewrite, changed: Changed, tally: _Tally) -> None:
    """Mask the texts (after cutting) and the contents of messages, entering into `changed` what that alters."""
    flat: list[tuple[int, int | None]] = []
    contents: list[str] = []
    for row, (text, messages) in enumerate(zip(kept["text"].to_pylist(), kept["messages"].to_pylist(), strict=True)):
        if text is not None:
            flat.append((row, None))
            contents.append(str(changed.get(row, text)))
        else:
            flat += [(row, turn) for turn in range(len(messages))]
            contents += [message["content"] for message in messages]
    masked, counts = rewrite(pa.array(contents, pa.large_string()))
    tally.masked.update(counts)
    for (row, turn), before, after in zip(flat, contents, masked.to_pylist(), strict=True):
        if before == after:
            continue
        if turn is None:
            changed[row] = after
        else:
            messages = changed.setdefault(row, kept["messages"][row].as_py())
            assert isinstance(messages, list)
            messages[turn] = messages[turn] | {"content": after}
