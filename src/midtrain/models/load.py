"""A base model from a folder, a Hub id, an asset, or from nothing, ready to be trained.

Everything that can be wrong with a checkpoint is found here and said in one sentence, rather than at step 0 or, worse,
never: a truncated file, a weight that is missing, left over or not a number, an output matrix that says it is tied and
is not, a tokenizer with more ids than the embedding has rows, a RoPE change that would come too late. Only safetensors
are read (a pickle runs code) and no code of a repository is ever run. What it costs: one pass over the weights.

The config comes first and the model is built from it once: context and RoPE are in it before any buffer is made.
Attention dropout is set to zero, and said: attention over packed documents has none. Other dropout stays as the base
has it, and is off until the model is put in training mode.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import logging

from midtrain.core.errors import UserError, did_you_mean
from midtrain.core.progress import say
from midtrain.models.attention import NAME as DOCUMENTS_ATTENTION
from midtrain.models.config import RopeConfig
from midtrain.models.locate import resolve_base
from midtrain.models.rope import apply_rope, check_rope_change
from midtrain.models.tokenizer import Tokenizer

__all__ = [
    "architecture_config",
    "init_model",
    "load_model",
    "load_moments",
    "read_config",
    "resolve_base",
    "training_state",
]

TRAINING_STATE = "training_state.json"
MOMENTS = "optimizer.safetensors"
_ATTENTION_DROPOUT = ("attention_dropout", "attn_pdrop", "attention_probs_dropout_prob")
_LEGACY_ROPE = {"rope_theta", "rope_scaling", "rope_parameters"}


def load_model(
    path: str | Path,
    *,
    context: int | None = None,
    rope: RopeConfig | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    attention: str = DOCUMENTS_ATTENTION,
) -> PreTrainedModel:
    """The causal language model at `path` with our attention, in evaluation mode.

    `context` (tokens) beyond the base's positions needs `rope`. Raises UserError for whatever is wrong with the
    checkpoint or the request (see the module's text).
    """
    folder = resolve_base(path)
    config = read_config(folder)
    check_weight_files(folder)
    asked = apply_rope(config, rope, context)
    _without_attention_dropout(asked)
    with quiet_transformers():
        try:
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                config=asked,
                dtype=dtype,
                attn_implementation=attention,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported in what was found, and refused below by name
            )
        except (RuntimeError, ValueError, OSError, KeyError, TypeError, SafetensorError) as error:
            raise UserError(f"{folder} cannot be loaded as {config.model_type}: {_first_line(error)}") from error
    model, found = loaded
    _check_names(found, folder)
    _check_finite(model, folder)
    check_tied(model, str(folder))
    check_rope_change(model, config)
    if (folder / "tokenizer.json").exists():
        check_vocabulary(model, Tokenizer.load(folder))
    return model.to(device)


def read_config(folder: Path) -> PreTrainedConfig:
    """The config of the checkpoint in `folder`; raises UserError when midtrain cannot train what it describes."""
    raw = _read_json(folder / "config.json", f"{folder} is not a model folder")
    kind = str(raw.get("model_type"))
    if kind not in CONFIG_MAPPING:
        if "auto_map" in raw:
            raise UserError(
                f"{folder} brings its own model code, which midtrain does not run; use an architecture that "
                "transformers knows."
            )
        raise UserError(f'{folder}: transformers knows no model_type "{kind}".{_near(kind)}')
    if "quantization_config" in raw:
        raise UserError(f"{folder} is quantized and cannot be trained; use the unquantized checkpoint.")
    _check_causal(kind, str(folder))
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # strict configs raise many kinds
        raise UserError(f"{folder / 'config.json'} is not a valid {kind} config: {_first_line(error)}") from error
    if config.get_text_config() is not config:
        raise UserError(f"{folder} is a multimodal {kind}; use a text-only checkpoint of the family.")
    return config


def architecture_config(
    architecture: dict[str, Any], tokenizer: Tokenizer | None, vocab_size: int | None = None
) -> PreTrainedConfig:
    """The transformers config of an architecture made from scratch; `vocab_size` serves while there is no tokenizer.

    Raises UserError for an unknown model_type or field.
    """
    fields = dict(architecture)
    kind = str(fields.pop("model_type", None))
    if kind not in CONFIG_MAPPING:
        raise UserError(f'architecture: transformers knows no model_type "{kind}".{_near(kind)}')
    _check_causal(kind, "architecture")
    known = set(CONFIG_MAPPING[kind]().to_dict()) | set(CONFIG_MAPPING[kind].attribute_map) | _LEGACY_ROPE
    if unknown := sorted(fields.keys() - known):
        raise UserError(f'architecture: {kind} has no field "{unknown[0]}".{did_you_mean(unknown[0], known)}')
    ids: dict[str, Any] = {}
    if tokenizer is not None:
        vocab_size = tokenizer.vocab_size
        ids = {"bos_token_id": tokenizer.bos_id, "eos_token_id": tokenizer.eos_id, "pad_token_id": tokenizer.pad_id}
    fields.setdefault("vocab_size", vocab_size)
    try:
        return AutoConfig.for_model(kind, **(ids | fields))
    except Exception as error:  # strict configs raise many kinds
        raise UserError(f"architecture is not a valid {kind} config: {_first_line(error)}") from error


def init_model(
    architecture: dict[str, Any],
    tokenizer: Tokenizer,
    seed: int,
    *,
    dtype: torch.dtype = torch.float32,
    attention: str = DOCUMENTS_ATTENTION,
) -> PreTrainedModel:
    """A model with random weights from plain config fields with `model_type`; one seed gives one model.

    The vocabulary is the tokenizer's unless the fields say a larger one. Raises UserError for an unknown field.
    """
    config = architecture_config(architecture, tokenizer)
    _without_attention_dropout(config)
    with quiet_transformers(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention)
    check_vocabulary(model, tokenizer)
    return model.eval()


def training_state(path: str | Path) -> dict[str, Any] | None:
    """What a base says of where its pretraining stopped (learning rate, step, tokens), or None when it does not."""
    file = resolve_base(path) / TRAINING_STATE
    return _read_json(file, f"{file} cannot be read") if file.exists() else None


def load_moments(path: str | Path) -> dict[str, torch.Tensor] | None:
    """The optimizer's moments a base ships, `exp_avg.<parameter>` and `exp_avg_sq.<parameter>` in fp32, or None.

    Raises UserError when the file is damaged, holds other names, or holds what is not a number.
    """
    file = resolve_base(path) / MOMENTS
    if not file.exists():
        return None
    try:
        moments = load_file(file)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file} is damaged ({_first_line(error)}); fetch it again or remove it.") from error
    for name, moment in moments.items():
        if not name.startswith(("exp_avg.", "exp_avg_sq.")):
            raise UserError(f'{file}: "{name}" is not a moment (exp_avg.* or exp_avg_sq.*); remove the file.')
        if not torch.isfinite(moment).all():
            raise UserError(f"{file}: {name} holds NaN or infinity; fetch it again or remove it.")
    return moments


def check_weight_files(folder: Path) -> list[Path]:
    """The safetensors files that hold the weights, each known to be whole; raises UserError otherwise."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        weight_map = _read_json(index, f"{index} cannot be read").get("weight_map", {})
        files = [folder / name for name in sorted(set(weight_map.values()))]
    else:
        files = [folder / "model.safetensors"]
    for file in files:
        if not file.exists():
            pickles = sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt*"))
            if pickles and not index.exists():
                raise UserError(
                    f"{folder} has only pickled weights ({pickles[0].name}), which can run code when read; "
                    "convert them to safetensors."
                )
            raise UserError(f"{file} is missing; fetch the checkpoint again.")
        try:
            with safe_open(file, framework="pt") as opened:
                opened.keys()
        except (SafetensorError, OSError) as error:
            raise UserError(f"{file} is damaged ({_first_line(error)}); fetch it again.") from error
    return files


def check_vocabulary(model: PreTrainedModel, tokenizer: Tokenizer) -> int:
    """The number of embedding rows the tokenizer has no id for; raises UserError when it has ids without a row."""
    rows = embedding_rows(model)
    if tokenizer.vocab_size > rows:
        raise UserError(
            f"The tokenizer has ids up to {tokenizer.vocab_size - 1} and the model only {rows} embedding rows; "
            "they do not belong together, or the embedding must be resized first."
        )
    return rows - tokenizer.vocab_size


def embedding_rows(model: PreTrainedModel) -> int:
    """Rows of the input embedding: the number of ids the model can read."""
    weight: Any = model.get_input_embeddings().weight
    return int(weight.shape[0])


def check_tied(model: PreTrainedModel, where: str) -> bool:
    """Whether input and output embedding are one matrix; raises UserError when the config says otherwise."""
    output = model.get_output_embeddings()
    tied = output is not None and output.weight is model.get_input_embeddings().weight
    if bool(model.config.tie_word_embeddings) != tied:
        raise UserError(
            f"{where}: config.json says tie_word_embeddings={model.config.tie_word_embeddings} and the weights say "
            f"{tied}; correct config.json."
        )
    return tied


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bars and warnings of transformers; what matters is checked and raised by midtrain."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _near(kind: str) -> str:
    """' Did you mean ...?', without the list of some hundred others when nothing is near."""
    near = did_you_mean(kind, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    return near if near.startswith(" Did") else " Use a causal language model that transformers has."


def _check_causal(kind: str, where: str) -> None:
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise UserError(f"{where}: {kind} is not a causal language model; use one that predicts the next token.")


def _without_attention_dropout(config: PreTrainedConfig) -> None:
    for name in _ATTENTION_DROPOUT:
        if getattr(config, name, 0.0):
            say(f"{name} is {getattr(config, name)} in the base; it is set to 0: packed attention has no dropout.")
            setattr(config, name, 0.0)


def _check_names(found: dict[str, Any], folder: Path) -> None:
    if mismatched := sorted(found.get("mismatched_keys") or ()):
        name, stored, wanted = mismatched[0]
        raise UserError(
            f"{folder}: {name} has the shape {list(stored)} and its config.json asks for {list(wanted)}; the two do "
            "not belong together."
        )
    for key, sentence in (("missing_keys", "lacks the weight"), ("unexpected_keys", "has a weight the model lacks,")):
        if names := sorted(found.get(key) or ()):
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise UserError(f"{folder} {sentence} {names[0]}{more}; its files do not belong to its config.json.")


def _check_finite(model: PreTrainedModel, folder: Path) -> None:
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise UserError(f"{folder}: {name} holds NaN or infinity; the checkpoint is unusable, use an earlier one.")


def _read_json(file: Path, sentence: str) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except FileNotFoundError:
        raise UserError(f"{sentence} (no {file.name}); check the path.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not valid JSON ({error}); fetch it again.") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} does not hold a JSON object; fetch it again.")
    return content


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
