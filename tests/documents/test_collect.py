"""The door: what is kept, what is counted, what is refused, and that the same input gives the same bytes."""

import json
import os
from hashlib import blake2b

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midtrain.core.artifact import Draft, make_artifact
from midtrain.core.errors import UserError
from midtrain.documents import batch as batches
from midtrain.documents import collect as door
from midtrain.documents.collect import collect, collect_source, source_identity
from midtrain.documents.config import HoldoutConfig, LimitConfig, SourceConfig
from midtrain.documents.schema import SCHEMA, BadRow
from midtrain.documents.seen import SeenKeys
from midtrain.documents.shards import ShardWriter
from midtrain.documents.split import split_of
from midtrain.documents.store import Documents

CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]


@pytest.fixture
def gather(tmp_path):
    """Collect rows into a fresh folder; returns (draft, rows as written)."""
    number = iter(range(100))

    def run(rows, **options):
        folder = tmp_path / f"out{next(number)}"
        folder.mkdir()
        draft = Draft(folder)
        options = {"source": "s", "holdout": HoldoutConfig(share=0.3), "max_bad_rows": 1.0, **options}
        collect(rows, draft=draft, **options)
        return draft, [row for table in Documents(folder).tables() for row in table.to_pylist()]

    return run


def text_rows(count, size=1):
    return [{"text": f"document {i} " + "x" * size} for i in range(count)]


def test_lineage_is_in_every_row(gather):
    rows = [
        {"text": "a\u00e4", "group": "g", "license": "MIT", "lang": "de", "parents": ["p"], "meta": {"b": 1, "a": 2}},
        {"messages": CHAT, "split": "heldout"},
    ]
    _, (first, second) = gather(rows, license="CC0-1.0", lang="en")
    assert first == {
        "id": first["id"],
        "text": "a\u00e4",
        "messages": None,
        "source": "s",
        "lang": "de",
        "license": "MIT",
        "parents": ["p"],
        "group": "g",
        "split": split_of("g", "midtrain", 0.3),
        "meta": '{"a": 2, "b": 1}',
    }
    assert (second["messages"], second["text"]) == (CHAT, None)
    assert (second["license"], second["lang"], second["parents"]) == ("CC0-1.0", "en", [])
    assert (second["group"], second["split"]) == (second["id"], "heldout")


def test_ids_come_from_content_alone(gather):
    _, first = gather([{"text": "same", "license": "MIT"}, {"messages": CHAT}], source="a")
    _, second = gather([{"text": "other"}, {"messages": CHAT}, {"text": "same"}], source="b")
    assert [first[0]["id"], first[1]["id"]] == [second[2]["id"], second[1]["id"]]
    assert first[0]["id"] == blake2b(b"same", digest_size=16).hexdigest()
    assert first[1]["id"] == blake2b(b"\0user\0Hi\0assistant\0Hello.", digest_size=16).hexdigest()


def test_roles_are_part_of_a_chats_id(gather):
    swapped = [{"role": "assistant", "content": "Hi"}, {"role": "user", "content": "Hello."}]
    _, rows = gather([{"messages": CHAT}, {"messages": swapped}])
    assert len({row["id"] for row in rows}) == 2


def test_counts_add_up(gather):
    rows = [*text_rows(50), *text_rows(10), {"text": ""}, BadRow("invalid JSON", ("f", 3), "{"), {"text": "\u00e4"}]
    draft, written = gather(rows, min_characters=2)
    assert draft.counts["rows_in"] == 63 == len(written) + sum(draft.drops.values())
    assert draft.drops == {"duplicate": 10, "empty text": 1, "invalid JSON": 1, "shorter than 2 characters": 1}
    assert draft.samples["dropped: invalid JSON"] == [{"where": "f row 3", "row": "{"}]
    assert draft.counts["documents"] == len(written) == 50
    heldout = [row for row in written if row["split"] == "heldout"]
    assert 0 < draft.counts["heldout"] == len(heldout) < 50
    assert draft.counts["bytes_heldout"] == sum(len(row["text"].encode()) for row in heldout)
    assert draft.counts["bytes_train"] == sum(len(r["text"].encode()) for r in written if r["split"] == "train")
    assert draft.counts["groups"] == 50
    assert draft.facts["licenses"] == {"unknown": 50}


def test_groups_are_counted_once(gather):
    draft, written = gather([{**row, "group": f"g{i % 7}"} for i, row in enumerate(text_rows(100))])
    assert draft.counts["groups"] == 7
    assert all(row["split"] == split_of(row["group"], "midtrain", 0.3) for row in written)


@pytest.mark.parametrize("batch", [1, 3, 8192])
def test_the_first_of_equal_documents_is_kept_across_batches(gather, monkeypatch, batch):
    monkeypatch.setattr(batches, "BATCH_ROWS", batch)
    names = [0, 1, 0, 2, 2, 3, 1, 4, 0]
    draft, written = gather([{"text": f"t{n}", "meta": {"at": i}} for i, n in enumerate(names)])
    assert [json.loads(row["meta"])["at"] for row in written] == [0, 1, 3, 5, 7]
    assert draft.drops["duplicate"] == 4


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "missing text"),
        ({"text": None}, "missing text"),
        ({"text": " \n\t"}, "empty text"),
        ({"text": 5}, "text is not a string"),
        ({"text": ["a"]}, "text is not a string"),
        ({"text": "a\0b"}, "NUL character"),
        ({"text": "a\ud800b"}, "lone surrogate"),
        ({"messages": "Hi"}, "messages are not a list"),
        ({"messages": []}, "messages are empty"),
        ({"messages": ["Hi"]}, "a message is not {role, content}"),
        ({"messages": CHAT[:1]}, "messages without an assistant"),
        ({"messages": [*CHAT, {"role": "robot", "content": "x"}]}, "a message without a known role"),
        ({"messages": [*CHAT, {"role": ["user"], "content": "x"}]}, "a message without a known role"),
        ({"messages": [*CHAT, {"role": "user", "content": " "}]}, "a message of the user is empty"),
        ({"messages": [*CHAT, {"role": "user", "content": None}]}, "content is not a string"),
        ({"messages": [*CHAT, {"role": "user", "content": "\0"}]}, "NUL character"),
        ({"messages": [*CHAT, {"role": "assistant", "content": "x", "tool_calls": [1]}]}, "tool_calls"),
    ],
)
def test_unusable_rows_are_counted_by_reason(tmp_path, row, reason):
    with make_artifact(tmp_path / "a", kind="documents") as draft:
        collect(
            [{"text": "good"}, {**row, "where": ("f", 2)}],
            source="s",
            holdout=HoldoutConfig(),
            draft=draft,
            max_bad_rows=0.5,
        )
    ((counted, count),) = draft.drops.items()
    assert reason in counted
    assert count == 1
    assert draft.samples[f"dropped: {counted}"][0]["where"] == "f row 2"
    assert Documents(tmp_path / "a").count() == 1


def test_an_empty_system_message_is_left_out(gather):
    _, (row,) = gather([{"messages": [{"role": "system", "content": ""}, *CHAT]}])
    assert row["messages"] == CHAT


def test_odd_labels_do_not_break_the_shard(gather):
    rows = [{"text": "a", "license": "x\ud800", "lang": 5, "group": ["b", "a"], "meta": {"x": "\udfff"}}]
    _, (row,) = gather(rows)
    assert (row["license"], row["lang"], row["group"]) == ("x\\ud800", "5", '["b", "a"]')


def test_too_many_bad_rows_are_refused(gather):
    rows = [*text_rows(98), BadRow("invalid JSON", ("data/x.jsonl", 7)), {"text": ""}]
    gather(rows, max_bad_rows=0.02)
    expected = r"2 of 100 rows cannot be used .*0\.01.* first is data/x\.jsonl row 7: invalid JSON; mend the file"
    with pytest.raises(UserError, match=expected):
        gather(rows, max_bad_rows=0.01)


def test_a_hopeless_source_is_refused_early(gather):
    taken = 0

    def rows():
        nonlocal taken
        for i in range(1_000_000):
            taken += 1
            yield {"text": f"{i}"} if i % 10 else BadRow("invalid JSON", ("f", i + 1))

    with pytest.raises(UserError, match="of the first 1,0"):
        gather(rows(), max_bad_rows=0.01)
    assert taken < 1100


@pytest.mark.parametrize("rows", [[], [{"text": "short"}]])
def test_a_source_without_documents_is_refused(gather, rows):
    with pytest.raises(UserError, match=r'"s": data/\*\.txt gave no documents .*rows.*correct `read`'):
        gather(rows, min_characters=100, origin="data/*.txt")


@pytest.mark.parametrize("batch", [2, 8192])
def test_limits_stop_reading_at_the_document_that_reaches_them(gather, monkeypatch, batch):
    monkeypatch.setattr(batches, "BATCH_ROWS", batch)

    def endless():
        i = 0
        while True:
            i += 1
            yield {"text": f"{i // 2:010d}"}

    draft, written = gather(endless(), limit=LimitConfig(documents=7))
    assert [int(row["text"]) for row in written] == list(range(7))
    draft, written = gather(endless(), limit=LimitConfig(bytes=65))
    assert len(written) == 7
    assert draft.counts["rows_in"] == 12
    draft, written = gather(text_rows(5), limit=LimitConfig(documents=10))
    assert len(written) == 5


def test_shards_are_cut_by_text_and_keep_the_order(gather, monkeypatch, tmp_path):
    monkeypatch.setattr(batches, "BATCH_ROWS", 10)
    monkeypatch.setattr(door, "ShardWriter", lambda folder: ShardWriter(folder, shard_bytes=3000))
    draft, written = gather(text_rows(100, size=100))
    assert draft.counts["shards"] == 4 == len(list(draft.path.glob("part-*.parquet")))
    assert [row["text"].split()[1] for row in written] == [str(i) for i in range(100)]
    assert pq.read_schema(draft.path / "part-00003.parquet").remove_metadata() == SCHEMA


def test_the_same_input_gives_the_same_bytes(gather):
    rows = [*text_rows(300), {"messages": CHAT, "meta": {"b": 1, "a": 2}}]
    first, _ = gather(rows)
    second, _ = gather(rows)
    name = "part-00000.parquet"
    assert (first.path / name).read_bytes() == (second.path / name).read_bytes()


def test_collect_source_reads_what_the_config_says(tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(20):
        (tmp_path / "in" / f"{i:02d}.md").write_text(f"# {i}\n")
    config = SourceConfig(read=str(tmp_path / "in"), license="CC-BY-4.0", lang="en", limit=LimitConfig(documents=5))
    with make_artifact(tmp_path / "out", kind="documents") as draft:
        collect_source(config, source="notes", holdout=HoldoutConfig(share=0.0), draft=draft)
    (table,) = Documents(tmp_path / "out").tables()
    assert table["text"].to_pylist() == [f"# {i}\n" for i in range(5)]
    assert set(table["source"].to_pylist()) == {"notes"}
    assert set(table["license"].to_pylist()) == {"CC-BY-4.0"}
    assert json.loads(table["meta"][3].as_py()) == {"file": "03.md"}


def test_identity_tells_changed_files_and_not_moved_ones(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.txt").write_text("one")
    (tmp_path / "a" / "y.txt").write_text("two")
    first = source_identity(SourceConfig(read=str(tmp_path / "a")))
    assert (first["files"], first["bytes"]) == (2, 6)
    os.rename(tmp_path / "a", tmp_path / "b")
    config = SourceConfig(read=str(tmp_path / "b"))
    assert source_identity(config) == first
    os.utime(tmp_path / "b" / "x.txt", ns=(1, 1))
    touched = source_identity(config)
    (tmp_path / "b" / "z.txt").write_text("")
    added = source_identity(config)
    assert len({first["digest"], touched["digest"], added["digest"]}) == 3


@given(st.lists(st.lists(st.integers(0, 50), max_size=30), max_size=12))
def test_seen_keys_are_a_set(batches):
    seen, expected = SeenKeys(), set()
    for batch in batches:
        new = seen.add(np.array(batch, dtype=np.uint64))
        for key, first in zip(batch, new.tolist(), strict=True):
            assert first == (key not in expected)
            expected.add(key)
    assert len(seen) == len(expected)


def test_seen_keys_take_eight_bytes_each():
    seen = SeenKeys()
    for start in range(0, 200_000, 1000):
        seen.add(np.arange(start, start + 1000, dtype=np.uint64) * 2654435761)
    assert sum(run.nbytes for run in seen._runs) == 8 * 200_000
    assert len(seen._runs) <= 18


@given(st.text(), st.text(max_size=5), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=200)
def test_a_larger_share_only_adds_to_what_is_held_out(group, salt, one, other):
    low, high = sorted((one, other))
    if split_of(group, salt, low) == "heldout":
        assert split_of(group, salt, high) == "heldout"
    assert split_of(group, salt, 0.0) == "train"
    assert split_of(group, salt, 1.0) == "heldout"


def test_the_split_is_frozen_and_keeps_its_share():
    heldout = [i for i in range(60) if split_of(f"group {i}", "midtrain", 0.1) == "heldout"]
    assert heldout == [0, 4, 11, 49, 52, 53, 56]
    for salt in ("a", "b"):
        share = np.mean([split_of(str(i), salt, 0.1) == "heldout" for i in range(20_000)])
        assert abs(share - 0.1) < 0.01
    agree = np.mean([split_of(str(i), "a", 0.5) == split_of(str(i), "b", 0.5) for i in range(20_000)])
    assert abs(agree - 0.5) < 0.02
