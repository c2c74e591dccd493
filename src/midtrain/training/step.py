"""One step of training: the loss and the gradients of a whole batch, a micro-batch at a time.

The loss is a sum over the tokens of the batch divided by the sum of *all* the batch's weights, which is known before
anything is computed. So a micro-batch divides by the whole batch's sum and not by its own, gradients simply add up,
and cutting the batch differently changes nothing but the last bits. (A mean of micro-batch means weighs a token in a
short micro-batch more; that bug came back in most training libraries at least once.) With several ranks the same
holds: the sum of weights is added up over ranks first, gradients are summed and not averaged.

The hidden states go straight into the loss of `models/loss.py`; the logits of the batch never exist. What a person
wants to see (loss by source) is summed on the device, in float64, and fetched only when a line is written.

Shape legend: B = rows, T = context, N = B * T tokens, S = sources, D = hidden size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from midtrain.models.attention import document_kwargs
from midtrain.models.head import output_head
from midtrain.models.loss import linear_cross_entropy
from midtrain.tokens.batches import Batch


@dataclass(frozen=True)
class StepSums:
    """What a batch's forward passes summed up, on the device, in float64."""

    nll_S: torch.Tensor
    """Weighted negative log-likelihood by source."""
    weight_S: torch.Tensor
    """Loss weight by source."""
    z: torch.Tensor
    """Weighted logsumexp^2."""

    @property
    def loss(self) -> torch.Tensor:
        """Mean negative log-likelihood of the batch, a scalar on the device."""
        return self.nll_S.sum() / self.weight_S.sum().clamp(min=1e-12)

    def unless(self, skipped: torch.Tensor) -> StepSums:
        """These sums, or zeros where the step is skipped (a bool on the device)."""
        return StepSums(**{name: torch.where(skipped, 0.0, value) for name, value in vars(self).items()})


def micro_batches(batch: Batch, rows: int) -> Iterator[Batch]:
    """Cut a batch into pieces of at most `rows` rows. The boundaries keep one shape, padded as the batch's are."""
    total, context = batch.input_ids_BT.shape
    if rows >= total:
        yield batch
        return
    ends = np.cumsum(batch.lengths)
    most = (len(batch.cu_seqlens) - 1) // total
    for first in range(0, total, rows):
        last = min(first + rows, total)
        begin, end = np.searchsorted(ends, [first * context, last * context], side="right")
        cu_seqlens = np.full((last - first) * most + 1, (last - first) * context, np.int32)
        cu_seqlens[0] = 0
        cu_seqlens[1 : end - begin + 1] = ends[begin:end] - first * context
        yield Batch(
            input_ids_BT=batch.input_ids_BT[first:last],
            labels_BT=batch.labels_BT[first:last],
            position_ids_BT=batch.position_ids_BT[first:last],
            cu_seqlens=cu_seqlens,
            lengths=batch.lengths[begin:end],
            source_BT=batch.source_BT[first:last],
            weight_BT=batch.weight_BT[first:last],
            positions=batch.positions[first:last],
        )


def normaliser(batch: Batch) -> float:
    """The sum of the batch's weights, by which its loss is divided (1 for a batch without any target)."""
    return float(batch.weight_BT.sum(dtype=np.float64)) or 1.0


def forward_backward(
    model: Any, batch: Batch, *, micro_sequences: int, num_sources: int, z_loss: float = 0.0
) -> StepSums:
    """Add the gradients of (sum w nll + z_loss sum w logsumexp^2) / sum w to the parameters; returns the sums.

    `model` is a causal language model of transformers with document attention; memory is that of one micro-batch.
    """
    device = next(model.parameters()).device
    divide_by = normaliser(batch)
    nll_S = torch.zeros(num_sources, dtype=torch.float64, device=device)
    weight_S, z = torch.zeros_like(nll_S), torch.zeros((), dtype=torch.float64, device=device)
    for micro in micro_batches(batch, micro_sequences):
        weights_N = _on(micro.weight_BT, device).flatten()
        output = linear_cross_entropy(
            _hidden(model, micro, device).flatten(0, 1),
            labels_N=_on(micro.labels_BT, device).flatten(),
            weights_N=weights_N / divide_by,
            z_loss=z_loss,
            **output_head(model),
        )
        output.loss.backward()
        with torch.no_grad():
            wide_N = weights_N.double()
            source_N = _on(micro.source_BT, device).flatten().clamp(min=0).long()
            nll_S.index_add_(0, source_N, wide_N * output.nll_N)
            weight_S.index_add_(0, source_N, wide_N)
            z += (wide_N * output.logsumexp_N.double().square()).sum()
    return StepSums(nll_S, weight_S, z)


def _hidden(model: Any, batch: Batch, device: torch.device) -> torch.Tensor:
    """The last hidden states [B, T, D] of a batch, documents apart."""
    output = model.base_model(
        input_ids=_on(batch.input_ids_BT, device),
        position_ids=_on(batch.position_ids_BT, device),
        attention_mask=None,
        use_cache=False,
        **document_kwargs(batch.cu_seqlens, batch.lengths, device),
    )
    return output.last_hidden_state


def _on(array: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)
