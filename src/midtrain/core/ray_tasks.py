"""The same tasks on a Ray cluster.

Ray moves only the pickled task (a few hundred bytes) and finds a machine for it; what a unit says lies in its folder,
so every machine must see `work`, and the inputs, under the same path (a shared file system), and must have the same
version of this package installed. That keeps documents out of Ray's object store, whose spilling and memory limits
never come into play, and makes the bytes those of a run on one machine.
"""

from __future__ import annotations

import importlib
import os
import pickle
import signal
import socket
import threading
from types import ModuleType
from typing import Any

from midtrain.core.errors import UserError
from midtrain.core.units import RETRIES, Task, Unit, attempt

_CONNECT_S = 10.0


class RayTasks:
    """A pool of the CPUs of the cluster at `address`: "host:port", "ray://host:port", or "auto" on one of its nodes."""

    def __init__(self, address: str, workers: int | None):
        self._ray = _connect(address)
        cpus = int(self._ray.cluster_resources().get("CPU", 1))
        self._most = workers or 2 * cpus  # as many wait as run, so that no CPU does while we look elsewhere
        options = self._ray.remote(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD")
        self._attempt = options(attempt)
        self._tasks: dict[Any, Task] = {}

    @property
    def free(self) -> bool:
        """Whether another task can be submitted now."""
        return len(self._tasks) < self._most

    def submit(self, task: Task) -> None:
        """Send a task to the cluster."""
        self._tasks[self._attempt.remote(pickle.dumps(task))] = task

    def wait(self) -> list[Unit]:
        """Wait for some task to end; returns the units made. Raises the error of a task that failed."""
        ready, _ = self._ray.wait(list(self._tasks), num_returns=1)
        made = []
        for reference in ready:
            task = self._tasks.pop(reference)
            error = self._result(reference, task)
            if error is not None:
                raise error
            if not (task.work / task.unit.key).exists():
                raise UserError(
                    f"{task.label}: Ray made {task.unit.key}, but {task.work} on this machine does not hold it; every "
                    f"machine of the cluster must see this folder under the same path (a shared file system)."
                )
            made.append(task.unit)
        return made

    def close(self) -> None:
        """Cancel what is under way."""
        for reference in self._tasks:
            self._ray.cancel(reference, force=True)

    def _result(self, reference: Any, task: Task) -> Exception | None:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError) as error:
            return task.died(_first_line(error))
        except errors.RayError as error:
            return UserError(
                f"{task.label}: Ray could not run {task.unit.key} ({_first_line(error)}); every machine of the cluster "
                f"needs this version of midtrain and the libraries of this one."
            )


def _connect(address: str) -> ModuleType:
    """Ray, connected; the connection stays for the life of this process."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray = importlib.import_module("ray")
    except ImportError:
        raise UserError('Ray is not installed; install it with: pip install "midtrain[ray]".') from None
    if ray.is_initialized():
        return ray
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"There is no usable Ray cluster at {address} ({_first_line(error)}); start one with `ray start --head`, "
            f"or leave out the address to use this machine alone."
        ) from error
    finally:
        if main:  # Ray ends a process at SIGTERM; ours removes what is half-made first
            signal.signal(signal.SIGTERM, before)
    return ray


def _knock(address: str) -> None:
    """Raise OSError or ValueError where nobody listens; Ray itself would wait for minutes, and then end the process."""
    if address == "auto":  # Ray knows at once whether this machine is in a cluster
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        raise ValueError("an address is host:port")
    socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300]
