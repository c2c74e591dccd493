"""C4's cleaning of lines: of a page only those stay that end as sentences do.

Raffel et al. 2020 (arXiv:1910.10683), section 2.2, and its released code: a line goes when it holds a word of more than
1,000 characters, ends in no terminal mark (or in three dots), has fewer than 3 words, or speaks of javascript or of
terms and policies; blank lines go with it. Numbers and definitions are those of the rules of the set `c4`
(text/statistics_kernel.py), whose sentences are counted over the very lines that stay here: marks of other scripts end
a sentence, letters of scripts without spaces are words, and a citation ([1], [edit]) at the end is looked past. That a
page with a curly bracket or lorem ipsum goes as a whole is a rule, not a line's matter.

What stays is a line without the white space around it. One numba pass finds the lines; the phrases, which are rare, are
looked for by the library's own search.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit

from midtrain.text import unicode as u
from midtrain.text.arrow import text_buffers
from midtrain.text.unicode import kind_table

LONG_WORD, NO_END, FEW_WORDS, JAVASCRIPT, POLICY = (
    "a word of over 1,000 characters",
    "no end of a sentence",
    "fewer than 3 words",
    "javascript",
    "terms and policies",
)
REASONS = (LONG_WORD, NO_END, FEW_WORDS, JAVASCRIPT, POLICY)
"""Why lines go, in the order in which it is asked."""

_WORDS, _LONGEST = 3, 1000
_BLANK, _KEPT = -2, -1
_POLICIES = (b"terms of use", b"privacy policy", b"cookie policy", b"uses cookies", b"use of cookies", b"use cookies")


def keep_prose_lines(texts: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, dict[str, int]]:
    """(texts as large_string [N] with the lines that stay, how many went for each of REASONS)."""
    offsets_N1, data = text_buffers(texts)
    row_L, start_L, end_L, why_L = _lines(data, offsets_N1, kind_table())
    low = data[offsets_N1[0] : offsets_N1[-1]].tobytes().lower()  # of ASCII alone, as long as before
    for reason, phrases in ((JAVASCRIPT, (b"javascript",)), (POLICY, _POLICIES)):
        lines_P = np.searchsorted(start_L, _places(low, phrases) + offsets_N1[0], side="right") - 1
        why_L[lines_P[why_L[lines_P] == _KEPT]] = REASONS.index(reason)
    counts = np.bincount(why_L[why_L >= 0], minlength=len(REASONS))
    kept_K = np.flatnonzero(why_L == _KEPT)
    new, new_offsets_N1 = _join(data, row_L[kept_K], start_L[kept_K], end_L[kept_K], len(offsets_N1) - 1)
    column = pa.LargeStringArray.from_buffers(len(offsets_N1) - 1, pa.py_buffer(new_offsets_N1), pa.py_buffer(new))
    return column, {reason: int(count) for reason, count in zip(REASONS, counts, strict=True)}


def _places(low: bytes, phrases: tuple[bytes, ...]) -> np.ndarray:
    """Where any of the phrases begins; none of them crosses the end of a line."""
    found = []
    for phrase in phrases:
        at = low.find(phrase)
        while at >= 0:
            found.append(at)
            at = low.find(phrase, at + 1)
    return np.array(found, dtype=np.int64)


@njit(cache=True, nogil=True)
def _lines(data, offsets_N1, kind_of):
    """(row, first byte, end, why) of every line of every text, without the white space around it."""
    count = len(offsets_N1) - 1
    for p in range(offsets_N1[0], offsets_N1[-1]):
        count += data[p] == 10
    row_L, start_L, end_L = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.int64)
    why_L = np.empty(count, np.int8)
    line = 0
    for row in range(len(offsets_N1) - 1):
        p, stop = offsets_N1[row], offsets_N1[row + 1]
        while True:
            start, end, last, chunks, solos, size, longest = p, p, 0, 0, 0, 0, 0
            while p < stop and data[p] != 10:
                width, point = np.int64(1), np.int64(data[p])
                if point >= 0x80:
                    width = 2 + (point >= 0xE0) + (point >= 0xF0)
                    point &= 0x7F >> width
                    for q in range(p + 1, p + width):
                        point = point << 6 | (np.int64(data[q]) & 0x3F)
                kind = kind_of[point]
                if kind == u.SPACE:
                    size = 0
                else:
                    if chunks == 0:
                        start = p
                    chunks += size == 0
                    size += 1
                    longest = max(longest, size)
                    solos += kind == u.SOLO
                    last, end = kind, p + width
                p += width
            row_L[line], start_L[line], end_L[line] = row, start, end
            why_L[line] = _why(data, start, end, last, max(chunks, solos), longest, kind_of)
            line += 1
            if p >= stop:
                break
            p += 1
    return row_L, start_L, end_L, why_L


@njit(cache=True, nogil=True)
def _why(data, start, end, last, words, longest, kind_of):
    """An index into REASONS, _KEPT or _BLANK, phrases not looked at."""
    if start == end:
        return _BLANK
    if longest > _LONGEST:
        return 0
    if data[end - 1] == 93:  # a citation
        stop = _before_citations(data, start, end)
        if stop == start:
            return 1
        last, end = _kind_before(data, stop, kind_of), stop
    dots = end - start >= 3 and data[end - 1] == 46 and data[end - 2] == 46 and data[end - 3] == 46
    if dots or not (last == u.PERIOD or last == u.TERMINAL or last == u.QUOTE):
        return 1
    return 2 if words < _WORDS else _KEPT


_EDIT, _NEEDED = np.frombuffer(b"[edit]", np.uint8), np.frombuffer(b"[citation needed]", np.uint8)


@njit(cache=True, nogil=True)
def _before_citations(data, start, end):
    """Where what [start, end) ends in of [1], [], [edit] and [citation needed] begins."""
    while end > start and data[end - 1] == 93:
        p = end - 2
        while p > start and 48 <= data[p] <= 57:
            p -= 1
        if p >= start and data[p] == 91:
            end = p
        elif _ends_with(data, start, end, _EDIT):
            end -= len(_EDIT)
        elif _ends_with(data, start, end, _NEEDED):
            end -= len(_NEEDED)
        else:
            break
    return end


@njit(cache=True, nogil=True)
def _ends_with(data, start, end, text):
    same = end - start >= len(text)
    for k in range(len(text)):
        same = same and data[end - len(text) + k] == text[k]
    return same


@njit(cache=True, nogil=True)
def _kind_before(data, end, kind_of):
    """The kind of the character that ends at byte `end`."""
    p, point, shift = end - 1, np.int64(0), 0
    while data[p] & 0xC0 == 0x80:
        point |= (np.int64(data[p]) & 0x3F) << shift
        shift += 6
        p -= 1
    return kind_of[point | (np.int64(data[p]) & ((0x7F >> (shift // 6 + 1)) if shift else 0x7F)) << shift]


@njit(cache=True, nogil=True)
def _join(data, row_K, start_K, end_K, rows):
    """(bytes of all lines, a line feed between two of one row; offsets int64 [rows + 1])."""
    new_N1 = np.zeros(rows + 1, np.int64)
    for k in range(len(row_K)):
        new_N1[row_K[k] + 1] += end_K[k] - start_K[k] + (k > 0 and row_K[k - 1] == row_K[k])
    new_N1 = np.cumsum(new_N1)
    out, at = np.empty(new_N1[-1], np.uint8), 0
    for k in range(len(row_K)):
        if k > 0 and row_K[k - 1] == row_K[k]:
            out[at] = 10
            at += 1
        size = end_K[k] - start_K[k]
        out[at : at + size] = data[start_K[k] : end_K[k]]
        at += size
    return out, new_N1
