"""The head that the loss uses gives each family's own logits, and the gate notices when it does not."""

import pytest
import torch

from midtrain.models.export import export
from midtrain.models.head import head_logits, output_head
from midtrain.models.load import init_model
from midtrain.models.loss import linear_cross_entropy
from midtrain.models.parity import ParityError, check_load

SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
PECULIAR = {
    "gemma2": {"final_logit_softcapping": 0.2, "head_dim": 16, "num_key_value_heads": 1},
    "granite": {"logits_scaling": 4.0},
    "cohere": {"logit_scale": 0.25},
    "phi": {},  # has a bias on its head
}


@pytest.mark.parametrize("kind", PECULIAR)
def test_logits_and_loss_are_the_familys_own(kind, tokenizer):
    model = init_model({"model_type": kind, **SMALL, **PECULIAR[kind]}, tokenizer, seed=0)
    if kind == "phi":
        torch.nn.init.normal_(model.lm_head.bias)
    ids = torch.arange(20)
    with torch.no_grad():
        expected = model(input_ids=ids[None], use_cache=False).logits[0]
        hidden = model.base_model(input_ids=ids[None], use_cache=False).last_hidden_state[0]
        head = output_head(model)
        torch.testing.assert_close(head_logits(head, hidden), expected)
        labels = ids.flip(0)
        out = linear_cross_entropy(hidden, labels_N=labels, weights_N=torch.ones(20), **head)
        torch.testing.assert_close(out.nll_N, torch.nn.functional.cross_entropy(expected, labels, reduction="none"))


def test_the_gate_notices_a_head_it_does_not_know(tokenizer, tmp_path, monkeypatch):
    from midtrain.models import parity

    fields = {"model_type": "granite", **SMALL, "logits_scaling": 4.0}
    model = init_model(fields, tokenizer, seed=0)
    folder = export(model, tokenizer, tmp_path / "granite")
    assert check_load(model, folder)["logits"] < 1e-5
    monkeypatch.setattr(parity, "output_head", lambda m: {**output_head(m), "logit_scale": None})
    with pytest.raises(ParityError, match="logits of document 0 differ"):
        check_load(model, folder)
