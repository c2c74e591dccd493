"""The arithmetic of repeated passages: which windows of n words (50) were read before. Arrays in, arrays out.

Keeping every window of a corpus takes 16 bytes a word, three times its text. Nearly all of that is saved by looking at
few of them first. In every window the least of the hashes of its n / 2-word n-grams is its anchor; neighbours mostly
share one, so there is about one anchor in n / 4 words. Equal windows have equal anchors, so a window whose anchor
occurs once occurs once itself ("Winnowing", Schleimer, Wilkerson, Aiken 2003), and only the others are kept and
compared, exactly (up to a 64-bit collision: 3 in a million for 10 billion windows).

A place is the number of a word in its shard, and of the window that begins there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from midtrain.text.arrow import text_buffers
from midtrain.text.ngrams import Words, ngram_hashes, word_hashes


class Windows(NamedTuple):
    """Windows of a shard, sorted by hash and then by place."""

    hashes_Q: np.ndarray
    places_Q: np.ndarray


class Spans(NamedTuple):
    """Bytes to cut: [start, end) of the text in row `row`, rising, never touching."""

    rows_K: np.ndarray
    starts_K: np.ndarray
    ends_K: np.ndarray

    def within(self, start: int, stop: int) -> Spans:
        """Those of the rows from `start` to before `stop`, as rows of that part."""
        first, last = np.searchsorted(self.rows_K, [start, stop])
        rows_K, starts_K, ends_K = (values_K[first:last] for values_K in self)
        return Spans(rows_K - start, starts_K, ends_K)


def anchors(columns: Iterable[pa.Array], n: int) -> np.ndarray:
    """The anchors of a shard, uint64, rising; one that stands at two places is there twice."""
    found = [_anchored(word_hashes(column), n)[0] for column in columns]
    return np.sort(np.concatenate([np.zeros(0, dtype=np.uint64), *found]))


def repeated(shards: Sequence[np.ndarray], low: int, high: int) -> np.ndarray:
    """Which hashes of [low, high) occur twice or more in sorted arrays, uint64, rising."""
    hashes_A = np.sort(np.concatenate([shard[_between(shard, low, high)] for shard in shards]))
    return np.unique(hashes_A[1:][hashes_A[1:] == hashes_A[:-1]])


def windows(columns: Iterable[pa.Array], n: int, repeated_R: np.ndarray) -> Windows:
    """The windows of a shard whose anchor is one of `repeated_R` (rising)."""
    hashes, places, base = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int64)], 0
    for column in columns:
        words = word_hashes(column)
        anchors_A, anchor_Q, places_Q = _anchored(words, n)
        if len(repeated_R) and len(anchors_A):
            at_A = np.minimum(np.searchsorted(repeated_R, anchors_A), len(repeated_R) - 1)
            wanted_Q = (repeated_R[at_A] == anchors_A)[anchor_Q]
            ngrams_G, offsets_N1 = ngram_hashes(words, n)
            whole_G = np.repeat(np.diff(words.offsets_N1) >= n, np.diff(offsets_N1))  # not those of short documents
            hashes.append(ngrams_G[whole_G][wanted_Q])
            places.append(places_Q[wanted_Q] + base)
        base += len(words.hashes_W)
    hashes_Q, places_Q = np.concatenate(hashes), np.concatenate(places)
    order_Q = np.argsort(hashes_Q, kind="stable")
    return Windows(hashes_Q[order_Q], places_Q[order_Q])


def first_and_later(shards: Sequence[Windows], low: int, high: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of the hashes in [low, high) that occur twice or more: per shard the places that are their first, and the others.

    First is by the order of the shards, then by place. Places are rising.
    """
    slices = [_between(shard.hashes_Q, low, high) for shard in shards]
    hashes_Q = np.concatenate([shard.hashes_Q[s] for shard, s in zip(shards, slices, strict=True)])
    places_Q = np.concatenate([shard.places_Q[s] for shard, s in zip(shards, slices, strict=True)])
    shard_Q = np.repeat(np.arange(len(shards)), [s.stop - s.start for s in slices])
    order_Q = np.argsort(hashes_Q, kind="stable")
    later_Q = np.zeros(len(order_Q), dtype=bool)
    later_Q[1:] = hashes_Q[order_Q][1:] == hashes_Q[order_Q][:-1]
    first_Q = np.zeros(len(order_Q), dtype=bool)
    first_Q[:-1] = later_Q[1:] & ~later_Q[:-1]
    firsts, laters = (
        _by_shard(shard_Q[at_Q], places_Q[at_Q], len(shards)) for at_Q in (order_Q[first_Q], order_Q[later_Q])
    )
    return list(zip(firsts, laters, strict=True))


def spans(columns: Iterable[pa.Array], n: int, first: np.ndarray, later: np.ndarray) -> Spans:
    """What to cut from a shard: the words of `later` windows that are in no `first` one.

    A span reaches to the next word that stays, or to the end of the text, and so takes what is written between.
    """
    empty = np.zeros(0, dtype=np.int64)
    parts = [(empty, empty, empty)]
    base, row = 0, 0
    for column in columns:
        words = word_hashes(column)
        count = len(words.hashes_W)
        cut_W = _covered(later, n, base, count) & ~_covered(first, n, base, count)
        if cut_W.any():
            rows_K, starts_K, ends_K = _runs(cut_W, words, text_buffers(column)[0])
            parts.append((rows_K + row, starts_K, ends_K))
        base += count
        row += len(column)
    return Spans(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def cut(texts: pa.Array, found: Spans) -> pa.Array:
    """`texts` (row 0 is row 0 of `found`) without the bytes of `found`, large_string [N]."""
    offsets_N1, data_U = text_buffers(texts)
    data_U = data_U[offsets_N1[0] : offsets_N1[-1]]
    offsets_N1 = offsets_N1 - offsets_N1[0]
    change_U1 = np.zeros(len(data_U) + 1, dtype=np.int8)
    change_U1[offsets_N1[found.rows_K] + found.starts_K] += 1
    change_U1[offsets_N1[found.rows_K] + found.ends_K] -= 1
    stays_U = np.cumsum(change_U1[:-1], dtype=np.int8) == 0
    gone_N1 = np.zeros(len(offsets_N1), dtype=np.int64)
    np.add.at(gone_N1, found.rows_K + 1, found.ends_K - found.starts_K)
    buffers = [None, pa.py_buffer(offsets_N1 - np.cumsum(gone_N1)), pa.py_buffer(data_U[stays_U])]
    return pa.Array.from_buffers(pa.large_string(), len(texts), buffers)


def ranges(entries: int, most: int) -> Iterator[tuple[int, int]]:
    """Ranges [low, high) of all 64-bit hashes in which about `most` of `entries` uniform ones lie."""
    count = max(-(-entries // most), 1)
    for number in range(count):
        yield (number << 64) // count, ((number + 1) << 64) // count


def _by_shard(shard_Q: np.ndarray, places_Q: np.ndarray, shards: int) -> list[np.ndarray]:
    order_Q = np.lexsort((places_Q, shard_Q))
    return np.split(places_Q[order_Q], np.searchsorted(shard_Q[order_Q], np.arange(1, shards)))


def _between(hashes: np.ndarray, low: int, high: int) -> slice:
    start = int(np.searchsorted(hashes, np.uint64(low)))
    stop = len(hashes) if high >= 1 << 64 else int(np.searchsorted(hashes, np.uint64(high)))
    return slice(start, stop)


def _anchored(words: Words, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The anchors uint64 [A]; for every window which of them is its own int64 [Q], and its place int64 [Q]."""
    short = n // 2
    ngrams_G, offsets_N1 = ngram_hashes(words, short)
    counts_N = np.maximum(np.diff(words.offsets_N1) - n + 1, 0)
    least_Q = np.empty(counts_N.sum(), dtype=np.int64)
    places_Q = np.empty(len(least_Q), dtype=np.int64)
    _least(ngrams_G, offsets_N1, words.offsets_N1, counts_N, n - short + 1, least_Q, places_Q)
    new_Q = np.ones(len(least_Q), dtype=bool)
    np.not_equal(least_Q[1:], least_Q[:-1], out=new_Q[1:])
    return ngrams_G[least_Q[new_Q]], np.cumsum(new_Q) - 1, places_Q


@njit(cache=True, nogil=True)
def _least(ngrams_G, offsets_N1, word_offsets_N1, counts_N, width, least_Q, places_Q):
    """For every window the index of the least of its `width` n-grams, the last one where two are least."""
    out = 0
    for d in range(len(counts_N)):
        least = -1
        for q in range(counts_N[d]):
            low = offsets_N1[d] + q
            if least < low:
                least = low
                for g in range(low + 1, low + width):
                    if ngrams_G[g] <= ngrams_G[least]:
                        least = g
            elif ngrams_G[low + width - 1] <= ngrams_G[least]:
                least = low + width - 1
            least_Q[out], places_Q[out] = least, word_offsets_N1[d] + q
            out += 1


def _covered(places: np.ndarray, n: int, base: int, count: int) -> np.ndarray:
    """bool [count]: the words from `base` on that lie in a window of n words at one of `places` (rising)."""
    mine = places[slice(*np.searchsorted(places, [base, base + count]))] - base
    change = np.zeros(count + 1, dtype=np.int32)
    change[mine] += 1  # places are distinct
    change[mine + n] -= 1
    return np.cumsum(change[:-1]) > 0


def _runs(cut_W: np.ndarray, words: Words, offsets_N1: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, first bytes and ends of the runs of words to cut."""
    lengths_N = np.diff(words.offsets_N1)
    row_W = np.repeat(np.arange(len(lengths_N)), lengths_N)
    begins_W = cut_W.copy()
    begins_W[1:] &= ~cut_W[:-1] | (row_W[1:] != row_W[:-1])
    ends_W = cut_W.copy()
    ends_W[:-1] &= ~cut_W[1:] | (row_W[1:] != row_W[:-1])
    begin_K, last_K = np.flatnonzero(begins_W), np.flatnonzero(ends_W)
    rows_K = row_W[begin_K]
    at_end_K = last_K + 1 == words.offsets_N1[rows_K + 1]
    following_K = words.starts_W[np.minimum(last_K + 1, len(cut_W) - 1)].astype(np.int64)
    return (
        rows_K,
        words.starts_W[begin_K].astype(np.int64),
        np.where(at_end_K, np.diff(offsets_N1)[rows_K], following_K),
    )
