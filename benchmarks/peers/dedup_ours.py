"""Near duplicates as midtrain finds them: shards -> signatures -> band keys -> verified clusters -> ids to drop."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from midtrain.core.progress import be_quiet
from midtrain.documents.deduplication.collection import Collection, keys_on_disk, texts_of
from midtrain.documents.deduplication.config import DeduplicateConfig
from midtrain.documents.deduplication.near import Clusters, cluster
from midtrain.documents.schema import content_of
from midtrain.documents.store import Documents
from midtrain.text.signatures import band_keys, minhash


def deduplicate(folder: Path) -> tuple[Clusters, dict[str, float]]:
    """The clusters of the documents in `folder`, and the seconds of each part."""
    config, documents = DeduplicateConfig(max_removed={"default": 1.0}), Documents(folder)
    assert config.near is not None
    start, near, sizes = time.perf_counter(), config.near, []

    def keys() -> Iterator[np.ndarray]:
        for table in documents.tables(columns=["text", "messages"]):
            texts = content_of(table)
            sizes.append(pc.binary_length(texts).to_numpy())
            yield band_keys(minhash(texts, values=near.values, ngram=near.ngram), near.bands).T

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        keys_BN = keys_on_disk(keys(), near.bands, documents.count(), work / "keys.u64")
        signed = time.perf_counter()
        found = Collection("all", keys_BN, np.concatenate(sizes), texts_of(documents))
        clusters = cluster([found], config, work)
    done = time.perf_counter()
    return clusters, {"signatures_s": signed - start, "clusters_s": done - signed, "seconds": done - start}


def watch_memory(peak: list[int]) -> None:
    """Keep the most anonymous memory this process has had, in bytes (mapped files are the system's to drop)."""
    while True:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                peak[0] = max(peak[0], int(line.split()[1]) * 1024)
        time.sleep(0.01)


def main() -> None:
    """FOLDER OUT: write what was found in FOLDER to the JSON file OUT."""
    folder, out = map(Path, sys.argv[1:3])
    be_quiet()
    warm = pa.array(["some words that are compiled for", "some words that are compiled for"], pa.large_string())
    keys = band_keys(minhash(warm), 14)
    with tempfile.TemporaryDirectory() as work:
        one = Collection("warm", keys, np.array([1, 1]), lambda rows: iter([warm.take(pa.array(rows))]))
        cluster([one], DeduplicateConfig(max_removed={"default": 1.0}), Path(work))
    peak = [0]
    threading.Thread(target=watch_memory, args=(peak,), daemon=True).start()
    clusters, seconds = deduplicate(folder)
    most = peak[0]
    ids = [id for table in Documents(folder).tables(columns=["id"]) for id in table["id"].to_pylist()]
    table = clusters.dropped["all"]
    pairs = zip(table["row"].to_pylist(), table["keeper_row"].to_pylist(), strict=True)
    dropped = {ids[row]: ids[keeper] for row, keeper in pairs}
    out.write_text(json.dumps({**seconds, "peak_bytes": most, "dropped": dropped}))


if __name__ == "__main__":
    main()
