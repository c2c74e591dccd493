"""Tokenizers: what stands around a text is found by asking, and a trained one is exact and known by its digest."""

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from midtrain.core.errors import UserError
from midtrain.models.tokenizer import Tokenizer, train_tokenizer


def word_level(post_processor=None, **special):
    vocab = {"<s>": 0, "</s>": 1, "a": 2, "probe": 3, "word": 4, "[UNK]": 5}
    backend = Backend(models.WordLevel(vocab, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if post_processor:
        single = post_processor
        ids = [(token, vocab[token]) for token in ("<s>", "</s>")]
        backend.post_processor = processors.TemplateProcessing(single=single, special_tokens=ids)
    return PreTrainedTokenizerFast(tokenizer_object=backend, **special)


@pytest.mark.parametrize(
    ("post_processor", "special", "expected"),
    [
        (None, {}, [4]),
        (None, {"eos_token": "</s>"}, [4, 1]),
        ("<s> $A", {"bos_token": "<s>", "eos_token": "</s>"}, [0, 4, 1]),
        ("<s> $A </s>", {"bos_token": "<s>", "eos_token": "</s>"}, [0, 4, 1]),  # not appended a second time
        ("<s> $A", {"bos_token": "<s>"}, [0, 4]),
    ],
)
def test_a_document_has_what_the_tokenizer_adds_and_an_end(post_processor, special, expected):
    tokenizer = Tokenizer.of(word_level(post_processor, **special))
    assert tokenizer.encode(["word"]) == [expected]
    assert tokenizer.encode_pieces(["word"]) == [[4]]


@pytest.mark.parametrize("name", ["GPT2Tokenizer", "GPTNeoXTokenizerFast", "LlamaTokenizerFast"])
def test_the_file_decides_and_not_the_class_named_beside_it(tokenizer, tmp_path, name):
    tokenizer.hf.save_pretrained(tmp_path)
    file = tmp_path / "tokenizer_config.json"
    config = json.loads(file.read_text()) | {"tokenizer_class": name}
    del config["backend"]
    file.write_text(json.dumps(config))
    again = Tokenizer.load(tmp_path)
    text = "x 1999\n    = y"
    assert again.digest == tokenizer.digest
    assert again.encode([text]) == tokenizer.encode([text])


def test_saved_truncation_and_padding_are_off():
    hf = word_level()
    hf.backend_tokenizer.enable_truncation(2)
    hf.backend_tokenizer.enable_padding(length=5)
    assert Tokenizer.of(hf).encode(["word word word"]) == [[4, 4, 4]]


def test_vocab_size_is_the_least_number_of_rows():
    hf = word_level()
    assert Tokenizer.of(hf).vocab_size == 6
    hf.add_tokens(["new"])
    assert Tokenizer.of(hf).vocab_size == 7


def test_the_digest_names_what_decides_ids(tokenizer, tmp_path):
    tokenizer.hf.save_pretrained(tmp_path / "copy")
    assert Tokenizer.load(tmp_path / "copy").digest == tokenizer.digest
    changed = Tokenizer.load(tmp_path / "copy").hf
    changed.add_tokens(["qu"])
    assert Tokenizer.of(changed).digest != tokenizer.digest
    with_end = word_level(eos_token="</s>")
    assert Tokenizer.of(with_end).digest != Tokenizer.of(word_level()).digest


@given(text=st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_every_text_comes_back(tokenizer, text):
    (ids,) = tokenizer.encode([text])
    assert ids[-1] == tokenizer.eos_id
    assert tokenizer.decode(ids[:-1]) == text


@given(parts=st.lists(st.sampled_from(["<|endoftext|>", "<|im_end|>", "<|im_", "end|>", "the sum", " ", "\n"])))
@settings(max_examples=50, deadline=None)
def test_a_document_cannot_write_control_tokens(tokenizer, parts):
    text = "".join(parts)
    (ids,) = tokenizer.encode([text])
    assert not set(ids[:-1]) & {0, 1, 2}
    assert tokenizer.decode(ids[:-1]) == text
    assert ids[:-1] == tokenizer.hf(text, split_special_tokens=True)["input_ids"]


def test_nor_where_the_vocabulary_itself_spells_them():
    pieces = [("<unk>", 0.0), ("</s>", 0.0), *((letter, -1.0) for letter in "a</s>"[:5])]
    backend = Backend(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    backend.add_special_tokens(["<unk>", "</s>", "<extra>"])
    backend.add_tokens(["aaa"])
    unigram = Tokenizer.of(PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", unk_token="<unk>"))
    (ids,) = unigram.encode_pieces(["a</s>aaa"])
    assert [unigram.hf.convert_ids_to_tokens(i) for i in ids] == ["a", "<", "/", "s", ">", "aaa"]
    words = Tokenizer.of(word_level(eos_token="</s>", unk_token="[UNK]"))
    assert words.encode(["word </s> a other"]) == [[4, 5, 2, 5, 1]]


def test_digits_stand_alone(tokenizer):
    pieces = [tokenizer.decode([i]) for i in tokenizer.encode_pieces(["the sum 1999+42"])[0]]
    assert pieces[-7:] == ["1", "9", "9", "9", "+", "4", "2"]


def test_a_trained_tokenizer_is_a_plain_transformers_one(tokenizer):
    plain = AutoTokenizer.from_pretrained(tokenizer.hf.name_or_path)
    text = "question: what is the sum?\n\n  caf\u00e9 \U0001f600"
    assert plain(text)["input_ids"] + [plain.eos_token_id] == tokenizer.encode([text])[0]
    assert plain.decode(plain(text)["input_ids"]) == text
    assert (plain.eos_token, plain.pad_token_id) == ("<|endoftext|>", plain.eos_token_id)
    assert plain.convert_tokens_to_ids(["<|endoftext|>", "<|im_start|>", "<|im_end|>"]) == [0, 1, 2]


def test_training_is_deterministic_and_says_when_it_falls_short(tmp_path, capsys):
    texts = ["to be or not to be that is the question"] * 3
    one = train_tokenizer(iter(texts), 290, tmp_path / "a")
    two = train_tokenizer(texts, 290, tmp_path / "b")
    assert one.digest == two.digest
    assert one.vocab_size < 290
    assert f"has {one.vocab_size} ids, not 290" in capsys.readouterr().err


def test_mistakes(tmp_path, tokenizer):
    with pytest.raises(UserError, match="need at least 259"):
        train_tokenizer(["a"], 100, tmp_path / "small")
    with pytest.raises(UserError, match="has no tokenizer"):
        Tokenizer.load(tmp_path)
    shutil.copytree(tokenizer.hf.name_or_path, tmp_path / "damaged")
    (tmp_path / "damaged" / "tokenizer.json").write_text('{"version": "1.0", "model": {}}')
    with pytest.raises(UserError, match="cannot be read") as caught:
        Tokenizer.load(tmp_path / "damaged")
    assert "\n" not in str(caught.value)
