"""Steps that would do harm: left out on the device, told apart by document, and rolled back when they do not end.

A loss or a gradient norm far above what it has been is a spike: more than `sigmas` standard deviations above the mean
of the last `window` accepted steps (OLMo-core's skip-step: 128 steps, 6 sigma), or not a number. Such a step changes
nothing: the optimizer is told by a flag on the device (`found_inf`, which PyTorch's fused AdamW reads), so weights,
moments and step counts stay bit for bit, and nothing waits for the device to know. Skipped steps do not enter the
statistics, or one spike would excuse the next.

The host looks when a line is written or a checkpoint due (on a CPU at once). It then asks which documents were behind
a skipped step: one forward pass gives the mean loss of each; those far above the others (six robust deviations of the
median) are named, or all of the batch's when none stands out. By a decision of the run their tokens have no loss from
then on. When `patience` steps in a row are skipped, the documents are not the reason: weights and moments go back to
the last checkpoint from before, and the data go on behind the spike (PaLM, arXiv:2204.02311 section 5.1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from midtrain.models.attention import document_kwargs
from midtrain.models.head import output_head
from midtrain.models.loss import linear_cross_entropy
from midtrain.tokens.batches import StageData
from midtrain.training.config import SpikesConfig
from midtrain.training.step import micro_batches

QUARANTINE = "quarantine.jsonl"
"""The ledger in a run's folder: {step, source, documents} a line, what the run's decisions name."""
LEAST_TARGETS = 8
"""A shorter document's mean loss says little of it."""
_ROBUST_SIGMAS = 6.0


@dataclass(frozen=True)
class Spike:
    """A step that was skipped; `*_limit` is what was allowed, infinite while too little was known."""

    step: int
    loss: float
    norm: float
    loss_limit: float
    norm_limit: float

    def __str__(self) -> str:
        what = "loss" if not self.loss <= self.loss_limit else "gradient norm"
        value, limit = (self.loss, self.loss_limit) if what == "loss" else (self.norm, self.norm_limit)
        why = f"{value:.4g}, above {limit:.4g}" if math.isfinite(value) else "not a finite number"
        return f"Step {self.step} was skipped: its {what} is {why}."

    def plain(self) -> dict[str, Any]:
        """For the journal, where what is not a number is null."""
        named = {key: value for key, value in vars(self).items() if key != "step"}
        return {key: value if math.isfinite(value) else None for key, value in named.items()}


class SpikeGuard:
    """Judges every step on the device, and counts on the host what was skipped."""

    def __init__(self, config: SpikesConfig, device: torch.device, saved: Mapping[str, Any] | None = None):
        self.config = config
        self._values_2W = torch.zeros(2, config.window, dtype=torch.float64, device=device)
        self._accepted = torch.zeros((), dtype=torch.int64, device=device)
        self._unseen: list[tuple[int, torch.Tensor]] = []
        self.skipped = self.rollbacks = 0
        """Over the whole stage."""
        self.streak = 0
        """Skipped steps in a row, as of the last look."""
        self.healthy: int | None = None
        """The newest checkpoint that was written outside of a streak."""
        if saved:
            self._restore_window(saved)
            self.skipped, self.rollbacks = saved["skipped"], saved["rollbacks"]
            self.streak, self.healthy = saved["streak"], saved["healthy"]

    def judge(self, step: int, loss: torch.Tensor, norm: torch.Tensor) -> torch.Tensor:
        """Whether step `step` is to be skipped: a bool on the device; nothing waits for it."""
        now_2 = torch.stack([loss.double(), norm.double()])
        known_W = torch.arange(self.config.window, device=now_2.device) < self._accepted
        count = known_W.sum()
        mean_2 = (self._values_2W * known_W).sum(1) / count.clamp(min=1)
        square_2 = ((self._values_2W - mean_2[:, None]).square() * known_W).sum(1)
        limit_2 = mean_2 + self.config.sigmas * (square_2 / (count - 1).clamp(min=1)).sqrt()
        limit_2 = torch.where(count >= max(2, self.config.window // 2), limit_2, torch.inf)
        bad = (~torch.isfinite(now_2) | (now_2 > limit_2)).any()
        here_W = torch.arange(self.config.window, device=now_2.device) == self._accepted % self.config.window
        self._values_2W = torch.where(here_W & ~bad, now_2[:, None], self._values_2W)
        self._accepted = self._accepted + ~bad
        self._unseen.append((step, torch.cat([bad.double()[None], now_2, limit_2])))
        return bad

    def look(self) -> list[Spike]:
        """The spikes since the last look, oldest first; waits for the device."""
        if not self._unseen:
            return []
        rows = torch.stack([row for _, row in self._unseen]).tolist()
        spikes = []
        for (step, _), (bad, *values) in zip(self._unseen, rows, strict=True):
            self.streak = self.streak + 1 if bad else 0
            if bad:
                spikes.append(Spike(step, *values))
        self._unseen = []
        self.skipped += len(spikes)
        return spikes

    def forget(self) -> None:
        """Begin the statistics anew: the data change by decision, and with them what is usual."""
        self._accepted = torch.zeros_like(self._accepted)

    def roll_back(self, saved: Mapping[str, Any]) -> None:
        """Go on with the statistics of an earlier checkpoint; the counts of the stage stay."""
        self._restore_window(saved)
        self.streak, self.rollbacks = 0, self.rollbacks + 1

    def _restore_window(self, saved: Mapping[str, Any]) -> None:
        """Put back the statistics that `state` recorded."""
        self._values_2W = torch.tensor(saved["values"], dtype=torch.float64, device=self._values_2W.device)
        self._accepted = torch.tensor(saved["accepted"], dtype=torch.int64, device=self._values_2W.device)

    def state(self) -> dict[str, Any]:
        """What a checkpoint records."""
        return {
            "values": self._values_2W.tolist(),
            "accepted": int(self._accepted),
            "skipped": self.skipped,
            "rollbacks": self.rollbacks,
            "streak": self.streak,
            "healthy": self.healthy,
        }


@torch.no_grad()
def document_losses(model: Any, data: StageData, step: int, micro_sequences: int) -> list[dict[str, Any]]:
    """The pieces of the step with index `step` as `StageData.pieces` names them, each with `targets` and mean `loss`.

    A loss that is not a number is infinite. The model is as it is now, without dropout; one forward pass.
    """
    batch, device = data.batch(step), next(model.parameters()).device
    losses = []
    training = model.training
    model.eval()
    try:
        for micro in micro_batches(batch, micro_sequences):
            columns = (micro.input_ids_BT, micro.position_ids_BT, micro.labels_BT, micro.weight_BT)
            ids_BT, at_BT, labels_BT, weights_BT = (torch.from_numpy(column.copy()).to(device) for column in columns)
            hidden_BTD = model.base_model(
                input_ids=ids_BT,
                position_ids=at_BT,
                attention_mask=None,
                use_cache=False,
                **document_kwargs(micro.cu_seqlens, micro.lengths, device),
            ).last_hidden_state
            output = linear_cross_entropy(
                hidden_BTD.flatten(0, 1),
                labels_N=labels_BT.flatten(),
                weights_N=weights_BT.flatten(),
                **output_head(model),
            )
            losses.append(output.nll_N.double().cpu().numpy())
    finally:
        model.train(training)
    nll_N, has_loss_N = np.concatenate(losses), batch.weight_BT.ravel() > 0
    found, row, at_row = [], -1, 0
    for piece in data.pieces(step):
        at_row = at_row if piece["row"] == row else 0
        row = piece["row"]
        begin = row * data.context + at_row
        at_row += piece["length"]
        here_N = slice(begin, begin + piece["length"])
        values = nll_N[here_N][has_loss_N[here_N]]
        mean = float(values.mean()) if values.size else 0.0
        found.append({**piece, "targets": int(values.size), "loss": mean if math.isfinite(mean) else math.inf})
    return found


def suspects(pieces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of a step's pieces whose loss stands out, the highest first; all that have loss when none does.

    Standing out is six times the median absolute deviation, scaled to a standard deviation, above the median.
    """
    known = [piece for piece in pieces if piece["targets"]]
    long = np.array([piece["loss"] for piece in known if piece["targets"] >= LEAST_TARGETS])
    if not long.size:
        return known
    middle = float(np.median(long))
    spread = 1.4826 * float(np.median(np.abs(long - middle))) if math.isfinite(middle) else math.inf
    limit = middle + _ROBUST_SIGMAS * max(spread, 1e-6) if math.isfinite(spread) else math.inf
    named = [p for p in known if p["targets"] >= LEAST_TARGETS and (p["loss"] > limit or math.isinf(p["loss"]))]
    return sorted(named or known, key=lambda piece: -piece["loss"])


def quarantine_of(pieces: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """{source: {document id: its place in the store}} of pieces, as a decision records it."""
    found: dict[str, dict[str, int]] = {}
    for piece in pieces:
        found.setdefault(piece["source"], {})[piece["document"]] = piece["index"]
    return found
