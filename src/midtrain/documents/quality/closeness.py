"""How close a document is to the wanted use, from a few hundred examples of it (DSIR's importance weights).

Words and word pairs are hashed to buckets. Each bucket has a frequency in the examples and one in the source; the log
of their ratio says how much more a word belongs to the wanted use than to what is there anyway (Xie et al. 2023, "Data
Selection for Language Models via Importance Resampling", section 3). DSIR's weight of a document is the sum of the
logs, which grows with its length; a score that is compared between documents is the mean, and the sum is the mean times
the count. A few hundred examples do not fill ten thousand buckets, so their counts are mixed with some words' worth of
the source: a bucket that no example holds is then rare instead of impossible.

A model is one float a bucket: 40 kB, fitted in seconds. It knows nothing but word choice; a classifier over the same
examples (`method: classifier`) also weighs words by how well they tell the two apart.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numba import njit

from midtrain.core.errors import UserError
from midtrain.text.ngrams import ngram_hashes, word_hashes


def fit_log_ratios(
    examples: pa.Array | pa.ChunkedArray,
    source: pa.Array | pa.ChunkedArray,
    buckets: int = 10_000,
    prior: float = 2000.0,
) -> np.ndarray:
    """float32 [buckets]: log (frequency in the examples / frequency in the source) of each bucket.

    With counts e and s, totals E and S, and q = (s + 1) / (S + buckets): log ((e + prior q) / (E + prior)) - log q.
    Raises UserError when the examples hold no word.
    """
    examples_B, source_B = _counts(examples, buckets), _counts(source, buckets)
    if not examples_B.any():
        raise UserError("The examples of the wanted use hold no words; name a file of texts.")
    frequency_B = (source_B + 1) / (source_B.sum() + buckets)
    smoothed_B = (examples_B + prior * frequency_B) / (examples_B.sum() + prior)
    return np.log(smoothed_B / frequency_B).astype(np.float32)


def closeness(texts: pa.Array | pa.ChunkedArray, log_ratio_B: np.ndarray) -> np.ndarray:
    """float32 [N]: the mean log ratio over the words and word pairs of each text; 0 for a text without words."""
    words = word_hashes(texts)
    pairs_G, pair_offsets_N1 = ngram_hashes(words, 2)
    return _mean_ratios(words.hashes_W, words.offsets_N1, pairs_G, pair_offsets_N1, log_ratio_B)


def save_log_ratios(log_ratio_B: np.ndarray, path: Path) -> None:
    """Write a model as a .npy file."""
    np.save(path, log_ratio_B)


def load_log_ratios(path: Path) -> np.ndarray:
    """A model that `save_log_ratios` wrote; raises UserError for what is none."""
    try:
        log_ratio_B = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a model of closeness ({error}); fit it again.") from None
    if log_ratio_B.ndim != 1 or log_ratio_B.dtype != np.float32 or not np.isfinite(log_ratio_B).all():
        raise UserError(f"{path} is not a model of closeness; fit it again.")
    return log_ratio_B


def _counts(texts: pa.Array | pa.ChunkedArray, buckets: int) -> np.ndarray:
    words = word_hashes(texts)
    return _count(words.hashes_W, buckets) + _count(ngram_hashes(words, 2)[0], buckets)


@njit(cache=True, nogil=True, inline="always")
def _bucket(value, buckets):
    """The upper half of a hash, spread over `buckets`."""
    return np.int64(((value >> np.uint64(32)) * np.uint64(buckets)) >> np.uint64(32))


@njit(cache=True, nogil=True)
def _count(hashes_H, buckets):
    counts_B = np.zeros(buckets, np.int64)
    for k in range(len(hashes_H)):
        counts_B[_bucket(hashes_H[k], buckets)] += 1
    return counts_B


@njit(cache=True, nogil=True)
def _mean_ratios(words_W, word_offsets_N1, pairs_G, pair_offsets_N1, log_ratio_B):
    mean_N = np.zeros(len(word_offsets_N1) - 1, np.float32)
    buckets = len(log_ratio_B)
    for i in range(len(mean_N)):
        total = 0.0
        for k in range(word_offsets_N1[i], word_offsets_N1[i + 1]):
            total += log_ratio_B[_bucket(words_W[k], buckets)]
        for k in range(pair_offsets_N1[i], pair_offsets_N1[i + 1]):
            total += log_ratio_B[_bucket(pairs_G[k], buckets)]
        count = word_offsets_N1[i + 1] - word_offsets_N1[i] + pair_offsets_N1[i + 1] - pair_offsets_N1[i]
        mean_N[i] = total / max(count, 1)
    return mean_N
