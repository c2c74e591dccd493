"""Normalised words and their n-grams, against a reference that reads characters one by one."""

import re
import unicodedata

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from midtrain.text.ngrams import ngram_hashes, word_hashes

MASK = (1 << 64) - 1
VANISH = "'\u2019\u02bc\u0640\u00ad\u200b\u200c\u200d\u2060\ufeff"
ALPHABET = "aBz09 ,.'\n$*\u00e9e\u0301\u0130\u00df\u0439"
ALPHABET += "\u0915\u093f\u4eca\u65e5\u0e17\u0e35\u1112\ud55c\u200d\u2019\U0001f600\U00020000\u0660"


def _without_spaces(c):
    ranges = [(0xE00, 0xEFF), (0xF40, 0xFBC), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF)]
    ranges += [(0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF)]
    return any(a <= ord(c) <= b for a, b in ranges)


def reference_words(text):
    """[(folded word, first character, one past the last)] of a text."""
    grouping = {m.start() for m in re.finditer(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))", text)}
    words, word, alone = [], None, False
    for i, c in enumerate(text):
        category = unicodedata.category(c)[0]
        if 0x300 <= ord(c) < 0x370 or c in VANISH or i in grouping:
            continue
        if category == "M" and word:
            word = [word[0] + c, word[1], i + 1]
            continue
        if category not in "LN":
            words += [word] if word else []
            word = None
            continue
        single = category == "L" and _without_spaces(c)
        folded = c
        if not single:
            apart = unicodedata.normalize("NFD", c.lower())
            folded = apart[0] if all(0x300 <= ord(m) < 0x370 for m in apart[1:]) else c.lower()[0]
            folded = str(unicodedata.decimal(c)) if c.isdecimal() else folded
        if word and not single and not alone and folded.isdecimal() == word[0][0].isdecimal():
            word = [word[0] + folded, word[1], i + 1]
        else:
            words += [word] if word else []
            word, alone = [folded, i, i + 1], single
    return words + ([word] if word else [])


def _mixed(value):
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & MASK
    return value ^ value >> 31


def _hash(word):
    value = 0xCBF29CE484222325
    for c in word:
        value = (value ^ ord(c)) * 0x100000001B3 & MASK
    return _mixed(value) & ~1 | word[0].isdecimal()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.text(st.one_of(st.sampled_from(ALPHABET), st.characters(max_codepoint=0x323AF, exclude_categories=["Cs"])))
    )
)
@example(["It's **$1,000**, d'o\u00f9", "12,345,678 1,23 1,2345", "", "\u4eca\u5929abc", "na\u00efve NAI\u0308VE"])
def test_words_are_the_references(texts):
    words = word_hashes(pa.array(texts, type=pa.large_string()))
    for d, text in enumerate(texts):
        expected = reference_words(text)
        mine = slice(words.offsets_N1[d], words.offsets_N1[d + 1])
        assert words.hashes_W[mine].tolist() == [_hash(word) for word, _, _ in expected]
        assert words.starts_W[mine].tolist() == [len(text[:start].encode()) for _, start, _ in expected]
        assert words.ends_W[mine].tolist() == [len(text[:end].encode()) for _, _, end in expected]


def test_a_change_of_format_changes_no_word():
    plain, dressed = "It's $1,000 for the na\u00efve user_name", "**its** \\$1000\n\nFOR the  nai\u0308ve `user name`."
    words = word_hashes(pa.array([plain, dressed]))
    first, second = np.split(words.hashes_W, words.offsets_N1[1:-1])
    assert first.tolist() == second.tolist()
    assert len(first) == 7


def test_numbers_are_words_of_their_own_and_odd():
    words = word_hashes(pa.array(["30mph \u0e1710\u09aa", "\uff13\uff10 MPH \u0e17 10 \u09aa", "x1y", "1,000", "1000"]))
    mine = np.split(words.hashes_W, words.offsets_N1[1:-1])
    assert mine[0].tolist() == mine[1].tolist()
    assert (mine[0] % 2).tolist() == [1, 0, 0, 1, 0]
    assert (mine[2] % 2).tolist() == [0, 1, 0]
    assert mine[3].tolist() == mine[4].tolist()


def test_slices_and_chunks_read_as_they_stand():
    whole = pa.array(["skip me", "one two", "three", "skip"])
    some = word_hashes(pa.chunked_array([whole.slice(1, 1), whole.slice(2, 1)]))
    alone = word_hashes(pa.array(["one two", "three"]))
    assert all(np.array_equal(a, b) for a, b in zip(some, alone, strict=True))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a", "b", "c"]), max_size=9), max_size=4), st.integers(1, 5))
def test_ngrams_are_equal_exactly_where_the_words_are(documents, n):
    words = word_hashes(pa.array([" ".join(d) for d in documents], type=pa.string()))
    hashes, offsets = ngram_hashes(words, n)
    windows = [[tuple(d[i : i + n]) for i in range(max(len(d) - n + 1, 1))] if d else [] for d in documents]
    assert np.diff(offsets).tolist() == [len(w) for w in windows]
    flat = [w for document in windows for w in document]
    assert len(set(hashes.tolist())) == len(set(flat))
    assert len(set(zip(hashes.tolist(), flat, strict=True))) == len(set(flat))
