"""The rules with datatrove: Gopher repetition, Gopher quality, FineWeb and C4, from Parquet to Parquet.

datatrove_rules.py decide FOLDER OUT   what each filter says of each document, alone: {id: {set: reason or ""}}
datatrove_rules.py time FOLDER OUT     read, filter, write, as a pipeline does: seconds and documents kept
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter


def filters() -> dict[str, object]:
    """The filters with their defaults, by the name of our set of rules."""
    return {
        "gopher_repetition": GopherRepetitionFilter(),
        "gopher_quality": GopherQualityFilter(),
        "fineweb": FineWebQualityFilter(),
        "c4": C4QualityFilter(),
    }


def decide(folder: Path) -> dict[str, dict[str, str]]:
    """What each filter says of each document: why it goes, or ""."""
    found: dict[str, dict[str, str]] = {}
    by_name = filters()
    for path in sorted(folder.glob("*.parquet")):
        for row in pq.read_table(path, columns=["id", "text"]).to_pylist():
            verdicts = {}
            for name, one in by_name.items():
                verdict = one.filter(Document(text=row["text"], id=row["id"]))
                verdicts[name] = "" if verdict is True else verdict[1]
            found[row["id"]] = verdicts
    return found


def run(folder: Path, out: Path) -> int:
    """The pipeline, in this process; returns the documents kept."""
    data = ParquetReader(str(folder), glob_pattern="*.parquet").run(rank=0, world_size=1)
    for one in filters().values():
        data = one.run(data, 0, 1)
    return sum(1 for _ in ParquetWriter(str(out)).run(data, 0, 1))


def main() -> None:
    """See above."""
    task, folder, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if task == "decide":
        out.write_text(json.dumps(decide(folder)))
        return
    for one in filters().values():  # the tokenizer is loaded before the clock starts
        one.filter(Document(text="A warm cup of tea.", id="warm"))
    with tempfile.TemporaryDirectory() as work:
        start, cpu_start = time.perf_counter(), time.process_time()
        kept = run(folder, Path(work))
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    out.write_text(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "kept": kept}))


if __name__ == "__main__":
    main()
