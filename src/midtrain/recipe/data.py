"""The batches of a stage, from the artifacts of a run: the same for training, for resuming and for looking.

What stage k reads is a pure function of the recipe, the seed and the decisions of the stages before it, so nothing is
saved of it: a stage that keeps the data position asks, source by source, what the last stage that read it had left.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from midtrain.core.artifact import Artifact
from midtrain.core.permutation import derive_key
from midtrain.core.run import Journal
from midtrain.recipe.graph import packed_name
from midtrain.tokens.batches import StageData
from midtrain.tokens.instances import Instances
from midtrain.tokens.ledger import Leftover, continue_instances, unconsumed_documents
from midtrain.tokens.mixture import Mixture, block_size, mixture_sources
from midtrain.tokens.store import TokenStore
from midtrain.tokens.weights import Weights
from midtrain.training.config import StageConfig


def stage_data(
    stages: Mapping[str, StageConfig], stage_name: str, seed: int, paths: Mapping[str, Path], runs: Mapping[str, Path]
) -> StageData:
    """All batches of one stage of one arm.

    `stages` are the arm's stages in order; `paths` the artifacts by step name (tokens/..., packed/...); `runs` the run
    folders of the stages before, by stage name, for their decisions.
    """
    stage = stages[stage_name]
    parts, config = stage.mixture.parts(), stage.mixture.by_part()
    names = list(parts)
    stores = {name: TokenStore.open(paths[f"tokens/{part.source}"]) for name, part in parts.items()}
    instances = {name: Instances.open(paths[packed_name(name, stage)]) for name in names}
    before = list(stages)[: list(stages).index(stage_name)]
    if stage.carry.data_position == "keep" and before:
        instances = _continued(stages, before, stage, seed, paths, runs, stores, instances)
    rows = stage.num_steps * stage.batch_sequences
    mixture = Mixture(
        mixture_sources(config, instances),
        Weights(config, names, f"stages.{stage_name}.mixture"),
        num_positions=rows,
        block=block_size(stage.batch_sequences, rows),
        seed=derive_key("data", seed, stage_name),
    )
    return StageData(stores, instances, mixture, stage.context, stage.batch_sequences)


def finished_stage_data(
    stages: Mapping[str, StageConfig], stage_name: str, seed: int, paths: Mapping[str, Path], runs: Mapping[str, Path]
) -> StageData:
    """The batches a stage that has run (or is running) really saw: its decisions applied."""
    data = stage_data(stages, stage_name, seed, paths, runs)
    decisions: list[dict[str, Any]] = Journal(runs[stage_name] / "decisions.jsonl").read()
    return data.from_decisions(decisions)


def _continued(
    stages: Mapping[str, StageConfig],
    before: list[str],
    stage: StageConfig,
    seed: int,
    paths: Mapping[str, Path],
    runs: Mapping[str, Path],
    stores: Mapping[str, TokenStore],
    instances: Mapping[str, Instances],
) -> dict[str, Instances]:
    """Begin each source with what the last stage that read it had left of the running epoch."""
    left: dict[str, Leftover] = {}
    for name in reversed(before):
        if instances.keys() <= left.keys():
            break
        data = finished_stage_data(stages, name, seed, paths, runs)
        left = unconsumed_documents(data.instances, data.mixture, _stopped_at(runs[name], data)) | left
    continued = dict(instances)
    for name in instances.keys() & left.keys():
        order = stage.mixture.by_part().order.get(name)
        attribute = None if order is None else np.asarray(stores[name].table([order]).column(order))
        continued[name] = continue_instances(
            left[name],
            instances[name],
            seed=derive_key("opening", seed),
            attribute=attribute,
            group=stage.packing.group,
        )
    return continued


def _stopped_at(run: Path, data: StageData) -> int:
    """The mixture position at which a finished stage ended: its last, unless a decision ended it earlier."""
    steps = Artifact.open(run).counts["steps"]
    return min(steps * data.batch_sequences, data.mixture.num_positions)
