"""The recipe: one file that names the base, the sources, the stages, the control, the evaluation and the guard.

Every part's config lives in the room that builds the part; here they are only composed, and what no single room can
see is checked: that a stage mixes sources that exist, that the control knows the old data, that the target is
something the evaluation measures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from midtrain.core.config import Config
from midtrain.core.errors import did_you_mean
from midtrain.documents.config import HoldoutConfig, SourceConfig
from midtrain.documents.curation.config import CurateConfig
from midtrain.documents.decontamination.config import DecontaminateConfig
from midtrain.documents.deduplication.config import DEFAULT, DeduplicateConfig
from midtrain.evaluation.config import EvaluationConfig, GuardConfig, TargetConfig, require_measured
from midtrain.models.config import BaseConfig
from midtrain.recipe.merge_config import MergeStepConfig
from midtrain.training.config import StageConfig, TrackerKind
from midtrain.verify.config import ProblemsConfig
from midtrain.verify.traces.config import TracesConfig


def _check_keys(parts: Iterable[str]) -> None:
    for key in parts:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", key):
            raise ValueError(f'"{key}" must be letters, digits, dashes and underscores')


class ProblemSourceConfig(Config):
    """A source made on the spot: problems with worked solutions and exact answers."""

    problems: ProblemsConfig
    """Which families, how many, how hard."""
    form: Literal["text", "chat"] = "text"
    """Plain text, or a user turn and an assistant turn of which only the answer has loss."""


class TraceFilterConfig(TracesConfig):
    """Which sources hold reasoning traces, and for which defects one is dropped."""

    sources: list[str] = Field(min_length=1)
    """The sources whose documents are traces: the last message of a conversation, or a text with a worked solution."""


class ControlConfig(Config):
    """The old-mix anneal: the same stages, schedule and tokens, with the old data instead of the new mixture."""

    weights: dict[str, float]
    """The old mixture, by source; replaces the mixture of every stage."""


class ExportConfig(Config):
    """What is written beside the weights of the result."""

    moments: bool = False
    """Also export the optimizer's moments (two more copies of the weights), so that a later anneal can keep them."""


class DocumentsConfig(Config):
    """Sources and their curation: the part of a recipe that `midtrain curate` runs, alone or as a file of its own."""

    name: str
    """A short name; the run's folder is runs/NAME unless --out says otherwise."""
    description: str = ""
    """What this is for, in a sentence; shown in the plan and the report."""
    sources: dict[str, SourceConfig | ProblemSourceConfig] = Field(min_length=1)
    """Where documents come from, by name."""
    holdout: HoldoutConfig = HoldoutConfig()
    """The share of groups that no stage ever trains on."""
    curate: CurateConfig | None = None
    """How every source of documents is curated that says nothing of its own; null leaves them as they are read."""
    traces: TraceFilterConfig | None = None
    """Defects of reasoning traces (loops, overthinking, language switches, unclosed tags ...); null looks for none."""
    deduplicate: DeduplicateConfig | None = None
    """Near-duplicates and repeated passages within and across the sources of documents; null looks for none."""
    decontaminate: DecontaminateConfig | None = None
    """Evaluation items in any source, generated problems included; null looks for none."""

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise ValueError("must be letters, digits, dots, dashes and underscores, so that it can name a folder")
        return name

    @field_validator("sources")
    @classmethod
    def _plain_sources(cls, sources: dict[str, Any]) -> dict[str, Any]:
        _check_keys(sources)
        return sources

    @model_validator(mode="after")
    def _traces_fit(self) -> DocumentsConfig:
        for source in self.traces.sources if self.traces is not None else []:
            self._require_source(source, "traces.sources")
            if source not in self.document_sources():
                raise ValueError(
                    f'traces.sources names "{source}", whose problems come with clean solutions; remove it'
                )
        return self

    @model_validator(mode="after")
    def _duplicates_fit(self) -> DocumentsConfig:
        if self.deduplicate is not None:
            for source in (*self.deduplicate.priorities, *self.deduplicate.max_removed):
                if source != DEFAULT:
                    self._require_source(source, "deduplicate")
            quality = self.deduplicate.quality
            for name in self.document_sources() if quality is not None else []:
                scorers = getattr(getattr(self.curation_of(name), "quality", None), "scorers", {})
                if quality not in scorers:
                    raise ValueError(
                        f'deduplicate.quality is "{quality}", which no scorer of the source {name} computes; '
                        f"add it to curate.quality.scorers, or leave it out."
                    )
        return self

    def _require_source(self, source: str, where: str) -> None:
        if source not in self.sources:
            raise ValueError(
                f'{where} names "{source}", which is not among the sources.{did_you_mean(source, self.sources)}'
            )

    def document_sources(self) -> list[str]:
        """The sources that are documents, not generated problems."""
        return [name for name, source in self.sources.items() if not isinstance(source, ProblemSourceConfig)]

    def curation_of(self, name: str) -> CurateConfig | None:
        """How the source `name` is curated: as it says itself, else as the recipe says for all; problems are not."""
        source = self.sources[name]
        return None if isinstance(source, ProblemSourceConfig) else source.curate or self.curate

    def annotated_sources(self) -> list[str]:
        """The sources whose documents are measured: curated, of traces, or searched for duplicates."""
        names = self.document_sources()
        return [name for name in names if self.curation_of(name) or self.deduplicate or self.traces_of(name)]

    def traces_of(self, name: str) -> TracesConfig | None:
        """What is looked for in the traces of the source `name`; None where it holds none."""
        return self.traces if self.traces is not None and name in self.traces.sources else None

    def curated_sources(self) -> list[str]:
        """The sources that training reads in a curated form."""
        return [name for name in self.sources if self.decontaminate or name in self.annotated_sources()]


class RecipeConfig(DocumentsConfig):
    """A whole mid-training run."""

    seeds: list[int] = Field(default=[0, 1, 2], min_length=1)
    """One run of every arm per seed. Three is the least that says anything about seed noise."""
    base: BaseConfig
    """The model to start from."""
    stages: dict[str, StageConfig] = Field(min_length=1)
    """What is done to the model, in order."""
    control: ControlConfig | None = None
    """The old-mix anneal at equal tokens; without one, no verdict can tell new data from a lower learning rate."""
    export: ExportConfig = ExportConfig()
    """What is written beside the weights of the result."""
    merge: MergeStepConfig | None = None
    """How the results of the seeds become one more arm, "merged"; null merges nothing."""
    trackers: list[TrackerKind] = Field(default=[])
    """Dashboards that are sent what the journals say, locally, under OUT/trackers; each needs its package. Does not
    change the result."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """What is measured on the parent, the control and the result."""
    guard: GuardConfig = GuardConfig()
    """How much each capability may lose against the parent."""
    target: TargetConfig | None = None
    """What must get better, fixed before the run."""

    @field_validator("seeds")
    @classmethod
    def _distinct_seeds(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) != len(seeds):
            raise ValueError("lists the same seed twice")
        return seeds

    @field_validator("stages")
    @classmethod
    def _plain_stages(cls, stages: dict[str, StageConfig]) -> dict[str, StageConfig]:
        _check_keys(stages)
        return stages

    @model_validator(mode="after")
    def _parts_fit(self) -> RecipeConfig:
        if self.base.tokenizer is not None and self.base.tokenizer.train is not None:
            for source in self.base.tokenizer.train.sources:
                self._require_source(source, "base.tokenizer.train.sources")
        for stage_name, stage in self.stages.items():
            mixture = stage.mixture
            caps = mixture.max_epochs if isinstance(mixture.max_epochs, dict) else {}
            for source in (*mixture.source_names(), *mixture.order, *caps, *mixture.lengths):
                self._require_source(source, f"stages.{stage_name}.mixture")
        if self.control is not None:
            for source in self.control.weights:
                self._require_source(source, "control.weights")
        if self.target is not None and self.control is None and "control" in self.target.better_than:
            raise ValueError("target.better_than names the control, but there is no control; add control.weights")

        if self.merge is not None:
            self.merge.require(len(self.seeds), self.target is not None)
        longest = max(stage.context for stage in self.stages.values())
        require_measured(self.evaluation.capabilities(self.document_sources(), longest), self.guard, self.target)
        return self

    def arms(self) -> dict[str, dict[str, StageConfig]]:
        """The stages of every arm: 'ours' as written, 'control' with the old mixture in each stage."""
        arms = {"ours": dict(self.stages)}
        if self.control is not None:
            old = self.control.weights
            arms["control"] = {
                name: stage.model_copy(update={"mixture": stage.mixture.with_weights(old)})
                for name, stage in self.stages.items()
            }
        return arms
