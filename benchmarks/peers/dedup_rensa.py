"""Near duplicates with rensa: digests of a whole batch of shingle hashes, joined by their bands.

rensa takes tokens, so shingles are made here, the fastest way that Python has: words are hashed with `hash`, windows of
five with NumPy. Its own LSH says which documents have a duplicate, not of what, so the bands of the digests are joined
with NumPy and a union-find. No edge is verified. Of each component the first document stays.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from rensa import RMinHash

BANDS, ROWS, NGRAM = 14, 8, 5
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def shingles(text: str) -> np.ndarray:
    """Hashes of the windows of five words, punctuation removed."""
    words = text.lower().translate(_PUNCTUATION).split()
    hashes = np.fromiter(map(hash, words), dtype=np.int64, count=len(words)).view(np.uint64)
    count = max(len(hashes) - NGRAM + 1, min(len(hashes), 1))
    window = np.zeros(count, dtype=np.uint64)
    for i in range(min(NGRAM, len(hashes))):
        window = window * _MULTIPLIER + hashes[i : i + count]
    return window ^ (window >> np.uint64(31))


_PUNCTUATION = str.maketrans("", "", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def main() -> None:
    """FOLDER OUT: write the ids to drop from FOLDER to the JSON file OUT."""
    folder, out = map(Path, sys.argv[1:3])
    start = time.perf_counter()
    ids: list[str] = []
    rows: list[list[int]] = []
    for shard in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(shard) as file:
            for number in range(file.num_row_groups):
                table = file.read_row_group(number, columns=["id", "text"])
                sets = [shingles(text) for text in table["text"].to_pylist()]
                offsets = np.cumsum([0, *map(len, sets)]).astype(np.uint64)
                matrix = RMinHash.digest_matrix_from_flat_token_hashes(
                    np.concatenate(sets), offsets, num_perm=BANDS * ROWS, seed=1
                )
                ids += table["id"].to_pylist()
                rows += matrix.to_rows()
    signed = time.perf_counter()
    parent = list(range(len(ids)))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = one = parent[parent[one]]
        return one

    signatures = np.array(rows, dtype=np.uint32)
    for band in range(BANDS):
        keys = np.ascontiguousarray(signatures[:, band * ROWS : (band + 1) * ROWS]).view(f"V{4 * ROWS}").ravel()
        _, group = np.unique(keys, return_inverse=True)
        order = np.argsort(group, kind="stable")
        same = np.flatnonzero(group[order][1:] == group[order][:-1])
        for one, other in zip(order[same].tolist(), order[same + 1].tolist(), strict=True):
            parent[root(other)] = root(one)
    dropped = {ids[i]: ids[root(i)] for i in range(len(ids)) if root(i) != i}
    end = time.perf_counter()
    seconds = {"signatures_s": signed - start, "clusters_s": end - signed, "seconds": end - start}
    out.write_text(json.dumps({**seconds, "dropped": dropped}))


if __name__ == "__main__":
    main()
