"""Muon: the momentum of a hidden matrix, orthogonalised, is its update; everything else is left to AdamW.

A gradient's momentum is dominated by few directions. Muon sets all its singular values to about one, so that every
direction moves alike (Keller Jordan, kellerjordan.github.io/posts/muon, 2024). That makes sense for matrices between
hidden states; embeddings, the output head, norms and biases keep AdamW, in the same optimizer and at the same rate.

For the rate to be the same, an orthogonal update of a matrix A x B is scaled by 0.2 sqrt(max(A, B)), the root mean
square of AdamW's updates (Moonlight, arXiv:2502.16982 section 2.2); weight decay is AdamW's too. So a schedule or a
peak that was found for AdamW can be used as it is.

The momentum is a moving average of gradients, as AdamW's first moment is, and goes by the same name (`exp_avg`): a base
whose first moments are known starts Muon warm. It costs five small matrix products per matrix and step, and saves the
second moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration: chosen for the steepest slope at zero, so that five steps bring singular values from 0.003
on into about 0.7 to 1.2 (Keller Jordan, as above)."""
STEPS = 5
_RMS = 0.2


def orthogonalise(matrix_AB: torch.Tensor) -> torch.Tensor:
    """U V' of the singular value decomposition U S V' of a matrix, nearly: singular values of about 0.7 to 1.2.

    Newton-Schulz: X <- a X + b (X X') X + c (X X')^2 X. In bfloat16 on a GPU, which is enough for it.
    """
    x = matrix_AB.bfloat16() if matrix_AB.is_cuda else matrix_AB
    tall = x.shape[0] > x.shape[1]
    x = x.mT if tall else x
    x = x / (x.norm() + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrix_AB.dtype)


class Muon(torch.optim.Optimizer):
    """Muon over `matrices`, and the given fused AdamW over the rest, as one optimizer.

    Like PyTorch's fused AdamW it changes nothing in a step in which `found_inf` (a scalar on the device) is 1.
    """

    found_inf: torch.Tensor | None = None

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        *,
        momentum: float,
        weight_decay: float,
        adamw: torch.optim.AdamW | None,
    ):
        settings = {"lr": 0.0, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__([{"params": list(matrices)}], settings)
        self.matrices = set(self.param_groups[0]["params"])
        self._adamw = adamw
        if adamw is not None:
            adamw.state = self.state
            self.param_groups += adamw.param_groups

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        assert closure is None
        group = self.param_groups[0]
        for parameter in group["params"]:
            if parameter.grad is not None:
                self._move(parameter, group)
        if self._adamw is not None:
            self._adamw.found_inf = self.found_inf  # type: ignore[attr-defined]
            self._adamw.step()

    def _move(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["exp_avg"] = torch.zeros_like(parameter)
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
        assert parameter.grad is not None
        average = state["exp_avg"].lerp(parameter.grad, 1 - group["momentum"])
        update = orthogonalise(parameter.grad.lerp(average, group["momentum"]))  # Nesterov: one step ahead
        moved = parameter * (1 - group["lr"] * group["weight_decay"])
        moved.add_(update, alpha=-group["lr"] * _RMS * max(parameter.shape) ** 0.5)
        if self.found_inf is None:
            skipped = torch.zeros((), dtype=torch.bool, device=parameter.device)
        else:
            skipped = self.found_inf.bool()
        state["step"] += ~skipped
        state["exp_avg"].copy_(torch.where(skipped, state["exp_avg"], average))
        parameter.copy_(torch.where(skipped, parameter, moved))
