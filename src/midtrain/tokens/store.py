"""Tokens on disk, in files that NumPy reads without us.

A store is a folder:

    tokens.bin         every document's ids, one after the other (little-endian uint16, or uint32 beyond 65,536 ids)
    offsets.npy        int64, documents + 1: document i is tokens[offsets[i]:offsets[i+1]]
    mask.bin           optional, uint8 per token: 1 = the token is to be learned (as a target), 0 = it is only context
    documents.parquet  id, source, group, bytes (UTF-8), tokens; one row per document, in the order of the offsets
    store.json         the tokenizer's digest, vocabulary size, dtype and counts

Opening maps the files and compares their sizes with store.json; no token is read, so a store of 300 billion tokens
opens as fast as one of three. What was cut short by a full disk or a copy is found here, by name, and not as noise in
a loss curve.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from midtrain.core.errors import UserError

TOKENS, OFFSETS, MASK, DOCUMENTS, STORE = "tokens.bin", "offsets.npy", "mask.bin", "documents.parquet", "store.json"
_FACTS = ("tokenizer", "vocab_size", "dtype", "documents", "tokens", "targets", "bytes", "mask", "digest")


def token_dtype(vocab_size: int) -> np.dtype:
    """The smallest little-endian unsigned type that holds every id of the vocabulary."""
    return np.dtype("<u2") if vocab_size <= 1 << 16 else np.dtype("<u4")


class TokenStore:
    """An opened token store; make one with `TokenStore.open`."""

    def __init__(self, path: Path, facts: dict[str, Any]):
        self.path = path
        self.facts = facts
        self.num_documents: int = facts["documents"]
        self.num_tokens: int = facts["tokens"]
        self.tokens = self._map(TOKENS, np.dtype(facts["dtype"]))
        self.mask = self._map(MASK, np.dtype(np.uint8)) if facts["mask"] else None
        self.offsets = self._map_offsets()

    @classmethod
    def open(cls, path: Path | str) -> TokenStore:
        """Map the store at `path`; raises UserError naming the file that is missing, cut short or does not belong."""
        path = Path(path)
        try:
            facts = json.loads((path / STORE).read_text())
            missing = [name for name in _FACTS if name not in facts]
        except FileNotFoundError:
            raise UserError(f"{path} is not a token store (no {STORE}); tokenise the documents first.") from None
        except (json.JSONDecodeError, UnicodeDecodeError, TypeError):
            raise UserError(f"{path / STORE} is damaged; remove {path} and tokenise again.") from None
        if missing:
            raise UserError(f"{path / STORE} lacks {', '.join(missing)}; remove {path} and tokenise again.")
        return cls(path, facts)

    @property
    def digest(self) -> str:
        """Names the content: equal for the same documents in the same order under the same tokenizer."""
        return self.facts["digest"]

    @property
    def tokenizer_digest(self) -> str:
        """The digest of the tokenizer that made the ids."""
        return self.facts["tokenizer"]

    @property
    def num_targets(self) -> int:
        """Tokens that can be learned: every one but each document's first, less what the mask excludes."""
        return self.facts["targets"]

    @cached_property
    def lengths(self) -> np.ndarray:
        """int64 tokens per document (reads all offsets: 8 bytes per document)."""
        return np.diff(self.offsets)

    def document(self, index: int) -> np.ndarray:
        """The ids of document `index`, a view into the file."""
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]

    def document_mask(self, index: int) -> np.ndarray:
        """uint8 per token of document `index`: 1 where it is to be learned (all ones in a store without a mask)."""
        start, stop = int(self.offsets[index]), int(self.offsets[index + 1])
        return np.ones(stop - start, np.uint8) if self.mask is None else self.mask[start:stop]

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """The whole document table (id, source, group, bytes, tokens), or some of its columns."""
        return self._documents.read(columns=columns)

    def document_info(self, indices: Sequence[int] | np.ndarray, columns: list[str] | None = None) -> pa.Table:
        """The table's rows at `indices`, in that order; reads only the row groups they lie in."""
        wanted = np.asarray(indices, np.int64)
        file = self._documents
        assert len(wanted) == 0 or (wanted.min() >= 0 and wanted.max() < self.num_documents), "no such document"
        rows = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        starts = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
        group_of = np.searchsorted(starts, wanted, side="right") - 1
        groups = np.unique(group_of)
        base = np.zeros(len(rows), np.int64)  # where each row group that is read begins in what is read
        base[groups] = np.concatenate([[0], np.cumsum(np.asarray(rows, np.int64)[groups])])[:-1]
        table = file.read_row_groups(groups.tolist(), columns=columns)
        return table.take(base[group_of] + wanted - starts[group_of])

    def document_ids(self, indices: Sequence[int] | np.ndarray) -> list[str]:
        """The ids (content hashes) of the documents at `indices`."""
        return self.document_info(indices, ["id"])["id"].to_pylist()

    def require_tokenizer(self, digest: str) -> None:
        """Raises UserError when the ids in this store were made by another tokenizer than the one with `digest`."""
        if digest != self.tokenizer_digest:
            raise UserError(
                f"{self.path} was tokenised with tokenizer {self.tokenizer_digest[:12]}, but this model uses "
                f"{digest[:12]}; tokenise the documents again with the model's tokenizer."
            )

    def _map(self, name: str, dtype: np.dtype) -> np.ndarray:
        file = self.path / name
        wanted = self.num_tokens * dtype.itemsize
        size = file.stat().st_size if file.is_file() else None
        if size != wanted:
            found = "is missing" if size is None else f"has {size} bytes, not {wanted}"
            raise UserError(f"{file} {found} ({self.num_tokens} tokens); remove {self.path} and tokenise again.")
        return np.memmap(file, dtype, "r") if wanted else np.empty(0, dtype)

    def _map_offsets(self) -> np.ndarray:
        file = self.path / OFFSETS
        try:
            offsets = np.load(file, mmap_mode="r", allow_pickle=False)
            agrees = offsets.shape == (self.num_documents + 1,) and offsets.dtype == np.int64
            agrees = agrees and offsets[0] == 0 and offsets[-1] == self.num_tokens
        except FileNotFoundError:
            raise UserError(f"{file} is missing; remove {self.path} and tokenise again.") from None
        except (ValueError, EOFError):
            agrees = False
        if not agrees:
            raise UserError(
                f"{file} is cut short or does not belong to this store; remove {self.path} and tokenise again."
            )
        return offsets

    @cached_property
    def _documents(self) -> pq.ParquetFile:
        file = self.path / DOCUMENTS
        try:
            table = pq.ParquetFile(file)
            agrees = table.metadata.num_rows == self.num_documents
        except FileNotFoundError:
            raise UserError(f"{file} is missing; remove {self.path} and tokenise again.") from None
        except pa.ArrowInvalid:
            agrees = False
        if not agrees:
            raise UserError(
                f"{file} is cut short or does not belong to this store; remove {self.path} and tokenise again."
            )
        return table
