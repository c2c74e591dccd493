"""What a training step costs: multiplications to do, bytes to hold, and how fast this machine multiplies at best.

Floating-point operations of one step, forward and backward, are counted as the model needs them (work that an
implementation repeats or wastes is not counted), with 2 operations for a multiply-add and a backward of twice the
forward:

    6 * (parameters that multiply) * tokens  +  12 * layers * heads * head_dim * pairs

A pair is a query that sees a key. A causal document of S tokens has S (S + 1) / 2 pairs, a window W leaves each query
at most W keys. Forward takes 4 operations a pair, head and dimension (2 for the score, 2 for the value), so with
backward 12; for one document without window that is the familiar 6 * layers * heads * head_dim * S ** 2. Counting the
full T x T of a packed row instead, as many trainers do, flatters the utilisation by up to the number of documents.

Embeddings are a look-up and multiply nothing; the output head does, tied to them or not. Of the experts of a
mixture-of-experts layer only those that a token visits count.

Memory is estimated for plain PyTorch autograd as our training step uses it: `memory_estimate` says how.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedConfig

from midtrain.models.loss import default_chunk

# Dense bf16 peaks in FLOP/s from the makers' data sheets, by a part of the device's name; the first match counts.
_BF16_PEAKS = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
    "MI300X": 1307e12,
}


class Parameters(NamedTuple):
    """How many numbers a model learns, and how many of them a token is multiplied with."""

    total: int
    """All parameters, tied ones once."""
    head: int
    """Those of the output head (also when tied to the embedding)."""
    body: int
    """Those of all other matrices, experts by the share that one token visits."""

    @property
    def matmul(self) -> int:
        """The parameters that multiply each token: body and head."""
        return self.body + self.head


def count_parameters(model: nn.Module | PreTrainedConfig) -> Parameters:
    """Count the parameters of a causal language model, or of the one that a transformers config describes."""
    skeleton = _skeleton(model)
    embeddings = {id(p) for m in skeleton.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    head = skeleton.get_output_embeddings().weight
    body = 0
    for parameter in skeleton.parameters():
        if id(parameter) in embeddings or parameter is head or parameter.ndim < 2:
            continue
        share = 1.0
        if parameter.ndim == 3:  # [experts, out, in]
            share = getattr(skeleton.config, "num_experts_per_tok", parameter.shape[0]) / parameter.shape[0]
        body += round(parameter.numel() * share)
    return Parameters(sum(p.numel() for p in skeleton.parameters()), head.numel(), body)


def matmul_parameters(model: nn.Module | PreTrainedConfig) -> int:
    """Parameters that multiply each token: the output head included, embeddings and norms not."""
    return count_parameters(model).matmul


def step_flops(model: nn.Module | PreTrainedConfig, lengths: Iterable[int], targets: int | None = None) -> float:
    """Operations of one forward and backward over documents of these lengths in tokens, each attending to itself.

    `targets` is the number of tokens that have loss, when the head is computed for these only (default: all).
    """
    config = _config(model)
    lengths = list(lengths)
    tokens = sum(lengths)
    parameters = count_parameters(model)
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    pairs = sum(causal_pairs(length, window) for window in _windows(config) for length in lengths)
    head = 6 * parameters.head * (tokens if targets is None else targets)
    return float(6 * parameters.body * tokens + head + 12 * heads * head_dim * pairs)


def causal_pairs(length: int, window: int | None = None) -> int:
    """How many (query, key) pairs causal attention of `length` tokens has, each query seeing at most `window` keys."""
    if window is None or window >= length:
        return length * (length + 1) // 2
    return window * (window + 1) // 2 + (length - window) * window


def _windows(config: PreTrainedConfig) -> list[int | None]:
    """The sliding window of every layer that has softmax attention (None: sees everything before it)."""
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        return [window] * config.num_hidden_layers
    return [window if kind == "sliding_attention" else None for kind in kinds if "linear" not in kind]


def _config(model: nn.Module | PreTrainedConfig) -> Any:
    return model if isinstance(model, PreTrainedConfig) else model.config


def _skeleton(model: nn.Module | PreTrainedConfig) -> Any:
    if isinstance(model, nn.Module):
        return model
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(model)


@lru_cache
def gemm_peak(device: str = "cpu", dtype: torch.dtype = torch.float32) -> float:
    """The FLOP/s that this process can reach in a matrix product: what utilisation is a share of.

    The data sheet's dense bf16 peak for the GPUs we know; otherwise the best of square products tried for about 0.3
    seconds, with the threads PyTorch has now. Measured once per process, device and dtype.
    """
    where = torch.device(device)
    if where.type == "cuda" and dtype == torch.bfloat16:
        name = torch.cuda.get_device_name(where)
        for known, peak in _BF16_PEAKS.items():
            if known in name:
                return peak
    sizes = (512, 1024) if where.type == "cpu" else (4096, 8192)
    best = 0.0
    for size in sizes:
        a, b = (torch.randn(size, size, device=where).to(dtype) for _ in range(2))
        out = a @ b
        end = time.perf_counter() + 0.15
        while time.perf_counter() < end:
            begin = _now(where)
            torch.mm(a, b, out=out)
            best = max(best, 2 * size**3 / (_now(where) - begin))
    return best


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def memory_estimate(
    model: nn.Module | PreTrainedConfig,
    micro_tokens: int,
    *,
    bytes_per_number: int = 4,
    bytes_per_moment: int = 4,
    fused: bool = True,
    checkpointing: bool = False,
) -> dict[str, int]:
    """Bytes that a training step of a Llama-like model holds at its peak, by what they are for.

    weights, gradients and the two moments are exact. `activations` is what autograd keeps for backward, per token and
    layer, with D hidden size, Q and K the widths of all query and key heads, F feed-forward size:

        norms 2 x 2 D | attention's input is the second of these; queries Q, keys and values 2 K, output 2 Q (once as
        attention's own, once joined for the projection), logsumexp | gate, up 2 F, and silu(gate), product 2 F

    With `fused` (`models/fused.py`) a norm keeps D less and the last 2 F are gone. With `checkpointing` a layer keeps
    its input D only, and one layer at a time is whole. `loss` is one chunk's logits twice and what the chunked loss
    returns; `transient` one layer's gradients on their way down.

    Against what a step of 4,096 tokens really added to resident memory, for Llamas of 0.6, 3 and 7 million parameters,
    the total without weights was 5 % low, 3 % high and exact, and with `fused` 20, 2 and 8 % low; some 25 MB of that
    are what the libraries load at their first step. What autograd keeps was counted to 1 %.
    """
    config = _config(model)
    parameters = count_parameters(model)
    width, layers, feed = config.hidden_size, config.num_hidden_layers, config.intermediate_size
    head_dim = getattr(config, "head_dim", None) or width // config.num_attention_heads
    queries, keys = config.num_attention_heads * head_dim, config.num_key_value_heads * head_dim
    layer = (
        (4 if fused else 6) * width + 3 * queries + 2 * keys + config.num_attention_heads + (2 if fused else 4) * feed
    )
    kept = width * layers + layer if checkpointing else layer * layers
    rows = min(default_chunk(config.vocab_size), micro_tokens)
    number = bytes_per_number
    estimate = {
        "weights": parameters.total * number,
        "gradients": parameters.total * number,
        "moments": 2 * parameters.total * bytes_per_moment,
        "activations": micro_tokens * (kept + (2 if fused else 3) * width) * number,
        "loss": 2 * rows * config.vocab_size * 4 + micro_tokens * width * number + parameters.head * 4,
        "transient": micro_tokens * (3 * feed + 2 * width) * number,
    }
    return {**estimate, "total": sum(estimate.values())}
