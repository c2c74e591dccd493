"""What was found, in a form that people can judge: matches with both texts, a table per benchmark and source, drops.

A detector that nobody audits drops the wrong documents: most alarms of one look-over-everything rule are false, and
which ones shows at a glance when the two texts stand side by side. So a match carries what the document says and what
was sought, and the audit counts by benchmark, source and kind.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from midtrain.documents.curation.masking import Masking
from midtrain.documents.decontamination.config import KINDS, DecontaminateConfig
from midtrain.documents.decontamination.index import PARTS, Index
from midtrain.documents.decontamination.items import Item
from midtrain.documents.decontamination.review import Verdicts
from midtrain.documents.decontamination.scan import MATCHES, scan
from midtrain.documents.schema import content_of

_EXCERPT_BYTES = 600

FOUND = pa.schema(
    [
        ("document", pa.string()),
        ("source", pa.string()),
        *[field for field in MATCHES if field.name != "row"],
        ("excerpt", pa.string()),
        ("sought", pa.string()),
    ]
)
"""A match by the document's id and source, with the text it spans and the item's text (each cut at 600 bytes)."""

AUDIT = pa.schema(
    [
        ("benchmark", pa.string()),
        ("source", pa.string()),
        ("kind", pa.string()),
        ("documents", pa.int64()),
        ("items", pa.int64()),
        ("share_of_items", pa.float64()),
        ("bytes", pa.int64()),
        ("dropped", pa.int64()),
    ]
)
"""Per benchmark, source and kind: distinct documents and items, the share of the benchmark's items, bytes under the
matches, and documents that are dropped because of one of these matches."""


def find(index: Index, documents: pa.Table, source: str, hide: Masking | None = None) -> pa.Table:
    """The matches (FOUND) in a table of documents with the columns id, text and messages. Pure; rows in input order.

    `hide` masks personal data in the excerpts.
    """
    texts = content_of(documents)
    matches = scan(index, texts)
    rows = matches["row"].to_pylist()
    sought = {(item.id, item.benchmark): item for item in index.items} if rows else {}
    columns: dict[str, Any] = {name: matches[name] for name in MATCHES.names if name != "row"}
    columns["document"] = documents["id"].take(matches["row"])
    columns["source"] = [source] * len(rows)
    columns["excerpt"] = [_cut(said) for said in _said(texts, matches, hide)]
    names = zip(*(matches[name].to_pylist() for name in ("item", "benchmark", "part")), strict=True)
    columns["sought"] = [_cut(_part(sought[item, benchmark], part).encode()) for item, benchmark, part in names]
    return pa.table({name: columns[name] for name in FOUND.names}, schema=FOUND)


def _said(texts: pa.Array, matches: pa.Table, hide: Masking | None) -> list[bytes]:
    """The bytes that each match spans."""
    rows, place_M = np.unique(matches["row"].to_numpy(), return_inverse=True)
    spans = list(zip(place_M.tolist(), *(matches[name].to_pylist() for name in ("start", "end")), strict=True))
    texts = texts.take(pa.array(rows))
    if hide is not None:
        return hide.spans(texts, spans)
    whole = [text.encode() for text in texts.to_pylist()]
    return [whole[row][start:end] for row, start, end in spans]


def contaminated(found: pa.Table, config: DecontaminateConfig, verdicts: Verdicts | None = None) -> dict[str, str]:
    """{document id: reason} of the documents to drop: by a verdict on the match if there is one, else by its kind."""
    reasons: dict[str, tuple[int, str]] = {}
    for match in found.to_pylist():
        verdict = verdicts.of(match) if verdicts else None
        if verdict is False or (verdict is None and match["kind"] not in config.drop):
            continue
        surest = KINDS.index(match["kind"]), f"contaminated: {match['benchmark']} ({match['kind']})"
        reasons[match["document"]] = min(surest, reasons.get(match["document"], surest))
    return {document: reason for document, (_, reason) in reasons.items()}


def audit(
    found: pa.Table, items: Sequence[Item], config: DecontaminateConfig, verdicts: Verdicts | None = None
) -> pa.Table:
    """The audit (AUDIT) of all sources' matches, benchmark by benchmark; benchmarks without a match are in it too."""
    sizes = Counter(item.benchmark for item in items)
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for match in found.to_pylist():
        groups[match["benchmark"], match["source"], match["kind"]].append(match)
    rows = []
    for benchmark in sorted(sizes):
        mine = sorted(key for key in groups if key[0] == benchmark)
        for key in mine:
            matches = groups[key]
            hit = {match["item"] for match in matches}
            these = pa.Table.from_pylist(matches, schema=FOUND)
            rows.append(
                dict(
                    zip(("benchmark", "source", "kind"), key, strict=True),
                    documents=len({match["document"] for match in matches}),
                    items=len(hit),
                    share_of_items=len(hit) / sizes[benchmark],
                    bytes=int(np.sum([match["end"] - match["start"] for match in matches])),
                    dropped=len(contaminated(these, config, verdicts)),
                )
            )
        if not mine:
            rows.append({"benchmark": benchmark, **dict.fromkeys(AUDIT.names[3:], 0)})
    return pa.Table.from_pylist(rows, schema=AUDIT)


def _part(item: Item, part: str) -> str:
    assert part in PARTS, part
    return getattr(item, part) or ""


def _cut(text: bytes) -> str:
    whole = len(text) <= _EXCERPT_BYTES
    return text.decode() if whole else text[:_EXCERPT_BYTES].decode(errors="ignore") + " ..."
