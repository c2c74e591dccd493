"""Which 64-bit keys came before: an exact set in 8 bytes a key, asked a batch at a time.

A Python set of a hundred million ids would take 10 GB. Here sorted runs double in size, as the bits of a binary
counter carry: a batch is looked up in every run (a binary search), and joins them as a new run. Keys are the first
half of a content hash, so a new document is taken for one of n old ones with probability n / 2**64 (for a billion
documents: 5e-11).
"""

from __future__ import annotations

import numpy as np


class SeenKeys:
    """A growing set of uint64 keys."""

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs)

    def add(self, keys_N: np.ndarray) -> np.ndarray:
        """Add keys; returns bool [N]: True for the first appearance of a key, within the batch too."""
        sorted_U, first_U = np.unique(keys_N, return_index=True)
        new_U = np.ones(len(sorted_U), dtype=bool)
        for run in self._runs:
            at_U = np.minimum(np.searchsorted(run, sorted_U), len(run) - 1)
            new_U &= run[at_U] != sorted_U
        if new_U.any():
            self._join(sorted_U[new_U])
        first_N = np.zeros(len(keys_N), dtype=bool)
        first_N[first_U[new_U]] = True
        return first_N

    def _join(self, run: np.ndarray) -> None:
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        self._runs.append(run)
