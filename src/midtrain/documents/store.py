"""Reads a documents artifact: a folder of Parquet shards, streamed a row group at a time as Arrow tables.

Nothing is turned into Python objects here; a tokenizer or a filter takes the buffers as they are. A table is at most
one batch of the writer (8 MB of text, or one long document).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from midtrain.core.artifact import MANIFEST, Artifact
from midtrain.core.errors import UserError
from midtrain.documents.schema import SCHEMA, SPLITS


def row_groups(shard: Path, columns: list[str]) -> Iterator[pa.Table]:
    """Every row group of one shard, as a table of `columns`."""
    with reading(shard), pq.ParquetFile(shard) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, columns=columns, use_threads=False)


@contextmanager
def reading(shard: Path) -> Iterator[None]:
    """Turn what Arrow says about a damaged shard into a UserError."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{shard} is damaged ({error}); remove {shard.parent} and run again.") from error


class Documents:
    """The documents in a folder of shards, in the order they were written."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.shards = sorted(self.path.glob("part-*.parquet"))
        if not self.shards:
            raise UserError(f"{self.path} holds no documents (no part-*.parquet); run the step that makes it.")

    def tables(self, split: str | None = None, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Tables of `columns` (all of SCHEMA when None) with the rows of `split` (both when None), never empty.

        Every column is one contiguous chunk. Raises UserError for a damaged shard.
        """
        assert split is None or split in SPLITS, split
        names = list(SCHEMA.names if columns is None else columns)
        wanted = names if split is None or "split" in names else [*names, "split"]
        for shard in self.shards:
            for table in row_groups(shard, wanted):
                if split is not None:
                    table = table.filter(pc.equal(table["split"], split))
                if len(table):
                    yield table.select(names).combine_chunks()

    def slices(self) -> Iterator[tuple[Path, slice]]:
        """Each shard with the rows it holds of all documents."""
        start = 0
        for shard in self.shards:
            with reading(shard):
                stop = start + pq.read_metadata(shard).num_rows
            yield shard, slice(start, stop)
            start = stop

    def count(self, split: str | None = None) -> int:
        """Documents in `split` (both when None)."""
        counts = self._counts()
        if counts is not None:
            return {"heldout": counts["heldout"], "train": counts["documents"] - counts["heldout"]}.get(
                split or "", counts["documents"]
            )
        return sum(len(table) for table in self.tables(split, ["split"]))

    def bytes(self, split: str | None = None) -> int:
        """UTF-8 bytes of the text (of the contents, for messages) of the documents in `split` (both when None)."""
        counts = self._counts()
        if counts is not None:
            by_split = {"train": counts["bytes_train"], "heldout": counts["bytes_heldout"]}
            return by_split[split] if split else sum(by_split.values())
        return sum(_text_bytes(table) for table in self.tables(split, ["text", "messages"]))

    def _counts(self) -> dict[str, Any] | None:
        return Artifact.open(self.path).counts if (self.path / MANIFEST).exists() else None


def _text_bytes(table: pa.Table) -> int:
    contents = pc.struct_field(pc.list_flatten(table["messages"]), "content")
    sizes = (pc.sum(pc.binary_length(column)).as_py() for column in (table["text"], contents))
    return sum(size or 0 for size in sizes)
