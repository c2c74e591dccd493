"""Maps a function over units of work (shards) in processes, each unit made once, whatever dies on the way.

    units --> worker: work/.making-KEY-*  --function, fsync, rename-->  work/KEY  --> paths, in the order of the units

A unit is a key and an argument; `function(argument, folder)` writes its files into `folder` and returns a small result
(JSON). The finished folder is renamed to `work/KEY`, so that a unit is there whole or not at all: after a kill -9 the
same call goes on with what is missing. `work` must therefore name everything that decides the result (put a
fingerprint in it), and what a unit writes must depend on its argument alone: then processes, Ray and a run that was
killed ten times give the same bytes.

The pool is our own because of what one dead worker does to `concurrent.futures`: it breaks the pool, loses what the
others had in hand, and cannot say which unit was to blame. Here a worker holds one unit and one pipe; when the pipe
ends, that unit is given to a new worker (twice, then a person is told its name), and nobody else notices. Workers are
forked from a server that has imported the function's module once, so a worker costs some 20 ms and not the seconds of
importing numba and Arrow; and they die with whoever started them.

How many workers there are, and on which machines, changes no byte, so it belongs to no recipe and no fingerprint: the
command line sets it around everything with `configure`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import shutil
import signal
import threading
import traceback
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from midtrain.core.artifact import fsync_directory, write_atomically
from midtrain.core.errors import MidtrainError, UserError, disk_errors
from midtrain.core.progress import be_quiet, progress, say

RESULT = "unit.json"
_TEMPORARY = ".making-"
_RETRIES = 2
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}


class Unit(NamedTuple):
    """One piece of work."""

    key: str
    """Its name among the units, and the name of its folder."""
    argument: Any
    """What the function is given; it is pickled, and paths in it must be absolute."""
    size: int = 1
    """What it counts for in the progress (bytes of text, say)."""


UnitFunction = Callable[[Any, Path], Any]


@dataclass(frozen=True)
class _Ambient:
    workers: int | None = None


_ambient = _Ambient()


@contextmanager
def configure(workers: int | None = None) -> Iterator[None]:
    """Within this, `map_units` uses `workers` processes (None: one for each CPU we may use)."""
    global _ambient
    before, _ambient = _ambient, _Ambient(workers)
    try:
        yield
    finally:
        _ambient = before


def available_cpus() -> int:
    """CPUs this process may use: its affinity, and the quota of its container where there is one."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cpus = min(cpus, max(int(quota) // int(period), 1))
    except (OSError, ValueError):  # no such file, or no limit ("max")
        pass
    return cpus


def map_units(
    function: UnitFunction,
    units: Iterable[Unit | tuple[str, Any]],
    *,
    work: Path | str,
    label: str,
    measure: str = "units",
    workers: int | None = None,
) -> Iterator[Path]:
    """Make every unit that `work` does not hold yet; yields the folders `work/KEY` in the order of `units`.

    `function` is importable by name (a partial of such a one is). In the folder lie the files it wrote and its result
    (see `unit_result`). Progress is counted in `measure`, the unit of `Unit.size`. `workers` overrides what `configure`
    says; one worker, or one unit, runs in this process. No new unit is handed out while the caller holds a path, so
    what is done with one should be short.

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
        _sweep(work)
        done = set(os.listdir(work)) & set(keys)
    missing = deque(unit for unit in todo if unit.key not in done)
    if done:
        say(f"{label}: {len(done):,} of {len(keys):,} were finished before.")
    try:
        with progress(label, sum(unit.size for unit in missing), measure) as bar, _pool(workers, len(missing)) as pool:
            for key in keys:
                while key not in done:
                    while missing and pool.free:
                        pool.submit(_Task(function, missing.popleft(), work, label))
                    for unit in pool.wait():
                        done.add(unit.key)
                        bar.advance(unit.size)
                yield work / key
    finally:
        _sweep(work)


def unit_result(folder: Path) -> Any:
    """What the function returned for the unit in `folder`."""
    try:
        return json.loads((folder / RESULT).read_text())
    except (OSError, ValueError):
        raise UserError(f"{folder / RESULT} is missing or damaged; remove {folder} and run again.") from None


def _sweep(work: Path) -> None:
    """Remove what killed workers left half-made."""
    for left in work.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(left, ignore_errors=True)


# ---- one unit, wherever it runs


class _Task(NamedTuple):
    function: UnitFunction
    unit: Unit
    work: Path
    label: str

    def make(self) -> None:
        """Run the function in a temporary folder, and rename it to `work/KEY` when all of it is on the disk."""
        path = self.work / self.unit.key
        temporary = self.work / f"{_TEMPORARY}{self.unit.key}-{uuid.uuid4().hex[:8]}"
        with disk_errors(path):
            temporary.mkdir()
            try:
                result = self.function(self.unit.argument, temporary)
                for file in temporary.rglob("*"):
                    handle = os.open(file, os.O_RDONLY)
                    os.fsync(handle)
                    os.close(handle)
                write_atomically(temporary / RESULT, json.dumps(result, ensure_ascii=False))
                if not path.exists():  # a worker thought dead may have made it after all
                    os.replace(temporary, path)
                    fsync_directory(self.work)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    def died(self, how: str) -> UserError:
        return UserError(
            f"{self.label}: the worker of {self.unit.key} died {_RETRIES + 1} times ({how}); if memory ran out, use "
            f"fewer workers; run the same command again: what was finished is kept."
        )


def _attempt(pickled: bytes) -> Exception | None:
    """Make a pickled task; returns its error in a form that survives the way home, or None."""
    try:
        pickle.loads(pickled).make()
        return None
    except Exception as error:
        if not isinstance(error, MidtrainError):
            error.add_note(f"In the worker:\n{traceback.format_exc()}")
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # an error of a library that cannot be pickled
            return RuntimeError(traceback.format_exc())
        return error


# ---- where units run


class _Pool(Protocol):
    @property
    def free(self) -> bool:
        """Whether another task can be submitted now."""

    def submit(self, task: _Task) -> None:
        """Begin a task."""

    def wait(self) -> list[Unit]:
        """Wait for some task to end; returns the units made. Raises the error of a task that failed."""

    def close(self) -> None:
        """Give up what is under way."""


@contextmanager
def _pool(workers: int | None, units: int) -> Iterator[_Pool]:
    workers = min(workers or _ambient.workers or available_cpus(), max(units, 1))
    pool: _Pool = _Here() if workers == 1 else _Processes(workers)
    try:
        yield pool
    finally:
        pool.close()


class _Here:
    """This process."""

    def __init__(self) -> None:
        self._task: _Task | None = None

    @property
    def free(self) -> bool:
        return self._task is None

    def submit(self, task: _Task) -> None:
        self._task = task

    def wait(self) -> list[Unit]:
        assert self._task is not None
        self._task.make()
        made, self._task = self._task.unit, None
        return [made]

    def close(self) -> None:
        pass


@dataclass
class _Worker:
    process: Any
    pipe: Connection


class _Processes:
    """Processes of this machine, each with a pipe and at most one task."""

    def __init__(self, workers: int):
        self.workers = workers
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, tuple[_Worker, _Task]] = {}
        self._deaths: Counter[str] = Counter()
        self._context = multiprocessing.get_context("forkserver")

    @property
    def free(self) -> bool:
        return len(self._busy) < self.workers

    def submit(self, task: _Task) -> None:
        pickled = pickle.dumps(task)
        worker = self._idle.pop() if self._idle else self._start(task.function)
        self._busy[worker.pipe] = (worker, task)
        with suppress(OSError):  # one that died while idle is found by `wait`, as the end of its pipe
            worker.pipe.send_bytes(pickled)

    def wait(self) -> list[Unit]:
        made = []
        for pipe in wait(list(self._busy)):
            assert isinstance(pipe, Connection)
            worker, task = self._busy.pop(pipe)
            try:
                error = pipe.recv()
            except (EOFError, OSError):
                self._bury(worker, task)
                continue
            self._idle.append(worker)
            if error is not None:
                raise error
            made.append(task.unit)
        return made

    def close(self) -> None:
        workers = [*self._idle, *(worker for worker, _ in self._busy.values())]
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.join()
            worker.pipe.close()

    def _bury(self, worker: _Worker, task: _Task) -> None:
        worker.process.join()
        worker.pipe.close()
        self._deaths[task.unit.key] += 1
        if self._deaths[task.unit.key] > _RETRIES:
            code = worker.process.exitcode
            raise task.died(signal.Signals(-code).name if code < 0 else f"exit code {code}")
        self.submit(task)

    def _start(self, function: UnitFunction) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        self._context.set_forkserver_preload([getattr(function, "func", function).__module__])
        with _environment(_ONE_THREAD):  # the processes are the parallelism
            process.start()
        theirs.close()  # so that our end tells when the worker dies
        return _Worker(process, ours)


def _serve(pipe: Connection) -> None:
    """A worker: makes the tasks that come, until nobody is there to send one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us all; who started us decides
    be_quiet()
    threading.Thread(target=_die_with_parent, daemon=True).start()
    while True:
        try:
            pickled = pipe.recv_bytes()
        except EOFError:
            return
        pipe.send(_attempt(pickled))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for processes started within, where a person has not set them."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
