"""What a step was made of: the documents and spans behind it, found again from the recipe and the run's decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from midtrain.core.errors import UserError, did_you_mean
from midtrain.recipe.graph import packed_name
from midtrain.recipe.run import open_run

_SHOWN_CHARACTERS = 200


def inspect_step(
    folder: Path, *, step: int, stage: str | None, arm: str, seed: int | None, text: bool
) -> dict[str, Any]:
    """The spans of optimizer step `step` (from 1) of one stage; UserError when there is no such step, or no tokens."""
    from midtrain.models.tokenizer import Tokenizer
    from midtrain.recipe.data import finished_stage_data

    recipe, graph = open_run(folder)
    arms = recipe.arms()
    if arm not in arms:
        raise UserError(f'There is no arm "{arm}".{did_you_mean(arm, arms)}')
    stages = arms[arm]
    stage = next(iter(stages)) if stage is None else stage
    if stage not in stages:
        raise UserError(f'There is no stage "{stage}".{did_you_mean(stage, stages)}')
    seed = recipe.seeds[0] if seed is None else seed
    if seed not in recipe.seeds:
        raise UserError(f"There is no run with seed {seed}; the recipe's seeds are {recipe.seeds}.")
    states = {state.step.name: state for state in graph.states()}
    for name, part in stages[stage].mixture.parts().items():
        for need in (f"tokens/{part.source}", packed_name(name, stages[stage])):
            if not states[need].done:
                raise UserError(
                    f"{need} has not been made yet; run: midtrain run {folder / 'recipe.yaml'} --out {folder} "
                    "--until packed"
                )
    paths = {name: state.path for name, state in states.items()}
    runs = {name: states[f"train/{arm}/seed-{seed}/{name}"].path for name in stages}
    data = finished_stage_data(stages, stage, seed, paths, runs)
    if step > data.num_steps:
        raise UserError(f"{stage} has {data.num_steps} steps; there is no step {step}.")
    spans = data.documents(step - 1)
    if text:
        tokenizer = Tokenizer.load(paths["tokenizer"])
        _add_text(spans, data, step - 1, tokenizer)
    return {"arm": arm, "seed": seed, "stage": stage, "step": step, "steps": data.num_steps, "spans": spans}


def _add_text(spans: list[dict[str, Any]], data: Any, step: int, tokenizer: Any) -> None:
    """The beginning of every span's text, from the very batch that was trained on."""
    batch = data.batch(step)
    begins: dict[int, int] = {}
    for span in spans:
        row = span["row"]
        begin = begins.get(row, 0)
        ids = batch.input_ids_BT[row, begin : begin + min(span["length"], _SHOWN_CHARACTERS)]
        span["text"] = tokenizer.decode(ids.tolist())[:_SHOWN_CHARACTERS]
        begins[row] = begin + span["length"]
