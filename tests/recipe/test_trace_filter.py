"""Reasoning traces among documents: the defective go, with their reason; other reasons need no second look."""

from __future__ import annotations

import json

import pytest

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.documents.store import Documents
from midtrain.recipe.curate import curate
from midtrain.recipe.graph import build_documents_graph
from midtrain.recipe.schema import DocumentsConfig

LOOP = "Then I add the two numbers again and look at what comes out. " * 12


def chat(number: int, thought: str, answer: str) -> dict:
    question = f"Anna has {number} pens and buys {number + 3} more. How many has she now?"
    content = f"<think>\n{thought}\n</think>\n\n{answer}"
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": content}]}


@pytest.fixture
def recipe(tmp_path):
    rows = [
        chat(n, f"She has {n} and {n + 3} more.\n{n} + {n + 3} = {2 * n + 3}", f"Answer: {2 * n + 3}") for n in range(8)
    ]
    rows.append(chat(20, LOOP, "Answer: 43"))
    asked, answered = chat(21, LOOP, "Answer: 45")["messages"]
    rows.append({"messages": [asked, answered, {"role": "user", "content": "Why?"}]})
    rows.append(chat(22, "", "Answer: 47"))
    (tmp_path / "traces.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "plain.jsonl").write_text(json.dumps({"text": LOOP}) + "\n")

    def made(**traces) -> DocumentsConfig:
        asked = {
            "name": "traces",
            "holdout": {"share": 0.0},
            "sources": {
                "traces": {"read": str(tmp_path / "traces.jsonl")},
                "plain": {"read": str(tmp_path / "plain.jsonl")},
            },
            "traces": {"sources": ["traces"], **traces},
        }
        return parse(DocumentsConfig, asked, "the test")

    return made


def test_traces_go_for_their_gravest_defect_and_other_sources_are_left_alone(recipe, tmp_path):
    config = recipe()
    made = curate(config, tmp_path / "run")
    rows = {row["name"]: row for row in made.sources}
    assert rows["traces"]["drops"] == {"trace: empty thinking": 1, "trace: repetition": 1}
    assert rows["traces"]["documents"] == 9  # a conversation that ends with a question is no trace, and stays
    assert (rows["plain"]["documents"], rows["plain"]["drops"]) == (1, {})
    texts = [text for table in Documents(rows["traces"]["path"]).tables("train", ["messages"]) for text in table[0]]
    assert len(texts) == 9


def test_other_reasons_need_no_second_look_and_other_thresholds_do(recipe, tmp_path):
    curate(recipe(), tmp_path / "run")

    def missing(config):
        graph = build_documents_graph(config, tmp_path / "run")
        return [state.step.name for state in graph.states() if not state.done]

    assert missing(recipe()) == []
    assert missing(recipe(drop=["repetition"])) == ["filter/traces", "curated/traces"]
    assert missing(recipe(sentence_repeats=20))[0] == "attributes/traces"
    made = curate(recipe(drop=["repetition"]), tmp_path / "run")
    assert {row["name"]: row["drops"] for row in made.sources}["traces"] == {"trace: repetition": 1}


def test_what_cannot_hold_traces_is_told(recipe):
    with pytest.raises(UserError, match=r'traces.sources names "trases".* Did you mean "traces"'):
        recipe(sources=["trases"])
    with pytest.raises(UserError, match="unknown key"):
        recipe(sentence_repeat=3)
