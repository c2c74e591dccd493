"""Reading a documents artifact back: streaming, by split, by column, with and without its manifest."""

import pyarrow as pa
import pytest

from midtrain.core.artifact import MANIFEST, make_artifact
from midtrain.core.errors import UserError
from midtrain.documents import batch as batches
from midtrain.documents.collect import collect
from midtrain.documents.config import HoldoutConfig
from midtrain.documents.store import Documents


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "BATCH_ROWS", 16)
    chat = {
        "messages": [{"role": "user", "content": "\u00e4"}, {"role": "assistant", "content": "bc"}],
        "split": "train",
    }
    rows = [*({"text": f"document {i}"} for i in range(100)), chat]
    with make_artifact(tmp_path / "documents", kind="documents") as draft:
        collect(rows, source="s", holdout=HoldoutConfig(share=0.3), draft=draft)
    return tmp_path / "documents"


def test_a_split_is_read_in_order(folder):
    documents = Documents(folder)
    everything = pa.concat_tables(documents.tables(columns=["text", "split"])).to_pylist()
    for split in ("train", "heldout"):
        texts = [text for table in documents.tables(split, ["text"]) for text in table["text"].to_pylist()]
        assert texts == [row["text"] for row in everything if row["split"] == split]
        assert len(texts) == documents.count(split) > 10
    assert documents.count() == 101


def test_only_the_columns_asked_for_come_in_one_chunk(folder):
    for table in Documents(folder).tables("train", ["id", "text"]):
        assert table.column_names == ["id", "text"]
        assert table["text"].num_chunks == 1


def test_the_manifest_and_the_shards_agree(folder):
    documents = Documents(folder)
    asked = (None, "train", "heldout")
    from_manifest = [(documents.count(split), documents.bytes(split)) for split in asked]
    (folder / MANIFEST).unlink()
    assert [(documents.count(split), documents.bytes(split)) for split in asked] == from_manifest
    assert from_manifest[0][1] == sum(len(f"document {i}") for i in range(100)) + len("\u00e4bc".encode())


def test_what_is_no_documents_folder_is_named(tmp_path, folder):
    with pytest.raises(UserError, match="holds no documents"):
        Documents(tmp_path / "elsewhere")
    shard = folder / "part-00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"part-00000\.parquet is damaged"):
        list(Documents(folder).tables())
