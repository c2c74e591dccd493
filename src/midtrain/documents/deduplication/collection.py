"""A source as the search for duplicates sees it: keys and facts of every document in memory, texts on request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from midtrain.core.errors import disk_errors
from midtrain.documents.schema import content_of
from midtrain.documents.store import Documents, reading


@dataclass(frozen=True)
class Collection:
    """The N documents of one source, as the search for duplicates sees them."""

    name: str
    """The source."""
    keys_BN: np.ndarray
    """uint64 [bands, N]: `band_keys` of the signatures; may be a memory map."""
    bytes_N: np.ndarray
    """Bytes of each document's text."""
    texts: Callable[[np.ndarray], Iterator[pa.Array]]
    """Reads the texts of some rows (rising): columns without nulls that hold them in that order, a few MB each."""
    quality_N: np.ndarray | None = None
    """The quality attribute, higher is better; without one all are alike."""
    heldout_N: np.ndarray | None = None
    """bool: held out from training."""
    hide: Callable[[pa.Array], pa.Array] | None = None
    """Masks personal data in texts that are shown to people."""

    def __len__(self) -> int:
        return len(self.bytes_N)


def keys_on_disk(parts: Iterable[np.ndarray], bands: int, documents: int, file: Path) -> np.ndarray:
    """uint64 [bands, documents], mapped from the new `file`: `parts` hold the keys of documents in order, [n, bands].

    So memory holds the keys of one band at a time, whatever the number of bands.
    """
    if not documents:
        return np.zeros((bands, 0), dtype=np.uint64)
    with disk_errors(file):
        keys_BN = np.memmap(file, dtype=np.uint64, mode="w+", shape=(bands, documents))
        start = 0
        for part_nB in parts:
            keys_BN[:, start : start + len(part_nB)] = part_nB.T
            start += len(part_nB)
    assert start == documents, "as many keys as documents"
    return keys_BN


def texts_of(documents: Documents) -> Callable[[np.ndarray], Iterator[pa.Array]]:
    """The `texts` of a Collection whose rows are those of `documents`, in its order; reads no other row groups."""

    def texts(rows_K: np.ndarray) -> Iterator[pa.Array]:
        start = 0
        for shard in documents.shards:
            with reading(shard), pq.ParquetFile(shard) as file:
                for number in range(file.num_row_groups):
                    rows = file.metadata.row_group(number).num_rows
                    first, last = np.searchsorted(rows_K, [start, start + rows])
                    if first < last:
                        table = file.read_row_group(number, columns=["text", "messages"], use_threads=False)
                        yield content_of(table.take(pa.array(rows_K[first:last] - start)))
                    start += rows

    return texts
