"""The same merge with mergekit (its own environment: .venv-mergekit), without what it does besides merging."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import transformers  # noqa: F401  (imported before the measurement, as it is for midtrain)
from merge_measure import measure
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions


def main() -> None:
    """CONFIG FOLDER OUT: merge what the JSON file CONFIG says into FOLDER and write the measurements to OUT."""
    config, folder, out = sys.argv[1:4]
    asked = MergeConfiguration.model_validate(translated(json.loads(Path(config).read_text())))
    options = MergeOptions(write_model_card=False, quiet=True, out_shard_size=250_000_000)
    measure(lambda: run_merge(asked, folder, options=options), out)


def translated(config: dict[str, Any]) -> dict[str, Any]:
    """midtrain's words for a merge in mergekit's."""
    models = []
    for model in config["models"]:
        own = {"weight": model["weight"]} if config["method"] != "slerp" else {}
        models.append(
            {"model": model["path"], "parameters": own | ({"density": d} if (d := config.get("density")) else {})}
        )
    shared = {name: config[name] for name in ("t", "lambda") if name in config}
    base = config.get("base") or (config["models"][0]["path"] if config["method"] == "slerp" else None)
    asked = {"merge_method": config["method"], "models": models, "dtype": "float32", "parameters": shared}
    return asked | ({"base_model": base} if base else {})


if __name__ == "__main__":
    main()
