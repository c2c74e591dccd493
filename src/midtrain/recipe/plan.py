"""The plan: what a recipe will read, train and cost, before anything is spent; and a refusal of what cannot work.

Sizes of sources are exact where the run folder already has their tokens, and estimated from the first documents
(marked with ~) where it has not. The time comes from a short probe: a few real training steps of the real model on
this machine, or, for a model too large for that, from its FLOPs and the measured GEMM peak.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from midtrain.core.config import format_size
from midtrain.core.errors import UserError
from midtrain.recipe.advice import ContextAdvice
from midtrain.recipe.graph import build_graph, measured_sources, packed_name
from midtrain.recipe.probe import Probe, check_context, probe_base
from midtrain.recipe.rates import base_rate, peak_of, rate_points, stop_rate
from midtrain.recipe.schema import RecipeConfig
from midtrain.recipe.sizes import SourceSize, source_sizes
from midtrain.tokens.config import Part
from midtrain.tokens.weights import Weights
from midtrain.training.config import StageConfig

_POINTS = 24


@dataclass(frozen=True)
class SourceUse:
    """One source in one stage."""

    name: str
    weights: list[float]
    tokens: int
    epochs: float
    cap: float
    exact: bool


@dataclass(frozen=True)
class StagePlan:
    """One stage of the plan."""

    name: str
    summary: str
    tokens: int
    steps: int
    learning_rates: list[float]
    rate_note: str
    sources: list[SourceUse]
    waste: str
    flops: float
    seconds: float
    positions: ContextAdvice | None = None
    """What a longer context or a change of RoPE does, where the stage has one."""


@dataclass(frozen=True)
class Plan:
    """Everything `plan` shows; plain data."""

    name: str
    description: str
    base: str
    sources: list[SourceSize]
    stages: list[StagePlan]
    arms: list[str]
    runs: int
    tokens: int
    flops: float
    seconds: float
    memory: dict[str, float]
    how: str
    """Where the time comes from."""
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The plan as plain data for --json."""
        return asdict(self)

    def cost_lines(self, size: Callable[[float], str], duration: Callable[[float], str]) -> list[tuple[str, str]]:
        """The cost, one (name, text) a line."""
        parts = ", ".join(f"{name} {size(value)}B" for name, value in self.memory.items())
        return [
            ("tokens", f"{size(self.tokens)} in {self.runs} runs"),
            ("compute", f"{size(self.flops)}FLOP"),
            ("memory", f"{size(sum(self.memory.values()))}B per run: {parts}"),
            ("time", f"about {duration(self.seconds)} of training on this machine ({self.how})"),
        ]


def make_plan(recipe: RecipeConfig, out: Path | None = None) -> Plan:
    """Work out the plan; raises UserError for the first thing that cannot work."""
    from midtrain.recipe.run import default_folder

    folder = default_folder(recipe, out)
    graph = build_graph(recipe, folder)
    done = {state.step.name: state.path for state in graph.states() if state.done}
    probe = probe_base(recipe, done)
    sizes = source_sizes(recipe, done, probe.tokenizer)
    by_name = {size.name: size for size in sizes}
    advice = check_context(recipe, probe.config)
    stages, notes = [], []
    used: dict[str, float] = {}
    rate, where = base_rate(probe.training_state), "the base's training state"
    for name, stage in recipe.stages.items():
        peak, note = peak_of(stage, rate, where)
        planned = _plan_stage(name, stage, (peak, note), by_name, used, done, probe)
        stages.append(replace(planned, positions=advice.get(name)))
        rate, where = stop_rate(stage, peak), f"stage {name}"
    for name in measured_sources(recipe):
        if by_name[name].heldout == 0 and recipe.holdout.share == 0:
            raise UserError(f"evaluation measures {name} on held-out text, but holdout.share is 0; set it above 0.")
    if len(recipe.seeds) < 3:
        notes.append(f"{len(recipe.seeds)} seed(s): the intervals will not contain seed noise; three is the least.")
    if recipe.control is None and recipe.base.path is not None:
        notes.append("no control: new data cannot be told from a lower learning rate; add control.weights.")
    arms = _check_control(recipe, by_name)
    runs = len(recipe.seeds) * len(recipe.arms())
    return Plan(
        name=recipe.name,
        description=recipe.description,
        base=probe.summary,
        sources=sizes,
        stages=stages,
        arms=arms,
        runs=runs,
        tokens=runs * sum(stage.tokens for stage in stages),
        flops=runs * sum(stage.flops for stage in stages),
        seconds=runs * sum(stage.seconds for stage in stages),
        memory=probe.memory(max(recipe.stages.values(), key=lambda s: s.micro_sequences * s.context)),
        how=probe.how,
        notes=notes,
    )


def _plan_stage(
    name: str,
    stage: StageConfig,
    rate: tuple[float, str],
    sizes: dict[str, SourceSize],
    used: dict[str, float],
    done: dict[str, Path],
    probe: Probe,
) -> StagePlan:
    parts = stage.mixture.parts()
    names = list(parts)
    weights = Weights(stage.mixture.by_part(), names)
    grid = (np.arange(_POINTS) + 0.5) / _POINTS
    curve = np.array([weights.weights_at(float(share)) for share in grid])
    tokens = stage.num_steps * stage.batch_tokens
    uses = []
    for column, source in enumerate(names):
        share = float(curve[:, column].mean())
        size = _part_size(sizes[parts[source].source], parts[source], stage.context, done)
        epochs = share * tokens / max(size.tokens, 1)
        total = used.get(source, 0.0) + epochs
        used[source] = total
        cap = stage.mixture.cap(parts[source].source)
        _check_cap(name, source, total, cap, size)
        uses.append(
            SourceUse(source, curve[:, column].round(6).tolist(), round(share * tokens), total, cap, size.exact)
        )
    return StagePlan(
        name=name,
        summary=_summary(stage, tokens),
        tokens=tokens,
        steps=stage.num_steps,
        learning_rates=rate_points(stage, rate[0], _POINTS),
        rate_note=rate[1],
        sources=uses,
        waste=_waste(stage, names, done),
        flops=probe.flops_per_token(stage.context) * tokens,
        seconds=probe.seconds_per_token(stage.context) * tokens,
    )


def _part_size(size: SourceSize, part: Part, context: int, done: dict[str, Path]) -> SourceSize:
    """The size of a part; that of the whole source while its tokens have not been made (lengths are unknown then)."""
    if part == Part(part.source, part.source):
        return size
    if f"tokens/{part.source}" not in done:
        return replace(size, name=part.name, exact=False)
    from midtrain.tokens.lengths import chosen
    from midtrain.tokens.store import TokenStore

    lengths = TokenStore.open(done[f"tokens/{part.source}"]).lengths
    tokens = float(lengths[chosen(lengths, part, context)].sum()) * (1 - 2 * part.trim)
    return replace(size, name=part.name, tokens=tokens, exact=part.trim == 0)


def _check_cap(stage: str, source: str, epochs: float, cap: float, size: SourceSize) -> None:
    if size.tokens == 0:
        raise UserError(f"The source {source} has no tokens to train on; check sources.{source}.")
    if epochs > cap * (1.0 if size.exact else 1.05):
        raise UserError(
            f"stages.{stage} would read {source} {epochs:.1f} times ({format_size(size.tokens)} tokens are there), "
            f"above its cap of {cap:g} epochs; lower its weight, add data, or raise its mixture.max_epochs."
        )


def _summary(stage: StageConfig, tokens: int) -> str:
    rope = "" if stage.rope is None else ", new RoPE"
    batch = format_size(stage.batch_tokens)
    average = "" if stage.average is None else f", {stage.average.kind} average"
    return f"{format_size(tokens)} tokens, {stage.num_steps} steps of {batch}, context {stage.context}{rope}{average}"


def _waste(stage: StageConfig, names: list[str], done: dict[str, Path]) -> str:
    from midtrain.core.artifact import Artifact

    rows = []
    for name in names:
        path = done.get(packed_name(name, stage))
        if path is not None:
            facts = Artifact.open(path).counts
            rows.append(f"{name} {facts['padded_share']:.1%}")
    return f"padding: {', '.join(rows)}" if rows else "padding: known once the sources are packed"


def _check_control(recipe: RecipeConfig, sizes: dict[str, SourceSize]) -> list[str]:
    """The arms in words; the control's repetitions are checked like ours."""
    lines = [f"ours  {len(recipe.seeds)} seeds"]
    if recipe.control is not None:
        tokens: dict[str, float] = {}
        for name, stage in recipe.arms()["control"].items():
            Weights(stage.mixture.by_part(), list(stage.mixture.parts()), "control")
            for source, weight in recipe.control.weights.items():
                tokens[source] = tokens.get(source, 0.0) + weight * stage.num_steps * stage.batch_tokens
                epochs = tokens[source] / max(sizes[source].tokens, 1)
                _check_cap(f"{name} (control)", source, epochs, stage.mixture.cap(source), sizes[source])
        mix = ", ".join(f"{source} {weight:.0%}" for source, weight in recipe.control.weights.items())
        lines.append(f"control  {len(recipe.seeds)} seeds, the same stages on {mix}")
    if recipe.merge is not None:
        lines.append(f"merged  {recipe.merge.summary(len(recipe.seeds))}")
    return lines
