"""What the workers of `benchmarks.cluster` do, in a module of its own: a worker of Ray has another __main__."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from midtrain.documents.curation.annotate import Annotator, annotate_shard
from midtrain.text.language import identify
from midtrain.text.signatures import band_keys, minhash

_BANDS = 14


def annotators() -> list[Annotator]:
    """What is measured of each document."""
    return [_language, _signatures]


def _language(texts: pa.Array, _: Any) -> dict[str, Any]:
    codes, confidence_N = identify(texts)
    return {"lang": codes, "lang_confidence": confidence_N}


def _signatures(texts: pa.Array, _: Any) -> dict[str, Any]:
    keys_BN = band_keys(minhash(texts), _BANDS)
    return {"band_keys": pa.FixedSizeListArray.from_arrays(np.ascontiguousarray(keys_BN.T).ravel(), _BANDS)}


def measure(log: str, shard: str, folder: Path) -> Any:
    """Measure one shard, saying in `log` who has which shard in hand, on which node."""
    with open(Path(log) / str(os.getpid()), "a", buffering=1) as said:
        ray = sys.modules.get("ray")  # which is here when Ray started this process
        node = ray.get_runtime_context().get_node_id() if ray else "local"
        said.write(f"{node} {Path(shard).stem}\n")
        result = annotate_shard(annotators, shard, folder)
        said.write("idle\n")
    return result
