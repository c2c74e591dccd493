"""The tables of a report, as HTML. Every text that comes from outside is escaped here."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from html import escape
from statistics import median
from typing import Any

from midtrain.report import figures, series, words
from midtrain.report.inputs import ReportInputs

_SYMBOL = {"better": "&#9650;", "worse": "&#9660;", "unranked": "&#9644;"}
_GUARD_SYMBOL = {"kept": "&#10003;", "broken": "&#10007;", "unclear": "?"}
_SAMPLE_CHARACTERS = 500
_SIDES = ("parent", "control", "ours")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Container[int] = ()) -> str:
    """A table of ready HTML cells; the columns in `numbers` stand right."""
    kinds = [' class="n"' if i in numbers else "" for i in range(len(head))]
    top = "".join(f'<th scope="col"{kind}>{cell}</th>' for kind, cell in zip(kinds, head, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def capability_table(scores: Mapping[str, Any]) -> str:
    """Every capability: parent, control, ours, both comparisons, and what the guard says."""
    rows = []
    judged = scores["guard"]["capabilities"]
    for name, row in scores["capabilities"].items():
        target = scores.get("target") and scores["target"]["capability"] == name
        label = f"<strong>{escape(name)}</strong>" + (' <span class="tag">target</span>' if target else "")
        arrow = "lower is better" if row["metric"] == "bits_per_byte" else "higher is better"
        label += f"<br><small>{escape(row['metric'].replace('_', ' '))}, {arrow}, {row['n']:,} items</small>"
        values = [words.value(row[side], row["metric"]) for side in ("parent", "control", "ours")]
        values[2] = f"<strong>{values[2]}</strong>"
        against = [_comparison(row, other) for other in ("parent", "control")]
        rows.append([label, *values, *against, _guard_cell(judged.get(name))])
    head = ["capability", "parent", "control", "ours", "ours against parent", "ours against control", "guard"]
    return table(head, rows, numbers=(1, 2, 3))


def merge_table(scores: Mapping[str, Any]) -> str:
    """Every capability of the merged arm: parent, unmerged, merged, both comparisons, and what the guard says."""
    rows = []
    for name, row in scores["capabilities"].items():
        values = [words.value(row[side], row["metric"]) for side in ("parent", "unmerged", "ours")]
        against = [_comparison(row, other) for other in ("parent", "unmerged")]
        rows.append([escape(name), *values, *against, _guard_cell(scores["guard"]["capabilities"].get(name))])
    head = ["capability", "parent", "unmerged", "merged", "merged against parent", "merged against unmerged", "guard"]
    return table(head, rows, numbers=(1, 2, 3))


def _comparison(row: Mapping[str, Any], other: str) -> str:
    word = row.get(f"vs_{other}")
    if word is None:
        return "&ndash;"
    return (
        f'<span class="word {word}">{_SYMBOL[word]} {word}</span><br><small class="line">{words.change(row, other)}<br>'
        f"{words.interval(row, other)}</small>"
    )


def _guard_cell(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return "<small>no budget</small>"
    word = one["verdict"]
    numbers = f"{one['worsening']:+.1%}, at worst {one['could_be']:+.1%}; budget {one['budget']:.1%}"
    return (
        f'<span class="word {word}">{_GUARD_SYMBOL[word]} {word}</span><br>'
        f"<small>{numbers.replace('-', words.MINUS)}</small>"
    )


def funnel_table(inputs: ReportInputs) -> str:
    """From rows read to tokens trained on, a row a source."""
    rows = []
    for name, manifest in inputs.documents.items():
        counts, tokens = manifest["counts"], inputs.tokens.get(name, {}).get("counts", {})
        curated = inputs.curation.records[name].curated["counts"] if name in inputs.curation.records else None
        drops = manifest.get("drops", {})
        reasons = "<br>".join(f"{words.count(number)} {escape(reason)}" for reason, number in drops.items())
        licenses = ", ".join(escape(str(one)) for one in list(manifest.get("facts", {}).get("licenses", {}))[:4])
        rows.append(
            [
                f"<strong>{escape(name)}</strong><br><small>{licenses}</small>",
                words.count(counts.get("rows_in")),
                f"<small>{reasons}</small>" if reasons else "none",
                words.count(counts.get("documents")),
                *([words.count((curated or counts)["documents"])] if inputs.curation.records else []),
                words.count((curated or counts).get("heldout")),
                words.count(counts.get("groups")),
                words.count(tokens.get("tokens")),
                f"{tokens['bytes_per_token']:.2f}" if "bytes_per_token" in tokens else "&ndash;",
            ]
        )
    curation = ["after curation"] if inputs.curation.records else []
    head = ["source", "rows read", "dropped", "documents", *curation, "of them held out", "groups", "training tokens",
            "bytes per token"]  # fmt: skip
    return table(head, rows, numbers=(1, *range(3, len(head))))


def drop_samples(inputs: ReportInputs) -> str:
    """A few of the rows that were dropped, by source and reason."""
    rows = []
    for name, manifest in inputs.documents.items():
        for reason, samples in manifest.get("samples", {}).items():
            for sample in samples[:2]:
                text = sample if isinstance(sample, str) else json.dumps(sample, ensure_ascii=False)
                rows.append([escape(name), escape(reason.removeprefix("dropped: ")), f"<code>{cut(text, 200)}</code>"])
    return table(["source", "reason", "sample"], rows) if rows else ""


def packing_table(inputs: ReportInputs) -> str:
    """How documents filled the windows, a row a source and context."""
    rows = [
        [
            escape(name),
            words.count(facts.get("documents")),
            words.count(facts.get("instances")),
            words.share(facts.get("padded_share")),
            words.share(facts.get("split_share")),
            words.count(facts.get("dropped")),
        ]
        for name, facts in inputs.packing.items()
    ]
    head = ["packed", "documents", "windows", "padding", "tokens of split documents", "dropped"]
    return table(head, rows, numbers=range(1, 6)) if rows else ""


def speed_table(inputs: ReportInputs) -> str:
    """Steps, tokens, time and speed of every stage of every arm: medians over seeds, time summed."""
    rows = []
    for arm, seeds in inputs.arms.items():
        for stages in zip(*seeds.values(), strict=True):
            facts = [stage.facts for stage in stages]
            rows.append(
                [
                    f"{escape(figures.ARM_NAMES.get(arm, arm))}: {escape(stages[0].name)}",
                    str(len(stages)),
                    words.count(_middle(facts, "steps")),
                    words.count(_middle(facts, "tokens")),
                    words.duration(sum(one.get("seconds", 0.0) for one in facts)),
                    words.count(_middle(facts, "tokens_per_second")),
                    words.share(_middle(facts, "mfu")),
                    words.share(_middle(facts, "goodput")),
                ]
            )
    head = ["stage", "seeds", "steps", "tokens", "time of all seeds", "tokens per second", "MFU", "goodput"]
    return table(head, rows, numbers=range(1, 8)) if rows else ""


def _middle(facts: Sequence[Mapping[str, Any]], key: str) -> float | None:
    found = [one[key] for one in facts if key in one]
    return median(found) if found else None


def carried_list(inputs: ReportInputs) -> str:
    """What each stage took over and what it was told, in the sentences that training said at its start."""
    items = []
    for arm, seeds in inputs.arms.items():
        for stages in zip(*seeds.values(), strict=True):
            told = dict.fromkeys(sentence for stage in stages for sentence in stage.facts.get("carried", ()))
            told.update(
                dict.fromkeys(f"Ended by: {stage.facts['ended_by']}." for stage in stages if "ended_by" in stage.facts)
            )
            if told:
                name = f"{escape(figures.ARM_NAMES.get(arm, arm))}: {escape(stages[0].name)}"
                items.append(f"<li><strong>{name}</strong>. {escape(' '.join(told))}</li>")
    return f"<ul>{''.join(items)}</ul>" if items else ""


def notice_table(inputs: ReportInputs) -> str:
    """Spikes, decisions and other events, in order; that a stage began is not news."""
    rows = []
    for arm, seeds in inputs.arms.items():
        for seed, stages in seeds.items():
            for stage in stages:
                for entry in series.notices(stage):
                    if entry.get("what") == "start":
                        continue
                    told = {k: v for k, v in entry.items() if k not in ("kind", "step", "clock", "reason", "what")}
                    what = str(entry.get("reason") or entry.get("what") or entry["kind"])
                    more = ", ".join(f"{key}: {json.dumps(one, ensure_ascii=False)}" for key, one in told.items())
                    where = f"{escape(arm)} seed {seed}: {escape(stage.name)}"
                    rows.append([where, f"{entry['step']:,}", escape(what), f"<small>{cut(more, 300)}</small>"])
    return table(["run", "step", "what", "details"], rows, numbers=(1,)) if rows else ""


def sample_blocks(inputs: ReportInputs) -> str:
    """Completions of the same prompts by parent, control and ours: gains, losses and a few others."""
    rows_by_side = {side: _problem_rows(inputs.items[side]) for side in _SIDES if side in inputs.items}
    if not rows_by_side.get("ours") or not rows_by_side.get("parent"):
        return ""
    blocks = []
    for key in _chosen(rows_by_side):
        first = rows_by_side["ours"][key]
        prompt = json.loads(first["settings"]).get("prompt", key[1])
        answers = "".join(
            _answer(side, rows[key]) for side, rows in rows_by_side.items() if key in rows
        )  # fmt: skip
        blocks.append(
            f'<article class="sample"><h4>{escape(key[0])}</h4><pre class="prompt">{cut(prompt)}</pre>'
            f"<p><small>right answer: <code>{cut(str(first['reference']), 120)}</code></small></p>"
            f'<div class="answers">{answers}</div></article>'
        )
    return "".join(blocks)


def _problem_rows(found: Any) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (row["capability"], row["item"]): row for row in found.to_pylist() if row["metric"] == "exact_match"
    }  # fmt: skip


def _chosen(sides: Mapping[str, Mapping[tuple[str, str], Mapping[str, Any]]]) -> list[tuple[str, str]]:
    """Up to two items that only ours solves, two that only the parent solves, and others, by the order of item ids."""
    ours, parent = sides["ours"], sides["parent"]
    shared = sorted((key for key in ours if key in parent), key=lambda key: (key[1], key[0]))
    gained = [key for key in shared if ours[key]["value"] > parent[key]["value"]][:2]
    lost = [key for key in shared if ours[key]["value"] < parent[key]["value"]][:2]
    rest = [key for key in shared if key not in gained and key not in lost]
    return [*gained, *lost, *rest[:2]]


def _answer(side: str, row: Mapping[str, Any]) -> str:
    right = row["value"] > 0.5
    word = (
        '<span class="word better">&#10003; right</span>' if right else '<span class="word worse">&#10007; wrong</span>'
    )
    said = row["prediction"] or "(nothing)"
    said = said if said.strip() else "(only white space)"
    return f"<div><h5>{escape(side)} {word}</h5><pre>{cut(said)}</pre></div>"


def facts_table(head: Sequence[str], facts: Mapping[str, Any]) -> str:
    """Names and what was found, two columns; nested facts are written out."""
    return table(head, [[escape(name), f"<small>{cut(_flat(one), 400)}</small>"] for name, one in facts.items()])


def _flat(facts: Any) -> str:
    if isinstance(facts, Mapping):
        return ", ".join(f"{key} {_flat(one)}" for key, one in facts.items())
    return f"{facts:.3g}" if isinstance(facts, float) else str(facts)


def cut(text: str, most: int = _SAMPLE_CHARACTERS) -> str:
    """A text from outside, escaped, and cut where it is long."""
    return escape(text if len(text) <= most else text[:most] + " \u2026")
