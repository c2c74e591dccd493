"""The tables of curation, as HTML: funnel, reasons, languages, scorers, clusters, contamination, samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite
from typing import Any

from midtrain.report import words
from midtrain.report.funnel import STEPS, Funnel, total
from midtrain.report.inputs import Curation, CurationRecord
from midtrain.report.tables import cut, table

_LANGUAGES = 10
_DROPPED_SAMPLES = 12
_DASH = "&ndash;"


def funnel_overview(funnels: Mapping[str, Funnel], used: Sequence[str]) -> str:
    """A row a source: what each of the `used` steps took, what is left, and both as bars; with a row for all."""
    shown = dict(funnels) | ({"all sources": total(funnels.values())} if len(funnels) > 1 else {})
    rows = []
    for name, one in shown.items():
        lost = [_lines(_lost(one.lost[step]), _lost_bytes(step, one)) for step in used]
        rows.append(
            [
                f"<strong>{escape(name)}</strong>",
                _bar(one.documents, one.lost, one.rows, used) + _bar(one.bytes, one.lost_bytes, one.bytes_in, used),
                _lines(words.count(one.rows), words.size(one.bytes_in)),
                *lost,
                _lines(f"<strong>{words.count(one.documents)}</strong>", words.size(one.bytes)),
                _lines(words.share(one.documents / max(one.rows, 1)), words.share(one.bytes / max(one.bytes_in, 1))),
            ]
        )
    heads = [_named(step) for step in used]
    head = ["source", "rows, bytes", "read", *heads, _named("left"), "share"]
    return f'<div class="funnel">{table(head, rows, numbers=range(2, len(head)))}</div>'


def _lines(above: str, below: str) -> str:
    return f"{above}<br><small>{below}</small>"


def _lost(number: int) -> str:
    return f"{words.MINUS}{words.count(number)}" if number else _DASH


def _lost_bytes(step: str, one: Funnel) -> str:
    size = one.lost_bytes[step]
    return f"{words.MINUS}{words.size(size)}" if size > 0 else _DASH


def _bar(left: int, lost: Mapping[str, int], whole: int, used: Sequence[str]) -> str:
    parts = [("left", left), *((step, lost[step]) for step in used[::-1])]
    return (
        '<div class="bar" aria-hidden="true">'
        + "".join(
            f'<i class="{name}" style="width:{100 * part / max(whole, 1):.2f}%"></i>'
            for name, part in parts
            if part > 0
        )
        + "</div>"
    )


def _named(step: str) -> str:
    """A step's colour and name, which stay together when the name is broken into lines."""
    first, _, rest = STEPS.get(step, step).partition(" ")
    return f'<span class="line"><i class="swatch {step}"></i>{first}</span> {rest}'


def reason_table(one: Funnel) -> str:
    """Why documents of a source went: step, reason, documents, bytes."""
    rows = [
        [
            _named(step),
            escape(reason),
            f"{number:,}",
            words.share(number / max(one.rows, 1)),
            words.size(size),
        ]
        for step, reason, number, size in one.reasons
    ]
    return (
        table(["step", "reason", "documents", "share of rows read", "bytes"], rows, numbers=(2, 3, 4)) if rows else ""
    )


def rewritten_sentence(name: str, curation: Curation) -> str:
    """What was changed in the documents of a source that stay; empty when nothing was."""
    counts = curation.records[name].curated["counts"]
    if not counts.get("rewritten"):
        return ""
    found = (curation.duplicates or {}).get("counts", {})
    passages, size = found.get(f"passages {name}", 0), found.get(f"passage bytes {name}", 0)
    facts = curation.records[name].curated.get("facts", {})
    lines, masked = facts.get("lines", {}), facts.get("masked", {})
    told = [f"repeated passages cut {passages:,} ({words.size(size)})"] if passages else []
    told += [f"lines gone for {reason} {number:,}" for reason, number in lines.items() if number]
    told += [f"{kind} masked {number:,}" for kind, number in masked.items() if number]
    return f"{counts['rewritten']:,} documents are changed" + (f": {', '.join(told)}." if told else ".")


def language_table(records: Mapping[str, CurationRecord]) -> str:
    """The languages found in each source, the most bytes first; those far down are one row."""
    rows = []
    for name, record in records.items():
        found = (record.filter or {}).get("facts", {}).get("languages", ())
        whole = max(sum(one["bytes"] for one in found), 1)
        rows += [_language_row(name, escape(one["language"]), [one], whole) for one in found[:_LANGUAGES]]
        if others := found[_LANGUAGES:]:
            codes = cut(", ".join(one["language"] for one in others), 300)
            rows.append(_language_row(name, f"{len(others)} others<br><small>{codes}</small>", others, whole))
    head = ["source", "language", "documents", "bytes", "share", "", "kept by language", "uncertain", "mean confidence"]
    return table(head, rows, numbers=(2, 3, 4, 6, 7, 8)) if rows else ""


def _language_row(source: str, label: str, ones: Sequence[Mapping[str, Any]], whole: int) -> list[str]:
    documents, size = sum(one["documents"] for one in ones), sum(one["bytes"] for one in ones)
    confidence = sum(one["confidence"] * one["documents"] for one in ones) / max(documents, 1)
    return [
        escape(source),
        label,
        words.count(documents),
        words.size(size),
        words.share(size / whole),
        _bar(size, {}, whole, ()),
        words.count(sum(one["kept"] for one in ones)),
        words.count(sum(one["uncertain"] for one in ones)),
        f"{confidence:.2f}",
    ]


def scorer_table(records: Mapping[str, CurationRecord]) -> str:
    """What every fitted scorer is worth on labels it never saw."""
    rows = []
    for name, record in records.items():
        for scorer, facts in record.scorers.items():
            rows.append(
                [
                    escape(name),
                    f"<strong>{escape(scorer)}</strong><br><small>{escape(facts['kind'])}</small>",
                    words.count(facts.get("trained_on", facts.get("examples"))),
                    words.count(facts.get("documents")),
                    words.share(facts.get("good")),
                    _number(facts.get("auc")),
                    _number(facts.get("error_raw")),
                    _number(facts.get("error")),
                ]
            )
    head = ["source", "scorer", "examples", "held out", "of them good", "AUC", "calibration error", "calibrated"]
    return table(head, rows, numbers=range(2, 8)) if rows else ""


def _number(value: float | None) -> str:
    return _DASH if value is None or not isfinite(value) else f"{value:.3f}"


def sweep_tables(records: Mapping[str, CurationRecord]) -> str:
    """Every scorer's thresholds: share kept, precision, recall, F1."""
    rows = [
        [
            f"{escape(name)}: {escape(scorer)}",
            f"{row['threshold']:.4g}".replace("-", words.MINUS),
            *(words.share(row[key]) for key in ("kept", "precision", "recall", "f1")),
        ]
        for name, record in records.items()
        for scorer, facts in record.scorers.items()
        for row in facts.get("sweep", ())
    ]
    return (
        table(["scorer", "threshold", "kept", "precision", "recall", "F1"], rows, numbers=range(1, 6)) if rows else ""
    )


def kept_by_table(records: Mapping[str, CurationRecord]) -> str:
    """What was asked of the scores of each source, and the lowest score that stays for it."""
    rows = [
        [escape(name), escape(one["score"]), escape(one["asked"]), _threshold(one["threshold"])]
        for name, record in records.items()
        for one in (record.filter or {}).get("facts", {}).get("kept_by", ())
    ]
    return table(["source", "score", "asked", "from this score on"], rows, numbers=(3,)) if rows else ""


def _threshold(value: float | None) -> str:
    return _DASH if value is None else f"{value:.4g}".replace("-", words.MINUS)


def derived_table(records: Mapping[str, CurationRecord]) -> str:
    """The thresholds that were derived for languages, with those they replace; languages where none moved too."""
    rows = []
    for name, record in records.items():
        for one in (record.filter or {}).get("facts", {}).get("derived", ()):
            moved = [
                f"{escape(rule)} {_threshold(before)} &rarr; {_threshold(after)}"
                for rule, (before, after) in one["thresholds"].items()
            ]
            label = [escape(name), escape(one["language"]), words.count(one["documents"])]
            rows.append([*label, "<br>".join(moved) or "as published"])
    return table(["source", "language", "documents", "thresholds"], rows, numbers=(2,)) if rows else ""


def cluster_blocks(duplicates: Mapping[str, Any]) -> str:
    """The largest clusters of near-duplicates, with a few of their documents side by side."""
    blocks = []
    for one in duplicates.get("facts", {}).get("biggest", ()):
        answers = "".join(_member(sample) for sample in one["samples"])
        blocks.append(
            f'<article class="sample"><h4>{one["documents"]:,} documents, {one["kept"]:,} kept</h4>'
            f'<div class="answers">{answers}</div></article>'
        )
    return "".join(blocks)


def _member(sample: Mapping[str, Any]) -> str:
    word = _word("kept" if sample["kept"] else "dropped")
    near = "" if sample["kept"] else f", Jaccard {sample['similarity']:.2f} to the one kept"
    place = f"{escape(sample['source'])} row {sample['row']:,}{near}"
    return f"<div><h5>{word} <small>{place}</small></h5><pre>{cut(sample['text'], 300)}</pre></div>"


def _word(kind: str) -> str:
    if kind == "kept":
        return '<span class="word kept">&#10003; kept</span>'
    return '<span class="word broken">&#10007; dropped</span>'


def audit_table(contamination: Mapping[str, Any]) -> str:
    """Which benchmark's items were found in which source, and what went for it; benchmarks without a match too."""
    rows = []
    for row in contamination["facts"]["audit"]:
        label = f"<strong>{escape(row['benchmark'])}</strong>"
        if row["source"] is None:
            rows.append([label, '<span class="word kept">&#10003; not found</span>', *[_DASH] * 6])
            continue
        rows.append(
            [
                label,
                escape(row["source"]),
                escape(row["kind"]),
                words.count(row["documents"]),
                words.count(row["items"]),
                words.share(row["share_of_items"]),
                words.size(row["bytes"]),
                words.count(row["dropped"]),
            ]
        )
    head = ["benchmark", "source", "kind", "documents", "items", "share of its items", "bytes matched", "dropped"]
    return table(head, rows, numbers=range(3, 8)) if rows else ""


def sample_columns(record: CurationRecord, one: Funnel) -> str:
    """Documents that stay beside documents that went: one for each of the most frequent reasons, then another each."""
    samples = record.curated.get("samples", {})
    reasons = [reason for _, reason, _, _ in sorted(one.reasons, key=lambda reason: -reason[2])]
    gone = [
        (place, reason, sample)
        for reason in reasons
        for place, sample in enumerate(samples.get(f"dropped: {reason}", ()))
    ]
    first = sorted(gone, key=lambda each: each[0])[:_DROPPED_SAMPLES]
    kept = [_sample(_word("kept"), sample) for sample in samples.get("kept", ())]
    dropped = [_sample(f"{_word('dropped')} <small>{escape(reason)}</small>", sample) for _, reason, sample in first]
    if not kept and not dropped:
        return ""
    return f'<div class="pair"><div>{"".join(kept)}</div><div>{"".join(dropped)}</div></div>'


def _sample(label: str, sample: Mapping[str, str]) -> str:
    return (
        f'<article class="sample"><h5>{label}</h5><pre>{cut(sample["text"])}</pre>'
        f"<small>id <code>{escape(sample['id'])}</code></small></article>"
    )


def used_steps(funnels: Mapping[str, Funnel], curation: Curation) -> list[str]:
    """The steps to show: those the recipe asks for, and those something went at."""
    asked = {
        "filter": any(record.filter is not None for record in curation.records.values()),
        "near": curation.duplicates is not None,
        "contamination": curation.contamination is not None,
    }
    whole = total(funnels.values())
    return [step for step in STEPS if asked.get(step) or whole.lost[step] or whole.lost_bytes[step]]
