"""A store is opened in no time, and never when a file of it is not whole."""

import json
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from midtrain.core.errors import UserError
from midtrain.tokens.store import TokenStore, token_dtype

_DOCUMENTS = [[1, 2, 3], [4, 5], [6, 7, 8, 9]]


def write_store(path, documents=_DOCUMENTS, mask=None, dtype="<u2", rows_per_group=2):
    path.mkdir()
    flat = np.array([i for one in documents for i in one], dtype)
    lengths = [len(one) for one in documents]
    flat.tofile(path / "tokens.bin")
    np.save(path / "offsets.npy", np.cumsum([0, *lengths]).astype(np.int64))
    if mask is not None:
        np.array(mask, np.uint8).tofile(path / "mask.bin")
    ids = [f"id{i}" for i in range(len(documents))]
    table = pa.table({"id": ids, "source": ["s"] * len(ids), "group": ids, "bytes": lengths, "tokens": lengths})
    pq.write_table(table, path / "documents.parquet", row_group_size=rows_per_group)
    facts = {"tokenizer": "t" * 32, "vocab_size": 16, "dtype": dtype, "documents": len(ids), "tokens": len(flat)}
    facts |= {"targets": len(flat) - len(ids), "bytes": len(flat), "mask": mask is not None, "digest": "d" * 32}
    (path / "store.json").write_text(json.dumps(facts))
    return path


def test_a_store_gives_back_its_documents(tmp_path):
    store = TokenStore.open(write_store(tmp_path / "store", mask=[0, 1, 1, 1, 1, 0, 0, 1, 1]))
    assert (store.num_documents, store.num_tokens, store.num_targets) == (3, 9, 6)
    assert [store.document(i).tolist() for i in range(3)] == _DOCUMENTS
    assert store.document_mask(2).tolist() == [0, 0, 1, 1]
    assert store.lengths.tolist() == [3, 2, 4]
    assert store.digest == "d" * 32
    assert store.table(["id", "tokens"]).to_pydict() == {"id": ["id0", "id1", "id2"], "tokens": [3, 2, 4]}


def test_a_store_without_a_mask_learns_everything(tmp_path):
    store = TokenStore.open(write_store(tmp_path / "store"))
    assert store.mask is None
    assert store.document_mask(1).tolist() == [1, 1]


def test_document_info_follows_the_indices_across_row_groups(tmp_path):
    documents = [[i, i] for i in range(11)]
    store = TokenStore.open(write_store(tmp_path / "store", documents, rows_per_group=3))
    indices = [10, 0, 4, 4, 9]
    assert store.document_ids(indices) == [f"id{i}" for i in indices]
    assert store.document_info(np.array([7, 2])).column("group").to_pylist() == ["id7", "id2"]
    assert store.document_ids([]) == []


def test_the_ids_must_come_from_the_models_tokenizer(tmp_path):
    store = TokenStore.open(write_store(tmp_path / "store"))
    store.require_tokenizer("t" * 32)
    with pytest.raises(UserError, match=r"store was tokenised with tokenizer tttttttttttt, but this model uses other"):
        store.require_tokenizer("other")


@pytest.mark.parametrize("name", ["tokens.bin", "mask.bin", "offsets.npy", "store.json"])
@pytest.mark.parametrize("harm", ["cut", "empty", "missing", "longer"])
def test_a_file_that_is_not_whole_is_named(tmp_path, name, harm):
    path = write_store(tmp_path / "store", mask=[1] * 9)
    file = path / name
    whole = file.read_bytes()
    if harm == "missing":
        file.unlink()
    else:
        file.write_bytes({"cut": whole[:-1], "empty": b"", "longer": whole + b"\1\1"}[harm])
    if name == "offsets.npy" and harm == "longer":
        TokenStore.open(path)  # NumPy reads what the header promises
        return
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        TokenStore.open(path)


def test_offsets_of_another_store_are_refused(tmp_path):
    path = write_store(tmp_path / "store")
    np.save(path / "offsets.npy", np.array([0, 3, 5, 8], np.int64))
    with pytest.raises(UserError, match=r"offsets\.npy is cut short or does not belong"):
        TokenStore.open(path)
    np.save(path / "offsets.npy", np.array([0, 5, 9], np.int64))
    with pytest.raises(UserError, match=r"offsets\.npy is cut short or does not belong"):
        TokenStore.open(path)


@pytest.mark.parametrize("harm", ["cut", "missing", "other"])
def test_a_damaged_document_table_is_named_when_it_is_needed(tmp_path, harm):
    path = write_store(tmp_path / "store")
    file = path / "documents.parquet"
    whole = file.read_bytes()
    file.unlink()
    if harm == "cut":
        file.write_bytes(whole[:-10])
    elif harm == "other":
        pq.write_table(pa.table({"id": ["a"]}), file)
    store = TokenStore.open(path)
    with pytest.raises(UserError, match=r"documents\.parquet"):
        store.table()


def test_a_folder_that_is_no_store_and_a_store_of_another_time_are_refused(tmp_path):
    with pytest.raises(UserError, match="is not a token store"):
        TokenStore.open(tmp_path)
    path = write_store(tmp_path / "store")
    (path / "store.json").write_text("{}")
    with pytest.raises(UserError, match="lacks tokenizer, vocab_size"):
        TokenStore.open(path)


def test_three_hundred_billion_tokens_open_at_once(tmp_path):
    path = write_store(tmp_path / "store")
    tokens, documents = 300 * 10**9, 2 * 10**6
    with open(path / "tokens.bin", "r+b") as file:
        file.truncate(2 * tokens)
    offsets = np.lib.format.open_memmap(path / "offsets.npy", "w+", np.int64, (documents + 1,))
    offsets[-1] = tokens
    offsets.flush()
    facts = json.loads((path / "store.json").read_text()) | {"documents": documents, "tokens": tokens}
    (path / "store.json").write_text(json.dumps(facts))
    start = time.perf_counter()
    store = TokenStore.open(path)
    assert store.tokens[tokens - 1] == 0
    assert time.perf_counter() - start < 0.5


def test_the_smallest_type_that_holds_the_vocabulary_is_used():
    assert token_dtype(65_536) == np.dtype("<u2")
    assert token_dtype(65_537) == np.dtype("<u4")


def test_an_empty_store_opens(tmp_path):
    store = TokenStore.open(write_store(tmp_path / "store", documents=[]))
    assert (store.num_documents, len(store.tokens), store.lengths.tolist()) == (0, 0, [])
    assert store.document_ids([]) == []
