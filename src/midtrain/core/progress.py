"""Progress that people can read: a bar on a terminal, a plain line now and then elsewhere, nothing under --json.

Everything here goes to standard error, so that standard output stays what the command was asked for.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from midtrain.core.config import format_size

_LINE_EVERY_S = 10.0
_quiet = False


def be_quiet(quiet: bool = True) -> None:
    """Silence all progress and sentences (for --json)."""
    global _quiet
    _quiet = quiet


def say(sentence: str) -> None:
    """Tell the person one thing."""
    if not _quiet:
        print(sentence, file=sys.stderr, flush=True)


class Progress:
    """A counter toward `total` (None when unknown) with a rate and a time left."""

    def __init__(self, label: str, total: int | None, unit: str):
        self.label, self.total, self.unit = label, total, unit
        self.done = 0
        self.note = ""
        self._start = self._last = time.monotonic()

    def advance(self, count: int = 1, note: str = "") -> None:
        """Count `count` more, with an optional short note (such as the loss)."""
        self.done += count
        self.note = note or self.note
        now = time.monotonic()
        if now - self._last >= _LINE_EVERY_S:
            self._last = now
            say(self.line())

    def line(self) -> str:
        """The state in one line: 'tokens: 1.2M of 3M tok, 44k/s, 0:41 left'."""
        spent = max(time.monotonic() - self._start, 1e-9)
        rate = self.done / spent
        text = f"{self.label}: {format_size(self.done)}"
        if self.total:
            left = int((self.total - self.done) / rate) if rate > 0 else 0
            text += (
                f" of {format_size(self.total)} {self.unit}, {format_size(rate)}/s, {left // 60}:{left % 60:02d} left"
            )
        else:
            text += f" {self.unit}, {format_size(rate)}/s"
        return f"{text}  {self.note}" if self.note else text


class _TerminalProgress(Progress):
    def __init__(self, label: str, total: int | None, unit: str, bar: Any):
        super().__init__(label, total, unit)
        self._bar = bar
        self._task = bar.add_task(label, total=total, rate="", note="")

    def advance(self, count: int = 1, note: str = "") -> None:
        self.done += count
        self.note = note or self.note
        rate = self.done / max(time.monotonic() - self._start, 1e-9)
        self._bar.update(self._task, completed=self.done, rate=f"{format_size(rate)} {self.unit}/s", note=self.note)


@contextmanager
def progress(label: str, total: int | None, unit: str) -> Iterator[Progress]:
    """Show progress of one piece of work; nothing is shown for work that ends at once."""
    if _quiet or not sys.stderr.isatty():
        yield Progress(label, total, unit)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(28),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True), transient=True) as bar:
        yield _TerminalProgress(label, total, unit, bar)
