"""The output head as the loss needs it: its matrix, its bias, and what a family does to logits afterwards.

Training never makes the logits (see `loss.py`), so it does not pass through a family's own `forward`, where Gemma 2
caps its logits and Granite and Cohere scale them. What those do is read from the config here; `parity.check_load`
compares hidden states times this head with the family's own logits, so a family that does something else is an error
at load and not a wrong loss.
"""

from __future__ import annotations

from typing import Any, TypedDict

import torch
from transformers import PreTrainedModel


class Head(TypedDict):
    """The keyword arguments of `linear_cross_entropy` that describe a head."""

    weight_VD: torch.Tensor
    bias_V: torch.Tensor | None
    logit_scale: float | None
    logit_softcap: float | None


def output_head(model: PreTrainedModel) -> Head:
    """The head of a causal language model: logits = softcap(scale * (hidden @ weight.T + bias)).

    Used as `linear_cross_entropy(hidden_ND, labels_N=..., weights_N=..., **output_head(model))`.
    """
    config, linear = model.config, model.get_output_embeddings()
    weight: Any = linear.weight
    scale = getattr(config, "logit_scale", None) or getattr(config, "lm_head_multiplier", None)
    if divisor := getattr(config, "logits_scaling", None):
        scale = 1.0 / divisor
    return Head(
        weight_VD=weight,
        bias_V=getattr(linear, "bias", None),
        logit_scale=scale,
        logit_softcap=getattr(config, "final_logit_softcapping", None),
    )


def head_logits(head: Head, hidden_ND: torch.Tensor) -> torch.Tensor:
    """The logits [N, V] that the loss would compute; for checks and short texts."""
    logits = torch.nn.functional.linear(hidden_ND, head["weight_VD"], head["bias_V"])
    if head["logit_scale"] is not None:
        logits = logits * head["logit_scale"]
    if (cap := head["logit_softcap"]) is not None:
        logits = torch.tanh(logits / cap) * cap
    return logits
