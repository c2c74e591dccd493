"""Kill -9 at random moments, go on, and compare: a run that was killed many times must equal one that was not.

One small recipe (two stages, the second longer and going on in the first's data, a remix decided while it runs, an
export) is run once without disturbance. Then it is run again in another folder by a process that is killed without
warning and started again, many times: at random moments, as soon as a checkpoint is being written, as soon as an
export is being written, and right after a remix is decided. At the end both folders hold the same weights to the last
bit, the same exports, and the same journals (clocks aside).

There is no peer: the libraries of this field do not promise this. The figure is the time lost to twenty deaths.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.harness import Result, arguments, finish
from midtrain.core.fingerprint import file_digest
from midtrain.core.run import Journal

_RECIPE = """\
name: resume
base:
  architecture: {{model_type: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2,
                 num_attention_heads: 2,
                 num_key_value_heads: 1, max_position_embeddings: 128, tie_word_embeddings: true}}
  tokenizer: {{train: {{vocab_size: 384, sources: [docs]}}}}
seeds: [0]
holdout: {{share: 0.2}}
sources:
  docs: {{read: "python://docstrings?packages=stdlib", limit: {{bytes: 300k}}}}
  sums: {{problems: {{count: 1000, families: [addition, comparison], difficulty: [1]}}}}
stages:
  anneal:
    tokens: {tokens}
    context: 128
    batch_tokens: 1024
    mixture: {{weights: {{docs: 0.7, sums: 0.3}}, max_epochs: 50}}
    schedule: {{peak: 3.0e-3, warmup: 4, decay: {{shape: linear}}}}
    checkpoint_every: 7
    log_every: 1
  longer:
    tokens: {half}
    context: 256
    batch_tokens: 1024
    rope: {{theta: 40000}}
    mixture: {{weights: {{docs: 0.5, sums: 0.5}}, max_epochs: 50}}
    schedule: {{peak: 1.0e-3}}
    carry: {{data_position: keep}}
    checkpoint_every: 5
    log_every: 1
export: {{moments: true}}
evaluation: {{bits_per_byte: {{sources: [docs], documents: 5}}}}
guard: {{budgets: {{}}}}
"""
_MOMENTS = ("random", "checkpoint", "export", "remix")


def remix_once(state):
    """A guard that changes its mind in the second block of a stage, once."""
    from midtrain.training.decisions import Remix

    if state.block == 2 and len(state.data.mixture.state) == 0:
        return Remix({"docs": 0.25, "sums": 0.75}, "the second block asks for more sums")
    return None


def run_once(recipe_path: str, out: str) -> None:
    """Run the recipe to its scores in this process, with the guard above."""
    import torch

    from midtrain.core.progress import be_quiet
    from midtrain.recipe import make_models
    from midtrain.recipe.graph import build_graph
    from midtrain.recipe.load import load_recipe

    be_quiet()
    torch.set_num_threads(1)
    recipe = load_recipe(recipe_path)
    steps = build_graph(recipe, Path(out))
    for name, step in list(steps.steps.items()):
        if step.watched:
            stage = name.rsplit("/", 1)[1]
            make = partial(make_models.train_stage, recipe, "ours", 0, stage, hook=remix_once)
            steps.steps[name] = type(step)(**{**vars(step), "make": make})
    steps.run("scores")


def wait_for(moment: str, out: Path, process, seconds: float, rng: random.Random) -> None:
    """Return at the moment to kill: after a random time, or when the run is seen doing what `moment` names."""
    if moment == "random":
        process.join(rng.uniform(0.05, seconds))
        return
    pattern = {
        "checkpoint": "artifacts/train/**/.making-step-*",
        "export": "artifacts/export/**/.making-*",
        "remix": "artifacts/train/**/decisions.jsonl",
    }[moment]
    before = seen(out, pattern)
    deadline = time.monotonic() + seconds
    while process.is_alive() and time.monotonic() < deadline:
        if seen(out, pattern) - before:
            time.sleep(rng.uniform(0, 0.02))
            return
        time.sleep(0.001)


def seen(out: Path, pattern: str) -> set:
    """What matches now, with its times; a folder that vanishes while it is looked at is not there."""
    try:
        return {(path, path.stat().st_mtime_ns) for path in out.glob(pattern)}
    except FileNotFoundError:
        return set()


def kill_until_done(recipe: Path, out: Path, kills: int, seconds: float, context, rng: random.Random) -> dict[str, int]:
    """Start the run again and again, killing it `kills` times; returns how many deaths fell on which moment."""
    deaths = dict.fromkeys(_MOMENTS, 0)
    while True:
        process = context.Process(target=run_once, args=(str(recipe), str(out)))
        process.start()
        if sum(deaths.values()) < kills:
            # Half of the deaths are aimed at what is shortest, or chance would rarely meet it.
            moment = rng.choice(["random", "random", "random", "checkpoint", "checkpoint", "export", "remix"])
            wait_for(moment, out, process, seconds, rng)
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
                process.join()
                deaths[moment] += 1
                continue
        process.join()
        assert process.exitcode == 0, f"the run failed by itself (exit code {process.exitcode})"
        if sum(deaths.values()) >= kills:
            return deaths
        import shutil

        shutil.rmtree(
            next((out / "artifacts" / "export").glob("*/*")), ignore_errors=True
        )  # finished early: more to do
        shutil.rmtree(out / "artifacts" / "train" / "ours" / "seed-0" / "longer", ignore_errors=True)


def final_files(out: Path) -> dict[str, str]:
    """Digests of everything that must be equal: final checkpoints, exports, scores."""
    found = {}
    for path in sorted((out / "artifacts").rglob("*.safetensors")):
        found[str(path.relative_to(out))] = file_digest(path)
    for path in sorted((out / "artifacts" / "scores").rglob("scores.json")):
        found[str(path.relative_to(out))] = file_digest(path)
    return found


def journals(out: Path) -> dict[str, list]:
    """Every journal without its clocks."""
    return {str(p.relative_to(out)): Journal(p).timeless() for p in sorted((out / "artifacts").rglob("journal.jsonl"))}


def same_batches(recipe_path: Path, out: Path) -> bool:
    """The rows of 2, 3 and 4 ranks together are the rows of one, in every step of both stages."""
    from midtrain.recipe.data import finished_stage_data
    from midtrain.recipe.graph import build_graph
    from midtrain.recipe.load import load_recipe

    recipe = load_recipe(recipe_path)
    states = {state.step.name: state for state in build_graph(recipe, out).states()}
    paths = {name: state.path for name, state in states.items()}
    runs = {name: states[f"train/ours/seed-0/{name}"].path for name in recipe.stages}
    for stage in recipe.stages:
        data = finished_stage_data(recipe.arms()["ours"], stage, 0, paths, runs)
        for step in range(data.num_steps):
            whole = data.batch(step)
            for world in (2, 3, 4):
                rows = np.zeros_like(whole.input_ids_BT)
                labels = np.zeros_like(whole.labels_BT)
                for rank in range(world):
                    part = data.batch(step, rank, world)
                    rows[rank::world], labels[rank::world] = part.input_ids_BT, part.labels_BT
                if not (np.array_equal(rows, whole.input_ids_BT) and np.array_equal(labels, whole.labels_BT)):
                    return False
    return True


def main() -> None:
    """Run the benchmark."""
    args = arguments("resume", "Kill -9 at random moments; the result must be the same, bit for bit.")
    kills, seeds = (8, [0]) if args.quick else (22, [0, 1, 2])
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["midtrain.recipe.graph", "midtrain.training.loop", "midtrain.evaluation.evaluate"])
    result = Result("resume", "time with deaths over time without", "x", peer_name="the same run, never killed")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder) / "resume.yaml"
        recipe.write_text(_RECIPE.format(tokens=48 * 1024, half=24 * 1024))
        straight = Path(folder) / "straight"
        start = time.monotonic()
        process = context.Process(target=run_once, args=(str(recipe), str(straight)))
        process.start()
        process.join()
        assert process.exitcode == 0
        undisturbed = time.monotonic() - start
        for seed in seeds:
            out = Path(folder) / f"killed-{seed}"
            start = time.monotonic()
            deaths = kill_until_done(recipe, out, kills, undisturbed, context, random.Random(seed))
            spent = time.monotonic() - start
            mine, theirs = final_files(out), final_files(straight)
            rows.append(
                {
                    "seed": seed,
                    "deaths": deaths,
                    "seconds": round(spent, 1),
                    "weights_equal": mine == theirs and len(mine) > 4,
                    "journal_equal": journals(out) == journals(straight) and len(journals(out)) == 2,
                }
            )
        decided = sum(len(Journal(p).read()) for p in straight.rglob("decisions.jsonl"))
        same = same_batches(recipe, straight)
    result.ours = round(float(np.mean([row["seconds"] for row in rows])), 1)
    result.peer = round(undisturbed, 1)
    result.ratio = round(result.ours / result.peer, 2)
    result.seeds, result.rows = seeds, rows
    result.checks = {
        "weights_equal": all(row["weights_equal"] for row in rows),
        "journal_equal": all(row["journal_equal"] for row in rows),
        "other_world_size_same_batches": same,
        "a_remix_was_decided": decided >= 1,
    }
    total = {moment: sum(row["deaths"][moment] for row in rows) for moment in _MOMENTS}
    result.figures = {"kills": sum(total.values()), **{f"kills_{moment}": count for moment, count in total.items()}}
    table = [("seed", "deaths", "seconds", "weights equal", "journal equal")]
    table += [(r["seed"], json.dumps(r["deaths"]), r["seconds"], r["weights_equal"], r["journal_equal"]) for r in rows]
    finish(result, table, args.quick, args.json)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    main()
