"""Looking for an index's items in texts: which, where, how much of them, with their numbers and their answer or not.

First pass (`_find`), one walk over the words of every document: windows that the index knows open or extend a cluster
for each entry that has them; a cluster that has met no window for 2n + 1 words more than lie between the two in the
entry itself is closed, and kept when it gathered half the entry's weight, each window counted once. Second pass
(`_judge`), over those few: do the numbers agree in their order, where the entry would stand if all of it were there;
and does the answer follow within twice its length, at least a hundred words. A question whose whole worked answer
follows may lack more of its words than one that stands alone.

Legend: N documents, W their words, M matches; E, G, P as in index.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from midtrain.documents.decontamination.config import KINDS
from midtrain.documents.decontamination.index import ANCHOR, NUMBER, PARTS, PASSAGE, Index
from midtrain.text.ngrams import BASE, Words, leaving_weight, mix, word_hashes

MATCHES = pa.schema(
    [
        ("row", pa.int64()),
        ("item", pa.string()),
        ("benchmark", pa.string()),
        ("part", pa.string()),
        ("kind", pa.string()),
        ("score", pa.float32()),
        ("numbers", pa.float32()),
        ("answer", pa.float32()),
        ("start", pa.int32()),
        ("end", pa.int32()),
    ]
)
"""One match: document row, item, its part (question, passage, answer), the kind (see config.KINDS), the share of its
weight that was found, of its numbers in their order, of its answer; and the bytes of the document it spans."""

_NEAR = 0.5
"""The share of weight from which on a match is reported at all; enough where the whole worked answer follows."""
_NUMBERS_AGREE = 0.9
_ANSWER_FOUND, _ANSWER_WHOLE = 0.6, 0.8
_SHORT_ANSWER_WORDS = 8
_ANSWER_WITHIN = 100
_LONGEST_NUMBERS = 512


def scan(index: Index, texts: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The matches (MATCHES) of a column of texts, by row and place. A pure function of its arguments."""
    column = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    words = word_hashes(column)
    found = _search(index, words)
    count = len(found.row_M)
    numbers_M, answer_M = np.ones(count, dtype=np.float32), np.zeros(count, dtype=np.float32)
    final_M = np.zeros(count, dtype=bool)
    if index.whole:
        _judge(
            words, found, index.part_E != PASSAGE, index.entries, index.finals, index.answer_windows,
            index.answer_weights, index.ngram, numbers_M, answer_M, final_M,
        )  # fmt: skip
    kind_M = _kinds(index, found, numbers_M, answer_M, final_M)
    item_M = index.item_E[found.entry_M]
    columns: dict[str, Any] = {
        "row": found.row_M,
        "item": [index.items[i].id for i in item_M],
        "benchmark": [index.items[i].benchmark for i in item_M],
        "part": [PARTS[part] for part in index.part_E[found.entry_M]],
        "kind": [KINDS[kind] for kind in kind_M],
        "score": found.score_M,
        "numbers": numbers_M,
        "answer": np.where(final_M, np.float32(1), answer_M),
        "start": words.starts_W[found.span_M4[:, 0]],
        "end": words.ends_W[found.span_M4[:, 1] - 1],
    }
    kept = np.flatnonzero(kind_M >= 0)
    order = np.lexsort((found.entry_M[kept], found.span_M4[kept, 0]))
    return pa.table(columns, schema=MATCHES).take(kept[order])


class _Found(NamedTuple):
    """What the first pass writes, M matches or as many as have room."""

    row_M: np.ndarray
    entry_M: np.ndarray
    score_M: np.ndarray
    """float32: the share of the entry's weight."""
    span_M4: np.ndarray
    """int64: the first word that was found and one past the last, counted over all documents; and the same of the words
    where the whole entry would stand."""

    @staticmethod
    def empty(size: int) -> _Found:
        row_M, entry_M = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int32)
        return _Found(row_M, entry_M, np.empty(size, dtype=np.float32), np.empty((size, 4), dtype=np.int64))


def _search(index: Index, words: Words) -> _Found:
    """The first pass, with room for all it finds."""
    capacity = 1024
    while True:
        found = _Found.empty(capacity)
        count = _find(
            words, index.windows, index.weight_G, index.entries, index.total_E, index.ngram, index.whole, found
        )
        if len(index.anchors.keys):
            count = _find_short(words, index.anchors, index.entries, found, count)
        if count <= capacity:
            return _Found(*(column[:count] for column in found))
        capacity = count


def _kinds(index: Index, found: _Found, numbers_M: np.ndarray, answer_M: np.ndarray, final_M: np.ndarray) -> np.ndarray:
    """The place in KINDS of each match; -1 for the part of a passage, which is no match."""
    names = {name: place for place, name in enumerate(KINDS)}
    entry_M = found.entry_M
    if not index.whole:
        return np.full(len(entry_M), names["ngram"])
    agree = numbers_M >= _NUMBERS_AGREE
    surely = agree & (found.score_M >= index.threshold_E[entry_M])
    answered = (surely & (final_M | (answer_M >= _ANSWER_FOUND))) | (agree & (answer_M >= _ANSWER_WHOLE))
    alone = np.where(index.total_E[entry_M] == 0, names["short"], names["question"])
    question = np.where(answered, names["answered"], np.where(surely, alone, names["near"]))
    return np.where(index.part_E[entry_M] == PASSAGE, np.where(surely, names["passage"], -1), question)


@njit(cache=True, nogil=True)
def _maybe(bits, value):
    """False for most hashes that are no key."""
    bit = value & np.uint64(len(bits) * 8 - 1)
    return (bits[bit >> np.uint64(3)] >> np.uint8(bit & np.uint64(7))) & np.uint8(1) != 0


@njit(cache=True, nogil=True)
def _place(hashes, value, low, high):
    """Where `value` stands in hashes[low:high], which rise; -1 if it does not."""
    stop = high
    while low < high:
        middle = (low + high) >> 1
        if hashes[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low if low < stop and hashes[low] == value else -1


@njit(cache=True, nogil=True)
def _keep(found, out, row, entry, score, first, end, begin, stop):
    """Writes match number `out` if it has room; returns the next number."""
    if out < len(found.row_M):
        found.row_M[out], found.entry_M[out], found.score_M[out] = row, entry, score
        found.span_M4[out, 0], found.span_M4[out, 1] = first, end
        found.span_M4[out, 2], found.span_M4[out, 3] = begin, stop
    return out + 1


@njit(cache=True, nogil=True)
def _close(found, out, words, d, e, entries, total_E, gathered_E, least_E, span_E6, n):
    """Keeps the cluster of entry e in document d if it gathered enough; returns the next number."""
    if gathered_E[e] < least_E[e]:
        return out
    first, last, end = span_E6[e, 0], span_E6[e, 1], span_E6[e, 1] + n
    size = entries.offsets[e + 1] - entries.offsets[e]
    begin = max(words.offsets_N1[d], first - span_E6[e, 3])
    stop = max(end, min(words.offsets_N1[d + 1], last + size - span_E6[e, 4]))
    return _keep(found, out, d, e, gathered_E[e] / total_E[e], first, end, begin, stop)


@njit(cache=True, nogil=True)
def _find(words, windows, weight_G, entries, total_E, n, whole, found):
    """Fills in the clusters of long entries; returns how many there are, which may be more than had room."""
    hashes_W, offsets_N1, bits = words.hashes_W, words.offsets_N1, windows.bits
    leaving, gap, out, clusters = leaving_weight(n), 2 * n + 1, 0, 0
    least_E = total_E * (_NEAR if whole else 0.0)
    gathered_E = np.zeros(len(total_E))
    span_E6 = np.zeros((len(total_E), 6), dtype=np.int64)  # its first, last new and last window; their places in e
    cluster_E = np.zeros(len(total_E), dtype=np.int64)  # its number; 0: none is open
    open_E = np.empty(len(total_E), dtype=np.int32)  # the entries with an open cluster in this document
    counted_P = np.zeros(len(windows.entries), dtype=np.int64)  # the last cluster that counted the posting
    odd = np.uint64(whole)  # the bit that makes a hash a number; without it, numbers are words like others
    for d in range(len(offsets_N1) - 1):
        begin, opened, value = offsets_N1[d], 0, np.uint64(0)
        for i in range(begin, offsets_N1[d + 1]):
            value = value * BASE + (NUMBER if hashes_W[i] & odd else hashes_W[i])
            if i - begin < n - 1:
                continue
            if i - begin >= n:
                value -= leaving * (NUMBER if hashes_W[i - n] & odd else hashes_W[i - n])
            key = mix(value)
            if not _maybe(bits, key):
                continue
            g = _place(windows.keys, key, 0, len(windows.keys))
            if g < 0:
                continue
            start = i - n + 1
            for p in range(windows.offsets[g], windows.offsets[g + 1]):
                e = windows.entries[p]
                fresh = cluster_E[e] == 0
                if fresh:
                    open_E[opened] = e
                    opened += 1
                elif start - span_E6[e, 2] > gap + max(0, windows.places[p] - span_E6[e, 5]):
                    fresh = True
                    out = _close(found, out, words, d, e, entries, total_E, gathered_E, least_E, span_E6, n)
                if fresh:
                    clusters += 1
                    cluster_E[e], gathered_E[e] = clusters, 0.0
                    span_E6[e, 0], span_E6[e, 3] = start, windows.places[p]
                span_E6[e, 2], span_E6[e, 5] = start, windows.places[p]
                if counted_P[p] != cluster_E[e]:  # one that comes again, as in the solution, is no longer the question
                    counted_P[p] = cluster_E[e]
                    gathered_E[e] += weight_G[g]
                    span_E6[e, 1], span_E6[e, 4] = start, windows.places[p]
        for k in range(opened):
            e = open_E[k]
            out = _close(found, out, words, d, e, entries, total_E, gathered_E, least_E, span_E6, n)
            cluster_E[e] = 0
    return out


@njit(cache=True, nogil=True)
def _find_short(words, anchors, entries, found, out):
    """Adds the short entries that stand word for word; returns the new number of matches."""
    hashes_W, offsets_N1, bits = words.hashes_W, words.offsets_N1, anchors.bits
    leaving = leaving_weight(ANCHOR)
    for d in range(len(offsets_N1) - 1):
        begin, stop, value = offsets_N1[d], offsets_N1[d + 1], np.uint64(0)
        for i in range(begin, stop):
            value = value * BASE + hashes_W[i]
            if i - begin >= ANCHOR:
                value -= leaving * hashes_W[i - ANCHOR]
            key = mix(value)
            if i - begin < ANCHOR - 1 or not _maybe(bits, key):
                continue
            a = _place(anchors.keys, key, 0, len(anchors.keys))
            if a < 0:
                continue
            for p in range(anchors.offsets[a], anchors.offsets[a + 1]):
                e = anchors.entries[p]
                lo, size = entries.offsets[e], entries.offsets[e + 1] - entries.offsets[e]
                at = i - ANCHOR + 1 - anchors.places[p]
                if at >= begin and at + size <= stop and _same(hashes_W, at, entries.hashes, lo, size):
                    out = _keep(found, out, d, e, 1.0, at, at + size, at, at + size)
    return out


@njit(cache=True, nogil=True)
def _same(a, at, b, lo, size):
    """Whether `size` words of a from `at` are those of b from `lo`."""
    k = 0
    while k < size and a[at + k] == b[lo + k]:
        k += 1
    return k == size


@njit(cache=True, nogil=True)
def _judge(words, found, numbered_E, entries, finals, windows, weights, n, numbers_M, answer_M, final_M):
    """The second pass: the share of numbers and of the answer of each match."""
    hashes_W = words.hashes_W
    row = np.zeros(_LONGEST_NUMBERS + 1, dtype=np.int64)
    counted = np.zeros(len(windows.hashes), dtype=np.int64)
    for m in range(len(found.row_M)):
        e, end = found.entry_M[m], found.span_M4[m, 3]
        lo, hi = entries.offsets[e], entries.offsets[e + 1]
        if numbered_E[e]:
            numbers_M[m] = _numbers_in_order(hashes_W, found.span_M4[m, 2], end, entries.hashes, lo, hi, row)
        first, last = windows.offsets[e], windows.offsets[e + 1]
        lo, size = finals.offsets[e], finals.offsets[e + 1] - finals.offsets[e]
        within = min(words.offsets_N1[found.row_M[m] + 1], end + max(_ANSWER_WITHIN, 2 * (last - first + n)))
        if 0 < size <= _SHORT_ANSWER_WORDS:
            for at in range(end, within - size + 1):
                if _same(hashes_W, at, finals.hashes, lo, size):
                    final_M[m] = True
                    break
        if last > first:
            answer_M[m] = _answer_share(hashes_W, end, within, windows, weights, first, last, n, counted, m + 1)


@njit(cache=True, nogil=True)
def _numbers_in_order(hashes_W, begin, end, hashes, lo, hi, row):
    """The longest common subsequence of the numbers of a span and of an entry, as a share of the entry's (1 of none).

    At most 512 numbers of each are read.
    """
    mine = np.empty(_LONGEST_NUMBERS, dtype=np.uint64)
    count, total = 0, 0
    for i in range(begin, end):
        if hashes_W[i] & np.uint64(1) and count < _LONGEST_NUMBERS:
            mine[count] = hashes_W[i]
            count += 1
    row[: count + 1] = 0
    for k in range(lo, hi):
        if hashes[k] & np.uint64(1) and total < _LONGEST_NUMBERS:
            total += 1
            diagonal = 0
            for j in range(count):
                above = row[j + 1]
                row[j + 1] = diagonal + 1 if mine[j] == hashes[k] else max(above, row[j])
                diagonal = above
    return row[count] / total if total else 1.0


@njit(cache=True, nogil=True)
def _answer_share(hashes_W, begin, end, windows, weights, first, last, n, counted, mark):
    """The weight of the answer's windows that stand between two words, as a share of all of them."""
    leaving, value, found, total = leaving_weight(n), np.uint64(0), 0.0, 0.0
    for i in range(begin, end):
        value = value * BASE + hashes_W[i]
        if i - begin >= n:
            value -= leaving * hashes_W[i - n]
        if i - begin < n - 1:
            continue
        k = _place(windows.hashes, mix(value), first, last)
        if k >= 0 and counted[k] != mark:
            counted[k] = mark
            found += weights[k]
    for k in range(first, last):
        total += weights[k]
    return found / total
