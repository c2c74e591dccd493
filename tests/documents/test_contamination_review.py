"""Contamination for people: items from files, the audit, verdicts, and what is dropped."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from midtrain.core.errors import UserError
from midtrain.documents.decontamination.audit import audit, contaminated, find
from midtrain.documents.decontamination.config import DecontaminateConfig, ItemsConfig
from midtrain.documents.decontamination.index import Index
from midtrain.documents.decontamination.items import Item, read_items
from midtrain.documents.decontamination.review import Verdicts, read_review, review, write_review
from midtrain.documents.schema import SCHEMA

GARDEN = (
    "How many of the 12 rose bushes along the northern wall of the garden have to be cut back before the frost comes?"
)
BOATS = "If 3 boats carry 14 passengers each over the lake in the morning, how many people saw the island before noon?"
ITEMS = [Item("g", "quiz", GARDEN, "4"), Item("b", "quiz", BOATS, "42"), Item("c", "other", "What is 2 + 2?", "4")]
CONFIG = DecontaminateConfig()


def documents(*texts):
    rows = [
        {"id": f"d{i}", "text": t} if isinstance(t, str) else {"id": f"d{i}", "messages": t}
        for i, t in enumerate(texts)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@pytest.fixture
def matches():
    swapped = BOATS.replace("14", "15")
    chat = [{"role": "user", "content": GARDEN}, {"role": "assistant", "content": "4"}]
    table = documents("Nothing here.", GARDEN + " I say 4.", swapped, chat, "Thus: " + BOATS)
    return find(Index.build(ITEMS, CONFIG), table, "web")


def test_matches_carry_both_texts_and_the_documents_id(matches):
    rows = matches.to_pylist()
    assert [(m["document"], m["item"], m["kind"]) for m in rows] == [
        ("d1", "g", "answered"),
        ("d2", "b", "near"),
        ("d3", "g", "answered"),
        ("d4", "b", "question"),
    ]
    assert {m["source"] for m in rows} == {"web"}
    assert rows[1]["excerpt"] == BOATS.replace("14", "15").rstrip("?")
    assert rows[1]["sought"] == BOATS


def test_drops_by_kind_and_by_verdict(matches):
    assert contaminated(matches, CONFIG) == {
        "d1": "contaminated: quiz (answered)",
        "d3": "contaminated: quiz (answered)",
        "d4": "contaminated: quiz (question)",
    }
    assert set(contaminated(matches, DecontaminateConfig(drop=("near",)))) == {"d2"}
    one = {"benchmark": "quiz", "item": "g", "document": "d1", "part": "question", "verdict": "reject"}
    assert set(contaminated(matches, CONFIG, Verdicts([one]))) == {"d3", "d4"}
    everywhere = {"benchmark": "quiz", "item": "g", "verdict": "reject"}
    but_here = {"benchmark": "quiz", "item": "g", "document": "d3", "verdict": "accept"}
    assert set(contaminated(matches, CONFIG, Verdicts([everywhere, but_here]))) == {"d3", "d4"}
    all_of_it = {"benchmark": "quiz", "verdict": "accept"}
    assert set(contaminated(matches, CONFIG, Verdicts([all_of_it]))) == {"d1", "d2", "d3", "d4"}


def test_the_audit_counts_per_benchmark_source_and_kind(matches):
    rows = audit(matches, ITEMS, CONFIG).to_pylist()
    assert [(r["benchmark"], r["source"], r["kind"], r["documents"], r["items"], r["dropped"]) for r in rows] == [
        ("other", None, None, 0, 0, 0),
        ("quiz", "web", "answered", 2, 1, 2),
        ("quiz", "web", "near", 1, 1, 0),
        ("quiz", "web", "question", 1, 1, 1),
    ]
    assert [r["share_of_items"] for r in rows] == [0, 0.5, 0.5, 0.5]
    assert rows[1]["bytes"] == 2 * (len(GARDEN) - 1)


def test_a_review_goes_line_by_line_and_keeps_its_verdicts(matches, tmp_path):
    path, shown = tmp_path / "review.jsonl", []
    assert write_review(matches.to_pylist(), path) == 4
    answers = iter(["maybe", "R", "s", "q"])
    assert review(path, lambda _: next(answers), shown.append) == 2  # both matches of g are answered at once
    assert GARDEN in shown[0]
    assert shown[1].startswith("Please answer")
    assert set(contaminated(matches, CONFIG, Verdicts(read_review(path)))) == {"d4"}
    assert write_review(matches.to_pylist()[1:], path) == 2  # the match that is gone keeps its verdict
    assert [line["verdict"] for line in read_review(path)] == ["reject", "reject", None, None]
    assert review(path, lambda _: "a", shown.append) == 0
    assert set(contaminated(matches, CONFIG, Verdicts(read_review(path)))) == {"d2", "d4"}


def test_siblings_in_one_passage_are_one_question(tmp_path):
    """Ten siblings at nearly one place, and one item further on: two questions, and an answer for each line."""
    asked = [BOATS.replace("14", str(number)) for number in range(14, 24)]
    items = [Item(f"b{number}", "quiz", text, str(3 * number)) for number, text in enumerate(asked, 14)]
    index = Index.build([*items, Item("g", "quiz", GARDEN, "4")], CONFIG)
    found = find(index, documents(f"{BOATS} I say 42. {GARDEN} I say 4."), "web").to_pylist()
    assert len(found) == 11
    path, shown = tmp_path / "review.jsonl", []
    write_review(found, path)
    answers = iter(["r", "a"])
    assert review(path, lambda _: next(answers), shown.append) == 0
    assert len(shown) == 2
    assert shown[0].startswith("quiz  b14  question: answered")
    assert "and 9 more like it" in shown[0]
    assert "and 3 others" in shown[0]
    verdicts = {line["item"]: line["verdict"] for line in read_review(path)}
    assert verdicts == {f"b{number}": "reject" for number in range(14, 24)} | {"g": "accept"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"benchmark": "quiz", "verdict": "yes"}', 'line 2: the verdict "yes" is unknown'),
        ('{"verdict": "accept"}', "line 2 is no match"),
        ("{", "line 2 is no match"),
    ],
)
def test_a_bad_review_file_is_named(tmp_path, line, said):
    path = tmp_path / "review.jsonl"
    path.write_text('{"benchmark": "quiz", "verdict": null}\n' + line)
    with pytest.raises(UserError, match=said):
        read_review(path)
    with pytest.raises(UserError, match="does not exist"):
        read_review(tmp_path / "absent.jsonl")


def test_items_are_read_from_jsonl_and_parquet(tmp_path):
    rows = [{"prompt": "Q one", "solution": "worked #### 7", "task": "t/1"}, {"prompt": "Q two", "solution": 5}]
    with gzip.open(tmp_path / "exam.jsonl.gz", "wt") as file:
        file.write("\n".join(json.dumps(row) for row in rows) + "\n\n")
    config = ItemsConfig(read=str(tmp_path / "exam.jsonl.gz"), question="prompt", answer="solution", id="task")
    first, second = read_items(config)
    assert first == Item("t/1", "exam", "Q one", "worked #### 7")
    assert first.final == " 7"
    assert second == Item("exam/2", "exam", "Q two", "5")
    pq.write_table(pa.table({"question": ["Q"], "passage": ["P"], "benchmark": ["own"]}), tmp_path / "x.parquet")
    assert read_items(ItemsConfig(read=str(tmp_path / "x.parquet"))) == [Item("own/1", "own", "Q", None, "P")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"text": "Q"}\n', 'row 1 has no question in "question" .its columns: text.'),
        ('{"question": "Q"}\n{"question": "  "}\n', "row 2 has no question"),
        ('{"question": "Q"}\n[1]\n', "row 2 is not a JSON object"),
        ('{"question": "Q"}\n{"ques\n', "row 2 is not a JSON object"),
        ("\n", "holds no items"),
    ],
)
def test_a_bad_file_of_items_is_refused_whole(tmp_path, text, said):
    path = tmp_path / "items.jsonl"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        read_items(ItemsConfig(read=str(path)))
