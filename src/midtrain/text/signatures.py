"""MinHash signatures: how much two documents share, read off a few numbers that are made once per document.

A document is the set of its shingles, the hashes of every 5 words in a row (ngrams.py), so case, punctuation and layout
do not count. A signature of P numbers is made so that each number is equal in two documents with a probability that is
the Jaccard similarity of their sets. The textbook way hashes every shingle P times. Here every shingle is hashed once
and falls into one of P bins, which keeps its least value; bins that stay empty, as they do in a short document, are
filled by hashing the set again until none is left ("Fast similarity sketching", Dahlgaard, Knudsen, Thorup 2017,
algorithm 1). That is as unbiased, varies no more than the textbook's, and costs a few percent of finding the words.

Locality-sensitive hashing cuts a signature into bands of r numbers: two documents of similarity s agree in all of one
band, and so become candidates, with probability 1 - (1 - s^r)^bands. A band is kept as one 64-bit key, which is all
that finding candidates needs: 112 bytes a document at 14 bands.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit

from midtrain.text.ngrams import mix, ngram_hashes, word_hashes

_EMPTY = 0xFFFFFFFF


def minhash(texts: pa.Array | pa.ChunkedArray, *, values: int = 112, ngram: int = 5) -> np.ndarray:
    """Signatures uint32 [N, values] of the shingles of `ngram` words of a column of texts without nulls.

    A document of fewer words is one shingle; one without words is 0xFFFFFFFF throughout, as no other is.
    """
    shingles_G, offsets_N1 = ngram_hashes(word_hashes(texts), ngram)
    signatures_NP = np.empty((len(offsets_N1) - 1, values), dtype=np.uint32)
    _sketch(shingles_G, offsets_N1, signatures_NP)
    return signatures_NP


def band_keys(signatures_NP: np.ndarray, bands: int) -> np.ndarray:
    """Keys uint64 [bands, N] of signatures [N, P]: equal where all P / bands numbers of a band are equal.

    A document without words has the key 0, which means: like no other document.
    """
    documents, values = signatures_NP.shape
    assert values % bands == 0, (values, bands)
    rows = values // bands
    keys_BN = np.zeros((bands, documents), dtype=np.uint64)
    for band in range(bands):
        for value_N in signatures_NP[:, band * rows : (band + 1) * rows].T:
            keys_BN[band] = _mix_all((keys_BN[band] + np.uint64(0x9E3779B97F4A7C15)) ^ value_N)
    keys_BN[keys_BN == 0] = 1
    keys_BN[:, (signatures_NP == _EMPTY).all(axis=1)] = 0
    return keys_BN


def shingle_sets(texts: pa.Array | pa.ChunkedArray, *, ngram: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Each document's set of shingles: (uint32 [S], rising within a document; int64 offsets per document [N+1]).

    32 bits of a hash: two sets of a million shingles appear to share about 200 that they do not.
    """
    shingles_G, offsets_N1 = ngram_hashes(word_hashes(texts), ngram)
    documents_G = np.repeat(np.arange(len(offsets_N1) - 1, dtype=np.uint64), np.diff(offsets_N1))
    keyed_G = (documents_G << np.uint64(32)) | (shingles_G >> np.uint64(32))
    keyed_G.sort()
    new_G = np.ones(len(keyed_G), dtype=bool)
    np.not_equal(keyed_G[1:], keyed_G[:-1], out=new_G[1:])
    keyed_S = keyed_G[new_G]
    starts_N1 = np.searchsorted(keyed_S, np.arange(len(offsets_N1), dtype=np.uint64) << np.uint64(32))
    return keyed_S.astype(np.uint32), starts_N1.astype(np.int64)  # the cast keeps the lower half


@njit(cache=True, nogil=True)
def _mix_all(values_N):
    for i in range(len(values_N)):
        values_N[i] = mix(values_N[i])
    return values_N


@njit(cache=True, nogil=True)
def _sketch(shingles_G, offsets_N1, signatures_NP):
    values = signatures_NP.shape[1]
    filled_in_P = np.empty(values, dtype=np.int64)  # the round in which a bin got its value: later rounds leave it
    for d in range(len(offsets_N1) - 1):
        signature_P = signatures_NP[d]
        signature_P[:] = _EMPTY
        if offsets_N1[d] == offsets_N1[d + 1]:
            continue
        filled_in_P[:] = -1
        filled, turn = 0, 0
        while filled < values:
            for g in range(offsets_N1[d], offsets_N1[d + 1]):
                value = shingles_G[g] if turn == 0 else mix(shingles_G[g] + np.uint64(turn))
                low = np.uint32(min(value & np.uint64(0xFFFFFFFF), np.uint64(_EMPTY - 1)))
                # The upper half chooses the bin; from round P on, round P + b fills bin b, so that none stays empty.
                at = ((value >> np.uint64(32)) * np.uint64(values)) >> np.uint64(32)
                if turn >= values:
                    at = np.uint64(turn - values)
                if filled_in_P[at] < 0:
                    filled_in_P[at] = turn
                    signature_P[at] = low
                    filled += 1
                elif low < signature_P[at] and filled_in_P[at] == turn:
                    signature_P[at] = low
            turn += 1
