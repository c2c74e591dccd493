"""Statistics of texts: every number is that of a plain-Python reference, and means what it says."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.peers.python_rules import split_chunk, statistics_of
from midtrain.text import unicode as u
from midtrain.text.statistics import STATISTICS, statistics
from midtrain.text.stop_words import STOP_WORDS, language_code
from midtrain.text.unicode import kind_table

PIECES = st.sampled_from(
    [
        *"aZ.,!?'\"-/:=#<>{}[]()|_&*+;~",
        *(" ", " ", " ", "\t", "\n", "\n", "\n\n", "\r\n", "\r", "\x0b", "\x1c"),
        *("\u2028", "\u00a0", "\u3000", "\u200b", "\u0f0b", "\u1361", "\ufffd", "\x07"),
        *("the ", "and ", "of ", "word", "Word", "USA", "don't", "it's ", "we\u2019ll", "well-known", "a.b", "b.C"),
        *("...", "..", "\u2026", "3.5", "10-20", "x/y", "a--b", "e.g.", "J. ", "\u2014", "\u2022 ", "- "),
        *("[1]", "[edit]", "[citation needed]", "<b>", "</a href='x'>", "<!--"),
        *("lorem ipsum", "JavaScript", "Use cookies", "terms of use"),
        *("\u00e9t\u00e9", "\u4f60\u597d", "\u3002", "\u0e17\u0e35\u0e48", "\u0928\u092e\u0938\u094d", "\u0964"),
        *("\U0001f600", "\U0001f468\u200d\U0001f469", "\u00df", "\u01c5", "\u00bd", "\u0663", "\u212a", "\U00020000"),
        "the cat sat on the mat. ",
        "one two three four five six seven eight nine ten eleven\n",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=80).map("".join)


def one(text, language="en"):
    return {name: column[0].item() for name, column in statistics(pa.array([text]), stop_words=language).items()}


def assert_like_reference(texts, language="en"):
    found = statistics(pa.array(texts, pa.large_string()), stop_words=language)
    for i, text in enumerate(texts):
        for name, value in statistics_of(text, STOP_WORDS.get(language)).items():
            assert found[name][i] == found[name].dtype.type(value), (name, text)


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, max_size=4))
@example([""])
@example([" \n \r\n", "\r", "a\r\r\n\r\nb\r"])
@example(["x" * 1001 + " two words.\nthree short words.[1][edit]\n"])
@example(["1.. J.. n't 'n't x'Re s's ''s ..a.. \u2026a a... ...[1]\nso it goes [1]..."])
@example(["a - b. " * 3 + "\n" + "one two {.\none two lorem ipsum.\none two javascript {.\n"])
def test_every_statistic_equals_the_reference(texts):
    assert_like_reference(texts)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=60))
def test_repetition_equals_the_reference_where_much_repeats(numbers):
    assert_like_reference([" ".join("abcd"[n] * (n + 1) for n in numbers)])


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_any_unicode_equals_the_reference(text):
    assert_like_reference([text])


@pytest.mark.parametrize(
    "piece", ["\u3000b", "\u00a0b", "\u4f60.", "...", "\r\n\nb", "<b>\u00e9</b>", "Terms of use. ", "it's"]
)
def test_nothing_changes_where_blocks_of_64_bytes_meet(piece):
    assert_like_reference(
        [fill * n + piece * 3 + tail for n in range(48, 68) for fill in "a(\u00e9" for tail in ("", " z")]
    )


def test_kinds_are_those_of_the_running_python():
    kinds = kind_table()
    points = [p for p in range(0x20000) if not 0xD800 <= p < 0xE000]
    letters = np.isin(kinds, (u.LOWER, u.UPPER, u.LETTER, u.SOLO)).tolist()
    assert all(letters[p] == chr(p).isalpha() for p in points)
    spaces = {p for p in points if chr(p).isspace()} | {0x0F0B, 0x1361, 0x200B}
    assert spaces == set(np.flatnonzero(np.isin(kinds, (u.SPACE, u.NEWLINE))).tolist())
    assert kinds.max() < u.KINDS


@pytest.mark.parametrize(
    ("chunk", "words"),
    [
        ("(really)...", "( really ) ..."),
        ("don't", "do n't"),
        ("cat's,", "cat 's ,"),
        ("U.S.A.", "U.S.A."),
        ("end.Start", "end . Start"),
        ("well-known", "well - known"),
        ("2010-2012", "2010 - 2012"),
        ("and/or", "and / or"),
        ("2*3=6", "2 * 3=6"),
        ("C++.", "C++ ."),
        ("3.5%", "3.5 %"),
        ("x_y", "x_y"),
        ("\u4f60\u597d\u3002", "\u4f60 \u597d \u3002"),
        ("hello\U0001f600", "hello \U0001f600"),
    ],
)
def test_words_are_split_as_people_would(chunk, words):
    assert [word for word, _, _ in split_chunk(chunk)] == words.split()
    assert one(chunk + " #")["hashes"] == np.float32(1 / (len(words.split()) + 1))


def test_numbers_worked_out_by_hand():
    text = "# The cat sat.\n- The cat sat on it...\n\nThe cat sat on it...\n\nThe cat sat on it..."
    found = one(text)
    assert (found["lines"], found["paragraphs"], found["words"]) == (4, 3, 18)
    assert found["duplicate_lines"] == 0.25
    assert found["duplicate_paragraphs"] == np.float32(1 / 3)
    assert found["bullet_lines"] == 0.25
    assert found["ellipsis_lines"] == 0.75
    assert found["mean_word_length"] == np.float32(48 / 18)
    assert found["duplicate_5_grams"] == np.float32(len("Thecatsatonit...Thecatsaton") / len(text))
    assert found["stop_words"] == 0, "The is not the"


def test_each_text_may_have_its_language():
    texts = ["der Hund und die Katze", "the dog and the cat", "the dog and the cat", "quelque chose"]
    found = statistics(pa.array(texts), stop_words=["de", "eng_Latn", None, "xx"])["stop_words"]
    assert found.tolist() == [3, 2, -1, -1]


def test_stop_word_lists_fit_their_table():
    assert len(STOP_WORDS) >= 30
    assert all(4 <= len(words) <= 62 for words in STOP_WORDS.values())
    assert language_code("pt-BR") == "pt"
    assert language_code("swh") == "sw"
    assert language_code(None) == ""


def test_columns_are_complete_typed_and_sliceable():
    texts = pa.array(["first text here", "second text here, with more words", "third"])
    whole, part = statistics(texts), statistics(texts.slice(1, 1))
    assert list(whole) == list(STATISTICS)
    for name, (kind, _) in STATISTICS.items():
        assert whole[name].dtype == kind
        assert part[name].tolist() == whole[name][1:2].tolist()
    assert all(len(column) == 0 for column in statistics(pa.array([], pa.string())).values())


def test_a_text_that_repeats_itself_compresses_better():
    varied = " ".join(f"w{i * i}" for i in range(200))
    found = statistics(pa.array([varied, "again " * 200]))["compression"]
    assert found[1] > 10 * found[0] > 10
