"""What names the content behind a scorer before it is used: for the fingerprint of the step that scores.

As with the sources of documents, a file is named by its size and time of change, so that a plan costs no reading; a
file that is missing is told when the plan is made, not when its turn comes. A Hub id is named by itself.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from midtrain.core.errors import UserError
from midtrain.documents.quality.config import (
    AttributesConfig,
    ClosenessConfig,
    EncoderConfig,
    ExamplesConfig,
    FastTextConfig,
    ScorerConfig,
)
from midtrain.documents.reading.files import files_by_entry


def scorer_identity(config: ScorerConfig) -> dict[str, Any]:
    """The declared settings and the files behind them; raises UserError for a file that is not there."""
    found: dict[str, Any] = {"asked": config.model_dump(mode="json")}
    if isinstance(config, FastTextConfig) and config.path is not None:
        found["model"] = _files([Path(config.path).expanduser()])
    if isinstance(config, EncoderConfig) and (folder := Path(config.path).expanduser()).is_dir():
        found["model"] = _files(sorted(file for file in folder.iterdir() if file.is_file()))
    if isinstance(config, AttributesConfig):
        folder = Path(config.path).expanduser()
        shards = sorted(folder.glob("*.parquet"))
        if not shards:
            raise UserError(f"{folder} holds no attributes (no .parquet); name the folder of the shards.")
        found["attributes"] = _files(shards)
    examples = config.examples if isinstance(config, ClosenessConfig) else getattr(config, "train", None)
    if examples is not None:
        named = examples if isinstance(examples, ExamplesConfig) else examples.examples
        entries = files_by_entry([named.read])
        found["examples"] = [[file.name, *file.stamp()] for _, files in entries for file in files or []]
    return found


def _files(paths: list[Path]) -> list[list[Any]]:
    facts = []
    for path in paths:
        try:
            fact = os.stat(path)
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror}); correct the path of the scorer.") from None
        facts.append([path.name, fact.st_size, fact.st_mtime_ns])
    return facts
