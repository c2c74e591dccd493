"""Curation alone: the sources of a recipe, or of a file that names only sources, without any model.

The steps are the recipe's own (see curation_graph.py), so what `midtrain curate` has made, `midtrain run` with the same
recipe and folder finds done.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midtrain.core.artifact import Artifact
from midtrain.core.errors import UserError, did_you_mean, disk_errors
from midtrain.documents.curation.config import CurateConfig
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


def documents_to_judge(folder: Path, source: str, score: str, count: int, to: Path, seed: int = 0) -> str:
    """Choose `count` documents of a source of a run, spread over the bands of a score, and write them for a judge.

    They go to a new JSONL file in `to`; documents of earlier rounds are not chosen again, and what the recipe masks is
    masked. Training documents are chosen, of those that nothing but quality could drop. Returns what to do next. Raises
    UserError for a source or score that the run does not have (yet), and when no document is left.
    """
    import numpy as np
    import pyarrow as pa

    from midtrain.documents.curation.attributes import Attributes
    from midtrain.documents.curation.checks import scores_of
    from midtrain.documents.curation.filter import read_reasons
    from midtrain.documents.curation.masking import hiding
    from midtrain.documents.deduplication.collection import texts_of
    from midtrain.documents.quality.ensemble import QUALITY
    from midtrain.documents.quality.mining import choose, judged_ids, write_to_judge
    from midtrain.documents.store import Documents

    recipe, graph = open_documents(folder)
    config = _scored(recipe, source, score)
    assert config.quality is not None
    states = {state.step.name: state for state in graph.states()}
    if not states[f"attributes/{source}"].done:
        raise UserError(f"{folder} has not scored {source} yet; run its recipe until `attributes/{source}`.")
    documents = Documents(states[f"documents/{source}"].path)
    scores_N = scores_of(config.quality, Attributes(states[f"attributes/{source}"].path, documents))[score]
    rows = pa.concat_tables(documents.tables(columns=["id", "split"]))
    asked_N = np.array([split == "train" for split in rows["split"].to_pylist()])
    if states[f"filter/{source}"].done:
        decision = read_reasons(states[f"filter/{source}"].path)
        by_quality = [reason.startswith(QUALITY) for reason in decision.reasons]
        asked_N &= np.array([*by_quality, True], dtype=bool)[decision.reason_N]
    ids = rows["id"].to_pylist()
    chosen = choose(np.where(asked_N, scores_N, np.nan), ids, count, seed=seed, known=judged_ids(to))
    if not len(chosen):
        raise UserError(f"{to} holds all documents of {source} that could be judged; curate more, or fill in labels.")
    texts = pa.concat_arrays(list(texts_of(documents)(chosen)))
    hide = hiding(config.pii)
    shown = (hide.texts(texts) if hide else texts).to_pylist()
    path = _next_round(to, f"{source}-{score}")
    write_to_judge(path, [ids[row] for row in chosen], shown, scores_N[chosen])
    return (
        f"{len(chosen):,} documents to judge are in {path}: fill in `label`, make {to} the examples of a scorer "
        f"(quality.scorers.NAME.train.examples.read), and curate again."
    )


def _scored(recipe: DocumentsConfig, source: str, score: str) -> CurateConfig:
    """How `source` is curated; raises UserError when it is no source, or has no such score."""
    if source not in recipe.sources:
        raise UserError(f'There is no source "{source}".{did_you_mean(source, recipe.sources)}')
    config = recipe.curation_of(source)
    known = []
    if config is not None and config.quality is not None:
        known = [*config.quality.scorers, *(["ensemble"] if config.quality.ensemble else [])]
    if config is None or score not in known:
        mend = did_you_mean(score, known) if known else " Add a scorer under curate.quality.scorers."
        raise UserError(f'The source "{source}" has no score "{score}".{mend}')
    return config


def _next_round(folder: Path, name: str) -> Path:
    """The first file `name`-1.jsonl, -2 ... that does not exist; the folder does."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return next(path for n in itertools.count(1) if not (path := folder / f"{name}-{n}.jsonl").exists())


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
