"""Merging folders: what is written is right and whole, and what does not belong together is told in one sentence."""

import json
import shutil
import struct
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from midtrain.core.errors import UserError
from midtrain.models import merge_files as module
from midtrain.models import shards
from midtrain.models.export import export
from midtrain.models.load import init_model, load_model
from midtrain.models.merge_config import MergeConfig
from midtrain.models.merge_files import merge_files
from midtrain.models.parity import check_load
from midtrain.models.shards import TensorLayout, open_weights, write_weights
from midtrain.models.tokenizer import train_tokenizer

LLAMA = {
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "tie_word_embeddings": True,
}


def make(folder, tokenizer, seed, dtype=torch.float32, **fields):
    return str(export(init_model({**LLAMA, **fields}, tokenizer, seed=seed), tokenizer, folder, dtype=dtype))


@pytest.fixture
def three(tokenizer, tmp_path):
    """Three models of one family."""
    return [make(tmp_path / f"model{seed}", tokenizer, seed) for seed in (1, 2, 3)]


def weights(folder):
    return {name: tensor for file in sorted(folder.glob("*.safetensors")) for name, tensor in load_file(file).items()}


def split(folder, size="20KB"):
    """Save a model folder again in several files."""
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, max_shard_size=size)
    (folder / "model.safetensors").unlink()


def edit(file, **fields):
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def refused(config, to, sentence):
    """The merge is refused, and neither the folder nor anything beside it appears."""
    before = sorted(to.parent.iterdir())
    with pytest.raises(UserError, match=sentence):
        merge_files(config, to)
    assert sorted(to.parent.iterdir()) == before


def test_a_soup_is_the_mean_and_a_whole_model(three, tmp_path, monkeypatch):
    monkeypatch.setattr(shards.StoredTensor.blocks, "__defaults__", (50,))  # many blocks in each tensor
    said = merge_files(MergeConfig(models=three), tmp_path / "soup")
    assert said == f"The linear merge of 3 models is at {tmp_path / 'soup'}"
    sources = [weights(tmp_path / f"model{seed}") for seed in (1, 2, 3)]
    found = weights(tmp_path / "soup")
    assert found.keys() == sources[0].keys()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, torch.stack([s[name] for s in sources]).mean(0), rtol=1e-6, atol=1e-8)
    assert check_load(load_model(tmp_path / "soup"), tmp_path / "soup")["tied"] == 1
    record = json.loads((tmp_path / "soup" / "merge.json").read_text())
    assert MergeConfig.model_validate({k: v for k, v in record.items() if k != "midtrain"}) == MergeConfig(models=three)


def test_sharded_and_single_files_mix_and_the_layout_is_the_bases(three, tmp_path):
    split(tmp_path / "model2")
    merge_files(MergeConfig(models=three, base=three[1]), tmp_path / "sharded")
    merge_files(MergeConfig(models=three, base=three[0]), tmp_path / "single")
    layout = [path.name for path in sorted((tmp_path / "model2").glob("*.safetensors*"))]
    assert len(layout) > 3
    assert [path.name for path in sorted((tmp_path / "sharded").glob("*.safetensors*"))] == layout
    index = json.loads((tmp_path / "sharded" / "model.safetensors.index.json").read_text())
    theirs = json.loads((tmp_path / "model2" / "model.safetensors.index.json").read_text())
    assert index["weight_map"] == theirs["weight_map"]
    assert index["metadata"]["total_size"] == theirs["metadata"]["total_size"]
    one, other = weights(tmp_path / "sharded"), weights(tmp_path / "single")
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert load_model(tmp_path / "sharded").config.tie_word_embeddings


def test_dtypes_are_mixed_in_float32_and_written_as_asked(tokenizer, tmp_path):
    one = make(tmp_path / "one", tokenizer, 1, torch.bfloat16)
    two = make(tmp_path / "two", tokenizer, 2)
    merge_files(MergeConfig(models=[one, two]), tmp_path / "as_base")
    merge_files(MergeConfig(models=[one, two], dtype="float32"), tmp_path / "wide")
    wide, narrow = weights(tmp_path / "wide"), weights(tmp_path / "as_base")
    first, second = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, tensor in wide.items():
        assert torch.equal(tensor, (first[name].float() * 0.5 + second[name] * 0.5))
        assert torch.equal(narrow[name], tensor.bfloat16())
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "wide", dtype="auto").dtype == torch.float32
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "as_base", dtype="auto").dtype == torch.bfloat16


def test_every_method_writes_a_model(three, tmp_path):
    asked = {
        "slerp": {"models": three[:2], "t": 0.5},
        "task_arithmetic": {"models": three[1:], "base": three[0], "lambda": 0.5},
        "ties": {"models": three[1:], "base": three[0], "density": 0.5},
        "dare_linear": {"models": three[1:], "base": three[0], "density": 0.5},
        "dare_ties": {"models": three[1:], "base": three[0], "density": 0.5},
    }
    found = {}
    for method, fields in asked.items():
        merge_files(MergeConfig.model_validate({"method": method, **fields}), tmp_path / method)
        load_model(tmp_path / method)
        found[method] = weights(tmp_path / method)["model.embed_tokens.weight"]
    for one in asked:
        assert not any(torch.equal(found[one], found[other]) for other in asked if other != one)


def test_a_tied_matrix_stored_twice_is_left_out(three, tmp_path):
    file = tmp_path / "model2" / "model.safetensors"
    tensors = load_file(file)
    save_file({**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"].clone()}, file, {"format": "pt"})
    merge_files(MergeConfig(models=three, base=three[1]), tmp_path / "soup")
    assert "lm_head.weight" not in weights(tmp_path / "soup")
    save_file({**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"] + 1}, file, {"format": "pt"})
    refused(MergeConfig(models=three), tmp_path / "again", "lm_head.weight is not the embedding")


def test_other_rotary_settings_are_the_bases_and_said(three, tmp_path, capsys):
    edit(tmp_path / "model2" / "config.json", max_position_embeddings=128)
    merge_files(MergeConfig(models=three[:2], base=three[1]), tmp_path / "long")
    assert "has another max_position_embeddings than" in capsys.readouterr().err
    assert load_model(tmp_path / "long").config.max_position_embeddings == 128


def test_models_that_do_not_belong_together_are_refused(three, tokenizer, tmp_path):
    soup = MergeConfig(models=three[:2])
    to = tmp_path / "soup"
    config = tmp_path / "model2" / "config.json"
    whole = config.read_text()
    for fields, sentence in (
        ({"num_attention_heads": 8, "head_dim": 8}, "has num_attention_heads 8 and"),
        ({"model_type": "mistral"}, "model_type mistral"),
        ({"rms_norm_eps": 1e-3}, "rms_norm_eps"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings False"),
        ({"quantization_config": {"bits": 4}}, "is quantized"),
    ):
        edit(config, **fields)
        refused(soup, to, sentence)
        config.write_text(whole)
    file = tmp_path / "model2" / "model.safetensors"
    tensors = load_file(file)
    save_file({**tensors, "model.norm.weight": torch.ones(31)}, file)
    refused(soup, to, r"model\.norm\.weight is \[32\] in .*model1 and \[31\] in .*model2")
    save_file({**tensors, "model.norm.weight": torch.ones(32, dtype=torch.int32)}, file)
    refused(soup, to, "torch.float32 in .* and torch.int32")
    save_file({name: tensor for name, tensor in tensors.items() if name != "model.norm.weight"}, file)
    refused(soup, to, r"model2 has no model\.norm\.weight, which .*model1 has")
    save_file({**tensors, "model.extra.weight": torch.ones(3)}, file)
    refused(soup, to, r"model1 has no model\.extra\.weight")
    broken = tensors["model.norm.weight"].clone()
    broken[3] = float("nan")
    save_file({**tensors, "model.norm.weight": broken}, file)
    refused(soup, to, r"model2: model\.norm\.weight holds NaN")


def test_damaged_files_are_refused(three, tmp_path):
    soup, to = MergeConfig(models=three[:2]), tmp_path / "soup"
    file = tmp_path / "model2" / "model.safetensors"
    whole = file.read_bytes()
    for content in (whole[:-100], whole[:5], struct.pack("<Q", 1 << 40) + whole[8:], b""):
        file.write_bytes(content)
        refused(soup, to, r"model2.model\.safetensors is damaged")
    file.unlink()
    refused(soup, to, "is missing")
    file.write_bytes(whole)
    (tmp_path / "model2" / "config.json").write_text("{")
    refused(soup, to, "not valid JSON")


def test_an_index_that_promises_another_file_is_refused(three, tmp_path):
    split(tmp_path / "model2")
    index = tmp_path / "model2" / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    files = content["weight_map"]
    one, other = min(files, key=files.get), max(files, key=files.get)
    files[one], files[other] = files[other], files[one]
    index.write_text(json.dumps(content))
    refused(MergeConfig(models=three[:2]), tmp_path / "soup", "which it is not; fetch both again")


def test_a_file_cut_short_while_it_is_read_is_refused(three, tmp_path, monkeypatch):
    opened = module.Source.open
    file = tmp_path / "model2" / "model.safetensors"

    def open_and_cut(path):
        source = opened(path)
        if path == three[1]:
            file.write_bytes(file.read_bytes()[:-100])
        return source

    monkeypatch.setattr(module, "Source", SimpleNamespace(open=open_and_cut))
    refused(MergeConfig(models=three[:2]), tmp_path / "soup", "was cut short while it was read")


def test_another_vocabulary_is_refused_and_another_spelling_of_the_file_is_not(three, tmp_path, tokenizer):
    to = tmp_path / "soup"
    file = tmp_path / "model2" / "tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text()), indent=None))
    merge_files(MergeConfig(models=three[:2]), tmp_path / "same")
    other = train_tokenizer(["zebra zebra quokka quokka " * 30], 300, tmp_path / "other")
    shutil.copy(tmp_path / "other" / "tokenizer.json", file)
    assert other.digest != tokenizer.digest
    refused(MergeConfig(models=three[:2]), to, r'Token \d+ is ".*" in .*model1 and ".*" in .*model2')


def test_what_float16_cannot_hold_is_refused(three, tmp_path):
    file = tmp_path / "model1" / "model.safetensors"
    tensors = load_file(file)
    save_file({**tensors, "model.norm.weight": torch.full((32,), 1e6)}, file)
    refused(MergeConfig(models=three, dtype="float16"), tmp_path / "soup", "beyond the range of torch.float16")


def test_an_existing_folder_is_left_alone(three, tmp_path):
    (tmp_path / "soup").mkdir()
    (tmp_path / "soup" / "note").write_text("mine")
    refused(MergeConfig(models=three), tmp_path / "soup", "already holds something")
    assert (tmp_path / "soup" / "note").read_text() == "mine"


def test_integers_are_copied_and_must_agree(three, tmp_path):
    for seed in (1, 2):
        file = tmp_path / f"model{seed}" / "model.safetensors"
        save_file({**load_file(file), "model.counter": torch.tensor([1, 2])}, file, {"format": "pt"})
    merge_files(MergeConfig(models=three[:2], dtype="bfloat16"), tmp_path / "soup")
    found = weights(tmp_path / "soup")
    assert found["model.counter"].tolist() == [1, 2]
    assert found["model.counter"].dtype == torch.int64
    assert found["model.norm.weight"].dtype == torch.bfloat16
    save_file({**load_file(file), "model.counter": torch.tensor([1, 3])}, file, {"format": "pt"})
    refused(MergeConfig(models=three[:2]), tmp_path / "again", "whole numbers cannot be merged")


def test_files_are_read_as_safetensors_reads_them(tmp_path):
    tensors = {
        "half": torch.randn(3, 5).half(),
        "scalar": torch.tensor(3.5),
        "flags": torch.tensor([True, False, True]),
        "wide": torch.randn(2, 2, dtype=torch.float64),
        "empty": torch.zeros(0, 4),
    }
    layouts = [TensorLayout(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()]
    write_weights(tmp_path, {"model.safetensors": layouts}, lambda layout: tensors[layout.name].flatten().split(2))
    again = load_file(tmp_path / "model.safetensors")
    stored = open_weights(tmp_path)
    for name, tensor in tensors.items():
        assert torch.equal(again[name], tensor)
        blocks = list(stored[name].blocks(2))
        assert torch.equal(torch.cat(blocks).view_as(tensor) if blocks else torch.zeros(0, 4), tensor)
