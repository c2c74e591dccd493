"""What a report is written from: manifests, journals and scores. It never looks at a model or at text again.

`recipe/` gathers these from the artifacts of a run; whatever is missing (no control, no problems, a stage that never
logged) leaves its part of the page out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class StageRecord:
    """One stage of one arm and seed."""

    name: str
    entries: Sequence[Mapping[str, Any]]
    """The run's journal. Of a metrics entry are used: step, tokens (since the stage began), loss, source_loss
    {source: nats}, source_tokens {source: tokens since the entry before}, learning_rate, gradient_norm, and under clock
    tokens_per_second. Events (what) and decisions (reason, change) are listed as they are."""
    planned: Sequence[Mapping[str, Any]] = ()
    """The mixture as planned: [{at: share of the stage, weights: {source: share}}, ...] in order."""
    curve: str = "linear"
    """How the mixture goes from point to point: linear or step."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Facts of the sealed run: steps, tokens, seconds, tokens_per_second, mfu, goodput, carried (sentences)."""


@dataclass(frozen=True)
class CurationRecord:
    """What curation did to one source: the manifests of its steps."""

    documents: Mapping[str, Any]
    """As read: counts rows_in, documents, bytes_train, bytes_heldout; drops by reason."""
    curated: Mapping[str, Any]
    """What is left: counts documents, bytes_train, bytes_heldout, rewritten; drops by reason (those of the filter too);
    facts bytes_dropped and lines (gone) by reason, masked by kind; samples "kept" and "dropped: REASON", each
    [{id, text}]."""
    filter: Mapping[str, Any] | None = None
    """What the filters decided: counts kept, bytes_kept; drops; facts bytes_dropped, histograms, languages, derived
    (thresholds of languages) and kept_by (thresholds of scores). None for a source that is not measured (generated
    problems)."""
    scorers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Scorer fitted for the source -> its evaluation on held-out labels (auc, error, sweep, ...)."""


@dataclass(frozen=True)
class Curation:
    """What curation did to all sources; empty when a recipe asks for none."""

    records: Mapping[str, CurationRecord] = field(default_factory=dict)
    duplicates: Mapping[str, Any] | None = None
    """Manifest: counts candidates, clusters, "passages SOURCE", "passage bytes SOURCE"; facts biggest, shares."""
    contamination: Mapping[str, Any] | None = None
    """Manifest: counts items, matches; facts audit (rows), unsought (benchmark -> items too short to look for)."""


@dataclass(frozen=True)
class CurationInputs:
    """Everything a page of curation alone shows."""

    name: str
    recipe: str
    """The resolved recipe as YAML."""
    curation: Curation
    description: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict)
    commands: Sequence[str] = ()
    """How to make all this again."""


@dataclass(frozen=True)
class ReportInputs:
    """Everything a report shows."""

    name: str
    recipe: str
    """The resolved recipe as YAML."""
    scores: Mapping[str, Any]
    """scores.json: what `evaluation.guard.judge` returned."""
    merged: Mapping[str, Any] | None = None
    """The scores of the merged arm, where the recipe merges: as `scores` with the merged models as "ours", and method,
    choice, items ("all" or "half"), and per capability unmerged, vs_unmerged and vs_unmerged_interval."""
    arms: Mapping[str, Mapping[int, Sequence[StageRecord]]] = field(default_factory=dict)
    """Arm ("ours", "control") -> seed -> its stages in order."""
    description: str = ""
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Source -> manifest of its documents."""
    curation: Curation = Curation()
    """What was curated, and how."""
    tokens: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Source -> manifest of its training tokens."""
    packing: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Name (source and context) -> counts of its packing."""
    items: Mapping[str, pa.Table] = field(default_factory=dict)
    """"parent", "control", "ours" -> scores per item of one seed, for the samples."""
    parity: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What was compared with plain transformers -> the figures found."""
    libraries: Mapping[str, str] = field(default_factory=dict)
    commands: Sequence[str] = ()
    """How to make all this again."""
    excluded: Sequence[Mapping[str, str]] = ()
    """Items that no verdict could be had for: {model, capability, item, cause}."""
