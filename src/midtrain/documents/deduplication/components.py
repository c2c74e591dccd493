"""The arithmetic of near duplicates: who might be alike, who is, and who stays. Arrays in, arrays out; no text here.

    band keys --sort, one band at a time--> buckets --true Jaccard--> components --best first--> keepers

Two safeguards against the way near-duplicate removal goes wrong (a chain of documents, each like the next, that ends
in one document standing for a million strangers). No edge is believed: the shingle sets of both ends are compared. And
nothing is dropped for being in a component: a document is dropped only if it is itself within the threshold of the
kept one, so a group never reaches further than that from its keeper.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numba import njit

MOST_KEEPERS = 1000
"""A document is compared with this many kept ones of its component; what is like none of them stays."""


def buckets(keys_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Documents that share a key of one band: (numbers int64 [M], rising in a bucket; bucket offsets int64 [U+1]).

    Buckets of one are left out, and so is the key 0. A key and a document's number are sorted as one 64-bit value, so
    the memory is two arrays of 8 bytes a document; the number takes the place of the key's lowest bits, and for 100
    million documents the 37 that are left bring some 40,000 chance meetings, which the comparison of sets undoes.
    """
    mask = np.uint64((1 << max(len(keys_N) - 1, 1).bit_length()) - 1)
    packed_N = (keys_N & ~mask) | np.arange(len(keys_N), dtype=np.uint64)
    if not keys_N.all():
        packed_N = packed_N[keys_N != 0]
    packed_N.sort()
    same_N = (packed_N[1:] ^ packed_N[:-1]) <= mask
    shared_N = np.zeros(len(packed_N), dtype=bool)
    shared_N[1:] = same_N
    first_N = np.zeros(len(packed_N), dtype=bool)
    first_N[:-1] = same_N & ~shared_N[:-1]
    members_N = shared_N | first_N
    starts_U = np.flatnonzero(first_N[members_N])
    numbers_M = (packed_N[members_N] & mask).astype(np.int64)
    return numbers_M, np.append(starts_U, len(numbers_M)).astype(np.int64)


def in_buckets(bands: Iterable[np.ndarray], documents: int) -> np.ndarray:
    """bool [N]: the documents that share a bucket with another in one of the bands (keys uint64 [N] each)."""
    found_N = np.zeros(documents, dtype=bool)
    for keys_N in bands:
        found_N[buckets(keys_N)[0]] = True
    return found_N


def components(
    bands: Iterable[np.ndarray], shingles_S: np.ndarray, offsets_N1: np.ndarray, threshold: float
) -> np.ndarray:
    """The component of each document, int64 [N]: the lowest number that a chain of verified pairs leads to.

    `bands` are the keys of each band, uint64 [N]; shingles and offsets are those of `shingle_sets`.
    """
    parent_N = np.arange(len(offsets_N1) - 1, dtype=np.int64)
    for keys_N in bands:
        _join(*buckets(keys_N), _read_only(shingles_S), offsets_N1, threshold, parent_N)
    return _roots(parent_N)


def keepers(
    component_N: np.ndarray, rank_N: np.ndarray, shingles_S: np.ndarray, offsets_N1: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Who stays: (keeper int64 [N], itself for what stays; similarity to the keeper float32 [N]).

    Within a component the document of the lowest rank stays and takes with it what is within the threshold of it; then
    the next of what is left, and so on.
    """
    order_N = np.lexsort((rank_N, component_N))
    keeper_N = np.arange(len(component_N), dtype=np.int64)
    similarity_N = np.ones(len(component_N), dtype=np.float32)
    _choose(order_N, component_N, _read_only(shingles_S), offsets_N1, threshold, MOST_KEEPERS, keeper_N, similarity_N)
    return keeper_N, similarity_N


def _read_only(array: np.ndarray) -> np.ndarray:
    """The same memory as a mapped file is seen, so that a kernel is compiled for one kind of array."""
    view = array.view()
    view.flags.writeable = False
    return view


@njit(cache=True, nogil=True)
def _jaccard(shingles_S, offsets_N1, a, b, threshold):
    """The Jaccard similarity of two sets, or 0 as soon as it is sure to be below the threshold."""
    i, i_end, j, j_end = offsets_N1[a], offsets_N1[a + 1], offsets_N1[b], offsets_N1[b + 1]
    size = (i_end - i) + (j_end - j)
    missable = size - 2.0 * np.ceil(threshold / (1.0 + threshold) * size - 1e-6)  # elements without a partner
    both, missed = 0, 0
    while i < i_end and j < j_end and missed <= missable:
        left, right = shingles_S[i], shingles_S[j]
        both += left == right
        missed += left != right
        i += left <= right
        j += right <= left
    similarity = both / max(size - both, 1)
    return similarity if similarity >= threshold else 0.0


@njit(cache=True, nogil=True)
def _root(parent_N, at):
    while parent_N[at] != at:
        parent_N[at] = parent_N[parent_N[at]]  # halves the path: no recursion, however long the chain
        at = parent_N[at]
    return at


@njit(cache=True, nogil=True)
def _roots(parent_N):
    for at in range(len(parent_N)):
        parent_N[at] = _root(parent_N, at)
    return parent_N


@njit(cache=True, nogil=True)
def _join(numbers_M, starts_U1, shingles_S, offsets_N1, threshold, parent_N):
    """Join the alike of every bucket: each member is compared with the members before it that are like no other."""
    leaders = np.empty(16, dtype=np.int64)
    for u in range(len(starts_U1) - 1):
        leading = 0
        for m in range(starts_U1[u], starts_U1[u + 1]):
            member, joined = numbers_M[m], False
            for k in range(leading):
                mine, other = _root(parent_N, member), _root(parent_N, leaders[k])
                joined = mine == other or _jaccard(shingles_S, offsets_N1, member, leaders[k], threshold) > 0.0
                if joined:
                    parent_N[max(mine, other)] = min(mine, other)
                    break
            if not joined and leading < len(leaders):
                leaders[leading] = member
                leading += 1


@njit(cache=True, nogil=True)
def _choose(order_N, component_N, shingles_S, offsets_N1, threshold, most, keeper_N, similarity_N):
    kept = np.empty(most, dtype=np.int64)
    keeping, component = 0, -1
    for at in order_N:
        if component_N[at] != component:
            component, keeping = component_N[at], 0
        for k in range(keeping):
            similarity = _jaccard(shingles_S, offsets_N1, at, kept[k], threshold)
            if similarity > 0.0:
                keeper_N[at], similarity_N[at] = kept[k], similarity
                break
        if keeper_N[at] == at and keeping < most:
            kept[keeping] = at
            keeping += 1
