"""Documents to a token store: Parquet in, flat files out, in a memory that does not depend on the corpus.

    Documents.tables -> (one table ahead, in a thread) -> Encoder -> prefix, suffix -> tokens.bin
                                                       `-> chat template -> ids and mask -> tokens.bin, mask.bin

A table is some megabytes of text. Reading the next one runs while this one is encoded; encoding takes every core.
What stays in memory is eight bytes per document (its length), for the offsets at the end.

A text is learned whole. Of a chat only what the assistant says is learned, so chats bring a mask; a store of texts has
none. A document of fewer than two tokens has nothing to predict and is dropped, and counted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from midtrain.core.artifact import Draft, write_atomically
from midtrain.core.errors import disk_errors
from midtrain.core.fingerprint import fingerprint
from midtrain.core.progress import progress
from midtrain.documents.store import Documents
from midtrain.models.chat import render
from midtrain.models.tokenizer import Tokenizer
from midtrain.tokens.encode import Encoder, excerpts
from midtrain.tokens.store import DOCUMENTS, MASK, OFFSETS, STORE, TOKENS, token_dtype

_COLUMNS = ("id", "text", "messages", "source", "group")
_ROWS_PER_GROUP = 1 << 16
_TABLE = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("group", pa.string()),
        ("bytes", pa.int64()),
        ("tokens", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Encoded:
    """A table's documents as ids: flat, with a length per row; `mask` is None where everything is learned."""

    ids: np.ndarray
    lengths: np.ndarray
    mask: np.ndarray | None = None
    chats: np.ndarray | None = None
    """bool per row: rendered from messages, so that its ids depend on the chat template too."""


def build_store(documents: Documents, tokenizer: Tokenizer, draft: Draft, split: str = "train") -> None:
    """Write the token store of one split of `documents` into the draft, with counts and facts.

    Counts: documents, tokens, bytes (UTF-8 of the texts), targets (tokens that can be learned), bytes_per_token.
    Facts: the tokenizer's digest, the engine that encoded and the number of texts on which both engines agreed.
    """
    write_store(documents, Encoder(tokenizer), draft, split)


def write_store(documents: Documents, encoder: Encoder, draft: Draft, split: str = "train") -> None:
    """Like `build_store`, with an encoder that is already there."""
    tables = documents.tables(split, _COLUMNS)
    first = next(tables, None)
    if first is not None:
        encoder.check(excerpts(first["text"]))
    with disk_errors(draft.path), ExitStack() as stack:
        bar = stack.enter_context(progress("tokens", documents.count(split), "documents"))
        writer = _Writer(draft, encoder.tokenizer, stack)
        for table in _ahead(chain([first] if first is not None else [], tables)):
            writer.add(table, encode_table(encoder, table, writer.dtype))
            bar.advance(len(table))
        writer.finish({"engine": encoder.engine, "parity_documents": encoder.parity_documents})


def encode_table(encoder: Encoder, table: pa.Table, dtype: Any) -> Encoded:
    """The ids of every row of a table with the columns text and messages (exactly one of which is set in a row)."""
    text = table["text"]
    if text.null_count == 0:
        return Encoded(*encoder.encode_documents(text, dtype))
    chats = text.is_null().to_numpy()
    rendered = [
        render(encoder.tokenizer, messages) for messages in table["messages"].filter(pa.array(chats)).to_pylist()
    ]
    text_ids, text_lengths = encoder.encode_documents(text.drop_null(), dtype)
    lengths = np.empty(len(table), np.int64)
    lengths[~chats] = text_lengths
    lengths[chats] = [len(ids) for ids, _ in rendered]
    in_chat = np.repeat(chats, lengths)
    ids = np.empty(len(in_chat), dtype)
    ids[~in_chat] = text_ids
    ids[in_chat] = np.fromiter(chain.from_iterable(ids for ids, _ in rendered), np.uint32)
    mask = np.ones(len(in_chat), np.uint8)
    mask[in_chat] = np.fromiter(chain.from_iterable(mask for _, mask in rendered), np.uint8)
    return Encoded(ids, lengths, mask, chats)


class _Writer:
    """Appends encoded tables to the files of a store; `finish` writes what is only known at the end."""

    def __init__(self, draft: Draft, tokenizer: Tokenizer, stack: ExitStack):
        self._draft, self._tokenizer, self._stack = draft, tokenizer, stack
        self.dtype = token_dtype(tokenizer.vocab_size)
        self._tokens = self._open(draft.path / TOKENS)
        self._mask: Any = None
        self._table = pq.ParquetWriter(
            draft.path / DOCUMENTS, _TABLE, compression="zstd", compression_level=1, use_dictionary=["source", "group"]
        )
        stack.callback(self._table.close)
        self._waiting: list[pa.Table] = []
        self._lengths: list[np.ndarray] = []
        self._counts = {"documents": 0, "tokens": 0, "bytes": 0, "targets": 0}
        self._ids_digest = hashlib.blake2b(digest_size=16)
        self._chats_digest = hashlib.blake2b(digest_size=16)

    def add(self, table: pa.Table, encoded: Encoded) -> None:
        """Append one table's documents."""
        table, encoded = self._drop_short(table, encoded)
        if not len(table):
            return
        assert int(encoded.ids.max()) < self._tokenizer.vocab_size, "an id outside the vocabulary"
        sizes = text_bytes(table)
        self._write_mask(encoded)
        self._tokens.write(encoded.ids.data)
        self._lengths.append(encoded.lengths)
        self._counts["documents"] += len(table)
        self._counts["tokens"] += len(encoded.ids)
        self._counts["bytes"] += int(sizes.sum())
        self._ids_digest.update(("\n".join(table["id"].to_pylist()) + "\n").encode())
        columns = [table["id"], table["source"], table["group"], pa.array(sizes), pa.array(encoded.lengths)]
        self._waiting.append(pa.table(columns, schema=_TABLE))
        if sum(len(one) for one in self._waiting) >= _ROWS_PER_GROUP:
            self._write_rows()

    def finish(self, facts: dict[str, Any]) -> None:
        """Write the offsets and store.json, and record counts and facts in the draft."""
        self._write_rows()
        counts = self._counts
        self._write_offsets(self._draft.path / OFFSETS)
        content = {
            "tokenizer": self._tokenizer.digest,
            "vocab_size": self._tokenizer.vocab_size,
            "dtype": self.dtype.str,
            **counts,
            "mask": self._mask is not None,
        }
        names = [self._ids_digest.hexdigest(), self._chats_digest.hexdigest(), self._lengths_digest()]
        store = {**content, "digest": fingerprint([content, names]), **facts}
        write_atomically(self._draft.path / STORE, json.dumps(store, indent=1) + "\n")
        self._draft.counts.update(counts, bytes_per_token=round(counts["bytes"] / max(counts["tokens"], 1), 4))
        self._draft.facts.update(facts, tokenizer=self._tokenizer.digest)

    def _open(self, path: Path) -> Any:
        return self._stack.enter_context(open(path, "wb", buffering=0))

    def _drop_short(self, table: pa.Table, encoded: Encoded) -> tuple[pa.Table, Encoded]:
        keep = encoded.lengths >= 2
        if keep.all():
            return table, encoded
        for row in np.flatnonzero(~keep):
            self._draft.drop("fewer than two tokens", table["id"][int(row)].as_py())
        tokens = np.repeat(keep, encoded.lengths)
        mask = None if encoded.mask is None else encoded.mask[tokens]
        chats = None if encoded.chats is None else encoded.chats[keep]
        return table.filter(pa.array(keep)), Encoded(encoded.ids[tokens], encoded.lengths[keep], mask, chats)

    def _write_mask(self, encoded: Encoded) -> None:
        """Append to mask.bin, which begins (with ones for all that went before) when a document first needs it."""
        mask = encoded.mask
        if encoded.chats is not None and mask is not None:
            in_chat = np.repeat(encoded.chats, encoded.lengths)
            self._chats_digest.update(encoded.ids[in_chat].data)
            self._chats_digest.update(mask[in_chat].data)
        if mask is None:
            self._counts["targets"] += len(encoded.ids) - len(encoded.lengths)
        else:
            firsts = np.cumsum(encoded.lengths) - encoded.lengths
            self._counts["targets"] += int(mask.sum()) - int(mask[firsts].sum())
        if self._mask is None and mask is not None and not mask.all():
            self._mask = self._open(self._draft.path / MASK)
            for lengths in self._lengths:
                self._mask.write(np.ones(int(lengths.sum()), np.uint8).data)
        if self._mask is not None:
            self._mask.write((np.ones(len(encoded.ids), np.uint8) if mask is None else mask).data)

    def _write_rows(self) -> None:
        if self._waiting:
            rows = pa.concat_tables(self._waiting)
            self._table.write_table(rows, row_group_size=len(rows))
            self._waiting = []

    def _write_offsets(self, path: Path) -> None:
        offsets = np.lib.format.open_memmap(path, "w+", np.dtype("<i8"), (self._counts["documents"] + 1,))
        offsets[0], row, base = 0, 1, 0
        for lengths in self._lengths:
            offsets[row : row + len(lengths)] = base + np.cumsum(lengths)
            row += len(lengths)
            base += int(lengths.sum())
        offsets.flush()

    def _lengths_digest(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for lengths in self._lengths:
            digest.update(lengths.data)
        return digest.hexdigest()


def text_bytes(table: pa.Table) -> np.ndarray:
    """int64 UTF-8 bytes of the text of each row, or of its messages' contents."""
    sizes = pc.fill_null(pc.binary_length(table["text"]), 0).to_numpy().astype(np.int64)
    messages = table["messages"]
    if messages.null_count < len(table):
        rows = pc.list_parent_indices(messages).to_numpy()
        contents = pc.struct_field(pc.list_flatten(messages), "content")
        np.add.at(sizes, rows, pc.fill_null(pc.binary_length(contents), 0).to_numpy())
    return sizes


def _ahead(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same tables, the next of which is read in a thread while the caller works on this one."""
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(next, tables, None)
        while (table := reading.result()) is not None:
            reading = pool.submit(next, tables, None)
            yield table
