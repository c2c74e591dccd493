"""A unit of work that dies on purpose; a module of its own, because worker processes import what they are given."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any


def die_until(times: int, make: Callable[[int, Path], Any], number: int, folder: Path) -> Any:
    """Unit 2 kills its worker without warning, the first `times` times; after that, and for others, `make`.

    Each death (and the survival) is an "x" in the file `deaths` beside the folder of the work.
    """
    if number == 2:
        deaths = folder.parent.parent / "deaths"
        with deaths.open("a") as file:
            file.write("x")
        if len(deaths.read_text()) <= times:
            os.kill(os.getpid(), signal.SIGKILL)
    return make(number, folder)
