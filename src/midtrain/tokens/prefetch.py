"""Batches made ahead by a thread, so that the model never waits for them.

NumPy's gathers and page faults release the GIL, and a batch is a pure function of its step, so a thread and a short
queue are all it takes. After a remix the consumer starts a new one at the step it is at.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

from midtrain.tokens.batches import Batch, StageData


def prefetch(
    data: StageData, start: int, stop: int, *, rank: int = 0, world: int = 1, depth: int = 2
) -> Iterator[Batch]:
    """The batches of steps [start, stop) in order, at most `depth` made ahead.

    An error while making a batch is raised here, at its step. The thread ends when the iterator is exhausted, closed
    or collected.
    """
    ready: queue.Queue[Batch | BaseException] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def offer(item: Batch | BaseException) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def make() -> None:
        for step in range(start, stop):
            if stopped.is_set():
                return
            try:
                item: Batch | BaseException = data.batch(step, rank, world)
            except BaseException as error:
                item = error
            offer(item)
            if isinstance(item, BaseException):
                return

    thread = threading.Thread(target=make, name="prefetch", daemon=True)
    thread.start()
    try:
        for _ in range(start, stop):
            item = ready.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()
