"""The rules with midtrain, or in plain Python: from Parquet to Parquet, in this process, on one core.

rules_ours.py {ours,python} OUT FILE...   read, measure, decide, filter, write: seconds and documents kept
rules_ours.py product OUT FILE...         all of `midtrain curate`: identify, deduplicate, split, measure, decide, look
                                          for near-duplicates and (where they lie on this machine) evaluation items,
                                          mask, write, digest
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.data import data_folder
from benchmarks.peers.python_rules import statistics_of
from midtrain.core.config import parse
from midtrain.core.parallel import configure
from midtrain.documents.curation.rules import decide
from midtrain.documents.curation.rules_config import RulesConfig
from midtrain.recipe.curate import curate
from midtrain.recipe.schema import DocumentsConfig
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
        with pq.ParquetWriter(out / path.name, source.schema_arrow, use_dictionary=False) as writer:
            for batch in source.iter_batches(batch_size=2500):
                mask = keep(batch.column("text"))
                kept += int(mask.sum())
                writer.write_batch(batch.filter(pa.array(mask)))
    return kept


def product(files: list[Path], out: Path) -> int:
    """`midtrain curate` with every step, in this process; returns the documents kept."""
    items = (data_folder() or Path()) / "gsm8k_test.jsonl.gz"
    asked: dict[str, Any] = {
        "name": "product",
        "sources": {"texts": {"read": str(files[0].parent / "*.parquet")}},
        "curate": {"languages": {}, "rules": {}, "pii": {}},
        "deduplicate": {"near": {}},
    }
    if items.is_file():
        asked["decontaminate"] = {"against": [{"read": str(items)}]}
    with configure(workers=1):
        made = curate(parse(DocumentsConfig, asked, "benchmark"), out)
    return int(made.sources[0]["documents"])


def main() -> None:
    """See above."""
    name, out, files = sys.argv[1], Path(sys.argv[2]), list(map(Path, sys.argv[3:]))
    if name == "product":
        time_product(files, out)
        return
    keep = {"ours": kept_by_ours, "python": kept_by_python}[name]
    keep(pa.array(["A warm cup of tea."]))  # compiled, or loaded from the cache, before the clock starts
    with tempfile.TemporaryDirectory() as work:
        start, cpu_start = time.perf_counter(), time.process_time()
        kept = run(files, Path(work), keep)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    out.write_text(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "kept": kept}))


def time_product(files: list[Path], out: Path) -> None:
    """Time `product`; kernels and models are loaded before the clock starts, by curating a few of the documents."""
    with tempfile.TemporaryDirectory() as work:
        few = Path(work, "few", "0.parquet")
        few.parent.mkdir()
        pq.write_table(pq.read_table(files[0]).slice(0, 300), few)
        product([few], Path(work, "warm"))
        start, cpu_start = time.perf_counter(), time.process_time()
        kept = product(files, Path(work, "out"))
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    out.write_text(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "kept": kept}))


if __name__ == "__main__":
    main()
