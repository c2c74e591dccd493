"""Cross-entropy of a linear head without the logits: the largest tensor of a small model's training step, never made.

The logits of N tokens over V words are N x V numbers, and plain autograd keeps them, their log-softmax and their
gradient. Here the gradient is computed in the forward pass, a chunk of tokens at a time: logits of the chunk, softmax,
gradient of the logits, and from it the gradients of the hidden states and of the head, which is all that backward
needs (it only scales them). Tokens without loss (label -100 or weight 0) are left out before the first product, so a
batch of chats in which a fifth of the tokens have loss pays for a fifth of the head.

    loss = sum over tokens of weight * (nll + z_loss * logsumexp ** 2)

is a sum: divide it by the global sum of weights. The z-loss keeps the logits' scale in place (PaLM, arXiv:2204.02311,
section 5, with 1e-4). `nll` and `logsumexp` of each token come back for logging, without gradient.

Forward and backward against `F.cross_entropy(F.linear())`: float32, one thread, processor time, growth of resident
memory (torch 2.13, AVX2); "half" is a batch in which every second token has loss:

    D     V       N       plain               this               half: this
    96    2,048   4,096    213 ms   97 MB       83 ms    7 MB      55 ms
    192   4,096   4,096    563 ms  195 MB      302 ms   14 MB     178 ms
    192   8,192   4,096  1,131 ms  384 MB      663 ms   27 MB     319 ms
    192   32,768  2,048  2,365 ms  768 MB    1,620 ms   56 MB

Legend: N tokens, R tokens with loss, C tokens of a chunk, D hidden size, V vocabulary.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

IGNORE = -100
"""The label of a token that has no loss."""


class LossOutput(NamedTuple):
    """The loss of a batch, and of each token for logging."""

    loss: torch.Tensor
    """Scalar, differentiable: the weighted sum over tokens, float32 (float64 for float64 inputs)."""
    nll_N: torch.Tensor
    """Negative log-likelihood of each label in nats, detached; 0 where a token has no loss."""
    logsumexp_N: torch.Tensor
    """Log of the softmax's denominator, detached; 0 where a token has no loss."""


def linear_cross_entropy(
    hidden_ND: torch.Tensor,
    weight_VD: torch.Tensor,
    labels_N: torch.Tensor,
    weights_N: torch.Tensor,
    *,
    z_loss: float = 0.0,
    logit_softcap: float | None = None,
    logit_scale: float | None = None,
    chunk: int | None = None,
    bias_V: torch.Tensor | None = None,
) -> LossOutput:
    """Weighted cross-entropy of the logits `hidden @ weight.T + bias`, with gradients for all three.

    The logits are first multiplied by `logit_scale` (Cohere; 1 / logits_scaling for Granite), then capped as
    c * tanh(logits / c) by `logit_softcap` c (Gemma 2). In half precision, or under autocast, the products are of that
    precision, softmax and sums over chunks are float32. `chunk` is the number of tokens at a time (default: what
    measured fastest). Under `torch.no_grad` no gradient is computed. Backward can run once.
    """
    assert hidden_ND.ndim == 2, "hidden states are [N, D]; flatten the rows first"
    assert labels_N.shape == weights_N.shape == hidden_ND.shape[:1], "labels and weights are [N]"
    kind = hidden_ND.device.type
    product = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden_ND.dtype
    settings = _Settings(
        z_loss=z_loss,
        softcap=logit_softcap,
        scale=1.0 if logit_scale is None else logit_scale,
        chunk=chunk or default_chunk(weight_VD.shape[0], kind),
        product=product,
        gradients=torch.is_grad_enabled(),
    )
    with torch.autocast(kind, enabled=False):
        return LossOutput(*_LinearCrossEntropy.apply(hidden_ND, weight_VD, bias_V, labels_N, weights_N, settings))


def default_chunk(vocabulary: int, kind: str = "cpu") -> int:
    """Tokens at a time: few enough to save memory, enough for the products to be fast.

    On a CPU 512, or 256 where the vocabulary is above 8,192: between 128 and 1,024 the time differs by about a tenth,
    beyond that the logits leave the cache. On a GPU 2**27 logits (0.5 GB), where wider products pay (not measured).
    """
    logits, most = (2**22, 512) if kind == "cpu" else (2**27, 8192)
    return min(max(logits // vocabulary, 256), most)


class _Settings(NamedTuple):
    z_loss: float
    softcap: float | None
    scale: float
    chunk: int
    product: torch.dtype
    gradients: bool


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: torch.Tensor,
        weight_VD: torch.Tensor,
        bias_V: torch.Tensor | None,
        labels_N: torch.Tensor,
        weights_N: torch.Tensor,
        settings: _Settings,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        total = torch.float64 if hidden_ND.dtype == torch.float64 else torch.float32
        rows_R = ((labels_N != IGNORE) & (weights_N != 0)).nonzero().squeeze(1)
        every = len(rows_R) == len(labels_N)
        hidden_RD = (hidden_ND if every else hidden_ND[rows_R]).to(settings.product)
        labels_R = labels_N if every else labels_N[rows_R]
        weights_R = (weights_N if every else weights_N[rows_R]).to(total)

        wants = [settings.gradients and needed for needed in ctx.needs_input_grad[:3]]
        head = weight_VD.to(settings.product)
        gradients = [
            torch.empty_like(hidden_RD) if wants[0] else None,
            torch.zeros_like(weight_VD, dtype=total) if wants[1] else None,
            torch.zeros_like(bias_V, dtype=total) if wants[2] and bias_V is not None else None,
        ]
        nll_R, logsumexp_R = weights_R.new_empty(len(rows_R)), weights_R.new_empty(len(rows_R))
        for start in range(0, len(rows_R), settings.chunk):
            part = slice(start, start + settings.chunk)
            nll_R[part], logsumexp_R[part], slope_CV = _chunk(
                hidden_RD[part], head, bias_V, labels_R[part], weights_R[part], settings, any(wants)
            )
            if slope_CV is not None:
                _accumulate(gradients, part, slope_CV, hidden_RD, head, settings)
            del slope_CV  # Before the next chunk's logits are made.
        loss = (weights_R * (nll_R + settings.z_loss * logsumexp_R.square())).sum()

        ctx.ready = tuple(gradients)
        ctx.dtypes = (hidden_ND.dtype, weight_VD.dtype, None if bias_V is None else bias_V.dtype)
        ctx.rows_R = None if every else rows_R
        ctx.tokens = len(labels_N)
        nll_N, logsumexp_N = (
            (nll_R, logsumexp_R)
            if every
            else (x.new_zeros(len(labels_N)).index_copy_(0, rows_R, x) for x in (nll_R, logsumexp_R))
        )
        ctx.mark_non_differentiable(nll_N, logsumexp_N)
        return loss, nll_N, logsumexp_N

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor, *_: Any) -> tuple[torch.Tensor | None, ...]:
        assert ctx.ready is not None, "linear_cross_entropy gives its gradients away in backward; it can run once"
        # The gradients belong to this node alone: scaling them in place saves a copy of the head.
        scaled = [
            None if gradient is None else gradient.mul_(slope.to(gradient.dtype)).to(dtype)
            for gradient, dtype in zip(ctx.ready, ctx.dtypes, strict=True)
        ]
        ctx.ready = None
        if ctx.rows_R is not None and scaled[0] is not None:
            whole = scaled[0].new_zeros(ctx.tokens, scaled[0].shape[1])
            scaled[0] = whole.index_copy_(0, ctx.rows_R, scaled[0])
        return (*scaled, None, None, None)


def _chunk(
    hidden_CD: torch.Tensor,
    head_VD: torch.Tensor,
    bias_V: torch.Tensor | None,
    labels_C: torch.Tensor,
    weights_C: torch.Tensor,
    settings: _Settings,
    gradient: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """nll [C], logsumexp [C] and, if wanted, the gradient of the weighted loss by the products `hidden @ head.T`."""
    logits_CV = (hidden_CD @ head_VD.T).to(weights_C.dtype)
    if bias_V is not None:
        logits_CV += bias_V
    if settings.scale != 1.0:
        logits_CV *= settings.scale
    if settings.softcap is not None:
        bent_CV = torch.tanh_(logits_CV / settings.softcap)
        logits_CV = bent_CV * settings.softcap
    column_C1 = labels_C[:, None]
    logits_C1 = logits_CV.gather(1, column_C1)
    # Softmax by hand and in place: one exponential and one buffer, where log_softmax and exp would take two of each.
    largest_C1 = logits_CV.amax(1, keepdim=True)
    odds_CV = logits_CV.sub_(largest_C1).exp_()
    total_C1 = odds_CV.sum(1, keepdim=True)
    logsumexp_C1 = largest_C1 + total_C1.log()
    nll_C1 = logsumexp_C1 - logits_C1
    if not gradient:
        return nll_C1[:, 0], logsumexp_C1[:, 0], None
    # d loss / d logits = weight * ((1 + 2 z logsumexp) * softmax - onehot)
    slope_CV = odds_CV.mul_(weights_C[:, None] * (1 + 2 * settings.z_loss * logsumexp_C1) / total_C1)
    slope_CV.scatter_add_(1, column_C1, -weights_C[:, None])
    if settings.softcap is not None:
        slope_CV.addcmul_(slope_CV, bent_CV.square_(), value=-1)
    if settings.scale != 1.0:
        slope_CV *= settings.scale
    return nll_C1[:, 0], logsumexp_C1[:, 0], slope_CV


def _accumulate(
    gradients: list[torch.Tensor | None],
    part: slice,
    slope_CV: torch.Tensor,
    hidden_RD: torch.Tensor,
    head_VD: torch.Tensor,
    settings: _Settings,
) -> None:
    """Add one chunk to the gradients of the hidden states, the head and its bias."""
    hidden, head, bias = gradients
    product_CV = slope_CV.to(settings.product)
    if hidden is not None:
        torch.mm(product_CV, head_VD, out=hidden[part])
    if head is not None and head.dtype == settings.product:
        head.addmm_(product_CV.T, hidden_RD[part])
    elif head is not None:
        head += product_CV.T @ hidden_RD[part]
    if bias is not None:
        bias += slope_CV.sum(0)
