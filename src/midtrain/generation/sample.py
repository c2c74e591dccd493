"""Choosing the next token: greedy, or by inverse transform from uniforms that come from a counter.

The usual way gives a batch one random generator, so a completion depends on which other rows were there and for how
long. Here the uniform of step t is a hash of (the row's key, t): no state, nothing to carry, nothing shared. One
uniform is enough for a token, drawn as the first in id order whose cumulative probability exceeds it. (The
Gumbel-max trick would need a uniform for every id of the vocabulary at every step.) Id order rather than likelihood
order, because sums over padded rows differ in the last bits, and those may swap two near-equal neighbours.

Shapes: B rows, V vocabulary.
"""

from __future__ import annotations

import numpy as np
import torch

_GOLDEN = 0x9E3779B97F4A7C15  # SplitMix64 (Steele, Lea, Flood 2014): increment and mixing multipliers
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def uniforms(keys_B: np.ndarray, step: int) -> np.ndarray:
    """The uniform in [0, 1) of every key (uint64) at `step`, float64 [B]."""
    mixed = keys_B + np.uint64((step + 1) * _GOLDEN % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def choose(
    logits_BV: torch.Tensor, temperature_B: torch.Tensor, top_p_B: torch.Tensor, uniform_B: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The next id of every row (int64 [B]) and its log-probability at temperature 1 (float32 [B]).

    Rows of temperature 0 take the likeliest id. `uniform_B` is float64 in [0, 1).
    """
    logits_BV = logits_BV.float()
    ids_B = logits_BV.argmax(dim=-1)
    drawn = torch.nonzero(temperature_B > 0).flatten()
    if len(drawn):
        ids_B[drawn] = _draw(logits_BV[drawn], temperature_B[drawn], top_p_B[drawn], uniform_B[drawn])
    logprobs_B = logits_BV.gather(1, ids_B[:, None])[:, 0] - logits_BV.logsumexp(dim=-1)
    return ids_B, logprobs_B


def _draw(
    logits_BV: torch.Tensor, temperature_B: torch.Tensor, top_p_B: torch.Tensor, uniform_B: torch.Tensor
) -> torch.Tensor:
    weights_BV = torch.softmax(logits_BV.double() / temperature_B[:, None].double(), dim=-1)
    if bool((top_p_B < 1).any()):
        sorted_BV, order_BV = weights_BV.sort(dim=-1, descending=True, stable=True)
        before_BV = sorted_BV.cumsum(dim=-1) - sorted_BV  # what likelier ids hold: the likeliest id is always kept
        sorted_BV = sorted_BV.masked_fill(before_BV >= top_p_B[:, None].double(), 0.0)
        weights_BV = torch.zeros_like(weights_BV).scatter(1, order_BV, sorted_BV)
    cumulative_BV = weights_BV.cumsum(dim=-1)
    total_B1 = cumulative_BV[:, -1:]
    below_total_B1 = torch.nextafter(total_B1, torch.zeros_like(total_B1))
    target_B1 = torch.minimum(uniform_B[:, None] * total_B1, below_total_B1)
    found_B = torch.searchsorted(cumulative_BV, target_B1, right=True)[:, 0]
    return found_B.clamp(max=cumulative_BV.shape[1] - 1)  # only where the logits are not finite
