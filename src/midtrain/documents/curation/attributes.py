"""Attributes: what is known of each document, kept beside the documents, row for row.

    documents part-00000.parquet   attributes part-00000.parquet
      id, text, ...                  id, words, mean_word_length, lang, quality/edu, pii_email, band_keys, ...

Measuring is dear and deciding is cheap, so they are two steps: a shard is read once and everything that a recipe asks
for is measured in that pass; a threshold then changes without measuring again. The rows of a shard are those of the
documents, in their order, and both carry the id, so attributes of other documents are told and never used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from midtrain.core.errors import UserError
from midtrain.documents.store import Documents


@dataclass(frozen=True)
class Attributes:
    """The attribute shards in a folder, which belong to the documents of one source."""

    path: Path
    documents: Documents

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """One table for each shard of the documents, with `columns` (all when None).

        Raises UserError for a damaged or missing shard, and for one that belongs to other documents.
        """
        for shard in self.documents.shards:
            yield read_shard(self.path / shard.name, shard, columns)

    def column(self, name: str) -> np.ndarray:
        """One numeric attribute of all documents [N]."""
        return self.columns([name])[name]

    def columns(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Several numeric attributes of all documents, each [N]."""
        tables = list(self.tables(names))
        return {name: np.concatenate([np.asarray(table[name]) for table in tables]) for name in names}

    def names(self) -> list[str]:
        """The attributes there are."""
        return [name for name in pq.read_schema(self.path / self.documents.shards[0].name).names if name != "id"]


def read_shard(path: Path, documents: Path, columns: Sequence[str] | None = None, mend: str = "") -> pa.Table:
    """The attributes in `path` of the documents in the shard `documents`; raises UserError when they are of others.

    `mend` is what a person should do about it, where making them again is not the answer.
    """
    mend = mend or f"remove {path.parent} and run again"
    try:
        ids = pq.read_table(documents, columns=["id"], use_threads=False)["id"]
        names = None if columns is None else ["id", *dict.fromkeys(name for name in columns if name != "id")]
        table = pq.read_table(path, columns=names, use_threads=False)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; attributes need one shard for each shard of documents.") from None
    except (pa.ArrowException, OSError, KeyError) as error:
        raise UserError(f"{path} is damaged ({error}); {mend}.") from error
    if "id" not in table.column_names or not table["id"].equals(ids):
        raise UserError(f"{path} holds attributes of other documents than {documents}; {mend}.")
    return table
