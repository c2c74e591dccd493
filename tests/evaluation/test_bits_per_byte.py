"""Bits per byte equals the textbook computation with plain transformers, counts every byte once, and batches freely."""

import json
import math
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from midtrain.core.errors import UserError
from midtrain.evaluation.bits_per_byte import (
    TokenSequence,
    choose_documents,
    nats_of,
    score_documents,
    score_sequences,
    token_bytes,
    window_spans,
)
from midtrain.models.export import export
from midtrain.models.load import init_model
from midtrain.models.tokenizer import Tokenizer, train_tokenizer
from midtrain.tokens.store import TokenStore

torch.set_num_threads(1)
TEXTS = [
    "The caf\u00e9 at 12 Rue X sells na\u00efve \u4e2d\u6587 tea. " * 3,
    "def f(x):\n    return x + 1\n" * 8,
    "short",
    "0 1 2 3 4 5 6 7 8 9 " * 12,
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    rng = random.Random(0)
    words = ["the", "a", "of", "x", "y", "12", "return", "def", "self", "caf\u00e9"]
    texts = [" ".join(rng.choices(words, k=50)) for _ in range(40)]
    return train_tokenizer(texts, 330, tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def model(tokenizer):
    fields = {
        "model_type": "gemma2",
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "max_position_embeddings": 256,
        "final_logit_softcapping": 2.0,
        "sliding_window": 8,
    }
    return init_model(fields, tokenizer, seed=3)


def make_store(folder, tokenizer, sequences, masks=None):
    """A token store written by hand: the format is public."""
    folder.mkdir()
    lengths = [len(ids) for ids in sequences]
    np.concatenate(sequences).astype("<u2").tofile(folder / "tokens.bin")
    np.save(folder / "offsets.npy", np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    if masks is not None:
        np.concatenate(masks).astype(np.uint8).tofile(folder / "mask.bin")
    n = len(sequences)
    columns = {"id": [f"d{i}" for i in range(n)], "source": ["s"] * n, "group": ["g"] * n, "bytes": [0] * n}
    pq.write_table(pa.table({**columns, "tokens": lengths}), folder / "documents.parquet")
    facts = {
        "tokenizer": tokenizer.digest,
        "vocab_size": tokenizer.vocab_size,
        "dtype": "<u2",
        "documents": n,
        "tokens": sum(lengths),
        "targets": 0,
        "bytes": 0,
        "mask": masks is not None,
        "digest": "x",
    }
    (folder / "store.json").write_text(json.dumps(facts))
    return TokenStore.open(folder)


def textbook_nats(plain, ids):
    """Negative log-likelihood of ids[1:] by plain transformers, one sequence at a time."""
    logits = plain(torch.tensor([ids])).logits[0, :-1].double()
    return torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none").detach().numpy()


@pytest.fixture(scope="module")
def plain(model, tokenizer, tmp_path_factory):
    folder = export(model, tokenizer, tmp_path_factory.mktemp("export") / "model")
    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()


def test_documents_that_fit_score_as_by_the_textbook(model, tokenizer, plain, tmp_path):
    sequences = tokenizer.encode(TEXTS)
    store = make_store(tmp_path / "store", tokenizer, [np.array(ids) for ids in sequences])
    rows = score_documents(model, tokenizer, store, "bpb/s", context=256, limit_documents=9, batch_tokens=300)
    assert len(rows) == 4
    for row in rows:
        ids = sequences[int(row["item"][1:])]
        text = TEXTS[int(row["item"][1:])]
        first = len(tokenizer.hf.decode(ids[:1]).encode())
        assert row["weight"] == len(text.encode()) - first  # no prefix here: the first token is context only
        nats = textbook_nats(plain, ids)[:-1]  # the last target is the end of the text: no bytes of text
        assert row["value"] == pytest.approx(nats.sum() / math.log(2) / row["weight"], rel=1e-5)
    assert rows[0]["metric"] == "bits_per_byte"


def test_a_long_document_is_scored_in_half_overlapping_windows(model, tokenizer, plain):
    ids = tokenizer.encode(["1 2 3 " * 30])[0][:50]
    pieces = [TokenSequence(np.array(ids))]
    [(bits, size)] = score_sequences(model, tokenizer, pieces, context=20, limit_windows=99, batch_tokens=64)
    by_hand = [textbook_nats(plain, ids[:21])]
    by_hand += [textbook_nats(plain, ids[s : s + 21])[10:] for s in (10, 20, 30)]
    assert sum(len(part) for part in by_hand) == 49
    assert bits * math.log(2) == pytest.approx(sum(part.sum() for part in by_hand), rel=1e-5)
    [(_, fewer)] = score_sequences(model, tokenizer, pieces, context=20, limit_windows=2, batch_tokens=64)
    assert fewer < size


@given(st.integers(0, 300), st.integers(2, 40), st.integers(1, 20))
def test_windows_score_a_prefix_of_the_targets_once(length, context, limit):
    scored = []
    for start, stop, fresh in window_spans(length, context, limit):
        assert stop - start - 1 <= context
        scored += range(start + 1 + fresh, stop)
        assert start == 0 or fresh >= context // 2
    assert scored == list(range(1, 1 + len(scored)))
    if limit * (context // 2) >= length:
        assert len(scored) == max(length - 1, 0)


def test_how_documents_are_batched_does_not_show(model, tokenizer):
    pieces = [np.array(ids) for ids in tokenizer.encode(TEXTS * 2)]
    together, alone = nats_of(model, pieces, 10_000), nats_of(model, pieces, 1)
    for one, other in zip(together, alone, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-5)
    assert [len(one) for one in together] == [len(piece) - 1 for piece in pieces]


def test_of_a_chat_only_what_is_masked_counts(model, tokenizer, plain, tmp_path):
    ids = np.array(tokenizer.encode(["question: 2 answer: 4"])[0])
    mask = np.zeros(len(ids))
    mask[-3:] = 1
    store = make_store(tmp_path / "store", tokenizer, [ids], [mask])
    [row] = score_documents(model, tokenizer, store, "bpb/chat", context=256, limit_documents=1)
    counted = ids[-3:-1]  # the last of the three is the end marker
    assert row["weight"] == len(tokenizer.hf.decode(counted).encode())
    bits = textbook_nats(plain, ids.tolist())[-3:-1].sum() / math.log(2)
    assert row["value"] == pytest.approx(bits / row["weight"], rel=1e-5)


def test_a_larger_sample_contains_the_smaller_one():
    ids = [f"doc-{i}" for i in range(100)]
    chosen = choose_documents(ids, 30)
    assert chosen[:10] == choose_documents(ids, 10)
    assert {name for _, name in choose_documents(ids[::-1], 30)} == {name for _, name in chosen}
    assert [i for i, _ in chosen] != list(range(30))
    assert len(choose_documents(ids, 1000)) == 100


def test_bytes_of_tokens_are_the_bytes_of_the_text(tokenizer):
    sizes = token_bytes(tokenizer)
    for text in [*TEXTS, "\U0001f600 \t\r\n  x"]:
        assert sizes[tokenizer.encode([text])[0]].sum() == len(text.encode())
    assert sizes[tokenizer.eos_id] == 0


def test_bytes_of_a_sentencepiece_like_vocabulary():
    vocabulary = {"<s>": 0, **{f"<0x{i:02X}>": i + 1 for i in range(256)}, "\u2581": 257, "a": 258, "\u2581a": 259}
    backend = Backend(models.BPE(vocabulary, [("\u2581", "a")], byte_fallback=True))
    backend.normalizer = normalizers.Replace(" ", "\u2581")
    backend.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer = Tokenizer.of(PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>"))
    for text in (" a a", "a\u00e9 a\u4e2d"):
        assert token_bytes(tokenizer)[tokenizer.encode_pieces([text])[0]].sum() == len(text.encode())
    assert token_bytes(tokenizer)[0] == 0
    words = Backend(models.WordLevel({"a": 0, "[UNK]": 1}, "[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(UserError, match="not defined"):
        token_bytes(Tokenizer.of(PreTrainedTokenizerFast(tokenizer_object=words)))


def test_what_cannot_be_scored_is_said(model, tokenizer, tmp_path):
    store = make_store(tmp_path / "empty", tokenizer, [np.array([tokenizer.eos_id] * 3)])
    with pytest.raises(UserError, match="no held-out text"):
        score_documents(model, tokenizer, store, "bpb/s", context=8, limit_documents=3)
    store.facts["tokenizer"] = "f" * 32
    with pytest.raises(UserError, match="tokenise the documents again"):
        score_documents(model, tokenizer, store, "bpb/s", context=8, limit_documents=3)
    broken = init_model({"model_type": "llama", "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
                         "num_attention_heads": 1}, tokenizer, seed=0)  # fmt: skip
    torch.nn.init.constant_(broken.get_output_embeddings().weight, float("nan"))
    with pytest.raises(UserError, match="NaN"):
        score_sequences(broken, tokenizer, [TokenSequence(np.arange(9))], context=8, limit_windows=1, batch_tokens=9)
