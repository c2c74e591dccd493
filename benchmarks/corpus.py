"""As much text as a benchmark wants, from what lies on the machine: new documents of real paragraphs.

A machine has some hundred megabytes of text, and reading a file twice would make duplicates of all of it. So paragraphs
of real files are drawn at random and put together to documents whose lengths are spread as on the web (log-normal,
median 2 kB). The same seed gives the same documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from midtrain.documents.schema import SCHEMA
from midtrain.documents.shards import ShardWriter

_POOL_BYTES = 40_000_000
_MEDIAN_BYTES, _SPREAD = 2000, 1.2
_ROWS = 500


@cache
def paragraphs() -> list[str]:
    """40 MB of paragraphs of the machine's files, in a fixed order."""
    from benchmarks.tokenize_vs_tokenizers import texts

    pool: list[str] = []
    size = 0
    for _, text in texts():
        found = [paragraph for paragraph in text.split("\n\n") if paragraph.strip()]
        pool += found
        size += sum(map(len, found))
        if size >= _POOL_BYTES:
            break
    return pool


def documents(seed: int) -> Iterator[str]:
    """Texts without end."""
    pool = paragraphs()
    mean = sum(map(len, pool)) / len(pool)
    random = np.random.default_rng(seed)
    while True:
        wanted = random.lognormal(np.log(_MEDIAN_BYTES), _SPREAD, size=_ROWS)
        for count in np.ceil(wanted / mean).astype(int):
            yield "\n\n".join(pool[number] for number in random.integers(len(pool), size=count))


def batches(size: int, seed: int) -> Iterator[tuple[list[str], int]]:
    """(texts, their UTF-8 bytes), a few hundred at a time, until `size` bytes are reached."""
    source = documents(seed)
    while size > 0:
        texts = list(islice(source, _ROWS))
        written = sum(len(text.encode()) for text in texts)
        size -= written
        yield texts, written


def write_parquet(folder: Path, size: int, files: int, seed: int = 0) -> None:
    """Write about `size` bytes of text to `files` Parquet files with a column `text`, as a lab would have them."""
    folder.mkdir(parents=True)
    for number in range(files):
        with pq.ParquetWriter(folder / f"{number:04d}.parquet", pa.schema([("text", pa.string())])) as writer:
            for texts, _ in batches(size // files, seed * files + number):
                writer.write_table(pa.table({"text": texts}))


def write_shards(folder: Path, size: int, shard_bytes: int, seed: int = 0) -> list[Path]:
    """Write about `size` bytes of text in shards of `shard_bytes`, as a step that collects documents would."""
    folder.mkdir(parents=True)
    with ShardWriter(folder, shard_bytes) as writer:
        for texts, written in batches(size, seed):
            ids = [blake2b(text.encode(), digest_size=16).hexdigest() for text in texts]
            rows = [
                {"id": id, "text": text, "source": "machine", "group": id, "parents": [], "split": "train"}
                for id, text in zip(ids, texts, strict=True)
            ]
            writer.write(pa.Table.from_pylist(rows, SCHEMA), written)
    return sorted(folder.glob("part-*.parquet"))
