"""What names the content behind a scorer before it is used: for the fingerprint of the step that scores.

As with the sources of documents, a file is named by its size and time of change, so that a plan costs no reading; a
file that is missing, or not what it should be by its first bytes or row, is told when the plan is made, not when its
turn comes. A Hub id is named by itself.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from midtrain.core.errors import UserError, did_you_mean
from midtrain.documents.quality.config import (
    AttributesConfig,
    ClosenessConfig,
    EncoderConfig,
    ExamplesConfig,
    FastTextConfig,
    ScorerConfig,
)
from midtrain.documents.quality.examples import check_examples
from midtrain.documents.reading.files import files_by_entry
from midtrain.text.fasttext_file import check_fasttext


def scorer_identity(config: ScorerConfig) -> dict[str, Any]:
    """The declared settings and the files behind them; raises UserError for a file that is not there."""
    found: dict[str, Any] = {"asked": config.model_dump(mode="json")}
    if isinstance(config, FastTextConfig) and config.path is not None:
        path = Path(config.path).expanduser()
        found["model"] = _files([path])
        check_fasttext(path)
    if isinstance(config, EncoderConfig) and (folder := Path(config.path).expanduser()).is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(f"{folder} holds no encoder (no config.json); name a folder that transformers saved.")
        found["model"] = _files(sorted(file for file in folder.iterdir() if file.is_file()))
    if isinstance(config, AttributesConfig):
        folder = Path(config.path).expanduser()
        shards = sorted(folder.glob("*.parquet"))
        if not shards:
            raise UserError(f"{folder} holds no attributes (no .parquet); name the folder of the shards.")
        found["attributes"] = _files(shards)
        _check_column(shards[0], config)
    examples = config.examples if isinstance(config, ClosenessConfig) else getattr(config, "train", None)
    if examples is not None:
        named = examples if isinstance(examples, ExamplesConfig) else examples.examples
        check_examples(named)
        entries = files_by_entry([named.read])
        found["examples"] = [[file.name, *file.stamp()] for _, files in entries for file in files or []]
    return found


def _check_column(shard: Path, config: AttributesConfig) -> None:
    try:
        names = pq.read_schema(shard).names
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{shard} is no Parquet shard of attributes ({error}); compute its scores again.") from None
    for name in ("id", config.column):
        if name not in names:
            raise UserError(f'{shard} has no column "{name}".{did_you_mean(name, names)}')


def _files(paths: list[Path]) -> list[list[Any]]:
    facts = []
    for path in paths:
        try:
            fact = os.stat(path)
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror}); correct the path of the scorer.") from None
        facts.append([path.name, fact.st_size, fact.st_mtime_ns])
    return facts
