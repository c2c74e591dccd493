"""Reads a supervised fastText model, .bin or .ftz, without the library: settings, words, labels and both matrices.

The format (version 12 of the library, 11 of its first models) is one file: settings, the dictionary (words by falling
count, then labels), the input matrix (a row for each word and each hash bucket of n-grams) and the output matrix (a
row for each label). The input matrix of a web-scale model is gigabytes, of which a shard of text touches a part; it is
mapped, not read, so the processes of a machine share one copy. A quantised matrix (.ftz) is multiplied out at loading,
one row of floats for each row of codes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit

from midtrain.core.errors import UserError

_MAGIC, _VERSIONS = 793712314, (11, 12)
_SUPERVISED = 3
LOSSES = {1: "hierarchical softmax", 2: "negative sampling", 3: "softmax", 4: "one versus all"}

# Shapes: V entries of the dictionary (words, then labels), L labels, R rows of the input matrix, D dimensions.


@dataclass(frozen=True)
class FastTextFile:
    """What a model file holds."""

    path: Path
    dimensions: int
    word_ngrams: int
    buckets: int
    shortest: int
    """Characters of the shortest character n-gram; `longest` 0: there are none."""
    longest: int
    loss: str
    words: int
    entries: np.ndarray
    """uint8: the entries of the dictionary back to back."""
    starts_V1: np.ndarray
    """int64 [V + 1]: where the bytes of an entry begin; they end 10 bytes before the next (a NUL, a count, a type)."""
    pruned_P2: np.ndarray | None
    """int32 [P, 2]: kept bucket -> row, by bucket; None where all are kept."""
    labels: list[str]
    label_counts_L: np.ndarray
    """int64 [L]"""
    input_RD: np.ndarray
    output_LD: np.ndarray

    @classmethod
    def open(cls, path: Path | str) -> FastTextFile:
        """Map the model at `path`; raises UserError for what is no supervised fastText model, or a cut one."""
        path = Path(path)
        try:
            data = np.memmap(path, dtype=np.uint8, mode="r").view(np.ndarray)
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read as a fastText model ({error}); name a .bin or .ftz file.") from None
        try:
            return _read(path, _Cursor(data))
        except _Cut:
            raise UserError(f"{path} is a fastText model that ends too early; fetch or train it again.") from None


def check_fasttext(path: Path) -> None:
    """Raise UserError when the first bytes of `path` are not those of a fastText model."""
    try:
        with open(path, "rb") as file:
            begin = file.read(4)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read as a fastText model ({error.strerror}); name a .bin or .ftz file."
        ) from None
    if begin != struct.pack("<i", _MAGIC):
        raise UserError(f"{path} is not a fastText model; name a .bin or .ftz file.")


class _Cut(Exception):
    """The file ends within what is being read."""


class _Cursor:
    """A position in the bytes of a file."""

    def __init__(self, data: np.ndarray):
        self.data, self.at = data, 0

    def take(self, form: str) -> tuple:
        """The next values of a struct format (little-endian, packed)."""
        size = struct.calcsize("<" + form)
        return struct.unpack("<" + form, self.bytes(size).tobytes())

    def bytes(self, size: int) -> np.ndarray:
        """The next `size` bytes."""
        if size < 0 or self.at + size > len(self.data):
            raise _Cut
        self.at += size
        return self.data[self.at - size : self.at]

    def floats(self, count: int) -> np.ndarray:
        """The next `count` floats; they need not be aligned."""
        return self.bytes(4 * count).view(np.float32)


def _read(path: Path, cursor: _Cursor) -> FastTextFile:
    magic = cursor.take("i")[0] if len(cursor.data) >= 8 else 0
    version = cursor.take("i")[0] if magic == _MAGIC else 0
    if version not in _VERSIONS:
        what = f"a fastText model of version {version}" if version else "not a fastText model"
        raise UserError(f"{path} is {what}; name a .bin or .ftz that fastText 0.9 saved.")
    dimensions, _, _, _, _, word_ngrams, loss, model, buckets, shortest, longest, _, _ = cursor.take("12id")
    if model != _SUPERVISED or loss not in LOSSES:
        raise UserError(f"{path} holds word vectors, not a classifier; name a model made by supervised training.")
    if version == 11:
        longest = 0  # supervised models had no character n-grams yet
    size, words, labels, _, pruned = cursor.take("3i2q")
    entries, starts_V1, counts_V = _dictionary(cursor, size)
    pruned_P2 = None if pruned < 0 else cursor.bytes(8 * pruned).view(np.int32).reshape(-1, 2)
    quantised = bool(cursor.take("?")[0])
    input_RD = _quantised(cursor) if quantised else _dense(cursor)
    quantised_output = bool(cursor.take("?")[0])
    output_LD = _quantised(cursor) if quantised and quantised_output else _dense(cursor).copy()
    rows = words + (buckets if pruned < 0 else pruned)
    if labels != size - words or input_RD.shape != (rows, dimensions) or output_LD.shape != (labels, dimensions):
        raise UserError(f"{path} contradicts itself (its matrices do not fit its dictionary); fetch or train it again.")
    return FastTextFile(
        path=path,
        dimensions=dimensions,
        word_ngrams=word_ngrams,
        buckets=buckets,
        shortest=shortest,
        longest=longest,
        loss=LOSSES[loss],
        words=words,
        entries=entries,
        starts_V1=starts_V1,
        pruned_P2=None if pruned_P2 is None else pruned_P2[np.argsort(pruned_P2[:, 0], kind="stable")],
        labels=[entries[starts_V1[v] : starts_V1[v + 1] - 10].tobytes().decode() for v in range(words, size)],
        label_counts_L=counts_V[words:],
        input_RD=input_RD,
        output_LD=output_LD,
    )


def _dictionary(cursor: _Cursor, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(the bytes of all entries, where each begins, their counts)."""
    rest = cursor.data[cursor.at :]
    if not 0 <= 11 * size <= len(rest):  # an entry is a byte, a NUL, a count and a type
        raise _Cut
    starts_V1 = _entry_starts(rest, size)
    if starts_V1[-1] > len(rest):
        raise _Cut
    entries = cursor.bytes(int(starts_V1[-1]))
    count_bytes = entries[starts_V1[1:, None] - 9 + np.arange(8)] if size else np.zeros((0, 8), np.uint8)
    return entries, starts_V1, count_bytes.copy().view(np.int64).ravel()


@njit(cache=True, nogil=True)
def _entry_starts(data, size):
    starts = np.zeros(size + 1, np.int64)
    at = 0
    for v in range(size):
        while at < len(data) and data[at] != 0:
            at += 1
        at += 10
        starts[v + 1] = at
    return starts


def _dense(cursor: _Cursor) -> np.ndarray:
    rows, columns = cursor.take("2q")
    return cursor.floats(rows * columns).reshape(rows, columns)


def _quantised(cursor: _Cursor) -> np.ndarray:
    """A product-quantised matrix (Jegou et al. 2011), multiplied out to float32."""
    normed, rows, columns, size = cursor.take("?2qi")
    codes = cursor.bytes(size)
    matrix = _decode(cursor, codes, rows)
    if matrix.shape != (rows, columns):
        raise _Cut
    if normed:
        matrix *= _decode(cursor, cursor.bytes(rows), rows)
    return matrix


def _decode(cursor: _Cursor, codes: np.ndarray, rows: int) -> np.ndarray:
    """One code byte for each row and each group of columns, looked up in the group's 256 centroids."""
    columns, groups, width, last_width = cursor.take("4i")
    centroids = cursor.floats(columns * 256)
    if len(codes) != rows * groups or (groups - 1) * width + last_width != columns:
        raise _Cut
    codes = codes.reshape(rows, groups)
    decoded = np.empty((rows, columns), np.float32)
    for group in range(groups):
        wide = last_width if group == groups - 1 else width
        table = centroids[group * 256 * width :][: 256 * wide].reshape(256, wide)
        decoded[:, group * width : group * width + wide] = table[codes[:, group]]
    return decoded
