"""What curation did, as the parts of a page: what is left, why the rest went, and what those decisions rest on.

A threshold is easily set and rarely looked at. So each decision is shown with what it took: distributions with the
threshold drawn in, languages with what was uncertain, scorers on labels they never saw, clusters and samples to read.
"""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from midtrain.report import curation_figures, curation_tables, words
from midtrain.report.frame import Page, folded, pair
from midtrain.report.funnel import Funnel, funnel
from midtrain.report.inputs import Curation


class Part(NamedTuple):
    """A part of the page: ready HTML under a title."""

    anchor: str
    title: str
    content: str


def curation_parts(page: Page, curation: Curation) -> list[Part]:
    """The parts about curation that there is something to show for, in order; their figures enter `page`."""
    funnels = {name: funnel(record) for name, record in curation.records.items()}
    parts = [
        Part("funnel", "What is left, and where the rest went", _funnel(curation, funnels)),
        Part("distributions", "Thresholds and what they took", _distributions(page, curation)),
        Part("languages", "Languages", _languages(curation)),
        Part("scorers", "Quality scorers on held-out labels", _scorers(page, curation)),
        Part("duplicates", "Near-duplicates", _duplicates(curation)),
        Part("contamination", "Evaluation items in the documents", _contamination(curation)),
        Part("read-them", "Kept and dropped documents", _samples(curation, funnels)),
    ]
    return [part for part in parts if part.content]


def _note(text: str) -> str:
    return f"<p><small>{text}</small></p>"


def _funnel(curation: Curation, funnels: dict[str, Funnel]) -> str:
    if not funnels:
        return ""
    used = curation_tables.used_steps(funnels, curation)
    details = ""
    for name, one in funnels.items():
        changed = curation_tables.rewritten_sentence(name, curation)
        content = curation_tables.reason_table(one) + (f"<p>{escape(changed)}</p>" if changed else "")
        gone = f"{words.count(one.rows - one.documents)} of {words.count(one.rows)} rows went"
        details += folded(f"{escape(name)}: {gone}, by reason", content)
    note = (
        "Above: rows and documents; below: UTF-8 bytes of text, which are not known for rows that became no document. "
        "A document goes for one reason, the first that held; the steps are in the order they were asked in."
    )
    return curation_tables.funnel_overview(funnels, used) + _note(note) + details


def _distributions(page: Page, curation: Curation) -> str:
    figures = curation_figures.distributions(curation.records)
    if not figures:
        return ""
    key = (
        '<p class="key"><i class="swatch left"></i>kept &nbsp; <i class="swatch dropped"></i>dropped, for this or any '
        "other reason &nbsp; Dashed: what was asked. Documents by the value of the attribute, on a logarithmic axis; "
        "the outermost bars hold what is beyond them too. Shown are the attributes whose thresholds the most dropped "
        f"documents are beyond, at most {curation_figures.MOST_PANELS}.</p>"
    )
    return key + pair((page.figure(figure) for figure in figures), "grid")


def _languages(curation: Curation) -> str:
    found = curation_tables.language_table(curation.records)
    note = (
        "Kept by language: before anything else is asked of a document. Uncertain: the model's confidence is below "
        "what the recipe asks for that language."
    )
    derived = curation_tables.derived_table(curation.records)
    return (found and found + _note(note)) + (folded("Thresholds derived for languages", derived) if derived else "")


def _scorers(page: Page, curation: Curation) -> str:
    found, kept_by = curation_tables.scorer_table(curation.records), curation_tables.kept_by_table(curation.records)
    if not found:
        return kept_by
    note = (
        "AUC: the chance that a good document scores higher than another one; 0.5 is guessing. Calibration error: how "
        "far scores are from the share of good documents, as they are (where they are probabilities) and after "
        "isotonic calibration."
    )
    sweeps = pair((page.figure(figure) for figure in curation_figures.sweeps(curation.records)), "grid")
    key = (
        '<p class="key"><i class="swatch left"></i>precision: good ones among the kept, in % &nbsp; '
        '<i class="swatch dropped"></i>recall: the share of the good ones that is kept</p>'
    )
    tables = folded("Every threshold", curation_tables.sweep_tables(curation.records))
    return found + _note(note) + kept_by + (key + sweeps if sweeps else "") + tables


def _duplicates(curation: Curation) -> str:
    if curation.duplicates is None:
        return ""
    counts, shares = curation.duplicates["counts"], curation.duplicates["facts"].get("shares", {})
    said = ""
    if "clusters" in counts:
        parts = ", ".join(f"{escape(name)} {words.share(share)}" for name, share in shares.items() if share)
        said = (
            f"<p>{counts['candidates']:,} documents had a like signature and were compared; {counts['clusters']:,} "
            f"clusters of them are alike. Dropped of the sources: {parts or 'nothing'}.</p>"
        )
    passages = {name.removeprefix("passages "): n for name, n in counts.items() if name.startswith("passages ") and n}
    if passages:
        told = ", ".join(
            f"{escape(name)} {number:,} ({words.size(counts[f'passage bytes {name}'])})"
            for name, number in passages.items()
        )
        said += f"<p>Repeated passages cut out of documents that stay: {told}.</p>"
    blocks = curation_tables.cluster_blocks(curation.duplicates)
    number = len(curation.duplicates["facts"].get("biggest", ()))
    return said + folded(f"The {number} largest clusters" if number > 1 else "The cluster", blocks)


def _contamination(curation: Curation) -> str:
    if curation.contamination is None:
        return ""
    counts, unsought = curation.contamination["counts"], curation.contamination["facts"].get("unsought", {})
    said = f"<p>{counts['items']:,} items were looked for; {counts['matches']:,} matches were found.</p>"
    short = ", ".join(f"{escape(name)} {number:,}" for name, number in unsought.items() if number)
    note = (
        "A document may hold several items. Kinds that the recipe does not drop, and matches that a person rejected, "
        "are only counted." + (f" Too short to be looked for: {short}." if short else "")
    )
    return said + curation_tables.audit_table(curation.contamination) + _note(note)


def _samples(curation: Curation, funnels: dict[str, Funnel]) -> str:
    return "".join(
        folded(escape(name), curation_tables.sample_columns(record, funnels[name]))
        for name, record in curation.records.items()
    )
