"""Whole numbers of rows per block whose running sums never stray from the exact shares by a whole row.

The exact number of rows a source should have had by the end of a block is the sum of its weight over the blocks; the
quotas round it. Largest remainder on the running sums is the textbook rule, but a source worth less than one row per
block may then be given a row and asked for it back. This is the chairman assignment problem (Tijdeman 1980): the
k-th row of a source may be read once its exact sum exceeds k-1 and must be read by the time the sum reaches k. Unit
jobs with release times and deadlines on a machine of block-size capacity: taking the earliest deadline first meets
all of them, because the exact shares themselves are a (fractional) schedule that does. Equal deadlines go to the
largest remainder. The running sums are then always the floor or the ceiling of the exact ones.
"""

from __future__ import annotations

import numpy as np

_NOISE = 1e-6
"""Exact sums this close to a whole number are that number: far above float64's error, far below a row."""


def cumulative_quotas(shares_NS: np.ndarray, sizes_N: np.ndarray, start_S: np.ndarray) -> np.ndarray:
    """Rows read by source at the beginning of each block and after the last, int64 [N+1, S].

    `shares_NS` are the shares of block n's rows (each row sums to 1), `sizes_N` the rows of each block, `start_S`
    what was read before. Row n+1 minus row n are the quotas of block n: they sum to sizes_N[n], are never negative,
    and |row - start - exact running sum| < 1 for every block and source. Time O(N * S), about 10 microseconds a block.
    """
    exact_NS = np.cumsum(shares_NS * sizes_N[:, None], axis=0)
    whole_NS = np.rint(exact_NS)
    exact_NS = np.where(np.abs(exact_NS - whole_NS) < _NOISE, whole_NS, exact_NS)
    floor_NS, ceiling_NS = np.floor(exact_NS).astype(np.int64), np.ceil(exact_NS).astype(np.int64)
    # The block in which the row after the floor falls due, and within equal ones the largest remainder first.
    due_NS = np.stack(
        [np.searchsorted(exact, floor + 1) for exact, floor in zip(exact_NS.T, floor_NS.T, strict=True)], axis=1
    )
    urgency_NS = due_NS - (exact_NS - floor_NS)
    totals = np.cumsum(sizes_N).tolist()
    counts_NS = np.zeros((len(sizes_N) + 1, len(start_S)), dtype=np.int64)
    given_S = counts_NS[0]
    for block, total in enumerate(totals):
        given_S = np.maximum(given_S, floor_NS[block], out=counts_NS[block + 1])
        spare = total - int(given_S.sum())
        assert spare >= 0, "an exact schedule exists, so the earliest-deadline one never over-commits"
        if spare:
            urgency_S = urgency_NS[block]
            urgency_S[given_S >= ceiling_NS[block]] = np.inf
            given_S[urgency_S.argsort(kind="stable")[:spare]] += 1
    return counts_NS + start_S
