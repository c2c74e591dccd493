"""Curation of 100 MB, 500 MB and 2 GB of text: memory that does not grow with it, and kill -9 in the middle.

`midtrain curate` reads Parquet files of real paragraphs (see corpus.py), measures, looks for near-duplicates and writes
what stays, with two workers. Memory is what the kernel says of all processes of the command together, twenty times a
second; pages that they share are counted for each. Then the middle size is curated again by a command that is killed
without warning, as soon as some shard more is finished, and started again, several times: its folder must be the folder
of the command that nobody killed, and no shard that was finished may have been written twice (a file keeps its inode
and its time from the worker that wrote it to the finished artifact).

There is no peer: the curation tools of this field do not promise this. Goal, set before the first run: from the middle
size to the largest, memory grows by less than a tenth of the text that is added (what stays of a document is its band
keys and a few numbers).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.corpus import write_parquet
from benchmarks.harness import Result, arguments, finish
from midtrain.core.artifact import MANIFEST
from midtrain.core.fingerprint import file_digest

GOAL = 0.1
WORKERS = 2
_LOOK_EVERY_S = 0.05
_CONFIG = """\
name: memory
sources:
  left: {{read: "{folder}/left"}}
  right: {{read: "{folder}/right"}}
curate:
  rules: {{sets: [gopher_quality, gopher_repetition, c4, fineweb]}}
  pii: {{}}
deduplicate: {{near: {{}}}}
"""


def start(config: Path, out: Path) -> subprocess.Popen:
    """Begin to curate, in a session of its own."""
    command = [sys.executable, "-m", "midtrain.cli", "curate", str(config), "--out", str(out), "--json"]
    return subprocess.Popen(
        [*command, "--workers", str(WORKERS)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )


def follow(process: subprocess.Popen, look: Callable[[list[int]], bool]) -> None:
    """Call `look` with the processes of the session until it says stop or the command ends; a failed command raises."""
    while process.poll() is None:
        if look(session(process.pid)):
            return
        time.sleep(_LOOK_EVERY_S)
    if process.returncode:
        assert process.stderr is not None
        raise RuntimeError(f"curate ended with {process.returncode}: {process.stderr.read().decode()[-2000:]}")


def session(leader: int) -> list[int]:
    """The processes of a session that are alive."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, of = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:  # it ended while we looked
                continue
            if int(of) == leader and state != "Z":
                found.append(int(entry.name))
    return found


def resident(pid: int) -> int:
    """Bytes of memory a process holds now; 0 when it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def curate_watched(config: Path, out: Path) -> dict[str, float]:
    """Curate to the end; returns seconds, the peak of all processes together and that of the largest, in bytes."""
    peaks = {"all": 0, "largest": 0}

    def look(pids: list[int]) -> bool:
        held = [resident(pid) for pid in pids]
        peaks["all"] = max(peaks["all"], sum(held))
        peaks["largest"] = max(peaks["largest"], *held, 0)
        return False

    begun = time.monotonic()
    follow(start(config, out), look)
    return {"seconds": time.monotonic() - begun, **peaks}


Written = tuple[int, int]
"""inode and time of writing: what a hard link and a rename keep, and a second writing does not."""


def finished_units(out: Path) -> dict[Written, str]:
    """The names of the files of every finished unit of work that no artifact is sealed over yet."""
    found = {}
    for folder, _, names in os.walk(out):  # which passes over folders that are renamed meanwhile
        if ".work-" not in folder or ".making-" in folder:
            continue
        for name in names:
            file = Path(folder, name)
            try:
                if file.suffix == ".parquet":
                    found[written(file)] = str(file.relative_to(out))
            except FileNotFoundError:  # the artifact has just been sealed
                continue
    return found


def written(file: Path) -> Written:
    """Who wrote this file, as far as the file system knows."""
    facts = file.stat()
    return facts.st_ino, facts.st_mtime_ns


def curate_killed(config: Path, out: Path, kills: int) -> tuple[dict[Written, str], int]:
    """Curate, killed `kills` times; returns the files of units that were finished at a death, and the orphans left."""
    kept: dict[Written, str] = {}
    orphans = 0
    for _ in range(kills):
        process = start(config, out)
        before = set(finished_units(out))
        follow(process, lambda pids, before=before: bool(set(finished_units(out)) - before))
        if process.poll() is not None:
            raise RuntimeError("the command ended before it could be killed; give it more text")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 5
        while session(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        orphans += len(session(process.pid))
        kept |= finished_units(out)
    follow(start(config, out), lambda pids: False)
    return kept, orphans


def contents(out: Path) -> dict[str, Any]:
    """What must be equal: the digest of every Parquet file, and every manifest without its date."""
    found: dict[str, Any] = {}
    for file in sorted(out.rglob("*.parquet")):
        found[str(file.relative_to(out))] = file_digest(file)
    for file in sorted(out.rglob(MANIFEST)):
        manifest = json.loads(file.read_text())
        found[str(file.relative_to(out))] = {key: value for key, value in manifest.items() if key != "created"}
    return found


def write_config(folder: Path, size: int) -> Path:
    """Write `size` bytes of text for two sources, and what to do with them; returns the file that says it."""
    for number, name in enumerate(("left", "right")):
        write_parquet(folder / name, size // 2, files=4, seed=number)
    config = folder / "curate.yaml"
    config.write_text(_CONFIG.format(folder=folder))
    return config


def main() -> None:
    """Run the benchmark."""
    args = arguments("curate_memory", "Memory of curation at 100 MB, 500 MB and 2 GB, and kill -9 in the middle.")
    sizes = (50_000_000, 400_000_000, 800_000_000) if args.quick else (100_000_000, 500_000_000, 2_000_000_000)
    kills = 2 if args.quick else 6
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for size in sizes:
            config = write_config(root / f"{size}", size)
            rows.append({"text_bytes": size, **curate_watched(config, root / f"{size}" / "out")})
        middle = root / f"{sizes[1]}"
        kept, orphans = curate_killed(middle / "curate.yaml", middle / "killed", kills)
        whole, killed = contents(middle / "out"), contents(middle / "killed")
        there = {written(file) for file in (middle / "killed").rglob("*.parquet")}
        redone = [name for file, name in kept.items() if file not in there]
    growth = (rows[2]["all"] - rows[1]["all"]) / (sizes[2] - sizes[1])
    result = Result("curate_memory", "peak memory of all processes at the largest size", "bytes", rows=rows)
    result.ours, result.seeds = rows[2]["all"], [0]
    result.checks = {
        "flat": growth < GOAL,
        "byte_identical": whole == killed and len(whole) > 4,
        "finished_shards_not_redone": bool(kept) and not redone,
        "no_worker_outlives_the_command": orphans == 0,
    }
    result.figures = {
        "growth_bytes_per_byte_of_text": round(growth, 4),
        "kills": kills,
        "finished_shards_at_deaths": len(kept),
        **{f"megabytes_per_second_at_{row['text_bytes'] // 1_000_000}": rate(row) for row in rows},
    }
    table = [("text MB", "all processes MB", "largest MB", "seconds", "MB/s")]
    for row in rows:
        memory = (round(row["all"] / 1e6), round(row["largest"] / 1e6))
        table.append((row["text_bytes"] // 1_000_000, *memory, round(row["seconds"], 1), rate(row)))
    finish(result, table, args.quick, args.json)


def rate(row: dict[str, Any]) -> float:
    """Megabytes of text curated in a second."""
    return round(row["text_bytes"] / row["seconds"] / 1e6, 2)


if __name__ == "__main__":
    main()
