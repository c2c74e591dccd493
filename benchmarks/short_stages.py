"""Short stages for benchmarks of the loop: the shipped base, the standard library's source as data, a held-out loss.

Everything needed is in this repository and in Python itself. Documents are the functions and classes of the standard
library that have a docstring, one in eight of the files held out.
"""

from __future__ import annotations

import ast
import hashlib
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from midtrain.core.progress import be_quiet
from midtrain.core.run import Run
from midtrain.models.load import load_model
from midtrain.models.tokenizer import Tokenizer
from midtrain.tokens.batches import StageData
from midtrain.tokens.config import MixtureConfig
from midtrain.tokens.mixture import Mixture, mixture_sources
from midtrain.tokens.packing import pack
from midtrain.tokens.weights import Weights
from midtrain.training.config import StageConfig
from midtrain.training.loop import train
from midtrain.training.spikes import document_losses
from midtrain.training.state import CarriedState, base_state, final_state

BASE = Path(__file__).parent.parent / "src" / "midtrain" / "assets" / "tiny-base"
CONTEXT, ROWS = 512, 8
BLOCK_STEPS = 8
"""Steps of one block of the mixture."""
_MOST_FILES = 250


@dataclass
class MemoryStore:
    """A token store in memory, as `StageData` reads one."""

    tokens: np.ndarray
    offsets: np.ndarray
    digest: str
    mask: None = None

    @classmethod
    def of(cls, documents: list[list[int]]) -> MemoryStore:
        """The store of encoded documents, in order."""
        flat = np.concatenate([np.asarray(document, np.uint16) for document in documents])
        offsets = np.cumsum([0, *map(len, documents)]).astype(np.int64)
        return cls(flat, offsets, hashlib.blake2b(flat.tobytes(), digest_size=16).hexdigest())

    def document_ids(self, indices: np.ndarray) -> list[str]:
        """Documents are called by their place."""
        return [f"document-{index}" for index in indices]


@cache
def encoded() -> tuple[list[list[int]], list[list[int]]]:
    """(training documents, held-out documents) as token ids, each with its end of text."""
    tokenizer = Tokenizer.load(BASE)
    texts: tuple[list[str], list[str]] = ([], [])
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")) + sorted(
        Path(sysconfig.get_paths()["stdlib"]).glob("[a-z]*/*.py")
    )
    for file in [file for file in files if "test" not in file.as_posix() and "site-packages" not in file.parts][
        :_MOST_FILES
    ]:
        try:
            source = file.read_text()
            nodes = [n for n in ast.walk(ast.parse(source)) if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
        except (SyntaxError, UnicodeDecodeError):
            continue
        lines = source.splitlines(keepends=True)
        held_out = hashlib.blake2b(file.name.encode(), digest_size=1).digest()[0] % 8 == 0
        for node in nodes:
            if ast.get_docstring(node):
                texts[held_out].append("".join(lines[node.lineno - 1 : node.end_lineno]))
    end = tokenizer.eos_id
    assert end is not None
    train_ids, heldout_ids = ([[*ids, end] for ids in tokenizer.encode(part)] for part in texts)
    return train_ids, heldout_ids


def stage_data(stores: Mapping[str, MemoryStore], weights: dict[str, float], steps: int, seed: int) -> StageData:
    """`steps` batches of ROWS x CONTEXT tokens, in an order that is the seed's."""
    rows = {name: pack(np.diff(store.offsets), CONTEXT, seed=seed) for name, store in stores.items()}
    config = MixtureConfig(weights=weights, max_epochs=100)
    return StageData(
        stores,
        rows,
        Mixture(
            mixture_sources(config, rows),
            Weights(config, list(rows)),
            num_positions=steps * ROWS,
            block=ROWS * BLOCK_STEPS,
            seed=seed,
        ),
        CONTEXT,
        ROWS,
    )


def stage_config(steps: int, weights: dict[str, float], **fields: Any) -> StageConfig:
    """A stage of `steps` batches; `fields` as in a recipe."""
    defaults = {
        "tokens": steps * ROWS * CONTEXT,
        "context": CONTEXT,
        "batch_tokens": ROWS * CONTEXT,
        "mixture": {"weights": weights, "max_epochs": 100},
        "checkpoint_every": steps,
        "log_every": 1,
    }
    return StageConfig.model_validate(defaults | fields)


def base_model(seed: int | None = None) -> Any:
    """The shipped base, or (with a seed) its architecture initialised anew."""
    model = load_model(BASE)
    if seed is not None:
        torch.manual_seed(seed)
        fresh = type(model)(model.config)
        model.load_state_dict(fresh.state_dict())
    return model


def run_stage(
    folder: Path, data: StageData, config: StageConfig, *, model: Any = None, initial: CarriedState | None = None
) -> tuple[CarriedState, Path]:
    """Train one stage from the shipped base (or `model`); returns what it left, and its folder."""
    be_quiet()
    with Run(folder, kind="train", version=1, asked={}, inputs={}) as run:
        draft = train(
            model=model if model is not None else base_model(),
            data=data,
            config=config,
            run=run,
            initial=initial if initial is not None or model is not None else base_state(BASE),
            seed=0,
        )
        artifact = run.seal(draft)
    return final_state(artifact), artifact.path


@cache
def heldout_data(documents: int) -> StageData:
    """The first `documents` held-out documents as batches."""
    store = MemoryStore.of(encoded()[1][:documents])
    rows = pack(np.diff(store.offsets), CONTEXT, seed=0).num_instances
    return stage_data({"heldout": store}, {"heldout": 1.0}, max(1, rows // ROWS), seed=0)


def heldout_loss(weights: Mapping[str, torch.Tensor], documents: int = 150) -> float:
    """Mean nats per token of the held-out documents under `weights` (by parameter name)."""
    model = base_model()
    CarriedState("a result", weights=dict(weights)).load_weights(model)
    data = heldout_data(documents)
    pieces = [piece for step in range(data.num_steps) for piece in document_losses(model, data, step, ROWS)]
    targets = np.array([piece["targets"] for piece in pieces])
    return float(np.average([piece["loss"] for piece in pieces], weights=targets))


def mean_of(models: list[Mapping[str, torch.Tensor]], weights: list[float] | None = None) -> dict[str, torch.Tensor]:
    """The weighted mean of models, in float64 (equal weights when none are given)."""
    weights = weights or [1 / len(models)] * len(models)
    return {
        name: sum(w * model[name].double() for w, model in zip(weights, models, strict=True)).float()  # type: ignore
        for name in models[0]
    }
