"""The plots of a report, as plain plotly figures (title, data and layout), with colours left open.

A colour is written "@ours" or "@s3/0.5" (with opacity) and filled in by the page from its style sheet, so that one
figure serves a light and a dark page. Arms and sources differ in lightness too, not in hue alone. Each function
returns None when there is nothing to draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from midtrain.report import series
from midtrain.report.inputs import ReportInputs, StageRecord

Figure = dict[str, Any]
ARM_NAMES = {"ours": "ours", "control": "control (old mix)", "parent": "parent"}
_COLUMNS = 2
_VERDICT_SYMBOL = {"better": "circle", "worse": "x", "unranked": "circle-open"}


def source_color(names: Sequence[str], name: str) -> str:
    """The colour of a source: the same in every plot."""
    return f"@s{list(names).index(name) % 8}"


def forest(scores: Mapping[str, Any], metric: str) -> Figure | None:
    """Improvement of ours over the parent and the control on every capability of a metric; right of 0 is better."""
    rows = {name: row for name, row in scores["capabilities"].items() if row["metric"] == metric}
    names = list(rows)[::-1]
    data = []
    for other, offset in (("parent", 0.16), ("control", -0.16)):
        places = [i for i, name in enumerate(names) if rows[name].get(f"vs_{other}_interval")]
        if places:
            data.append(_forest_trace(other, [names[i] for i in places], rows, [i + offset for i in places]))
    if not data:
        return None
    title, unit = _FOREST_WORDS[metric]
    layout = plain_layout(unit, "")
    layout["yaxis"].update(tickvals=list(range(len(names))), ticktext=names, range=[-0.6, len(names) - 0.4])
    layout["xaxis"].update(zeroline=True, zerolinewidth=2, zerolinecolor="@text/0.5", tickformat="")
    layout["height"] = 120 + 46 * len(names)
    return {"title": title, "data": data, "layout": layout}


_FOREST_WORDS = {
    "bits_per_byte": (
        "Bits per byte: how much better ours is",
        "fewer bits per byte, in % of the other's (right is better)",
    ),
    "exact_match": (
        "Right answers: how much better ours is",
        "more right answers, in percentage points (right is better)",
    ),
}


def _forest_trace(other: str, names: Sequence[str], rows: Mapping[str, Any], heights: Sequence[float]) -> Figure:
    points = [_improvement(rows[name], other) for name in names]
    words = [rows[name][f"vs_{other}"] for name in names]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"against the {other}",
        "x": [value for value, _, _ in points],
        "y": list(heights),
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [high - value for value, _, high in points],
            "arrayminus": [value - low for value, low, _ in points],
            "color": f"@{other}",
            "thickness": 2,
            "width": 4,
        },
        "marker": {
            "color": f"@{other}",
            "size": 11,
            "symbol": [_VERDICT_SYMBOL[word] for word in words],
            "line": {"width": 2, "color": f"@{other}"},
        },
        "text": [f"{name}: {word}" for name, word in zip(names, words, strict=True)],
        "hovertemplate": "%{text}<br>%{x:+.2f}<extra></extra>",
    }


def _improvement(row: Mapping[str, Any], other: str) -> tuple[float, float, float]:
    """(estimate, low, high), more is better: bits per byte in % of the other's, right answers in points."""
    low, high = row[f"vs_{other}_interval"]
    difference = row["ours"] - row[other]
    if row["metric"] == "exact_match":
        return 100 * difference, 100 * low, 100 * high
    scale = -100 / (row[other] or 1.0)
    return difference * scale, high * scale, low * scale


def losses(inputs: ReportInputs, names: Sequence[str]) -> Figure | None:
    """Training loss by source over tokens, one panel a source: thin lines for seeds, thick for their mean."""
    panels = [name for name in names if any(True for _ in _source_lines(inputs, name))]
    return _panels(
        panels,
        lambda name: _source_lines(inputs, name),
        "Training loss by source",
        "nats per token",
        _boundaries(inputs),
    )


def _source_lines(inputs: ReportInputs, name: str) -> list[Figure]:
    traces = []
    for arm, seeds in inputs.arms.items():
        lines = [series.line(stages, "source_loss", name) for stages in seeds.values()]
        lines = [(x, y) for x, y in lines if x]
        traces += _seed_traces(arm, lines)
    return traces


def learning_rate(inputs: ReportInputs) -> Figure | None:
    """Learning rate over tokens; the arms share one curve unless they were told otherwise."""
    data: list[Figure] = []
    for arm, seeds in inputs.arms.items():
        x, y = series.line(next(iter(seeds.values())), "learning_rate")
        trace = _line(x, y, arm, ARM_NAMES.get(arm, arm), dash="dash" if data else "solid")
        if x and not any(other["y"] == trace["y"] for other in data):
            data.append(trace)
    if not data:
        return None
    if len(data) == 1 and len(inputs.arms) > 1:
        data[0]["name"] = "all arms"
    return _tokens_figure(data, "Learning rate", "learning rate", inputs)


def gradient_norms(inputs: ReportInputs) -> Figure | None:
    """The gradient norm before clipping, over tokens: spikes show here first."""
    return _one_panel(inputs, ("gradient_norm",), "Gradient norm before clipping", "norm")


def throughput(inputs: ReportInputs) -> Figure | None:
    """Training tokens per second over tokens."""
    return _one_panel(inputs, ("clock", "tokens_per_second"), "Throughput", "tokens per second")


def _one_panel(inputs: ReportInputs, keys: tuple[str, ...], title: str, unit: str) -> Figure | None:
    data = []
    for arm, seeds in inputs.arms.items():
        lines = [series.line(stages, *keys) for stages in seeds.values()]
        data += _seed_traces(arm, [(x, y) for x, y in lines if x])
    if not data:
        return None
    figure = _tokens_figure(data, title, unit, inputs)
    figure["layout"]["yaxis"]["rangemode"] = "tozero"
    return figure


def mixture(stages: Sequence[StageRecord], names: Sequence[str], title: str) -> Figure | None:
    """What was read, as stacked areas, under the plan, as dashed lines at the same heights."""
    x, shares = series.actual_mixture(stages, names)
    planned_x, planned = series.planned_mixture(stages, names)
    data: list[Figure] = []
    for name in names if x else []:
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": x,
                "y": [round(100 * value, 3) for value in shares[name]],
                "stackgroup": "read",
                "line": {"width": 0.5, "color": source_color(names, name)},
                "fillcolor": source_color(names, name) + "/0.75",
                "hovertemplate": f"{name}: %{{y:.1f}} % read<extra></extra>",
            }
        )
    height = [0.0] * len(planned_x)
    for name in names if planned_x else []:
        height = [below + 100 * value for below, value in zip(height, planned[name], strict=True)]
        plan = _line(planned_x, height, "text", "planned", dash="dash", width=1.5, legend=name == names[0])
        data.append({**plan, "hoverinfo": "skip"})
    if not data:
        return None
    layout = plain_layout("training tokens", "share of tokens in %")
    layout["yaxis"].update(range=[0, 100.5])
    layout["xaxis"]["range"] = [0, max([*x, *planned_x])]
    return {"title": title, "data": data, "layout": layout}


def _seed_traces(arm: str, lines: Sequence[tuple[list[float], list[float]]]) -> list[Figure]:
    """Thin lines of the seeds, and a thick one of their mean at the tokens of the most complete of them."""
    name = ARM_NAMES.get(arm, arm)
    dash = "solid" if arm == "ours" else "dot"
    if len(lines) < 2:
        return [_line(x, y, arm, name, dash=dash) for x, y in lines]
    thin = [_line(x, y, f"{arm}/0.35", f"{name}, a seed", width=1, legend=False) for x, y in lines]
    grid = max((x for x, _ in lines), key=len)
    mean = np.mean([np.interp(grid, x, y) for x, y in lines], axis=0).tolist()
    return [*thin, _line(grid, mean, arm, name, dash=dash)]


def _line(
    x: Sequence[float], y: Sequence[float], color: str, name: str, dash: str = "solid", width: float = 2.2,
    legend: bool = True,
) -> Figure:  # fmt: skip
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "legendgroup": name,
        "showlegend": legend,
        "x": list(x),
        "y": [float(f"{value:.5g}") for value in y],
        "line": {"color": f"@{color}", "width": width, "dash": dash},
    }


def _tokens_figure(data: list[Figure], title: str, unit: str, inputs: ReportInputs) -> Figure:
    layout = plain_layout("training tokens", unit)
    shapes, notes = _stage_marks(_boundaries(inputs), "x", "y")
    return {"title": title, "data": data, "layout": {**layout, "shapes": shapes, "annotations": notes}}


def _boundaries(inputs: ReportInputs) -> list[series.Span]:
    """The stages of the first run, drawn only when there are several."""
    for seeds in inputs.arms.values():
        for stages in seeds.values():
            spans = series.spans(stages)
            return spans if len(spans) > 1 else []
    return []


def _stage_marks(spans: Sequence[series.Span], x: str, y: str) -> tuple[list[Figure], list[Figure]]:
    """A dotted line where a stage begins, and its name above."""
    shapes = [
        {"type": "line", "xref": x, "yref": f"{y} domain", "x0": span.start, "x1": span.start, "y0": 0, "y1": 1,
         "line": {"color": "@text/0.45", "width": 1, "dash": "dot"}}
        for span in spans[1:]
    ]  # fmt: skip
    notes = [
        {"xref": x, "yref": f"{y} domain", "x": span.start, "y": 1, "text": span.name, "showarrow": False,
         "xanchor": "left", "yanchor": "bottom", "font": {"size": 11, "color": "@muted"}}
        for span in spans
    ]  # fmt: skip
    return shapes, notes


def _panels(
    names: Sequence[str], traces_of: Any, title: str, unit: str, stages: Sequence[series.Span]
) -> Figure | None:
    """Small plots in a grid, one a name, with one legend."""
    if not names:
        return None
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    layout = plain_layout("", "")
    layout.update(height=110 + 250 * rows, shapes=[], annotations=[])
    layout["margin"]["t"] = 76
    data: list[Figure] = []
    seen: set[str] = set()
    gap = 0.38 / rows if rows > 1 else 0.0
    cell = (1 - gap * (rows - 1)) / rows
    for place, name in enumerate(names):
        row, column = divmod(place, columns)
        tag = "" if place == 0 else str(place + 1)
        left, top = column / columns + (0.06 if column else 0), 1 - row * (cell + gap)
        right = (column + 1) / columns - (0.02 if columns > 1 else 0)
        x, y = _axes("training tokens", unit)
        layout[f"xaxis{tag}"] = {**x, "domain": [left, right], "anchor": f"y{tag}"}
        layout[f"yaxis{tag}"] = {**y, "domain": [max(0.0, top - cell), top], "anchor": f"x{tag}"}
        layout["annotations"].append(
            {"xref": "paper", "yref": "paper", "x": left, "y": top, "text": f"<b>{name}</b>", "showarrow": False,
             "xanchor": "left", "yanchor": "bottom", "yshift": 16 if stages else 3, "font": {"size": 13}}
        )  # fmt: skip
        shapes, notes = _stage_marks(stages, f"x{tag}", f"y{tag}")
        layout["shapes"] += shapes
        layout["annotations"] += notes
        for trace in traces_of(name):
            trace.update(xaxis=f"x{tag}", yaxis=f"y{tag}")
            trace["showlegend"] = trace["showlegend"] and trace["name"] not in seen
            seen.add(trace["name"])
            data.append(trace)
    return {"title": title, "data": data, "layout": layout}


def plain_layout(x: str, y: str) -> Figure:
    """The layout all figures begin with, with the titles of both axes."""
    x_axis, y_axis = _axes(x, y)
    return {
        "xaxis": x_axis,
        "yaxis": y_axis,
        "height": 340,
        "margin": {"l": 64, "r": 18, "t": 44, "b": 52},
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 0.995,
            "xanchor": "left",
            "yanchor": "top",
            "yref": "container",
            "bgcolor": "rgba(0,0,0,0)",
        },
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "@text", "size": 13},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "@panel", "bordercolor": "@line", "font": {"color": "@text"}},
    }


def _axes(x: str, y: str) -> tuple[Figure, Figure]:
    common = {"gridcolor": "@line", "linecolor": "@line", "zeroline": False}
    return (
        {
            **common,
            "title": {"text": x, "standoff": 8, "font": {"size": 12}},
            "rangemode": "tozero",
            "tickformat": "~s",
            "automargin": True,
        },
        {**common, "title": {"text": y, "standoff": 8, "font": {"size": 12}}, "automargin": True},
    )
