"""The mining loop as a person turns it: curate, choose, have judged, curate again with a better scorer."""

import json
import random
from pathlib import Path

import pytest

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.documents.store import Documents
from midtrain.recipe.curate import curate, documents_to_judge
from midtrain.recipe.graph import build_documents_graph
from midtrain.recipe.schema import DocumentsConfig

GOOD = ["theorem", "proof", "lemma", "integral", "matrix", "vector", "kernel", "basis", "prime", "field"]
BAD = ["buy", "cheap", "offer", "click", "shoes", "casino", "bonus", "winner", "deal", "price"]
PLAIN = ["the", "of", "and", "that", "with", "river", "stone", "house", "garden", "morning", "window", "table"]


def text(number: int) -> str:
    """A text that is good (even numbers) or bad by a few of its words, and says its number."""
    rng = random.Random(number)
    own = rng.choices(BAD if number % 2 else GOOD, k=4)
    words = [*rng.choices(PLAIN, k=30), *own]
    rng.shuffle(words)
    return f"{' '.join(words)} {number}. Write to person{number}@postwerk.de."


def is_good(said: str) -> bool:
    return any(word in said.split() for word in GOOD)


@pytest.fixture
def source(tmp_path):
    rows = [json.dumps({"text": text(number)}) for number in range(400)] + [json.dumps({"text": "too short"})]
    (tmp_path / "texts.jsonl").write_text("\n".join(rows))
    judged = tmp_path / "judged"
    judged.mkdir()
    seed = [{"text": text(1000 + n), "label": 1 - n % 2} for n in range(24)]
    (judged / "seed.jsonl").write_text("\n".join(map(json.dumps, seed)))
    return tmp_path


def recipe(folder: Path, **keep) -> DocumentsConfig:
    train = {"examples": {"read": str(folder / "judged")}, "good": 1, "heldout": 0.4, "buckets": 1000, "dimensions": 8}
    quality = {"scorers": {"likes": {"kind": "fasttext", "train": train}}, "keep": [keep] if keep else []}
    rules = {"sets": ["gopher_quality"], "without": ["stop_words"], "thresholds": {"few_words": 10}}
    asked = {"name": "mined", "holdout": {"share": 0.1}, "sources": {"s": {"read": str(folder / "texts.jsonl")}}}
    return parse(DocumentsConfig, asked | {"curate": {"pii": {}, "rules": rules, "quality": quality}}, "test")


def evaluation(folder: Path) -> dict:
    manifests = (folder / "run/artifacts/scorers/s").glob("*/manifest.json")
    manifest = max(manifests, key=lambda path: path.stat().st_mtime)
    return json.loads(manifest.read_text())["facts"]["likes"]


def test_a_round_of_judging_makes_a_better_scorer(source):
    run, judged = source / "run", source / "judged"
    curate(recipe(source), run)
    before = evaluation(source)
    said = documents_to_judge(run, "s", "likes", 150, judged, seed=0)
    path = judged / "s-likes-1.jsonl"
    assert str(path) in said
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == len({row["id"] for row in rows}) == 150
    assert "postwerk" not in path.read_text()
    assert "too short" not in path.read_text()
    made = build_documents_graph(recipe(source), run).run("documents/s")["documents/s"]
    documents = [row for table in Documents(made.path).tables() for row in table.to_pylist()]
    heldout = {row["id"] for row in documents if row["split"] == "heldout"}
    assert heldout
    assert not heldout & {row["id"] for row in rows}
    path.write_text("\n".join(json.dumps(row | {"label": int(is_good(row["text"]))}) for row in rows))

    found = curate(recipe(source, score="likes", precision=0.9), run)
    after = evaluation(source)
    assert after["trained_on"] > before["trained_on"]
    assert after["auc"] > max(before["auc"], 0.9)
    kept = [row["text"] for table in Documents(found.sources[0]["path"]).tables() for row in table.to_pylist()]
    assert 100 < len(kept) < 300
    assert sum(map(is_good, kept)) > 0.9 * len(kept)
    assert "good with a chance of 0.9" in found.page.read_text()

    again = documents_to_judge(run, "s", "likes", 50, judged)
    assert "s-likes-2.jsonl" in again
    second = [json.loads(line)["id"] for line in (judged / "s-likes-2.jsonl").read_text().splitlines()]
    assert not set(second) & {row["id"] for row in rows}


def test_what_cannot_be_mined_is_one_sentence(source):
    run = source / "run"
    with pytest.raises(UserError, match="is not a run folder"):
        documents_to_judge(run, "s", "likes", 5, source / "judged")
    curate(recipe(source), run, until="scorers")
    for asked, sentence in (
        (("t", "likes"), 'There is no source "t"'),
        (("s", "like"), 'has no score "like". Did you mean "likes"'),
        (("s", "likes"), "has not scored s yet; run its recipe until `attributes/s`"),
    ):
        with pytest.raises(UserError, match=sentence):
            documents_to_judge(run, *asked, 5, source / "judged")
