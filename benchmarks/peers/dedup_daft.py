"""Near duplicates with Daft: normalize -> minhash -> bands -> group-by, and a union-find over the groups.

Daft's own example finds components with group-bys in a loop; a union-find over its groups is faster at this size.
No edge is verified. Of each component the first document stays.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import daft
from daft import col
from daft.functions import list_agg, list_count, minhash, normalize

BANDS, ROWS = 14, 8


def main() -> None:
    """FOLDER OUT: write the ids to drop from FOLDER to the JSON file OUT."""
    folder, out = sys.argv[1:3]
    daft.from_pydict({"x": ["a b c d e f"]}).with_column("y", minhash(col("x"), num_hashes=8, ngram_size=5)).collect()
    start = time.perf_counter()
    text = normalize(col("text"), remove_punct=True, lowercase=True, white_space=True)
    signed = (
        daft.read_parquet(f"{folder}/*.parquet")
        .select("id", minhash(text, num_hashes=BANDS * ROWS, ngram_size=5, hash_function="xxhash").alias("signature"))
        .collect()
    )
    done = time.perf_counter()
    parent: dict[str, str] = {}

    def root(one: str) -> str:
        while parent.setdefault(one, one) != one:
            parent[one] = one = parent[parent[one]]
        return one

    for band in range(BANDS):
        key = col("signature").slice(band * ROWS, (band + 1) * ROWS)
        groups = signed.select("id", key.alias("band")).groupby("band").agg(list_agg(col("id")).alias("ids"))
        for ids in groups.where(list_count(col("ids")) > 1).to_pydict()["ids"]:
            for one in ids[1:]:
                parent[root(one)] = root(ids[0])
    dropped = {one: root(one) for one in parent if root(one) != one}
    end = time.perf_counter()
    seconds = {"signatures_s": done - start, "clusters_s": end - done, "seconds": end - start}
    Path(out).write_text(json.dumps({**seconds, "dropped": dropped}))


if __name__ == "__main__":
    main()
