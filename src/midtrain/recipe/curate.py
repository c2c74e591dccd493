"""Curation alone: the sources of a recipe, or of a file that names only sources, without any model.

The steps are the recipe's own (see curation_graph.py), so what `midtrain curate` has made, `midtrain run` with the same
recipe and folder finds done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midtrain.core.artifact import Artifact
from midtrain.core.errors import UserError
from midtrain.recipe.curation_graph import documents_name
from midtrain.recipe.graph import build_documents_graph
from midtrain.recipe.make_curation import FOUND
from midtrain.recipe.run import Outcome, default_folder, open_documents, run_folder
from midtrain.recipe.schema import DocumentsConfig

PAGE = "curation.html"
REVIEW = "review.jsonl"


@dataclass
class Curated:
    """What came of curation: the outcome of its steps, and a row for each source."""

    outcome: Outcome
    sources: list[dict[str, Any]]
    """name, rows_in, documents, bytes_in, bytes (of what stays), drops by reason, path of the documents."""
    page: Path

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain data."""
        return {**self.outcome.to_json(), "sources": self.sources, "report": str(self.page)}


def curate(recipe: DocumentsConfig, out: Path | None = None, until: str | None = None) -> Curated:
    """Make the curated documents of every source (or the steps up to `until`), and their report.

    Raises UserError when the recipe curates nothing.
    """
    if not recipe.curated_sources():
        raise UserError(
            f"{recipe.name} curates nothing: say what to do with `curate`, `deduplicate` or `decontaminate`."
        )
    folder = default_folder(recipe, out)
    graph = build_documents_graph(recipe, folder)
    graph.until(until)
    with run_folder(folder, recipe):
        outcome = Outcome(folder)
        made = graph.run(until, outcome.tell)
        outcome.tell_if_nothing()
        sources = [_row(recipe, name, made) for name in recipe.sources if documents_name(recipe, name) in made]
        if until is None:
            _write_page(recipe, made, folder / PAGE)
    return Curated(outcome, sources, folder / PAGE)


def review_contamination(
    folder: Path, file: Path | None, ask: Callable[[str], str], show: Callable[[str], None]
) -> str:
    """Go through the matches of a run's contamination step and ask for a verdict on each; returns what to do next."""
    import pyarrow.parquet as pq

    from midtrain.documents.decontamination.review import review, write_review

    recipe, graph = open_documents(folder)
    if recipe.decontaminate is None:
        raise UserError(f"{folder} looks for no contamination; add `decontaminate` to its recipe.")
    state = next(state for state in graph.states() if state.step.name == "matches")
    if not state.done:
        raise UserError(f"{folder} has not looked for contamination yet; run its recipe until `matches`.")
    named = recipe.decontaminate.verdicts
    path = file or (Path(named).expanduser() if named else folder / REVIEW)
    write_review(pq.read_table(state.path / FOUND).to_pylist(), path)
    left = review(path, ask, show)
    honoured = named is not None and Path(named).expanduser().resolve() == path.resolve()
    mend = "" if honoured else f" To have them honoured, set decontaminate.verdicts to {path}."
    return f"{left} matches wait for a verdict in {path}.{mend}"


def _row(recipe: DocumentsConfig, name: str, made: dict[str, Artifact]) -> dict[str, Any]:
    read, kept = made[f"documents/{name}"], made[documents_name(recipe, name)]
    drops = dict(read.manifest["drops"])
    if kept is not read:
        drops |= kept.manifest["drops"]
    return {
        "name": name,
        "rows_in": read.counts["rows_in"],
        "documents": kept.counts["documents"],
        "bytes_in": read.counts["bytes_train"] + read.counts["bytes_heldout"],
        "bytes": kept.counts["bytes_train"] + kept.counts["bytes_heldout"],
        "drops": {reason: count for reason, count in drops.items() if count},
        "path": str(kept.path),
    }


def _write_page(recipe: DocumentsConfig, made: dict[str, Artifact], path: Path) -> None:
    from midtrain.recipe.report_inputs import curation_inputs
    from midtrain.report.page import write_curation_page

    write_curation_page(path, curation_inputs(recipe, made))
