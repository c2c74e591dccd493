"""Measure, decide, apply: rows stay in order, every drop has its reason, and a rewritten text is a new document."""

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from midtrain.core.artifact import Draft
from midtrain.core.errors import UserError
from midtrain.core.parallel import configure
from midtrain.documents import batch
from midtrain.documents.collect import collect
from midtrain.documents.config import HoldoutConfig
from midtrain.documents.curation.annotate import annotate
from midtrain.documents.curation.apply import EMPTIED, apply
from midtrain.documents.curation.attributes import Attributes
from midtrain.documents.curation.filter import Check, Decision, Watched, filter_documents, histogram, read_reasons
from midtrain.documents.deduplication.passages import Spans
from midtrain.documents.schema import document_id
from midtrain.documents.shards import ShardWriter
from midtrain.documents.store import Documents

CHAT = [{"role": "user", "content": "mail me"}, {"role": "assistant", "content": "at a@b.c"}]


def draft(folder: Path) -> Draft:
    folder.mkdir(parents=True)
    return Draft(folder, folder.with_name(f".work-{folder.name}"))


@pytest.fixture
def documents(tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "BATCH_BYTES", 60)
    monkeypatch.setattr(ShardWriter.__init__, "__defaults__", (100,))
    rows = [{"text": f"text number {n} " + "x" * n, "license": "MIT"} for n in range(20)] + [{"messages": CHAT}]
    made = draft(tmp_path / "documents")
    collect(rows, source="s", holdout=HoldoutConfig(share=0.3), draft=made)
    return Documents(made.path)


def lengths(texts, table):
    return {"length": np.asarray(pc.utf8_length(texts)).astype(np.int32)}


def annotators():
    return [lengths]


def too_long(limit, table, _):
    return Decision(np.where(np.asarray(table["length"]) > limit, 0, -1), ["too long"])


def odd(table, _):
    return Decision(np.where(np.asarray(table["length"]) % 2, 0, -1), ["odd length"])


def measured(documents, tmp_path, name="attributes", workers=1):
    made = draft(tmp_path / name)
    with configure(workers=workers):
        annotate(documents, annotators, made, "attributes")
    return Attributes(made.path, documents)


def test_attributes_lie_beside_their_documents_row_for_row(documents, tmp_path):
    attributes = measured(documents, tmp_path)
    assert attributes.names() == ["bytes", "length"]
    assert len(documents.shards) > 2
    ids = pa.concat_tables(attributes.tables())["id"].to_pylist()
    assert ids == pa.concat_tables(documents.tables())["id"].to_pylist()
    assert len(attributes.column("length")) == 21
    assert attributes.column("length")[-1] == len("mail me\n\nat a@b.c")


def test_two_processes_write_the_same_bytes(documents, tmp_path):
    one, two = (measured(documents, tmp_path, f"by-{workers}", workers) for workers in (1, 2))
    for shard in documents.shards:
        assert (one.path / shard.name).read_bytes() == (two.path / shard.name).read_bytes()


def test_attributes_of_other_documents_are_refused(documents, tmp_path):
    attributes = measured(documents, tmp_path)
    other = draft(tmp_path / "other")
    collect([{"text": "something else"}], source="s", holdout=HoldoutConfig(), draft=other)
    with pytest.raises(UserError, match="attributes of other documents"):
        list(Attributes(attributes.path, Documents(other.path)).tables())


def decided(documents, tmp_path, checks, name="filter"):
    made = draft(tmp_path / name)
    filter_documents("s", measured(documents, tmp_path, f"{name}-attributes"), checks, [Watched("length")], made)
    return made


def test_the_first_reason_counts_and_everything_adds_up(documents, tmp_path):
    made = decided(documents, tmp_path, [Check(["length"], partial(too_long, 30)), Check(["length"], odd)])
    reason_N, reasons = read_reasons(made.path)
    length_N = measured(documents, tmp_path, "again").column("length")
    expected = ["too long" if n > 30 else "odd length" if n % 2 else None for n in length_N]
    assert [reasons[r] if r >= 0 else None for r in reason_N] == expected
    assert made.counts["documents"] == made.counts["kept"] + sum(made.drops.values()) == 21
    assert made.counts["bytes"] == made.counts["bytes_kept"] + sum(made.facts["bytes_dropped"].values())


def test_filtering_everything_away_is_told(documents, tmp_path):
    with pytest.raises(UserError, match=r'Source "s": curation leaves none of its 21 documents.*too long'):
        decided(documents, tmp_path, [Check(["length"], partial(too_long, 0))])


def test_histogram_holds_every_finite_value_once_and_shows_its_threshold():
    values = np.array([1.0, 2.0, np.inf, np.nan, 1000.0] + [5.0] * 500)
    found = histogram(Watched("x", at_most=50.0), values, values < 3)
    assert sum(found["kept"]) == 2
    assert sum(found["dropped"]) == 501
    assert found["edges"][-1] >= 50


def mask_mail():
    def rewrite(texts):
        masked = pc.replace_substring(texts, "a@b.c", "EMAIL")
        return masked, {"email": pc.sum(pc.count_substring(texts, "a@b.c")).as_py() or 0}

    return rewrite


def applied(documents, tmp_path, reason_N, name="curated", **settings):
    made = draft(tmp_path / name)
    apply(documents, Decision(np.asarray(reason_N, dtype=np.int16), ["bad"]), made, **settings)
    return made, pa.concat_tables(Documents(made.path).tables())


def test_what_stays_is_untouched_and_in_order(documents, tmp_path):
    reason_N = [0 if n % 3 == 0 else -1 for n in range(21)]
    made, kept = applied(documents, tmp_path, reason_N)
    before = pa.concat_tables(documents.tables())
    assert kept.equals(before.filter(pa.array([r < 0 for r in reason_N])))
    assert made.drops == {"bad": 7}
    assert made.counts["rows_in"] == made.counts["documents"] + 7 == 21
    assert Documents(made.path).count() == 14
    assert {sample["id"] for sample in made.samples["dropped: bad"]} <= set(before["id"].to_pylist())


def test_processes_change_no_byte(documents, tmp_path):
    reason_N = [0 if n % 3 == 0 else -1 for n in range(21)]
    folders = []
    for workers in (1, 2):
        with configure(workers=workers):
            made, _ = applied(documents, tmp_path, reason_N, f"by-{workers}", rewrite=mask_mail)
        folders.append(made)
    assert folders[0].samples == folders[1].samples
    assert folders[0].counts == folders[1].counts
    for shard in documents.shards:
        assert (folders[0].path / shard.name).read_bytes() == (folders[1].path / shard.name).read_bytes()


def test_a_cut_text_is_a_new_document_with_the_old_one_as_parent(documents, tmp_path):
    before = pa.concat_tables(documents.tables())
    whole = len(before["text"][5].as_py())
    cuts = Spans(np.array([3, 3, 5]), np.array([0, 5, 0]), np.array([5, 12, whole]))
    made, kept = applied(documents, tmp_path, [-1] * 21, cuts=cuts)
    old, new = before["text"][3].as_py(), kept["text"][3].as_py()
    assert new == old[12:]
    assert kept["id"][3].as_py() == document_id(new.encode())
    assert kept["parents"][3].as_py() == [before["id"][3].as_py()]
    assert made.drops == {EMPTIED: 1}
    assert len(kept) == 20
    assert made.counts["rewritten"] == 1


def test_chats_are_masked_message_by_message(documents, tmp_path):
    made, kept = applied(documents, tmp_path, [-1] * 21, rewrite=mask_mail)
    before = pa.concat_tables(documents.tables())
    assert kept["messages"][20].as_py() == [CHAT[0], {"role": "assistant", "content": "at EMAIL"}]
    assert kept["parents"][20].as_py() == [before["id"][20].as_py()]
    assert made.facts["masked"] == {"email": 1}
    assert kept.slice(0, 20).equals(before.slice(0, 20))


def test_killed_work_goes_on_with_the_finished_shards(documents, tmp_path):
    attributes = draft(tmp_path / "attributes")
    annotate(documents, annotators, attributes, "attributes")
    again = draft(tmp_path / "second")
    again.work = attributes.work
    annotate(documents, list, again, "attributes")  # would give other columns, were any shard made again
    assert (again.path / documents.shards[0].name).read_bytes() == (
        attributes.path / documents.shards[0].name
    ).read_bytes()
