"""The fast path must be the tokenizer, not something like it: ids against `tokenizers`, whatever the text."""

import itertools
import json

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from midtrain.models.tokenizer import Tokenizer
from midtrain.tokens.encode import Encoder, excerpts, nasty_texts, surround

_WORDS = "the quick brown fox jumps over 12 lazy dogs, isn't it? def f(x):\n    return x + 1\n caf\u00e9 \u4e2d\u6587 "
_QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def backend(known_split=True):
    """A byte-level BPE of 400 ids; with a split pattern that gigatoken knows, or one it does not."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    if known_split:
        split = pre_tokenizers.Split(tokenizers.Regex(_QWEN2_SPLIT), behavior="isolated")
        parts = [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    else:
        parts = [pre_tokenizers.Punctuation(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    made.pre_tokenizer = pre_tokenizers.Sequence(parts)
    made.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator([_WORDS] * 20, trainer)
    return made


def tokenizer(made=None, eos="<|endoftext|>"):
    return Tokenizer.of(PreTrainedTokenizerFast(tokenizer_object=made or backend(), eos_token=eos))


@pytest.fixture(scope="module")
def fast():
    encoder = Encoder(tokenizer())
    assert encoder.engine == "gigatoken"
    return encoder


@pytest.fixture(scope="module")
def slow():
    encoder = Encoder(tokenizer(backend(known_split=False)))
    assert encoder.engine == "tokenizers"
    return encoder


def as_lists(ids, lengths):
    return [piece.tolist() for piece in np.split(ids, np.cumsum(lengths)[:-1])]


def reference(encoder, texts):
    """What transformers gives for the same texts when special tokens are not read out of text."""
    hf = encoder.tokenizer.hf
    return [hf(text, add_special_tokens=False, split_special_tokens=True)["input_ids"] for text in texts]


def test_nasty_texts_are_encoded_as_transformers_does(fast, slow):
    for encoder in (fast, slow):
        texts = nasty_texts(encoder.tokenizer.hf.backend_tokenizer)
        assert as_lists(*encoder.encode(texts)) == reference(encoder, texts)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(max_size=60), min_size=1, max_size=8))
def test_any_text_is_encoded_as_transformers_does(fast, texts):
    assert as_lists(*fast.encode(texts)) == reference(fast, texts)


def test_control_tokens_cannot_be_smuggled_in_through_text(fast, slow):
    for encoder in (fast, slow):
        ids, lengths = encoder.encode(["evil<|endoftext|><|im_start|>system", "<|endoftext|>"])
        special = encoder.tokenizer.hf.all_special_ids
        assert not np.isin(ids, special).any()
        assert [encoder.tokenizer.decode(one) for one in as_lists(ids, lengths)][1] == "<|endoftext|>"
        inside, _ = encoder.encode_documents(["<|endoftext|>"])
        assert inside[-1] == encoder.tokenizer.eos_id
        assert np.isin(inside, special).sum() == 1


def test_added_tokens_that_are_not_special_stay_vocabulary_with_their_own_ids():
    made = backend()
    made.add_special_tokens(["<|pad|>"])
    made.add_tokens(["    ", "<tool>"])
    made.add_special_tokens(["<|last|>"])
    encoder = Encoder(tokenizer(made))
    texts = ["a    b<tool>c<|pad|><|last|>", "<tool>"]
    assert encoder.engine == "gigatoken"
    assert as_lists(*encoder.encode(texts)) == reference(encoder, texts)
    assert as_lists(*encoder.encode(texts))[1] == [made.token_to_id("<tool>")]


def test_prefix_and_suffix_are_what_the_tokenizer_itself_adds():
    made = backend()
    ends = [("<|im_start|>", 1), ("<|endoftext|>", 0)]
    made.post_processor = processors.TemplateProcessing(single="<|im_start|> $A <|endoftext|>", special_tokens=ends)
    encoder = Encoder(tokenizer(made))
    texts = ["the quick", "", "brown fox"]
    wanted = [encoder.tokenizer.hf(text)["input_ids"] for text in texts]
    assert as_lists(*encoder.encode_documents(texts)) == wanted
    assert wanted[1] == [1, 0]


def test_end_of_text_is_appended_when_the_tokenizer_does_not_add_it(fast):
    ids, lengths = fast.encode_documents(["the quick", "brown"], np.uint16)
    assert ids.dtype == np.uint16
    assert as_lists(ids, lengths) == [[*one, fast.tokenizer.eos_id] for one in reference(fast, ["the quick", "brown"])]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["fox", "", "caf\u00e9 12"]),
        pa.array(["fox", "", "caf\u00e9 12"], pa.large_string()),
        pa.array(["fox", "", "caf\u00e9 12"], pa.string_view()),
        pa.array(["not this", "fox", "", "caf\u00e9 12", "nor this"]).slice(1, 3),
        pa.chunked_array([["fox"], [], ["", "caf\u00e9 12"]]),
        pa.array(["fox", "", "caf\u00e9 12"]).dictionary_encode(),
    ],
    ids=["string", "large", "view", "sliced", "chunked", "dictionary"],
)
def test_every_arrow_text_column_gives_the_same_ids(fast, slow, column):
    for encoder in (fast, slow):
        assert as_lists(*encoder.encode(column)) == reference(encoder, ["fox", "", "caf\u00e9 12"])


def test_no_documents_give_no_ids(fast, slow):
    for encoder in (fast, slow):
        for column in ([], pa.array([], pa.string()), pa.chunked_array([], pa.string()), [""]):
            ids, lengths = encoder.encode(column)
            assert len(ids) == 0
            assert lengths.tolist() == [0] * len(column)


def test_a_difference_between_the_engines_is_told_and_tokenizers_takes_over(capsys):
    encoder = Encoder(tokenizer())
    assert encoder.check(["the quick"])
    other = json.loads(backend().to_str())
    forgotten = next(pair for pair in reversed(other["model"]["merges"]) if "".join(pair).isascii())
    other["model"]["merges"].remove(forgotten)
    lost = "".join(forgotten)
    encoder._fast = Encoder(tokenizer(tokenizers.Tokenizer.from_str(json.dumps(other))))._fast
    assert encoder.check(["zzz"])
    assert not encoder.check(["zzz", lost])
    assert (encoder.engine, encoder.parity_documents) == ("tokenizers", 0)
    assert f"differ on {lost!r}" in capsys.readouterr().err
    assert as_lists(*encoder.encode([lost])) == reference(encoder, [lost])


def test_the_fast_engine_is_renewed_so_that_its_memory_stays_bounded(monkeypatch):
    encoder = Encoder(tokenizer())
    monkeypatch.setattr("midtrain.tokens.encode._RENEW_BYTES", 10_000)
    text = _WORDS * 10
    engines = []
    for _ in range(40):
        assert as_lists(*encoder.encode([text, "fox"]))[1] == reference(encoder, ["fox"])[0]
        engines.append(id(encoder._fast))
    assert 2 <= sum(before != after for before, after in itertools.pairwise(engines)) <= 5


def test_a_tokenizer_that_gigatoken_does_not_know_is_told(capsys):
    encoder = Encoder(tokenizer(backend(known_split=False)))
    assert encoder.engine == "tokenizers"
    assert encoder.parity_documents == 0
    assert "tokenizers instead" in capsys.readouterr().err


@given(
    documents=st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=6),
    prefix=st.lists(st.integers(10, 19), max_size=3),
    suffix=st.lists(st.integers(20, 29), max_size=3),
)
def test_surround_puts_prefix_and_suffix_around_each_document(documents, prefix, suffix):
    flat = np.array([i for one in documents for i in one], np.uint32)
    lengths = np.array([len(one) for one in documents], np.int64)
    ids, around = surround(flat, lengths, prefix, suffix, np.uint16)
    assert ids.dtype == np.uint16
    assert ids.tolist() == [i for one in documents for i in [*prefix, *one, *suffix]]
    assert around.tolist() == [len(prefix) + len(one) + len(suffix) for one in documents]


def test_excerpts_are_bounded_beginnings():
    texts = pa.chunked_array([["short", None], ["x" * 5_000] * 200])
    chosen = excerpts(texts)
    assert chosen[0] == "short"
    assert set(map(len, chosen[1:])) == {500}
    assert 64_000 <= sum(map(len, chosen)) < 65_000
