"""Steps that make evidence: scores of every model, the verdict, the report. Rooms are imported when a step is made."""

from __future__ import annotations

import json
from typing import Any

from midtrain.core.artifact import Artifact, Draft
from midtrain.recipe.make_models import model_folder
from midtrain.recipe.schema import RecipeConfig

ITEMS = "items.parquet"
SCORES = "scores.json"
REPORT = "report.html"


def evaluate_model(recipe: RecipeConfig, draft: Draft, inputs: dict[str, Artifact]) -> None:
    """Score one model on everything the recipe measures, item by item.

    Every model sees as much at once as the parent can, unless the recipe says otherwise: a longer window would be a
    handicap for the parent that says nothing about what was learned. Only losses by position and retrieval go beyond.
    """
    from midtrain.evaluation.evaluate import evaluate
    from midtrain.evaluation.scores import summarize, write_scores
    from midtrain.models.load import load_model, read_config
    from midtrain.models.tokenizer import Tokenizer
    from midtrain.tokens.store import TokenStore

    tokenizer = Tokenizer.load(inputs["tokenizer"].path)
    positions = read_config(model_folder(inputs["base"])).max_position_embeddings
    longest = max(stage.context for stage in recipe.stages.values())
    stores = {
        name.removeprefix("heldout/"): TokenStore.open(artifact.path)
        for name, artifact in inputs.items()
        if name.startswith("heldout/")
    }
    model = load_model(model_folder(inputs.get("model", inputs["base"])))
    found = evaluate(model, tokenizer, stores, recipe.evaluation, min(positions, longest), longest)
    table = write_scores(found.rows, draft.path / ITEMS)
    draft.facts["capabilities"] = summarize(table)
    draft.facts["excluded"] = found.excluded
    draft.counts["items"] = table.num_rows


def make_scores(recipe: RecipeConfig, draft: Draft, inputs: dict[str, Artifact]) -> None:
    """Compare parent, control and ours on the same items, and judge target and guard."""
    from midtrain.evaluation.guard import judge
    from midtrain.evaluation.scores import read_scores

    def tables(arm: str) -> dict[int, Any]:
        names = {seed: f"evaluate/{arm}/seed-{seed}" for seed in recipe.seeds}
        return {seed: read_scores(inputs[name].path / ITEMS) for seed, name in names.items() if name in inputs}

    parent = read_scores(inputs["evaluate/parent"].path / ITEMS)
    scores = judge(parent, tables("control"), tables("ours"), recipe.guard, recipe.target)
    (draft.path / SCORES).write_text(json.dumps(scores, indent=1))


def make_report(recipe: RecipeConfig, draft: Draft, inputs: dict[str, Artifact]) -> None:
    """Write the report page from artifacts and journals."""
    from midtrain.recipe.report_inputs import report_inputs
    from midtrain.report.page import write_report

    inputs["scores"].verify()
    write_report(report_inputs(recipe, inputs), draft.path / REPORT)
