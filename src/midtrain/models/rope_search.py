"""LongRoPE's factors by evolution (arXiv:2402.13753): which division of each pair of dimensions costs least.

Position interpolation, NTK and YaRN are three points in the space of factors (one per pair, rising from fast pairs to
slow ones, at most 1.25 times the extension). The search begins from them, keeps the best few, and changes a run of
neighbouring pairs at a time. The loss is the caller's, such as the bits per token of a few long documents; each trial
costs one evaluation, so some tens of them are cheap beside training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from midtrain.models.rope_frequencies import ntk_theta, rotation

_BEST = 4
_LARGEST = 1.25
_SPREAD = 0.15


def start_factors(theta: float, dimensions: int, trained: int, factor: float) -> dict[str, list[float]]:
    """The factors that are position interpolation, NTK-aware and YaRN, by name."""
    plain_P = rotation({"rope_theta": theta}, dimensions, trained).inverse_P
    known: dict[str, dict[str, Any]] = {
        "pi": {"rope_theta": theta, "rope_type": "linear", "factor": factor},
        "ntk": {"rope_theta": ntk_theta(theta, factor, dimensions)},
        "yarn": {
            "rope_theta": theta,
            "rope_type": "yarn",
            "factor": factor,
            "original_max_position_embeddings": trained,
        },
    }
    return {
        name: (plain_P / rotation(parameters, dimensions, trained).inverse_P).tolist()
        for name, parameters in known.items()
    }


def search_factors(
    loss: Callable[[list[float]], float], starts: list[list[float]], factor: float, *, trials: int, seed: int
) -> tuple[list[float], float]:
    """(the best factors found, their loss) after evaluating the starts and `trials` changes of the best ones.

    A pure function of its arguments where `loss` is; never worse than the best start.
    """
    draw = np.random.default_rng(seed)
    found = sorted(((loss(one), number, one) for number, one in enumerate(starts)))
    for number in range(trials):
        parent = np.array(found[draw.integers(min(_BEST, len(found)))][2])
        first, last = np.sort(draw.integers(0, len(parent) + 1, 2))
        parent[first : max(last, first + 1)] *= np.exp(_SPREAD * draw.standard_normal())
        child = np.clip(np.maximum.accumulate(parent), 1.0, _LARGEST * factor).tolist()
        found = sorted([*found, (loss(child), len(starts) + number, child)])[:_BEST]
    return found[0][2], found[0][0]
