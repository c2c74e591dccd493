"""Gather what the report shows from the artifacts of a run: manifests, journals, scores."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from midtrain.core.artifact import Artifact, library_versions
from midtrain.core.run import Journal
from midtrain.documents.curation.masking import Masking, hiding
from midtrain.evaluation.scores import read_scores
from midtrain.recipe.load import dump_recipe
from midtrain.recipe.make_evidence import ITEMS, SCORES
from midtrain.recipe.schema import DocumentsConfig, RecipeConfig
from midtrain.report.inputs import Curation, CurationInputs, CurationRecord, ReportInputs, StageRecord
from midtrain.tokens.config import MixtureConfig

MERGED = "merge/scores"


def report_inputs(recipe: RecipeConfig, inputs: dict[str, Artifact]) -> ReportInputs:
    """Everything `report/` needs, by the names of the steps."""
    arms = {
        arm: {
            seed: [_stage(inputs, arm, seed, name, stage.mixture.by_part()) for name, stage in stages.items()]
            for seed in recipe.seeds
        }
        for arm, stages in recipe.arms().items()
    }
    evaluated = {name: artifact for name, artifact in inputs.items() if name.startswith("evaluate/")}
    first = recipe.seeds[0]
    shown = {"parent": "evaluate/parent", **{arm: f"evaluate/{arm}/seed-{first}" for arm in arms}}
    exports = {
        f"export {arm}, seed {seed}": inputs[f"export/{arm}/seed-{seed}"] for arm in arms for seed in recipe.seeds
    }
    return ReportInputs(
        name=recipe.name,
        description=recipe.description,
        recipe=dump_recipe(recipe),
        scores=json.loads((inputs["scores"].path / SCORES).read_text()),
        merged=json.loads((inputs[MERGED].path / SCORES).read_text()) if MERGED in inputs else None,
        arms=arms,
        documents={name: _shown(recipe, name, one) for name, one in _manifests(inputs, "documents/").items()},
        curation=_curation(inputs),
        tokens=_manifests(inputs, "tokens/"),
        packing={name: manifest["counts"] for name, manifest in _manifests(inputs, "packed/").items()},
        items={side: read_scores(inputs[name].path / ITEMS) for side, name in shown.items()},
        parity={
            name: artifact.manifest["facts"]["parity"] for name, artifact in {"base": inputs["base"], **exports}.items()
        },
        libraries=library_versions(),
        commands=[f"midtrain run {recipe.name}.yaml"],
        excluded=[
            {"model": name.removeprefix("evaluate/"), **item}
            for name, artifact in evaluated.items()
            for item in artifact.manifest["facts"]["excluded"]
        ],
    )


def curation_inputs(recipe: DocumentsConfig, inputs: dict[str, Artifact]) -> CurationInputs:
    """Everything a page of curation alone needs, by the names of the steps."""
    return CurationInputs(
        name=recipe.name,
        description=recipe.description,
        recipe=dump_recipe(recipe),
        curation=_curation(inputs),
        libraries=library_versions(),
        commands=[f"midtrain curate {recipe.name}.yaml"],
    )


def _curation(inputs: dict[str, Artifact]) -> Curation:
    """The manifests of curation's steps, by source; nothing when the recipe curates nothing."""
    documents, filters = _manifests(inputs, "documents/"), _manifests(inputs, "filter/")
    scorers = _manifests(inputs, "scorers/")
    records = {
        name: CurationRecord(
            documents=documents[name],
            curated=curated,
            filter=filters.get(name),
            scorers=scorers[name]["facts"] if name in scorers else {},
        )
        for name, curated in _manifests(inputs, "curated/").items()
    }
    found = {name: inputs[name].manifest if name in inputs else None for name in ("duplicates", "contamination")}
    return Curation(records, **found)


def _shown(recipe: DocumentsConfig, source: str, manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest of a source as read, its samples without the personal data that its curation masks."""
    config = recipe.curation_of(source)
    hide = hiding(config.pii) if config is not None else None
    return manifest if hide is None else manifest | {"samples": _masked(manifest.get("samples", {}), hide)}


def _masked(value: Any, hide: Masking) -> Any:
    if isinstance(value, str):
        return hide.texts(pa.array([value], pa.large_string()))[0].as_py()
    if isinstance(value, dict):
        return {name: _masked(one, hide) for name, one in value.items()}
    return [_masked(one, hide) for one in value] if isinstance(value, list) else value


def _manifests(inputs: dict[str, Artifact], prefix: str) -> dict[str, dict[str, Any]]:
    return {name.removeprefix(prefix): a.manifest for name, a in inputs.items() if name.startswith(prefix)}


def _stage(inputs: dict[str, Artifact], arm: str, seed: int, name: str, mixture: MixtureConfig) -> StageRecord:
    artifact = inputs[f"train/{arm}/seed-{seed}/{name}"]
    points = [{"at": point.at, "weights": point.weights} for point in mixture.points or []]
    return StageRecord(
        name=name,
        entries=Journal(artifact.path / "journal.jsonl").read(),
        planned=points or [{"at": 0.0, "weights": mixture.weights or {}}],
        curve=mixture.curve or "step",
        facts=artifact.manifest["facts"],
    )
