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

from midtrain.core.artifact import Draft
from midtrain.core.errors import UserError
from midtrain.core.parallel import BYTES, Unit, map_units, unit_result
from midtrain.documents.curation.filter import Decision
from midtrain.documents.curation.lines import keep_prose_lines
from midtrain.documents.curation.repeats import find_repeats, read_column, write_without
from midtrain.documents.deduplication.passages import Spans, cut
from midtrain.documents.schema import (
    SCHEMA,
    Unusable,
    content_bytes,
    content_of,
    document_id,
    encode_messages,
    encode_text,
    printable,
)
from midtrain.documents.shards import open_shard
from midtrain.documents.store import Documents, row_groups

EMPTIED = "nothing left after cutting and masking"
REPEATED = "equal to another document after cutting and masking"
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
    cuts: Spans | None
    lines: bool
    rewrite: Callable[[], Rewrite] | None
    hide: Callable[[], Rewrite] | None


def apply(
    documents: Documents,
    decision: Decision,
    draft: Draft,
    *,
    cuts: Spans | None = None,
    lines: bool = False,
    rewrite: Callable[[], Rewrite] | None = None,
    hide: Callable[[], Rewrite] | None = None,
    label: str = "curated",
) -> None:
    """Write the documents that `decision` (over all N of them, in order) keeps into `draft`.

    `cuts` are passages to take out of the texts of documents that stay, after which, with `lines`, those lines go that
    are no sentences (lines.py). `rewrite` is picklable and makes what masks texts, `hide` what masks the samples of
    documents that go. Counts and facts are those of `collect`, and further rewritten, lines (gone, by reason), masked
    (by kind), bytes dropped by reason and samples of what stayed and of what went for each reason.
    """
    assert draft.work is not None
    assert documents.count() == len(decision.reason_N), "a decision about other documents"
    units = []
    for shard, rows in documents.slices():
        here = cuts.within(rows.start, rows.stop) if cuts is not None else None
        task = _Task(str(shard.absolute()), decision.reason_N[rows], decision.reasons, here, lines, rewrite, hide)
        units.append(Unit(shard.stem, task, shard.stat().st_size))
    total = _Tally()
    folders = map_units(_apply_shard, units, work=draft.work, label=label, measure=BYTES)
    shards = []
    for shard, folder in zip(documents.shards, folders, strict=True):
        shards.append(folder / shard.name)
        total.add(unit_result(folder))
    _put(shards, draft, total)
    total.record(draft, len(shards))
    if not total.counts["documents"]:
        raise UserError(
            f"curation leaves none of the {len(decision.reason_N):,} documents in {documents.path}; loosen its "
            "settings, or take the source out of the recipe."
        )


def _put(shards: list[Path], draft: Draft, total: _Tally) -> None:
    """Put the finished shards into the draft, without documents that became equal by cutting and masking."""
    repeats = find_repeats(shards, set(total.rewritten))
    groups: set[str] = set()
    for shard, rows in zip(shards, repeats, strict=True):
        if not len(rows):
            os.link(shard, draft.path / shard.name)
        else:
            gone = write_without(shard, rows, draft.path / shard.name)
            total.take_back(gone, REPEATED)
        groups.update(read_column(draft.path / shard.name, "group"))
    total.counts["groups"] = len(groups)


class _Tally:
    """Adds up what the shards report."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.drops: Counter[str] = Counter()
        self.bytes_dropped: Counter[str] = Counter()
        self.lines: Counter[str] = Counter()
        self.masked: Counter[str] = Counter()
        self.licenses: Counter[str] = Counter()
        self.samples: dict[str, list[Any]] = {}
        self.rewritten: list[str] = []
        """Ids of the documents that became others."""

    def add(self, result: dict[str, Any]) -> None:
        """One shard's result; the first samples are kept, so they depend on the order of the shards alone."""
        for name in ("counts", "drops", "bytes_dropped", "lines", "masked", "licenses"):
            getattr(self, name).update(result[name])
        self.rewritten += result["rewritten"]
        for name, samples in result["samples"].items():
            kept = self.samples.setdefault(name, [])
            kept += samples[: _SAMPLES - len(kept)]

    def take_back(self, gone: pa.Table, reason: str) -> None:
        """Documents that were counted as kept go after all."""
        kept = _Tally()
        _count_kept(kept, gone)
        self.counts.subtract(kept.counts)
        self.counts["documents"] -= len(gone)
        self.licenses.subtract(kept.licenses)
        self.drops[reason] += len(gone)
        self.bytes_dropped[reason] += kept.counts["bytes_heldout"] + kept.counts["bytes_train"]

    def record(self, draft: Draft, shards: int) -> None:
        """Enter everything in the manifest."""
        draft.counts.update({**self.counts, "shards": shards})
        draft.drops = dict(self.drops)
        draft.samples = self.samples
        draft.facts.update(
            licenses=dict(self.licenses.most_common(100)),
            bytes_dropped=dict(self.bytes_dropped),
            lines=dict(self.lines),
            masked=dict(self.masked),
        )


def _apply_shard(task: _Task, folder: Path) -> dict[str, Any]:
    """Write one curated shard; the result is what `_Tally` adds up."""
    tally, start = _Tally(), 0
    rewrite = task.rewrite() if task.rewrite else None
    hide = task.hide() if task.hide else None
    path = Path(task.shard)
    with open_shard(folder / path.name) as writer:
        for table in row_groups(path, SCHEMA.names):
            reason_N = task.reason_N[start : start + len(table)]
            _count(tally, table, reason_N, task.reasons, hide)
            kept_K = np.flatnonzero(reason_N < 0)
            cuts = None
            if task.cuts is not None:  # by the place of their rows among those that are kept
                cuts = task.cuts.within(start, start + len(table))
                cuts = cuts._replace(rows_K=np.searchsorted(kept_K, cuts.rows_K))
            start += len(table)
            kept = _rewritten(table.take(pa.array(kept_K)), cuts, task.lines, rewrite, tally)
            tally.counts["documents"] += len(kept)
            _count_kept(tally, kept)
            _sample(tally, "kept", kept, None)
            if len(kept):
                writer.write_table(kept, row_group_size=len(kept))
    names = ("counts", "drops", "bytes_dropped", "lines", "masked", "licenses")
    return {
        **{name: dict(getattr(tally, name)) for name in names},
        "samples": tally.samples,
        "rewritten": tally.rewritten,
    }


def _count(tally: _Tally, table: pa.Table, reason_N: np.ndarray, reasons: list[str], hide: Rewrite | None) -> None:
    bytes_N = content_bytes(table)
    tally.counts["rows_in"] += len(table)
    tally.counts["bytes_in"] += int(bytes_N.sum())
    for number in np.unique(reason_N[reason_N >= 0]).tolist():
        rows_R = np.flatnonzero(reason_N == number)
        tally.drops[reasons[number]] += len(rows_R)
        tally.bytes_dropped[reasons[number]] += int(bytes_N[rows_R].sum())
        _sample(tally, f"dropped: {reasons[number]}", table.take(pa.array(rows_R)), hide)


def _sample(tally: _Tally, name: str, table: pa.Table, hide: Rewrite | None) -> None:
    """Keep a few rows of `table`, spread over it, so that neighbours do not look alike; personal data stays hidden."""
    kept = tally.samples.setdefault(name, [])
    room = _SAMPLES - len(kept)
    if not room or not len(table):
        return
    chosen = table.take(pa.array(np.unique(np.linspace(0, len(table) - 1, min(room, len(table))).astype(int))))
    texts = content_of(chosen)
    shown = (hide(texts)[0] if hide else texts).to_pylist()
    kept += [
        {"id": name, "text": printable(text, _CHARACTERS)}
        for name, text in zip(chosen["id"].to_pylist(), shown, strict=True)
    ]


def _count_kept(tally: _Tally, kept: pa.Table) -> None:
    bytes_K = content_bytes(kept)
    heldout_K = np.asarray(pc.equal(kept["split"], "heldout")).astype(bool)
    tally.counts["heldout"] += int(heldout_K.sum())
    tally.counts["bytes_heldout"] += int(bytes_K[heldout_K].sum())
    tally.counts["bytes_train"] += int(bytes_K[~heldout_K].sum())
    tally.licenses.update(name or "unknown" for name in kept["license"].to_pylist())


def _rewritten(kept: pa.Table, cuts: Spans | None, lines: bool, rewrite: Rewrite | None, tally: _Tally) -> pa.Table:
    """`kept` with passages and lines cut and personal data masked; what is left empty goes."""
    changed = _cut(kept, cuts) if cuts is not None else {}
    if lines and len(kept):
        _drop_lines(kept, changed, tally)
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
    left = set(emptied)
    tally.counts["rewritten"] += len(changed) - len(emptied)
    tally.rewritten += [rows[row]["id"] for row in changed if row not in left]
    if emptied:
        tally.drops[EMPTIED] += len(emptied)
        tally.bytes_dropped[EMPTIED] += int(content_bytes(kept)[emptied].sum())
    return pa.Table.from_pylist([row for number, row in enumerate(rows) if number not in left], schema=SCHEMA)


def _cut(kept: pa.Table, cuts: Spans) -> Changed:
    """The texts of some rows without the bytes of their spans; chats are left whole, so they have none."""
    rows_C, place_K = np.unique(cuts.rows_K, return_inverse=True)
    texts = kept["text"].take(pa.array(rows_C)).combine_chunks().cast(pa.large_string())
    return dict(zip(rows_C.tolist(), cut(texts, cuts._replace(rows_K=place_K)).to_pylist(), strict=True))


def _drop_lines(kept: pa.Table, changed: Changed, tally: _Tally) -> None:
    """Drop the lines that are no sentences from the texts (after cutting); chats are left whole."""
    rows_T = np.flatnonzero(np.asarray(pc.is_valid(kept["text"])))
    texts = kept["text"].take(pa.array(rows_T)).combine_chunks().cast(pa.large_string())
    if changed:
        texts = pa.array(
            [changed.get(row, text) for row, text in zip(rows_T.tolist(), texts.to_pylist(), strict=True)],
            pa.large_string(),
        )
    prose, counts = keep_prose_lines(texts)
    tally.lines.update(counts)
    altered = pc.indices_nonzero(pc.not_equal(prose, texts))
    changed |= dict(zip(rows_T[altered.to_numpy()].tolist(), prose.take(altered).to_pylist(), strict=True))


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
