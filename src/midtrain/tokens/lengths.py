"""Which documents of a source a part of it holds, and how long its pieces may be.

A long-context stage does not read a source as it comes: it reads so much of its long documents and so much of its
short ones (Qwen3: three quarters from 16k to 32k tokens, a quarter below; arXiv:2505.09388), leaves out documents that
would be cut or that are hardly text, and keeps some rows of short pieces so that short contexts are not forgotten.
So a source may be read in *parts* by the length of its documents; a part is packed, weighted, permuted and counted
like a source of its own.

Rows of two lengths in one stage need no second kind of row: documents never see each other, so a row of the stage's
context that holds pieces of at most 4,096 tokens trains exactly what rows of 4,096 would.

What is hardly text shows in its compressibility: the fifth that gzip shrinks most (lists, boilerplate) and the fifth
it shrinks least (tables of numbers, noise) are what OLMo 3 leaves out (arXiv:2512.13961).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np

from midtrain.tokens.config import Part
from midtrain.tokens.instances import PIECE, Instances
from midtrain.tokens.packing import cut, pack_spans


def chosen(lengths: np.ndarray, part: Part, context: int) -> np.ndarray:
    """Which documents of `lengths` tokens belong to `part`: bool [D]. Compressibility is not looked at."""
    inside = lengths >= part.low
    if part.high is not None:
        inside &= lengths < part.high
    if part.whole:
        inside &= lengths <= (part.longest or context)
    return inside


def ordinary(ratios: np.ndarray, share: float) -> np.ndarray:
    """Which of some compression ratios are in neither tail, each tail `share` of them: bool [N]; ties by place."""
    tail = int(len(ratios) * share)
    keep = np.zeros(len(ratios), bool)
    keep[np.argsort(ratios, kind="stable")[tail : len(ratios) - tail]] = True
    return keep


def compression_ratios(texts: Iterable[str]) -> np.ndarray:
    """UTF-8 bytes over deflated bytes (gzip's level 6) of each text, float64 [N]."""
    encoded = (text.encode() for text in texts)
    return np.array([len(data) / max(len(zlib.compress(data, 6)), 1) for data in encoded])


def pack_part(
    lengths: np.ndarray,
    keep: np.ndarray,
    part: Part,
    context: int,
    *,
    seed: int,
    attribute: np.ndarray | None = None,
    group: int = 8192,
) -> Instances:
    """Pack the documents `keep` (bool [D]) of `lengths` tokens as `part` asks; see `packing.pack`.

    The facts count as dropped the tokens of documents that belong to the part by their length and are not kept;
    `store_tokens` are those of all documents, by which the store is known that was packed.
    """
    spans = np.zeros(int(keep.sum()), PIECE)
    spans["document"] = np.flatnonzero(keep)
    spans["length"] = lengths[keep]
    limit = part.longest or context
    short = cut(spans, limit)
    packed = pack_spans(short, context, seed=seed, attribute=attribute, group=group)
    split = lengths[keep & (lengths > limit)]
    within = lengths >= part.low
    if part.high is not None:
        within &= lengths < part.high
    tokens = max(int(lengths[keep].sum()), 1)
    facts = {
        "documents": int((lengths[keep] > 0).sum()),
        "split_documents": len(split),
        "split_share": float(split.sum() / tokens),
        "dropped": int(lengths[within & ~keep].sum()),
        "store_tokens": int(lengths.sum()),
    }
    return Instances(packed.pieces, packed.instance_offsets, packed.facts | facts)
