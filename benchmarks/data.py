"""Where the real texts and tasks that some benchmarks use lie, if they are there.

They are not part of the project. MIDTRAIN_DATA names their folder; a benchmark that finds none uses the text of the
Python installation, or says which row it left out.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def data_folder() -> Path | None:
    """The folder of real texts and tasks (JSONL.gz with `license`), or None."""
    named = os.environ.get("MIDTRAIN_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    return folder if folder.is_dir() else None


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL.gz file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
