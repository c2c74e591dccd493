"""Writes documents as Parquet shards in the order they come: part-00000.parquet, part-00001.parquet, ...

A shard holds about 96 MB of text, so that a later stage has pieces to spread over cores and machines; a row group
holds one batch, so that a reader needs the memory of one. Zstandard at level 1: on 7 MB of Python sources and their
documentation, level 3 took 10 % less space and more than twice the time.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from midtrain.documents.schema import SCHEMA

SHARD_BYTES = 96_000_000


def shard_name(number: int) -> str:
    """'part-00003.parquet' for 3."""
    return f"part-{number:05d}.parquet"


def open_shard(path: Path) -> pq.ParquetWriter:
    """A writer of tables of SCHEMA to one file."""
    return pq.ParquetWriter(
        path,
        SCHEMA,
        compression="zstd",
        compression_level=1,
        use_dictionary=["source", "lang", "license", "split"],
        write_statistics=False,
    )


class ShardWriter:
    """Writes tables of SCHEMA to numbered Parquet files in `folder`; use as a context manager."""

    def __init__(self, folder: Path, shard_bytes: int = SHARD_BYTES):
        self.folder, self.shard_bytes = folder, shard_bytes
        self.shards = 0
        self._writer: pq.ParquetWriter | None = None
        self._bytes = 0

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def write(self, table: pa.Table, text_bytes: int) -> None:
        """Append `table` as one row group; `text_bytes` is the text in it."""
        if self._writer is None:
            self._writer = open_shard(self.folder / shard_name(self.shards))
            self.shards += 1
        self._writer.write_table(table, row_group_size=max(len(table), 1))
        self._bytes += text_bytes
        if self._bytes >= self.shard_bytes:
            self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer, self._bytes = None, 0
