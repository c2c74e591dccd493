"""Scores documents with a transformers encoder: its own classification head, or a head fitted on frozen features.

FineWeb-Edu's classifier is an encoder that is not trained at all but for a linear regression on top, fitted to an LLM's
marks of 0 to 5 (Penedo et al. 2024, section 4). The encoder being frozen, the head needs no epochs: features are
computed once (the mean of the last layer over a document's tokens), and ridge regression has a closed form, so the
same examples give the same head. Only the first `max_tokens` tokens are read.

Attention is the cost, and padding is waste: documents are sorted by length and batched up to `batch_tokens`, so a
batch holds documents of like length. On two CPU cores an encoder of 30M parameters reads some ten documents a second;
score a sample, distill it into fastText, and use the encoder where there is a GPU.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from midtrain.core.errors import UserError, did_you_mean
from midtrain.core.fingerprint import file_digest, fingerprint
from midtrain.documents.quality.config import EncoderConfig
from midtrain.models.load import quiet_transformers
from midtrain.models.locate import resolve_base

_CHARACTERS_A_TOKEN = 32
"""A document is cut to this many characters for each token read, before it is tokenised."""

# Shapes: N documents, T tokens, D features, L labels.


@dataclass(frozen=True)
class Head:
    """A linear regression from features to a score."""

    weight_D: np.ndarray
    bias: float

    def __call__(self, features_ND: np.ndarray) -> np.ndarray:
        """float32 [N]."""
        return (features_ND @ self.weight_D + self.bias).astype(np.float32)


def fit_head(features_ND: np.ndarray, labels_N: np.ndarray, ridge: float) -> Head:
    """Ridge regression over standardised features, in closed form and double precision.

    Minimises |X w - (y - mean y)|^2 + ridge |w|^2 (Hoerl and Kennard 1970); a constant feature gets no weight.
    """
    mean_D, spread_D = features_ND.mean(axis=0, dtype=np.float64), features_ND.std(axis=0, dtype=np.float64)
    scale_D = np.where(spread_D > 1e-8, 1 / np.maximum(spread_D, 1e-8), 0)
    x_ND = (features_ND - mean_D) * scale_D
    gram_DD = x_ND.T @ x_ND + ridge * np.eye(x_ND.shape[1])
    weight_D = np.linalg.solve(gram_DD, x_ND.T @ (labels_N - labels_N.mean())) * scale_D
    return Head(weight_D.astype(np.float32), float(labels_N.mean() - mean_D @ weight_D))


def save_head(head: Head, path: Path) -> None:
    """Write a head as safetensors."""
    save_file({"weight": head.weight_D, "bias": np.array([head.bias], np.float32)}, path)


def load_head(path: Path) -> Head:
    """A head that `save_head` wrote; raises UserError for what is none."""
    try:
        found = load_file(path)
        return Head(found["weight"], float(found["bias"][0]))
    except (OSError, KeyError, SafetensorError) as error:
        raise UserError(f"{path} is not an encoder's head ({error}); fit it again.") from None


class Encoder:
    """A frozen encoder and its tokenizer."""

    def __init__(self, model: Any, tokenizer: Any, path: Path, config: EncoderConfig):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = model.eval().requires_grad_(False).to(self.device)
        self.tokenizer, self.path, self.config = tokenizer, path, config

    @classmethod
    def load(cls, config: EncoderConfig) -> Encoder:
        """The encoder in `config.path`, with its classification head unless one is fitted here.

        Raises UserError for a folder that holds none, or no head where one is needed.
        """
        from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer

        path = resolve_base(config.path)
        try:
            architectures = AutoConfig.from_pretrained(path, local_files_only=True).architectures or []
            headed = any(name.endswith("ForSequenceClassification") for name in architectures)
            if not headed and config.train is None:
                raise UserError(
                    f"{config.path} has no classification head ({', '.join(architectures) or 'unnamed'}); "
                    "name a model that has one, or `train` one on examples."
                )
            kind = AutoModel if config.train else AutoModelForSequenceClassification
            with quiet_transformers():
                model = kind.from_pretrained(path, local_files_only=True, use_safetensors=True)
            tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
        except (OSError, ValueError, SafetensorError) as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UserError(f"{config.path} cannot be loaded as an encoder: {first}") from error
        limit = getattr(model.config, "max_position_embeddings", None)
        if limit is not None and config.max_tokens > limit:
            raise UserError(f"{config.path} reads {limit} tokens at most; set max_tokens to {limit} or less.")
        return cls(model, tokenizer, path, config)

    def features(self, texts: pa.Array) -> np.ndarray:
        """float32 [N, D]: the mean of the last layer over the tokens of each text."""
        return self._run(texts, _mean_of_last_layer)

    def logits(self, texts: pa.Array) -> np.ndarray:
        """float32 [N, L]: what the model's own head says."""
        return self._run(texts, lambda output, mask_NT: output.logits)

    def describe(self) -> dict[str, Any]:
        """The digest of everything in the folder that decides the output, and how much is read."""
        files = sorted(
            file for file in self.path.iterdir() if file.suffix in (".json", ".safetensors", ".txt", ".model")
        )
        digest = fingerprint({file.name: file_digest(file) for file in files})
        return {"kind": "encoder", "digest": digest, "max_tokens": self.config.max_tokens}

    @torch.inference_mode()
    def _run(self, texts: pa.Array, read: Any) -> np.ndarray:
        tokens = self._tokens(texts)
        found: dict[int, np.ndarray] = {}
        for rows in _batches([len(ids) for ids in tokens], self.config.batch_tokens):
            width = max(len(tokens[row]) for row in rows)
            ids_NT = torch.full((len(rows), width), self.tokenizer.pad_token_id or 0)
            mask_NT = torch.zeros((len(rows), width), dtype=torch.long)
            for k, row in enumerate(rows):
                ids_NT[k, : len(tokens[row])] = torch.tensor(tokens[row])
                mask_NT[k, : len(tokens[row])] = 1
            mask_NT = mask_NT.to(self.device)
            output = self.model(input_ids=ids_NT.to(self.device), attention_mask=mask_NT)
            found.update(zip(rows, read(output, mask_NT).float().cpu().numpy(), strict=True))
        return np.stack([found[row] for row in range(len(tokens))])

    def _tokens(self, texts: pa.Array) -> list[list[int]]:
        beginnings = [text[: _CHARACTERS_A_TOKEN * self.config.max_tokens] for text in texts.to_pylist()]
        encoded = self.tokenizer(beginnings, truncation=True, max_length=self.config.max_tokens)["input_ids"]
        return [ids or [self.tokenizer.pad_token_id or 0] for ids in encoded]


def _mean_of_last_layer(output: Any, mask_NT: torch.Tensor) -> torch.Tensor:
    hidden_NTD, weight_NT1 = output.last_hidden_state, mask_NT[:, :, None]
    return (hidden_NTD * weight_NT1).sum(dim=1) / weight_NT1.sum(dim=1)


def _batches(lengths_N: list[int], batch_tokens: int) -> Iterator[list[int]]:
    """Rows in batches of like length, the longest first; a batch with its padding holds `batch_tokens` at most."""
    batch: list[int] = []
    for row in sorted(range(len(lengths_N)), key=lambda row: -lengths_N[row]):
        if batch and lengths_N[batch[0]] * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


class EncoderScorer:
    """The output of a head: one value as it is, or the probability of one of several labels."""

    def __init__(self, encoder: Encoder, head: Head | None):
        self.encoder, self.head = encoder, head
        self.label = None if head else _label_index(encoder)

    def score(self, texts: pa.Array) -> np.ndarray:
        """float32 [N]."""
        if not len(texts):
            return np.zeros(0, np.float32)
        if self.head is not None:
            return self.head(self.encoder.features(texts))
        logits_NL = self.encoder.logits(texts)
        if self.label is None:
            return logits_NL[:, 0]
        powers_NL = np.exp(logits_NL - logits_NL.max(axis=1, keepdims=True))
        return powers_NL[:, self.label] / powers_NL.sum(axis=1)

    def describe(self) -> dict[str, Any]:
        """The encoder's digest, and the head's values or the label."""
        head = {"weight": self.head.weight_D.tolist(), "bias": self.head.bias} if self.head else None
        return {**self.encoder.describe(), "label": self.label, "head": fingerprint(json.dumps(head)) if head else None}


def _label_index(encoder: Encoder) -> int | None:
    """Which output is the score; None where there is one."""
    names = {str(name): index for index, name in encoder.model.config.id2label.items()}
    if len(names) == 1:
        return None
    label = encoder.config.label
    if label is None:
        raise UserError(
            f"{encoder.config.path} has {len(names)} labels; name the one that is good.{did_you_mean('', names)}"
        )
    if isinstance(label, int) and 0 <= label < len(names):
        return label
    if str(label) not in names:
        raise UserError(f'{encoder.config.path} has no label "{label}".{did_you_mean(str(label), names)}')
    return names[str(label)]
