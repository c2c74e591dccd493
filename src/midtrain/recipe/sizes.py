"""How large each source is: exactly, where its tokens have been made; else estimated from its first documents.

The estimate reads at most a megabyte of text. When a source ends before that, its size is exact in documents and
bytes, and its tokens are counted. Otherwise the sample's bytes per token, and the share of text in the sampled rows,
are applied to the size of the files (or to the recipe's limit), so an estimate is off by as much as the first
megabyte is unlike the rest.
"""

from __future__ import annotations

import itertools
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midtrain.core.artifact import Artifact
from midtrain.documents.config import SourceConfig
from midtrain.recipe.curation_graph import documents_name
from midtrain.recipe.make_data import identity, rows_of
from midtrain.recipe.schema import ProblemSourceConfig, RecipeConfig

if TYPE_CHECKING:
    from midtrain.models.tokenizer import Tokenizer

_SAMPLE_BYTES = 1_000_000
_UNTRAINED_BYTES_PER_TOKEN = 3.3


@dataclass(frozen=True)
class SourceSize:
    """The training part of a source, and how many documents are held out."""

    name: str
    documents: float
    bytes: float
    tokens: float
    heldout: float
    exact: bool
    note: str


def source_sizes(recipe: RecipeConfig, done: dict[str, Path], tokenizer: Tokenizer | None) -> list[SourceSize]:
    """The size of every source of the recipe; `done` are the finished steps of its run folder."""
    return [
        _known(name, recipe, done) or _estimated(name, source, recipe, tokenizer)
        for name, source in recipe.sources.items()
    ]


def _known(name: str, recipe: RecipeConfig, done: dict[str, Path]) -> SourceSize | None:
    if f"tokens/{name}" not in done:
        return None
    steps = dict.fromkeys([f"documents/{name}", documents_name(recipe, name)])
    made = [Artifact.open(done[step]) for step in steps]
    counts = Artifact.open(done[f"tokens/{name}"]).counts
    dropped = sum(sum(documents.manifest["drops"].values()) for documents in made)
    note = f"{dropped:,} of {made[0].counts['rows_in']:,} rows dropped" if dropped else ""
    heldout = made[-1].counts["heldout"]
    return SourceSize(name, counts["documents"], counts["bytes"], counts["tokens"], heldout, True, note)


def _estimated(
    name: str, source: SourceConfig | ProblemSourceConfig, recipe: RecipeConfig, tokenizer: Tokenizer | None
) -> SourceSize:
    texts, row_bytes, ended = _sample(rows_of(source))
    sampled = sum(len(text.encode()) for text in texts)
    tokens = _count_tokens(texts, sampled, tokenizer)
    whole = (
        min([sampled, *_limits(source, texts, sampled)]) if ended else _whole_bytes(source, texts, sampled, row_bytes)
    )
    factor = whole / sampled if sampled else 1.0
    share = 0.0 if isinstance(source, ProblemSourceConfig) else recipe.holdout.share
    kept = factor * (1 - share)
    notes = [] if ended else [f"estimated from its first {len(texts):,} documents"]
    notes += ["before curation"] if name in recipe.curated_sources() else []
    return SourceSize(
        name,
        len(texts) * kept,
        sampled * kept,
        tokens * kept,
        len(texts) * factor * share,
        exact=False,
        note=", ".join(notes),
    )


def _sample(rows: Iterable[Any]) -> tuple[list[str], int, bool]:
    """Texts of the first rows, the bytes of those rows as JSON, and whether that was all."""
    texts: list[str] = []
    size = row_bytes = 0
    for row in rows:
        if not isinstance(row, dict):  # a bad row; `run` counts and judges these
            continue
        text = row.get("text")
        if text is None:
            text = "\n".join(str(message.get("content", "")) for message in row.get("messages") or [])
        if not isinstance(text, str):
            continue
        texts.append(text.encode("utf-8", "replace").decode())
        size += len(texts[-1].encode())
        row_bytes += len(json.dumps({k: v for k, v in row.items() if k != "where"}, default=str).encode())
        if size >= _SAMPLE_BYTES:
            return texts, row_bytes, False
    return texts, row_bytes, True


def _whole_bytes(source: SourceConfig | ProblemSourceConfig, texts: list[str], sampled: int, row_bytes: int) -> float:
    """Bytes of text in the whole source."""
    if isinstance(source, ProblemSourceConfig):
        return source.problems.count * sampled / len(texts)
    facts = identity(source)
    found = _limits(source, texts, sampled)
    if "bytes" in facts:
        text_share = sampled / row_bytes
        entries = " ".join(source.entries)
        if any(suffix in entries for suffix in (".gz", ".zst", ".parquet")):
            sample = "\n".join(itertools.islice(texts, 200)).encode()
            text_share *= len(sample) / len(zlib.compress(sample, 6))
        found.append(facts["bytes"] * text_share)
    return min(found) if found else float(sampled)


def _limits(source: SourceConfig | ProblemSourceConfig, texts: list[str], sampled: int) -> list[float]:
    """Bytes of text at which the recipe ends the source."""
    if isinstance(source, ProblemSourceConfig):
        return []
    found = [float(source.limit.bytes)] if source.limit.bytes is not None else []
    if source.limit.documents is not None:
        found.append(source.limit.documents * sampled / max(len(texts), 1))
    return found


def _count_tokens(texts: list[str], size: int, tokenizer: Tokenizer | None) -> float:
    if tokenizer is None:
        return size / _UNTRAINED_BYTES_PER_TOKEN
    return float(sum(len(ids) for ids in tokenizer.encode(texts)))
