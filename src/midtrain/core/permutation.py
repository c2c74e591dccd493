"""Keyed permutations of any range, random access, no memory.

A Feistel network over a power of two of at least `size` values, with cycle walking back into the range, is a
bijection for any key. It gives the k-th element of a shuffle of 10^9 instances without making the shuffle, so a
resumed run looks up its order instead of replaying it. A linear congruential order, the usual shortcut, leaves
neighbours correlated; rounds of a good integer mixer do not.
"""

from __future__ import annotations

import hashlib

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
        self._mask = np.uint64((1 << (bits // 2)) - 1)
        self._keys = [np.uint64(derive_key(key, round_)) for round_ in range(_ROUNDS)]

    def __call__(self, indices: np.ndarray | int) -> np.ndarray | int:
        """Map indices in [0, size) to their places; an int gives an int, an array an int64 array."""
        if isinstance(indices, (int, np.integer)):
            return int(self._walk(np.array([indices], dtype=np.uint64))[0])
        return self._walk(np.asarray(indices).astype(np.uint64)).astype(np.int64)

    def _walk(self, values: np.ndarray) -> np.ndarray:
        assert values.size == 0 or int(values.max()) < self.size
        values = self._rounds(values)
        outside = np.flatnonzero(values >= self.size)
        while outside.size:
            values[outside] = self._rounds(values[outside])
            outside = outside[values[outside] >= self.size]
        return values

    def _rounds(self, values: np.ndarray) -> np.ndarray:
        left, right = values >> self._half, values & self._mask
        for key in self._keys:
            mixed = right + key
            mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
            mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
            mixed ^= mixed >> np.uint64(31)
            left, right = right, left ^ (mixed & self._mask)
        return (left << self._half) | right
