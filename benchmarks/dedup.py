"""Near duplicates: ours against Daft, rensa and datatrove, from Parquet shards to the ids to drop.

Every contestant reads the same shards in a process of its own on one core, makes signatures of 14 x 8 values over
shingles of five words, finds components and says what goes. Ours also compares the shingle sets of every pair; the
others believe their signatures. datatrove is slow, so it gets the planted documents alone.

Planted: twins of documents at Jaccard 0.5 to 0.95, half of them changed in one place, half word by word all over. What
is true is computed in plain Python (words are runs of letters or of digits, lower case), not by a contestant; a twin is
found when it or its origin goes. And a chain: 200 documents, each 0.9 like the next, whose ends share nothing; what is
dropped from it must be 0.8 like a document that stays, which only ours promises.

Goal, set before the first run: 1.5 times the fastest peer; F1 at 0.8 over 0.95.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import corpus
from benchmarks.harness import Result, arguments, finish, median
from midtrain.documents.schema import SCHEMA
from midtrain.documents.shards import ShardWriter

GOAL = 1.5
ROUNDS = 3
LEVELS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
_HERE = Path(__file__).parent
_PEER_PYTHON = _HERE.parent / ".venv-peers" / "bin" / "python"
_PEERS = ("daft", "rensa", "datatrove")
_WORDS = re.compile(r"[^\W\d_]+|\d+")


def shingle_set(text: str) -> set[tuple[str, ...]]:
    """Windows of five words, in plain Python."""
    words = _WORDS.findall(text.lower())
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}


def jaccard(a: str, b: str) -> float:
    """The true similarity of two texts."""
    left, right = shingle_set(a), shingle_set(b)
    return len(left & right) / max(len(left | right), 1)


def new_word(random: np.random.Generator) -> str:
    """Twelve letters that stand nowhere else."""
    return "".join(map(chr, random.integers(97, 123, size=12)))


def twin(text: str, level: float, scattered: bool, random: np.random.Generator) -> str:
    """`text` changed until its similarity is about `level`: word by word all over, or in one place."""
    pieces = re.split(r"(\s+)", text)
    places = np.arange(0, len(pieces), 2)
    lost = (1 - level) / (1 + level) * len(places)
    if scattered:
        chosen = random.choice(places, size=max(round(lost / 5), 1), replace=False)
    else:
        begin = random.integers(0, max(len(places) - int(lost), 1))
        chosen = places[begin : begin + max(round(lost) - 4, 1)]
    for place in chosen:
        pieces[place] = new_word(random)
    return "".join(pieces)


def plant(count: int, seed: int) -> tuple[dict[str, str], dict[tuple[str, str], float]]:
    """`count` pairs for each level and a chain: (texts by id, true similarity of each planted pair)."""
    random = np.random.default_rng(seed)
    origins = (text for text in corpus.documents(seed + 1000) if 150 <= len(_WORDS.findall(text)) <= 600)
    texts, truth = {}, {}
    for level in LEVELS:
        for number, origin in enumerate(islice(origins, count)):
            ids = (f"origin-{level}-{number}", f"twin-{level}-{number}")
            texts[ids[0]], texts[ids[1]] = origin, twin(origin, level, number % 2 == 0, random)
            truth[ids[0], ids[1]] = jaccard(origin, texts[ids[1]])
    words = [new_word(random) for _ in range(2400)]
    texts |= {f"chain-{i}": " ".join(words[10 * i : 10 * i + 200]) for i in range(200)}
    return texts, truth


def write_planted(folder: Path, texts: dict[str, str]) -> int:
    """Add the planted documents to the shards in `folder`, in random order; returns their bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    size = sum(len(text.encode()) for text in texts.values())
    ids = np.random.default_rng(0).permutation(sorted(texts)).tolist()
    rows = [
        {"id": id, "text": texts[id], "source": "planted", "group": id, "parents": [], "split": "train"} for id in ids
    ]
    with tempfile.TemporaryDirectory() as apart, ShardWriter(Path(apart)) as writer:
        writer.write(pa.Table.from_pylist(rows, SCHEMA), size)
        writer.__exit__()
        shutil.move(Path(apart) / "part-00000.parquet", folder / "part-99999.parquet")
    return size


def run(name: str, folder: Path) -> dict[str, Any]:
    """One contestant's work on `folder`, in a process with one core."""
    python = sys.executable if name == "ours" else str(_PEER_PYTHON)
    core = max(os.sched_getaffinity(0))
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        done = subprocess.run(
            [python, str(_HERE / "peers" / f"dedup_{name}.py"), str(folder), out.name],
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            env={**os.environ, "PYTHONHASHSEED": "0", "DO_NOT_TRACK": "1", "RAYON_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{name} failed:\n{done.stderr[-3000:]}")
        return json.loads(Path(out.name).read_text())


def curve(dropped: dict[str, str], truth: dict[tuple[str, str], float]) -> dict[str, float]:
    """Found share by true similarity (bins of 0.05), and precision, recall and F1 of "0.8 or more"."""
    found = {pair: pair[0] in dropped or pair[1] in dropped for pair in truth}
    bins: dict[str, list[bool]] = {}
    for pair, value in truth.items():
        bins.setdefault(f"found_at_{np.floor(value * 20 + 1e-9) / 20:.2f}", []).append(found[pair])
    right = sum(found[pair] for pair, value in truth.items() if value >= 0.8)
    precision = right / max(sum(found.values()), 1)
    recall = right / max(sum(value >= 0.8 for value in truth.values()), 1)
    shares = {name: sum(hits) / len(hits) for name, hits in sorted(bins.items())}
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return {**shares, "precision": precision, "recall": recall, "f1": f1}


def chain_is_held(dropped: dict[str, str], texts: dict[str, str]) -> bool:
    """Whether what goes from the chain is like what stays for it, and enough of the chain stays."""
    gone = {id: keeper for id, keeper in dropped.items() if id.startswith("chain-")}
    alike = all(keeper not in dropped and jaccard(texts[id], texts[keeper]) >= 0.8 for id, keeper in gone.items())
    return alike and len(gone) > 0 and 200 - len(gone) >= 20


def memory_growth(work: Path, sizes: tuple[int, int]) -> tuple[float, list[int]]:
    """How much more memory ours takes per byte of more text where every document is there twice, and the peaks."""
    peaks = []
    for size in sizes:
        folder = work / f"memory-{size}"
        for shard in corpus.write_shards(folder, size // 2, 16_000_000, seed=7):
            shutil.copy(shard, folder / f"part-again-{shard.name}")
        peaks.append(run("ours", folder)["peak_bytes"])
        shutil.rmtree(folder)
    return (peaks[1] - peaks[0]) / (sizes[1] - sizes[0]), peaks


def main() -> None:
    """Run the benchmark; see --help."""
    options = arguments("dedup", "Near duplicates against Daft, rensa and datatrove.")
    size, pairs, seeds = (40_000_000, 20, [0]) if options.quick else (200_000_000, 60, [0, 1, 2])
    peers = list(_PEERS) if _PEER_PYTHON.exists() else []
    if not peers:
        print(f"no peers: {_PEER_PYTHON.parent.parent} is missing; only ours runs", file=sys.stderr)
    result = Result("dedup", "text to the documents to drop, one core", "MB/s", seeds=seeds)
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for seed in seeds:
            contest(work, seed, size, pairs, peers, result, found)
        growth, peaks = memory_growth(work, (40_000_000, 160_000_000))
    rates = {name: median([row[name] for row in result.rows if name in row]) for name in ["ours", *peers]}
    fast = {name: rates[name] for name in peers if name != "datatrove"}
    if fast:
        result.peer_name = max(fast, key=lambda name: fast[name])
        result.ratio = median([row["ours"] / row[result.peer_name] for row in result.rows])
        result.peer = rates[result.peer_name]
        result.checks["goal_1.5x"] = result.ratio >= GOAL
    result.ours = rates["ours"]
    result.checks |= {
        "f1_at_0.8_over_0.95": all(row["f1_ours"] > 0.95 for row in result.rows),
        "no_runaway_clusters": all(row["chain_held_ours"] for row in result.rows),
        "memory_flat": growth < 0.15,
    }
    result.figures |= {"memory_bytes_per_byte_of_text": growth, "memory_peaks": peaks, "rates": rates, "found": found}
    names = ["ours", *peers]
    table = [("what", *names), ("MB/s", *(f"{rates[name]:.2f}" for name in names))]
    table += [(key, *(f"{found[name][key]:.3f}" for name in names)) for key in found["ours"]]
    finish(result, table, options.quick, options.json)


def contest(
    work: Path, seed: int, size: int, pairs: int, peers: list[str], result: Result, found: dict[str, dict[str, Any]]
) -> None:
    """All contestants turn by turn on one corpus: rows for `result`, and the last curves in `found`."""
    texts, truth = plant(pairs, seed)
    small, large = work / "small", work / "large"
    megabytes = {"small": write_planted(small, texts) / 1e6}
    corpus.write_shards(large, size, 96_000_000, seed=seed)
    megabytes["large"] = megabytes["small"] + size / 1e6
    write_planted(large, texts)
    for number in range(ROUNDS):
        row: dict[str, Any] = {"seed": seed, "round": number}
        for name in ["ours", *peers]:
            if name == "datatrove" and number:
                continue
            folder = small if name == "datatrove" else large
            outcome = run(name, folder)
            row[name] = megabytes[folder.name] / outcome["seconds"]
            found[name] = curve(outcome["dropped"], truth)
            found[name]["chain_dropped"] = sum(id.startswith("chain-") for id in outcome["dropped"])
            found[name]["share_of_time_signatures"] = outcome["signatures_s"] / outcome["seconds"]
            row[f"f1_{name}"] = found[name]["f1"]
            if name == "ours":
                row["chain_held_ours"] = chain_is_held(outcome["dropped"], texts)
        result.rows.append(row)
    shutil.rmtree(small)
    shutil.rmtree(large)


if __name__ == "__main__":
    main()
