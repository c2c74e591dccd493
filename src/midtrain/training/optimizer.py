"""AdamW, or Muon with AdamW, over the parameters that may move, grouped by what they are and not by their names.

Decoupled weight decay pulls weights toward zero. That is wanted for the matrices of linear layers; a norm's gain
belongs near one, a bias is small anyway, and an embedding row of a rare token would decay between the few steps that
train it. So parameters of fewer than two dimensions and those of `nn.Embedding` modules are never decayed, and a head
that is tied to the embedding is the same tensor, hence not decayed either. No list of names can be wrong about that.

PyTorch's fused AdamW does one pass over weights, gradients and moments; its state is float32, as the weights are.
The moments are put into the optimizer and taken out by parameter name here: `load_state_dict` would bring the old
learning rate, betas and weight decay along unseen, which is the best known trap of warm starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn

from midtrain.core.errors import UserError, did_you_mean
from midtrain.training.config import OptimizerConfig
from midtrain.training.muon import Muon

Parameters = dict[str, nn.Parameter]


def select_trainable(model: nn.Module, patterns: Sequence[str]) -> Parameters:
    """Let exactly the parameters whose names match a pattern (as of the shell) move; returns them by name, in order.

    A tied matrix has one name, that of `model.named_parameters()`. Raises UserError for a pattern without a match.
    """
    named = dict(model.named_parameters())
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in named):
            plain = pattern.strip("*")
            hint = did_you_mean(plain, _parts(named)).removesuffix(".") if plain else ""
            hint = hint if hint.startswith(" Did") else f" A name is {next(iter(named))}"
            raise UserError(f'trainable: no parameter matches "{pattern}".{hint}{"" if hint.endswith("?") else "."}')
    chosen: Parameters = {}
    for name, parameter in named.items():
        parameter.requires_grad_(any(fnmatchcase(name, pattern) for pattern in patterns))
        if parameter.requires_grad:
            chosen[name] = parameter
    return chosen


def _parts(names: Mapping[str, object]) -> set[str]:
    """Names and their parts, for suggestions: 'mlp' is what people mean by '*mpl*'."""
    return {part for name in names for part in [name, *name.split(".")] if not part.isdigit()}


def undecayed_names(model: nn.Module) -> set[str]:
    """The names of the parameters that weight decay leaves alone."""
    embeddings = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters(recurse=False)}
    return {name for name, p in model.named_parameters() if p.ndim < 2 or id(p) in embeddings}


def hidden_matrices(model: nn.Module) -> set[str]:
    """The names of the matrices between hidden states: two dimensions, and neither an embedding nor the output head."""
    head = getattr(model, "get_output_embeddings", lambda: None)()
    outside = {id(p) for p in head.parameters()} if head is not None else set()
    undecayed = undecayed_names(model)
    return {n for n, p in model.named_parameters() if p.ndim == 2 and n not in undecayed and id(p) not in outside}


def make_optimizer(model: nn.Module, parameters: Parameters, config: OptimizerConfig) -> torch.optim.AdamW | Muon:
    """The optimizer over `parameters` of `model`: one group that is decayed and one that is not, for Muon one more of
    hidden matrices; the rate is set per step."""
    assert all(p.dtype == torch.float32 for p in parameters.values()), "training needs float32 weights"
    undecayed = undecayed_names(model)
    matrices = hidden_matrices(model) if config.kind == "muon" else set()
    groups = [
        {
            "params": [p for n, p in parameters.items() if (n in undecayed) == left_alone and n not in matrices],
            "weight_decay": decay,
        }
        for left_alone, decay in ((False, config.weight_decay), (True, 0.0))
    ]
    groups = [group for group in groups if group["params"]]
    adamw = torch.optim.AdamW(groups, lr=0.0, betas=config.betas, eps=config.eps, fused=True) if groups else None
    moved = [p for n, p in parameters.items() if n in matrices]
    if moved:
        return Muon(moved, momentum=config.momentum, weight_decay=config.weight_decay, adamw=adamw)
    assert adamw is not None, "no parameter may move"
    return adamw


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def skip_step_if(optimizer: torch.optim.Optimizer, skip: torch.Tensor) -> None:
    """Let the next step change nothing where `skip` (a bool on the device) holds; nothing waits for it.

    PyTorch's gradient scaler tells fused optimizers the same by the same flag.
    """
    optimizer.found_inf = skip.float()  # type: ignore[attr-defined]


def clip_gradients(parameters: Parameters, largest: float | None) -> torch.Tensor:
    """Scale the gradients so that their global L2 norm is at most `largest` (None: leave them).

    Returns the norm before scaling, a scalar on the device; nothing here waits for it. Under data parallelism this
    comes after the gradients are summed over ranks, and stays as it is.
    """
    gradients = [p.grad for p in parameters.values() if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if largest is not None:
        torch.nn.utils.clip_grads_with_norm_(parameters.values(), largest, norm)
    return norm


def _kinds(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> tuple[str, ...]:
    """The moments that `optimizer` keeps of a parameter."""
    muons = isinstance(optimizer, Muon) and parameter in optimizer.matrices
    return ("exp_avg",) if muons else ("exp_avg", "exp_avg_sq")


def get_moments(
    optimizer: torch.optim.Optimizer, parameters: Parameters
) -> tuple[dict[str, torch.Tensor], dict[str, int]]:
    """({exp_avg.NAME, exp_avg_sq.NAME: fp32 on the CPU}, {NAME: step count}) of the parameters that were stepped.

    Of Muon's matrices there is only exp_avg.
    """
    moments, counters = {}, {}
    for name, parameter in parameters.items():
        state = optimizer.state.get(parameter)
        if state:
            for kind in _kinds(optimizer, parameter):
                moments[f"{kind}.{name}"] = state[kind].detach().to("cpu", torch.float32).contiguous()
            counters[name] = int(state["step"])
    return moments, counters


def set_moments(
    optimizer: torch.optim.Optimizer,
    parameters: Parameters,
    moments: Mapping[str, torch.Tensor],
    counters: Mapping[str, int],
) -> int:
    """Put moments and step counts in by name, touching no learning rate, beta or decay; returns how many found a home.

    Parameters without moments begin at zero, counted from zero. AdamW's first moment serves Muon; Muon's momentum alone
    does not serve AdamW, whose step is divided by the second. Raises UserError when a shape does not fit.
    """
    found = 0
    for name, parameter in parameters.items():
        known = {kind: moments.get(f"{kind}.{name}") for kind in _kinds(optimizer, parameter)}
        for kind, moment in known.items():
            if moment is not None and moment.shape != parameter.shape:
                raise UserError(
                    f"The moment {kind}.{name} has the shape {list(moment.shape)} and the parameter "
                    f"{list(parameter.shape)}; set carry.moments: reset."
                )
        whole = all(moment is not None for moment in known.values())
        if not whole and (name not in counters or any(moment is not None for moment in known.values())):
            continue
        state = {
            kind: torch.zeros_like(parameter) if moment is None else moment.to(parameter, copy=True)
            for kind, moment in known.items()
        }
        found += whole
        state["step"] = torch.tensor(float(counters.get(name, 0)), dtype=torch.float32, device=parameter.device)
        optimizer.state[parameter] = state
    return found
