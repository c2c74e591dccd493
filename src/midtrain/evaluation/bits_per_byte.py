"""Bits per byte of held-out documents: how well a model knows a kind of text, whatever its tokenizer.

    sum of the negative log-likelihoods of a document's tokens / (ln 2 * the UTF-8 bytes these tokens stand for)

It is a likelihood, so it moves smoothly at sizes where right answers are still chance, and it needs no sampling. What
is counted, the same for every model compared:

- A token counts for the bytes it stands for, looked up per id. Special tokens stand for no text: they are given as
  context (a beginning-of-sequence id, the frame of a chat) and are neither predicted nor counted. A document's first
  token counts when a prefix id stands before it; without a prefix it is left out, with its bytes.
- Of a conversation only what the assistant says counts.
- A document longer than the context is scored in windows that overlap by half: the first window counts whole, each
  later one only its second half, so every token but the first half-context's sees at least half a context before it.
  This costs twice the tokens of windows that start afresh and removes most of their penalty. At most `limit_windows`
  of a document are scored, so that one long file decides neither the time nor the average.
- The documents are the first in the order of a hash of their ids: a larger sample contains the smaller one.

Windows of like length share a forward pass, laid end to end in one row with document attention, so nothing is padded.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from midtrain.core.errors import UserError
from midtrain.core.progress import progress
from midtrain.evaluation.scores import score_row
from midtrain.models.attention import document_kwargs
from midtrain.models.head import output_head
from midtrain.models.loss import linear_cross_entropy
from midtrain.models.tokenizer import Tokenizer
from midtrain.tokens.store import TokenStore

_SPACE = "\u2581"  # how SentencePiece writes a space
_BYTE = re.compile("<0x[0-9A-F]{2}>")


def score_documents(
    model: Any,
    tokenizer: Tokenizer,
    store: TokenStore,
    capability: str,
    *,
    context: int,
    limit_documents: int,
    limit_windows: int = 4,
    batch_tokens: int = 8192,
) -> list[dict[str, Any]]:
    """One score row per document of a store of held-out tokens: value = bits per byte, weight = bytes.

    Raises UserError when the store was made by another tokenizer, holds nothing to score, or the model gives NaN.
    """
    store.require_tokenizer(tokenizer.digest)
    chosen = choose_documents(store.table(["id"])["id"].to_pylist(), limit_documents)
    sequences = []
    for index, _ in chosen:
        mask = None if store.mask is None else store.document_mask(index).astype(bool)
        sequences.append(TokenSequence(np.asarray(store.document(index)), mask))
    scored = score_sequences(
        model, tokenizer, sequences, context=context, limit_windows=limit_windows, batch_tokens=batch_tokens
    )
    settings = {"context": context, "stride": context // 2, "windows": limit_windows}
    rows = [
        score_row(capability, name, bits / size, size, "bits_per_byte", settings)
        for (_, name), (bits, size) in zip(chosen, scored, strict=True)
        if size > 0
    ]
    if not rows:
        raise UserError(f"{capability}: {store.path} holds no held-out text to score; raise holdout.share.")
    return rows


def choose_documents(ids: Sequence[str], limit: int) -> list[tuple[int, str]]:
    """(index, id) of the first `limit` documents in the order of their ids' hashes."""
    order = sorted((hashlib.blake2b(name.encode(), digest_size=8).digest(), index) for index, name in enumerate(ids))
    return [(index, ids[index]) for _, index in order[:limit]]


@dataclass(frozen=True)
class TokenSequence:
    """Token ids, and which of them count as targets (None: all)."""

    ids_T: np.ndarray
    mask_T: np.ndarray | None = None


def score_sequences(
    model: Any,
    tokenizer: Tokenizer,
    sequences: Sequence[TokenSequence],
    *,
    context: int,
    limit_windows: int,
    batch_tokens: int,
) -> list[tuple[float, int]]:
    """(bits, bytes) of every sequence: bits of the tokens that count, and the bytes they stand for."""
    bytes_V = token_bytes(tokenizer)
    pieces: list[np.ndarray] = []
    places: list[tuple[int, int, int]] = []
    for number, sequence in enumerate(sequences):
        for start, stop, fresh in window_spans(len(sequence.ids_T), context, limit_windows):
            pieces.append(sequence.ids_T[start:stop])
            places.append((number, start + 1 + fresh, fresh))
    totals = np.zeros((len(sequences), 2))
    for (number, first, fresh), piece, nats in zip(places, pieces, nats_of(model, pieces, batch_tokens), strict=True):
        sizes = bytes_V[piece[1 + fresh :]].astype(np.float64)
        mask_T = sequences[number].mask_T
        if mask_T is not None:
            sizes *= mask_T[first : first + len(sizes)]
        totals[number] += nats[fresh:][sizes > 0].sum() / math.log(2), sizes.sum()
    if not np.isfinite(totals).all():
        raise UserError("The model gives NaN on held-out text; its weights are broken.")
    return [(float(bits), int(size)) for bits, size in totals]


def window_spans(length: int, context: int, limit: int) -> list[tuple[int, int, int]]:
    """The windows of a sequence of `length` tokens as (start, stop, fresh).

    A window's inputs are tokens [start, stop - 1) (at most `context`), its targets [start + 1, stop); the first `fresh`
    targets were scored by the window before and do not count again. Together they score a prefix of the targets once.
    """
    assert context >= 2
    stride = context // 2
    spans = [(0, min(length, context + 1), 0)] if length > 1 else []
    while spans and spans[-1][1] < length and len(spans) < limit:
        start = len(spans) * stride
        spans.append((start, min(length, start + context + 1), context - stride))
    return spans


@torch.no_grad()
def nats_of(model: Any, pieces: Sequence[np.ndarray], batch_tokens: int) -> list[np.ndarray]:
    """The negative log-likelihood in nats of every token but the first of each piece (float64, length - 1)."""
    found: list[np.ndarray] = [np.empty(0)] * len(pieces)
    order = sorted(range(len(pieces)), key=lambda i: -len(pieces[i]))
    training = model.training
    model.eval()
    with progress("scoring", sum(len(piece) for piece in pieces), "tokens") as bar:
        while order:
            batch: list[int] = []
            tokens = 0
            while order and (not batch or tokens + len(pieces[order[0]]) - 1 <= batch_tokens):
                batch.append(order.pop(0))
                tokens += len(pieces[batch[-1]]) - 1
            for i, nats in zip(batch, _forward(model, [pieces[i] for i in batch]), strict=True):
                found[i] = nats
            bar.advance(tokens)
    model.train(training)
    return found


def _forward(model: Any, pieces: list[np.ndarray]) -> list[np.ndarray]:
    """One pass over pieces laid end to end in a single row."""
    hidden = hidden_states(model, pieces)
    labels = torch.from_numpy(np.concatenate([piece[1:] for piece in pieces]).astype(np.int64)).to(hidden.device)
    weights = torch.ones(len(labels), device=hidden.device)
    out = linear_cross_entropy(hidden, labels_N=labels, weights_N=weights, **output_head(model))
    return np.split(out.nll_N.double().cpu().numpy(), np.cumsum([len(piece) - 1 for piece in pieces])[:-1])


def hidden_states(model: Any, pieces: list[np.ndarray]) -> torch.Tensor:
    """The last hidden states [N, D] before every token but the first of each piece, the pieces end to end in a row."""
    device = output_head(model)["weight_VD"].device
    lengths = [len(piece) - 1 for piece in pieces]
    inputs_N = np.concatenate([piece[:-1] for piece in pieces]).astype(np.int64)
    positions_N = np.concatenate([np.arange(length) for length in lengths])
    boundaries = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return model.base_model(
        input_ids=torch.from_numpy(inputs_N)[None].to(device),
        position_ids=torch.from_numpy(positions_N)[None].to(device),
        use_cache=False,
        attention_mask=None,
        **document_kwargs(boundaries, lengths, device),
    ).last_hidden_state[0]


def token_bytes(tokenizer: Tokenizer) -> np.ndarray:
    """int32 [vocabulary]: how many UTF-8 bytes of text each id stands for; 0 for special tokens.

    Known for byte-level vocabularies (GPT-2, Llama 3, Qwen) and SentencePiece-like ones (Llama 2, Gemma); raises
    UserError for others.
    """
    backend = tokenizer.hf.backend_tokenizer
    content = json.loads(backend.to_str())
    added = {token["id"]: token for token in content["added_tokens"]}
    special = {*tokenizer.prefix, *tokenizer.suffix, *(i for i, token in added.items() if token["special"])}
    decoder = json.dumps(content["decoder"], ensure_ascii=False)
    byte_level = '"ByteLevel"' in decoder
    if not byte_level and _SPACE not in decoder:
        raise UserError("The tokenizer is neither byte-level nor SentencePiece-like, so bits per byte is not defined.")
    sizes_V = np.zeros(tokenizer.vocab_size, np.int32)
    for token, i in backend.get_vocab(with_added_tokens=True).items():
        if i in special:
            continue
        if byte_level and i not in added:
            sizes_V[i] = len(token)  # a byte-level vocabulary writes each byte as one character
        elif _BYTE.fullmatch(token):
            sizes_V[i] = 1
        else:
            sizes_V[i] = len(token.replace(_SPACE, " ").encode())
    return sizes_V
