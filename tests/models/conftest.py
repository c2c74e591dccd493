"""A tiny tokenizer and a tiny saved model, made once per session."""

import random

import pytest
import torch

from midtrain.models.export import export
from midtrain.models.load import init_model
from midtrain.models.tokenizer import train_tokenizer

torch.set_num_threads(1)

TINY_LLAMA = {
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "tie_word_embeddings": True,
}


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory):
    words = ["question", "answer", "the", "sum", "of", "is", "42", "1999", "cafe", "\n\n", "x = y", "def f(x):"]
    rng = random.Random(0)
    texts = [" ".join(rng.choices(words, k=40)) for _ in range(50)]
    return train_tokenizer(texts, 300, tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def tiny(tokenizer, tmp_path):
    """The folder of a tiny tied Llama with 64 positions."""
    return export(init_model(TINY_LLAMA, tokenizer, seed=1), tokenizer, tmp_path / "tiny")
