"""The counted operations are those that a real step does, and the estimated memory is what a real step holds."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, Gemma3TextConfig, LlamaConfig, MixtralConfig, Phi3Config, Qwen3Config

from midtrain.models.attention import NAME, document_kwargs
from midtrain.models.flops import (
    causal_pairs,
    count_parameters,
    gemm_peak,
    matmul_parameters,
    memory_estimate,
    step_flops,
)
from midtrain.models.fused import fuse

SIZES = {
    "vocab_size": 300,
    "hidden_size": 48,
    "intermediate_size": 112,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
}
LLAMA = LlamaConfig(**SIZES, tie_word_embeddings=True)
# Per layer: queries and output 48 x 48 each, keys and values 48 x 24 each, three times 48 x 112.
LAYER = 2 * 48 * 48 + 2 * 48 * 24 + 3 * 48 * 112


@pytest.mark.parametrize("tied", [True, False])
def test_parameters_by_hand(tied):
    config = LlamaConfig(**SIZES, tie_word_embeddings=tied)
    count = count_parameters(AutoModelForCausalLM.from_config(config))
    assert count == count_parameters(config)
    assert count.head == 300 * 48
    assert count.body == 3 * LAYER
    assert count.total == 3 * LAYER + (3 * 2 + 1) * 48 + (1 if tied else 2) * 300 * 48
    assert matmul_parameters(config) == count.matmul == 3 * LAYER + 300 * 48


def test_only_the_experts_a_token_visits_count():
    config = MixtralConfig(**SIZES, num_local_experts=8, num_experts_per_tok=2)
    layer = LAYER - 3 * 48 * 112 + 2 * 3 * 48 * 112 + 8 * 48
    assert matmul_parameters(config) == 3 * layer + 300 * 48


@given(length=st.integers(1, 60), window=st.one_of(st.none(), st.integers(1, 70)))
def test_pairs_are_the_ones_in_the_mask(length, window):
    mask = torch.ones(length, length, dtype=torch.bool).tril()
    if window is not None:
        mask &= ~torch.ones(length, length, dtype=torch.bool).tril(-window)
    assert causal_pairs(length, window) == mask.sum()


def test_a_real_step_does_this_many_operations():
    config = LlamaConfig(**SIZES)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    with FlopCounterMode(display=False) as counter:
        model(torch.randint(0, 300, (1, 32)), use_cache=False).logits.sum().backward()
    # The eager implementation computes all 32 x 32 scores of a document, of which 32 * 33 / 2 are needed.
    wasted = 12 * 3 * 4 * 12 * (32 * 32 - 32 * 33 // 2)
    assert counter.get_total_flops() == step_flops(model, [32]) + wasted


def test_documents_and_targets_by_hand():
    whole, halves = step_flops(LLAMA, [200]), step_flops(LLAMA, [100, 100])
    assert whole - halves == 12 * 3 * 4 * 12 * 100 * 100
    assert whole - step_flops(LLAMA, [200], targets=50) == 6 * 300 * 48 * 150


@pytest.mark.parametrize(
    ("config", "layers"),
    [
        (Phi3Config(**SIZES, sliding_window=10), [10, 10, 10]),
        (Qwen3Config(**SIZES, head_dim=12, sliding_window=10), [None] * 3),
        (
            Gemma3TextConfig(
                **SIZES,
                head_dim=12,
                sliding_window=10,
                layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            ),
            [10, None, 10],
        ),
    ],
)
def test_windows_of_each_architecture(config, layers):
    pairs = sum(causal_pairs(100, window) for window in layers)
    assert step_flops(config, [100]) == 6 * matmul_parameters(config) * 100 + 12 * 4 * 12 * pairs


def test_the_measured_peak_is_a_peak_and_is_kept():
    peak = gemm_peak("cpu")
    assert 1e9 < peak < 1e14
    assert gemm_peak("cpu") == peak


@pytest.mark.parametrize("fused", [False, True])
def test_activations_are_what_a_real_step_keeps(fused):
    model = AutoModelForCausalLM.from_config(LLAMA, attn_implementation=NAME).train()
    if fused:
        fuse(model)
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def remember(x):
        if x.untyped_storage().data_ptr() not in own:
            kept[x.untyped_storage().data_ptr()] = x
        return x

    lengths = [100, 17, 90, 49]
    with torch.autograd.graph.saved_tensors_hooks(remember, lambda x: x):
        positions = torch.cat([torch.arange(n) for n in lengths]).view(2, 128)
        kwargs = document_kwargs([0, 100, 117, 207, 256], lengths)
        model.model(torch.randint(0, 300, (2, 128)), position_ids=positions, use_cache=False, **kwargs)
    held = sum(x.untyped_storage().nbytes() for x in kept.values())
    estimate = memory_estimate(LLAMA, 256, fused=fused)
    assert estimate["activations"] == pytest.approx(held, rel=0.03)
    assert estimate["weights"] == sum(p.numel() * 4 for p in model.parameters())
    assert estimate["total"] == sum(v for k, v in estimate.items() if k != "total")


def test_checkpointing_keeps_one_layer_and_the_inputs_of_the_others():
    config = LlamaConfig(**{**SIZES, "num_hidden_layers": 30})
    whole, cheap = (memory_estimate(config, 1000, checkpointing=c)["activations"] for c in (False, True))
    assert whole / 10 < cheap < whole / 5
