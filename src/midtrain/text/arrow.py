"""The bytes behind an Arrow column of text, as NumPy arrays that a kernel can walk without making a Python string.

A column is one flat array of UTF-8 bytes and n + 1 offsets into it; document i is `data[offsets[i]:offsets[i + 1]]`.
Slices and both offset widths (string, large_string) are taken as they are; nothing is copied but 32-bit offsets.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def text_buffers(texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """(offsets int64 [N+1], data uint8) of a column of strings without nulls; `data` holds valid UTF-8."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks() if texts.num_chunks != 1 else texts.chunk(0)
        if isinstance(texts, pa.ChunkedArray):  # no chunk at all
            texts = pa.array([], type=pa.large_string())
    assert pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type), texts.type
    assert texts.null_count == 0, "a text is null"
    _, offsets, data = texts.buffers()
    if len(texts) == 0 or offsets is None:
        return np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    offsets_N1 = np.frombuffer(offsets, dtype=width)[texts.offset : texts.offset + len(texts) + 1]
    data_U = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8)
    return np.ascontiguousarray(offsets_N1, dtype=np.int64), data_U
