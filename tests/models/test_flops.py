"""The arithmetic of a step, against numbers worked out by hand and against what autograd keeps."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma3TextConfig, LlamaConfig, Olmo2Config, Qwen3Config

from midtrain.models.attention import NAME, document_kwargs
from midtrain.models.flops import (
    attention_pairs,
    count_parameters,
    gemm_peak,
    matmul_parameters,
    memory_estimate,
    step_flops,
)

SMALL = {
    "hidden_size": 96,
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 512,
    "pad_token_id": None,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
LAYER = 96 * 96 * 2 + 96 * 48 * 2 + 3 * 96 * 256


def test_the_head_multiplies_and_the_embedding_does_not():
    tied = LlamaConfig(**SMALL, tie_word_embeddings=True)
    untied = LlamaConfig(**SMALL, tie_word_embeddings=False)
    assert matmul_parameters(tied) == matmul_parameters(untied) == 4 * LAYER + 512 * 96
    assert count_parameters(tied) == 4 * LAYER + 512 * 96 + 9 * 96
    assert count_parameters(untied) - count_parameters(tied) == 512 * 96


def test_pairs_are_those_that_see_each_other():
    assert attention_pairs([3]) == 6
    assert attention_pairs([3, 1, 2]) == 6 + 1 + 3
    assert attention_pairs([5], window=2) == 1 + 2 + 2 + 2 + 2
    assert attention_pairs([5], window=9) == 15


@pytest.mark.parametrize(("length", "window"), [(1, 1), (7, 3), (40, 16), (16, 40)])
def test_pairs_equal_a_counted_mask(length, window):
    i, j = np.indices((length, length))
    assert attention_pairs([length], window) == ((j <= i) & (j > i - window)).sum()


def test_short_documents_cost_less_than_one_long_one():
    config = LlamaConfig(**SMALL, tie_word_embeddings=True)
    linear = 6 * matmul_parameters(config) * 64
    assert step_flops(config, [64]) == linear + 12 * 96 * 4 * (64 * 65 // 2)
    assert step_flops(config, [32, 32]) == linear + 12 * 96 * 4 * 2 * (32 * 33 // 2)


def test_sliding_layers_count_their_window():
    sizes = {**SMALL, "head_dim": 24, "sliding_window": 8}
    layers = ["sliding_attention"] * 3 + ["full_attention"]
    config = Gemma3TextConfig(**{**sizes, "layer_types": layers})
    attention = step_flops(config, [64]) - 6 * matmul_parameters(config) * 64
    assert attention == 12 * 96 * (3 * attention_pairs([64], 8) + attention_pairs([64]))


@pytest.mark.parametrize("kind", [LlamaConfig, Qwen3Config, Olmo2Config])
def test_activations_are_what_autograd_keeps_within_a_quarter(kind):
    sizes = SMALL | ({"head_dim": 24} if kind is Qwen3Config else {})
    config = kind(**sizes, tie_word_embeddings=True)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=NAME)
    own = {p.data_ptr() for p in model.parameters()}
    kept: dict[int, tuple[int, torch.Tensor]] = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    lengths = [128] * 4
    documents = document_kwargs(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32), lengths)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        ids = torch.randint(0, 512, (1, 512))
        model.base_model(ids, position_ids=torch.arange(128).repeat(4)[None], use_cache=False, **documents)
    measured = sum(size for size, _ in kept.values())
    assert memory_estimate(config, micro_tokens=512)["activations"] == pytest.approx(measured, rel=0.25)


def test_the_measured_peak_is_reached_by_no_smaller_product():
    peak = gemm_peak("cpu")
    assert 1e9 < peak < 1e14
    assert gemm_peak("cpu") == peak
