"""Which language a text is in: the model inside the py3langid wheel, walked by our own kernel.

The model (BSD, 139 languages) is an automaton over UTF-8 bytes that emits a feature at nearly every byte, and a table
of what each feature says about each language; a text's score is the sum over its features of log(1 + count) times the
row of the table, so a page in two languages is not decided by its menu. The library walks the automaton in Python
(a tenth of the speed of this). Three observations make the compiled walk cheap:

- states that move alike share a row of moves. Followed by row instead of by state, the chain of dependent loads is one
  load a byte in a table of two-byte entries; what each step emits is read beside it, off the chain;
- the table's half-precision numbers are whole multiples of 1/2048, so they are kept as 16-bit integers: the same
  values in half the memory traffic of 32-bit floats (keeping only what differs from a language's commonest value was
  tried: frequent features differ in 84 of 142 columns, and scattered adds were slower);
- the answer hardly changes after the first two thousand bytes, so no more are read (`FIRST_BYTES`).

The answers are the library's for the same bytes: text all in capitals is lowered, and Unicode is composed (NFC), by
Python, for the few documents where that changes a byte. The confidence is the library's normalised probability: the
scores over the square root of the length in bytes, through a softmax. 'zxx' is the model's name for what is no
language (numbers, markup). A text without a letter of any feature gets confidence 1 / languages.
"""

from __future__ import annotations

import importlib.util
import io
import lzma
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from numba import njit

from midtrain.core.errors import UserError
from midtrain.core.fingerprint import file_digest
from midtrain.text.arrow import text_buffers

FIRST_BYTES = 2000
"""Bytes of a text that are looked at."""

# Shapes: N texts, F features, C columns of the table (a language may have two, one a script), L languages, R rows.


@dataclass(frozen=True)
class LanguageModel:
    """py3langid's automaton and table, laid out for the kernel."""

    first: int
    """The row the walk begins in."""
    move: np.ndarray
    """uint16 or uint32 [R * 256]: the next row, by row and byte."""
    emit: np.ndarray
    """int32 [R * 256]: the feature emitted on the way there; -1 is none."""
    table_FC: np.ndarray
    """int16 (float32 where that is not exact): what a feature says about a column, in units of `unit`; C is filled up
    to a multiple of 16 with zeros, for whole vectors."""
    unit: float
    prior: np.ndarray
    """float32 [C]"""
    language: np.ndarray
    """int64 [C]: the language of a column."""
    languages: list[str]
    """L codes: ISO 639-1 where there is one, else 639-3."""

    @property
    def tables(self) -> tuple[object, ...]:
        """What the kernel takes."""
        return self.first, self.move, self.emit, self.table_FC, np.float32(self.unit), self.prior, self.language


def identify(
    texts: pa.Array | pa.ChunkedArray, first_bytes: int = FIRST_BYTES
) -> tuple[pa.DictionaryArray, np.ndarray]:
    """(language codes, a dictionary array [N]; confidence float32 [N], in 0..1) of a column of texts without nulls.

    Only the first `first_bytes` bytes of a text (to the last whole character) are looked at.
    """
    model = load_model()
    offsets, data = text_buffers(texts)
    ends, changeable = _prefixes(offsets, data, first_bytes)
    found, confidence = _classify(offsets[:-1], ends, data, *model.tables)
    rows, changed = _normalised(offsets, ends, data, changeable)
    if rows:
        again, begin = text_buffers(pa.array(changed, type=pa.large_binary()).cast(pa.large_string()))
        found[rows], confidence[rows] = _classify(again[:-1], again[1:], begin, *model.tables)
    codes = pa.DictionaryArray.from_arrays(pa.array(found), pa.array(model.languages))
    return codes, confidence


def languages() -> list[str]:
    """The codes `identify` can give, in the order of its dictionary."""
    return load_model().languages


def describe(first_bytes: int = FIRST_BYTES) -> dict[str, object]:
    """What decides the answers, for a fingerprint."""
    return {"model": "py3langid", "digest": file_digest(_model_file()), "first_bytes": first_bytes}


def _model_file() -> Path:
    spec = importlib.util.find_spec("py3langid")
    file = Path(spec.origin).parent / "data" / "model.npz.xz" if spec and spec.origin else None
    if file is None or not file.is_file():
        raise UserError("Language identification needs the model inside py3langid; pip install py3langid>=0.4.")
    return file


@cache
def load_model() -> LanguageModel:
    """The model, read once a process (about a second). Raises UserError where it is missing or laid out otherwise."""
    file = _model_file()
    with np.load(io.BytesIO(lzma.decompress(file.read_bytes())), allow_pickle=False) as saved:
        needed = {"ptc", "pc", "classes", "nextmove", "nextmove_row", "out_feat"}
        if needed - set(saved.files):
            raise UserError(f"{file} is laid out in a way this version does not know; pip install py3langid==0.4.0.")
        rows_S, moves = saved["nextmove_row"], saved["nextmove"]
        names = saved["classes"].tolist()
        table_FC, unit = _fixed_point(saved["ptc"])
        distinct = list(dict.fromkeys(names))
        return LanguageModel(
            first=int(rows_S[0]),
            move=rows_S[moves],
            emit=saved["out_feat"].astype(np.int32)[moves],
            table_FC=table_FC,
            unit=unit,
            prior=saved["pc"].astype(np.float32),
            language=np.array([distinct.index(name) for name in names]),
            languages=distinct,
        )


def _fixed_point(table_FC: np.ndarray) -> tuple[np.ndarray, float]:
    """(whole multiples, unit) of a half-precision table: int16 where that is exact."""
    table_FC = np.pad(table_FC, ((0, 0), (0, -table_FC.shape[1] % 16)))
    unit = 1 / 2048
    scaled_FC = table_FC.astype(np.float32) / np.float32(unit)
    if np.abs(scaled_FC).max() < 2**15 and np.array_equal(scaled_FC, np.rint(scaled_FC)):
        return scaled_FC.astype(np.int16), unit
    return table_FC.astype(np.float32), 1.0


def _normalised(
    offsets: np.ndarray, ends: np.ndarray, data: np.ndarray, changeable: np.ndarray
) -> tuple[list[int], list[bytes]]:
    """Rows whose beginning the library would change before it looks, and what it becomes."""
    rows, changed = [], []
    for i in np.flatnonzero(changeable).tolist():
        begin = data[offsets[i] : ends[i]].tobytes()
        text = begin.decode()
        became = unicodedata.normalize("NFC", text.lower() if text.isupper() else text).encode()
        if became != begin:
            rows.append(i)
            changed.append(became)
    return rows, changed


@njit(cache=True, nogil=True)
def _prefixes(offsets, data, first_bytes):
    """(where each beginning ends, whether Python must look if it is all capitals or not composed)."""
    count = len(offsets) - 1
    ends = np.empty(count, np.int64)
    changeable = np.empty(count, np.bool_)
    for i in range(count):
        start, end = offsets[i], offsets[i + 1]
        if end - start > first_bytes:
            end = start + first_bytes
            while end > start and data[end] & 0xC0 == 0x80:  # not inside a character
                end -= 1
        ends[i] = end
        lower = False
        composable = False
        for k in range(start, end):
            byte = data[k]
            lower |= 97 <= byte <= 122
            composable |= byte >= 0xCC  # U+0300 and beyond: nothing below it composes
        changeable[i] = composable or not lower
    return ends, changeable


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def _classify(begins, ends, data, first, move, emit, table_FC, unit, prior, language):
    """(language int32 [N], its probability float32 [N]) of the bytes data[begins[i]:ends[i]]."""
    total = len(begins)
    width = len(prior)
    found = np.empty(total, np.int32)
    confidence = np.empty(total, np.float32)
    counts = np.zeros(len(table_FC), np.int32)
    seen = np.empty(1 + (ends - begins).max() if total else 1, np.int32)
    logs = np.log1p(np.arange(len(seen) + 1)).astype(np.float32) * unit
    scores = np.empty(table_FC.shape[1], np.float32)
    by_language = np.empty(language.max() + 1, np.float32)
    for i in range(total):
        row = np.int64(first)
        distinct = 0
        for k in range(begins[i], ends[i]):
            at = row << 8 | data[k]
            row = np.int64(move[at])
            feature = emit[at]
            if feature >= 0:
                if counts[feature] == 0:
                    seen[distinct] = feature
                    distinct += 1
                counts[feature] += 1
        scores[:] = 0
        for k in range(distinct):
            feature = seen[k]
            weight = logs[counts[feature]]
            counts[feature] = 0
            for c in range(len(scores)):
                scores[c] += weight * np.float32(table_FC[feature, c])
        scale = np.float32(1 / np.sqrt(max(ends[i] - begins[i], 1)))
        top = np.float32(-np.inf)
        for c in range(width):
            scores[c] = (scores[c] + prior[c]) * scale if distinct else np.float32(0)
            top = max(top, scores[c])
        by_language[:] = 0
        for c in range(width):
            if scores[c] > top - 20:  # the rest is below half a unit in the last place
                by_language[language[c]] += np.exp(scores[c] - top)
        found[i] = by_language.argmax()
        confidence[i] = by_language[found[i]] / by_language.sum()
    return found, confidence
