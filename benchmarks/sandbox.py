"""The sandbox against a red team, and its cost against a bare subprocess.

Attempts to read, write, connect, signal, trace, leave and exhaust, and answers that want to pass without being right
(benchmarks/sandbox_attacks.py), at every isolating level this machine has, as root and as an ordinary user (run as
root for both; bubblewrap only where it is installed). An attempt counts as an escape when the program says that it got
what it wanted, or when a witness outside was touched: a secret file, sockets that listen, signals, processes left over.

Then the cost: the same small program in the sandbox's fork-server, in a fresh interpreter in the sandbox, and in a bare
`subprocess` of the same interpreter without any isolation, turn by turn.

Checks: none_escapes, none_passes, fails_closed (nothing runs where isolation is missing or a step of it fails),
honest_passes, and the fork-server at most 1.5 times a bare subprocess.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness import Result, arguments, finish, interleave, median
from midtrain.verify.sandbox.config import Limits
from midtrain.verify.sandbox.levels import LEVELS
from midtrain.verify.sandbox.probe import probe
from midtrain.verify.sandbox.run import Program, Ran, Status, call, run

_ORDINARY = 12345
_SOURCE = """
import collections, json, math, re
words = re.findall(r"[a-z]+", "the quick brown fox jumps over the lazy dog " * 50)
print(json.dumps(collections.Counter(words).most_common(3)), math.isqrt(sum(map(len, words)) ** 2))
"""
_EXPECTED = b'[["the", 100], ["quick", 50], ["brown", 50]] 1750\n'


def main() -> None:
    options = arguments("sandbox", "Escape attempts against the sandbox, and its cost against a bare subprocess.")
    rows = red_team(options.quick)
    seconds = timings(40 if options.quick else 300)
    checks, figures = judge(rows, seconds)
    ours, peer = figures["programs_per_second"], figures["programs_per_second_bare"]
    result = Result(
        "sandbox", "programs in the fork-server", "programs/s", ours, peer, "subprocess without isolation",
        figures["time_over_bare"], checks, figures, [], rows,
    )  # fmt: skip
    finish(result, table(rows, figures), options.quick, options.json)


def red_team(quick: bool) -> list[dict[str, Any]]:
    """The rows of every user and level there is on this machine; `quick` leaves root at the best level alone."""
    rows: list[dict[str, Any]] = []
    users = [0, _ORDINARY] if os.getuid() == 0 else [os.getuid()]
    seconds = 0.5 if quick else 2.0
    for user in users:
        for level in (level.name for level in LEVELS if level.isolated):
            if quick and user == 0 and rows:
                break
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.sandbox_suite", str(user), level, str(seconds)],
                capture_output=True, text=True, cwd=Path(__file__).parents[1],
            )  # fmt: skip
            if done.returncode:
                raise SystemExit(f"the suite broke as user {user}, {level}:\n{done.stderr}")
            rows += json.loads(done.stdout)
    return rows


def timings(rounds: int) -> dict[str, list[float]]:
    """Seconds of the same program in turn: fork-server, call, fresh interpreter in the sandbox, bare subprocess."""
    python = str(Path(sys.executable).resolve())
    fresh = Program(argv=(python, "-I", "-S", "-c", _SOURCE))
    definition = f"def f():\n    text = {_SOURCE!r}\n    exec(text, {{}})\n    return 1"

    def correct(ran: Ran) -> None:
        assert ran.status is Status.DONE, ran
        assert ran.stdout == _EXPECTED, ran

    def bare() -> None:
        done = subprocess.run([python, "-I", "-S", "-c", _SOURCE], capture_output=True, check=True)
        assert done.stdout == _EXPECTED

    contestants = {
        "fork-server": lambda: correct(run(Program(_SOURCE))),
        "call": lambda: call(definition, "f", [((), {})], Limits()),
        "fresh": lambda: correct(run(fresh)),
        "bare": bare,
    }
    interleave(contestants, 3)
    return interleave(contestants, rounds)


def judge(rows: list[dict[str, Any]], seconds: dict[str, list[float]]) -> tuple[dict[str, bool], dict[str, Any]]:
    """The checks and the figures."""
    attacks = [row for row in rows if row["kind"] in ("escape", "abuse")]
    cheats = [row for row in rows if row["kind"] == "cheat"]
    figures: dict[str, Any] = {
        "kernel": {key: value for key, value in vars(probe()).items() if key != "reasons"},
        "levels": sorted({f"{row['level']} as {'root' if not row['user'] else 'a user'}" for row in rows}),
        "attempts": len({row["name"] for row in attacks}),
        "cheats": len({row["name"].rsplit(" (", 1)[0] for row in cheats}),
        "runs": len(rows),
        "escaped": [f"{row['level']}, {row['user']}: {row['name']}" for row in rows if row["escaped"]],
        "broken": [f"{row['level']}, {row['user']}: {row['name']}" for row in rows if row["broken"]],
    }
    for name, values in seconds.items():
        ordered = sorted(values)
        figures[f"p50_ms_{name}"] = round(1000 * median(values), 2)
        figures[f"p95_ms_{name}"] = round(1000 * ordered[int(0.95 * (len(ordered) - 1))], 2)
    figures["programs_per_second"] = round(1 / median(seconds["fork-server"]), 1)
    figures["programs_per_second_bare"] = round(1 / median(seconds["bare"]), 1)
    figures["time_over_bare"] = round(median(seconds["fork-server"]) / median(seconds["bare"]), 3)
    checks = {
        "none_escapes": not any(row["escaped"] or row["broken"] for row in attacks) and figures["attempts"] >= 40,
        "none_passes": not any(row["escaped"] or row["broken"] for row in cheats),
        "fails_closed": not any(row["escaped"] for row in rows if row["kind"] == "closed"),
        "honest_passes": not any(row["broken"] for row in rows if row["kind"] == "honest"),
        "at_most_1.5_times_bare": figures["time_over_bare"] <= 1.5,
    }
    return checks, figures


def table(rows: list[dict[str, Any]], figures: dict[str, Any]) -> list[tuple[Any, ...]]:
    """A line per user and level, then the times."""
    lines: list[tuple[Any, ...]] = [("level", "user", "runs", "escaped", "slowest attempt, s")]
    for key in sorted({(row["level"], row["user"]) for row in rows}):
        mine = [row for row in rows if (row["level"], row["user"]) == key]
        lines.append((*key, len(mine), sum(row["escaped"] for row in mine), max(row.get("seconds", 0) for row in mine)))
    lines += [(f"{name}: ms, p50 and p95", "", figures[f"p50_ms_{name}"], figures[f"p95_ms_{name}"], "")
              for name in ("fork-server", "call", "fresh", "bare")]  # fmt: skip
    return lines


if __name__ == "__main__":
    main()
