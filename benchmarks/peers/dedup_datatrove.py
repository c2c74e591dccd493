"""Near duplicates with datatrove: its four steps (signatures, buckets, clusters, what to remove), one task each."""

from __future__ import annotations

import json
import struct
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.utils.hashing import HashConfig


def main() -> None:
    """FOLDER OUT: write the ids to drop from FOLDER to the JSON file OUT."""
    folder, out = map(Path, sys.argv[1:3])
    config = MinhashConfig(hash_config=HashConfig(precision=64), num_buckets=14, hashes_per_bucket=8)
    with tempfile.TemporaryDirectory() as work:
        warm = [Document(text="one two three four five six", id="warm")]
        list(MinhashDedupSignature(f"{work}/warm", config).run(iter(warm), 0, 1) or ())
        start = time.perf_counter()
        rows = [
            row
            for path in sorted(folder.glob("*.parquet"))
            for row in pq.read_table(path, columns=["id", "text"]).to_pylist()
        ]
        documents = (Document(text=row["text"], id=row["id"]) for row in rows)
        list(MinhashDedupSignature(f"{work}/signatures", config).run(documents, 0, 1) or ())
        signed = time.perf_counter()
        for bucket in range(14):
            list(
                MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=config).run(None, bucket, 14) or ()
            )
        list(MinhashDedupCluster(f"{work}/buckets", f"{work}/remove", config=config).run(None, 0, 1) or ())
        end = time.perf_counter()
        numbers = [
            n for file in Path(work, "remove").glob("*.remove") for (n,) in struct.iter_unpack("<I", file.read_bytes())
        ]
    seconds = {"signatures_s": signed - start, "clusters_s": end - signed, "seconds": end - start}
    out.write_text(json.dumps({**seconds, "dropped": {rows[n]["id"]: "" for n in numbers}}))


if __name__ == "__main__":
    main()
