"""A short look at the base on this machine: its size, its positions, and how fast it trains here.

Up to a size that fits and answers in seconds, the probe takes two real training steps of a randomly initialised copy
(weights do not change the speed) at each context of the recipe, on made-up documents. A larger model is not built:
its time follows from its FLOPs and a share of the measured GEMM peak, and the plan says that it is such an estimate.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from midtrain.core.config import format_size
from midtrain.core.errors import UserError
from midtrain.models.config import BaseConfig
from midtrain.recipe.advice import ContextAdvice, advise, suggest
from midtrain.recipe.schema import RecipeConfig
from midtrain.training.config import StageConfig

_MEASURED_UP_TO_PARAMETERS = 150_000_000
_ASSUMED_SHARE_OF_PEAK = 0.35
_DOCUMENT_TOKENS = 400


@dataclass
class Probe:
    """What the plan needs to know of the base and this machine."""

    summary: str
    positions: int
    training_state: dict[str, Any] | None
    tokenizer: Any
    config: Any
    parameters: int
    how: str
    seconds: dict[int, float] = field(default_factory=dict)
    """Context -> seconds per token of training."""

    def flops_per_token(self, context: int) -> float:
        """Training FLOPs (forward and backward) per token at this context, on documents of ordinary length."""
        from midtrain.models.flops import step_flops

        lengths = _lengths(context)
        return step_flops(self.config, lengths) / sum(lengths)

    def seconds_per_token(self, context: int) -> float:
        """Time per trained token on this machine."""
        return self.seconds[context]

    def memory(self, stage: StageConfig) -> dict[str, float]:
        """Bytes by part for one run of the stage that needs most."""
        from midtrain.models.flops import memory_estimate

        parts = memory_estimate(self.config, micro_tokens=stage.micro_sequences * stage.context)
        return {name: float(size) for name, size in parts.items() if name != "total"}


def probe_base(recipe: RecipeConfig, done: dict[str, Path]) -> Probe:
    """Look at the recipe's base; raises UserError when it cannot be found or read."""
    from midtrain.models.flops import count_parameters
    from midtrain.models.load import quiet_transformers, training_state

    config, tokenizer, folder = read_base(recipe.base, done)
    with quiet_transformers():
        parameters = count_parameters(config).total
    state = training_state(folder) if folder is not None else None
    name = recipe.base.path or f"a new {config.model_type}"
    summary = f"{name}: {format_size(parameters)} parameters, {config.max_position_embeddings} positions"
    if state is not None:
        summary += f", stopped at learning rate {state['learning_rate']:g} after {format_size(state['tokens'])} tokens"
    measured = parameters <= _MEASURED_UP_TO_PARAMETERS
    how = "from two probed steps" if measured else f"assuming {_ASSUMED_SHARE_OF_PEAK:.0%} of the measured GEMM peak"
    probe = Probe(summary, config.max_position_embeddings, state, tokenizer, config, parameters, how)
    for stage in recipe.stages.values():
        if stage.context not in probe.seconds:
            measure = _measure if measured else _assume
            probe.seconds[stage.context] = measure(probe, stage)
    return probe


def read_base(base: BaseConfig, done: dict[str, Path]) -> tuple[Any, Any, Path | None]:
    """The transformers config, the tokenizer (None while it is still to be trained) and the folder of a checkpoint."""
    from midtrain.models.load import architecture_config, read_config, resolve_base
    from midtrain.models.tokenizer import Tokenizer

    if base.path is not None:
        folder = resolve_base(base.path)
        return read_config(folder), Tokenizer.load(folder), folder
    assert base.tokenizer is not None
    assert base.architecture is not None
    tokenizer, vocabulary = None, 0
    if "tokenizer" in done:
        tokenizer = Tokenizer.load(done["tokenizer"])
    elif base.tokenizer.path is not None:
        tokenizer = Tokenizer.load(base.tokenizer.path)
    if tokenizer is None:
        assert base.tokenizer.train is not None
        vocabulary = base.tokenizer.train.vocab_size
    return architecture_config(base.architecture, tokenizer, vocabulary), tokenizer, None


def check_context(recipe: RecipeConfig, config: Any) -> dict[str, ContextAdvice]:
    """Advice for the stages that change the positions, by name.

    Raises UserError when a stage's context is beyond what the model was built for and brings no RoPE change, or one
    that the architecture does not take.
    """
    positions = config.max_position_embeddings
    for name, stage in recipe.stages.items():
        if stage.context > positions and stage.rope is None:
            raise UserError(
                f"stages.{name}.context is {stage.context}, beyond the {positions} positions the model was built for; "
                f"add stages.{name}.rope (such as {suggest(config, stage.context)}) or lower the context."
            )
        positions = max(positions, stage.context)
    _check_measured_lengths(recipe, config)
    return advise(config, recipe.stages)


def _check_measured_lengths(recipe: RecipeConfig, config: Any) -> None:
    """Positions that are learned end where they end: nothing can be measured beyond them, not even a parent."""
    evaluation = recipe.evaluation
    asked = {f"retrieval.{name}.lengths": max(one.lengths) for name, one in evaluation.retrieval.items()}
    if evaluation.positions is not None and evaluation.positions.context is not None:
        asked["positions.context"] = evaluation.positions.context
    for field_name, length in asked.items():
        if length > config.max_position_embeddings and not getattr(config, "rope_parameters", None):
            raise UserError(
                f"evaluation.{field_name} has {length}, and {config.model_type} has only "
                f"{config.max_position_embeddings} positions, learned ones; use at most as many."
            )


def _lengths(context: int) -> list[int]:
    """Documents of ordinary length that fill one row."""
    size = min(context, _DOCUMENT_TOKENS)
    return [size] * (context // size) + ([context % size] if context % size else [])


def _measure(probe: Probe, stage: StageConfig) -> float:
    """Seconds per token of the second of two real training steps on one micro-batch."""
    import torch
    from transformers import AutoModelForCausalLM

    from midtrain.models.attention import NAME
    from midtrain.models.fused import fuse
    from midtrain.models.load import quiet_transformers
    from midtrain.training.optimizer import make_optimizer, select_trainable
    from midtrain.training.step import forward_backward

    with quiet_transformers(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(probe.config, attn_implementation=NAME)
    fuse(model)
    optimizer = make_optimizer(model, select_trainable(model, ["*"]), stage.optimizer)
    batch = _batch(probe, stage)
    took = 0.0
    for _ in range(2):
        start = time.perf_counter()
        forward_backward(model, batch, micro_sequences=stage.micro_sequences, num_sources=1)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        took = time.perf_counter() - start
    return took / batch.input_ids_BT.size


def _batch(probe: Probe, stage: StageConfig) -> Any:
    """One micro-batch of made-up documents."""
    from midtrain.tokens.batches import Batch

    rows, context = stage.micro_sequences, stage.context
    lengths = _lengths(context) * rows
    ids = np.random.default_rng(0).integers(0, probe.config.vocab_size, (rows, context))
    return Batch(
        input_ids_BT=ids,
        labels_BT=ids,
        position_ids_BT=np.tile(np.concatenate([np.arange(n) for n in _lengths(context)]), (rows, 1)),
        cu_seqlens=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
        lengths=lengths,
        source_BT=np.zeros((rows, context), np.int16),
        weight_BT=np.ones((rows, context), np.float32),
        positions=np.arange(rows),
    )


def _assume(probe: Probe, stage: StageConfig) -> float:
    import torch

    from midtrain.models.flops import gemm_peak

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return probe.flops_per_token(stage.context) / (_ASSUMED_SHARE_OF_PEAK * gemm_peak(device))
