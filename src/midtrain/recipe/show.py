"""How a plan, an outcome, a status and a step look on a terminal. Text in, text out: nothing is computed here."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from midtrain.core.config import format_size
from midtrain.core.terminal import render, width
from midtrain.recipe.curate import Curated
from midtrain.recipe.plan import Plan, StagePlan
from midtrain.recipe.run import Outcome

_BARS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
_INSPECT_COLUMNS = 44
"""What the columns of `inspect` beside source and text take."""
_REASONS = 3
"""Reasons for drops that are shown for a source."""
_VERDICT_STYLE = {"better": "green", "worse": "red", "unranked": "dim"}
_STATE_STYLE = {"done": "green", "running": "yellow", "stopped": "yellow", "missing": "dim"}


def sparkline(values: list[float], top: float | None = None) -> str:
    """A curve in one line of block characters; `top` is the value of a full block (default: the largest)."""
    top = max(values, default=0.0) if top is None else top
    if top <= 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(len(_BARS) - 1, int(max(value, 0.0) / top * len(_BARS)))] for value in values)


def duration(seconds: float) -> str:
    """Seconds for people: 42 s, 3 min, 2.5 h, 4 days."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"


def plan_text(plan: Plan) -> str:
    """The plan as a tree: base, sources, stages, cost."""
    tree = Tree(Text.assemble((plan.name, "bold"), f"  {plan.description}"))
    tree.add(Text(f"base  {plan.base}"))
    sources = Table(box=None, pad_edge=False, show_edge=False)
    for column, justify in (
        ("source", "left"),
        ("documents", "right"),
        ("text", "right"),
        ("tokens", "right"),
        ("", "left"),
    ):
        sources.add_column(column, justify=justify)  # type: ignore[arg-type]
    for source in plan.sources:
        about = "" if source.exact else "~"
        cells = (f"{about}{format_size(source.documents)}", f"{about}{format_size(source.bytes)}B")
        sources.add_row(source.name, *cells, f"{about}{format_size(source.tokens)}", source.note)
    tree.add(Group(Text("sources"), sources))
    stages = tree.add(Text("stages"))
    for stage in plan.stages:
        stages.add(_stage(stage))
    for arm in plan.arms:
        tree.add(Text(arm))
    cost = Table(box=None, pad_edge=False, show_header=False)
    for name, text in plan.cost_lines(format_size, duration):
        cost.add_row(name, text)
    tree.add(Group(Text("cost of everything"), cost))
    for note in plan.notes:
        tree.add(Text(note, style="yellow"))
    return render(tree)


def _stage(stage: StagePlan) -> RenderableType:
    head = Text.assemble((stage.name, "bold"), f"  {stage.summary}")
    table = Table(box=None, pad_edge=False)
    for column, justify in (
        ("source", "left"),
        ("weight", "left"),
        ("tokens", "right"),
        ("epochs", "right"),
        ("cap", "right"),
    ):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    top = max((max(row.weights) for row in stage.sources), default=1.0)
    for row in stage.sources:
        about = "" if row.exact else "~"
        first, last = row.weights[0], row.weights[-1]
        share = f"{first:.0%}" if first == last else f"{first:.0%} to {last:.0%}"
        table.add_row(
            row.name,
            f"{sparkline(row.weights, top)} {share}",
            format_size(row.tokens),
            f"{about}{row.epochs:.2f}",
            f"{row.cap:g}",
        )
    rate = Text(f"learning rate  {sparkline(stage.learning_rates)}  {stage.rate_note}")
    notes = [*(stage.positions.lines if stage.positions else []), *([stage.waste] if stage.waste else [])]
    return Group(head, rate, table, *(Text(note, style="dim") for note in notes))


def outcome_text(outcome: Outcome) -> str:
    """What a run came to: the verdict first, then the capabilities, then where things lie."""
    parts: list[RenderableType] = []
    if outcome.scores is not None:
        parts += [Text(sentence) for sentence in verdict_sentences(outcome.scores)]
        parts.append(_scores_table(outcome.scores))
        if "report" in outcome.made + outcome.reused:
            parts.append(Text(f"report  {outcome.folder / 'report.html'}"))
        parts.append(Text(f"scores  {outcome.folder / 'scores.json'}"))
    elif outcome.made:
        parts.append(Text(f"Made {len(outcome.made)} steps in {outcome.folder}, up to {outcome.made[-1]}."))
    else:
        parts.append(Text(f"All {len(outcome.reused)} steps are there already in {outcome.folder}."))
    return render(Group(*parts))


def verdict_sentences(scores: dict[str, Any]) -> list[str]:
    """The verdict in words: target, guard."""
    sentences = []
    target = scores.get("target")
    if target:
        how = "reached" if target["reached"] else "missed"
        sentences.append(f"Target {how}: {target['capability']} against {' and '.join(target['better_than'])}.")
    broken = scores["guard"]["broken"]
    unclear = scores["guard"].get("unclear") or []
    if broken:
        sentences.append(f"Guard broken by {', '.join(broken)}.")
    elif scores["guard"].get("verdict") == "unguarded":
        sentences.append("No guard: the recipe sets no budgets.")
    elif unclear:
        sentences.append(f"Guard not broken; not measured finely enough to be sure of {', '.join(unclear)}.")
    else:
        sentences.append("Guard kept: nothing lost more than its budget.")
    return sentences


def _scores_table(scores: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    columns = ("capability", "parent", "control", "ours", "+-", "items", "vs parent", "vs control")
    for column in columns:
        table.add_column(column, justify="left" if column in ("capability", "vs parent", "vs control") else "right")
    for name, row in scores["capabilities"].items():
        numbers = [_number(row.get(key)) for key in ("parent", "control", "ours", "stderr")]
        verdicts = [Text(row[k] or "", style=_VERDICT_STYLE.get(row[k], "")) for k in ("vs_parent", "vs_control")]
        table.add_row(name, *numbers, str(row["n"]), *verdicts)
    return table


def curated_text(found: Curated) -> str:
    """A row for each source: what was read, what stays, and the reasons that took most."""
    table = Table(box=None, pad_edge=False)
    for column in ("source", "rows", "documents", "MB read", "MB kept", "most dropped for"):
        table.add_column(column, justify="left" if column in ("source", "most dropped for") else "right")
    for one in found.sources:
        most = sorted(one["drops"].items(), key=lambda item: -item[1])[:_REASONS]
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in most)
        sizes = (f"{one[name] / 1e6:.1f}" for name in ("bytes_in", "bytes"))
        table.add_row(one["name"], f"{one['rows_in']:,}", f"{one['documents']:,}", *sizes, reasons)
    places = [Text(f"{one['name']}  {one['path']}", style="dim") for one in found.sources]
    return render(Group(table, Text(""), *places, Text(f"report  {found.page}")))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def status_text(found: dict[str, Any]) -> str:
    """The steps of a run, one a line."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for step in found["steps"]:
        note = step["why"] if step["why"] != "new" else ""
        if step["progress"]:
            note = f"step {step['progress']['step']}, loss {_number(step['progress']['loss'])}"
        table.add_row(Text(step["state"], style=_STATE_STYLE[step["state"]]), step["step"], Text(note, style="dim"))
    return render(table)


def inspect_text(found: dict[str, Any]) -> str:
    """The documents of one step, span by span."""
    table = Table(box=None, pad_edge=False)
    for column in ("row", "source", "epoch", "document", "tokens", "text"):
        table.add_column(column, no_wrap=True)
    room = max(20, width() - _INSPECT_COLUMNS - max((len(span["source"]) for span in found["spans"]), default=0))
    for span in found["spans"]:
        where = f"{span['start']}..{span['start'] + span['length']}"
        shown = (span.get("text") or "").replace("\n", "\\n")[:room]
        table.add_row(str(span["row"]), span["source"], str(span["epoch"]), span["document"][:12], where, shown)
    head = f"{found['arm']}, seed {found['seed']}, {found['stage']}, step {found['step']} of {found['steps']}"
    return render(Group(Text(head), table))


def doctor_text(found: dict[str, Any]) -> str:
    """What the machine has, one fact a line."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in found.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), text)
    return render(table)
