"""Trains a fastText classifier and saves it as a file that this package and the library read.

The model is small enough to be trained here: a text is the mean of the rows of its words and word pairs, a linear
layer and a softmax say which label it has, and plain stochastic gradient steps with a rate that falls linearly to zero
fit both (Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification", section 2). The examples go by in one
seeded order on one core, so the same examples give the same file, byte for byte. The library gives no such promise:
its threads race, and the build that installs beside NumPy 2 leaves the rows of its input matrix beyond the first
`threads` tenths unwritten, so that one thread trains on whatever the memory held (a third of our runs ended in NaN).
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numba import njit

from midtrain.core.errors import UserError, disk_errors
from midtrain.text.arrow import text_buffers
from midtrain.text.fasttext import FastText, gather_rows, row_buffers


def train_fasttext(
    texts: pa.Array | pa.ChunkedArray,
    labels: Sequence[str],
    path: Path | str,
    *,
    dimensions: int = 32,
    word_ngrams: int = 2,
    buckets: int = 1 << 18,
    min_count: int = 2,
    epochs: int = 25,
    learning_rate: float = 0.5,
    seed: int = 0,
) -> FastText:
    """Train on texts [N] and their labels [N], write the model to `path` (.bin) and return it.

    Raises UserError when there are fewer than two labels, or one that holds white space.
    """
    assert len(texts) == len(labels), (len(texts), len(labels))
    counts = Counter(labels)
    if len(counts) < 2:
        raise UserError(f"A classifier needs examples of two labels at least; these have {len(counts)}.")
    for label in counts:
        if not label or label.split() != [label]:
            raise UserError(f'The label "{label}" is empty or holds white space; rename it.')
    words = _vocabulary(texts, min_count)
    ordered = sorted(counts, key=lambda label: (-counts[label], label))
    entries = [*words, *((f"__label__{label}".encode(), counts[label]) for label in ordered)]
    rng = np.random.default_rng(seed)
    rows = len(words) + buckets
    input_RD = rng.random((rows, dimensions), dtype=np.float32)
    input_RD = (2 * input_RD - 1) / np.float32(dimensions)
    output_LD = np.zeros((len(ordered), dimensions), np.float32)
    shape = (dimensions, word_ngrams, buckets, min_count, epochs)
    _write(path, shape, entries, len(words), input_RD, output_LD)
    model = FastText.open(path)
    offsets, data = text_buffers(texts)
    label_N = np.array([ordered.index(label) for label in labels])
    order = rng.permutation(len(labels))
    _train(offsets, data, label_N, order, model.dictionary, input_RD, output_LD, epochs, np.float32(learning_rate))
    _write(path, shape, entries, len(words), input_RD, output_LD)
    return FastText.open(path)


def _vocabulary(texts: pa.Array | pa.ChunkedArray, min_count: int) -> list[tuple[bytes, int]]:
    """Words seen `min_count` times and their counts, most frequent first; the end word always comes first."""
    counts: Counter[bytes] = Counter()
    for text in texts:
        counts.update(text.as_buffer().to_pybytes().split())
    ends = len(texts) + counts.pop(b"</s>", 0)
    kept = [(word, count) for word, count in counts.items() if count >= min_count and not word.startswith(b"__label__")]
    kept.sort(key=lambda pair: (-pair[1], pair[0]))
    return [(b"</s>", ends), *kept]


def _write(
    path: Path | str,
    shape: tuple[int, int, int, int, int],
    entries: list[tuple[bytes, int]],
    words: int,
    input_RD: np.ndarray,
    output_LD: np.ndarray,
) -> None:
    """Write the library's format, version 12 (see fasttext_file.py); loss 3 is softmax, model 3 is supervised.

    The file is renamed into place: a model that somebody has mapped stays whole.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.writing")
    dimensions, word_ngrams, buckets, min_count, epochs = shape
    with disk_errors(path), open(temporary, "wb") as file:
        file.write(struct.pack("<2i", 793712314, 12))
        settings = (dimensions, 5, epochs, min_count, 5, word_ngrams, 3, 3, buckets, 0, 0, 100)
        file.write(struct.pack("<12id", *settings, 1e-4))
        tokens = sum(count for _, count in entries[:words])
        file.write(struct.pack("<3i2q", len(entries), words, len(entries) - words, tokens, -1))
        for number, (word, count) in enumerate(entries):
            file.write(word + b"\0" + struct.pack("<qb", count, number >= words))
        for matrix in (input_RD, output_LD):
            file.write(struct.pack("<?2q", False, *matrix.shape))
            matrix.tofile(file)
    os.replace(temporary, path)


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def _train(offsets, data, label_N, order, dictionary, input_RD, output_LD, epochs, learning_rate):
    """Stochastic gradient descent on the cross-entropy, one text at a time; changes both matrices."""
    labels, dimensions = output_LD.shape
    hashes, rows = row_buffers(offsets, dictionary)
    hidden, gradient = np.empty(dimensions, np.float32), np.empty(dimensions, np.float32)
    powers = np.empty(labels, np.float32)
    steps = epochs * len(order)
    for step in range(steps):
        i = order[step % len(order)]
        count = gather_rows(data, offsets[i], offsets[i + 1], dictionary, hashes, rows)
        share = np.float32(1 / max(count, 1))
        hidden[:] = 0
        for k in range(count):
            for d in range(dimensions):
                hidden[d] += input_RD[rows[k], d]
        top = np.float32(-np.inf)
        for label in range(labels):
            total = np.float32(0)
            for d in range(dimensions):
                total += output_LD[label, d] * hidden[d] * share
            powers[label] = total
            top = max(top, total)
        mass = np.float32(0)
        for label in range(labels):
            powers[label] = np.exp(powers[label] - top)
            mass += powers[label]
        rate = learning_rate * np.float32(1 - step / steps)
        gradient[:] = 0
        for label in range(labels):
            error = rate * (np.float32(label == label_N[i]) - powers[label] / mass)
            for d in range(dimensions):
                gradient[d] += error * output_LD[label, d]
                output_LD[label, d] += error * hidden[d] * share
        for k in range(count):
            for d in range(dimensions):
                input_RD[rows[k], d] += gradient[d] * share
