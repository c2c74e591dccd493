"""Rows as columns: both ways of reading give the same documents, and every odd row is judged one by one."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midtrain.core.artifact import Draft
from midtrain.documents import batch as batches
from midtrain.documents import schema
from midtrain.documents.collect import collect
from midtrain.documents.config import HoldoutConfig, LimitConfig, SourceConfig
from midtrain.documents.reading import jsonl, parquet
from midtrain.documents.reading.read import read_rows, read_source
from midtrain.documents.rows import Rows

COLUMNS = {"text": "text", "group": "group", "license": "license", "lang": "lang", "id": "key"}
PLAIN = {"text": "a text", "group": "g", "license": "MIT", "lang": "en", "key": "k"}


def gather(rows, folder, **options):
    """Collect; returns (counts, drops, facts, samples, the bytes of the shards)."""
    folder.mkdir()
    draft = Draft(folder)
    collect(rows, source="s", holdout=HoldoutConfig(share=0.3), draft=draft, max_bad_rows=1.0, **options)
    shards = [shard.read_bytes() for shard in sorted(folder.glob("part-*"))]
    return draft.counts, draft.drops, draft.facts, draft.samples, shards


def records(count):
    """Rows with every kind of label, and duplicates."""
    for i in range(count):
        text = f"text {i % (count * 4 // 5)} \u00e4" * (i % 7 + 1)
        yield {
            "text": text,
            "group": None if i % 3 else f"g{i % 11}",
            "license": ("", None, "MIT", "caf\u00e9")[i % 4],
            "lang": None if i % 2 else "de",
            "key": f"k{i}" if i % 5 else None,
        }


@pytest.fixture(params=["a.parquet", "a.jsonl"])
def write(request, tmp_path):
    path = tmp_path / request.param

    def to_file(rows):
        if path.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema([(c, pa.string()) for c in PLAIN])), path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return to_file


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"license": "CC0-1.0", "lang": "en"},
        {"min_characters": 12},
        {"limit": LimitConfig(documents=31)},
        {"limit": LimitConfig(bytes=1500), "min_characters": 12},
    ],
    ids=["plain", "labels of the source", "short ones", "so many documents", "so many bytes"],
)
@pytest.mark.parametrize("group", ["document", "file"])
def test_columns_and_single_rows_give_the_same_bytes(write, tmp_path, monkeypatch, options, group):
    monkeypatch.setattr(batches, "BATCH_ROWS", 17)
    monkeypatch.setattr(jsonl, "_ROWS_AT_ONCE", 23)
    monkeypatch.setattr(parquet, "_ROWS_AT_ONCE", 23)
    config = SourceConfig(read=str(write(list(records(200)))), columns=COLUMNS, group=group)
    assert any(isinstance(item, Rows) and item.plain() is not None for item in read_source(config))
    fast = gather(read_source(config), tmp_path / "fast", **options)
    slow = gather(read_rows(config), tmp_path / "slow", **options)
    assert fast == slow
    assert fast[0]["documents"] > 10


ODD = [
    {"text": None},
    {"text": ""},
    {"text": " \n\u2003"},
    {"text": "a\0b"},
    {"text": "longer than forty bytes, which is the limit of this test"},
]


@pytest.mark.parametrize("odd", ODD, ids=["null", "empty", "blank", "NUL", "too long"])
def test_an_odd_row_is_counted_and_the_others_are_kept(write, tmp_path, monkeypatch, odd):
    monkeypatch.setattr(schema, "MAX_ROW_BYTES", 40)
    rows = [PLAIN | {"text": f"{i}"} for i in range(9)]
    config = SourceConfig(read=str(write([*rows[:5], PLAIN | odd, *rows[5:]])), columns=COLUMNS)
    fast = gather(read_source(config), tmp_path / "fast")
    assert fast == gather(read_rows(config), tmp_path / "slow")
    assert (fast[0]["documents"], sum(fast[1].values())) == (9, 1)
    (place,) = [samples[0]["where"] for reason, samples in fast[3].items() if reason.startswith("dropped")]
    assert place.endswith("row 6")


def test_json_of_any_type_is_judged_as_before(tmp_path):
    odd = [{"text": 5}, {"text": ["a"]}, {"text": "x", "license": 7}, {"text": "y", "group": {"a": 1}}, {"text": True}]
    lines = [json.dumps(PLAIN), *map(json.dumps, odd), '{"text": "\\ud800"}', '{"text": ' + "9" * 25 + "}"]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    config = SourceConfig(read=str(tmp_path / "a.jsonl"), columns=COLUMNS)
    fast = gather(read_source(config), tmp_path / "fast")
    assert fast == gather(read_rows(config), tmp_path / "slow")
    assert fast[1] == {"text is not a string": 4, "lone surrogate": 1}


@given(st.lists(st.text(st.characters(codec=None), max_size=6), min_size=1, max_size=20))
@settings(max_examples=200)
def test_plain_means_that_every_text_is_usable(texts):
    usable = True
    for text in texts:
        try:
            schema.encode_text(text)
        except schema.Unusable:
            usable = False
    plain = Rows(lambda: iter([]), lambda: {"text": pa.array(texts)}).plain()
    assert (plain is not None) == usable
    if plain is not None:
        assert plain["text"].to_pylist() == texts


def test_rows_of_a_parquet_file_of_long_texts_come_a_few_at_a_time(tmp_path):
    texts = [str(i) * 400_000 for i in range(10, 60)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", compression="none", use_dictionary=False)
    sizes = [len(item.columns()["text"]) for item in read_source(SourceConfig(read=str(tmp_path)))]
    assert max(sizes) <= 10
    assert sum(sizes) == 50
