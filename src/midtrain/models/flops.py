"""What a training step costs: arithmetic, memory, and how much of the machine's arithmetic it used.

Attention is counted over the pairs of tokens that really see each other: documents in a row do not, so a row of 2,048
tokens with ten documents costs a tenth of the attention of one document, and a utilisation that counted the whole
square would be flattering by as much as the documents are short. Padding costs time and is not counted as useful.

    matmul parameters   6 FLOPs per parameter and token: 2 forward, 4 backward (arXiv:2001.08361 section 2.1). The
                        output head counts, tied or not; the input embedding is a look-up and does not
    attention           4 H D per pair and layer forward (scores and weighted sum, 2 FLOPs each), 12 with backward
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig

_DENSE_BF16_PEAK = {  # FLOP/s without sparsity, from the makers' data sheets
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
}
_FLOAT32 = 4


@lru_cache(maxsize=16)
def _counted(config_json: str, kind: type[PreTrainedConfig]) -> tuple[int, int]:
    """(all parameters, parameters that multiply) of a config, from a model without memory."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(kind(**json.loads(config_json)))
    total = sum(p.numel() for p in model.parameters())
    head = model.get_output_embeddings().weight
    looked_up = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    matmul = sum(p.numel() for p in model.parameters() if p.ndim >= 2 and id(p) not in looked_up and p is not head)
    return total, matmul + head.numel()


def count_parameters(config: PreTrainedConfig) -> int:
    """All parameters of a model of this config, a tied matrix once."""
    return _counted(config.to_json_string(use_diff=False), type(config))[0]


def matmul_parameters(config: PreTrainedConfig) -> int:
    """The parameters that multiply activations, the output head included and the input embedding not."""
    return _counted(config.to_json_string(use_diff=False), type(config))[1]


def attention_pairs(lengths: Sequence[int], window: int | None = None) -> int:
    """Pairs (token, itself or an earlier token of its document, at most `window` back) in documents of `lengths`."""
    sizes = np.asarray(lengths, dtype=np.int64)
    pairs = sizes * (sizes + 1) // 2
    if window is not None:
        beyond = np.maximum(sizes - window, 0)
        pairs = pairs - beyond * (beyond + 1) // 2
    return int(pairs.sum())


def step_flops(config: PreTrainedConfig, lengths: Sequence[int]) -> float:
    """FLOPs of forward and backward over documents of `lengths` tokens (give the padding's segments not)."""
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    per_pair = 12 * config.num_attention_heads * head_size
    pairs = sum(attention_pairs(lengths, window) for window in _windows(config))
    return 6.0 * matmul_parameters(config) * sum(lengths) + float(per_pair * pairs)


def _windows(config: PreTrainedConfig) -> list[int | None]:
    """The sliding window of each layer, None where a layer sees its whole document."""
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        return [window] * config.num_hidden_layers
    return [window if kind == "sliding_attention" else None for kind in kinds]


@lru_cache(maxsize=8)
def gemm_peak(device: torch.device | str = "cpu") -> float:
    """The FLOP/s this device reaches on large matrix products: a known GPU's data sheet, else measured in 0.3 s.

    Measured in float32 on a CPU, with the threads PyTorch has now.
    """
    device = torch.device(device)
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        for known, peak in _DENSE_BF16_PEAK.items():
            if known in name:
                return peak
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    size = 1024 if device.type == "cpu" else 8192
    a, b = torch.randn(size, size, device=device, dtype=dtype), torch.randn(size, size, device=device, dtype=dtype)
    best, spent = 0.0, 0.0
    while spent < 0.3:
        start = time.perf_counter()
        torch.mm(a, b)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        took = time.perf_counter() - start
        spent += took
        best = max(best, 2 * size**3 / took)
    return best


def memory_estimate(config: PreTrainedConfig, *, micro_tokens: int) -> dict[str, float]:
    """Bytes of one training process in float32, by part, with `micro_tokens` tokens in the model at once.

    Activations are what a Llama-like block keeps for its backward pass, per token: five times the hidden size D (two
    norms keep their input and the normalised rows, the output projection its input), twice the queries Q, three times
    the keys K, four times the feed-forward size F. Against what autograd really keeps this is 2 % off for Llama and 11
    to 14 % too low for Qwen3 and OLMo2, whose queries and keys are normalised too. The loss keeps one chunk of logits.
    """
    parameters = count_parameters(config)
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    queries = config.num_attention_heads * head_size
    keys = getattr(config, "num_key_value_heads", config.num_attention_heads) * head_size
    inner = getattr(config, "intermediate_size", 4 * config.hidden_size)
    per_layer = 5 * config.hidden_size + 2 * queries + 3 * keys + 4 * inner
    outside = 4 * config.hidden_size
    return {
        "weights": _FLOAT32 * parameters,
        "gradients": _FLOAT32 * parameters,
        "moments": 2 * _FLOAT32 * parameters,
        "activations": _FLOAT32 * micro_tokens * (config.num_hidden_layers * per_layer + outside),
        "loss": 3.0 * _FLOAT32 * min(micro_tokens, 1024) * config.vocab_size,
    }
