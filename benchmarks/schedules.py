"""Learning-rate schedules and averages at equal tokens: what a decay is worth, and what stands in for it.

From the shipped base (whose pretraining stopped in the stable phase), the same number of tokens of new data: linear,
cosine and 1-sqrt decays, a constant rate, and from that same constant run its WSM merge, the mean of its last points
and its EMA. Then soups: three 1-sqrt runs that differ in the order of the data, and three that begin from different
random weights (the negative control: they lie in different basins, so their mean is no model). Figures: Muon against
AdamW, and a base without moments begun cold and with moments gathered first.

`wsm_equals_sgd_decay` is the theorem itself: updates of plain SGD in float64 along a constant rate, merged by WSM's
weights, against the same updates each scaled by the decay curve.

Settings were fixed before the first run. Loss is nats per token on held-out files; an interval is that of Student's t
over seeds, of paired differences.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from benchmarks.harness import Result, arguments, finish
from benchmarks.short_stages import (
    BASE,
    ROWS,
    MemoryStore,
    base_model,
    encoded,
    heldout_loss,
    mean_of,
    run_stage,
    stage_config,
    stage_data,
)
from midtrain.models.load import load_model
from midtrain.training.averaging import merge_weights, points
from midtrain.training.config import AverageConfig
from midtrain.training.schedule import decay_factor
from midtrain.training.state import CarriedState, base_state
from midtrain.training.step import forward_backward

_T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
_HELD = {"shape": "constant", "share": 0.0}
_WEIGHTS = {"code": 1.0}
_SHARE, _POINTS = 0.5, 10


def schedule(**decay: Any) -> dict[str, Any]:
    """The inherited peak with a decay."""
    return {"schedule": {"peak": "inherit", "decay": decay}}


def interval(differences: list[float]) -> tuple[float, float, float]:
    """(mean, low, high): the mean of paired differences and its 95 % interval over seeds."""
    mean = float(np.mean(differences))
    half = _T_95[len(differences)] * float(np.std(differences, ddof=1)) / math.sqrt(len(differences))
    return round(mean, 4), round(mean - half, 4), round(mean + half, 4)


def constant_and_its_averages(folder: Path, data: Any, steps: int) -> dict[str, float]:
    """Losses of one constant run: its end, its EMA (kept in the loop), its last points and its WSM merge."""
    averages = {
        kind: AverageConfig(kind=kind, share=_SHARE, points=_POINTS)  # type: ignore[arg-type]
        for kind in ("last", "wsm")
    }
    at = {kind: points(config, steps) for kind, config in averages.items()}
    fields = {"average": {"kind": "ema", "decay": 0.9}, "checkpoint_every": 1, "keep_checkpoints": steps}
    ema, path = run_stage(folder, data, stage_config(steps, _WEIGHTS, **schedule(**_HELD), **fields))
    saved = {step: load_file(path / f"checkpoints/step-{step:08d}/model.safetensors") for step in at["wsm"]}
    found = {"constant": heldout_loss(saved[steps]), "constant + EMA": heldout_loss(ema.weights or {})}
    for kind, name in (("last", "constant + last 10"), ("wsm", "constant + WSM")):
        merged = mean_of([saved[step] for step in at[kind]], list(at[kind].values()))
        found[name] = heldout_loss(merged)
    return found


def one_seed(folder: Path, store: MemoryStore, steps: int, seed: int) -> tuple[dict[str, float], CarriedState]:
    """Held-out losses of every arm with this order of the data, and the 1-sqrt run's result."""
    data = stage_data({"code": store}, _WEIGHTS, steps, seed)
    losses, decayed = constant_and_its_averages(folder / f"constant-{seed}", data, steps), None
    for shape in ("linear", "cosine", "1-sqrt"):
        config = stage_config(steps, _WEIGHTS, **schedule(shape=shape, share=_SHARE))
        decayed, _ = run_stage(folder / f"{shape}-{seed}", data, config)
        losses[shape] = heldout_loss(decayed.weights or {})
    config = stage_config(steps, _WEIGHTS, **schedule(shape="1-sqrt", share=_SHARE), optimizer={"kind": "muon"})
    muon, _ = run_stage(folder / f"muon-{seed}", data, config)
    losses["1-sqrt, Muon"] = heldout_loss(muon.weights or {})
    base = base_state(BASE)
    assert base is not None
    bare = CarriedState("the base", learning_rate=base.learning_rate)
    for name, optimizer in (("1-sqrt, no moments", {}), ("1-sqrt, moments gathered", {"warm_in": 16})):
        config = stage_config(steps, _WEIGHTS, **schedule(shape="1-sqrt", share=_SHARE), optimizer=optimizer)
        begun, _ = run_stage(folder / f"{name}-{seed}", data, config, initial=bare)
        losses[name] = heldout_loss(begun.weights or {})
    assert decayed is not None
    return losses, decayed


def from_scratch(folder: Path, store: MemoryStore, steps: int, seed: int) -> CarriedState:
    """A model of other random weights, trained as long with the same decay."""
    data = stage_data({"code": store}, _WEIGHTS, steps, seed)
    config = stage_config(steps, _WEIGHTS, schedule={"peak": 4e-3, "warmup": 0.1, "decay": {"shape": "1-sqrt"}})
    return run_stage(folder / f"scratch-{seed}", data, config, model=base_model(seed))[0]


def wsm_error(steps: int = 12) -> float:
    """Largest relative difference of a WSM merge of SGD's points and SGD's own decayed updates, in float64."""
    model = load_model(BASE).double()
    data = stage_data({"code": MemoryStore.of(encoded()[0][:400])}, _WEIGHTS, steps, 0)
    names = [name for name, _ in model.named_parameters()]
    worst = 0.0
    start = [p.detach().clone() for p in model.parameters()]
    thetas, updates, rate = [start], [], 0.05
    for step in range(steps):
        model.zero_grad()
        forward_backward(model, data.batch(step), micro_sequences=ROWS, num_sources=1)
        updates.append([rate * p.grad.detach().clone() for p in model.parameters()])
        with torch.no_grad():
            for p, update in zip(model.parameters(), updates[-1], strict=True):
                p -= update
        thetas.append([p.detach().clone() for p in model.parameters()])
    config = AverageConfig(kind="wsm")
    curve = [decay_factor(config.curve, 0.0, step, 0, steps) for step in range(steps)]
    shares = merge_weights(curve)
    for at in range(len(names)):
        merged = sum(share * theta[at] for share, theta in zip(shares, thetas, strict=True))
        decayed = start[at] - sum(w * update[at] for w, update in zip(curve, updates, strict=True))
        worst = max(worst, float((merged - decayed).abs().max() / decayed.abs().max()))
    return worst


def main() -> None:
    """Run the benchmark."""
    args = arguments("schedules", "Decays, averages and soups at equal tokens.")
    steps, seeds = (8, [0, 1, 2]) if args.quick else (40, [0, 1, 2])
    store = MemoryStore.of(encoded()[0])
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        arms = [one_seed(folder, store, steps, seed) for seed in seeds]
        scratch = [from_scratch(folder, store, steps, seed) for seed in seeds]
    losses = {name: [found[name] for found, _ in arms] for name in arms[0][0]}
    soup = heldout_loss(mean_of([state.weights or {} for _, state in arms]))
    apart = [heldout_loss(state.weights or {}) for state in scratch]
    collapsed = heldout_loss(mean_of([state.weights or {} for state in scratch]))
    error = wsm_error(6 if args.quick else 12)
    against = {
        name: interval([loss - held for loss, held in zip(values, losses["constant"], strict=True)])
        for name, values in losses.items()
        if name != "constant"
    }
    ones = losses["1-sqrt"]
    result = Result("schedules", "held-out loss, 1-sqrt against constant", "nats per token", peer_name="constant rate")
    result.ours, result.peer = round(float(np.mean(ones)), 4), round(float(np.mean(losses["constant"])), 4)
    result.ratio = round(result.ours / result.peer, 4)
    result.seeds = seeds
    result.rows = [{"seed": seed, **found} for seed, (found, _) in zip(seeds, arms, strict=True)]
    result.checks = {
        "wsm_equals_sgd_decay": error < 1e-12,
        "soup_not_worse_than_mean": soup <= float(np.mean(ones)),
        "from_scratch_soup_collapses": collapsed > max(apart) + 0.5,
        "decay_beats_constant": all(one < held for one, held in zip(ones, losses["constant"], strict=True)),
    }
    result.figures = {
        "tokens_per_run": steps * ROWS * 512,
        "base": round(heldout_loss(dict(base_model().named_parameters())), 4),
        "minus_constant": {name: {"mean": m, "low": low, "high": high} for name, (m, low, high) in against.items()},
        "muon_minus_adamw": interval([a - b for a, b in zip(losses["1-sqrt, Muon"], ones, strict=True)]),
        "gathered_minus_no_moments": interval(
            [a - b for a, b in zip(losses["1-sqrt, moments gathered"], losses["1-sqrt, no moments"], strict=True)]
        ),
        "soup_of_orders": round(soup, 4),
        "soup_of_orders_minus_mean": round(soup - float(np.mean(ones)), 4),
        "from_scratch": round(float(np.mean(apart)), 4),
        "soup_from_scratch": round(collapsed, 4),
        "wsm_error": error,
        "seconds": round(time.monotonic() - begin, 1),
    }
    table = [("arm", "loss", "minus constant", "95 % interval")]
    for name, values in sorted(losses.items(), key=lambda item: float(np.mean(item[1]))):
        mean, low, high = against.get(name, (0.0, 0.0, 0.0))
        shown = "" if name == "constant" else f"[{low:+.4f}, {high:+.4f}]"
        table.append((name, f"{np.mean(values):.4f}", f"{mean:+.4f}", shown))
    table.append(("soup of 3 orders (1-sqrt)", f"{soup:.4f}", f"{soup - np.mean(losses['constant']):+.4f}", ""))
    table.append(("soup of 3 from scratch", f"{collapsed:.4f}", "", f"each alone {np.mean(apart):.4f}"))
    finish(result, table, args.quick, args.json)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    torch.set_num_threads(2)
    main()
