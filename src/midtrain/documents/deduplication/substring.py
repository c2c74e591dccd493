"""Repeated passages over all shards: where 50 words in a row were read before, they are cut, and the first place stays.

    shards --anchors--> repeated anchors --windows--> first and later places --spans to cut--> per shard

Every arrow is a map over shards or over ranges of hashes (`map_units`), each unit a pure function of the files before
it, so the work is spread, resumed and repeated byte for byte; what a range holds bounds the memory. Words are those of
ngrams.py: a passage in other case, punctuation or line breaks is the same passage. What is promised: every passage
that stands twice or more still stands, whole, where it stood first. Cutting joins what was around a passage; what such
joins repeat is not searched for again. A chat is left whole.

Documents that are dropped for another reason must not count as a first place, or a passage would be lost with them:
so this runs last, and a shard may say which of its rows are still there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from midtrain.core.parallel import Unit, map_units, unit_result
from midtrain.documents.curation.masking import Masking
from midtrain.documents.deduplication.alarm import Removal, check_removal, short
from midtrain.documents.deduplication.config import DeduplicateConfig
from midtrain.documents.deduplication.passages import (
    Spans,
    Windows,
    anchors,
    first_and_later,
    ranges,
    repeated,
    spans,
    windows,
)
from midtrain.documents.schema import printable
from midtrain.documents.store import row_groups

_RANGE = 1 << 25
_SAMPLES = 2
_SAMPLE_CHARACTERS = 300


SPANS = "spans.npy"


class Shard(NamedTuple):
    """A Parquet shard of documents, by absolute path."""

    source: str
    path: Path
    keep: Path | None = None
    """An .npy file, bool per row: the others are as if they had no text."""
    hide: Masking | None = None
    """Masks personal data in the passages that an alarm shows."""


def find_repeats(shards: list[Shard], config: DeduplicateConfig, work: Path) -> list[Path]:
    """The folder of each shard's spans to cut (see `load_spans`), in the order of `shards`.

    A passage stays in the source of the highest priority, there in the first shard. `work` names everything that
    decides the result. Raises UserError when more of a source's text would be cut than `config.max_removed` allows.
    """
    assert config.substring is not None, "no repeated passages are asked for"
    n, keys, label = config.substring.words, [f"{i:06d}" for i in range(len(shards))], "repeated passages"
    order = sorted(range(len(shards)), key=lambda i: config.priority(shards[i].source))
    shards = [shards[i] for i in order]

    def over_shards(step: str, function, arguments) -> list[Path]:
        units = [Unit(key, argument) for key, argument in zip(keys, arguments, strict=True)]
        return list(map_units(function, units, work=work / step, label=f"{label}, {step}", measure="shards"))

    def over_ranges(step: str, function, folders: list[Path]) -> list[Path]:
        entries = sum(unit_result(folder)["entries"] for folder in folders)
        units = [Unit(f"{i:06d}", (folders, *limits)) for i, limits in enumerate(ranges(entries, _RANGE))]
        return list(map_units(function, units, work=work / step, label=f"{label}, {step}", measure="ranges"))

    anchored = over_shards("anchors", _make_anchors, [(shard, n) for shard in shards])
    known = over_ranges("repeated", _make_repeated, anchored)
    windowed = over_shards("windows", _make_windows, [(shard, n, known) for shard in shards])
    placed = over_ranges("places", _make_places, windowed)
    found = over_shards("spans", _make_spans, [(shard, n, number, placed) for number, shard in enumerate(shards)])
    _alarm(shards, found, config)
    folders = dict(zip(order, found, strict=True))
    return [folders[i] for i in range(len(shards))]


def load_spans(folder: Path) -> Spans:
    """The spans of a shard, by row and byte of its text."""
    return Spans(*np.load(folder / SPANS))


def save_spans(found: Spans, folder: Path) -> None:
    """Write spans for `load_spans`."""
    np.save(folder / SPANS, np.stack(found))


def texts_to_cut(shard: Shard) -> Iterator[pa.Array]:
    """The texts of a shard, a row group at a time, as the search sees them: empty for chats and for rows not kept."""
    keep_N = None if shard.keep is None else np.load(shard.keep)
    start = 0
    for table in row_groups(shard.path, ["text"]):
        texts = table["text"].combine_chunks().cast(pa.large_string())
        if keep_N is not None:
            texts = pc.if_else(pa.array(keep_N[start : start + len(texts)]), texts, "")
        start += len(texts)
        yield pc.fill_null(texts, "")


def _make_anchors(argument: tuple[Shard, int], folder: Path) -> dict[str, int]:
    shard, n = argument
    found = anchors(texts_to_cut(shard), n)
    np.save(folder / "anchors.npy", found)
    return {"entries": len(found)}


def _make_repeated(argument: tuple[list[Path], int, int], folder: Path) -> None:
    folders, low, high = argument
    np.save(folder / "repeated.npy", repeated([_load(one / "anchors.npy") for one in folders], low, high))


def _make_windows(argument: tuple[Shard, int, list[Path]], folder: Path) -> dict[str, int]:
    shard, n, known = argument
    found = windows(texts_to_cut(shard), n, np.concatenate([_load(one / "repeated.npy") for one in known]))
    np.save(folder / "hashes.npy", found.hashes_Q)
    np.save(folder / "places.npy", found.places_Q)
    return {"entries": len(found.hashes_Q)}


def _make_places(argument: tuple[list[Path], int, int], folder: Path) -> None:
    folders, low, high = argument
    shards = [Windows(_load(one / "hashes.npy"), _load(one / "places.npy")) for one in folders]
    for name, places in zip(("first", "later"), zip(*first_and_later(shards, low, high), strict=True), strict=True):
        np.save(folder / f"{name}.npy", np.concatenate(places))
        np.save(folder / f"{name}_offsets.npy", np.cumsum([0, *map(len, places)]))


def _make_spans(argument: tuple[Shard, int, int, list[Path]], folder: Path) -> dict[str, object]:
    shard, n, number, placed = argument
    found = spans(texts_to_cut(shard), n, _places(placed, "first", number), _places(placed, "later", number))
    save_spans(found, folder)
    size = sum(pc.sum(pc.binary_length(texts)).as_py() or 0 for texts in texts_to_cut(shard))
    return {"bytes": size, "cut": int((found.ends_K - found.starts_K).sum()), "samples": _samples(shard, found)}


def _places(placed: list[Path], name: str, number: int) -> np.ndarray:
    """The places of shard `number`, gathered from all ranges, rising."""
    parts = []
    for folder in placed:
        start, stop = _load(folder / f"{name}_offsets.npy")[number : number + 2]
        parts.append(_load(folder / f"{name}.npy")[start:stop])
    return np.sort(np.concatenate(parts))


def _samples(shard: Shard, found: Spans) -> list[str]:
    """The longest passages that are cut."""
    longest = np.argsort(found.starts_K - found.ends_K, kind="stable")[:_SAMPLES]
    wanted = {int(found.rows_K[k]): (int(found.starts_K[k]), int(found.ends_K[k])) for k in longest}
    samples, start = [], 0
    for texts in texts_to_cut(shard) if wanted else ():
        for row in [row for row in wanted if start <= row < start + len(texts)]:
            text, place = texts.slice(row - start, 1), wanted[row]
            if shard.hide is not None:
                (passage,) = shard.hide.spans(text, [(0, *place)])
            else:
                passage = text[0].as_py().encode()[slice(*place)]
            samples.append(printable(passage.decode(), _SAMPLE_CHARACTERS))
        start += len(texts)
    return samples


def _alarm(shards: list[Shard], found: list[Path], config: DeduplicateConfig) -> None:
    for source in dict.fromkeys(shard.source for shard in shards):
        results = [unit_result(folder) for shard, folder in zip(shards, found, strict=True) if shard.source == source]
        gone, size = (sum(result[name] for result in results) for name in ("cut", "bytes"))
        samples = [sample for result in results for sample in result["samples"]][:_SAMPLES]
        removal = Removal(source, gone, size, f"text of {source} repeats earlier passages", "raise substring.words")
        check_removal(removal, config, functools.partial(list, map(short, samples)))


def _load(file: Path) -> np.ndarray:
    return np.load(file, mmap_mode="r")
