"""What is printed for people: coloured on a terminal, plain in a pipe."""

from __future__ import annotations

import io
import shutil
import sys

from rich.console import Console, RenderableType


def render(what: RenderableType) -> str:
    """Rich to text."""
    console = Console(file=io.StringIO(), force_terminal=sys.stdout.isatty(), width=width())
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip("\n")


def width() -> int:
    """Columns of the terminal; in a pipe 110."""
    return max(shutil.get_terminal_size((110, 40)).columns, 80)
