"""RoPE methods: the published formulas, transformers' own values, and settings that must not be silent."""

import json
import math

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.core.fingerprint import fingerprint
from midtrain.models.config import RopeConfig
from midtrain.models.export import export
from midtrain.models.load import init_model, load_model
from midtrain.models.rope import apply_rope, check_rope_change
from midtrain.models.rope_frequencies import critical_theta, least_theta, ntk_theta, rotation

FIELDS = {
    "model_type": "llama",
    "hidden_size": 128,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}
OLMO3 = FIELDS | {
    "model_type": "olmo3",
    "num_hidden_layers": 2,
    "layer_types": ["sliding_attention", "full_attention"],
    "sliding_window": 64,
}
FACTORS = [1 + i / 8 for i in range(32)]
METHODS = {
    "abf": RopeConfig(method="abf"),
    "pi": RopeConfig(method="pi"),
    "ntk": RopeConfig(method="ntk"),
    "yarn": RopeConfig(method="yarn"),
    "llama3": RopeConfig(method="llama3"),
    "longrope": RopeConfig(method="longrope", factors=FACTORS),
    "yarn by hand": RopeConfig(
        theta=5e4, scaling={"rope_type": "yarn", "factor": 4, "beta_fast": 16, "beta_slow": 2, "truncate": False}
    ),
    "yarn, mscale": RopeConfig(scaling={"rope_type": "yarn", "factor": 4, "mscale": 1.0, "mscale_all_dim": 0.5}),
}


def architecture(fields):
    return AutoConfig.for_model(**fields)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("wanted", [1024, 4096])
def test_every_method_equals_transformers(name, wanted):
    config = apply_rope(architecture(FIELDS), METHODS[name], wanted)
    kind = config.rope_parameters["rope_type"]
    ours = rotation(config.rope_parameters, 64, wanted)
    if kind == "default":
        model = AutoModelForCausalLM.from_config(config)
        theirs, scale = model.model.rotary_emb.inv_freq, model.model.rotary_emb.attention_scaling
    else:
        theirs, scale = ROPE_INIT_FUNCTIONS[kind](config, seq_len=wanted)
    np.testing.assert_allclose(ours.inverse_P, theirs.double().numpy(), rtol=2e-6)
    assert ours.attention_scale == pytest.approx(scale, rel=1e-9)


def test_methods_do_what_their_papers_say():
    config = architecture(FIELDS)
    base = rotation(config.rope_parameters, 64, 512)

    def of(name):
        return rotation(apply_rope(config, METHODS[name], 2048).rope_parameters, 64, 2048)

    np.testing.assert_allclose(of("pi").inverse_P, base.inverse_P / 4)
    assert of("ntk").inverse_P[0] == base.inverse_P[0]
    assert of("ntk").inverse_P[-1] == pytest.approx(base.inverse_P[-1] / 4)
    yarn = of("yarn")
    turns = 512 * base.inverse_P / (2 * math.pi)
    np.testing.assert_allclose(yarn.inverse_P[turns > 40], base.inverse_P[turns > 40])
    np.testing.assert_allclose(yarn.inverse_P[turns < 0.7], base.inverse_P[turns < 0.7] / 4)
    assert yarn.attention_scale == pytest.approx(0.1 * math.log(4) + 1)
    assert of("longrope").attention_scale == pytest.approx(math.sqrt(1 + math.log(4) / math.log(512)))
    np.testing.assert_allclose(of("longrope").inverse_P, base.inverse_P / FACTORS)
    # as many pairs turn once in 2048 tokens under abf as did in 512 before
    assert (of("abf").wavelength_P <= 2048).sum() == (base.wavelength_P <= 512).sum()


def test_suggested_thetas_are_near_those_that_were_used():
    assert critical_theta(10_000, 512, 512) == pytest.approx(10_000)
    assert 0.7 < critical_theta(50_000, 4096, 32768) / 2e6 < 1.4  # SmolLM3's first long stage
    assert 0.6 < critical_theta(10_000, 2048, 8192) / 130_000 < 1.5  # SmolLM2
    assert ntk_theta(10_000, 8, 128) == pytest.approx(10_000 * 8 ** (128 / 126))
    assert least_theta(4096) == pytest.approx(3.2e4, rel=0.1)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_asked_is_built_and_survives_the_export(name, tokenizer, tmp_path):
    folder = export(init_model(FIELDS, tokenizer, seed=0), tokenizer, tmp_path / "base")
    model = load_model(folder, context=2048, rope=METHODS[name])
    there = export(model, tokenizer, tmp_path / "longer")
    plain = AutoModelForCausalLM.from_pretrained(there)
    positions = torch.arange(2048)[None]
    x = torch.zeros(1, 1, 1)
    for ours, theirs in zip(model.model.rotary_emb(x, positions), plain.model.rotary_emb(x, positions), strict=True):
        assert torch.equal(ours, theirs)
    assert json.loads((there / "config.json").read_text())["max_position_embeddings"] == 2048
    again = load_model(there)
    assert torch.equal(again.model.rotary_emb.inv_freq, model.model.rotary_emb.inv_freq)


def test_layers_with_a_window_keep_their_rotation(tokenizer, tmp_path):
    folder = export(init_model(OLMO3, tokenizer, seed=0), tokenizer, tmp_path / "base")
    before, after = load_model(folder), load_model(folder, context=4096, rope=RopeConfig(method="yarn"))
    old, new = before.model.rotary_emb, after.model.rotary_emb
    assert torch.equal(old.sliding_attention_inv_freq, new.sliding_attention_inv_freq)
    assert new.sliding_attention_attention_scaling == 1.0
    assert not torch.equal(old.full_attention_inv_freq, new.full_attention_inv_freq)
    assert new.full_attention_attention_scaling == pytest.approx(0.1 * math.log(8) + 1)


def test_a_setting_that_transformers_ignores_is_told(tokenizer, tmp_path):
    """Of a model with rotations by layer type, transformers reads `truncate` at the wrong place."""
    folder = export(init_model(OLMO3, tokenizer, seed=0), tokenizer, tmp_path / "base")
    yarn = {"rope_type": "yarn", "factor": 8, "truncate": False}
    with pytest.raises(UserError, match="turns otherwise than its parameters say"):
        load_model(folder, context=4096, rope=RopeConfig(scaling=yarn))


def test_frequencies_that_are_not_those_of_the_parameters_are_found(tiny):
    before = load_model(tiny).config
    model = load_model(tiny, context=256, rope=RopeConfig(method="yarn"))
    model.model.rotary_emb.inv_freq.mul_(1.01)
    with pytest.raises(UserError, match="turns otherwise"):
        check_rope_change(model, before)


def test_a_scaling_the_base_has_is_counted_from_the_length_before_it():
    old = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512, "rope_theta": 1e4}
    config = architecture(FIELDS | {"max_position_embeddings": 2048, "rope_parameters": old})
    assert apply_rope(config, RopeConfig(method="yarn"), 4096).rope_parameters["factor"] == 8
    assert apply_rope(config, RopeConfig(method="pi"), 4096).rope_parameters == {
        "rope_type": "linear",
        "factor": 8,
        "rope_theta": 1e4,
    }
    raised = apply_rope(config, RopeConfig(method="abf"), 4096).rope_parameters
    assert raised == old | {"rope_theta": critical_theta(1e4, 2048, 4096)}


def test_a_method_without_a_longer_context_needs_a_factor():
    config = architecture(FIELDS)
    with pytest.raises(UserError, match="nothing to stretch: the context is 512"):
        apply_rope(config, RopeConfig(method="yarn"), 512)
    assert apply_rope(config, RopeConfig(method="yarn", factor=16), 512).rope_parameters["factor"] == 16
    with pytest.raises(UserError, match="3 numbers and llama rotates 32 pairs"):
        apply_rope(config, RopeConfig(method="longrope", factors=[1.0, 2.0, 4.0]), 2048)


@pytest.mark.parametrize(
    ("rope", "words"),
    [
        ({"method": "yarm"}, "yarn"),
        ({"method": "yarn", "scaling": {"rope_type": "linear", "factor": 2}}, "not both"),
        ({"theta": 1e5, "factor": 4}, "factor belongs to a method"),
        ({"method": "longrope"}, "needs factors"),
        ({"method": "yarn", "factors": [1.0]}, "needs factors"),
        ({"method": "longrope", "factors": [0.5]}, "1 or more"),
        ({"method": "abf", "theta": 1e6, "factor": 2}, "needs no factor"),
        ({"method": "yarn", "factor": 1}, "greater than 1"),
    ],
)
def test_mistakes_are_found_without_a_model(rope, words):
    with pytest.raises(UserError, match=words):
        parse(RopeConfig, rope, "recipe.yaml")


def test_a_rope_without_a_method_is_named_as_before():
    assert RopeConfig(theta=20_000).model_dump(mode="json") == {"theta": 20_000, "scaling": None}
    assert fingerprint(RopeConfig(method="pi").model_dump(mode="json")) != fingerprint(
        RopeConfig(method="ntk").model_dump(mode="json")
    )
