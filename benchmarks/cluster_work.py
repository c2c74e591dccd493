"""What the workers of `benchmarks.cluster` do, in a module of its own: a worker of Ray has another __main__."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from midtrain.documents.curation.annotate import annotate_shard
from midtrain.documents.curation.config import CurateConfig
from midtrain.documents.curation.measures import Measures
from midtrain.documents.curation.pii_config import PiiConfig
from midtrain.documents.curation.rules_config import RulesConfig
from midtrain.documents.deduplication.config import NearConfig

MEASURES = Measures(CurateConfig(rules=RulesConfig(), pii=PiiConfig()), NearConfig())
"""What `curate` measures with all its rules, the languages, personal data and near-duplicates."""


def measure(log: str, shard: str, folder: Path) -> Any:
    """Measure one shard, saying in `log` who has which shard in hand, on which node."""
    with open(Path(log) / str(os.getpid()), "a", buffering=1) as said:
        ray = sys.modules.get("ray")  # which is here when Ray started this process
        node = ray.get_runtime_context().get_node_id() if ray else "local"
        said.write(f"{node} {Path(shard).stem}\n")
        result = annotate_shard(MEASURES, shard, folder)
        said.write("idle\n")
    return result
