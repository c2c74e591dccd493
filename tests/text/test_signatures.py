"""MinHash signatures: unbiased, sharp for short documents too, blind to layout; shingle sets against plain Python."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midtrain.text.ngrams import ngram_hashes, word_hashes
from midtrain.text.signatures import band_keys, minhash, shingle_sets


def column(texts):
    return pa.array(texts, type=pa.large_string())


def pairs(words, similarity, count, seed=0):
    """Pairs of documents of `words` words whose sets of 5-word shingles have about this Jaccard similarity."""
    rng = np.random.default_rng(seed)
    other = round((words - 4) * (1 - similarity) / (1 + similarity))
    left = rng.integers(0, 1 << 40, (count, words)).astype(str)
    right = np.concatenate([rng.integers(0, 1 << 40, (count, other)).astype(str), left[:, other:]], axis=1)
    shared = words - 4 - other
    return column([" ".join(w) for w in left]), column([" ".join(w) for w in right]), shared / (shared + 2 * other)


@pytest.mark.parametrize("words", [12, 60, 900])  # far fewer shingles than values, about as many, many more
@pytest.mark.parametrize("similarity", [0.5, 0.8])
def test_the_share_of_equal_values_is_the_similarity(words, similarity):
    left, right, exact = pairs(words, similarity, 300)
    estimate = (minhash(left) == minhash(right)).mean(axis=1)
    deviation = np.sqrt(exact * (1 - exact) / 112)
    assert abs(estimate.mean() - exact) < 4 * deviation / np.sqrt(300)
    assert estimate.std() < 1.15 * deviation


def test_bands_meet_as_often_as_theory_says():
    left, right, exact = pairs(400, 0.75, 600)
    met = (band_keys(minhash(left), 14) == band_keys(minhash(right), 14)).any(axis=0).mean()
    theory = 1 - (1 - exact**8) ** 14
    assert abs(met - theory) < 4 * np.sqrt(theory * (1 - theory) / 600)


def test_a_band_key_is_equal_exactly_where_the_band_is():
    rng = np.random.default_rng(0)
    signatures = rng.integers(0, 2, (500, 12), dtype=np.uint32)
    keys = band_keys(signatures, 4)
    for band in range(4):
        rows = [tuple(row) for row in signatures[:, 3 * band : 3 * band + 3].tolist()]
        seen = dict(zip(rows, keys[band].tolist(), strict=True))
        assert [seen[row] for row in rows] == keys[band].tolist()
        assert len(set(seen.values())) == len(seen)
    assert keys.all()


def test_layout_does_not_count_and_what_has_no_words_is_like_nothing():
    signatures = minhash(
        column(["One two, three -- four FIVE six.", "one\ntwo three four *five* six", "...", "", "one"])
    )
    assert np.array_equal(signatures[0], signatures[1])
    assert (signatures[2:4] == 0xFFFFFFFF).all()
    keys = band_keys(signatures, 14)
    assert (keys[:, 2:4] == 0).all()
    assert keys[:, [0, 1, 4]].all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("ab c.", max_size=60), max_size=6), st.integers(1, 4))
def test_shingle_sets_are_the_sets_of_plain_python(texts, ngram):
    values, offsets = shingle_sets(column(texts), ngram=ngram)
    assert len(offsets) == len(texts) + 1
    assert offsets[0] == 0
    assert offsets[-1] == len(values)
    words = word_hashes(column(texts))
    hashes, starts = ngram_hashes(words, ngram)
    for d in range(len(texts)):
        expected = sorted({int(h) >> 32 for h in hashes[starts[d] : starts[d + 1]]})
        assert values[offsets[d] : offsets[d + 1]].tolist() == expected
        split = texts[d].replace(".", " ").split()
        wanted = {tuple(split[i : i + ngram]) for i in range(len(split) - ngram + 1)} or {tuple(split)} - {()}
        assert len(expected) == len(wanted)


def test_a_slice_of_a_column_has_the_signatures_of_its_rows():
    texts = column([f"some words about number {i} and nothing else" for i in range(9)])
    assert np.array_equal(minhash(texts.slice(3, 4)), minhash(texts)[3:7])
