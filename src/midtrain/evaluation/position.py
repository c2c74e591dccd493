"""Loss by position: does a model get better the more of a document it has read, and how far does that go?

A model whose context was extended well predicts the end of a long document better than its beginning, because it has
more to go by; one that was only told it has more positions gets worse from its old length on, or breaks down. So the
bits per byte of long held-out documents are told apart by where in the document a token stands:

    position/SOURCE@LOW-HIGH    tokens LOW to HIGH - 1 of each document, LOW and HIGH in halvings of the context

Every document measured is at least as long as the context and counts in every bucket, so the buckets differ in
position and in nothing else. Cost: one forward pass of the context for each document.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from midtrain.core.errors import UserError
from midtrain.evaluation.bits_per_byte import choose_documents, nats_of, token_bytes
from midtrain.evaluation.config import PositionsConfig, position_buckets, position_name
from midtrain.evaluation.scores import score_row
from midtrain.models.tokenizer import Tokenizer
from midtrain.tokens.store import TokenStore


def score_positions(
    model: Any, tokenizer: Tokenizer, store: TokenStore, source: str, config: PositionsConfig, context: int
) -> list[dict[str, Any]]:
    """One score row per document and bucket: value = bits per byte of the bucket's tokens, weight = their bytes.

    `context` is the number of tokens read of each document. Raises UserError when the store was made by another
    tokenizer, has no document that long, or the model gives NaN.
    """
    store.require_tokenizer(tokenizer.digest)
    long = np.flatnonzero(store.lengths >= context)
    if not len(long):
        raise UserError(
            f"position/{source}: no held-out document has {context} tokens (the longest has "
            f"{store.lengths.max(initial=0)}); set evaluation.positions.context lower, or hold out more."
        )
    ids = store.table(["id"])["id"].to_pylist()
    chosen = choose_documents([ids[index] for index in long], config.documents)
    pieces = [np.asarray(store.document(int(long[place])))[:context] for place, _ in chosen]
    bytes_V = token_bytes(tokenizer)
    rows = []
    for (place, name), piece, nats in zip(chosen, pieces, nats_of(model, pieces, context), strict=True):
        if not np.isfinite(nats).all():
            raise UserError("The model gives NaN on held-out text; its weights are broken.")
        size_T = bytes_V[piece].astype(np.float64)
        if store.mask is not None:
            size_T *= store.document_mask(int(long[place]))[:context] != 0
        for low, high in position_buckets(context, config.buckets):
            targets = slice(max(low, 1), high)
            size = size_T[targets]
            bits = nats[targets.start - 1 : high - 1][size > 0].sum() / math.log(2)
            if size.sum() > 0:
                value = bits / size.sum()
                settings = {"context": context, "from": low, "to": high}
                rows.append(
                    score_row(position_name(source, low, high), name, value, size.sum(), "bits_per_byte", settings)
                )
    return rows
