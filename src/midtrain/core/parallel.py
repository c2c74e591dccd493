"""Maps a function over units of work (shards) in processes or on a Ray cluster, each unit made once, whatever dies.

    units --> worker: work/.making-KEY-*  --function, fsync, rename-->  work/KEY  --> paths, in the order of the units

A unit is a key and an argument; `function(argument, folder)` writes its files into `folder` and returns a small result
(JSON). After a kill -9 the same call goes on with what is missing. `work` must therefore name everything that decides
the result (put a fingerprint in it), and what a unit writes must depend on its argument alone: then processes, Ray and
a run that was killed ten times give the same bytes.

How many workers there are, and on which machines, changes no byte, so it belongs to no recipe and no fingerprint: the
command line sets it around everything with `configure`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midtrain.core.errors import UserError, disk_errors
from midtrain.core.processes import Processes
from midtrain.core.progress import progress, say
from midtrain.core.ray_tasks import RayTasks
from midtrain.core.units import InProcess, Pool, Task, Unit, UnitFunction, sweep, unit_result

__all__ = ["Unit", "UnitFunction", "available_cpus", "configure", "map_units", "unit_result"]


BYTES = "B"
"""The `measure` of units whose size is in bytes."""
_LITTLE = 16_000_000
"""A process that must load compiled kernels first takes longer than this much text."""


@dataclass(frozen=True)
class _Ambient:
    workers: int | None = None
    ray: str | None = None


_ambient = _Ambient()


@contextmanager
def configure(workers: int | None = None, ray: str | None = None) -> Iterator[None]:
    """Within this, `map_units` uses `workers` processes (None: one for each CPU we may use), or the cluster `ray`.

    With `ray`, an address, `workers` bounds the tasks that the cluster is given at once (None: twice its CPUs).
    """
    global _ambient
    if workers is not None and workers < 1:
        raise UserError(f"{workers} workers cannot do anything; give 1 or more, or leave it out for one per CPU.")
    before, _ambient = _ambient, _Ambient(workers, ray)
    try:
        yield
    finally:
        _ambient = before


def available_cpus() -> int:
    """CPUs this process may use: its affinity, and the quota of its container where there is one."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return min(cpus, max(int(quota) // int(period), 1))
    except (OSError, ValueError):  # no such file, or no limit ("max")
        return cpus


def map_units(
    function: UnitFunction,
    units: Iterable[Unit | tuple[str, Any]],
    *,
    work: Path | str,
    label: str,
    measure: str = "units",
    workers: int | None = None,
    ray: str | None = None,
) -> Iterator[Path]:
    """Make every unit that `work` does not hold yet; yields the folders `work/KEY` in the order of `units`.

    `function` is importable by name (a partial of such a one is; a function of __main__ is not known to Ray). In a
    unit's folder lie the files it wrote and its result (see `unit_result`). Progress is counted in `measure`, the unit
    of `Unit.size`. `workers` and `ray` override what `configure` says; one worker, or one unit, runs in this process,
    and so does little work (under 16 MB, where sizes are bytes) of which nobody said how many should do it.
    No new unit is handed out while the caller holds a path, so what is done with one should be short.

    An error of `function` is raised here, with the worker's traceback as a note; a unit whose worker dies three times
    is a UserError. Either way, and on Ctrl-C, what is finished stays.
    """
    todo = [Unit(*unit) for unit in units]
    keys = [unit.key for unit in todo]
    assert len(set(keys)) == len(keys), "two units of one key"
    assert not any("/" in key or key.startswith(".") or not key for key in keys), "a key is no plain file name"
    work = Path(work).absolute()
    with disk_errors(work):
        work.mkdir(parents=True, exist_ok=True)
        sweep(work)
        done = set(os.listdir(work)) & set(keys)  # one listing: a shared file system remembers names it did not find
    missing = deque(unit for unit in todo if unit.key not in done)
    if done:
        say(f"{label}: {len(done):,} of {len(keys):,} were finished before.")
    try:
        total = sum(unit.size for unit in missing)
        little = measure == BYTES and total < _LITTLE
        with progress(label, total, measure) as bar, _pool(workers, ray, len(missing), little) as pool:
            for key in keys:
                while key not in done:
                    while missing and pool.free:
                        pool.submit(Task(function, missing.popleft(), work, label))
                    for unit in pool.wait():
                        done.add(unit.key)
                        bar.advance(unit.size)
                yield work / key
    finally:
        sweep(work)


@contextmanager
def _pool(workers: int | None, ray: str | None, units: int, little: bool) -> Iterator[Pool]:
    workers, ray = workers or _ambient.workers, ray or _ambient.ray
    processes = min(workers or (1 if little else available_cpus()), units)
    pool: Pool
    if ray and units:
        pool = RayTasks(ray, workers)
    else:
        pool = Processes(processes) if processes > 1 else InProcess()
    try:
        yield pool
    finally:
        pool.close()
