"""Attention that never crosses a document, for every architecture that transformers can load.

A training row holds several documents. Each may only see itself, and the two usual ways to say so are poor: a boolean
T x T mask pays for every pair of tokens and then throws most of them away, and a mask found from `position_ids` is
built behind our back, again as T x T. So two functions are registered with transformers under the name
"midtrain_documents": one computes attention from the documents' lengths, the other answers every request for a mask
with a promise (`DeferredMask`) that costs nothing until somebody really needs it.

    kwargs = document_kwargs(batch.cu_seqlens, batch.lengths, device)
    model.base_model(input_ids, position_ids=..., use_cache=False, attention_mask=None, **kwargs)

The kwargs travel through the model to every layer. Those with the names of transformers' own packed-sequence arguments
(`cu_seq_lens_q`, ...) also reach layers that are not attention, such as linear attention, which mind them too.
Without `document_kwargs` (a plain call, `generate` with its cache, padded rows) the function does what transformers'
"sdpa" does, mask included, so one loaded model serves training, scoring and generation.

On a CPU each document is one call of PyTorch's fused attention on a view, without a copy of the keys for grouped heads
(documents of equal length that stand side by side share a call, so rows of one document cost one call). Forward and
backward of 4,096 tokens, milliseconds on one thread (torch 2.13, AVX2):

                                 4 heads of 24, 2 for keys      6 heads of 32
                                 this    padded  block mask     this    padded  block mask
    T=512,  documents 60-200      38       50        72           54       85       136
    T=512,  documents 16-60       18       20        72           43       52       113
    T=2048, documents 20-370      35       51       317           82       90       560
    T=2048, one document         162        -       188          308        -       287

("padded": documents sorted by length and batched into four or eight padded calls, the better of the two. An autograd
function of our own around the kernel was no faster than autograd through split and cat.) On two threads the order is
the same. On a GPU in half precision all documents are one call of `varlen_attn` where this PyTorch has its window
argument; otherwise the CPU's way is used there as well.

Shapes: B rows, T tokens a row, N = B * T tokens, H query heads, K key heads, D head dimension, S tokens of one
document, C documents of one length, W window.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from midtrain.core.errors import UserError

NAME = "midtrain_documents"
"""What to give transformers as `attn_implementation`."""


def document_kwargs(
    cu_seqlens: Sequence[int] | np.ndarray | torch.Tensor, lengths: Sequence[int], device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """The keyword arguments of a model's forward that keep the documents of one batch apart.

    `lengths` are the documents' lengths in tokens, in the order of the rows laid end to end (a row's padding counts as
    a document); `cu_seqlens` their cumulative sum from 0, which may be padded at the end by repeating the last value,
    so that its shape never changes. Nothing here waits for the device.
    """
    sizes = tuple(int(length) for length in lengths)
    boundaries = torch.as_tensor(cu_seqlens, dtype=torch.int32)
    if boundaries.device.type == "cpu":
        expected = np.concatenate(([0], np.cumsum(sizes)))
        actual = boundaries.numpy()
        assert np.array_equal(actual[: len(expected)], expected), "cu_seqlens is not the cumulative sum of lengths"
        assert (actual[len(expected) :] == expected[-1]).all(), "cu_seqlens is padded with its last value"
    boundaries = boundaries.to(device, non_blocking=True)
    longest = max(sizes)
    return {
        "cu_seq_lens_q": boundaries,
        "cu_seq_lens_k": boundaries,
        "max_length_q": longest,
        "max_length_k": longest,
        "document_lengths": sizes,
    }


class DeferredMask:
    """A mask that transformers asked for, built when attention is called without document boundaries."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments: Mapping[str, Any] | None = arguments
        self._mask: torch.Tensor | None = None

    def build(self) -> torch.Tensor | None:
        """The [B, 1, T, keys] boolean mask of transformers' "sdpa", or None where plain causal is the same."""
        if self._arguments is not None:
            self._mask, self._arguments = sdpa_mask(**self._arguments), None
        return self._mask


def deferred_mask(**arguments: Any) -> DeferredMask:
    """transformers' mask interface: remember what was asked, build nothing."""
    return DeferredMask(arguments)


def document_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | DeferredMask | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention interface: causal attention inside each document, [B, T, H, D] from [B, H, T, D].

    `scaling` multiplies the scores (default D ** -0.5), `softcap` c turns a score s into c * tanh(s / c), and
    `sliding_window` W lets a token see itself and the W - 1 before it. Raises `UserError` for attention that this
    function would get wrong (sinks, position biases, two-way attention).
    """
    lengths = kwargs.pop("document_lengths", None)
    if lengths is None:
        mask = attention_mask.build() if isinstance(attention_mask, DeferredMask) else attention_mask
        kwargs.update(dropout=dropout, scaling=scaling, sliding_window=sliding_window)
        if softcap is not None:
            return _capped(query, key, value, mask, softcap, scaling, dropout).transpose(1, 2).contiguous(), None
        return sdpa_attention_forward(module, query, key, value, mask, **kwargs)
    _refuse(module, kwargs)
    batch, _, tokens, _ = query.shape
    if key.shape[2] != tokens or sum(lengths) != batch * tokens:
        raise UserError(
            f"the documents hold {sum(lengths)} tokens but attention got {batch} rows of {tokens} tokens and "
            f"{key.shape[2]} keys; call the model with use_cache=False and the documents of exactly this batch."
        )
    # [B, H, T, D] as transformers hands it over is a view of [B, T, H, D] memory, so this copies nothing.
    query_NHD, key_NKD, value_NKD = (x.transpose(1, 2).flatten(0, 1) for x in (query, key, value))
    if _VARLEN is not None and query.is_cuda and query.dtype in (torch.float16, torch.bfloat16) and not softcap:
        window = (-1, 0) if sliding_window is None else (sliding_window - 1, 0)
        boundaries, longest = kwargs["cu_seq_lens_q"], kwargs["max_length_q"]
        out_NHD = _VARLEN(
            *(query_NHD, key_NKD, value_NKD, boundaries, boundaries, longest, longest),
            scale=scaling,
            window_size=window,
            enable_gqa=query_NHD.shape[1] != key_NKD.shape[1],
        )
    else:
        out_NHD = _each_document(query_NHD, key_NKD, value_NKD, lengths, sliding_window, scaling, softcap, dropout)
    return out_NHD.unflatten(0, (batch, tokens)), None


def _refuse(module: torch.nn.Module, kwargs: Mapping[str, Any]) -> None:
    """Raise for what changes attention in a way that this file does not compute."""
    for name in ("s_aux", "sinks", "position_bias"):
        if kwargs.get(name) is not None:
            raise UserError(f"{type(module).__name__} uses {name}, which document attention cannot compute yet.")
    if not kwargs.get("is_causal", getattr(module, "is_causal", True)):
        raise UserError(f"{type(module).__name__} looks both ways; mid-training is for causal language models.")


def _each_document(
    query_NHD: torch.Tensor,
    key_NKD: torch.Tensor,
    value_NKD: torch.Tensor,
    lengths: Sequence[int],
    window: int | None,
    scaling: float | None,
    softcap: float | None,
    dropout: float,
) -> torch.Tensor:
    """Attention document by document; neighbours of equal length go together. Returns [N, H, D]."""
    runs = [(size, len(list(run))) for size, run in groupby(lengths)]
    spans = [size * count for size, count in runs]
    pieces = []
    # Split and cat, not slices: the gradient of a slice is a zero tensor as long as the whole batch, once a document.
    for (size, count), *parts in zip(runs, *(x.split(spans) for x in (query_NHD, key_NKD, value_NKD)), strict=True):
        query, key, value = (x.unflatten(0, (count, size)).transpose(1, 2) for x in parts)
        if softcap is not None:
            mask = _band(size, size, window, query.device)
            out = _capped(query, key, value, mask, softcap, scaling, dropout)
        elif window is not None and size > window:
            out = _windowed(query, key, value, window, scaling, dropout)
        else:
            out = _sdpa(query, key, value, None, scaling, dropout)
        pieces.append(out.transpose(1, 2).flatten(0, 1))
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def _sdpa(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float | None,
    dropout: float,
) -> torch.Tensor:
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        dropout_p=dropout,
        is_causal=mask is None,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )


def _windowed(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int, scaling: float | None, dropout: float
) -> torch.Tensor:
    """Sliding-window attention of documents [C, H, S, D] with S > W, in time and memory linear in S.

    Cut into blocks of W tokens, a block's queries see only its own keys and those of the block before it: one band
    mask [W, 2W] serves all blocks but the first, which is plain causal. The padding of the last block comes after
    every real query, so no real query sees it.
    """
    count, _, size, _ = query.shape
    blocks = -(-size // window)

    def block(x: torch.Tensor) -> torch.Tensor:  # [C, H, S, D] -> [C, H, blocks, W, D]
        return F.pad(x, (0, 0, 0, blocks * window - size)).unflatten(2, (blocks, window))

    query, key, value = block(query), block(key), block(value)
    first = _sdpa(query[:, :, 0], key[:, :, 0], value[:, :, 0], None, scaling, dropout)
    # [C, heads, blocks - 1, tokens, D] -> [C * (blocks - 1), heads, tokens, D]: a block is one more row of the batch.
    rest, keys, values = (
        x.transpose(1, 2).flatten(0, 1)
        for x in (
            query[:, :, 1:],
            torch.cat((key[:, :, :-1], key[:, :, 1:]), dim=3),
            torch.cat((value[:, :, :-1], value[:, :, 1:]), dim=3),
        )
    )
    band = _band(window, 2 * window, window, rest.device)
    later = _sdpa(rest, keys, values, band, scaling, dropout).unflatten(0, (count, blocks - 1)).transpose(1, 2)
    return torch.cat((first, later.flatten(2, 3)), dim=2)[:, :, :size]


def _band(queries: int, keys: int, window: int | None, device: torch.device) -> torch.Tensor:
    """[queries, keys] boolean causal mask of the last `queries` positions among `keys`, at most `window` wide."""
    position = torch.arange(keys - queries, keys, device=device)[:, None]
    other = torch.arange(keys, device=device)[None, :]
    visible = other <= position
    return visible if window is None else visible & (other > position - window)


def _capped(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    softcap: float,
    scaling: float | None,
    dropout: float,
) -> torch.Tensor:
    """Attention with capped scores (Gemma 2, arXiv:2408.00118), which the fused kernels lack: S x S, in float32."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    if mask is None:
        mask = _band(query.shape[2], key.shape[2], None, query.device)
    scores = query @ key.transpose(2, 3) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    scores = softcap * torch.tanh(scores / softcap)
    scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = F.dropout(torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype), dropout)
    return weights @ value


def _find_varlen() -> Callable[..., Any] | None:
    """PyTorch's `varlen_attn`, where it knows windows, grouped heads and a scale (2.12 and later)."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    wanted = {"window_size", "enable_gqa", "scale"}
    return varlen_attn if wanted <= set(inspect.signature(varlen_attn).parameters) else None


_VARLEN = _find_varlen()

AttentionInterface.register(NAME, document_attention)
AttentionMaskInterface.register(NAME, deferred_mask)
