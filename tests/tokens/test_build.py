"""Documents become a store: every token, in order, once, with the mask of what a chat's assistant says."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tokenizers
from tokenizers import decoders, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from midtrain.core.artifact import Draft, make_artifact
from midtrain.core.errors import UserError
from midtrain.documents.schema import SCHEMA
from midtrain.documents.store import Documents
from midtrain.models.chat import render
from midtrain.models.tokenizer import CHAT_TEMPLATE, Tokenizer
from midtrain.tokens.build import build_store
from midtrain.tokens.store import TokenStore

_TEXTS = [f"document {i} says <|endoftext|> caf\u00e9\n" * (i % 5 + 1) for i in range(23)]
_CHAT = [{"role": "user", "content": "two plus two, caf\u00e9?"}, {"role": "assistant", "content": "four"}]


def tokenizer(eos="<|endoftext|>"):
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(_TEXTS, trainer)
    hf = PreTrainedTokenizerFast(tokenizer_object=made, eos_token=eos)
    hf.chat_template = CHAT_TEMPLATE
    return Tokenizer.of(hf)


def row(content, split="train"):
    key = "text" if isinstance(content, str) else "messages"
    name = hashlib.blake2b(repr(content).encode(), digest_size=16).hexdigest()
    return {"id": name, key: content, "source": "src", "group": f"g-{name[:4]}", "split": split}


def write_documents(path, rows, per_group=7, per_shard=10):
    path.mkdir()
    for number, start in enumerate(range(0, len(rows), per_shard)):
        table = pa.Table.from_pylist(rows[start : start + per_shard], SCHEMA)
        pq.write_table(table, path / f"part-{number:05d}.parquet", row_group_size=per_group)
    return Documents(path)


def build(path, rows, used=None, split="train", **layout):
    documents = write_documents(path / "documents", rows, **layout)
    (path / "store").mkdir()
    draft = Draft(path / "store")
    build_store(documents, used or tokenizer(), draft, split)
    return TokenStore.open(path / "store"), draft


@pytest.fixture
def folder(tmp_path):
    numbers = iter(range(9))

    def make():
        path = tmp_path / str(next(numbers))
        path.mkdir()
        return path

    return make


def expected(used, texts):
    return [one + list(used.suffix) for one in used.hf(texts, split_special_tokens=True)["input_ids"]]


def test_every_text_is_in_the_store_once_in_order_with_its_end(folder):
    used = tokenizer()
    store, draft = build(folder(), [row(text) for text in _TEXTS], used)
    assert [store.document(i).tolist() for i in range(store.num_documents)] == expected(used, _TEXTS)
    assert store.mask is None
    assert not (store.path / "mask.bin").exists()
    assert store.tokens.dtype == np.uint16
    tokens = sum(map(len, expected(used, _TEXTS)))
    size = sum(len(text.encode()) for text in _TEXTS)
    assert draft.counts == {
        "documents": 23,
        "tokens": tokens,
        "bytes": size,
        "targets": tokens - 23,
        "bytes_per_token": round(size / tokens, 4),
    }
    assert draft.facts["engine"] == "gigatoken"
    assert draft.facts["parity_documents"] > 20
    store.require_tokenizer(used.digest)


def test_the_document_table_follows_the_order_of_the_offsets(folder):
    rows = [row(text) for text in _TEXTS]
    store, _ = build(folder(), rows)
    assert store.table().to_pydict() == {
        "id": [one["id"] for one in rows],
        "source": ["src"] * 23,
        "group": [one["group"] for one in rows],
        "bytes": [len(text.encode()) for text in _TEXTS],
        "tokens": store.lengths.tolist(),
    }


def test_only_the_split_that_was_asked_for_is_tokenised(folder):
    rows = [row("kept out", "heldout"), *(row(text) for text in _TEXTS[:3]), row("kept out too", "heldout")]
    path = folder()
    train, _ = build(path, rows)
    heldout, _ = build(folder(), rows, split="heldout")
    assert (train.num_documents, heldout.num_documents) == (3, 2)
    assert heldout.document_ids([0, 1]) == [rows[0]["id"], rows[-1]["id"]]


def test_a_chat_is_rendered_and_only_the_assistant_is_learned(folder):
    used = tokenizer()
    rows = [row("first text"), row("second text"), row(_CHAT), row("last text")]
    store, draft = build(folder(), rows, used, per_group=3, per_shard=2)
    ids, said = render(used, _CHAT)
    assert store.document(2).tolist() == ids
    assert store.document_mask(2).tolist() == [int(one) for one in said]
    assert used.decode(store.document(2)[store.document_mask(2) == 1]) == "four<|endoftext|>"
    texts = [0, 1, 3]
    assert [store.document(i).tolist() for i in texts] == expected(used, ["first text", "second text", "last text"])
    assert all(store.document_mask(i).all() for i in texts)
    assert draft.counts["targets"] == sum(len(store.document(i)) - 1 for i in texts) + sum(said)
    assert store.table(["bytes"])["bytes"].to_pylist()[2] == len("two plus two, caf\u00e9?four".encode())


def test_a_store_of_chats_alone_keeps_their_order(folder):
    used = tokenizer()
    chats = [[_CHAT[0], {"role": "assistant", "content": f"answer {i}"}] for i in range(9)]
    store, _ = build(folder(), [row(chat) for chat in chats], used, per_group=4)
    assert [store.document(i).tolist() for i in range(9)] == [render(used, chat)[0] for chat in chats]
    assert store.mask.tolist() == [int(said) for chat in chats for said in render(used, chat)[1]]


def test_the_digest_names_the_content_not_the_files_it_came_in(folder):
    rows = [row(text) for text in _TEXTS] + [row(_CHAT)]
    digest = build(folder(), rows)[0].digest
    assert build(folder(), rows, per_group=2, per_shard=5)[0].digest == digest
    assert build(folder(), rows[::-1])[0].digest != digest
    assert build(folder(), rows[:-1])[0].digest != digest
    other = tokenizer()
    other.hf.chat_template = CHAT_TEMPLATE.replace("Question", "Prompt")
    assert other.digest == tokenizer().digest
    assert build(folder(), rows, other)[0].digest != digest


def test_documents_with_nothing_to_predict_are_dropped_and_counted(folder):
    used = tokenizer(eos=None)
    rows = [row("a longer text"), row("a"), row("another text"), row("b")]
    store, draft = build(folder(), rows, used)
    assert store.document_ids([0, 1]) == [rows[0]["id"], rows[2]["id"]]
    assert [used.decode(store.document(i)) for i in range(2)] == ["a longer text", "another text"]
    assert draft.drops == {"fewer than two tokens": 2}
    assert draft.samples == {"dropped: fewer than two tokens": [rows[1]["id"], rows[3]["id"]]}
    assert store.num_targets == store.num_tokens - 2


def test_a_large_vocabulary_is_stored_in_four_bytes(folder):
    small = tokenizer()
    store, _ = build(folder(), [row(text) for text in _TEXTS], replace(small, vocab_size=70_000))
    assert store.tokens.dtype == np.uint32
    assert store.document(3).tolist() == expected(small, _TEXTS)[3]


def test_a_split_without_documents_gives_an_empty_store(folder):
    store, draft = build(folder(), [row("only for training")], split="heldout")
    assert (store.num_documents, store.num_tokens) == (0, 0)
    assert draft.counts["bytes_per_token"] == 0


def test_a_damaged_shard_is_told_and_nothing_is_left(folder):
    path = folder()
    documents = write_documents(path / "documents", [row(text) for text in _TEXTS])
    shard = documents.shards[-1]
    shard.write_bytes(shard.read_bytes()[:-9])
    with (
        pytest.raises(UserError, match=r"part-00002\.parquet is damaged"),
        make_artifact(path / "store", kind="tokens") as draft,
    ):
        build_store(documents, tokenizer(), draft)
    assert [one.name for one in path.iterdir()] == ["documents"]


def test_the_files_are_readable_without_this_package(folder):
    used = tokenizer()
    store, _ = build(folder(), [row(text) for text in _TEXTS], used)
    facts = json.loads((store.path / "store.json").read_text())
    tokens = np.fromfile(store.path / "tokens.bin", facts["dtype"])
    offsets = np.load(store.path / "offsets.npy")
    assert tokens[offsets[4] : offsets[5]].tolist() == expected(used, _TEXTS)[4]
