"""A model folder any program of the field can read: config.json, safetensors, tokenizer, generation_config.json.

The folder is written beside its place and renamed into it, so a reader finds all of it or nothing. Weights go through
transformers' own saving (which knows each family's names on disk and stores tied matrices once) in the dtype asked
for. RoPE parameters and the context are in the config the model was built from, so plain transformers builds the same
rotations; our attention is a way to compute, not part of the model, and leaves no trace. A base that will be trained
further also takes along where its schedule stopped and its optimizer's moments.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import PreTrainedModel

from midtrain.core.artifact import fsync_directory
from midtrain.core.errors import UserError, disk_errors
from midtrain.models.load import MOMENTS, TRAINING_STATE, quiet_transformers
from midtrain.models.tokenizer import Tokenizer


def export(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    path: Path | str,
    *,
    training_state: Mapping[str, Any] | None = None,
    moments: Mapping[str, torch.Tensor] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """Write `model` and `tokenizer` as a transformers folder at `path` (new, or an empty folder); returns it.

    `moments` are `exp_avg.<parameter>` and `exp_avg_sq.<parameter>` tensors, stored in fp32. Raises UserError when
    the folder already holds something or the disk refuses.
    """
    path = Path(path)
    with new_folder(path) as making:
        _write(model, tokenizer, making, dtype)
        if training_state is not None:
            (making / TRAINING_STATE).write_text(json.dumps(dict(training_state), indent=1) + "\n")
        if moments is not None:
            stored = {name: m.detach().to("cpu", torch.float32).contiguous() for name, m in moments.items()}
            save_file(stored, making / MOMENTS, metadata={"format": "pt"})
    return path


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to write a model into; it takes the place `path` when the block ends well, and goes when not.

    Raises UserError when `path` already holds something or the disk refuses.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"{path} already holds something; choose a new folder.")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        making = path.parent / f".exporting-{path.name}-{uuid.uuid4().hex[:8]}"
        try:
            making.mkdir()
            yield making
            _fsync(making)
            os.replace(making, path)
            fsync_directory(path.parent)
        finally:
            shutil.rmtree(making, ignore_errors=True)


def _write(model: PreTrainedModel, tokenizer: Tokenizer, folder: Path, dtype: torch.dtype) -> None:
    with quiet_transformers():
        _repair_generation_config(model)
        model.save_pretrained(folder, state_dict=_cast(model, dtype), max_shard_size="5GB")
        tokenizer.hf.save_pretrained(folder)
    _edit(folder / "config.json", lambda config: config | {"dtype": str(dtype).removeprefix("torch.")} | _rope(config))
    _edit(folder / "tokenizer_config.json", _known_class)


def _rope(config: dict[str, Any]) -> dict[str, Any]:
    """The RoPE parameters once more under the names that programs from before transformers 5 read.

    Such a program finds no `rope_theta`, takes 10000 and says nothing. (Rotations by layer type had other names in
    every family and are left alone.)
    """
    parameters = config.get("rope_parameters") or {}
    if "rope_theta" not in parameters:
        return {}
    named = {key: parameters[key] for key in ("rope_theta", "partial_rotary_factor") if key in parameters}
    scaling = {key: value for key, value in parameters.items() if key not in named}
    return named | ({"rope_scaling": scaling} if scaling.get("rope_type", "default") != "default" else {})


def _known_class(config: dict[str, Any]) -> dict[str, Any]:
    """The name under which every version of transformers reads tokenizer.json as it stands."""
    newer = config.get("tokenizer_class") == "TokenizersBackend"
    return config | {"tokenizer_class": "PreTrainedTokenizerFast"} if newer else config


def _edit(file: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    file.write_text(json.dumps(change(json.loads(file.read_text())), indent=2, sort_keys=True, ensure_ascii=False))


def _cast(model: PreTrainedModel, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The state dict on the CPU in `dtype`; tensors that share memory still share it, so they are stored once."""
    cast: dict[tuple[int, tuple[int, ...]], torch.Tensor] = {}
    state: dict[str, torch.Tensor] = {}
    for name, tensor in model.state_dict().items():
        key = (tensor.data_ptr(), tuple(tensor.shape))
        if key not in cast:
            cast[key] = tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype)
        state[name] = cast[key]
    return state


def _repair_generation_config(model: PreTrainedModel) -> None:
    """Some bases ship sampling settings without saying that they sample, which transformers refuses to write again."""
    generation = model.generation_config
    if generation is None:
        return
    try:
        generation.validate(strict=True)
    except ValueError:
        generation.do_sample = True


def _fsync(folder: Path) -> None:
    for file in folder.iterdir():
        with open(file, "rb") as handle:
            os.fsync(handle.fileno())
    fsync_directory(folder)
