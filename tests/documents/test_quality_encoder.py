"""An encoder scores as transformers does, batch by batch, and a head fitted on it finds what its features hold."""

import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.documents.quality.config import EncoderConfig
from midtrain.documents.quality.encoder import Encoder, _batches, fit_head, load_head, save_head
from midtrain.documents.quality.scorers import fit_scorer, load_scorer

WORDS = ["alpha", "beta", "gamma", "delta", "one", "two", "three", "four"]
TEXTS = ["alpha one", "beta two three", "alpha " * 30, "four", "", "gamma delta one two three four alpha beta"]


def save_encoder(folder, head_labels=None):
    torch.manual_seed(0)
    vocabulary = {"[PAD]": 0, "[UNK]": 1, **{word: k for k, word in enumerate(WORDS, 2)}}
    shape = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 24,
    }
    config = BertConfig(vocab_size=len(vocabulary), **shape, num_labels=head_labels or 2)
    (BertForSequenceClassification if head_labels else BertModel)(config).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel(vocabulary, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    return folder


def encoder(folder, **values):
    return parse(EncoderConfig, {"kind": "encoder", "path": str(folder), "max_tokens": 20, **values}, "recipe")


def test_scores_are_those_of_transformers_one_by_one(tmp_path):
    folder = save_encoder(tmp_path / "three", head_labels=3)
    scores = load_scorer(encoder(folder, label=1, batch_tokens=40)).score(pa.array(TEXTS, pa.large_string()))
    model = BertForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    for text, score in zip(TEXTS, scores, strict=True):
        ids = tokenizer(text or "[PAD]", truncation=True, max_length=20, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            assert score == pytest.approx(model(input_ids=ids).logits.softmax(-1)[0, 1].item(), abs=1e-5)


def test_one_output_is_the_score_itself(tmp_path):
    folder = save_encoder(tmp_path / "one", head_labels=1)
    scores = load_scorer(encoder(folder)).score(pa.array(["alpha", "alpha"], pa.large_string()))
    assert scores.shape == (2,)
    assert scores[0] == pytest.approx(scores[1])


def test_a_head_is_fitted_on_frozen_features(tmp_path):
    folder, fitted = save_encoder(tmp_path / "base"), tmp_path / "fitted"
    fitted.mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(120):
        words = rng.choice(WORDS, 8)
        rows.append({"text": " ".join(words), "label": float(np.isin(words, WORDS[:4]).mean() * 5)})
    examples = tmp_path / "marks.jsonl"
    examples.write_text("\n".join(json.dumps(row) for row in rows))
    config = encoder(folder, train={"examples": {"read": str(examples)}, "good": 2.6, "ridge": 0.1})
    facts = fit_scorer(config, fitted, lambda: pa.array([]))
    assert facts["auc"] > 0.95
    assert facts["root_mean_square_error"] < 0.5
    low, high = load_scorer(config, fitted).score(pa.array(["one two three", "alpha beta gamma"], pa.large_string()))
    assert high - low > 2
    before = load_scorer(config, fitted).describe()
    save_head(fit_head(np.eye(16), np.arange(16.0), 1.0), fitted / "head.safetensors")
    assert load_scorer(config, fitted).describe() != before


def test_ridge_regression_by_hand():
    """One feature, standardised to -1 and 1: the slope is sum(x y) / (n + ridge)."""
    head = fit_head(np.array([[2.0], [4.0], [2.0], [4.0]]), np.array([1.0, 5.0, 1.0, 5.0]), ridge=4.0)
    assert head(np.array([[2.0], [3.0], [4.0]])) == pytest.approx([2.0, 3.0, 4.0])
    constant = fit_head(np.ones((4, 1)), np.array([1.0, 2.0, 3.0, 4.0]), ridge=1.0)
    assert constant(np.array([[7.0]])) == pytest.approx([2.5])


def test_batches_hold_documents_of_like_length():
    lengths = [5, 1, 9, 3, 3, 8]
    batches = list(_batches(lengths, 16))
    assert batches == [[2], [5, 0], [3, 4, 1]]
    assert list(_batches([100], 16)) == [[0]]


def test_what_is_no_encoder_is_told(tmp_path):
    base = save_encoder(tmp_path / "base")
    with pytest.raises(UserError, match=r"has no classification head \(BertModel\); name a model that has one"):
        load_scorer(encoder(base))
    with pytest.raises(UserError, match="reads 24 tokens at most; set max_tokens to 24 or less"):
        Encoder.load(encoder(base, max_tokens=512, train={"examples": {"read": "x"}}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="cannot be loaded as an encoder"):
        load_scorer(encoder(tmp_path / "empty"))
    two = save_encoder(tmp_path / "two", head_labels=2)
    with pytest.raises(UserError, match=r"has 2 labels; name the one that is good\. Known: LABEL_0, LABEL_1"):
        load_scorer(encoder(two))
    with pytest.raises(UserError, match='has no label "LABEL_7"'):
        load_scorer(encoder(two, label="LABEL_7"))
    (tmp_path / "head.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"head\.safetensors is not an encoder's head"):
        load_head(tmp_path / "head.safetensors")
