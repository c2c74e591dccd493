"""Classifies texts with a fastText model: the library's probabilities, from Arrow's bytes, without its lock.

fastText averages one row of its input matrix for each word, each hashed n-gram of words and each hashed n-gram of
characters, and puts a linear classifier on the mean. The library takes one Python string at a time under the
interpreter's lock; here a kernel walks the column. Row numbers are gathered first and rows added after, so that the
memory fetches, which are most of the work for a model of gigabytes, overlap instead of waiting for a hash each.

What the library does is kept to the letter, so that a threshold chosen elsewhere means the same here: a line end is a
space (the library refuses it, and everybody replaces it so), every text ends in the word </s>, words of the form
__label__x are left out, and a probability p is reported as p + 1e-5. A text of which nothing is known gets 0 for
every label.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from numba import njit

from midtrain.text.arrow import text_buffers
from midtrain.text.fasttext_file import FastTextFile

_END = np.frombuffer(b"</s>", dtype=np.uint8)
_LABEL = np.frombuffer(b"__label__", dtype=np.uint8)
_LITTLE = 1e-5

# Shapes: N texts, L labels, D dimensions, R rows, V entries of the dictionary, W words of a text.


class FastText:
    """A model ready to classify; `labels` without their prefix, in the model's order."""

    def __init__(self, file: FastTextFile):
        self.file = file
        self.labels = [label.removeprefix("__label__") for label in file.labels]
        slots = 1 << max(1, 2 * (len(file.starts_V1) - 1)).bit_length()
        self._table = _word_table(file.entries, file.starts_V1, np.full(slots, -1, np.int32))
        self._pruned = np.zeros((0, 2), np.int32) if file.pruned_P2 is None else np.ascontiguousarray(file.pruned_P2)
        self.dictionary = (
            *(_END, _LABEL, file.entries, file.starts_V1, file.words, self._table, self._pruned),
            *(file.word_ngrams, file.shortest, file.longest, file.buckets, file.pruned_P2 is None),
        )
        self._paths = _tree_paths(file.label_counts_L) if file.loss == "hierarchical softmax" else None

    @classmethod
    def open(cls, path: Path | str) -> FastText:
        """The model at `path`; raises UserError for what is none."""
        return cls(FastTextFile.open(path))

    def probabilities(self, texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
        """float32 [N, L]: the probability of each label as the library reports it (plus 1e-5; up to 1.00001)."""
        file = self.file
        offsets, data = text_buffers(texts)
        hidden_ND, known_N = _hidden(offsets, data, self.dictionary, file.input_RD)
        scores_NL = self._activate(hidden_ND @ file.output_LD.T)
        scores_NL[~known_N] = 0
        return scores_NL

    def _activate(self, logits_NL: np.ndarray) -> np.ndarray:
        """The probabilities that the model's loss makes of its outputs."""
        if self.file.loss == "softmax":
            powers_NL = np.exp(logits_NL - logits_NL.max(axis=1, keepdims=True))
            return powers_NL / powers_NL.sum(axis=1, keepdims=True) + np.float32(_LITTLE)
        if self._paths is None:
            return _table_sigmoid(logits_NL) + np.float32(_LITTLE)
        return _tree_probabilities(logits_NL, self._paths)


def open_fasttext(path: Path) -> FastText:
    """`FastText.open`, once a process and state of the file."""
    state = path.stat() if path.is_file() else None
    return _open_once(path, (state.st_mtime_ns, state.st_ino) if state else None)


@cache
def _open_once(path: Path, state: tuple[int, int] | None) -> FastText:
    return FastText.open(path)


def _table_sigmoid(x_NL: np.ndarray) -> np.ndarray:
    """The logistic function as the library tabulates it: 512 steps between -8 and 8."""
    table = (1 / (1 + np.exp(8 - np.arange(513) / 32))).astype(np.float32)
    inside = table[((np.clip(x_NL, -8, 8) + 8) * 32).astype(np.int64)]
    return np.where(x_NL < -8, np.float32(0), np.where(x_NL > 8, np.float32(1), inside))


def _tree_paths(counts_L: np.ndarray) -> list[list[tuple[int, bool]]]:
    """The way from the root of the Huffman tree to each label: (output row, whether to turn right)."""
    labels = len(counts_L)
    counts = [*counts_L.tolist(), *[10**15] * (labels - 1)]
    parent, right = [-1] * len(counts), [False] * len(counts)
    leaf, node = labels - 1, labels
    for made in range(labels, len(counts)):
        pair = []
        for _ in range(2):
            if leaf >= 0 and counts[leaf] < counts[node]:
                pair.append(leaf)
                leaf -= 1
            else:
                pair.append(node)
                node += 1
        counts[made] = counts[pair[0]] + counts[pair[1]]
        parent[pair[0]] = parent[pair[1]] = made
        right[pair[1]] = True
    paths = []
    for label in range(labels):
        path, at = [], label
        while parent[at] >= 0:
            path.append((parent[at] - labels, right[at]))
            at = parent[at]
        paths.append(path[::-1])
    return paths


def _tree_probabilities(logits_NL: np.ndarray, paths: list[list[tuple[int, bool]]]) -> np.ndarray:
    turn_right_NL = 1 / (1 + np.exp(-logits_NL))
    log_right_NL, log_left_NL = np.log(turn_right_NL + _LITTLE), np.log(1 - turn_right_NL + _LITTLE)
    scores_NL = np.zeros(logits_NL.shape, np.float32)
    for label, path in enumerate(paths):
        for row, right in path:
            scores_NL[:, label] += (log_right_NL if right else log_left_NL)[:, row]
    return np.exp(scores_NL)


@njit(cache=True, nogil=True, inline="always")
def _step(value, byte):
    """FNV-1a in 32 bits as the library computes it: bytes are signed."""
    return np.uint32((value ^ np.uint32(np.int8(byte))) * np.uint32(16777619))


@njit(cache=True, nogil=True)
def _hash(data, start, end):
    value = np.uint32(2166136261)
    for k in range(start, end):
        value = _step(value, data[k])
    return value


@njit(cache=True, nogil=True)
def _same(a, a_start, a_end, b, b_start, b_end):
    if a_end - a_start != b_end - b_start:
        return False
    for k in range(a_end - a_start):  # noqa: SIM110  (compiled)
        if a[a_start + k] != b[b_start + k]:
            return False
    return True


@njit(cache=True, nogil=True)
def _word_table(entries, starts, table):
    """An open-addressing table over the dictionary: hash -> entry."""
    mask = len(table) - 1
    for v in range(len(starts) - 1):
        slot = np.int64(_hash(entries, starts[v], starts[v + 1] - 10)) & mask
        while table[slot] >= 0:
            slot = (slot + 1) & mask
        table[slot] = v
    return table


@njit(cache=True, nogil=True)
def _bucket_row(bucket, words, whole, pruned):
    """The row of a hash bucket, -1 where it was pruned away."""
    if whole:
        return words + bucket
    low, high = 0, len(pruned)
    while low < high:
        middle = (low + high) >> 1
        if pruned[middle, 0] < bucket:
            low = middle + 1
        else:
            high = middle
    return words + pruned[low, 1] if low < len(pruned) and pruned[low, 0] == bucket else -1


@njit(cache=True, nogil=True)
def _gather_characters(data, start, end, dictionary, rows, count):
    """Add the rows of the character n-grams of <word> to `rows`; returns how many there are now."""
    _, _, _, _, words, _, pruned, _, shortest, longest, buckets, whole = dictionary
    size = end - start + 2
    for i in range(size):
        if 0 < i < size - 1 and data[start + i - 1] & 0xC0 == 0x80:
            continue
        value = np.uint32(2166136261)
        j = i
        n = 1
        while j < size and n <= longest:
            value = _step(value, 60 if j == 0 else 62 if j == size - 1 else data[start + j - 1])
            j += 1
            while j < size - 1 and data[start + j - 1] & 0xC0 == 0x80:
                value = _step(value, data[start + j - 1])
                j += 1
            if n >= shortest and not (n == 1 and (i == 0 or j == size)):
                row = _bucket_row(np.int64(value) % buckets, words, whole, pruned)
                if row >= 0:
                    rows[count] = row
                    count += 1
            n += 1
    return count


@njit(cache=True, nogil=True)
def gather_rows(data, at, end, dictionary, hashes, rows):
    """Write the row numbers of the text data[at:end] into `rows` in the library's order; returns how many.

    `dictionary` is FastText.dictionary; for room enough see `row_buffers`.
    """
    end_word, label_prefix, entries, starts, words, table, pruned, ngrams, _, longest, buckets, whole = dictionary
    mask = len(table) - 1
    word_count = count = 0
    ended = False
    while not ended:
        while at < end and (data[at] == 32 or 9 <= data[at] <= 13 or data[at] == 0):
            at += 1
        start = at
        value = np.uint32(2166136261)
        while at < end and not (data[at] == 32 or 9 <= data[at] <= 13 or data[at] == 0):
            value = _step(value, data[at])
            at += 1
        ended = start == end or _same(data, start, at, end_word, 0, 4)
        if ended:
            value = _hash(end_word, 0, 4)
        slot = np.int64(value) & mask
        entry = np.int64(table[slot])
        while entry >= 0:
            first, last = starts[entry], starts[entry + 1] - 10
            if _same(entries, first, last, end_word, 0, 4) if ended else _same(entries, first, last, data, start, at):
                break
            slot = (slot + 1) & mask
            entry = np.int64(table[slot])
        if entry >= words or (entry < 0 and at - start >= 9 and _same(data, start, start + 9, label_prefix, 0, 9)):
            continue
        hashes[word_count] = np.int32(value)
        word_count += 1
        if entry >= 0:
            rows[count] = entry
            count += 1
        if longest > 0 and not ended:
            count = _gather_characters(data, start, at, dictionary, rows, count)
    for k in range(word_count if ngrams > 1 else 0):
        running = np.uint64(np.int64(hashes[k]))
        for j in range(k + 1, min(k + ngrams, word_count)):
            running = running * np.uint64(116049371) + np.uint64(np.int64(hashes[j]))
            row = _bucket_row(np.int64(running % np.uint64(buckets)), words, whole, pruned)
            if row >= 0:
                rows[count] = row
                count += 1
    return count


@njit(cache=True, nogil=True)
def row_buffers(offsets, dictionary):
    """(hashes, rows) with room for the longest text; memory that no text needs is never touched."""
    ngrams, shortest, longest = dictionary[7:10]
    size = (offsets[1:] - offsets[:-1]).max() if len(offsets) > 1 else 0
    words = size // 2 + 2
    by_characters = (size + 2 * words) * max(longest - max(shortest, 1) + 1, 0)
    return np.empty(words, np.int32), np.empty(words * max(ngrams, 1) + by_characters, np.int64)


@njit(cache=True, nogil=True)
def _hidden(offsets, data, dictionary, matrix):
    """(mean of the rows of each text float32 [N, D], whether it had any bool [N])."""
    total = len(offsets) - 1
    hidden_ND = np.zeros((total, matrix.shape[1]), np.float32)
    known = np.zeros(total, np.bool_)
    hashes, rows = row_buffers(offsets, dictionary)
    for i in range(total):
        count = gather_rows(data, offsets[i], offsets[i + 1], dictionary, hashes, rows)
        hidden = hidden_ND[i]
        for k in range(count):
            row = rows[k]
            for d in range(len(hidden)):
                hidden[d] += matrix[row, d]
        hidden *= np.float32(1 / max(count, 1))
        known[i] = count > 0
    return hidden_ND, known
