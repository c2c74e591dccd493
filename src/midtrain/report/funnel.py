"""The funnel of curation, as numbers: where documents and bytes of a source went, step by step and by reason.

    rows read -> usable, no copy (Read) -> filters -> near-duplicates -> contamination -> cut and masked -> curated

Every document goes for one reason, the first that held, so the parts add up to what was read. The bytes of rows that
are no documents are not known; bytes are counted from the documents on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from midtrain.report import words
from midtrain.report.inputs import Curation, CurationRecord
from midtrain.report.words import Headline

STEPS: dict[str, str] = {
    "read": "bad rows, copies",
    "filter": "filters",
    "near": "near-duplicates",
    "contamination": "contamination",
    "rewritten": "cut and masked",
}
"""Where something is lost, in order, in words."""
_TOLD_SOURCES = 6
_PREFIXES = {"near-duplicate ": "near", "contaminated: ": "contamination"}


@dataclass
class Funnel:
    """What one source (or all of them) lost at each step; sizes in UTF-8 bytes of text."""

    rows: int = 0
    documents: int = 0
    bytes_in: int = 0
    """Of the documents as read."""
    bytes: int = 0
    """Of the curated documents."""
    lost: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STEPS, 0))
    """Step -> rows or documents that went there."""
    lost_bytes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STEPS, 0))
    """Step -> bytes; those of what was cut out of documents that stay are under `rewritten`."""
    reasons: list[tuple[str, str, int, int | None]] = field(default_factory=list)
    """(step, reason, documents, bytes or None where they are not known), the most documents of a step first."""


def funnel(record: CurationRecord) -> Funnel:
    """The funnel of one source."""
    read, left = record.documents["counts"], record.curated["counts"]
    found = Funnel(read["rows_in"], left["documents"], _bytes(read), _bytes(left))
    filtered = set((record.filter or {}).get("drops", {}))
    reasons = [("read", reason, number, None) for reason, number in record.documents.get("drops", {}).items()]
    sizes = record.curated.get("facts", {}).get("bytes_dropped", {})
    for reason, number in record.curated.get("drops", {}).items():
        step = "filter" if reason in filtered else _step(reason)
        reasons.append((step, reason, number, sizes.get(reason)))
    order = list(STEPS)
    found.reasons = sorted((one for one in reasons if one[2]), key=lambda one: (order.index(one[0]), -one[2]))
    for step, _, number, size in found.reasons:
        found.lost[step] += number
        found.lost_bytes[step] += size or 0
    found.lost_bytes["rewritten"] = (
        found.bytes_in - found.bytes - sum(size for step, size in found.lost_bytes.items() if step != "rewritten")
    )
    return found


def total(funnels: Iterable[Funnel]) -> Funnel:
    """The sum of several funnels, without reasons."""
    summed = Funnel()
    for one in funnels:
        summed.rows += one.rows
        summed.documents += one.documents
        summed.bytes_in += one.bytes_in
        summed.bytes += one.bytes
        for step in STEPS:
            summed.lost[step] += one.lost[step]
            summed.lost_bytes[step] += one.lost_bytes[step]
    return summed


def curation_headline(curation: Curation) -> Headline:
    """What curation left, in a sentence, and where most of the rest went. It is no verdict: much may rightly go."""
    funnels = {name: funnel(record) for name, record in curation.records.items()}
    everything = total(funnels.values())
    sentence = (
        f"{everything.documents:,} of {everything.rows:,} rows are left as documents: "
        f"{words.size(everything.bytes)} of {words.size(everything.bytes_in)} of text."
    )
    details = [_source_detail(name, one) for name, one in list(funnels.items())[:_TOLD_SOURCES]]
    if len(funnels) > _TOLD_SOURCES:
        details.append(f"{len(funnels) - _TOLD_SOURCES} more sources are in the table below.")
    if curation.contamination is not None:
        details.append(_contamination_detail(curation.contamination, everything.lost["contamination"]))
    return Headline("plain", sentence, details)


def _source_detail(name: str, one: Funnel) -> str:
    text = f"{name}: {one.documents:,} of {one.rows:,} ({words.share(one.documents / max(one.rows, 1))}) are left"
    if not one.reasons:
        return f"{text}; nothing went."
    _, reason, number, _ = max(one.reasons, key=lambda reason: reason[2])
    return f"{text}; the most frequent reason to go: {reason} ({number:,})."


def _contamination_detail(manifest: Mapping[str, Any], dropped: int) -> str:
    counts = manifest["counts"]
    hit = list(dict.fromkeys(row["benchmark"] for row in manifest["facts"]["audit"] if row["documents"]))
    if not hit:
        return f"Contamination: none of the {counts['items']:,} evaluation items was found."
    named = words.listed(hit if len(hit) <= 4 else [*hit[:3], f"{len(hit) - 3} more"])
    return (
        f"Contamination: {counts['matches']:,} matches with the {counts['items']:,} evaluation items, in {named}; "
        f"{dropped:,} documents went for it."
    )


def _step(reason: str) -> str:
    return next((step for prefix, step in _PREFIXES.items() if reason.startswith(prefix)), "rewritten")


def _bytes(counts: Mapping[str, Any]) -> int:
    return counts["bytes_train"] + counts["bytes_heldout"]
