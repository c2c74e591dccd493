"""One unit of work: a folder made once by a function, in this process, in a worker or on another machine.

The function writes into `work/.making-KEY-*`. When all of it is on the disk it is renamed to `work/KEY`, so a unit is
there whole or not at all, wherever the worker ran and however it died; that needs no word between worker and starter.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from midtrain.core.artifact import fsync_directory, write_atomically
from midtrain.core.errors import MidtrainError, UserError, disk_errors

RETRIES = 2
"""How often a unit is given to another worker when its worker dies."""
_RESULT = "unit.json"
_TEMPORARY = ".making-"

UnitFunction = Callable[[Any, Path], Any]


class Unit(NamedTuple):
    """One piece of work."""

    key: str
    """Its name among the units, and the name of its folder."""
    argument: Any
    """What the function is given; it is pickled, and paths in it must be absolute."""
    size: int = 1
    """What it counts for in the progress (bytes of text, say)."""


class Task(NamedTuple):
    """A unit with the function that makes it and the folder where it goes."""

    function: UnitFunction
    unit: Unit
    work: Path
    label: str

    def make(self) -> None:
        """Run the function in a temporary folder, and rename it to `work/KEY` when all of it is on the disk."""
        path = self.work / self.unit.key
        temporary = self.work / f"{_TEMPORARY}{self.unit.key}-{uuid.uuid4().hex[:8]}"
        with disk_errors(path):
            temporary.mkdir(parents=True)
            try:
                result = self.function(self.unit.argument, temporary)
                for file in temporary.rglob("*"):
                    handle = os.open(file, os.O_RDONLY)
                    os.fsync(handle)
                    os.close(handle)
                write_atomically(temporary / _RESULT, json.dumps(result, ensure_ascii=False))
                if not path.exists():  # a worker thought dead may have made it after all
                    os.replace(temporary, path)
                    fsync_directory(self.work)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    def died(self, how: str) -> UserError:
        """The error to raise when the workers of this task died too often; `how` is what is known of it."""
        return UserError(
            f"{self.label}: the worker of {self.unit.key} died {RETRIES + 1} times ({how}); if memory ran out, use "
            f"fewer workers; run the same command again: what was finished is kept."
        )


def attempt(pickled: bytes) -> Exception | None:
    """Make a pickled `Task`; returns its error in a form that survives the way home, or None."""
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


def unit_result(folder: Path) -> Any:
    """What the function returned for the unit in `folder`."""
    try:
        return json.loads((folder / _RESULT).read_text())
    except (OSError, ValueError):
        raise UserError(f"{folder / _RESULT} is missing or damaged; remove {folder} and run again.") from None


def sweep(work: Path) -> None:
    """Remove what killed workers left half-made in `work`."""
    for left in work.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(left, ignore_errors=True)


class Pool(Protocol):
    """Where tasks run; a pool has at most so many of them in hand."""

    @property
    def free(self) -> bool:
        """Whether another task can be submitted now."""

    def submit(self, task: Task) -> None:
        """Begin a task."""

    def wait(self) -> list[Unit]:
        """Wait for some task to end; returns the units made. Raises the error of a task that failed."""

    def close(self) -> None:
        """Give up what is under way."""


class InProcess:
    """A pool of this process alone: one task at a time, made when it is waited for."""

    def __init__(self) -> None:
        self._task: Task | None = None

    @property
    def free(self) -> bool:
        """Whether no task is in hand."""
        return self._task is None

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._task = task

    def wait(self) -> list[Unit]:
        """Make it."""
        assert self._task is not None
        self._task.make()
        made, self._task = self._task.unit, None
        return [made]

    def close(self) -> None:
        """Nothing is under way."""
