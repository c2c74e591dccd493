"""Measure one piece of work in a fresh process: seconds, and memory at its peak above what the imports took."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path


def memory_mb() -> dict[str, float]:
    """Of this process: `all` memory that is resident (pages of mapped files too), and what is its `own`."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {"all": int(fields["VmRSS"].split()[0]) / 1024, "own": int(fields["RssAnon"].split()[0]) / 1024}


def measure(work: Callable[[], object], out: str) -> None:
    """Do `work`, and write {seconds, all_mb, own_mb} to the JSON file `out`."""
    before = memory_mb()
    peak = dict(before)
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.004):
            now = memory_mb()
            peak.update({kind: max(peak[kind], now[kind]) for kind in peak})

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    found = {f"{kind}_mb": peak[kind] - before[kind] for kind in peak}
    Path(out).write_text(json.dumps({"seconds": seconds, **found}))
