"""RoPE changes, made on the config before the model is built, and seen to take effect.

transformers computes the inverse frequencies once, when the rotary module is made: a config changed afterwards trains
with the old positions and says nothing. So the change goes into the config first, and afterwards the rotations of
the built model are compared with those the base had: a change that changes nothing is an error, not a log line.

Where attention alternates between sliding and full layers with rotations of their own (Gemma 3, OLMo 3), only the
full layers are changed: a sliding layer never looks further than its window, which is what both families' own
long-context stages do.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig

from midtrain.core.errors import UserError
from midtrain.models.config import RopeConfig

_FULL = "full_attention"
_ORIGINAL = "original_max_position_embeddings"


def apply_rope(config: PreTrainedConfig, rope: RopeConfig | None, context: int | None) -> PreTrainedConfig:
    """A copy of `config` with the RoPE change and at least `context` positions.

    `rope` with the values the base already has is legal, and says that a longer context without any change is meant.
    Raises UserError when the context is longer than the base's positions and no `rope` is given, when the
    architecture has no rotary embedding, or when it refuses the parameters.
    """
    changed = copy.deepcopy(config)
    positions = getattr(config, "max_position_embeddings", None)
    if rope is not None:
        if not getattr(config, "rope_parameters", None):
            raise UserError(f"rope: {config.model_type} has no rotary position embedding to change; remove rope.")
        changed.rope_parameters = _parameters(config, rope)
    if context is not None and positions is not None and context > positions:
        if rope is None:
            raise UserError(
                f"context {context} is longer than the {positions} positions of the base; "
                f"add a rope change (theta or scaling), or use at most {positions}."
            )
        changed.max_position_embeddings = context
    if rope is not None:
        try:
            changed.validate_rope()
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"rope: {config.model_type} refuses {rope.scaling or rope.theta}: {error}") from error
    return changed


def _parameters(config: PreTrainedConfig, rope: RopeConfig) -> dict[str, Any]:
    parameters = copy.deepcopy(config.rope_parameters)
    if isinstance(parameters.get(_FULL), dict):
        return parameters | {_FULL: _changed(parameters[_FULL], rope, config.max_position_embeddings)}
    return _changed(parameters, rope, config.max_position_embeddings)


def _changed(old: dict[str, Any], rope: RopeConfig, positions: int) -> dict[str, Any]:
    """`old` with the new theta, and the new scaling in place of the old one."""
    new = dict(old)
    if rope.scaling is not None:
        new = {key: old[key] for key in ("rope_theta", "partial_rotary_factor") if key in old} | rope.scaling
        if rope.scaling["rope_type"] in ("yarn", "llama3", "longrope"):
            new.setdefault(_ORIGINAL, old.get(_ORIGINAL) or positions)
    if rope.theta is not None:
        new["rope_theta"] = rope.theta
    return new


def inverse_frequencies(model: nn.Module) -> dict[str, torch.Tensor]:
    """Every inverse-frequency buffer of the model by name, each [rotary dimensions / 2]."""
    return {name: buffer for name, buffer in model.named_buffers() if name.endswith("inv_freq")}


def check_rope_change(model: nn.Module, before: PreTrainedConfig) -> float:
    """Check that what the config of `model` asks of RoPE beyond `before` is what the model does.

    Returns the largest change of a cosine or sine over probe positions (0.0 when nothing was asked). Raises UserError
    when a change was asked for and the rotations are those of the base, or cannot be compared.
    """
    after: PreTrainedConfig = model.config  # type: ignore[assignment]
    if getattr(after, "rope_parameters", None) == getattr(before, "rope_parameters", None):
        return 0.0
    last = max(after.max_position_embeddings, before.max_position_embeddings) - 1
    positions = torch.tensor([[1, 2, last // 2, last]])
    change = 0.0
    for module in _rotary_modules(model):
        try:
            old = type(module)(config=before)
        except TypeError as error:
            raise UserError(
                f"rope: {after.model_type} builds its rotation in a way midtrain cannot check; remove rope."
            ) from error
        for new_table, old_table in zip(_rotations(module, positions), _rotations(old, positions), strict=True):
            change = max(change, float((new_table - old_table).abs().max()))
    if change == 0.0:
        raise UserError(
            f"rope: the change has no effect on {after.model_type} (its rotations are those of the base); remove rope."
        )
    return change


def _rotary_modules(model: nn.Module) -> list[nn.Module]:
    return [m for m in model.modules() if any(name.endswith("inv_freq") for name, _ in m.named_buffers(recurse=False))]


def _rotations(module: nn.Module, positions_1P: torch.Tensor) -> Iterator[torch.Tensor]:
    """Cosine and sine tables at the positions, for each kind of layer the module serves."""
    module = copy.deepcopy(module).to("cpu")  # a rotation may keep a cache of what it was asked
    x = torch.zeros(1, 1, 1, dtype=torch.float32)
    for layer_type in getattr(module, "layer_types", None) or [None]:
        kinds = getattr(module, "rope_type", None)
        if isinstance(kinds, dict) and layer_type not in kinds:  # a layer type without rotation
            continue
        yield from module(x, positions_1P, layer_type) if layer_type else module(x, positions_1P)
