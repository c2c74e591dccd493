"""Scores made comparable: percentiles, buckets, ensembles of several scorers, and what is kept by them.

Two scorers rarely agree on what a 0.4 is, but each orders the documents. A document's percentile is the share of the
source's documents that score no higher; equal scores have equal percentiles, whatever order the documents come in. An
ensemble takes the best bucket any scorer gives (good for one thing is good: Nemotron-CC) or the mean percentile.
A document without a score (nan: another's attributes may lack one) has percentile 0 and is dropped by a threshold
under a reason of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from midtrain.core.errors import UserError
from midtrain.documents.curation.filter import Decision
from midtrain.documents.quality.calibration import Calibration
from midtrain.documents.quality.config import EnsembleConfig, KeepConfig, QualityConfig

QUALITY = "quality "
"""How the reasons of documents begin that go for a score."""

# Shapes: N documents of one source.


def percentiles(scores_N: np.ndarray) -> np.ndarray:
    """float32 [N] in 0..1: the share of the documents with a score that score no higher; 0 where there is no score."""
    scored_N = np.isfinite(scores_N)
    ordered = np.sort(scores_N[scored_N])
    share_N = np.searchsorted(ordered, scores_N, side="right") / max(len(ordered), 1)
    return np.where(scored_N, share_N, 0).astype(np.float32)


def buckets(scores_N: np.ndarray, count: int = 20) -> np.ndarray:
    """int16 [N]: which of `count` equal parts of the documents each is in, 0 the lowest; ties share the higher one."""
    return np.clip(np.ceil(percentiles(scores_N).astype(np.float64) * count - 1e-6) - 1, 0, count - 1).astype(np.int16)


def ensemble(scores: dict[str, np.ndarray], config: EnsembleConfig) -> np.ndarray:
    """float32 [N]: one score from those that `config` names (all when it names none)."""
    chosen = [scores[name] for name in config.of or scores]
    if config.kind == "mean_rank":
        return np.stack([percentiles(one_N) for one_N in chosen]).mean(axis=0, dtype=np.float64).astype(np.float32)
    return np.stack([buckets(one_N, config.buckets) for one_N in chosen]).max(axis=0).astype(np.float32)


def with_ensemble(scores: dict[str, np.ndarray], config: QualityConfig) -> dict[str, np.ndarray]:
    """`scores` of all documents of a source by scorer's name, and their `ensemble` where one is declared."""
    return scores | ({"ensemble": ensemble(scores, config.ensemble)} if config.ensemble else {})


def thresholds_of(
    scores: Mapping[str, np.ndarray], config: QualityConfig, fitted: Mapping[str, Mapping[str, Any]]
) -> list[float]:
    """The lowest score that stays, for each of `config.keep`, over all documents of a source.

    `fitted` holds what `fit_scorer` said of each scorer. Raises UserError for a precision that a scorer never reaches,
    or was too little measured to know.
    """
    return [_threshold(scores[keep.score], keep, fitted.get(keep.score, {}).get("steps")) for keep in config.keep]


def _threshold(scores_N: np.ndarray, keep: KeepConfig, steps: Mapping[str, Sequence[float]] | None) -> float:
    if keep.at_least is not None:
        return keep.at_least
    if keep.precision is not None:
        return _calibrated(keep, steps)
    assert keep.top_share is not None
    ordered = np.sort(scores_N[np.isfinite(scores_N)])
    if not len(ordered):
        return float("inf")
    return float(ordered[min(len(ordered) - 1, round(len(ordered) * (1 - keep.top_share)))])


def _calibrated(keep: KeepConfig, steps: Mapping[str, Sequence[float]] | None) -> float:
    assert keep.precision is not None
    if steps is None:
        raise UserError(
            f'The scorer "{keep.score}" has no held-out examples of both kinds, so nobody knows from which score on '
            f"{keep.precision:.0%} of documents are good; add examples, or say at_least or top_share."
        )
    calibration = Calibration(np.asarray(steps["scores"]), np.asarray(steps["shares"]))
    found = calibration.reaches(keep.precision)
    if found is None:
        raise UserError(
            f'The scorer "{keep.score}" never reaches a precision of {keep.precision:.4g}: of its held-out examples '
            f"with the best scores {calibration.shares_S[-1]:.4g} are good; lower keep.precision, or label more."
        )
    return found


def decide_quality(scores: Mapping[str, np.ndarray], config: QualityConfig, thresholds: Sequence[float]) -> Decision:
    """Which of the N documents of a source go by their scores (see `with_ensemble`), and the first reason why.

    `thresholds` are those of `thresholds_of`.
    """
    rows = len(next(iter(scores.values())))
    reason_N = np.full(rows, -1, dtype=np.int16)
    reasons: list[str] = []
    for keep, threshold in zip(config.keep, thresholds, strict=True):
        scores_N = scores[keep.score]
        for why, failed_N in (
            (f"no score {keep.score}", ~np.isfinite(scores_N)),
            (f"{QUALITY}{keep.score} not {keep.asked}", ~(scores_N >= threshold)),
        ):
            reason_N[(reason_N < 0) & failed_N] = len(reasons)
            reasons.append(why)
    return Decision(reason_N, reasons)
