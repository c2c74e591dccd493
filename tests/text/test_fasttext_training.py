"""A classifier trained here is right, the same every time, and readable by the library."""

import random

import fasttext
import numpy as np
import pyarrow as pa
import pytest

from midtrain.core.errors import UserError
from midtrain.text.fasttext import FastText, open_fasttext
from midtrain.text.fasttext_training import train_fasttext

GOOD = "therefore the proof of this theorem follows because we show that each term is bounded"
POOR = "click here buy now best price subscribe follow us cookies accept all sale free shipping"


def examples(count, seed):
    rng = random.Random(seed)
    texts, labels = [], []
    for _ in range(count):
        label = rng.choice(["good", "poor"])
        mostly, rarely = (GOOD.split(), POOR.split())[:: 1 if label == "good" else -1]
        words = [rng.choice(mostly if rng.random() < 0.7 else rarely) for _ in range(rng.randint(5, 40))]
        texts.append("\n".join(" ".join(words[i : i + 9]) for i in range(0, len(words), 9)))
        labels.append(label)
    return pa.array(texts, type=pa.large_string()), labels


SMALL = {"buckets": 2000, "dimensions": 8}


def test_it_learns_and_is_the_same_every_time(tmp_path):
    texts, labels = examples(400, seed=1)
    model = train_fasttext(texts, labels, tmp_path / "a.bin", **SMALL)
    train_fasttext(texts, labels, tmp_path / "b.bin", **SMALL)
    assert (tmp_path / "a.bin").read_bytes() == (tmp_path / "b.bin").read_bytes()
    train_fasttext(texts, labels, tmp_path / "c.bin", **SMALL, seed=1)
    assert (tmp_path / "a.bin").read_bytes() != (tmp_path / "c.bin").read_bytes()
    held_texts, held_labels = examples(200, seed=2)
    found = model.probabilities(held_texts).argmax(axis=1)
    assert np.mean([model.labels[k] == label for k, label in zip(found, held_labels, strict=True)]) > 0.9


def test_word_pairs_are_learned(tmp_path):
    """The order of two words decides the label, which single words cannot say."""
    rng = random.Random(3)
    pairs = [rng.choice([("dog", "bites"), ("bites", "dog")]) for _ in range(200)]
    texts = pa.array([" ".join([rng.choice("abcd"), *pair, rng.choice("abcd")]) for pair in pairs])
    labels = [pair[0] for pair in pairs]
    model = train_fasttext(texts, labels, tmp_path / "pairs.bin", **SMALL, epochs=20)
    found = model.probabilities(texts).argmax(axis=1)
    assert np.mean([model.labels[k] == label for k, label in zip(found, labels, strict=True)]) > 0.98


def test_the_library_reads_it_and_agrees(tmp_path):
    texts, labels = examples(200, seed=4)
    ours = train_fasttext(texts, labels, tmp_path / "ours.bin", **SMALL)
    library = fasttext.load_model(str(tmp_path / "ours.bin"))
    probabilities = FastText.open(tmp_path / "ours.bin").probabilities(texts)
    for text, row in zip(texts.to_pylist(), probabilities, strict=True):
        found = dict(zip(*library.predict(text.replace("\n", " "), k=2), strict=True))
        for label, probability in zip(ours.labels, row, strict=True):
            assert found[f"__label__{label}"] == pytest.approx(probability, abs=2e-6)


def test_training_again_leaves_an_open_model_whole(tmp_path):
    texts, labels = examples(100, seed=5)
    train_fasttext(texts, labels, tmp_path / "model.bin", **SMALL)
    first = open_fasttext(tmp_path / "model.bin")
    before = first.probabilities(texts)
    train_fasttext(texts, ["poor" if label == "good" else "good" for label in labels], tmp_path / "model.bin", **SMALL)
    np.testing.assert_array_equal(first.probabilities(texts), before)
    second = open_fasttext(tmp_path / "model.bin")
    assert second is open_fasttext(tmp_path / "model.bin")
    good = [model.labels.index("good") for model in (first, second)]
    assert np.corrcoef(before[:, good[0]], second.probabilities(texts)[:, good[1]])[0, 1] < -0.5


def test_labels_must_differ_and_be_words(tmp_path):
    texts = pa.array(["a b", "c d"])
    with pytest.raises(UserError, match="two labels at least"):
        train_fasttext(texts, ["good", "good"], tmp_path / "x.bin")
    with pytest.raises(UserError, match='"very good" is empty or holds white space'):
        train_fasttext(texts, ["good", "very good"], tmp_path / "x.bin")
    assert not (tmp_path / "x.bin").exists()
