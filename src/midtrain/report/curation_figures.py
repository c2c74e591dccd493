"""Small plots of curation: how an attribute is distributed over what stays and what goes, and what a score is worth.

Counts are drawn on a logarithmic axis: most attributes heap up at one end, and the few documents around a threshold,
which one looks for here, would be invisible beside the heap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log10
from typing import Any

from midtrain.report import words
from midtrain.report.figures import Figure, plain_layout
from midtrain.report.inputs import CurationRecord

MOST_PANELS = 12
_FLOOR = 0.6  # where a count of 1 still stands above the axis
_HEIGHT = 190


def distributions(records: Mapping[str, CurationRecord]) -> list[Figure]:
    """At most 12 attributes, those first whose thresholds most of what went is beyond; scores always count."""
    ranked: list[tuple[int, int, str, Mapping[str, Any]]] = []
    for name, record in records.items():
        for histogram in (record.filter or {}).get("facts", {}).get("histograms", ()):
            weight = beyond(histogram)
            if weight or histogram["column"].startswith("quality/"):
                ranked.append((-weight, len(ranked), name, histogram))
    return [_distribution(name, histogram) for _, _, name, histogram in sorted(ranked)[:MOST_PANELS]]


def beyond(histogram: Mapping[str, Any]) -> int:
    """About how many of the dropped documents are beyond the attribute's thresholds: a bin that a threshold parts
    counts by its share, and the outermost bins hold what is outside of them."""
    edges, dropped = histogram["edges"], histogram["dropped"]
    width, last, found = edges[1] - edges[0], len(dropped) - 1, 0.0
    if (low := histogram["at_least"]) is not None:
        below = [min(max((low - edge) / width, 0.0), 1.0) for edge in edges[:-1]]
        below[0] = below[0] or 1.0
        found += sum(share * count for share, count in zip(below, dropped, strict=True))
    if (high := histogram["at_most"]) is not None:
        above = [min(max((edge - high) / width, 0.0), 1.0) for edge in edges[1:]]
        above[last] = above[last] or 1.0
        above[0] = 0.0 if high <= edges[0] else above[0]  # what stands exactly at the threshold stays
        found += sum(share * count for share, count in zip(above, dropped, strict=True))
    return round(found)


def threshold(histogram: Mapping[str, Any]) -> str:
    """The thresholds in words."""
    limits = {"at least": histogram["at_least"], "at most": histogram["at_most"]}
    said = [f"{word} {_value(limit)}" for word, limit in limits.items() if limit is not None]
    return f"asked: {' and '.join(said)}" if said else "no threshold"


def _value(limit: float) -> str:
    text = words.count(limit) if abs(limit) >= 1000 else f"{limit:.4g}"
    return text.replace("-", words.MINUS)


def _distribution(source: str, histogram: Mapping[str, Any]) -> Figure:
    edges, kept, dropped = histogram["edges"], histogram["kept"], histogram["dropped"]
    middles = [(a + b) / 2 for a, b in pairwise(edges)]
    layout = _small_layout(threshold(histogram))
    layout.update(bargap=0, barmode="overlay")
    layout["xaxis"].update(range=[edges[0], edges[-1]], tickformat="~s" if edges[-1] >= 1000 else "")
    layout["yaxis"].update(
        type="log", range=[log10(_FLOOR), log10(2 * max(*kept, *dropped, 1))], tickformat="~s", dtick=1
    )
    layout["shapes"] = [
        {"type": "line", "xref": "x", "yref": "y domain", "x0": limit, "x1": limit, "y0": 0, "y1": 1,
         "line": {"color": "@text", "width": 1.5, "dash": "dash"}}
        for limit in (histogram["at_least"], histogram["at_most"]) if limit is not None
    ]  # fmt: skip
    bars = {
        "type": "bar",
        "name": "kept",
        "x": middles,
        "y": kept,
        "width": edges[1] - edges[0],
        "marker": {"color": "@ours/0.55", "line": {"width": 0}},
        "hovertemplate": "%{y} kept around %{x:.4g}<extra></extra>",
    }
    outline = {
        "type": "scatter",
        "mode": "lines",
        "name": "dropped",
        "x": edges,
        "y": [max(count, _FLOOR / 2) for count in [*dropped, dropped[-1]]],
        "customdata": [*dropped, dropped[-1]],
        "line": {"color": "@control", "width": 2, "shape": "hv"},
        "hovertemplate": "%{customdata} dropped from %{x:.4g}<extra></extra>",
    }
    return {"title": f"{source}: {histogram['column']}", "data": [bars, outline], "layout": layout}


def sweeps(records: Mapping[str, CurationRecord]) -> list[Figure]:
    """For every scorer that was measured: precision and recall over the share of documents that is kept."""
    return [
        _sweep(f"{name}: {scorer}", facts["sweep"])
        for name, record in records.items()
        for scorer, facts in record.scorers.items()
        if facts.get("sweep")
    ]


def _sweep(title: str, rows: Sequence[Mapping[str, float]]) -> Figure:
    layout = _small_layout("share of documents kept, in %")
    layout["xaxis"].update(range=[0, 102], dtick=25)
    layout["yaxis"].update(range=[0, 104], dtick=25)
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": [round(100 * row["kept"], 2) for row in rows],
            "y": [round(100 * row[name], 2) for row in rows],
            "customdata": [float(f"{row['threshold']:.4g}") for row in rows],
            "line": {"color": color, "width": 2, "dash": dash},
            "marker": {"size": 5},
            "hovertemplate": f"%{{y:.1f}} % {name} at a threshold of %{{customdata}}<extra></extra>",
        }
        for name, color, dash in (("precision", "@ours", "solid"), ("recall", "@control", "dot"))
    ]
    return {"title": title, "data": data, "layout": layout}


def _small_layout(x: str) -> Figure:
    layout = plain_layout(x, "")
    layout.update(height=_HEIGHT, showlegend=False, margin={"l": 34, "r": 14, "t": 10, "b": 40})
    layout["font"]["size"] = 11
    layout["xaxis"].update(nticks=5, tickformat="")
    layout["yaxis"]["nticks"] = 5
    return layout
