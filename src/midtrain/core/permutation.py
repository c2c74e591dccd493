"""Keyed permutations of any range, random access, no memory.

A Feistel network over a power of two of at least `size` values, with cycle walking back into the range, is a
bijection for any key. It gives the k-th element of a shuffle of 10^9 instances without making the shuffle, so a
resumed run looks up its order instead of replaying it. A linear congruential order, the usual shortcut, leaves
neighbours correlated; rounds of a good integer mixer do not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

_ROUNDS = 6
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)  # the multipliers of SplitMix64 (Steele, Lea, Flood 2014)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def derive_key(*parts: int | str) -> int:
    """A 64-bit key from named parts, such as (seed, 'order', source, epoch); equal parts give equal keys."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


class Permutation:
    """A bijection of range(size), chosen by `key`; `permutation(indices)` maps an array or a number.

    Time is O(len(indices)), memory O(len(indices)). Sizes up to 2**62.
    """

    def __init__(self, size: int, key: int):
        assert 0 < size <= 2**62, size
        self.size = size
        # An even number of bits, so that both halves are equal and the network is balanced.
        bits = max(2, (size - 1).bit_length())
        bits += bits % 2
        self._half = np.uint64(bits // 2)
        self._keys = np.array([derive_key(key, round_) for round_ in range(_ROUNDS)], dtype=np.uint64)

    def __call__(self, indices: np.ndarray | int) -> np.ndarray | int:
        """Map indices in [0, size) to their places; an int gives an int, an array an int64 array."""
        if isinstance(indices, (int, np.integer)):
            return int(_walk(np.array([indices], dtype=np.uint64), np.uint64(self.size), self._half, self._keys)[0])
        values = np.asarray(indices).astype(np.uint64)
        return _walk(values, np.uint64(self.size), self._half, self._keys).astype(np.int64)


def permute_each(permutations: Sequence[Permutation], which: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """`permutations[which[i]](indices[i])` for all i at once, int64 [N].

    The work per call is that of one permutation of N indices, however many permutations there are: a batch drawn
    from fifty sources needs one pass, not fifty small ones.
    """
    sizes = np.array([one.size for one in permutations], dtype=np.uint64)
    halves = np.array([one._half for one in permutations], dtype=np.uint64)
    keys = np.array([one._keys for one in permutations], dtype=np.uint64).reshape(-1, _ROUNDS).T
    values = np.asarray(indices).astype(np.uint64)
    return _walk(values, sizes[which], halves[which], keys[:, which]).astype(np.int64)


def shuffled(size: int, key: int) -> np.ndarray:
    """All of range(size) in an order chosen by `key`, int64 [size]: a sort by SplitMix64 hashes.

    For small ranges that are wanted whole; ten times cheaper than walking a `Permutation` for every place.
    """
    state = np.uint64(key) + np.arange(1, size + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return np.argsort(state ^ (state >> np.uint64(31)), kind="stable")


def _walk(values: np.ndarray, size: Any, half: Any, keys: np.ndarray) -> np.ndarray:
    """The network, repeated where it leads out of range; `size` and `half` are scalars or [N], keys [6] or [6, N]."""
    assert np.all(values < size)
    values = _rounds(values, half, keys)
    outside = np.flatnonzero(values >= size)
    each = isinstance(size, np.ndarray)
    while outside.size:
        values[outside] = _rounds(values[outside], half[outside] if each else half, keys[:, outside] if each else keys)
        outside = outside[values[outside] >= (size[outside] if each else size)]
    return values


def _rounds(values: np.ndarray, half: Any, keys: np.ndarray) -> np.ndarray:
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = values >> half, values & mask
    for key in keys:
        mixed = right + key
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
        mixed ^= mixed >> np.uint64(31)
        left, right = right, left ^ (mixed & mask)
    return (left << half) | right
