"""A batch of checked rows as columns: where a row becomes a document, with its id, group and split.

This is the inner loop of reading: what is done here is done for every row, so it is lists and one hash, and no object
a row. Eight megabytes of text are enough for Arrow and Zstandard to work at full speed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa

from midtrain.documents.config import HoldoutConfig
from midtrain.documents.schema import SCHEMA, SPLITS, Row, encode_messages, encode_text
from midtrain.documents.split import group_key, split_of_key

BATCH_ROWS = 8192
BATCH_BYTES = 8 << 20


@dataclass
class Batch:
    """Checked rows of one source as columns."""

    source: str
    license: str | None
    lang: str | None
    holdout: HoldoutConfig
    digests: list[bytes] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)
    bytes: int = 0

    def __post_init__(self) -> None:
        self.clear()

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def full(self) -> bool:
        """Whether it is time to write it."""
        return len(self.digests) >= BATCH_ROWS or self.bytes >= BATCH_BYTES

    def clear(self) -> None:
        """Make it empty."""
        self.digests, self.groups, self.sizes, self.bytes = [], [], [], 0
        self.columns = {name: [] for name in SCHEMA.names if name != "source"}

    def add(self, row: Row, min_characters: int) -> bool:
        """Add a row; False when it is too short. Raises Unusable."""
        text, messages = row.get("text"), None
        if text is None and row.get("messages") is not None:
            content, messages, size = encode_messages(row["messages"])
            characters = sum(len(message["content"]) for message in messages)
        else:
            content = encode_text(text)
            size, characters = len(content), len(text or "")
        if characters < min_characters:
            return False
        digest = blake2b(content, digest_size=16).digest()
        name = digest.hex()
        group = _label(row.get("group")) or name
        key = group_key(group, self.holdout.salt)
        split = row.get("split") or split_of_key(key, self.holdout.share)
        assert split in SPLITS, f"a row names the split {split!r}"
        labels = _label(row.get("lang")) or self.lang, _label(row.get("license")) or self.license
        values = (name, text, messages, *labels, row.get("parents") or [], group, split, _meta(row.get("meta")))
        for column, value in zip(self.columns.values(), values, strict=True):
            column.append(value)
        self.digests.append(digest)
        self.groups.append(key)
        self.sizes.append(size)
        self.bytes += size
        return True

    def table(self, kept_K: np.ndarray) -> pa.Table:
        """The rows at the indices `kept_K`, in order, as a table of SCHEMA."""
        columns = self.columns | {"source": [self.source] * len(self)}
        if len(kept_K) < len(self):
            columns = {name: [values[k] for k in kept_K] for name, values in columns.items()}
        return pa.table([pa.array(columns[f.name], type=f.type) for f in SCHEMA], schema=SCHEMA)


def _label(value: Any) -> str | None:
    """A license, language or group as clean text; None for what says nothing."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        value = json.dumps(value, sort_keys=True, default=str)
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


def _meta(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
