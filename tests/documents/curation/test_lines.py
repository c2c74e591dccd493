"""C4's lines: what stays is what a plain-Python reference keeps, and a document that loses lines is another one."""

import re
from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.peers.python_rules import kind
from midtrain.core.artifact import Draft
from midtrain.documents.collect import collect
from midtrain.documents.config import HoldoutConfig
from midtrain.documents.curation.apply import EMPTIED, apply
from midtrain.documents.curation.filter import Decision
from midtrain.documents.curation.lines import (
    FEW_WORDS,
    JAVASCRIPT,
    LONG_WORD,
    NO_END,
    POLICY,
    REASONS,
    keep_prose_lines,
)
from midtrain.documents.deduplication.passages import Spans
from midtrain.documents.schema import document_id
from midtrain.documents.store import Documents
from midtrain.text import unicode as u

POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
CITATION = re.compile(r"(\[[0-9]*\]|\[edit\]|\[citation needed\])\Z")
LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def reason(line: str) -> str | None:
    """Why a line (without the white space around it) goes, in plain Python."""
    words = re.split("[" + SPACES + "]+", line)
    if max(map(len, words)) > 1000:
        return LONG_WORD
    end = line
    while citation := CITATION.search(end):
        end = end[: citation.start()]
    if not end or end.endswith("...") or kind(end[-1]) not in (u.PERIOD, u.TERMINAL, u.QUOTE):
        return NO_END
    if max(len(words), sum(kind(character) == u.SOLO for character in line)) < 3:
        return FEW_WORDS
    low = line.translate(LOWER)
    if "javascript" in low:
        return JAVASCRIPT
    return POLICY if any(policy in low for policy in POLICIES) else None


SPACES = "".join(re.escape(chr(point)) for point in range(0x3001) if kind(chr(point)) == u.SPACE)


def reference(text: str) -> tuple[str, Counter]:
    lines = [line.strip("".join(chr(p) for p in range(0x3001) if kind(chr(p)) == u.SPACE)) for line in text.split("\n")]
    why = [(line, reason(line)) for line in lines if line]
    return "\n".join(line for line, one in why if one is None), Counter(one for _, one in why if one is not None)


PIECES = st.sampled_from(
    [
        *(" ", " ", "\n", "\n", "\r\n", "\t", "\u00a0", "\u3000", "\u200b", "word", "Three words stand here. ", "a b"),
        *(
            ".",
            "!",
            "...",
            "..",
            "\u2026",
            '"',
            "\u201d",
            "?",
            ",",
            ":",
            "[1]",
            "[]",
            "[edit]",
            "[citation needed]",
            "]",
        ),
        *("JavaScript", "Use cookies", "terms of use", "TERMS of USE", "cookie\npolicy", "x" * 1001, "\u00e9", "{"),
        *("\u4f60\u597d", "\u3002", "\u0e17\u0e35\u0e48", "\u0964", "\U0001f600", "\u212aee", "u\u017fe cookies"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(PIECES, max_size=20).map("".join), max_size=4))
@example([""])
@example(["\n\n", "One line is here.\n\n  Another one follows it!  \nNo end\nToo few.\n"])
@example(
    ["It is said so.[1][edit]\nand so on...\nWe use cookies here.\nEnable JavaScript, please, and terms of use.\n[1]"]
)
def test_what_stays_is_what_the_reference_keeps(texts):
    found, counts = keep_prose_lines(pa.array(texts, pa.large_string()))
    expected = [reference(text) for text in texts]
    assert found.to_pylist() == [text for text, _ in expected]
    total = sum((one for _, one in expected), Counter())
    assert counts == {name: total[name] for name in REASONS}


def test_a_slice_of_a_column_is_read_as_itself():
    column = pa.array(["Not this one here.", "But that one stays.\nno", "Nor is this one."], pa.large_string())
    assert keep_prose_lines(column.slice(1, 1))[0].to_pylist() == ["But that one stays."]


def test_lines_go_after_passages_and_before_what_is_left_empty(tmp_path):
    """A cut passage may leave half a line; chats are whole; a page without a sentence goes."""
    chat = [{"role": "user", "content": "no end"}, {"role": "assistant", "content": "none"}]
    page = "Home | About\nThe first sentence stands here. The second is cut\nThe third one ends well.\n(c) 2020"
    rows = [{"text": page}, {"text": "Menu\nLinks\nHome"}, {"messages": chat}, {"text": "A whole sentence stays."}]
    folders = [tmp_path / name for name in ("documents", "curated")]
    drafts = []
    for folder in folders:
        folder.mkdir()
        drafts.append(Draft(folder, folder.with_name(f".work-{folder.name}")))
    collect(rows, source="s", holdout=HoldoutConfig(share=0), draft=drafts[0])
    documents = Documents(folders[0])
    cut = page.index(" The second"), page.index("The third")
    cuts = Spans(np.array([0]), np.array([cut[0]]), np.array([cut[1] - 1]))
    apply(documents, Decision(np.full(4, -1, np.int16), []), drafts[1], cuts=cuts, lines=True)
    before = pa.concat_tables(documents.tables()).to_pylist()
    after = pa.concat_tables(Documents(folders[1]).tables()).to_pylist()
    assert after[0]["text"] == "The first sentence stands here.\nThe third one ends well."
    assert after[0]["id"] == document_id(after[0]["text"].encode())
    assert after[0]["parents"] == [before[0]["id"]]
    assert after[1:] == [before[2], before[3]]
    assert drafts[1].drops == {EMPTIED: 1}
    assert drafts[1].facts["lines"][NO_END] == 5
