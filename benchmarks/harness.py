"""What every benchmark shares: flags, the table, the JSON line, and the interleaved timing of two contestants.

A time on a shared machine is noise; a ratio of two times taken turn by turn is not. `interleave` runs ours and the
peer alternately and compares medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from midtrain.core.artifact import library_versions

RESULTS = Path(__file__).parent / "results"


@dataclass
class Result:
    """The contract of a benchmark's last line."""

    benchmark: str
    metric: str
    unit: str
    ours: float | None = None
    peer: float | None = None
    peer_name: str = ""
    ratio: float | None = None
    checks: dict[str, bool] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)


def arguments(benchmark: str, description: str) -> argparse.Namespace:
    """Parse --quick and --json FILE."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{benchmark}", description=description)
    parser.add_argument(
        "--quick", action="store_true", help="a smaller run of the same work, under 8 minutes on two cores"
    )
    parser.add_argument("--json", metavar="FILE", help="also write the result, with a row per seed, to FILE")
    return parser.parse_args()


def interleave(contestants: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Time each contestant once per round, turn by turn; returns seconds by name."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, work in contestants.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def median(values: list[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def finish(result: Result, table: list[tuple[Any, ...]], quick: bool, out: str | None) -> None:
    """Print the table and the JSON line, write files, and exit 1 when a check failed."""
    widths = [max(len(str(row[i])) for row in table) for i in range(len(table[0]))] if table else []
    for row in table:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    machine = {"cores": os.cpu_count(), "cpu": _cpu(), "python": platform.python_version()}
    document = {**vars(result), "quick": quick, "machine": machine, "versions": library_versions()}
    line = {key: value for key, value in document.items() if key != "rows"}
    if out:
        Path(out).write_text(json.dumps(document, indent=1) + "\n")
    if not quick:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{result.benchmark}.json").write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(line))
    failed = [name for name, passed in result.checks.items() if not passed]
    if failed:
        print(f"failed checks: {', '.join(failed)}", file=sys.stderr)
    sys.exit(1 if failed else 0)


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
