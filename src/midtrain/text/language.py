"""Which language a text is in: the model inside the py3langid wheel, walked by our own kernel.

The model (BSD, 139 languages) is an automaton over UTF-8 bytes that emits a feature at nearly every byte, and a table
of what each feature says about each language; a text's score is the sum over its features of log(1 + count) times the
row of the table, so a page in two languages is not decided by its menu. The library walks the automaton in Python
(a twentieth of the speed of this). Three observations make a compiled walk cheap:

- states that move alike share a row of moves. Followed by row instead of by state, the chain of dependent loads is one
  load a byte in a table of two-byte entries; what each step emits is read beside it, off the chain, and eight texts
  are walked at once, so that one waits for memory while the others go on;
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
import pyarrow.compute as pc
from numba import njit

from midtrain.core.errors import UserError
from midtrain.core.fingerprint import file_digest
from midtrain.text.arrow import text_buffers
from midtrain.text.fasttext import open_fasttext

FIRST_BYTES = 2000
"""Bytes of a text that are looked at."""
_LANES = 8
"""Texts walked at once, so that their loads overlap."""

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
    texts: pa.Array | pa.ChunkedArray, first_bytes: int = FIRST_BYTES, model: Path | None = None
) -> tuple[pa.DictionaryArray, np.ndarray]:
    """(language codes, a dictionary array [N]; confidence float32 [N], in 0..1) of a column of texts without nulls.

    Only the first `first_bytes` bytes of a text (to the last whole character) are looked at. `model` is a fastText file
    (lid.176, GlotLID) to ask instead; its labels are the codes, and it looks at as many characters.
    """
    if model is not None:
        return _ask_fasttext(texts, first_bytes, model)
    own = load_model()
    offsets, data = text_buffers(texts)
    ends, changeable = _prefixes(offsets, data, first_bytes)
    found, confidence = _classify(offsets[:-1], ends, data, *own.tables)
    rows, changed = _normalised(offsets, ends, data, changeable)
    if rows:
        again, begin = text_buffers(pa.array(changed, type=pa.large_binary()).cast(pa.large_string()))
        found[rows], confidence[rows] = _classify(again[:-1], again[1:], begin, *own.tables)
    return pa.DictionaryArray.from_arrays(pa.array(found), pa.array(own.languages)), confidence


def languages(model: Path | None = None) -> list[str]:
    """The codes `identify` can give, in the order of its dictionary."""
    return load_model().languages if model is None else open_fasttext(model).labels


def describe(first_bytes: int = FIRST_BYTES, model: Path | None = None) -> dict[str, object]:
    """What decides the answers, for a fingerprint."""
    return {"digest": file_digest(model or _model_file()), "first_bytes": first_bytes}


def _ask_fasttext(
    texts: pa.Array | pa.ChunkedArray, characters: int, path: Path
) -> tuple[pa.DictionaryArray, np.ndarray]:
    model = open_fasttext(path)
    if isinstance(texts, pa.ChunkedArray):
        texts = pa.concat_arrays(texts.chunks) if texts.num_chunks else pa.array([], texts.type)
    probability_NL = model.probabilities(pc.utf8_slice_codeunits(texts, 0, characters))
    found = probability_NL.argmax(axis=1).astype(np.int32)
    codes = pa.DictionaryArray.from_arrays(pa.array(found), pa.array(model.labels))
    return codes, np.minimum(probability_NL.max(axis=1), 1)


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


@njit(cache=True, nogil=True)
def _walk(begins, lengths, data, first, move, emit, row, emitted):
    """Walk the automaton over a few texts at once; emitted[j, k] is the feature of byte k of text j."""
    row[:] = first
    for k in range(lengths.max()):
        for j in range(len(lengths)):
            if k < lengths[j]:
                at = row[j] << 8 | data[begins[j] + k]
                row[j] = move[at]
                emitted[j, k] = emit[at]


@njit(cache=True, nogil=True)
def _tally(emitted, logs, counts, seen, weights):
    """Write the distinct features of a text and the weights of their counts; returns how many there are.

    Three more of no weight follow, for `_add`; `counts` is zero before and after.
    """
    distinct = 0
    for feature in emitted:
        if feature >= 0:
            if counts[feature] == 0:
                seen[distinct] = feature
                distinct += 1
            counts[feature] += 1
    for k in range(distinct):
        weights[k] = logs[counts[seen[k]]]
    for k in range(distinct):
        counts[seen[k]] = 0
    seen[distinct : distinct + 3] = 0
    weights[distinct : distinct + 3] = 0
    return distinct


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def _add(table_FC, seen, weights, distinct, scores):
    """Add the weighted rows of the table to `scores`, four at a time."""
    for k in range(0, distinct, 4):
        f0, f1, f2, f3 = seen[k], seen[k + 1], seen[k + 2], seen[k + 3]
        w0, w1, w2, w3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        for c in range(len(scores)):
            scores[c] += (
                w0 * np.float32(table_FC[f0, c])
                + w1 * np.float32(table_FC[f1, c])
                + w2 * np.float32(table_FC[f2, c])
                + w3 * np.float32(table_FC[f3, c])
            )


@njit(cache=True, nogil=True)
def _classify(begins, ends, data, first, move, emit, table_FC, unit, prior, language):
    """(language int32 [N], its probability float32 [N]) of the bytes data[begins[i]:ends[i]]."""
    total, width = len(begins), len(prior)
    found, confidence = np.empty(total, np.int32), np.empty(total, np.float32)
    lengths = ends - begins
    longest = lengths.max() if total else 0
    row, emitted = np.empty(_LANES, np.int64), np.empty((_LANES, longest), np.int32)
    counts = np.zeros(len(table_FC), np.int32)
    seen, weights = np.empty(longest + 3, np.int64), np.empty(longest + 3, np.float32)
    logs = np.log1p(np.arange(longest + 1)).astype(np.float32) * unit
    scores = np.empty(table_FC.shape[1], np.float32)
    by_language = np.empty(language.max() + 1, np.float32)
    for i in range(total):
        if i % _LANES == 0:
            _walk(begins[i : i + _LANES], lengths[i : i + _LANES], data, first, move, emit, row, emitted)
        distinct = _tally(emitted[i % _LANES, : lengths[i]], logs, counts, seen, weights)
        scores[:] = 0
        _add(table_FC, seen, weights, distinct, scores)
        scale = np.float32(1 / np.sqrt(max(lengths[i], 1)))
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
