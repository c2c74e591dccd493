"""Take a finished model out of a run, with a card that says what it is worth."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from midtrain.core.artifact import Artifact
from midtrain.core.errors import UserError, disk_errors
from midtrain.recipe.report_inputs import report_inputs
from midtrain.recipe.run import RECIPE, open_run
from midtrain.recipe.schema import RecipeConfig
from midtrain.report.card import model_card

CARD = "README.md"


def export_model(folder: Path, to: Path, arm: str, seed: int | None) -> str:
    """Copy the exported model of one arm and seed to the new folder `to`; returns a sentence.

    Once the run is evaluated, its model card goes along.
    """
    recipe, graph = open_run(folder)
    seed = recipe.seeds[0] if seed is None else seed
    states = {state.step.name: state for state in graph.states()}
    name = f"export/{arm}/seed-{seed}"
    if arm == "merged":  # one model of all seeds, or one of each
        name = "merge/model" if "merge/model" in states else f"merge/model/seed-{seed}"
    found = states.get(name)
    if found is None:
        arms = [*recipe.arms(), *(["merged"] if recipe.merge is not None else [])]
        raise UserError(f"There is no {name}; the arms are {', '.join(arms)} and the seeds {recipe.seeds}.")
    if not found.done:
        raise UserError(f"{name} has not been made yet; run: midtrain run {folder / RECIPE} --out {folder}")
    if to.exists():
        raise UserError(f"{to} exists already; name a new folder.")
    artifact = Artifact.open(found.path)
    artifact.verify()
    evidence = {step: state for step, state in states.items() if step != "report"}
    evaluated = arm != "merged" and all(state.done for state in evidence.values())
    making = to.with_name(f".exporting-{to.name}")
    with disk_errors(to):
        shutil.rmtree(making, ignore_errors=True)
        shutil.copytree(artifact.path / "model", making)
        if evaluated:
            made = {step: Artifact.open(state.path) for step, state in evidence.items()}
            (making / CARD).write_text(model_card(report_inputs(recipe, made), _base(recipe), arm, seed))
        os.replace(making, to)
    why = "of a merged model the merge's scores are the card" if arm == "merged" else "the run is not evaluated yet"
    return f"The model is at {to}" + ("" if evaluated else f" (without a card: {why})")


def _base(recipe: RecipeConfig) -> str:
    return recipe.base.path or "a model initialised at random"
