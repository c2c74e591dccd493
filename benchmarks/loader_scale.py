"""300 billion tokens over 50 sources: how long to the first batch, to any batch, and is the order exact?

Real: the packing of 10 million documents (timed), the token store, instances, mixture, remix and batches, all through
the package's code on files of full size. Simulated: the tokens (sparse files of zeros, so hundreds of gigabytes cost no
disk) and the variety of sources (the 50 sources link to one table of log-normal document lengths; each is its own
source with its own files, order and weight). Weights move linearly between two random mixtures during the stage.

The peer is what trainers do without an order that can be looked up: iterate from the beginning and skip. It gets our
own batch code, so the ratio is the cost of skipping alone.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Result, arguments, finish, median
from midtrain.core.permutation import Permutation
from midtrain.tokens.batches import StageData
from midtrain.tokens.config import MixtureConfig
from midtrain.tokens.instances import Instances
from midtrain.tokens.mixture import Mixture, block_size, mixture_sources
from midtrain.tokens.store import TokenStore
from midtrain.tokens.weights import Weights

SOURCES, CONTEXT, ROWS, WORLD = 50, 8192, 512, 64
TOKENS = 300_000_000_000
DOCUMENTS = 10_000_000
SEED = 0


def make_files(folder: Path) -> dict[str, Any]:
    """One real packed table, and 50 stores whose tokens are holes."""
    from midtrain.tokens.packing import pack

    lengths = np.random.default_rng(SEED).lognormal(6.0, 1.2, DOCUMENTS).astype(np.int64) + 1
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    pack(lengths[:1000], CONTEXT, seed=SEED)  # compiled before the clock starts
    start = time.perf_counter()
    packed = pack(lengths, CONTEXT, seed=SEED)
    seconds = time.perf_counter() - start
    packed.save(folder / "packed")
    np.save(folder / "offsets.npy", offsets)
    tokens = int(offsets[-1])
    facts = {"tokenizer": "none", "vocab_size": 65536, "dtype": "<u2", "documents": DOCUMENTS, "tokens": tokens}
    facts |= {"targets": tokens - DOCUMENTS, "bytes": 4 * tokens, "mask": False}
    for name in names():
        store = folder / name
        store.mkdir()
        os.link(folder / "offsets.npy", store / "offsets.npy")
        with open(store / "tokens.bin", "wb") as file:
            file.truncate(2 * tokens)
        (store / "store.json").write_text(json.dumps({**facts, "digest": name}))
    return {"pack_seconds": seconds, **{k: packed.facts[k] for k in ("padded_share", "split_share", "dropped")}}


def names() -> list[str]:
    """The sources' names."""
    return [f"source-{i:02d}" for i in range(SOURCES)]


def curve() -> MixtureConfig:
    """The stage's weights: a linear move between two random mixtures."""
    points = [{"at": 0.0, "weights": random_weights(1)}, {"at": 1.0, "weights": random_weights(2)}]
    return MixtureConfig.model_validate({"curve": "linear", "points": points})


def random_weights(seed: int) -> dict[str, float]:
    """Log-normal shares of the tokens: the largest source about thirty times the smallest."""
    weights = np.random.default_rng(seed).lognormal(0, 0.7, SOURCES)
    return dict(zip(names(), (weights / weights.sum()).tolist(), strict=True))


def open_stage(folder: Path) -> StageData:
    """Everything a training process opens before its first step."""
    config = curve()
    stores = {name: TokenStore.open(folder / name) for name in names()}
    instances = {name: Instances.open(folder / "packed") for name in names()}
    positions = TOKENS // (CONTEXT * ROWS) * ROWS
    mixture = Mixture(
        mixture_sources(config, instances),
        Weights(config, names()),
        num_positions=positions,
        block=block_size(ROWS, positions),
        seed=SEED,
    )
    return StageData(stores, instances, mixture, CONTEXT, ROWS)


def child(folder: str, spawned: float) -> None:
    """In a fresh process: the first batch of a resumed rank, then random seeks; prints one JSON line."""
    start, start_cpu = time.perf_counter(), time.process_time()
    stage = open_stage(Path(folder))
    step = stage.num_steps * 2 // 3
    batch = stage.batch(step, rank=3, world=WORLD)
    figures = {"open_to_batch": time.perf_counter() - start, "process_to_batch": time.time() - spawned}
    figures["open_to_batch_cpu"] = time.process_time() - start_cpu
    assert batch.input_ids_BT.shape == (ROWS // WORLD, CONTEXT)
    figures["rss_first_batch_mb"] = peak_rss_mb()
    steps = Permutation(stage.num_steps, 7)(np.arange(101)).tolist()
    cpu = time.process_time()
    seeks = [seconds_of(lambda step=step: index(stage, step)) for step in steps]
    figures["seek_cpu_ms"] = 1e3 * (time.process_time() - cpu) / len(steps)
    figures["seek_ms"] = 1e3 * median(seeks)
    figures["seek_ms_slowest"] = 1e3 * max(seeks)
    batches = [seconds_of(lambda step=step: stage.batch(step, 3, WORLD)) for step in range(step, step + 20)]
    figures["batch_64k_tokens_ms"] = 1e3 * median(batches)
    figures["rss_mb"] = peak_rss_mb()
    skip = 100
    ours = seconds_of(lambda: stage.batch(skip, 3, WORLD))
    peer = seconds_of(lambda: [stage.batch(step, 3, WORLD) for step in range(skip + 1)])
    print(json.dumps({**figures, "skip": skip, "ours": ours, "peer": peer, "steps": stage.num_steps}))


def index(stage: StageData, step: int) -> None:
    """Which pieces of which documents one rank reads in a step: the look-up without the tokens."""
    positions = step * ROWS + np.arange(0, ROWS, WORLD)
    source, _, instance = stage.mixture.lookup(positions)
    for one in np.unique(source):
        stage.instances[stage.mixture.names[one]].gather(instance[source == one])


def seconds_of(work: Any) -> float:
    """The time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_rss_mb() -> float:
    """The most memory this process has held, mapped file pages included, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent held before this process was its own
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def quotas_exact(mixture: Mixture, weights: Weights) -> tuple[bool, float]:
    """Quotas sum to the block, are never negative, and stay within a row of the weights' integral (all equal fill)."""
    starts = np.arange(mixture.num_blocks) * mixture.block
    sizes = np.minimum(mixture.block, mixture.num_positions - starts)
    shares = weights.weights_at((starts + sizes / 2) / mixture.num_positions)
    exact = np.cumsum(shares * sizes[:, None], axis=0)
    quotas = np.diff(mixture.counts_NS, axis=0)
    worst = float(np.abs(mixture.counts_NS[1:] - exact).max())
    return bool((quotas >= 0).all() and (quotas.sum(axis=1) == sizes).all() and worst < 1), worst


def no_early_repeat(mixture: Mixture, sources: int) -> bool:
    """Every epoch of a source reads each row at most once, and a whole one reads all; over the whole stage."""
    for s in range(sources):
        rows, total = mixture.sources[s].num_instances, int(mixture.counts_NS[-1, s])
        for first in range(0, total, rows):
            counts = np.arange(first, min(first + rows, total))
            epoch, instance = mixture.place(np.full(len(counts), s), counts)
            if (epoch != first // rows).any() or np.bincount(instance, minlength=rows).max() > 1:
                return False
    return True


def positions_follow_counts(mixture: Mixture, blocks: list[int]) -> bool:
    """In sampled blocks the rows of each source, in order, are those its running count names."""
    for block in blocks:
        begin = block * mixture.block
        end = min(begin + mixture.block, mixture.num_positions)
        source, epoch, instance = mixture.lookup(np.arange(begin, end))
        for s, count in enumerate(mixture.counts_at(begin)):
            own = source == s
            expected = mixture.place(np.full(own.sum(), s), count + np.arange(own.sum()))
            if not (np.array_equal(epoch[own], expected[0]) and np.array_equal(instance[own], expected[1])):
                return False
    return True


def remix_exact(mixture: Mixture, blocks: list[int]) -> bool:
    """A remix in the middle changes nothing before it; after it quotas follow the new weights and counts go on."""
    middle = mixture.num_blocks // 2
    weights = Weights(MixtureConfig(weights=random_weights(3)), names())
    remixed = mixture.remix(middle, weights)
    before = np.concatenate([np.arange(b * mixture.block, b * mixture.block + 100) for b in blocks if b < middle])
    same = all(np.array_equal(a, b) for a, b in zip(mixture.lookup(before), remixed.lookup(before), strict=True))
    same = same and np.array_equal(mixture.counts_NS[: middle + 1], remixed.counts_NS[: middle + 1])
    after = remixed.counts_NS[middle:] - remixed.counts_NS[middle]
    exact = after.sum(axis=1, keepdims=True) * weights.weights_at(0.5)
    follows = positions_follow_counts(remixed, [middle, middle + 1, remixed.num_blocks - 1])
    again = mixture.from_decisions(remixed.state).digest == remixed.digest != mixture.digest
    return bool(same and np.abs(after - exact).max() < 1 and follows and again)


def main() -> None:
    """Make the files, measure in fresh processes, check the order in this one."""
    options = arguments("loader_scale", __doc__.splitlines()[0])
    rounds = 3 if options.quick else 9
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = make_files(folder)
        rows = []
        for _ in range(rounds):
            code = f"from benchmarks.loader_scale import child; child({name!r}, {time.time()!r})"
            rows.append(json.loads(subprocess.check_output([sys.executable, "-c", code], text=True)))
        # Whatever else runs on the machine can only add to a time, so the best of a few processes is the measure.
        measured = {key: min(row[key] for row in rows) for key in rows[0]}
        measured["rss_mb"] = max(row["rss_mb"] for row in rows)
        mixture = open_stage(folder).mixture
        exact, worst = quotas_exact(mixture, Weights(curve(), names()))
        blocks = np.linspace(0, mixture.num_blocks - 1, 20 if options.quick else 400).astype(int).tolist()
        checks = {
            "first_batch_under_1s": measured["open_to_batch"] < 1,
            "seek_under_10ms": measured["seek_ms"] < 10,
            "rss_under_400MB": measured["rss_mb"] < 400,
            "quotas_exact": exact,
            "no_early_repeat": no_early_repeat(mixture, 5 if options.quick else SOURCES)
            and positions_follow_counts(mixture, blocks),
            "remix_exact": remix_exact(mixture, blocks),
            "pack_loses_nothing": made["dropped"] == 0,
        }
        stats = {stat.st_ino: stat for stat in (file.stat() for file in folder.rglob("*"))}
        disk = sum(stat.st_blocks * 512 for stat in stats.values())
        apparent = sum(file.stat().st_size for file in folder.rglob("tokens.bin"))
    figures = {
        f"pack_{DOCUMENTS // 10**6}M_documents_s": made["pack_seconds"],
        **{key: made[key] for key in ("padded_share", "split_share")},
        **{key: value for key, value in measured.items() if key not in ("ours", "peer")},
        "worst_quota_error_rows": worst,
        "epochs_most": max(mixture.epochs().values()),
        "tokens": TOKENS,
        "apparent_gb": apparent / 1e9,
        "disk_gb": disk / 1e9,
    }
    result = Result(
        "loader_scale",
        f"time to the batch of step {int(measured['skip'])}",
        "s",
        ours=measured["ours"],
        peer=measured["peer"],
        peer_name="iterate and skip (the same batch code)",
        ratio=measured["peer"] / measured["ours"],
        checks=checks,
        figures={key: round(float(value), 6) for key, value in figures.items()},
        seeds=[SEED],
        rows=rows,
    )
    table = [("figure", "value"), *((key, f"{value:.6g}") for key, value in result.figures.items())]
    finish(result, table, options.quick, options.json)


if __name__ == "__main__":
    main()
