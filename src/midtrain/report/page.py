"""One run as one HTML file: the verdict first, then what it rests on, down to the recipe that makes it again.

The page is made of sections; a section without anything to show is left out. The same inputs give the same bytes. What
curation did is a part of it, and a page of its own where nothing is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

from midtrain.core.artifact import write_atomically
from midtrain.report import figures, series, tables, words
from midtrain.report.curation import curation_parts
from midtrain.report.frame import Page, folded, pair, titled
from midtrain.report.funnel import curation_headline
from midtrain.report.inputs import CurationInputs, ReportInputs


def write_report(inputs: ReportInputs, out: Path) -> None:
    """Write the report of one run to the HTML file `out` (about 5 MB)."""
    page = Page()
    for section in _SECTIONS:
        section(page, inputs)
    _again(page, inputs.commands, inputs.recipe)
    top = _top(inputs.name, inputs.description, words.headline(inputs.scores))
    write_atomically(out, page.html(f"{inputs.name} - midtrain report", top))


def write_curation_page(out: Path, inputs: CurationInputs) -> None:
    """Write a page about curation alone to the HTML file `out`."""
    page = Page()
    for part in curation_parts(page, inputs.curation):
        page.section(part.anchor, part.title, part.content)
    page.section("trust", "Library versions", _libraries(inputs.libraries))
    _again(page, inputs.commands, inputs.recipe)
    top = _top(inputs.name, inputs.description, curation_headline(inputs.curation))
    write_atomically(out, page.html(f"{inputs.name} - midtrain curation", top))


def _top(name: str, description: str, found: words.Headline) -> str:
    details = "".join(f"<li>{escape(detail)}</li>" for detail in found.details)
    about = f'<p class="muted">{escape(description)}</p>' if description else ""
    return (
        f"<h1>{escape(name)}</h1>{about}"
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


def _merged(page: Page, inputs: ReportInputs) -> None:
    if inputs.merged is None:
        return
    half = inputs.merged["items"] == "half"
    judged = "on the half of the items that nothing was chosen on" if half else "on all items"
    page.section(
        "merged",
        "The merged models",
        f"<p>{escape(words.merge_sentence(inputs.merged))}</p>",
        tables.merge_table(inputs.merged),
        f"<p><small>Measured {judged}; unmerged is what the seeds are on average.</small></p>",
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
    page.section(
        "training",
        "Training",
        page.figure(
            figures.losses(inputs, names),
            "Each panel is one source. A source that an arm does not read has no line there. Thin lines are seeds.",
        ),
        pair(mixtures),
        pair(small),
        titled("Spikes, decisions and other events", tables.notice_table(inputs)),
        folded("What each stage took over", tables.carried_list(inputs)),
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
    page.section(
        "data",
        "Data",
        funnel,
        folded("Samples of what was dropped while reading", tables.drop_samples(inputs)),
        titled("Packing", tables.packing_table(inputs)),
    )


def _curation(page: Page, inputs: ReportInputs) -> None:
    parts = curation_parts(page, inputs.curation)
    page.section("curation", "Curation", *(titled(part.title, part.content) for part in parts))


def _trust(page: Page, inputs: ReportInputs) -> None:
    excluded = {f"{one.get('model', '')} {one['item']}": one["cause"] for one in inputs.excluded}
    parity = tables.facts_table(["model", "largest differences"], inputs.parity) if inputs.parity else ""
    causes = tables.facts_table(["item", "cause"], excluded) if excluded else ""
    page.section(
        "trust",
        "Checks",
        titled("Compared with plain transformers", parity),
        titled("Items left out because the checker failed", causes),
        titled("Library versions", _libraries(inputs.libraries)),
    )


def _libraries(libraries: Mapping[str, str]) -> str:
    return tables.facts_table(["library", "version"], libraries) if libraries else ""


def _again(page: Page, commands: Sequence[str], recipe: str) -> None:
    said = escape("\n".join(commands))
    page.section(
        "again",
        "How to make this again",
        f"<pre>{said}</pre>" if said else "",
        folded("The resolved recipe", f"<pre>{escape(recipe)}</pre>"),
    )


_SECTIONS: tuple[Callable[[Page, ReportInputs], None], ...] = (
    _capabilities,
    _merged,
    _samples,
    _training,
    _speed,
    _data,
    _curation,
    _trust,
)
