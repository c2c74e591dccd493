"""Language identification gives py3langid's own answers, on whatever bytes."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py3langid.langid import LanguageIdentifier

from midtrain.text.fasttext_training import train_fasttext
from midtrain.text.language import FIRST_BYTES, describe, identify, languages, load_model

SENTENCES = {
    "en": "All human beings are born free and equal in dignity and rights, and should act as brothers.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits, doués de raison.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren und mit Vernunft begabt.",
    "vi": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi.",
    "ru": "Все люди рождаются свободными и равными в своём достоинстве и правах, наделены разумом.",
    "ar": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق وقد وهبوا عقلا وضميرا.",
    "zh": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "sw": "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa, wote wamejaliwa akili na dhamiri.",
    "yo": "Gbogbo ènìyàn ni a bí ní òmìnira; iyì àti ẹ̀tọ́ kọ̀ọ̀kan sì dọ́gba, wọ́n ní ẹ̀bùn làákàyè.",
}


@pytest.fixture(scope="module")
def library():
    return LanguageIdentifier.from_model_file("data/model.npz.xz", norm_probs=True)


def assert_as_the_library(library, texts, first_bytes=FIRST_BYTES):
    codes, confidence = identify(pa.array(texts, type=pa.large_string()), first_bytes)
    for text, code, sure in zip(texts, codes.to_pylist(), confidence, strict=True):
        encoded = text.encode()[:first_bytes]
        scores = dict(library.rank(encoded))
        assert scores[code] == pytest.approx(max(scores.values()), abs=1e-5), text  # float sums in another order
        assert sure == pytest.approx(max(scores.values()), abs=2e-3), text


def test_languages_of_sentences():
    codes, confidence = identify(pa.array(list(SENTENCES.values())))
    assert codes.to_pylist() == list(SENTENCES)
    assert confidence.dtype == np.float32
    assert (confidence > 0.5).all()
    assert set(SENTENCES) < set(languages())


def test_answers_are_the_librarys(library):
    decomposed = [unicodedata.normalize("NFD", text) for text in SENTENCES.values()]
    capitals = [text.upper() for text in SENTENCES.values()]
    assert_as_the_library(library, [*SENTENCES.values(), *decomposed, *capitals])
    # The special cases matter: without composing and lowering, these answers would be others.
    assert identify(pa.array(decomposed))[0].to_pylist() == list(SENTENCES)


def test_short_and_empty_texts(library):
    assert_as_the_library(library, ["", " ", "\n", "7", "é", "E", "<p>", "字", "日本", "\x1b"])
    sure = identify(pa.array([""]))[1]
    assert 1 / len(load_model().prior) <= sure[0] < 0.05


def test_only_the_beginning_is_read_to_a_whole_character(library):
    text = SENTENCES["zh"] * 40
    for first in (100, 101, 102, 103):
        assert_as_the_library(library, [text], first)
    codes, _ = identify(pa.array([SENTENCES["en"] * 2 + SENTENCES["ru"] * 50]), first_bytes=150)
    assert codes.to_pylist() == ["en"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=80), min_size=1, max_size=4))
def test_any_text_gets_the_librarys_answer(library, texts):
    assert_as_the_library(library, [text.encode("utf-8", "replace").decode() for text in texts])


def test_a_slice_and_chunks_of_a_column():
    column = pa.array(list(SENTENCES.values()))
    assert identify(column.slice(3, 4))[0].to_pylist() == list(SENTENCES)[3:7]
    assert identify(pa.chunked_array([column.slice(0, 2), column.slice(2)]))[0].to_pylist() == list(SENTENCES)
    assert len(identify(pa.array([], type=pa.string()))[0]) == 0


def test_the_model_and_the_bytes_read_enter_the_description():
    assert describe()["first_bytes"] == FIRST_BYTES
    assert describe(1000) != describe()
    assert len(describe()["digest"]) == 32


def test_a_fasttext_model_can_be_asked_instead(tmp_path):
    texts = [text for text in SENTENCES.values() for _ in range(5)]
    labels = [code for code in SENTENCES for _ in range(5)]
    train_fasttext(pa.array(texts), labels, tmp_path / "lid.bin", buckets=1000, dimensions=16)
    column = pa.chunked_array([list(SENTENCES.values())])
    codes, confidence = identify(column, model=tmp_path / "lid.bin")
    assert codes.to_pylist() == list(SENTENCES)
    assert (confidence > 0.5).all()
    assert (confidence <= 1).all()
    assert set(languages(tmp_path / "lid.bin")) == set(SENTENCES)
    short = identify(column, first_bytes=3, model=tmp_path / "lid.bin")[0].to_pylist()
    assert short != list(SENTENCES)  # "Tất" and "All" are there, "Alle" is cut
    assert describe(model=tmp_path / "lid.bin") != describe()
