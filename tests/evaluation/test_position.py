"""Loss by position and retrieval: hand-checked against plain forward passes, the same for every model."""

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.evaluation.bits_per_byte import token_bytes
from midtrain.evaluation.config import (
    BitsPerByteConfig,
    EvaluationConfig,
    PositionsConfig,
    RetrievalConfig,
    position_buckets,
)
from midtrain.evaluation.evaluate import evaluate
from midtrain.evaluation.position import score_positions
from midtrain.evaluation.retrieval import documents, fit, hide, score_retrieval
from midtrain.models.load import init_model
from midtrain.models.tokenizer import train_tokenizer
from midtrain.tokens.store import TokenStore

torch.set_num_threads(1)
FIELDS = {
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "tie_word_embeddings": True,
}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    texts = [hide(n, 20, RetrievalConfig(lengths=[64], keys=3)).prompt for n in range(20)]
    return train_tokenizer(texts, 400, tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def model(tokenizer):
    return init_model(FIELDS, tokenizer, seed=1)


def make_store(folder, tokenizer, sequences, masks):
    """A token store written by hand: the format is public."""
    folder.mkdir()
    lengths = [len(ids) for ids in sequences]
    np.concatenate(sequences).astype("<u2").tofile(folder / "tokens.bin")
    np.concatenate(masks).astype(np.uint8).tofile(folder / "mask.bin")
    np.save(folder / "offsets.npy", np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    n = len(sequences)
    columns = {"id": [f"d{i}" for i in range(n)], "source": ["s"] * n, "group": ["g"] * n, "bytes": [0] * n}
    pq.write_table(pa.table({**columns, "tokens": lengths}), folder / "documents.parquet")
    facts = {"tokenizer": tokenizer.digest, "vocab_size": tokenizer.vocab_size, "dtype": "<u2", "documents": n}
    facts |= {"tokens": sum(lengths), "targets": 0, "bytes": 0, "mask": True, "digest": "x"}
    (folder / "store.json").write_text(json.dumps(facts))
    return TokenStore.open(folder)


@pytest.fixture(scope="module")
def store(tokenizer, tmp_path_factory):
    rng = np.random.default_rng(0)
    sequences = [rng.integers(10, 390, size) for size in (200, 130, 127, 300)]
    masks = [np.ones(len(ids), np.uint8) for ids in sequences]
    masks[0][:40] = 0
    folder = tmp_path_factory.mktemp("stores") / "store"
    return make_store(folder, tokenizer, sequences, masks)


def test_buckets_halve_down_from_the_context():
    assert position_buckets(128, 4) == [(0, 16), (16, 32), (32, 64), (64, 128)]
    assert position_buckets(4, 5) == [(0, 1), (1, 2), (2, 4)]


def test_loss_by_position_is_that_of_a_plain_forward_pass(model, tokenizer, store):
    rows = score_positions(model, tokenizer, store, "s", PositionsConfig(buckets=3), 128)
    assert {row["item"] for row in rows} == {"d0", "d1", "d3"}  # the document of 127 tokens is too short
    assert {row["capability"] for row in rows} == {"position/s@0-32", "position/s@32-64", "position/s@64-128"}
    found = {(row["capability"], row["item"]): row for row in rows}
    ids = np.asarray(store.document(3))[:128].astype(np.int64)
    bytes_V = token_bytes(tokenizer)
    with torch.no_grad():
        logits = model(torch.from_numpy(ids[None])).logits[0].double()
    nats = -torch.log_softmax(logits[:-1], -1)[torch.arange(127), torch.from_numpy(ids[1:])].numpy()
    for low, high in ((0, 32), (32, 64), (64, 128)):
        targets = [t for t in range(max(low, 1), high) if bytes_V[ids[t]] > 0]
        size = sum(bytes_V[ids[t]] for t in targets)
        row = found[f"position/s@{low}-{high}", "d3"]
        assert row["weight"] == size
        assert row["value"] == pytest.approx(sum(nats[t - 1] for t in targets) / math.log(2) / size, rel=1e-5)
    masked = np.asarray(store.document(0))[40:64]  # the first 40 tokens of d0 have no loss
    assert found["position/s@32-64", "d0"]["weight"] == bytes_V[masked].sum()
    assert ("position/s@0-32", "d0") not in found


def test_no_document_is_long_enough(model, tokenizer, store):
    with pytest.raises(UserError, match=r"no held-out document has 512 tokens \(the longest has 300\)"):
        score_positions(model, tokenizer, store, "s", PositionsConfig(), 512)


def test_a_hidden_code_stands_where_it_should_and_once():
    config = RetrievalConfig(lengths=[64], keys=4, depths=4)
    for number in range(8):
        task = hide(number, 100, config)
        name = task.prompt.rsplit("The code of the ", 1)[1].removesuffix(" is")
        needle = f"The code of the {name} is{task.answer}."
        assert task.prompt.count(needle) == 1
        assert task.prompt.count("The code of the") == 5
        assert task.prompt.index(needle) / len(task.prompt) == pytest.approx((number % 4 + 0.5) / 4, abs=0.06)
    assert hide(3, 50, config) == hide(3, 50, config)
    assert hide(3, 50, config).answer != hide(3, 50, config.model_copy(update={"seed": 1})).answer


def test_a_text_fills_its_length(tokenizer):
    config = RetrievalConfig(lengths=[256, 1024], keys=2)
    for length in config.lengths:
        task, ids, answered = fit(0, length, config, tokenizer)
        assert 0 <= length - len(ids) < 30
        assert tokenizer.decode(ids[-answered:]) == task.answer
    short, long = fit(0, 256, config, tokenizer)[0], fit(0, 1024, config, tokenizer)[0]
    assert short.answer == long.answer
    with pytest.raises(UserError, match="more than the length 32"):
        fit(0, 32, RetrievalConfig(lengths=[32], keys=20), tokenizer)


def test_right_is_what_greedy_decoding_gives(model, tokenizer):
    config = RetrievalConfig(lengths=[128], count=6, digits=1)

    class Copies(torch.nn.Module):  # a "model" that has read the answer: its hidden state is the next token's row
        def __init__(self, shift):
            super().__init__()
            self.inner, self.shift = model, shift
            self.config = model.config
            self.head = torch.nn.Linear(400, 400, bias=False)
            self.head.weight.data = torch.eye(400) * 50

        def get_output_embeddings(self):
            return self.head

        def base_model(self, input_ids, **_):
            following = torch.roll(input_ids[0], -1)
            answer = {
                tuple(fit(n, 128, config, tokenizer)[1][:-1]): fit(n, 128, config, tokenizer)[1] for n in range(6)
            }
            following[-1] = int(answer[tuple(input_ids[0].tolist())][-1])
            out = torch.nn.functional.one_hot((following + self.shift) % 400, 400).float()
            return type("Out", (), {"last_hidden_state": out[None]})

    right = score_retrieval(Copies(0), tokenizer, config, "one")
    assert [row["value"] for row in right if row["metric"] == "exact_match"] == [1.0] * 6
    assert max(row["value"] for row in right if row["metric"] == "bits_per_byte") < 1e-9
    wrong = score_retrieval(Copies(1), tokenizer, config, "one")
    assert [row["value"] for row in wrong if row["metric"] == "exact_match"] == [0.0] * 6
    assert {row["capability"] for row in wrong} == {"retrieval/one@128", "retrieval/one@128 (bpb)"}


def test_documents_to_train_on_are_others(tokenizer):
    config = RetrievalConfig(lengths=[128], keys=2)
    train = list(documents(config.model_copy(update={"seed": 7}), 5, 128, tokenizer))
    asked = {fit(n, 128, config, tokenizer)[0].prompt for n in range(5)}
    assert len(set(train)) == 5
    assert not any(text.startswith(prompt) for text in train for prompt in asked)


def test_everything_named_is_measured_and_nothing_else(model, tokenizer, store):
    config = EvaluationConfig(
        bits_per_byte=BitsPerByteConfig(sources=["a"]),
        positions=PositionsConfig(sources=["b"], buckets=2),
        retrieval={"keys": RetrievalConfig(lengths=[96, 128], count=2)},
    )
    rows = evaluate(model, tokenizer, {"a": store, "b": store}, config, 64, 128).rows
    assert {row["capability"] for row in rows} == set(config.capabilities(["a", "b"], 128))
    assert "position/b@64-128" in config.capabilities(["a", "b"], 128)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"positions": {"sources": ["c"]}}, "evaluation.positions.sources names"),
        ({"retrieval": {"x": {"lengths": [64, 64]}}}, "same length twice"),
        ({"retrieval": {"x": {"lengths": [8]}}}, "32"),
    ],
)
def test_mistakes(data, words):
    with pytest.raises((UserError, ValueError), match=words):
        parse(EvaluationConfig, data, "recipe.yaml").capabilities(["a", "b"], 128)


def test_an_evaluation_without_them_is_named_as_before():
    assert set(EvaluationConfig().model_dump(mode="json")) == {"bits_per_byte", "problems"}
