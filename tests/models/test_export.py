"""Export and the gates: plain transformers reads exactly what was trained, and a difference is found."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from midtrain.core.errors import UserError
from midtrain.models.config import RopeConfig
from midtrain.models.export import export
from midtrain.models.load import init_model, load_model, load_moments, training_state
from midtrain.models.parity import ParityError, check_export, check_load


def test_plain_transformers_reads_it(tiny, tokenizer, tmp_path):
    model = load_model(tiny)
    folder = export(model, tokenizer, tmp_path / "out")
    names = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {file.name for file in folder.iterdir()} == names | {"chat_template.jinja"}
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")  # tied: stored once
    text = (folder / "config.json").read_text()
    assert "midtrain" not in text
    assert str(tmp_path) not in text
    assert json.loads((folder / "tokenizer_config.json").read_text())["tokenizer_class"] == "PreTrainedTokenizerFast"
    plain = AutoModelForCausalLM.from_pretrained(folder)
    assert plain.dtype == torch.float32
    ids = AutoTokenizer.from_pretrained(folder)("the question is 42", return_tensors="pt").input_ids
    torch.testing.assert_close(plain(ids).logits, model(ids).logits, rtol=1e-5, atol=1e-5)
    assert model.config._attn_implementation == "midtrain_documents"  # saving left the model as it was


def test_bfloat16_is_the_rounded_model(tiny, tokenizer, tmp_path):
    model = load_model(tiny)
    folder = export(model, tokenizer, tmp_path / "half", dtype=torch.bfloat16)
    assert json.loads((folder / "config.json").read_text())["dtype"] == "bfloat16"
    stored = load_file(folder / "model.safetensors")
    assert "lm_head.weight" not in stored
    assert all(torch.equal(stored[n], w.detach().to(torch.bfloat16)) for n, w in model.named_parameters())
    assert 0 < check_export(folder, model, tokenizer)["logits"] < 0.04
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


def test_rope_and_context_survive(tiny, tokenizer, tmp_path):
    rope = RopeConfig(theta=50_000.0, scaling={"rope_type": "yarn", "factor": 4.0})
    model = load_model(tiny, context=256, rope=rope)
    folder = export(model, tokenizer, tmp_path / "long")
    assert check_export(folder, model, tokenizer)["inv_freq"] == 0.0
    written = json.loads((folder / "config.json").read_text())  # for programs older than rope_parameters
    assert written["rope_theta"] == 50_000.0
    assert written["rope_scaling"] == {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    plain = AutoModelForCausalLM.from_pretrained(folder)
    assert torch.equal(plain.model.rotary_emb.inv_freq, model.model.rotary_emb.inv_freq)
    assert plain.model.rotary_emb.attention_scaling == model.model.rotary_emb.attention_scaling
    assert plain.config.max_position_embeddings == 256
    assert load_model(folder, context=256).config.rope_parameters == model.config.rope_parameters


def test_training_state_goes_along(tiny, tokenizer, tmp_path):
    model = load_model(tiny)
    moments = {f"exp_avg.{name}": torch.rand_like(weight) for name, weight in model.named_parameters()}
    state = {"learning_rate": 1e-3, "step": 10, "tokens": 1000, "phase": "stable"}
    folder = export(model, tokenizer, tmp_path / "out", training_state=state, moments=moments)
    assert training_state(folder) == state
    again = load_moments(folder)
    assert again.keys() == moments.keys()
    assert all(torch.equal(again[name], moments[name]) for name in moments)
    assert torch.equal(load_model(folder).model.norm.weight, model.model.norm.weight)


def test_an_export_is_whole_or_absent(tiny, tokenizer, tmp_path, monkeypatch):
    model = load_model(tiny)
    with pytest.raises(UserError, match="already holds something"):
        export(model, tokenizer, tiny)
    monkeypatch.setattr(
        type(tokenizer.hf), "save_pretrained", lambda *a, **k: (_ for _ in ()).throw(OSError(28, "full"))
    )
    with pytest.raises(UserError, match="disk is full"):
        export(model, tokenizer, tmp_path / "out" / "model")
    assert list((tmp_path / "out").iterdir()) == []


def test_sampling_settings_without_do_sample_are_repaired(tiny, tokenizer, tmp_path):
    file = tiny / "generation_config.json"
    file.write_text(json.dumps({"temperature": 0.6, "top_p": 0.9}))
    folder = export(load_model(tiny), tokenizer, tmp_path / "out")
    written = json.loads((folder / "generation_config.json").read_text())
    assert (written["temperature"], written["do_sample"]) == (0.6, True)


def test_check_load_measures(tiny):
    facts = check_load(load_model(tiny, context=128, rope=RopeConfig(theta=1e5)), tiny)
    assert facts["logits"] < 1e-5
    assert facts["tied"] == 1.0
    assert facts["padded_rows"] == 0


def test_check_load_finds_a_changed_weight(tiny):
    model = load_model(tiny)
    with torch.no_grad():
        model.model.layers[0].self_attn.q_proj.weight.mul_(-1)
    with pytest.raises(ParityError, match="logits of document 0 differ"):
        check_load(model, tiny)


def test_check_load_finds_documents_that_see_each_other(tiny, monkeypatch):
    from midtrain.models import parity

    # one document where there are two: what a mask that was quietly dropped looks like
    real = parity.document_kwargs
    monkeypatch.setattr(parity, "document_kwargs", lambda cu, lengths, device: real([0, sum(lengths)], [sum(lengths)]))
    with pytest.raises(ParityError, match="logits of document 1 differ"):
        check_load(load_model(tiny), tiny)


def test_check_load_finds_a_late_rotation(tiny):
    model = load_model(tiny)
    model.model.rotary_emb.inv_freq.mul_(0.5)
    with pytest.raises(ParityError, match="inv_freq differs"):
        check_load(model, tiny)


def test_check_export_finds_a_changed_weight_and_another_tokenizer(tiny, tokenizer, tmp_path):
    model = load_model(tiny)
    folder = export(model, tokenizer, tmp_path / "out")
    facts = check_export(folder, model, tokenizer)
    assert facts["logits"] < 1e-5
    with torch.no_grad():
        model.model.norm.weight[3] += 1e-6
    with pytest.raises(ParityError, match=r"model\.norm\.weight was not written"):
        check_export(folder, model, tokenizer)
    model = load_model(tiny)
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["merges"] = content["model"]["merges"][:-20]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(ParityError, match="not the one used in training"):
        check_export(folder, model, tokenizer)


def test_check_export_finds_a_tokenizer_that_transformers_would_read_otherwise(tiny, tokenizer, tmp_path):
    model = load_model(tiny)
    folder = export(model, tokenizer, tmp_path / "out")
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text()) | {"tokenizer_class": "GPT2Tokenizer"}  # brings a split of its own
    config.pop("backend", None)
    file.write_text(json.dumps(config))
    with pytest.raises(ParityError, match="AutoTokenizer gives other ids"):
        check_export(folder, model, tokenizer)


def test_partial_rotation_survives(tokenizer, tmp_path):
    fields = {"model_type": "phi3", "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1}
    fields |= {"num_attention_heads": 4, "rope_parameters": {"rope_theta": 2e4, "partial_rotary_factor": 0.5}}
    scaling = {"rope_type": "longrope", "factor": 2.0, "short_factor": [1.0] * 4, "long_factor": [2.0] * 4}
    for number, extra in enumerate(({}, {**scaling, "original_max_position_embeddings": 32})):
        rope = fields["rope_parameters"] | extra
        model = init_model({**fields, "rope_parameters": rope, "max_position_embeddings": 64}, tokenizer, seed=0)
        folder = export(model, tokenizer, tmp_path / str(number))
        check_export(folder, model, tokenizer)
        assert load_model(folder).config.rope_parameters["partial_rotary_factor"] == 0.5
        assert load_model(folder).config.rope_parameters["rope_theta"] == 2e4
