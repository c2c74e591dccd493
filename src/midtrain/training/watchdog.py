"""A run that hangs says where, and ends: a thread that waits for the next step.

A dead network drive, a deadlocked data thread or a lost GPU looks like training from outside: the process is there,
nothing is written, and hours pass. The watchdog is told of every step; when none comes for `factor` times the median
step (and never less than five minutes), it prints the stack of every thread to stderr and into the journal, says one
sentence and ends the process. The last checkpoint is whole, and the run goes on from it.

Its clock counts its own short naps and not the wall: a process that was stopped (Ctrl-Z, a sleeping laptop) has not
hung. What may take long by nature (a hook that evaluates) is not watched.
"""

from __future__ import annotations

import os
import statistics
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from midtrain.core.progress import say
from midtrain.core.run import Journal

LEAST_S = 300.0
_NAP_S = 0.5
_STEPS = 128


def stacks() -> str:
    """The stack of every Python thread, as text."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = [
        f"Thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
    ]
    return "\n".join(parts)


def _end() -> None:
    os._exit(1)  # the thread that hangs cannot be raised in; nothing is half-written that a resume does not cut


class Watchdog:
    """Ends the process when `step_done` is not called in time; entered for the time of a stage."""

    def __init__(
        self,
        factor: float | None,
        journal: Journal,
        label: str,
        *,
        least: float = LEAST_S,
        nap: float = _NAP_S,
        end: Callable[[], None] = _end,
    ):
        self._factor, self._journal, self._label = factor, journal, label
        self._least, self._nap, self._end = least, nap, end
        self._seconds: deque[float] = deque(maxlen=_STEPS)
        self._last: float | None = None
        self._step = self._paused = 0
        self._waited = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def step_done(self, step: int) -> None:
        """Step `step` is done."""
        now = time.monotonic()
        if self._last is not None:
            self._seconds.append(now - self._last)
        self._last, self._step, self._waited = now, step, 0.0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not watch inside, nor take the time for that of a step."""
        begin = time.monotonic()
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1
            if self._last is not None:
                self._last += time.monotonic() - begin

    @property
    def limit(self) -> float | None:
        """Seconds without a step after which the run has hung; None while no step's time is known."""
        if self._factor is None or not self._seconds:
            return None
        return max(self._least, self._factor * statistics.median(self._seconds))

    def _watch(self) -> None:
        while not self._stopped.wait(self._nap):
            if self._paused:
                continue
            self._waited += self._nap
            limit = self.limit
            if limit is not None and self._waited > limit:
                self._tell(limit)
                self._end()
                return

    def _tell(self, limit: float) -> None:
        found = stacks()
        print(found, file=sys.stderr, flush=True)
        say(
            f"{self._label} hangs: no step for {limit:.0f} seconds after step {self._step}. Its stacks are above and "
            f"in {self._journal.path}; run the same command again to go on from the last checkpoint."
        )
        self._journal.append("event", self._step, what="hang", stacks=found)
