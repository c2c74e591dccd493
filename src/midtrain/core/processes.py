"""Worker processes of this machine, and what happens when one dies.

The pool is our own because of what a dead worker does to `concurrent.futures`: it breaks the pool, loses what the
others had in hand, and cannot say which task was to blame. Here a worker holds one task and one pipe. When the pipe
ends, that task is given to a new worker (twice, then a person is told its name), and nobody else notices.

Workers are forked from a server that has imported the function's module once, so that a worker costs some 20 ms and
not the seconds of importing numba and Arrow. What it loads for its first task (compiled kernels, models) costs more
than that, so a worker without work waits a few seconds for the next map before it ends. They all die with whoever
started them.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from midtrain.core.progress import be_quiet
from midtrain.core.units import RETRIES, Task, Unit, UnitFunction, attempt

_IDLE_S = 10.0
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}


@dataclass
class _Worker:
    process: Any
    pipe: Connection


_idle: list[_Worker] = []
"""Workers without work, of whatever pool."""


class Processes:
    """A pool of processes of this machine, started as they are needed, each with a pipe and at most one task."""

    def __init__(self, workers: int):
        self.workers = workers
        self._busy: dict[Connection, tuple[_Worker, Task]] = {}
        self._deaths: Counter[str] = Counter()

    @property
    def free(self) -> bool:
        """Whether another task can be submitted now."""
        return len(self._busy) < self.workers

    def submit(self, task: Task) -> None:
        """Give a task to a worker."""
        pickled = pickle.dumps(task)
        worker = _take_idle() or _start(task.function)
        self._busy[worker.pipe] = (worker, task)
        with suppress(OSError):  # one that has just died is found by `wait`, as the end of its pipe
            worker.pipe.send_bytes(pickled)

    def wait(self) -> list[Unit]:
        """Wait for some task to end; returns the units made. Raises the error of a task that failed."""
        made = []
        for pipe in wait(list(self._busy)):
            assert isinstance(pipe, Connection)
            worker, task = self._busy.pop(pipe)
            try:
                error = pipe.recv()
            except (EOFError, OSError):
                self._bury(worker, task)
                continue
            _idle.append(worker)
            if error is not None:
                raise error
            made.append(task.unit)
        return made

    def close(self) -> None:
        """Kill the workers that have something in hand."""
        for worker, _ in self._busy.values():
            worker.process.kill()
        for worker, _ in self._busy.values():
            worker.process.join()
            worker.pipe.close()

    def _bury(self, worker: _Worker, task: Task) -> None:
        worker.process.join()
        worker.pipe.close()
        self._deaths[task.unit.key] += 1
        if self._deaths[task.unit.key] > RETRIES:
            code = worker.process.exitcode
            raise task.died(signal.Signals(-code).name if code < 0 else f"exit code {code}")
        self.submit(task)


def _take_idle() -> _Worker | None:
    while _idle:
        worker = _idle.pop()
        if not worker.pipe.poll():
            return worker
        worker.pipe.close()  # nothing but its end can come from one without work
    return None


def _start(function: UnitFunction) -> _Worker:
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    context.set_forkserver_preload([getattr(function, "func", function).__module__])
    with _environment(_ONE_THREAD):  # the processes are the parallelism
        process.start()
    theirs.close()  # so that our end tells when the worker dies
    return _Worker(process, ours)


def _serve(pipe: Connection) -> None:
    """A worker: makes the tasks that come, until none has come for a while or nobody is there to send one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us all; who started us decides
    be_quiet()
    threading.Thread(target=_die_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        while pipe.poll(_IDLE_S):
            pipe.send(attempt(pipe.recv_bytes()))


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
