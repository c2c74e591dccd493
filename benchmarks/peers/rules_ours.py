"""The rules with midtrain, or in plain Python: from Parquet to Parquet, in this process, on one core.

rules_ours.py {ours,python} OUT FILE...   read, measure, decide, filter, write: seconds and documents kept
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.peers.python_rules import statistics_of
from midtrain.documents.curation.rules import decide
from midtrain.documents.curation.rules_config import RulesConfig
from midtrain.text.statistics import STATISTICS, statistics
from midtrain.text.stop_words import STOP_WORDS

_CONFIG = RulesConfig()


def kept_by_ours(texts: pa.Array) -> np.ndarray:
    """bool [N]: which texts the rules keep."""
    return decide(statistics(texts), _CONFIG)[0] < 0


def kept_by_python(texts: pa.Array) -> np.ndarray:
    """The same, with every number computed in plain Python."""
    rows = [statistics_of(text.as_py(), STOP_WORDS["en"]) for text in texts]
    columns = {
        name: np.array([row[name] for row in rows], dtype=kind)
        for name, (kind, _) in STATISTICS.items()
        if name != "compression"
    }
    return decide(columns, _CONFIG)[0] < 0


def run(files: list[Path], out: Path, keep: Callable[[pa.Array], np.ndarray]) -> int:
    """Filter every file, 8 MB of text at a time; returns the documents kept."""
    kept = 0
    for path in files:
        source = pq.ParquetFile(path)
        with pq.ParquetWriter(out / path.name, source.schema_arrow) as writer:
            for batch in source.iter_batches(batch_size=2500):
                mask = keep(batch.column("text"))
                kept += int(mask.sum())
                writer.write_batch(batch.filter(pa.array(mask)))
    return kept


def main() -> None:
    """See above."""
    name, out, files = sys.argv[1], Path(sys.argv[2]), list(map(Path, sys.argv[3:]))
    keep = {"ours": kept_by_ours, "python": kept_by_python}[name]
    keep(pa.array(["A warm cup of tea."]))  # compiled, or loaded from the cache, before the clock starts
    with tempfile.TemporaryDirectory() as work:
        start, cpu_start = time.perf_counter(), time.process_time()
        kept = run(files, Path(work), keep)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    out.write_text(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "kept": kept}))


if __name__ == "__main__":
    main()
