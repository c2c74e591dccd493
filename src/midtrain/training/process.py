"""What training asks of its process, and gives back: signals, garbage collection, deterministic arithmetic.

A first SIGINT or SIGTERM lets the running step finish, saves a checkpoint and stops; a second one is not caught, so a
hung process can still be ended. Python's cyclic collector walks every object of every imported library now and then,
in the middle of a step: what lives at the start is frozen, and the collector is off until the loop ends (a training
step makes no cycles worth collecting). On a CPU PyTorch is told to use deterministic algorithms only, so that a
resumed run can be compared bit by bit; its habit of filling every new tensor with NaN in that mode is switched off.
"""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Catches the first SIGINT or SIGTERM while it is entered; `received` says whether one came."""

    def __init__(self) -> None:
        self.received = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._receive) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _receive(self, *_: object) -> None:
        self.received = True
        self.__exit__()


@contextmanager
def steady(device: torch.device) -> Iterator[None]:
    """Collector frozen and off, and on a CPU deterministic algorithms; everything as it was afterwards."""
    collecting, deterministic = gc.isenabled(), torch.are_deterministic_algorithms_enabled()
    settings: Any = torch.utils.deterministic
    filling = settings.fill_uninitialized_memory
    frozen_before = gc.get_freeze_count() > 0  # then it is somebody else's to thaw
    gc.collect()
    if not frozen_before:
        gc.freeze()
    gc.disable()
    if device.type == "cpu":
        torch.use_deterministic_algorithms(True)
        settings.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        settings.fill_uninitialized_memory = filling
        if not frozen_before:
            gc.unfreeze()
        if collecting:
            gc.enable()
