"""Run a recipe: make what is missing, say why, stop cleanly, and hand over the verdict.

A run folder is <out>/recipe.yaml (resolved), <out>/artifacts/, and when it is finished <out>/report.html and
<out>/scores.json. It belongs to one recipe name and to one process at a time.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from midtrain.core.artifact import Artifact, write_atomically
from midtrain.core.errors import CheckFailed, UserError, disk_errors
from midtrain.core.progress import say
from midtrain.core.run import Journal, is_locked, lock_file, request_remix, request_stop
from midtrain.core.steps import Steps, StepState
from midtrain.recipe.graph import build_documents_graph, build_graph
from midtrain.recipe.load import dump_recipe, load_documents
from midtrain.recipe.make_evidence import REPORT, SCORES
from midtrain.recipe.schema import DocumentsConfig, RecipeConfig

RECIPE, _LOCK = "recipe.yaml", "lock"


@dataclass
class Outcome:
    """What a run came to: the folder, what was made and reused, and the verdicts when they are there."""

    folder: Path
    made: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    scores: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain data."""
        return {"folder": str(self.folder), "made": self.made, "reused": self.reused, "scores": self.scores}

    def tell(self, state: StepState) -> None:
        """Note a step that is about to be made or is done, and say what is made and why."""
        (self.reused if state.done else self.made).append(state.step.name)
        if not state.done:
            say(f"{state.step.name}  ({state.why})" if state.why not in ("new", "") else state.step.name)

    def tell_if_nothing(self) -> None:
        """Say so when every step was done."""
        if self.reused and not self.made:
            say(f"Nothing to do: all {len(self.reused)} steps are done.")

    def check(self) -> None:
        """Raise CheckFailed (exit code 1) when the guard is broken or the target was missed."""
        if self.scores is None:
            return
        if self.scores["guard"]["broken"]:
            names = ", ".join(self.scores["guard"]["broken"])
            raise CheckFailed(
                f"the guard is broken: {names} lost more than its budget against the parent (see {REPORT})."
            )
        target = self.scores.get("target")
        if target and not target["reached"]:
            raise CheckFailed(
                f"the target was missed: {target['capability']} is not shown to be better (see {REPORT})."
            )


def default_folder(recipe: DocumentsConfig, out: Path | None) -> Path:
    """The run's folder: --out, or runs/NAME in the current directory."""
    return out if out is not None else Path("runs") / recipe.name


def run_recipe(recipe: RecipeConfig, out: Path | None = None, until: str | None = None) -> Outcome:
    """Make what is missing of `recipe` up to step `until` (all when None)."""
    folder = default_folder(recipe, out)
    graph = build_graph(recipe, folder)
    graph.until(until)  # what cannot be run is told before anything is written, or trained
    _require_weights(recipe)
    if any(state.step.watched and not state.done for state in graph.states()):
        _require_positions(recipe)
    with run_folder(folder, recipe):
        outcome = Outcome(folder)
        made = graph.run(until, outcome.tell)
        outcome.tell_if_nothing()
        _hand_over(folder, made, outcome)
    return outcome


@contextmanager
def run_folder(folder: Path, recipe: DocumentsConfig) -> Iterator[None]:
    """Hold `folder` for a run of `recipe`, which is written into it; raises UserError when another has it."""
    with disk_errors(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError:  # what /proc answers
            raise UserError(f"{folder} cannot be made; choose another --out.") from None
        _require_same_recipe(folder, recipe)
        lock = lock_file(folder / _LOCK, f"{folder} is being worked on")
    try:
        write_atomically(folder / RECIPE, dump_recipe(recipe))
        yield
    finally:
        os.close(lock)


def _require_weights(recipe: RecipeConfig) -> None:
    """Weights that do not sum to 1 are refused now: the control is trained last."""
    from midtrain.tokens.weights import Weights

    for arm, stages in recipe.arms().items():
        for name, stage in stages.items():
            where = f"stages.{name}.mixture" if arm == "ours" else arm
            Weights(stage.mixture.by_part(), list(stage.mixture.parts()), where)


def _require_positions(recipe: RecipeConfig) -> None:
    """A context that the base cannot see is refused before hours of tokenising."""
    from midtrain.recipe.probe import check_context, read_base

    config, _, _ = read_base(recipe.base, {})
    check_context(recipe, config)


def _require_same_recipe(folder: Path, recipe: DocumentsConfig) -> None:
    """A folder with files of something else, or of another recipe, is not written into."""
    found = folder / RECIPE
    if found.exists():
        name = _recipe_of(found).name
        if name != recipe.name:
            raise UserError(
                f'{folder} holds a run of the recipe "{name}", not of "{recipe.name}"; choose another --out.'
            )
    elif any(path.name != _LOCK for path in folder.iterdir()):
        raise UserError(f"{folder} is not empty and holds no run; choose another --out.")


def _recipe_of(path: Path) -> DocumentsConfig:
    try:
        return load_documents(path)
    except UserError as error:
        raise UserError(f"{path} was written by another version ({error}); choose another --out.") from None


def _hand_over(folder: Path, made: dict[str, Artifact], outcome: Outcome) -> None:
    """Put the scores and the report where a person looks for them."""
    for name in made.keys() & {"scores", "report"}:
        made[name].verify()
    if "scores" in made:
        outcome.scores = json.loads((made["scores"].path / SCORES).read_text())
        write_atomically(folder / SCORES, (made["scores"].path / SCORES).read_bytes())
    if "report" in made:
        write_atomically(folder / REPORT, (made["report"].path / REPORT).read_bytes())


def open_documents(folder: Path) -> tuple[DocumentsConfig, Steps]:
    """The resolved recipe of a run folder (or of one of `midtrain curate`) and its graph; UserError when it is none."""
    if not (folder / RECIPE).exists():
        raise UserError(f"{folder} is not a run folder (no {RECIPE}); name one, such as runs/quickstart.")
    recipe = load_documents(folder / RECIPE)
    if isinstance(recipe, RecipeConfig):
        return recipe, build_graph(recipe, folder)
    return recipe, build_documents_graph(recipe, folder)


def open_run(folder: Path) -> tuple[RecipeConfig, Steps]:
    """As `open_documents`, of a folder in which a model is trained."""
    recipe, graph = open_documents(folder)
    if not isinstance(recipe, RecipeConfig):
        raise UserError(f"{folder} holds curated documents and trains no model; name the folder of a recipe's run.")
    return recipe, graph


def run_status(folder: Path) -> dict[str, Any]:
    """Every step with its state (done, running, stopped, missing) and why it must run."""
    recipe, graph = open_documents(folder)
    steps = []
    for state in graph.states():
        how = "done" if state.done else "missing"
        progress = None
        if state.step.watched and not state.done and state.started:
            how = "running" if is_locked(state.path / _LOCK) else "stopped"
            progress = _last_metrics(state.path)
        steps.append(
            {"step": state.step.name, "state": how, "why": state.why, "progress": progress, "path": str(state.path)}
        )
    return {"recipe": recipe.name, "folder": str(folder), "steps": steps}


def _last_metrics(path: Path) -> dict[str, Any] | None:
    metrics = Journal(path / "journal.jsonl").read("metrics")
    return {key: metrics[-1].get(key) for key in ("step", "loss", "tokens")} if metrics else None


def stop_run(folder: Path) -> str:
    """Ask what is running in `folder` to save a checkpoint and stop; returns a sentence."""
    for step in run_status(folder)["steps"]:
        if step["state"] == "running":
            request_stop(step["path"])
            return f"Asked {step['step']} to stop; it saves a checkpoint after its current step."
    return f"Nothing that can be stopped is running in {folder}."


def remix_run(folder: Path, shares: Sequence[str]) -> str:
    """Ask what is being trained in `folder` to go on with other weights ("source=share"); returns a sentence."""
    weights = dict(_share(text) for text in shares)
    if abs(sum(weights.values()) - 1) > 1e-6:
        raise UserError(f"The shares sum to {sum(weights.values()):g}; make them sum to 1.")
    for step in run_status(folder)["steps"]:
        if step["state"] == "running":
            request_remix(step["path"], weights)
            return f"Asked {step['step']} to go on with the new weights from its next block; its journal will say so."
    return f"Nothing is being trained in {folder}."


def _share(text: str) -> tuple[str, float]:
    source, _, share = text.partition("=")
    try:
        value = float(share)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UserError(f'"{text}" is not a share; write a source and its share, such as code=0.5.')
    return source, value


def write_report_again(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Write the report of a finished run again from its artifacts; returns its path and the scores."""
    recipe, graph = open_run(folder)
    states = {state.step.name: state for state in graph.states()}
    missing = [name for name, state in states.items() if not state.done and name != "report"]
    if missing:
        raise UserError(
            f"{folder} is not finished ({missing[0]} is missing); run: midtrain run {folder / RECIPE} --out {folder}"
        )
    outcome = Outcome(folder)
    with run_folder(folder, recipe):
        shutil.rmtree(states["report"].path, ignore_errors=True)
        _hand_over(folder, graph.run(), outcome)
    assert outcome.scores is not None
    return folder / REPORT, outcome.scores
