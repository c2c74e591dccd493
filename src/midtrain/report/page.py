"""One run as one HTML file: the verdict first, then what it rests on, down to the recipe that makes it again.

The file is complete: plotly.js (4.8 MB of it) and every figure are inside, nothing is fetched, and a
Content-Security-Policy says so to the browser. It opens from a disk, an e-mail or an archive in ten years. The page is
made of sections; a section without anything to show is left out. The same inputs give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

from midtrain.core.artifact import write_atomically
from midtrain.report import figures, series, tables, words
from midtrain.report.inputs import ReportInputs

_HERE = Path(__file__).parent
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)


class Page:
    """The parts of a page in the making: sections in order, and figures by id."""

    def __init__(self) -> None:
        self.sections: list[tuple[str, str, str]] = []
        self.figures: dict[str, Any] = {}

    def section(self, anchor: str, title: str, *parts: str) -> None:
        """Add a section, unless all its parts are empty."""
        content = "".join(parts)
        if content:
            self.sections.append((anchor, title, content))

    def figure(self, figure: figures.Figure | None, caption: str) -> str:
        """The place of a figure on the page, with a caption that says how to read it; empty for None."""
        if figure is None:
            return ""
        name = f"figure-{len(self.figures) + 1}"
        self.figures[name] = figure
        height, title = figure["layout"]["height"], escape(figure["title"])
        return (
            f'<figure><h4>{title}</h4><div id="{name}" role="img" aria-label="{title}" style="height:{height}px"></div>'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )

    def html(self, title: str, top: str) -> str:
        """The whole document."""
        from plotly.offline import get_plotlyjs

        links = "".join(f'<a href="#{anchor}">{escape(name)}</a>' for anchor, name, _ in self.sections)
        body = "".join(f'<h2 id="{anchor}">{escape(name)}</h2>{content}' for anchor, name, content in self.sections)
        data = json.dumps(self.figures, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace(
            "<", "\\u003c"
        )
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
            f"<title>{escape(title)}</title><style>{(_HERE / 'style.css').read_text()}</style></head>"
            f'<body><header class="top">{top}<nav aria-label="Sections">{links}</nav></header><main>{body}</main>'
            "<footer>Made by midtrain from the run's journals, manifests and scores. This file needs no network."
            "<noscript> The plots need JavaScript; the tables do not.</noscript></footer>"
            f"<script>{get_plotlyjs()}</script>"
            f'<script type="application/json" id="figures">{data}</script>'
            f"<script>{(_HERE / 'page.js').read_text()}</script></body></html>\n"
        )


def write_report(inputs: ReportInputs, out: Path) -> None:
    """Write the report of one run to the HTML file `out` (about 5 MB)."""
    page = Page()
    for section in _SECTIONS:
        section(page, inputs)
    write_atomically(out, page.html(f"{inputs.name} - midtrain report", _top(inputs)))


def _top(inputs: ReportInputs) -> str:
    found = words.headline(inputs.scores)
    details = "".join(f"<li>{escape(detail)}</li>" for detail in found.details)
    about = f'<p class="muted">{escape(inputs.description)}</p>' if inputs.description else ""
    return (
        f"<h1>{escape(inputs.name)}</h1>{about}"
        f'<div class="verdict {found.tone}" role="status"><p>{escape(found.sentence)}</p><ul>{details}</ul></div>'
    )


def _capabilities(page: Page, inputs: ReportInputs) -> None:
    scores = inputs.scores
    seeds = len(scores["seeds"])
    noise = f"items and {seeds} seeds" if seeds > 1 else "items (one seed, so seed noise is not in them)"
    confidence = f"{scores['guard']['confidence']:.0%}"
    page.section(
        "capabilities",
        "What got better, what got worse",
        tables.capability_table(scores),
        f"<p><small>Brackets are {confidence} intervals of the difference, from a paired bootstrap over {noise}. "
        "A verdict is given when the interval excludes 0; what cannot be told apart is unranked. Verdicts are not "
        f"corrected for their number ({len(scores['capabilities'])} capabilities). The control is the same training "
        "on the old data: only against it does a gain belong to the data.</small></p>",
        *(
            page.figure(
                figures.forest(scores, metric),
                "Filled: better. Cross: worse. Open: not told apart. Bars are intervals; across 0 it could be nothing.",
            )
            for metric in ("bits_per_byte", "exact_match")
        ),
    )


def _samples(page: Page, inputs: ReportInputs) -> None:
    blocks = tables.sample_blocks(inputs)
    if blocks:
        rule = (
            "<p>Greedy completions of the same prompts (first seed), chosen by rule in the order of the items' ids: up "
            "to two that only ours solves, up to two that only the parent solves, and up to two others.</p>"
        )
        page.section("samples", "What they answer", rule, blocks)


def _training(page: Page, inputs: ReportInputs) -> None:
    names = series.source_names(inputs.arms)
    mixtures = [
        page.figure(
            figures.mixture(next(iter(seeds.values())), names, f"Mixture of {figures.ARM_NAMES.get(arm, arm)}"),
            "Areas: what was read (first seed). Dashed: the plan.",
        )
        for arm, seeds in inputs.arms.items()
    ]
    small = [
        page.figure(figures.learning_rate(inputs), "The rate of every step, over all stages."),
        page.figure(figures.gradient_norms(inputs), "A spike that lasts is trouble; single ones are clipped."),
    ]
    notices, carried = tables.notice_table(inputs), tables.carried_list(inputs)
    page.section(
        "training",
        "Training",
        page.figure(
            figures.losses(inputs, names),
            "Each panel is one source. A source that an arm does not read has no line there. Thin lines are seeds.",
        ),
        _pair(mixtures),
        _pair(small),
        f"<h3>Spikes, decisions and other events</h3>{notices}" if notices else "",
        f"<details><summary>What each stage took over</summary>{carried}</details>" if carried else "",
    )


def _speed(page: Page, inputs: ReportInputs) -> None:
    rows = tables.speed_table(inputs)
    plot = page.figure(figures.throughput(inputs), "Of steps that counted; waiting and checkpoints are in goodput.")
    note = (
        "<p><small>MFU: floating-point operations that training needs, as a share of what this machine's matrix "
        "product was measured to do. Goodput: the share of the time spent on steps that counted.</small></p>"
    )
    page.section("speed", "Speed", rows + note if rows else "", plot)


def _data(page: Page, inputs: ReportInputs) -> None:
    funnel = tables.funnel_table(inputs) if inputs.documents else ""
    samples = tables.drop_samples(inputs)
    packing = tables.packing_table(inputs)
    page.section(
        "data",
        "Data",
        funnel,
        f"<details><summary>Samples of what was dropped</summary>{samples}</details>" if samples else "",
        f"<h3>Packing</h3>{packing}" if packing else "",
    )


def _trust(page: Page, inputs: ReportInputs) -> None:
    excluded = {f"{one.get('model', '')} {one['item']}": one["cause"] for one in inputs.excluded}
    parity = tables.facts_table(["model", "largest differences"], inputs.parity) if inputs.parity else ""
    libraries = tables.facts_table(["library", "version"], inputs.libraries) if inputs.libraries else ""
    page.section(
        "trust",
        "Checks",
        f"<h3>Compared with plain transformers</h3>{parity}" if parity else "",
        "<h3>Items left out because the checker failed</h3>" + tables.facts_table(["item", "cause"], excluded)
        if excluded
        else "",
        f"<h3>Library versions</h3>{libraries}" if libraries else "",
    )


def _again(page: Page, inputs: ReportInputs) -> None:
    commands = escape("\n".join(inputs.commands))
    page.section(
        "again",
        "How to make this again",
        f"<pre>{commands}</pre>" if commands else "",
        f"<details><summary>The resolved recipe</summary><pre>{escape(inputs.recipe)}</pre></details>",
    )


def _pair(parts: list[str]) -> str:
    shown = [part for part in parts if part]
    return f'<div class="pair">{"".join(shown)}</div>' if shown else ""


_SECTIONS: tuple[Callable[[Page, ReportInputs], None], ...] = (
    _capabilities,
    _samples,
    _training,
    _speed,
    _data,
    _trust,
    _again,
)
