"""Poisoned documents in the mixture: what skipping, quarantine and rolling back save, against plain clipping.

Poison is text of tokens that the base hardly ever saw. Two scenes: `scattered`, single poisoned documents among good
ones, of one row each; and `burst`, in which every row of some steps is poison, as when a shard is damaged. Each is
trained with the guard and with clipping at norm 1 alone, and the same stage without any poison says what there is to
keep. The guard must end near the clean run and name the poisoned documents it met (and hardly others).

The guard's settings were fixed before the first run; the window is shorter than the default, as the stages are. The
scenes were changed after it: the clean stage had read other data, and poison came before the window was known. The
first 16 steps have no poison: before half a window is known nothing can be told, and what is accepted then is taken for
usual (a stage that begins with poison in every third step has no spikes).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Result, arguments, finish
from benchmarks.short_stages import (
    BASE,
    BLOCK_STEPS,
    CONTEXT,
    ROWS,
    MemoryStore,
    encoded,
    heldout_loss,
    run_stage,
    stage_config,
    stage_data,
)
from midtrain.training.state import base_state

_GUARD = {"window": 24, "sigmas": 6.0, "patience": 6}
_KNOWN_BLOCKS = 2
_SCATTERED = 12
_BURST_STEPS = BLOCK_STEPS
_FIELDS = {"schedule": {"peak": "inherit", "decay": {"shape": "1-sqrt", "share": 0.5}}, "checkpoint_every": 4}


def rare_tokens() -> np.ndarray:
    """The thousand token ids that the training documents use least."""
    counts = np.bincount(np.concatenate([np.asarray(ids) for ids in encoded()[0]]), minlength=2048)
    return np.argsort(counts, kind="stable")[:1000]


def poison(count: int, seed: int) -> list[list[int]]:
    """`count` documents of one row of rare tokens."""
    generator, rare = np.random.default_rng(seed), rare_tokens()
    return [generator.choice(rare, CONTEXT).tolist() for _ in range(count)]


def scene(name: str, steps: int, seed: int) -> tuple[Any, dict[str, float], set[tuple[str, str]]]:
    """(data, weights, {(source, document)} that are poison)."""
    count = {"clean": 0, "scattered": _SCATTERED, "burst": _BURST_STEPS * ROWS}[name]
    stores, weights = {"code": MemoryStore.of(encoded()[0])}, {"code": 1.0}
    if count:
        stores["broken"] = MemoryStore.of(poison(count, seed))
        weights = {"code": 1.0, "broken": 0.0}
    data = stage_data(stores, weights, steps, seed)
    clean, half = _KNOWN_BLOCKS, steps // 2 // BLOCK_STEPS
    share = _SCATTERED / ((steps - clean * BLOCK_STEPS) * ROWS)
    changes = {
        "clean": [],
        "scattered": [(clean, share)],
        "burst": [(half, 1.0), (half + 1, 0.0)],
    }[name]
    data = data.from_decisions(
        [
            {"step": 0, "from_block": block, "change": {"weights": {"code": 1.0 - broken, "broken": broken}}}
            for block, broken in changes
        ]
    )
    bad = {("broken", f"document-{at}") for at in range(count)}
    met = {(p["source"], p["document"]) for step in range(steps) for p in data.pieces(step)}
    return data, weights, bad & met


def named_in(folder: Path) -> set[tuple[str, str]]:
    """{(source, document)} of a run's ledger."""
    file = folder / "quarantine.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return {(line["source"], document) for line in lines for document in line["documents"]}


def one_seed(folder: Path, steps: int, seed: int) -> list[dict[str, Any]]:
    """A row per scene: losses of the clean run, of clipping alone, of the guard; and what the ledger named."""
    base = base_state(BASE)

    def loss_of(name: str, data: Any, weights: dict[str, float], spikes: Any) -> tuple[float, Path]:
        config = stage_config(steps, weights, **_FIELDS, spikes=spikes)
        state, path = run_stage(folder / f"{name}-{seed}", data, config, initial=base)
        return heldout_loss(state.weights or {}), path

    rows = []
    clean_data, clean_weights, _ = scene("clean", steps, seed)
    clean, clean_path = loss_of("clean", clean_data, clean_weights, _GUARD)
    for name in ("scattered", "burst"):
        data, weights, bad = scene(name, steps, seed)
        clipped, _ = loss_of(f"{name}-clip", data, weights, None)
        guarded, path = loss_of(f"{name}-guard", data, weights, _GUARD)
        named = named_in(path)
        facts = json.loads((path / "manifest.json").read_text())["facts"]
        rows.append(
            {
                "seed": seed,
                "scene": name,
                "clean": round(clean, 4),
                "clip": round(clipped, 4),
                "guard": round(guarded, 4),
                "poisoned": len(bad),
                "recall": round(len(named & bad) / max(len(bad), 1), 3),
                "precision": round(len(named & bad) / max(len(named), 1), 3),
                "skipped": facts["skipped_steps"],
                "rollbacks": facts["rollbacks"],
                "false_alarms_clean": len(named_in(clean_path)),
            }
        )
    return rows


def main() -> None:
    """Run the benchmark."""
    args = arguments("spikes", "Poisoned documents: skip-step, quarantine and roll-back against plain clipping.")
    steps, seeds = (32, [0]) if args.quick else (64, [0, 1, 2])
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        rows = [row for seed in seeds for row in one_seed(Path(temporary), steps, seed)]

    def mean(key: str, scene_name: str) -> float:
        return round(float(np.mean([row[key] for row in rows if row["scene"] == scene_name])), 4)

    result = Result("spikes", "held-out loss above the clean run, guard against clipping", "nats", peer_name="clipping")
    result.ours = round(float(np.mean([row["guard"] - row["clean"] for row in rows])), 4)
    result.peer = round(float(np.mean([row["clip"] - row["clean"] for row in rows])), 4)
    result.ratio = round(result.ours / result.peer, 4) if result.peer else None
    result.seeds, result.rows = seeds, rows
    scattered = [row for row in rows if row["scene"] == "scattered"]
    bursts = [row for row in rows if row["scene"] == "burst"]
    result.checks = {
        "recovers": all(row["guard"] < row["clean"] + max(0.05, 0.25 * (row["clip"] - row["clean"])) for row in rows),
        "ledger_names_the_documents": all(row["recall"] >= 0.9 and row["precision"] >= 0.9 for row in scattered),
        "rolls_back": all(row["rollbacks"] >= 1 for row in bursts),
    }
    result.figures = {
        scene_name: {key: mean(key, scene_name) for key in ("clean", "clip", "guard", "recall", "precision")}
        for scene_name in ("scattered", "burst")
    }
    result.figures["seconds"] = round(time.monotonic() - begin, 1)
    columns = list(rows[0])
    finish(result, [tuple(columns), *(tuple(row.values()) for row in rows)], args.quick, args.json)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    torch.set_num_threads(2)
    main()
