"""Curation as a recipe runs it: what a changed threshold makes again, what is dropped and why, and the verbs."""

import json
import random
from pathlib import Path

import pyarrow as pa
import pytest

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.documents.curation.apply import REPEATED
from midtrain.documents.store import Documents
from midtrain.recipe.curate import curate, review_contamination
from midtrain.recipe.graph import build_documents_graph
from midtrain.recipe.load import load_documents
from midtrain.recipe.schema import DocumentsConfig

QUESTION = "A farmer has seventeen sheep and buys twenty five more at the market, then sells nine; how many are left?"
WORDS = [
    *("the", "of", "and", "that", "with", "a", "to", "is"),
    *("amber", "birch", "cedar", "delta", "ember", "falcon", "garnet", "harbor", "island", "jasper", "kestrel"),
]


def story(number: int, words: int = 80) -> str:
    """A text like no other: rules let it pass, and it is nobody's near-duplicate."""
    return " ".join(random.Random(number).choices(WORDS, k=words)) + "."


def write(path: Path, rows: list[dict]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def sources(tmp_path):
    stories = [{"text": story(number), "license": "MIT"} for number in range(10)]
    stories.append({"text": f"{QUESTION} The answer is 33.", "license": "MIT"})
    stories.append({"text": "Write to anna.kern@postwerk.de about " + story(10), "license": "MIT"})
    stories.append({"text": "too short", "license": "MIT"})
    stories.append({"text": "Licensed otherwise. " + story(11), "license": "GPL-3.0-only"})
    copies = [{"text": story(0) + " The end.", "license": "MIT"}]
    copies += [{"text": story(20 + number)} for number in range(9)]
    items = [{"id": "sheep", "question": QUESTION, "answer": "33"}]
    return {
        "stories": write(tmp_path / "stories.jsonl", stories),
        "copies": write(tmp_path / "copies.jsonl", copies),
        "items": write(tmp_path / "items.jsonl", items),
    }


def recipe(files: dict[str, str], **changes) -> DocumentsConfig:
    asked = {
        "name": "curation",
        "holdout": {"share": 0.0},
        "sources": {
            "copies": {"read": files["copies"]},
            "stories": {
                "read": files["stories"],
                "columns": {"text": "text", "license": "license"},
                "curate": {
                    "rules": {"sets": ["gopher_quality"], "thresholds": {"few_words": 10}},
                    "pii": {},
                    "licenses": {"deny": ["GPL-*"]},
                },
            },
        },
        "deduplicate": {"priorities": ["stories"]},
        "decontaminate": {"against": [{"read": files["items"], "benchmark": "farm"}]},
    }
    return parse(DocumentsConfig, asked | changes, "test")


def rows(made, name: str) -> list[dict]:
    return pa.concat_tables(Documents(made[f"curated/{name}"].path).tables()).to_pylist()


def test_every_document_stays_or_has_its_reason(sources, tmp_path):
    made = build_documents_graph(recipe(sources), tmp_path / "out").run()
    assert made["curated/stories"].manifest["drops"] == {
        "license denied: GPL-3.0-only": 1,
        "rule: few_words": 1,
        "contaminated: farm (answered)": 1,
    }
    assert made["curated/copies"].manifest["drops"] == {"near-duplicate of a document in stories": 1}
    stories = [row["text"] for row in rows(made, "stories")]
    assert stories[:10] == [story(number) for number in range(10)]
    assert len(stories) == 11
    assert "anna.kern" not in stories[10]
    assert made["curated/stories"].manifest["facts"]["masked"]["email"] == 1


def test_letters_that_differ_in_an_address_are_one_document(tmp_path):
    letters = [{"text": f"Dear reader, write to person{n}@postwerk.de and say so."} for n in range(40)]
    path = write(tmp_path / "letters.jsonl", letters)
    asked = {"name": "c", "holdout": {"share": 0.3}, "sources": {"s": {"read": path}}, "curate": {"pii": {}}}
    made = build_documents_graph(parse(DocumentsConfig, asked, "test"), tmp_path / "out").run()
    kept = rows(made, "s")
    assert len(kept) == 1
    assert kept[0]["split"] == "heldout"
    assert made["curated/s"].manifest["drops"] == {REPEATED: 39}
    assert made["curated/s"].counts["documents"] == made["curated/s"].counts["groups"] == 1
    assert "postwerk" not in json.dumps(made["curated/s"].manifest["samples"])


def test_nothing_that_is_shown_holds_what_is_masked(tmp_path):
    """Clusters, dropped samples, matched spans, the review and the page; the span begins inside the address."""
    mail, question = (
        "ana.berg@postwerk.de",
        "postwerk.de had seventeen sheep and bought twenty five; how many were there?",
    )
    texts = [{"text": f"Write to {mail}. {story(1)} {end}"} for end in ("The end.", "Ends here.")]
    texts += [{"text": f"Ask {mail.replace('postwerk.de', question)} The answer is 42. {story(2)}"}]
    texts += [{"text": f"{mail} is too short"}, {"text": story(4)}]
    items = write(tmp_path / "items.jsonl", [{"id": "sheep", "question": question, "answer": "42"}])
    asked = {
        "name": "c",
        "holdout": {"share": 0.0},
        "sources": {"s": {"read": write(tmp_path / "s.jsonl", texts)}},
        "curate": {"pii": {}, "rules": {"sets": ["gopher_quality"], "thresholds": {"few_words": 10}}},
        "deduplicate": {"near": {"threshold": 0.7}},
        "decontaminate": {"against": [{"read": items, "benchmark": "farm"}]},
    }
    found = curate(parse(DocumentsConfig, asked, "test"), tmp_path / "out")
    shown: list[str] = []
    review_contamination(tmp_path / "out", None, lambda _: "q", shown.append)
    manifests = [path.read_text() for path in (tmp_path / "out" / "artifacts").glob("[!d]*/**/manifest.json")]
    manifests += [path.read_text() for path in (tmp_path / "out" / "artifacts").glob("duplicates/*/manifest.json")]
    assert len(manifests) == 6
    assert any("Write to email@example.com" in one for one in manifests)
    assert "email@example.com had seventeen sheep" in shown[0]
    for text in (*shown, *manifests, found.page.read_text(), (tmp_path / "out" / "review.jsonl").read_text()):
        assert "ana.berg" not in text
    told = shown[0].split("sought")[0]
    assert "postwerk" not in told


def test_what_is_contaminated_takes_no_clean_copy_with_it(tmp_path):
    passage = story(1, 150)
    texts = [{"text": f"{passage} {QUESTION} The answer is 33."}, {"text": passage}, {"text": story(2)}]
    items = write(tmp_path / "items.jsonl", [{"id": "sheep", "question": QUESTION, "answer": "33"}])
    asked = {
        "name": "c",
        "holdout": {"share": 0.0},
        "sources": {"s": {"read": write(tmp_path / "s.jsonl", texts)}},
        "deduplicate": {"near": {"threshold": 0.7}, "substring": {"words": 50}},
        "decontaminate": {"against": [{"read": items, "benchmark": "farm"}]},
    }
    made = build_documents_graph(parse(DocumentsConfig, asked, "test"), tmp_path / "out").run()
    assert [row["text"] for row in rows(made, "s")] == [passage, story(2)]


def test_languages_that_documents_name_are_understood(tmp_path):
    names = ["en", "EN", "en-US", "eng", "eng_Latn", "English", None]
    texts = [
        {"text": f"{n}. The river ran past the old mill and into the sea.", "lang": one} for n, one in enumerate(names)
    ]
    asked = {
        "name": "c",
        "sources": {"s": {"read": write(tmp_path / "s.jsonl", texts), "columns": {"text": "text", "lang": "lang"}}},
        "curate": {"languages": {"keep": ["en"], "otherwise": "drop"}},
    }
    made = build_documents_graph(parse(DocumentsConfig, asked, "test"), tmp_path / "out").run("filter")
    assert made["filter/s"].counts["kept"] == len(names)


def test_rules_need_no_language_to_be_identified(sources, tmp_path):
    asked = recipe(sources, curate={"languages": None, "rules": {"sets": ["gopher_quality"]}}, deduplicate=None)
    made = build_documents_graph(asked, tmp_path / "out").run()
    assert made["curated/copies"].manifest["drops"] == {}
    assert made["filter/copies"].counts["kept"] == 10


def test_a_threshold_measures_nothing_again(sources, tmp_path):
    asked = recipe(sources)
    build_documents_graph(asked, tmp_path / "out").run()
    stories = asked.sources["stories"].model_dump(mode="json")
    stories["curate"]["rules"]["thresholds"] = {"few_words": 1}
    changed = recipe(sources, sources={"copies": {"read": sources["copies"]}, "stories": stories})
    states = {state.step.name: state for state in build_documents_graph(changed, tmp_path / "out").states()}
    assert states["documents/stories"].done
    assert states["attributes/stories"].done
    assert not states["filter/stories"].done
    assert "few_words: 10 -> 1" in states["filter/stories"].why
    assert not states["curated/stories"].done


def test_a_review_decides_what_is_dropped(sources, tmp_path):
    verdicts = tmp_path / "verdicts.jsonl"
    against = [{"read": sources["items"], "benchmark": "farm"}]
    asked = recipe(sources, decontaminate={"against": against, "verdicts": str(verdicts)})
    found = curate(asked, tmp_path / "out")
    assert found.sources[1]["drops"]["contaminated: farm (answered)"] == 1
    said = review_contamination(tmp_path / "out", None, lambda _: "r", lambda _: None)
    assert said == f"0 matches wait for a verdict in {verdicts}."
    again = curate(asked, tmp_path / "out")
    assert "contaminated: farm (answered)" not in again.sources[1]["drops"]
    assert again.sources[1]["documents"] == found.sources[1]["documents"] + 1
    assert not [name for name in again.outcome.made if name.startswith(("attributes", "matches"))]


def test_curation_ends_with_a_page_and_the_places_of_the_documents(sources, tmp_path):
    found = curate(recipe(sources), tmp_path / "out")
    assert found.page.read_text().lstrip().lower().startswith("<!doctype html>")
    for one in found.sources:
        assert one["rows_in"] == one["documents"] + sum(one["drops"].values())
        assert Documents(one["path"]).count() == one["documents"]


def test_a_file_of_sources_alone_is_read_with_paths_from_its_place(sources, tmp_path):
    path = tmp_path / "curation.yaml"
    path.write_text("name: c\nsources: {s: {read: stories.jsonl}}\ndecontaminate: {against: [{read: items.jsonl}]}\n")
    asked = load_documents(path)
    assert not hasattr(asked, "stages")
    assert asked.sources["s"].read == sources["stories"]
    assert asked.decontaminate.against[0].read == sources["items"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"decontaminate": {}}, "names the evaluation, but the recipe evaluates no problems"),
        ({"deduplicate": {"priorities": ["storys"]}}, 'names "storys", which is not among the sources'),
        ({"deduplicate": {"quality": "edu"}}, 'deduplicate.quality is "edu", which no scorer of the source'),
        ({"decontaminate": {"against": [{"read": "/nowhere.jsonl"}]}}, "/nowhere.jsonl does not exist"),
        ({"curate": {"languages": {"keep": ["klingon"]}}}, 'the model knows no "klingon"'),
    ],
)
def test_what_cannot_be_curated_is_one_sentence(sources, tmp_path, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        build_documents_graph(recipe(sources, **changes), tmp_path / "out").run()


@pytest.mark.parametrize(
    ("name", "content", "changes", "sentence"),
    [
        ("items.json", "{}", {"decontaminate": {"against": [{"read": "FILE"}]}}, "row 1 has no question"),
        (
            "v.jsonl",
            '{"benchmark": "b", "verdict": "maybe"}',
            {"decontaminate": {"verdicts": "FILE"}},
            '"maybe" is unk',
        ),
        ("m.bin", "no model", {"curate": {"languages": {"model": "FILE"}}}, "is not a fastText model"),
        ("m.bin", "no", {"scorer": {"kind": "fasttext", "path": "FILE", "label": "hq"}}, "is not a fastText model"),
        ("a.parquet", "no", {"scorer": {"kind": "attributes", "path": "FOLDER", "column": "c"}}, "is no Parquet shard"),
        ("e.jsonl", '{"txt": 1}', {"scorer": {"kind": "closeness", "examples": {"read": "FILE"}}}, "has no text in"),
        ("model.txt", "", {"scorer": {"kind": "encoder", "path": "FOLDER"}}, "holds no encoder"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_told_before_anything_runs(
    sources, tmp_path, name, content, changes, sentence
):
    (tmp_path / "beside").mkdir()
    path = tmp_path / "beside" / name
    path.write_text(content + "\n")
    asked = json.loads(json.dumps(changes).replace("FILE", str(path)).replace("FOLDER", str(path.parent)))
    if "scorer" in asked:
        asked = {"curate": {"quality": {"scorers": {"likes": asked["scorer"]}}}}
    if "verdicts" in asked.get("decontaminate", {}):
        asked["decontaminate"]["against"] = [{"read": sources["items"], "benchmark": "farm"}]
    config = recipe(sources, **asked)
    if "curate" in asked:
        config = config.model_copy(update={"sources": {"copies": config.sources["copies"]}})
    with pytest.raises(UserError, match=sentence):
        build_documents_graph(config, tmp_path / "out")


def test_a_recipe_that_curates_nothing_is_told(sources, tmp_path):
    asked = parse(DocumentsConfig, {"name": "n", "sources": {"s": {"read": sources["stories"]}}}, "test")
    with pytest.raises(UserError, match="curates nothing"):
        curate(asked, tmp_path / "out")
