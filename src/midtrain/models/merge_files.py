"""Merge model folders into a new one: checked first, then written tensor by tensor, block by block.

Averaging weights of models that are not alike gives a model that computes, and computes nonsense. So everything that
can tell them apart is compared before a byte is written: the architecture as transformers reads it, the meaning of
every token id, and names, shapes and kinds of all tensors. Rotary settings may differ (a long-context stage changes
them, and merging with the model before it is how its damage is repaired): the base's hold, and it is said.

Memory is a few blocks of each model, so a merge of 70B models needs no more than one of 1B. What is written has the
base's config, tokenizer and division into files, and merge.json, which says what it was made of.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from midtrain import __version__
from midtrain.core.errors import UserError
from midtrain.core.progress import say
from midtrain.models.export import new_folder
from midtrain.models.load import read_config
from midtrain.models.locate import resolve_base
from midtrain.models.merge import Blocks, merge_tensor
from midtrain.models.merge_config import TASK_METHODS, MergeConfig
from midtrain.models.shards import StoredTensor, TensorLayout, open_weights, write_weights
from midtrain.models.tokenizer import Tokenizer

MERGE = "merge.json"
_TAKEN_FROM_BASE = (
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "vocab*",
    "merges*",
    "*.model",
)
_HARMLESS = {
    "_name_or_path",
    "architectures",
    "bos_token_id",
    "dtype",
    "eos_token_id",
    "initializer_range",
    "output_router_logits",
    "pad_token_id",
    "router_aux_loss_coef",
    "torch_dtype",
    "transformers_version",
    "use_cache",
}
"""Config fields that do not decide what the weights compute (nor do those whose names end in dropout or pdrop)."""
_ROTARY = {"max_position_embeddings", "rope_parameters", "rope_scaling", "rope_theta"}
_HEAD = "lm_head.weight"
_EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight")


@dataclass(frozen=True)
class Source:
    """One model of a merge, opened."""

    folder: Path
    config: dict[str, Any]
    """Its config.json as transformers reads it, defaults filled in."""
    tensors: dict[str, StoredTensor]

    @classmethod
    def open(cls, path: str) -> Source:
        """Open a model's folder without its values; UserError for whatever is wrong with its files."""
        folder = resolve_base(path)
        config = read_config(folder).to_dict()
        tensors = open_weights(folder)
        return cls(folder, config, _without_tied_copy(tensors, folder) if config["tie_word_embeddings"] else tensors)

    def reader(self, name: str) -> Blocks:
        """The blocks of its tensor `name`; a NaN or an infinity among them is a UserError."""
        return lambda: (_finite(block, name, str(self.folder)) for block in self.tensors[name].blocks())


def merge_files(config: MergeConfig, to: Path | str) -> str:
    """Merge the models of `config` into the new folder `to`; returns a sentence.

    The folder appears when it is whole. Raises UserError, with nothing written, when the models do not fit together.
    """
    to = Path(to)
    models = [Source.open(path) for path in config.paths]
    base = models[0] if config.base is None else Source.open(config.base)
    for model in models:
        _check_alike(base, model)
    with new_folder(to) as making:
        _copy_from(base.folder, making, config.dtype)
        write_weights(making, _layout(base, config.dtype), lambda tensor: _merged(config, tensor, models, base))
        record = {"method": config.method, **config.model_dump(mode="json", by_alias=True, exclude_defaults=True)}
        (making / MERGE).write_text(json.dumps(record | {"midtrain": __version__}, indent=2, ensure_ascii=False) + "\n")
    of = f" of {len(models)} models" if len(models) > 1 else ""
    onto = f" on {config.base}" if config.method in TASK_METHODS else ""
    return f"The {config.method} merge{of}{onto} is at {to}"


def _merged(config: MergeConfig, to: TensorLayout, models: Sequence[Source], base: Source) -> Iterator[torch.Tensor]:
    """The blocks of one tensor of the result, in the dtype it is written in."""
    stored = base.tensors[to.name]
    if not stored.dtype.is_floating_point:
        yield from _unmerged(to.name, models, base)
        return
    readers = [model.reader(to.name) for model in models]
    for block in merge_tensor(config, to.name, to.elements, readers, base.reader(to.name)):
        cast = block.to(to.dtype)
        if not _is_finite(cast):
            raise UserError(f"The merge of {to.name} is beyond the range of {to.dtype}; choose dtype: float32.")
        yield cast


def _unmerged(name: str, models: Sequence[Source], base: Source) -> Iterator[torch.Tensor]:
    """Integers (counters, tables) are not averaged: they must be the same everywhere."""
    for block, *others in zip(
        base.tensors[name].blocks(), *(model.tensors[name].blocks() for model in models), strict=True
    ):
        for model, other in zip(models, others, strict=True):
            if not torch.equal(block, other):
                raise UserError(
                    f"{name} is {block.dtype} and differs between {base.folder} and {model.folder}; whole numbers "
                    "cannot be merged."
                )
        yield block


def _layout(base: Source, dtype: str | None) -> dict[str, Sequence[TensorLayout]]:
    """The tensors to write by file: the base's own division into files."""
    files: dict[str, list[TensorLayout]] = {}
    for tensor in base.tensors.values():
        change = dtype is not None and tensor.dtype.is_floating_point
        layout = TensorLayout(tensor.name, tensor.dtype, tensor.shape)
        files.setdefault(tensor.file.name, []).append(
            replace(layout, dtype=getattr(torch, str(dtype))) if change else layout
        )
    return dict(files)


def _copy_from(base: Path, to: Path, dtype: str | None) -> None:
    for file in sorted({file for pattern in _TAKEN_FROM_BASE for file in base.glob(pattern) if file.is_file()}):
        shutil.copyfile(file, to / file.name)
    if dtype is not None:
        config = json.loads((to / "config.json").read_text())
        key = "torch_dtype" if "torch_dtype" in config else "dtype"
        (to / "config.json").write_text(json.dumps(config | {key: dtype}, indent=2, ensure_ascii=False) + "\n")


def _check_alike(base: Source, model: Source) -> None:
    """Raise a UserError that says in what two models differ that a merge cannot bridge."""
    _check_config(base, model)
    _check_vocabulary(base.folder, model.folder)
    for name in [*base.tensors, *model.tensors]:
        ours, theirs = base.tensors.get(name), model.tensors.get(name)
        if ours is None or theirs is None:
            has, lacks = (base, model) if theirs is None else (model, base)
            raise UserError(f"{lacks.folder} has no {name}, which {has.folder} has; merge models of one architecture.")
        if ours.shape != theirs.shape:
            raise UserError(
                f"{name} is {list(ours.shape)} in {base.folder} and {list(theirs.shape)} in {model.folder}; only "
                "models of the same shapes can be merged."
            )
        if ours.dtype != theirs.dtype and not (ours.dtype.is_floating_point and theirs.dtype.is_floating_point):
            raise UserError(
                f"{name} is {ours.dtype} in {base.folder} and {theirs.dtype} in {model.folder}; they cannot be merged."
            )


def _check_config(base: Source, model: Source) -> None:
    differing = sorted(
        key
        for key in base.config.keys() | model.config.keys()
        if base.config.get(key) != model.config.get(key)
        and key not in _HARMLESS
        and not key.endswith(("dropout", "pdrop"))
    )
    # the kind of model decides all the rest, so it is what is said when it differs
    for key in sorted(set(differing) - _ROTARY, key=lambda key: key != "model_type"):
        raise UserError(
            f"{model.folder} has {key} {model.config.get(key)} and {base.folder} {base.config.get(key)}; merge models "
            "of one architecture."
        )
    if differing:
        say(f"{model.folder} has another {' and '.join(differing)} than {base.folder}, whose the merge will have.")


def _check_vocabulary(base: Path, model: Path) -> None:
    """Each embedding row must mean the same token; a folder without a tokenizer says nothing to the contrary."""
    files = [folder / "tokenizer.json" for folder in (base, model)]
    if all(file.exists() for file in files) and files[0].read_bytes() == files[1].read_bytes():
        return
    if not all(any(folder.glob("tokenizer*")) for folder in (base, model)):
        return
    ours, theirs = ({i: token for token, i in Tokenizer.load(f).hf.get_vocab().items()} for f in (base, model))
    for i in sorted(ours.keys() | theirs.keys()):
        if ours.get(i) != theirs.get(i):
            raise UserError(
                f"Token {i} is {_quoted(ours.get(i))} in {base} and {_quoted(theirs.get(i))} in {model}; only models "
                "of one vocabulary can be merged."
            )


def _quoted(token: str | None) -> str:
    return "missing" if token is None else json.dumps(token, ensure_ascii=False)


def _without_tied_copy(tensors: dict[str, StoredTensor], folder: Path) -> dict[str, StoredTensor]:
    """Without the output matrix, which some programs store again though it is the embedding; UserError if it is not."""
    head = tensors.get(_HEAD)
    embedding = next((tensor for name, tensor in tensors.items() if name.endswith(_EMBEDDINGS)), None)
    if head is None or embedding is None:
        return tensors
    same = (head.shape, head.dtype) == (embedding.shape, embedding.dtype) and all(
        torch.equal(one, other) for one, other in zip(head.blocks(), embedding.blocks(), strict=True)
    )
    if not same:
        raise UserError(
            f"{folder}: config.json says tie_word_embeddings=True and {_HEAD} is not the embedding; correct it."
        )
    return {name: tensor for name, tensor in tensors.items() if name != _HEAD}


def _finite(block: torch.Tensor, name: str, where: str) -> torch.Tensor:
    if not _is_finite(block):
        raise UserError(f"{where}: {name} holds NaN or infinity; the checkpoint is unusable, use an earlier one.")
    return block


def _is_finite(block: torch.Tensor) -> bool:
    """Whether every value is a number; a sum is several times as fast as a look at each, and enough when it is one."""
    return bool(torch.isfinite(block.sum(dtype=torch.float32))) or bool(torch.isfinite(block).all())
