"""Loading: everything that can be wrong with a checkpoint is one sentence, and RoPE changes take effect."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.models.config import BaseConfig, RopeConfig
from midtrain.models.load import init_model, load_model, load_moments, resolve_base, training_state
from midtrain.models.rope import check_rope_change, inverse_frequencies
from midtrain.models.tokenizer import train_tokenizer

GEMMA = {
    "model_type": "gemma3_text",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "sliding_window": 16,
    "layer_types": ["sliding_attention", "full_attention"],
    "max_position_embeddings": 64,
}


def edit_config(folder, **changes):
    file = folder / "config.json"
    config = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


def edit_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_loads_what_transformers_loads(tiny):
    ours = load_model(tiny)
    plain = AutoModelForCausalLM.from_pretrained(tiny)
    assert ours.config._attn_implementation == "midtrain_documents"
    theirs = dict(plain.named_parameters())
    assert ours.state_dict().keys() == plain.state_dict().keys()
    assert all(torch.equal(weight, theirs[name]) for name, weight in ours.named_parameters())
    assert ours.get_output_embeddings().weight is ours.get_input_embeddings().weight
    assert not ours.training


def test_dtype_is_obeyed(tiny):
    assert {weight.dtype for weight in load_model(tiny, dtype=torch.bfloat16).parameters()} == {torch.bfloat16}


def test_theta_takes_effect_with_the_values_of_the_formula(tiny):
    model = load_model(tiny, context=256, rope=RopeConfig(theta=500_000.0))
    expected = 500_000.0 ** -(torch.arange(0, 8, 2, dtype=torch.float) / 8)
    torch.testing.assert_close(model.model.rotary_emb.inv_freq, expected)
    assert model.config.max_position_embeddings == 256


def test_yarn_knows_the_length_of_the_base(tiny):
    model = load_model(tiny, context=256, rope=RopeConfig(scaling={"rope_type": "yarn", "factor": 4.0}))
    assert model.config.rope_parameters["original_max_position_embeddings"] == 64
    assert model.config.rope_parameters["rope_theta"] == 10_000.0
    base = load_model(tiny).model.rotary_emb
    assert not torch.equal(model.model.rotary_emb.inv_freq, base.inv_freq)
    assert model.model.rotary_emb.attention_scaling > base.attention_scaling


def test_theta_alone_keeps_the_scaling_of_the_base(tiny):
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    old = {**scaling, "original_max_position_embeddings": 32, "rope_theta": 10_000.0}
    edit_config(tiny, rope_parameters=old)
    new = load_model(tiny, rope=RopeConfig(theta=20_000.0)).config.rope_parameters
    assert new == old | {"rope_theta": 20_000.0}


def test_only_full_layers_change_where_layers_differ(tokenizer, tmp_path):
    from midtrain.models.export import export

    folder = export(init_model(GEMMA, tokenizer, seed=0), tokenizer, tmp_path / "gemma")
    before = inverse_frequencies(load_model(folder))
    after = inverse_frequencies(load_model(folder, context=128, rope=RopeConfig(theta=4e6)))
    changed = {name.split(".")[-1] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"full_attention_inv_freq", "full_attention_original_inv_freq"}


def test_context_beyond_the_positions_needs_rope(tiny):
    with pytest.raises(UserError, match=r"context 65 is longer than the 64 positions"):
        load_model(tiny, context=65)
    assert load_model(tiny, context=64).config.max_position_embeddings == 64
    longer = load_model(tiny, context=128, rope=RopeConfig(theta=10_000.0))  # said in words: longer, nothing changed
    assert longer.config.max_position_embeddings == 128


def test_a_rope_change_that_comes_too_late_is_found(tiny):
    model = load_model(tiny)
    before = load_model(tiny).config
    model.config.rope_parameters = {"rope_type": "default", "rope_theta": 1e6}  # after the model was built: a no-op
    with pytest.raises(UserError, match="no effect"):
        check_rope_change(model, before)


def test_rope_without_rotary_embedding(tokenizer, tmp_path):
    from midtrain.models.export import export

    gpt2 = {"model_type": "gpt2", "n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64}
    folder = export(init_model(gpt2, tokenizer, seed=0), tokenizer, tmp_path / "gpt2")
    with pytest.raises(UserError, match="no rotary"):
        load_model(folder, rope=RopeConfig(theta=1e6))


@pytest.mark.parametrize(
    ("rope", "words"),
    [
        ({}, "says nothing"),
        ({"scaling": {"rope_type": "yarm", "factor": 2}}, 'Did you mean "yarn"'),
        ({"scaling": {"rope_type": "yarn"}}, "needs factor"),
        ({"scaling": {"rope_type": "yarn", "factor": 2, "beta_fats": 3}}, 'Did you mean "beta_fast"'),
        ({"scaling": {"rope_type": "dynamic", "factor": 2}}, "longest document of a batch"),
        ({"theta": -1}, "greater than 0"),
    ],
)
def test_rope_mistakes_are_found_without_a_model(rope, words):
    with pytest.raises(UserError, match=words):
        parse(RopeConfig, rope, "recipe.yaml")


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ({}, "exactly one of path"),
        ({"path": "a", "architecture": {"model_type": "llama"}}, "exactly one of path"),
        ({"architecture": {"model_type": "llama"}}, "needs a tokenizer"),
        ({"architecture": {}, "tokenizer": {"path": "a"}}, "model_type"),
        ({"path": "a", "tokenizer": {"path": "a"}}, "brings its own"),
        ({"architecture": {"model_type": "llama"}, "tokenizer": {}}, "exactly one of path and train"),
    ],
)
def test_base_mistakes(base, words):
    with pytest.raises(UserError, match=words):
        parse(BaseConfig, base, "recipe.yaml")


def spoil_nan(folder):
    edit_weights(folder, lambda w: w["model.layers.1.mlp.up_proj.weight"].__setitem__((3, 4), float("nan")))


def spoil_missing(folder):
    edit_weights(folder, lambda w: w.pop("model.norm.weight"))


def spoil_unexpected(folder):
    edit_weights(folder, lambda w: w.update({"model.surplus.weight": torch.ones(2)}))


def spoil_truncated(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def spoil_pickle(folder):
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def spoil_shard(folder):
    index = {"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def spoil_untied(folder):
    edit_weights(folder, lambda w: w.update({"lm_head.weight": torch.randn(300, 32)}))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_nan, r"model\.layers\.1\.mlp\.up_proj\.weight holds NaN"),
        (spoil_missing, r"lacks the weight model\.norm\.weight"),
        (spoil_unexpected, r"model\.surplus\.weight"),
        (spoil_truncated, r"model\.safetensors is damaged"),
        (spoil_pickle, r"only pickled weights \(pytorch_model\.bin\)"),
        (spoil_shard, r"model-00001-of-00002\.safetensors is missing"),
        (spoil_untied, r"tie_word_embeddings=True and the weights say False"),
        (lambda f: (f / "model.safetensors").unlink(), r"model\.safetensors is missing"),
        (lambda f: (f / "config.json").unlink(), r"not a model folder \(no config\.json\)"),
        (lambda f: (f / "config.json").write_text("{"), r"not valid JSON"),
        (lambda f: edit_config(f, model_type="lama"), r'Did you mean "llama"'),
        (lambda f: edit_config(f, model_type="mine", auto_map={"AutoConfig": "c.C"}), "its own model code"),
        (lambda f: edit_config(f, model_type="vit"), "not a causal language model"),
        (lambda f: edit_config(f, quantization_config={"quant_method": "gptq"}), "quantized"),
        (lambda f: edit_config(f, intermediate_size=128), r"down_proj\.weight has the shape \[32, 64\]"),
        (lambda f: edit_config(f, hidden_size="wide"), r"not a valid llama config"),
    ],
)
def test_a_spoilt_checkpoint_is_one_sentence(tiny, spoil, words):
    spoil(tiny)
    with pytest.raises(UserError, match=words) as caught:
        load_model(tiny)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_attention_dropout_is_set_to_zero_and_said(tiny, capsys):
    edit_config(tiny, attention_dropout=0.1)
    assert load_model(tiny).config.attention_dropout == 0.0
    assert "attention_dropout is 0.1 in the base" in capsys.readouterr().err


def test_a_tokenizer_with_too_many_ids_is_refused(tiny, tmp_path):
    larger = train_tokenizer(["some words and other words " * 20 + "x" * n for n in range(40)], 320, tmp_path / "t")
    larger.hf.add_tokens([f"extra{i}" for i in range(40)])
    larger.hf.save_pretrained(tiny)
    with pytest.raises(UserError, match="only 300 embedding rows"):
        load_model(tiny)


def test_places(tmp_path):
    with pytest.raises(UserError, match="no folder"):
        resolve_base(tmp_path / "nowhere")
    with pytest.raises(UserError, match='ships no base "tiny-bsae"'):
        resolve_base("asset://tiny-bsae")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        resolve_base(tmp_path / "file")


def test_init_is_a_function_of_the_seed(tokenizer):
    fields = {**GEMMA, "initializer_range": 0.02}
    before = torch.random.get_rng_state()
    one, same, other = (init_model(fields, tokenizer, seed=s).state_dict() for s in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["model.embed_tokens.weight"], other["model.embed_tokens.weight"])
    assert one["model.embed_tokens.weight"].shape == (300, 32)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"hiden_size": 32}, 'Did you mean "hidden_size"'),
        ({"vocab_size": 100}, "only 100 embedding rows"),
        ({"num_hidden_layers": "two"}, "not a valid llama config"),
    ],
)
def test_a_wrong_architecture(tokenizer, fields, words):
    with pytest.raises(UserError, match=words):
        init_model({"model_type": "llama", "hidden_size": 32, "num_attention_heads": 2, **fields}, tokenizer, seed=0)


def test_training_state_and_moments_are_optional_and_checked(tiny):
    assert training_state(tiny) is None
    assert load_moments(tiny) is None
    (tiny / "training_state.json").write_text("[1]")
    with pytest.raises(UserError, match="does not hold a JSON object"):
        training_state(tiny)
    save_file({"exp_avg.a": torch.tensor([float("inf")])}, tiny / "optimizer.safetensors")
    with pytest.raises(UserError, match=r"exp_avg\.a holds NaN or infinity"):
        load_moments(tiny)
    save_file({"momentum.a": torch.ones(1)}, tiny / "optimizer.safetensors")
    with pytest.raises(UserError, match="not a moment"):
        load_moments(tiny)


def test_the_hub_gives_weights_and_tokenizer_but_no_pickle_and_no_code(tmp_path, monkeypatch):
    import fnmatch

    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    asked = {}
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda repo, **k: asked.update(k, repo=repo) or tmp_path)
    assert resolve_base("org/name@v1.0") == tmp_path
    assert (asked["repo"], asked["revision"]) == ("org/name", "v1.0")
    files = ["config.json", "model-00001-of-00002.safetensors", "tokenizer.model", "pytorch_model.bin", "modeling.py"]
    files.append("original/model.safetensors")
    taken = [f for f in files if any(fnmatch.fnmatch(f, p) for p in asked["allow_patterns"])]
    taken = [f for f in taken if not any(fnmatch.fnmatch(f, p) for p in asked["ignore_patterns"])]
    assert taken == files[:3]

    def unreachable(repo, **_):
        raise LocalEntryNotFoundError("no network\nat all")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(UserError, match="org/name is not a folder here, and the Hub cannot be reached"):
        resolve_base("org/name")
