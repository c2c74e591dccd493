"""What a score is worth: measured on held-out labels, as a ranking, as a probability, and threshold by threshold.

A classifier's number is not a probability until it is shown to be one. Isotonic regression (pool adjacent violators)
finds the non-decreasing steps from score to share of good documents that fit the held-out labels best, and the expected
calibration error says how far a number was from the truth before and after. The sweep answers the question people
really have: if I keep documents from this score on, how much do I keep, how good is it, and what do I lose?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

# Shapes: N documents, K thresholds, S steps.


def auc(scores_N: np.ndarray, good_N: np.ndarray) -> float:
    """The chance that a good document scores higher than another one, ties counting half; nan without both kinds.

    Mann and Whitney's U over the ranks, so exact.
    """
    good_N = np.asarray(good_N, dtype=bool)
    goods, others = int(good_N.sum()), int((~good_N).sum())
    if not goods or not others:
        return float("nan")
    _, of_N, counts = np.unique(scores_N, return_inverse=True, return_counts=True)
    rank_of = np.cumsum(counts) - (counts - 1) / 2  # ties share their mean rank
    return float((rank_of[of_N][good_N].sum() - goods * (goods + 1) / 2) / (goods * others))


def calibration_error(probability_N: np.ndarray, good_N: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: the mean distance, over equal-width bins, of probability and share of good documents.

    Naeini et al. 2015; each bin weighs as many documents as it has.
    """
    bin_N = np.clip((np.asarray(probability_N) * bins).astype(int), 0, bins - 1)
    counts = np.bincount(bin_N, minlength=bins)
    said = np.bincount(bin_N, weights=probability_N, minlength=bins)
    true = np.bincount(bin_N, weights=good_N, minlength=bins)
    return float(np.abs(said - true).sum() / max(counts.sum(), 1))


@dataclass(frozen=True)
class Calibration:
    """A non-decreasing step function from score to the share of good documents."""

    scores_S: np.ndarray
    """float64, rising: where each step begins."""
    shares_S: np.ndarray
    """float64, not falling: the share of good documents on the step."""

    @classmethod
    def fit(cls, scores_N: np.ndarray, good_N: np.ndarray) -> Calibration:
        """The least-squares fit among all non-decreasing functions (isotonic regression, Ayer et al. 1955)."""
        assert len(scores_N), "nothing to calibrate on"
        values, of_N, counts = np.unique(scores_N, return_inverse=True, return_counts=True)
        goods = np.bincount(of_N, weights=good_N)
        starts: list[float] = []
        pools: list[list[float]] = []  # [good, documents] of each step
        for value, good, count in zip(values.tolist(), goods.tolist(), counts.tolist(), strict=True):
            starts.append(value)
            pools.append([good, count])
            while len(pools) > 1 and pools[-2][0] * pools[-1][1] >= pools[-1][0] * pools[-2][1]:
                last = pools.pop()
                starts.pop()
                pools[-1] = [pools[-1][0] + last[0], pools[-1][1] + last[1]]
        return cls(np.array(starts), np.array([good / count for good, count in pools]))

    def reaches(self, share: float) -> float | None:
        """The lowest score from which on at least `share` of the documents are good; None when no score has so many."""
        first = int(np.searchsorted(self.shares_S, share))
        return float(self.scores_S[first]) if first < len(self.shares_S) else None

    def __call__(self, scores_N: np.ndarray) -> np.ndarray:
        """float64 [N]: the calibrated probability of each score; below the first step, that of the first."""
        step_N = np.searchsorted(self.scores_S, scores_N, side="right") - 1
        return self.shares_S[np.maximum(step_N, 0)]


def sweep(scores_N: np.ndarray, good_N: np.ndarray, thresholds: int = 19) -> list[dict[str, float]]:
    """What keeping documents from a score on would do, at thresholds that keep evenly spaced shares of the documents.

    A row: threshold, kept (share of documents), precision (share of good ones among the kept), recall (share of the
    good ones that are kept), f1.
    """
    good_N = np.asarray(good_N, dtype=bool)
    cuts = np.unique(np.quantile(scores_N, np.linspace(0, 1, thresholds + 2)[1:-1], method="higher"))
    rows = []
    for cut in cuts.tolist():
        kept_N = scores_N >= cut
        kept, hits = int(kept_N.sum()), int((kept_N & good_N).sum())
        rows.append(
            {
                "threshold": cut,
                "kept": kept / len(scores_N),
                "precision": hits / kept,
                "recall": hits / max(int(good_N.sum()), 1),
                "f1": 2 * hits / (kept + max(int(good_N.sum()), 1)),
            }
        )
    return rows


def evaluate_scores(scores_N: np.ndarray, good_N: np.ndarray) -> dict[str, Any]:
    """Everything a report says about a score on held-out labels.

    auc, documents, good (share), sweep, steps of the isotonic calibration, and the expected calibration error: of the
    score as it is (`error_raw`; None where it is no probability) and after calibration (`error`; two-fold, so that no
    document is judged by steps fitted to itself).
    """
    scores_N, good_N = np.asarray(scores_N, dtype=np.float64), np.asarray(good_N, dtype=bool)
    fitted = Calibration.fit(scores_N, good_N)
    crossed_N = np.empty(len(scores_N))
    halves = np.arange(len(scores_N)) % 2 == 0
    for half_N in (halves, ~halves):
        if half_N.any() and (~half_N).any():
            crossed_N[half_N] = Calibration.fit(scores_N[~half_N], good_N[~half_N])(scores_N[half_N])
        else:
            crossed_N[half_N] = fitted(scores_N[half_N])
    probable = scores_N.min() >= 0 and scores_N.max() <= 1 + 1e-4
    return {
        "documents": len(scores_N),
        "good": float(good_N.mean()),
        "auc": auc(scores_N, good_N),
        "error_raw": calibration_error(scores_N, good_N) if probable else None,
        "error": calibration_error(crossed_N, good_N),
        "sweep": sweep(scores_N, good_N),
        "steps": {"scores": fitted.scores_S.tolist(), "shares": fitted.shares_S.tolist()},
    }
