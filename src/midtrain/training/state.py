"""What a stage carries over, and what a checkpoint holds.

"Start from a checkpoint" means six different things, and most surprises of continued training come from getting one
of them by accident. Each has a name in `CarryConfig` and its own line of code here:

    weights            copied in, or initialised anew from the seed
    moments            Adam's moving averages by parameter name, or zero
    step_counters      how many steps the moments have seen, which decides Adam's bias correction. Old moments counted
                       from 0 are divided by 1 - beta, a large first step; that is for experiments
    hyperparameters    peak rate, betas, eps, weight decay and clipping of the stage before, or this stage's own.
                       Moments never bring them along
    schedule_position  the schedule goes on from where it stopped, over the steps of both, or begins anew
    data_position      decided where the data is put together (tokens/ledger.py); here it is only said

A base can take part too: `training_state.json` and `optimizer.safetensors` beside its weights, which is what our own
exports write. A checkpoint is three files: model.safetensors, optimizer.safetensors (exp_avg.NAME, exp_avg_sq.NAME,
float32) and state.json (everything that is a number, the random generators included); a stage that averages its
weights (averaging.py) adds average.safetensors. A run that resumes from it goes on bit by bit as if it had not been
interrupted.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from midtrain.core.artifact import Artifact, Draft
from midtrain.core.errors import UserError
from midtrain.core.permutation import derive_key
from midtrain.models.load import load_moments, training_state
from midtrain.training.averaging import FILE as AVERAGE
from midtrain.training.config import OptimizerConfig, StageConfig
from midtrain.training.optimizer import Parameters, set_moments
from midtrain.training.schedule import phases, resolve_peak

MODEL, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"


@dataclass(frozen=True)
class CarriedState:
    """What is known of a model's training so far: of a base, or at the end of a stage."""

    origin: str
    """Whose it is, for sentences: "the base", "stage anneal"."""
    weights: dict[str, torch.Tensor] | None = None
    """By name of `model.named_parameters()`; None when the model that is passed along already has them."""
    moments: dict[str, torch.Tensor] = field(default_factory=dict)
    """exp_avg.NAME and exp_avg_sq.NAME, float32."""
    step_counters: dict[str, int] = field(default_factory=dict)
    """Adam's step count by parameter name."""
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    """peak, betas, eps, weight_decay, clip; empty when unknown."""
    learning_rate: float | None = None
    """The rate at which training stopped."""
    step: int | None = None
    """Optimizer steps so far, all stages together."""
    tokens: int = 0
    """Tokens read so far, all stages together."""
    phase: str = "stable"
    """Where in its schedule it stopped: warmup, stable or decay."""
    schedule_position: int | None = None
    """Steps into its schedule."""
    data: dict[str, Any] = field(default_factory=dict)
    """Rows read of the last stage (`position`) and what names them (`digest`, `decisions`)."""

    def load_weights(self, model: nn.Module) -> None:
        """Copy the weights into `model`; raises UserError when names or shapes differ."""
        assert self.weights is not None
        named = dict(model.named_parameters())
        if wrong := sorted(named.keys() ^ self.weights.keys()):
            raise UserError(f"The weights of {self.origin} do not fit the model: only one of them has {wrong[0]}.")
        with torch.no_grad():
            for name, parameter in named.items():
                if parameter.shape != self.weights[name].shape:
                    raise UserError(
                        f"The weights of {self.origin} do not fit the model: {name} is {list(self.weights[name].shape)}"
                        f" there and {list(parameter.shape)} in the model."
                    )
                parameter.copy_(self.weights[name])

    def training_state(self) -> dict[str, Any]:
        """What an export writes into training_state.json, from which `base_state` reads it back."""
        settings = {key: value for key, value in self.hyperparameters.items() if key not in ("peak", "kind")}
        name = self.hyperparameters.get("kind", "adamw")
        return {
            "learning_rate": self.learning_rate,
            "step": self.step,
            "tokens": self.tokens,
            "phase": self.phase,
            "optimizer": {"name": name, **settings, "step": max(self.step_counters.values(), default=0)},
            "schedule": {"peak": self.hyperparameters.get("peak"), "position": self.schedule_position},
        }


def base_state(folder: str | Path) -> CarriedState | None:
    """What the base in `folder` says of its pretraining; None when it says nothing."""
    known, moments = training_state(folder), load_moments(folder)
    if known is None and moments is None:
        return None
    known, moments = known or {}, moments or {}
    optimizer, schedule = known.get("optimizer") or {}, known.get("schedule") or {}
    rate, step = known.get("learning_rate"), known.get("step")
    steps = int(optimizer.get("step") or step or 0)
    settings = {key: optimizer[key] for key in ("betas", "eps", "weight_decay", "clip", "momentum") if key in optimizer}
    settings |= {"kind": "muon"} if settings and optimizer.get("name") == "muon" else {}
    return CarriedState(
        origin="the base",
        moments=moments,
        step_counters={name.removeprefix("exp_avg."): steps for name in moments if name.startswith("exp_avg.")},
        hyperparameters={"peak": schedule.get("peak") or rate, **settings} if settings else {},
        learning_rate=rate,
        step=step,
        tokens=int(known.get("tokens") or 0),
        phase=known.get("phase", "stable"),
        schedule_position=schedule.get("position", step),
    )


def final_state(artifact: Artifact) -> CarriedState:
    """What a finished training run left: its final checkpoint, for the next stage or an export.

    Where the stage kept an average, that is its weights.
    """
    checkpoint = artifact.path / artifact.manifest["facts"]["final_checkpoint"]
    state, weights, moments = read_checkpoint(checkpoint)
    return CarriedState(
        origin="the stage before",
        weights=weights | read_average(checkpoint),
        moments=moments,
        step_counters=state["step_counters"],
        hyperparameters=state["hyperparameters"],
        learning_rate=state["learning_rate"],
        step=state["total"]["step"],
        tokens=state["total"]["tokens"],
        phase=state["phase"],
        schedule_position=state["schedule"]["position"],
        data=state["data"],
    )


@dataclass(frozen=True)
class Start:
    """With what a stage begins, once it is settled what it carries."""

    optimizer: OptimizerConfig
    """The settings in force."""
    peak: float
    """The peak learning rate in force."""
    schedule_offset: int
    """Steps of its schedule that lie before this stage."""
    total: dict[str, int]
    """step and tokens of everything before this stage."""
    sentences: list[str]
    """What a person should know about it."""


def settle(config: StageConfig, initial: CarriedState | None) -> Start:
    """Settle hyperparameters, peak and schedule position; UserError when something to be kept is not there."""
    carry, sentences = config.carry, []
    before = initial or CarriedState(origin="the base")
    where = "the base's training state" if before.origin == "the base" else before.origin
    optimizer = config.optimizer
    if carry.hyperparameters == "keep":
        known = before.hyperparameters
        if not known.get("peak"):
            raise UserError(f"carry.hyperparameters: keep, but {where} says none; set it to reset.")
        kept = {key: value for key, value in known.items() if key in OptimizerConfig.model_fields}
        optimizer, peak = OptimizerConfig.model_validate({**optimizer.model_dump(), **kept}), float(known["peak"])
        sentences.append(f"Kept the hyperparameters of {where}: peak {peak:g}, {_settings(optimizer)}.")
    else:
        peak, sentence = resolve_peak(config.schedule, before.learning_rate, before.step, where)
        sentences += [sentence] if sentence else []
    offset = 0
    if carry.schedule_position == "keep":
        if before.schedule_position is None:
            raise UserError(f"carry.schedule_position: keep, but {where} says none; set it to reset.")
        offset = before.schedule_position
        sentences.append(f"The schedule goes on at step {offset} of {offset + config.num_steps}.")
    if carry.data_position == "keep":
        sentences.append(
            "The documents go on where the stage before stopped."
            if before.data
            else "data_position: keep has nothing to keep: what the base has read is not known here."
        )
    total = {"step": before.step or 0, "tokens": before.tokens}
    if carry.weights == "reset":
        total = {"step": 0, "tokens": 0}
    return Start(optimizer, peak, offset, total, sentences)


def _settings(config: OptimizerConfig) -> str:
    return (
        f"betas {config.betas[0]:g} and {config.betas[1]:g}, eps {config.eps:g}, weight decay "
        f"{config.weight_decay:g}, clip {config.clip if config.clip is not None else 'none'}"
    )


def carry_weights(model: Any, config: StageConfig, initial: CarriedState | None, seed: int) -> list[str]:
    """Put the weights in place (or fresh ones, drawn from `seed`); returns sentences."""
    if config.carry.weights == "reset":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_key("weights", seed) % 2**63)
            fresh = type(model)(model.config)
        CarriedState("a new model", weights=dict(fresh.named_parameters())).load_weights(model)
        return ["The weights are initialised anew."]
    if initial is not None and initial.weights is not None:
        initial.load_weights(model)
    return []


def carry_moments(
    optimizer: torch.optim.Optimizer, parameters: Parameters, config: StageConfig, initial: CarriedState | None
) -> list[str]:
    """Put Adam's moments and step counts in place as the carry matrix says; returns sentences."""
    carry = config.carry
    if carry.weights == "reset":
        return ["Adam's moments begin at zero, as the weights are new."]
    moments = initial.moments if initial is not None and carry.moments == "keep" else {}
    counters = initial.step_counters if initial is not None and carry.step_counters == "keep" else {}
    found = set_moments(optimizer, parameters, moments, counters)
    where = initial.origin if initial is not None else "the base"
    if carry.moments == "reset":
        counted = ", their steps counted on" if counters else ""
        return [f"Adam's moments begin at zero, as asked{counted}."]
    if not found:
        return [f"Adam's moments begin at zero: {where} has none; a short warmup makes up for it."]
    counted = f"after {max(counters.values())} steps" if counters else "their steps counted from 0"
    some = "" if found == len(parameters) else f" for {found} of {len(parameters)} parameters; the others begin at zero"
    return [f"Adam's moments come from {where}, {counted}{some}."]


def phase_at(config: StageConfig, position: int, num_steps: int) -> str:
    """Where in its schedule time `position` lies: warmup, stable or decay."""
    warmup, decay = phases(config.schedule, num_steps)
    if position < warmup:
        return "warmup"
    return "decay" if position > num_steps - decay else "stable"


def write_checkpoint(
    draft: Draft,
    model: nn.Module,
    moments: Mapping[str, torch.Tensor],
    state: Mapping[str, Any],
    average: Mapping[str, torch.Tensor],
) -> None:
    """Write the files of a checkpoint, `average` only where there is one; the random generators' states are added."""
    weights = {name: p.detach().to("cpu").contiguous() for name, p in model.named_parameters()}
    save_file(weights, draft.path / MODEL, metadata={"format": "pt"})
    save_file(dict(moments), draft.path / OPTIMIZER, metadata={"format": "pt"})
    if average:
        save_file(dict(average), draft.path / AVERAGE, metadata={"format": "pt"})
    (draft.path / STATE).write_text(json.dumps({**state, "rng": _rng_state()}, indent=1, allow_nan=False))


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """(state, weights, moments) of a checkpoint folder, whose files were digested when it was found."""
    return json.loads((path / STATE).read_text()), load_file(path / MODEL), load_file(path / OPTIMIZER)


def read_average(path: Path) -> dict[str, torch.Tensor]:
    """The average in a checkpoint folder, by parameter name; empty when there is none."""
    return load_file(path / AVERAGE) if (path / AVERAGE).exists() else {}


def _rng_state() -> dict[str, str]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return {kind: base64.b64encode(state.numpy().tobytes()).decode() for kind, state in states.items()}


def restore_rng(saved: Mapping[str, str]) -> None:
    """Set the random generators to what a checkpoint recorded."""
    for kind, text in saved.items():
        state = torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8)
        if kind == "cpu":
            torch.set_rng_state(state)
        elif torch.cuda.is_available():
            torch.cuda.set_rng_state(state)
