"""Weights over time: which share of the tokens each source has at any moment of a stage.

A weight is a share of *tokens*, never of documents or rows; how many packed rows that takes is the mixture's
arithmetic. Shares that do not sum to one are an error unless asked to be normalised, because the usual cause is a
typing mistake (a published recipe of a 3B model sums to 1.00565).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from midtrain.core.errors import UserError, did_you_mean
from midtrain.core.progress import say
from midtrain.tokens.config import MixtureConfig

_TOLERANCE = 1e-6


class Weights:
    """The weights of a mixture, validated against the names of its sources."""

    def __init__(self, config: MixtureConfig, sources: Sequence[str], where: str = "mixture"):
        """`sources` fixes the order of the columns; `where` begins the sentence of an error.

        Raises UserError for an unknown source, a negative weight, or weights that do not sum to 1.
        """
        self.sources = tuple(sources)
        self._step = config.curve == "step"
        points = config.points or []
        moments = [(point.at, point.weights) for point in points] or [(0.0, config.weights or {})]
        names = [f"{where}.points[{i}]" for i in range(len(points))] or [f"{where}.weights"]
        self.at_P = np.array([at for at, _ in moments])
        self.weights_PS = np.stack(
            [
                _row(weights, self.sources, config.normalize, name)
                for (_, weights), name in zip(moments, names, strict=True)
            ]
        )

    def weights_at(self, share: float | np.ndarray) -> np.ndarray:
        """Token shares at `share` of the stage in [0, 1]: float64 [S] for a number, [N, S] for an array [N]."""
        moments = np.atleast_1d(np.asarray(share, dtype=np.float64))
        if self._step:
            rows = self.weights_PS[np.maximum(np.searchsorted(self.at_P, moments, side="right") - 1, 0)]
        else:
            rows = np.stack([np.interp(moments, self.at_P, column) for column in self.weights_PS.T], axis=1)
        return rows[0] if np.ndim(share) == 0 else rows

    @property
    def plain(self) -> dict[str, Any]:
        """The same weights as plain data, in the spelling of a recipe's mixture: what a decision records."""
        rows = [dict(zip(self.sources, map(float, row), strict=True)) for row in self.weights_PS]
        if len(rows) == 1:
            return {"weights": rows[0]}
        points = [{"at": float(at), "weights": row} for at, row in zip(self.at_P, rows, strict=True)]
        return {"curve": "step" if self._step else "linear", "points": points}


def _row(weights: dict[str, float], sources: tuple[str, ...], normalize: bool, where: str) -> np.ndarray:
    """One checked row of weights, summing to 1 exactly up to rounding: float64 [S]."""
    for name, weight in weights.items():
        if name not in sources:
            raise UserError(f'{where}: there is no source "{name}".{did_you_mean(name, sources)}')
        if not (math.isfinite(weight) and weight >= 0):
            raise UserError(f"{where}.{name}: the weight {weight} is not a share; write a number from 0 to 1.")
    total = math.fsum(weights.values())
    if total <= 0:
        raise UserError(f"{where}: every weight is 0; give at least one source a share.")
    if abs(total - 1) > _TOLERANCE:
        if not normalize:
            raise UserError(
                f"{where}: the weights sum to {total:.6g}, not 1; correct them, or set normalize: true to divide by it."
            )
        shown = ", ".join(f"{name} {weight / total:.4g}" for name, weight in weights.items())
        say(f"{where}: the weights sum to {total:.6g}; divided by it they are {shown}.")
    return np.array([weights.get(name, 0.0) / total for name in sources])
