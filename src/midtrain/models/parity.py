"""Gates: what we train is what was loaded, and what we export is what we trained.

A checkpoint read with a permuted head or an old rotation still has a plausible loss; only a comparison of numbers
tells. `check_load` runs two random documents packed in one row the way training does (our attention, the base model,
the loss's own head) and each alone through a fresh, plain transformers model. That proves at once that the weights are
read alike, that documents do not see each other, and that the loss is that of the family's own logits.
`check_export` reads the written folder as a stranger would and compares weights bit by bit, then logits, rotations,
tying and token ids. Both cost two forwards of some sixty tokens and one more copy of the weights, for a moment.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from midtrain.core.errors import UserError
from midtrain.models.attention import document_kwargs
from midtrain.models.head import head_logits, output_head
from midtrain.models.load import check_tied, check_vocabulary, embedding_rows, quiet_transformers, resolve_base
from midtrain.models.rope import inverse_frequencies
from midtrain.models.tokenizer import Tokenizer

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-10, torch.bfloat16: 4e-2, torch.float16: 5e-3}
"""Largest difference of logits allowed, as a share of the largest logit, by the dtype computed in."""

_LENGTHS = (37, 23)
_SAMPLES = (
    "The quick brown fox jumps over 12345 lazy dogs.",
    "  def f(x):\n\treturn x ** 2  # caf\u00e9 e\u0301 \u4f60\u597d \U0001f600\n\n\n",
    "",
)


class ParityError(UserError):
    """Two things that must be equal are not."""


def check_load(model: PreTrainedModel, path: str | Path) -> dict[str, float]:
    """Compare `model` (with document attention) with plain transformers reading the same folder.

    Returns {"logits": largest difference as a share of the largest logit, "inv_freq": largest difference, "tied": 0
    or 1, "padded_rows": embedding rows without a token}. Raises ParityError saying what differs.
    """
    folder = resolve_base(path)
    with quiet_transformers():
        plain: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            config=copy.deepcopy(model.config),  # with the context and RoPE asked for
            dtype=model.dtype,
            attn_implementation="eager",
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )
    facts = _compare(model, plain.to(model.device), str(folder), TOLERANCE[model.dtype])
    if (folder / "tokenizer.json").exists():
        facts["padded_rows"] = check_vocabulary(model, Tokenizer.load(folder))
    return facts


def check_export(path: str | Path, model: PreTrainedModel, tokenizer: Tokenizer) -> dict[str, float]:
    """Read the exported folder with plain transformers and compare it with `model` and `tokenizer`.

    Returns the same figures as `check_load`. Raises ParityError saying what differs.
    """
    folder = resolve_base(path)
    with quiet_transformers():
        plain: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype="auto", attn_implementation="eager", trust_remote_code=False, local_files_only=True
        )
    stored = plain.dtype
    _check_weights(model, plain, stored, str(folder))
    facts = _compare(model, plain.to(model.device, model.dtype), str(folder), TOLERANCE[stored])
    again = Tokenizer.load(folder)
    if again.digest != tokenizer.digest:
        raise ParityError(f"{folder}: the saved tokenizer is not the one used in training.")
    with quiet_transformers():
        stranger = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if [stranger.encode(text, add_special_tokens=False) for text in _SAMPLES] != tokenizer.encode_pieces(_SAMPLES):
        raise ParityError(
            f"{folder}: transformers' AutoTokenizer gives other ids than training used (for some families it puts the "
            f"family's own tokenizer in place of the saved one); use another model_type than {model.config.model_type}."
        )
    facts["padded_rows"] = check_vocabulary(plain, again)
    return facts


def _compare(model: PreTrainedModel, plain: PreTrainedModel, where: str, tolerance: float) -> dict[str, float]:
    inv_freq = _compare_rotations(model, plain, where)
    tied = check_tied(model, where)
    if check_tied(plain, where) != tied:
        raise ParityError(f"{where}: input and output embeddings are tied in one reading and not in the other.")
    documents = _documents(model)
    ours = _packed_logits(model, documents)
    worst = 0.0
    start = 0
    was_training = plain.training
    plain.eval()
    for number, ids in enumerate(documents):
        with torch.no_grad():
            alone = plain(input_ids=ids[None], use_cache=False).logits[0].float()
        packed = ours[start : start + len(ids)]
        start += len(ids)
        difference = float((packed - alone).abs().max() / alone.abs().max().clamp_min(1e-30))
        if not difference <= tolerance:
            raise ParityError(
                f"{where}: the logits of document {number} differ from plain transformers by {difference:.1e} of the "
                f"largest (allowed {tolerance:.0e}); the model is not computed as it was trained."
            )
        worst = max(worst, difference)
    plain.train(was_training)
    return {"logits": worst, "inv_freq": inv_freq, "tied": float(tied)}


def _documents(model: PreTrainedModel) -> list[torch.Tensor]:
    rows = embedding_rows(model)
    generator = torch.Generator().manual_seed(20)
    longest = getattr(model.config, "max_position_embeddings", None) or max(_LENGTHS)
    return [torch.randint(rows, (min(n, longest),), generator=generator).to(model.device) for n in _LENGTHS]


def _packed_logits(model: PreTrainedModel, documents: list[torch.Tensor]) -> torch.Tensor:
    """Logits [T, V] in fp32 as training sees them: documents packed in one row, base model, then the loss's head."""
    lengths = [len(ids) for ids in documents]
    boundaries = torch.tensor([0, *lengths]).cumsum(0)
    positions = torch.cat([torch.arange(n, device=model.device) for n in lengths])
    was_training = model.training
    model.eval()
    with torch.no_grad():
        hidden = model.base_model(
            input_ids=torch.cat(documents)[None],
            position_ids=positions[None],
            use_cache=False,
            attention_mask=None,
            **document_kwargs(boundaries, lengths, model.device),
        ).last_hidden_state[0]
        logits = head_logits(output_head(model), hidden)
    model.train(was_training)
    return logits.float()


def _compare_rotations(model: nn.Module, plain: nn.Module, where: str) -> float:
    ours, theirs = inverse_frequencies(model), inverse_frequencies(plain)
    if ours.keys() != theirs.keys():
        raise ParityError(f"{where}: the model has rotations of other names than plain transformers builds.")
    worst = 0.0
    for name, frequencies in ours.items():
        if frequencies.shape != theirs[name].shape or not torch.equal(frequencies, theirs[name].to(frequencies)):
            raise ParityError(f"{where}: {name} differs from what plain transformers builds from config.json.")
        worst = max(worst, float((frequencies - theirs[name].to(frequencies)).abs().max()))
    return worst


def _check_weights(model: PreTrainedModel, plain: PreTrainedModel, dtype: torch.dtype, where: str) -> None:
    theirs = dict(plain.named_parameters())
    ours = dict(model.named_parameters())
    if ours.keys() != theirs.keys():
        raise ParityError(f"{where}: the weights are named otherwise: {sorted(ours.keys() ^ theirs.keys())[0]}.")
    for name, weight in ours.items():
        if not torch.equal(weight.detach().to(dtype), theirs[name].detach().to(weight.device)):
            raise ParityError(f"{where}: {name} was not written as it was trained.")
