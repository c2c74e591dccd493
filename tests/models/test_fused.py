"""Fused norms and feed-forward blocks compute what the architecture's own do, and hold less memory."""

import copy

import pytest
import torch
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from midtrain.models.fused import fuse, unfuse

COMMON = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
# Architecture -> settings, and how many norms and feed-forward blocks two layers have that qualify.
EXPECTED = {
    "llama": ({}, 5 + 2),
    "qwen3": ({"head_dim": 8}, 5 + 4 + 2),
    "olmo2": ({}, 5 + 4 + 2),
    "gemma3_text": ({"head_dim": 8}, 9 + 4 + 0),  # GELU
    "phi3": ({}, 5 + 0),  # gate and up are one matrix
    "mixtral": ({"num_local_experts": 2}, 5 + 0),
}


def build(kind):
    torch.manual_seed(0)
    settings, _ = EXPECTED[kind]
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**COMMON, **settings))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.train()


def ids():
    return torch.randint(0, 61, (2, 11), generator=torch.Generator().manual_seed(3))


def gradients(model, weight):
    model.zero_grad()
    logits = model(ids(), use_cache=False).logits
    (logits * weight).sum().backward()
    return logits.detach(), {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize("kind", EXPECTED)
def test_logits_and_gradients_are_the_architectures_own(kind):
    model = build(kind)
    weight = torch.randn(2, 11, 61)
    logits, expected = gradients(model, weight)
    assert fuse(model) == EXPECTED[kind][1]
    fused_logits, actual = gradients(model, weight)
    torch.testing.assert_close(fused_logits, logits, rtol=0, atol=2e-6 * logits.abs().max().item())
    for name, gradient in expected.items():
        bound = 1e-5 * gradient.abs().max().item() + 1e-8
        torch.testing.assert_close(actual[name], gradient, rtol=0, atol=bound, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("part", ["input_layernorm", "mlp"])
def test_one_block_to_single_precision(part):
    model = build("llama")
    block = getattr(model.model.layers[0], part)
    x = (torch.randn(3, 7, 32) * 2).requires_grad_()
    slope = torch.randn(3, 7, 32)
    inputs = (x, *block.parameters())
    expected = (block(x), *torch.autograd.grad(block(x), inputs, slope))
    assert fuse(block) == 1
    actual = (block(x), *torch.autograd.grad(block(x), inputs, slope))
    for a, b in zip(actual, expected, strict=True):
        assert (a - b).abs().max() <= 1e-6 * b.abs().max()


def test_parameters_names_and_files_stay_as_they_are(tmp_path):
    model = build("llama")
    before = dict(model.named_parameters())
    fuse(model)
    assert {name: id(p) for name, p in model.named_parameters()} == {name: id(p) for name, p in before.items()}
    model.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert all(torch.equal(p, before[name]) for name, p in loaded.named_parameters())


def test_a_copy_computes_with_its_own_weights():
    model = build("llama")
    fuse(model)
    twin = copy.deepcopy(model)
    before = model(ids()).logits
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert (twin(ids()).logits == 0).all()
    assert torch.equal(model(ids()).logits, before)


def test_fusing_twice_changes_nothing_and_unfuse_takes_it_back():
    model = build("llama")
    own = model(ids()).logits
    assert fuse(model) == 7
    assert fuse(model) == 0
    unfuse(model)
    assert torch.equal(model(ids()).logits, own)
    assert "forward" not in model.model.layers[0].mlp.__dict__


def test_other_precisions_use_the_modules_own_forward():
    model = build("llama")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        own = model(ids()).logits
        fuse(model)
        assert torch.equal(model(ids()).logits, own)
    model.bfloat16()
    fused = model(ids()).logits
    unfuse(model)
    assert torch.equal(model(ids()).logits, fused)


def test_a_norm_that_only_looks_alike_is_left_alone():
    class HalfRMSNorm(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.eps = torch.nn.Parameter(torch.ones(8)), 1e-6

        def forward(self, x):
            return 0.5 * torch.nn.functional.rms_norm(x, (8,), self.weight, self.eps)

    assert fuse(HalfRMSNorm()) == 0


def test_frozen_weights_get_no_gradient():
    model = build("llama")
    fuse(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.endswith("up_proj.weight"))
    model(ids()).logits.sum().backward()
    assert {n for n, p in model.named_parameters() if p.grad is not None} == {
        f"model.layers.{layer}.mlp.up_proj.weight" for layer in (0, 1)
    }


def test_a_step_holds_less():
    def held(model):
        kept = {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x: kept.setdefault(x.untyped_storage().data_ptr(), x).untyped_storage().nbytes() and x, lambda x: x
        ):
            model(ids(), use_cache=False)
        own = {p.untyped_storage().data_ptr() for p in model.parameters()}
        return sum(x.untyped_storage().nbytes() for pointer, x in kept.items() if pointer not in own)

    model = build("llama")
    plain = held(model)
    fuse(model)
    saved = plain - held(model)
    floats = 22 * (2 * (2 * 48 + 2 * 32) + 32)  # tokens x (layers x (2 feed-forward + 2 norms) + the last norm)
    assert saved >= 4 * floats * 0.95
