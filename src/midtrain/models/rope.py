"""RoPE changes, made on the config before the model is built, and seen to take effect.

transformers computes the inverse frequencies once, when the rotary module is made: a config changed afterwards trains
with the old positions and says nothing. So the change goes into the config first, and afterwards the rotations of
the built model are compared with those the base had: a change that changes nothing is an error, not a log line.

A method (`yarn`, `abf`, ...) is turned into theta and scaling here, from what the base was trained at and the context
that is wanted; the frequencies of the built model are then compared with the method's formula.

Where attention alternates between sliding and full layers with rotations of their own (Gemma 3, OLMo 3), only the
full layers are changed: a sliding layer never looks further than its window, which is what both families' own
long-context stages do.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedConfig

from midtrain.core.errors import UserError
from midtrain.models.config import RopeConfig
from midtrain.models.rope_frequencies import KNOWN, ORIGINAL, critical_theta, ntk_theta, rotation

_FULL = "full_attention"


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
        changed.rope_parameters = _parameters(config, rope, context)
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


def _parameters(config: PreTrainedConfig, rope: RopeConfig, context: int | None) -> dict[str, Any]:
    parameters = copy.deepcopy(config.rope_parameters)
    old = full_parameters(config)
    new = _changed(old, rope, config.max_position_embeddings)
    if rope.method is not None:
        new = _by_method(old, rope, config, context)
    return parameters | {_FULL: new} if old is not config.rope_parameters else new


def full_parameters(config: PreTrainedConfig) -> dict[str, Any]:
    """The rope_parameters of the layers that see everything."""
    parameters = config.rope_parameters
    return parameters[_FULL] if isinstance(parameters.get(_FULL), dict) else parameters


def rotary_dimensions(config: PreTrainedConfig) -> int:
    """How many dimensions of a head are rotated."""
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(size * full_parameters(config).get("partial_rotary_factor", 1.0))


def _changed(old: dict[str, Any], rope: RopeConfig, positions: int) -> dict[str, Any]:
    """`old` with the new theta, and the new scaling in place of the old one."""
    new = dict(old)
    if rope.scaling is not None:
        new = {key: old[key] for key in ("rope_theta", "partial_rotary_factor") if key in old} | rope.scaling
        if rope.scaling["rope_type"] in ("yarn", "llama3", "longrope"):
            new.setdefault(ORIGINAL, old.get(ORIGINAL) or positions)
    if rope.theta is not None:
        new["rope_theta"] = rope.theta
    return new


def _by_method(old: dict[str, Any], rope: RopeConfig, config: PreTrainedConfig, context: int | None) -> dict[str, Any]:
    """The parameters of a method; the numbers it needs follow from the base and the context.

    A scaling the base has already is replaced, and counted from the length before it; abf keeps it and raises theta.
    """
    positions = config.max_position_embeddings
    if rope.method == "abf" and rope.theta is not None:
        return old | {"rope_theta": rope.theta}
    trained = positions if rope.method == "abf" else old.get(ORIGINAL) or positions
    factor = rope.factor or (context or 0) / trained
    if factor <= 1:
        raise UserError(
            f"rope: method {rope.method} has nothing to stretch: the context is {context} and the base was trained at "
            f"{trained}; use a longer context, or give factor."
        )
    theta, dimensions = float(rope.theta or old["rope_theta"]), rotary_dimensions(config)
    kept = {key: old[key] for key in ("partial_rotary_factor",) if key in old} | {"rope_theta": theta}
    if rope.method == "abf":
        return old | {"rope_theta": critical_theta(theta, trained, round(trained * factor))}
    if rope.method == "ntk":
        return kept | {"rope_type": "default", "rope_theta": ntk_theta(theta, factor, dimensions)}
    if rope.method == "pi":
        return kept | {"rope_type": "linear", "factor": factor}
    scaled = kept | {"rope_type": rope.method, "factor": factor, ORIGINAL: trained}
    if rope.method == "llama3":
        return scaled | {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
    if rope.method == "longrope":
        assert rope.factors is not None
        if len(rope.factors) != dimensions // 2:
            raise UserError(
                f"rope.factors has {len(rope.factors)} numbers and {config.model_type} rotates {dimensions // 2} pairs "
                "of dimensions; give one for each."
            )
        # The same for short and long, or a document's rotation would depend on the longest one beside it.
        return scaled | {"short_factor": rope.factors, "long_factor": rope.factors}
    return scaled


def inverse_frequencies(model: nn.Module) -> dict[str, torch.Tensor]:
    """Every inverse-frequency buffer of the model by name, each [rotary dimensions / 2]."""
    return {name: buffer for name, buffer in model.named_buffers() if name.endswith("inv_freq")}


def check_rope_change(model: nn.Module, before: PreTrainedConfig) -> float:
    """Check that what the config of `model` asks of RoPE beyond `before` is what the model does.

    Returns the largest change of a cosine or sine over probe positions (0.0 when nothing was asked). Raises UserError
    when a change was asked for and the rotations are those of the base, are not what the parameters describe, or
    cannot be compared.
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
    _check_formula(model, after)
    return change


def _check_formula(model: nn.Module, config: PreTrainedConfig) -> None:
    """Compare the built frequencies of the layers that see everything with the formula of their parameters."""
    parameters = full_parameters(config)
    if parameters.get("rope_type", "default") not in KNOWN:
        return
    name = "inv_freq" if parameters is config.rope_parameters else f"{_FULL}_inv_freq"
    for module in _rotary_modules(model):
        built_P = dict(module.named_buffers(recurse=False)).get(name)
        if built_P is None:
            continue
        expected_P = rotation(parameters, 2 * len(built_P), config.max_position_embeddings).inverse_P
        if not np.allclose(built_P.float().cpu().numpy(), expected_P, rtol=1e-4, atol=0):
            raise UserError(
                f"rope: {config.model_type} turns otherwise than its parameters say (a setting of "
                f"{parameters.get('rope_type', 'theta')} has no effect in transformers); use another method."
            )


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
