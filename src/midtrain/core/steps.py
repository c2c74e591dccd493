"""The step executor: a step whose artifact exists is not run again, and what must run says why.

A step has a name ('tokens/code'), a VERSION, what it asks (the fields that decide its content) and the steps it needs.
Its fingerprint follows from these alone, so the whole graph is named before anything runs. Artifacts lie under
`<root>/<step name>/<first 12 of the fingerprint>`: earlier answers to the same step stay beside the new one, which is
how a changed field can be told ("stages.anneal.tokens: 100 -> 200") and how going back costs nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from midtrain.core.artifact import MANIFEST, Artifact, Draft, artifact_fingerprint, make_artifact
from midtrain.core.errors import UserError, did_you_mean, disk_errors
from midtrain.core.fingerprint import canonical, differences
from midtrain.core.run import Run


@dataclass(frozen=True)
class Step:
    """One node of the graph.

    `make(draft, inputs)` writes files under `draft.path`. A `watched` step is a Run: `make(run, inputs)` gets an open
    `Run`, may be interrupted and resumed, and returns the Draft (counts, facts) with which it is sealed.
    """

    name: str
    version: int
    asked: Any
    needs: tuple[str, ...]
    make: Callable[[Any, dict[str, Artifact]], Draft | None]
    watched: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Input name inside `make` -> step name; steps not listed are passed under their own name."""


@dataclass(frozen=True)
class StepState:
    """What is known of a step without running it."""

    step: Step
    fingerprint: str
    path: Path
    done: bool
    started: bool
    why: str
    """Why it must run (or ran): 'new', 'documents/old changed', 'asked.tokens: 1 -> 2'; empty when it is done."""


class Steps:
    """A graph of steps in order (each after what it needs) and the folder of their artifacts."""

    def __init__(self, root: Path | str, steps: Iterable[Step]):
        self.root = Path(root)
        self.steps: dict[str, Step] = {}
        for step in steps:
            assert step.name not in self.steps, f"two steps named {step.name}"
            assert all(need in self.steps for need in step.needs), f"{step.name} needs a step that is not before it"
            self.steps[step.name] = step

    def states(self) -> list[StepState]:
        """The state of every step, in order."""
        states: dict[str, StepState] = {}
        for step in self.steps.values():
            inputs = {need: states[need].fingerprint for need in step.needs}
            name = artifact_fingerprint(step.name, step.version, step.asked, inputs)
            path = self.root / step.name / name[:12]
            done = (path / MANIFEST).exists()
            states[step.name] = StepState(
                step, name, path, done, path.exists(), "" if done else self._why(step, inputs, states)
            )
        return list(states.values())

    def until(self, target: str | None) -> list[Step]:
        """The steps needed for `target` (all when None), in order; a prefix such as 'train' means all under it."""
        if target is None:
            return list(self.steps.values())
        wanted = {name for name in self.steps if name == target or name.startswith(target.rstrip("/") + "/")}
        if not wanted:
            raise UserError(f'There is no step "{target}".{did_you_mean(target, self.steps)}')
        for step in reversed(self.steps.values()):
            if step.name in wanted:
                wanted.update(step.needs)
        return [step for step in self.steps.values() if step.name in wanted]

    def run(
        self, target: str | None = None, tell: Callable[[StepState], None] = lambda state: None
    ) -> dict[str, Artifact]:
        """Make what is missing of the steps up to `target`; returns every artifact by step name.

        `tell` is called with the state of each step before it is made (done ones too).
        """
        states = {state.step.name: state for state in self.states()}
        made: dict[str, Artifact] = {}
        for step in self.until(target):
            state = states[step.name]
            tell(state)
            if not state.done:
                inputs = {need: made[need] for need in step.needs}
                named = {step.aliases.get(need, need): artifact for need, artifact in inputs.items()}
                self._make(state, {need: artifact.fingerprint for need, artifact in inputs.items()}, named)
            else:
                with disk_errors(state.path):
                    os.utime(state.path / MANIFEST)  # the newest answer is the one last used
            made[step.name] = Artifact.open(state.path)
        return made

    def _make(self, state: StepState, inputs: dict[str, str], named: dict[str, Artifact]) -> None:
        step = state.step
        identity = {"kind": step.name, "version": step.version, "asked": step.asked, "inputs": inputs}
        if step.watched:
            with Run(state.path, **identity) as run:
                draft = step.make(run, named)
                assert draft is not None, f"{step.name} is watched and returned no draft"
                run.seal(draft)
        else:
            with make_artifact(state.path, **identity) as draft:
                step.make(draft, named)

    def _why(self, step: Step, inputs: dict[str, str], states: dict[str, StepState]) -> str:
        changed = [need for need in step.needs if not states[need].done]
        earlier = self._newest(step)
        if earlier is None:
            return "new"
        reasons = differences(earlier.manifest["asked"], canonical(step.asked))
        if earlier.manifest["version"] != step.version:
            reasons.append(f"version {earlier.manifest['version']} -> {step.version}")
        reasons += [f"{need} changed" for need in step.needs if earlier.manifest["inputs"].get(need) != inputs[need]]
        return "; ".join(reasons) or "; ".join(f"{need} is missing" for need in changed) or "it was removed"

    def _newest(self, step: Step) -> Artifact | None:
        """The finished artifact of this step that was made or used last, whatever was asked of it."""
        manifests = sorted((self.root / step.name).glob(f"*/{MANIFEST}"), key=lambda path: path.stat().st_mtime)
        return Artifact.open(manifests[-1].parent) if manifests else None
