"""A tiny model and a tiny stage of two sources, made of random tokens."""

import gc
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from midtrain.core.run import Run
from midtrain.models.attention import NAME
from midtrain.tokens.batches import StageData
from midtrain.tokens.config import MixtureConfig
from midtrain.tokens.mixture import Mixture, mixture_sources
from midtrain.tokens.packing import pack
from midtrain.tokens.weights import Weights
from midtrain.training.config import StageConfig
from midtrain.training.loop import train

torch.set_num_threads(1)

VOCABULARY, CONTEXT, ROWS = 64, 32, 4


class MemoryStore:
    """A token store in memory."""

    def __init__(self, lengths, low, high, seed):
        self.offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self.tokens = np.random.default_rng(seed).integers(low, high, self.offsets[-1]).astype(np.uint16)
        self.mask, self.digest = None, f"store-{seed}"

    def document_ids(self, indices):
        return [f"id-{index}" for index in indices]


def tiny_model(seed=0, tied=True, layers=1, dropout=0.0):
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=tied,
        attn_implementation=NAME,
    )
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config)
    if dropout:
        model.model.norm = torch.nn.Sequential(model.model.norm, torch.nn.Dropout(dropout))
    return model


def tiny_data(num_steps, weights=None, block_steps=4, seed=5):
    generator = np.random.default_rng(0)
    stores = {
        "low": MemoryStore(generator.integers(8, 60, 100), 0, 20, 1),
        "high": MemoryStore(generator.integers(8, 30, 100), 32, 64, 2),
    }
    rows = {name: pack(np.diff(store.offsets), CONTEXT, seed=0) for name, store in stores.items()}
    config = MixtureConfig(weights=weights or {"low": 0.75, "high": 0.25}, max_epochs=50)
    mixture = Mixture(
        mixture_sources(config, rows),
        Weights(config, list(rows)),
        num_positions=num_steps * ROWS,
        block=block_steps * ROWS,
        seed=seed,
    )
    return StageData(stores, rows, mixture, CONTEXT, ROWS)


def stage_config(num_steps, **fields):
    defaults = {
        "tokens": num_steps * ROWS * CONTEXT,
        "context": CONTEXT,
        "batch_tokens": ROWS * CONTEXT,
        "mixture": {"weights": {"low": 0.75, "high": 0.25}, "max_epochs": 50},
        "schedule": {"peak": 1e-2, "warmup": min(2, num_steps - 1)},
        "checkpoint_every": 3,
        "log_every": 2,
    }
    return StageConfig.model_validate(defaults | fields)


@dataclass
class Workshop:
    """Runs in a folder of its own, and what they need."""

    path: Path
    model = staticmethod(tiny_model)
    data = staticmethod(tiny_data)
    config = staticmethod(stage_config)

    def run(self, name="run"):
        return Run(self.path / name, kind="train", version=1, asked={}, inputs={})

    def train(self, num_steps=8, name="run", model=None, data=None, seed=0, seal=True, fields=None, **more):
        """Train a stage to its end; returns (the run's artifact, the model)."""
        model = model or tiny_model()
        with self.run(name) as run:
            draft = train(
                model=model,
                data=data or tiny_data(num_steps),
                config=stage_config(num_steps, **(fields or {})),
                run=run,
                seed=seed,
                **more,
            )
            return (run.seal(draft) if seal else draft), model


@pytest.fixture(autouse=True, scope="session")
def quick_collections():
    """Every stage collects garbage before it begins: with all that is imported out of the way that takes no time."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def workshop(tmp_path):
    return Workshop(tmp_path)
