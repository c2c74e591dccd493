"""What a rotary position embedding turns by, from its parameters alone: no model, no torch.

Pair i of d rotated dimensions turns by the angle position * inverse_i, with inverse_i = theta^(-2i/d) before any
scaling, so its wavelength is 2 pi / inverse_i tokens. The scalings are those of the papers: position interpolation
(arXiv:2306.15595), YaRN (arXiv:2309.00071), Llama 3.1's, LongRoPE (arXiv:2402.13753). `plan` reads them to advise
before anything is loaded; a built model is compared with them, so that what was asked for is known to be what turns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

ORIGINAL = "original_max_position_embeddings"
KNOWN = ("default", "linear", "llama3", "yarn", "longrope")
"""The values of rope_type whose formula is here."""


@dataclass(frozen=True)
class Rotation:
    """How fast each pair of dimensions turns."""

    inverse_P: np.ndarray
    """Radians per token of each pair, the fastest first (float64)."""
    attention_scale: float = 1.0
    """Cosine and sine are multiplied by this, so attention's logits by its square."""

    @property
    def wavelength_P(self) -> np.ndarray:
        """Tokens in which a pair turns once."""
        return 2 * math.pi / self.inverse_P


def rotation(parameters: Mapping[str, Any], dimensions: int, positions: int) -> Rotation:
    """The rotation that `parameters` (transformers' rope_parameters of one kind of layer) describe.

    `dimensions` are those that are rotated; `positions` is max_position_embeddings, from which a factor that is not
    given follows.
    """
    kind = parameters.get("rope_type", "default")
    assert kind in KNOWN, kind
    theta = float(parameters["rope_theta"])
    plain_P = theta ** -(np.arange(0, dimensions, 2) / dimensions)
    original = parameters.get(ORIGINAL) or positions
    factor = float(parameters.get("factor") or positions / original)
    if kind == "linear":
        return Rotation(plain_P / factor)
    if kind == "llama3":
        return Rotation(_llama3(plain_P, parameters, factor, original))
    if kind == "yarn":
        share_P = _interpolated_share(parameters, dimensions, theta, original)
        return Rotation(plain_P / factor * share_P + plain_P * (1 - share_P), _yarn_scale(parameters, factor))
    if kind == "longrope":
        scale = parameters.get("attention_factor")
        if scale is None:
            scale = math.sqrt(1 + math.log(factor) / math.log(original)) if factor > 1 else 1.0
        return Rotation(plain_P / np.asarray(parameters["long_factor"], float), float(scale))
    return Rotation(plain_P)


def _llama3(plain_P: np.ndarray, parameters: Mapping[str, Any], factor: float, original: int) -> np.ndarray:
    """Pairs slower than original / low are divided, pairs faster than original / high kept, those between blended."""
    low, high = parameters["low_freq_factor"], parameters["high_freq_factor"]
    turns_P = original * plain_P / (2 * math.pi)
    kept_P = np.clip((turns_P - low) / (high - low), 0, 1)
    return kept_P * plain_P + (1 - kept_P) * plain_P / factor


def _interpolated_share(parameters: Mapping[str, Any], dimensions: int, theta: float, original: int) -> np.ndarray:
    """YaRN's ramp: 0 for pairs that turn at least beta_fast times in the trained length, 1 for under beta_slow."""

    def pair(turns: float) -> float:
        return dimensions * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(theta))

    first, last = pair(parameters.get("beta_fast") or 32), pair(parameters.get("beta_slow") or 1)
    if parameters.get("truncate", True):
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, dimensions - 1)
    width = last - first or 0.001
    return np.clip((np.arange(dimensions // 2) - first) / width, 0, 1)


def _yarn_scale(parameters: Mapping[str, Any], factor: float) -> float:
    """YaRN's temperature, 0.1 ln(factor) + 1, or what the parameters say instead."""
    if parameters.get("attention_factor") is not None:
        return float(parameters["attention_factor"])

    def scale(weight: float) -> float:
        return 0.1 * weight * math.log(factor) + 1.0 if factor > 1 else 1.0

    weight, every = parameters.get("mscale"), parameters.get("mscale_all_dim")
    return scale(weight) / scale(every) if weight and every else scale(1.0)


def critical_theta(theta: float, trained: int, wanted: int) -> float:
    """The theta at which as many pairs turn once in `wanted` tokens as `theta` lets turn in `trained`.

    Pair i turns once in L tokens when theta^(2i/d) <= L / 2 pi; equal counts at both lengths give
    theta^(ln(wanted / 2 pi) / ln(trained / 2 pi)) (the critical dimension of arXiv:2310.05209).
    """
    turn = 2 * math.pi
    return theta ** (math.log(wanted / turn) / math.log(max(trained, 7) / turn))


def ntk_theta(theta: float, factor: float, dimensions: int) -> float:
    """The theta that divides the slowest pair by exactly `factor` and leaves the fastest: theta * s^(d / (d - 2))."""
    return theta * factor ** (dimensions / max(dimensions - 2, 1))


def least_theta(length: int) -> float:
    """The smallest theta that still tells near from far over `length` tokens: 0.0424 L^1.628 (arXiv:2405.14591)."""
    return 0.0424 * length**1.628
