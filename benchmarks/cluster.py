"""A Ray cluster of two nodes on one machine: the same bytes as without it, whatever dies.

The work is the measuring pass of curation (rules, language, personal data, MinHash) over shards of documents, through
`map_units`: by worker processes of this machine; on the cluster; on the cluster while workers are killed without
warning; by processes while they are killed; and on the cluster while it loses a whole node. Every folder must hold the
same files to the last byte.

There is no peer: the figure is what the cluster costs on top of local processes, over the same two cores, when the
workers of both are warm.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.cluster_work import measure
from benchmarks.corpus import write_shards
from benchmarks.harness import Result, arguments, finish, median
from midtrain.core.fingerprint import file_digest
from midtrain.core.parallel import Unit, map_units
from midtrain.core.progress import be_quiet

_CPUS_PER_NODE = 1


def run(shards: list[Path], work: Path, ray: str | None) -> tuple[float, Path]:
    """Measure all shards; returns the seconds and the folder of logs."""
    log = work.with_name(f"{work.name}-log")
    log.mkdir()
    units = [Unit(shard.stem, str(shard), shard.stat().st_size) for shard in shards]
    start = time.perf_counter()
    paths = list(map_units(partial(measure, str(log)), units, work=work, label="shards", workers=2, ray=ray))
    assert [path.name for path in paths] == [shard.stem for shard in shards]
    return time.perf_counter() - start, log


def digests(work: Path) -> dict[str, str]:
    """The digest of every file of every unit."""
    return {str(path.relative_to(work)): file_digest(path) for path in sorted(work.rglob("*")) if path.is_file()}


def shards_by_node(log: Path) -> dict[str, int]:
    """How many shards each node began."""
    lines = (line for file in log.iterdir() for line in file.read_text().splitlines() if line != "idle")
    return dict(Counter(line.split()[0][:8] for line in lines))


@contextmanager
def while_it_runs(disturb: Callable[[threading.Event], None]) -> Iterator[None]:
    """Disturb what runs within from a thread, until it ends."""
    over = threading.Event()
    thread = threading.Thread(target=disturb, args=(over,))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def kill_workers(log: Path, kills: int, rng: random.Random, killed: list[str], over: threading.Event) -> None:
    """Kill -9 a worker in the middle of a shard, `kills` times, each time of another shard."""
    while len(killed) < kills and not over.wait(rng.uniform(0.05, 0.3)):
        at_work = []
        for file in log.glob("*"):
            lines = file.read_text().splitlines()
            if lines and lines[-1] != "idle" and lines[-1].split()[-1] not in killed:
                at_work.append((int(file.name), lines[-1].split()[-1]))
        if at_work:
            pid, shard = rng.choice(at_work)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:  # killed before, in another shard
                continue
            killed.append(shard)


def lose_node(cluster: Any, node: Any, log: Path, over: threading.Event) -> None:
    """Take the node away, without a farewell, when it has begun a second shard."""
    while not over.wait(0.02):
        if shards_by_node(log).get(node.node_id[:8], 0) >= 2:
            cluster.remove_node(node, allow_graceful=False)
            return


@contextmanager
def two_nodes() -> Iterator[tuple[Any, Any]]:
    """A Ray cluster of two nodes with one CPU each; yields it and the node that is not the head."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    cluster.add_node(num_cpus=_CPUS_PER_NODE, object_store_memory=100_000_000, include_dashboard=False)
    other = cluster.add_node(num_cpus=_CPUS_PER_NODE, object_store_memory=100_000_000)
    try:
        yield cluster, other
    finally:
        ray.shutdown()
        cluster.shutdown()


def main() -> None:
    """Run the benchmark."""
    args = arguments("cluster", "Two Ray nodes on one machine: the same bytes as local processes, whatever dies.")
    be_quiet()
    size, shard_bytes, kills, seeds = (40 << 20, 4 << 20, 2, [0]) if args.quick else (256 << 20, 8 << 20, 4, [0, 1, 2])
    result = Result("cluster", "time on a cluster of two nodes over time in local processes", "x")
    result.peer_name = "the same shards in two local processes"
    with tempfile.TemporaryDirectory() as folder, two_nodes() as (cluster, other):
        root = Path(folder)
        shards = write_shards(root / "documents", size, shard_bytes)
        rows = [one_seed(root / str(seed), shards, cluster, kills, seed) for seed in seeds]
        local = digests(root / str(seeds[0]) / "local")
        lost, log = root / "lost", root / "lost-log"
        with while_it_runs(partial(lose_node, cluster, other, log)):
            lost_seconds, _ = run(shards, lost, cluster.address)
        nodes_left = len(cluster.list_all_nodes())
        lost_equal = digests(lost) == local
    result.ours = round(median([row["cluster_s"] for row in rows]), 2)
    result.peer = round(median([row["local_s"] for row in rows]), 2)
    result.ratio = round(result.ours / result.peer, 2)
    result.seeds, result.rows = seeds, rows
    result.checks = {
        "same_bytes_as_local": all(row["same_bytes"] for row in rows),
        "worker_killed_same_bytes": all(row["killed_same_bytes"] for row in rows),
        "both_nodes_worked": all(len(row["shards_by_node"]) == 2 for row in rows),
        "node_lost_same_bytes": lost_equal and nodes_left == 1,
    }
    result.figures = {
        "shards": len(shards),
        "megabytes_of_text": round(size / 1e6),
        "files_compared": len(local),
        "kills_on_ray": sum(row["kills_on_ray"] for row in rows),
        "kills_of_processes": sum(row["kills_of_processes"] for row in rows),
        "node_lost_s": round(lost_seconds, 2),
    }
    table = [("seed", "local s", "cluster s", "with kills s", "kills", "shards by node", "same bytes")]
    for row in rows:
        deaths = f"{row['kills_on_ray']} + {row['kills_of_processes']}"
        same = row["same_bytes"] and row["killed_same_bytes"]
        times = [round(row[name], 2) for name in ("local_s", "cluster_s", "killed_s")]
        table.append((row["seed"], *times, deaths, row["shards_by_node"], same))
    finish(result, table, args.quick, args.json)


def one_seed(root: Path, shards: list[Path], cluster: Any, kills: int, seed: int) -> dict[str, Any]:
    """The four runs of one seed, which decides who dies and when."""
    root.mkdir()
    rng = random.Random(seed)
    run(shards[:4], root / "warm-ray", cluster.address)  # kernels compiled, workers started, models loaded
    run(shards[:4], root / "warm-local", None)
    local_s, _ = run(shards, root / "local", None)
    cluster_s, log = run(shards, root / "ray", cluster.address)
    expected = digests(root / "local")
    assert len(expected) == 2 * len(shards)
    killed_s, same, deaths = 0.0, True, {}
    for name, address in (("kills_on_ray", cluster.address), ("kills_of_processes", None)):
        killed: list[str] = []
        with while_it_runs(partial(kill_workers, root / f"{name}-log", kills, rng, killed)):
            seconds, _ = run(shards, root / name, address)
        killed_s += seconds
        deaths[name] = len(killed)
        same &= digests(root / name) == expected and len(killed) == kills
    return {
        "seed": seed,
        "local_s": local_s,
        "cluster_s": cluster_s,
        "killed_s": killed_s / 2,
        **deaths,
        "shards_by_node": shards_by_node(log),
        "same_bytes": digests(root / "ray") == expected,
        "killed_same_bytes": same,
    }


if __name__ == "__main__":
    main()
