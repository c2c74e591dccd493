"""Near duplicates over all sources: of documents that say almost the same, one stays.

    collections --band keys--> candidates --their texts, read once in order--> shingle sets on disk
                                                                    |
               dropped, per source <-- keepers <-- components <-- verified pairs

Memory does not grow with the text: 8-byte arrays of one band, and 4 bytes per word of the candidates in a file that is
mapped. Who stays: a held-out document before others (so that no copy of it is trained on), then the source with the
higher priority, then the better quality, then the longer text, then the earlier one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from midtrain.core.errors import disk_errors
from midtrain.core.progress import progress
from midtrain.documents.deduplication.alarm import Removal, check_removal, short
from midtrain.documents.deduplication.collection import Collection
from midtrain.documents.deduplication.components import components, in_buckets, keepers
from midtrain.documents.deduplication.config import DeduplicateConfig, NearConfig
from midtrain.documents.schema import printable
from midtrain.text.signatures import shingle_sets

_BIGGEST = 20
_SAMPLES = 4
_ALARM_PAIRS = 2
_SAMPLE_CHARACTERS = 300


@dataclass(frozen=True)
class Clusters:
    """What is dropped, and how it came about."""

    dropped: dict[str, pa.Table]
    """Per source, by row: row, keeper_source, keeper_row, similarity (Jaccard to the keeper), cluster."""
    documents: dict[str, int]
    """Documents of each source before."""
    biggest: list[dict[str, Any]] = field(default_factory=list)
    """The largest clusters: documents, kept, and samples (source, row, kept, similarity, text)."""
    candidates: int = 0
    """Documents that agreed with another in some band."""
    clusters: int = 0
    """Groups of documents connected by verified pairs."""

    def keep(self, source: str) -> np.ndarray:
        """bool [N]: which documents of `source` stay."""
        keep_N = np.ones(self.documents[source], dtype=bool)
        keep_N[self.dropped[source]["row"].to_numpy()] = False
        return keep_N

    def shares(self) -> dict[str, float]:
        """The share of each source that is dropped."""
        return {name: len(table) / max(self.documents[name], 1) for name, table in self.dropped.items()}


def cluster(collections: list[Collection], config: DeduplicateConfig, work: Path) -> Clusters:
    """Find the near duplicates of `collections`; `work` is an existing folder for a file that is removed again.

    Raises UserError when more of a source would be dropped than `config.max_removed` allows.
    """
    near = config.near
    assert near is not None, "no near duplicates are asked for"
    bases = np.cumsum([0, *(len(one) for one in collections)])

    def bands() -> Iterator[np.ndarray]:
        for band in range(near.bands):
            yield np.concatenate([one.keys_BN[band] for one in collections])

    numbers_I = np.flatnonzero(in_buckets(bands(), int(bases[-1])))
    file = work / "shingles.u32"
    try:
        shingles_S, offsets_I1 = _shingles(collections, numbers_I, bases, near, file)
        component_I = components((keys_N[numbers_I] for keys_N in bands()), shingles_S, offsets_I1, near.threshold)
        rank_I = _ranks(collections, numbers_I, bases, config)
        keeper_I, similarity_I = keepers(component_I, rank_I, shingles_S, offsets_I1, near.threshold)
    finally:
        file.unlink(missing_ok=True)
    found = _Found(collections, bases, numbers_I, component_I, keeper_I, similarity_I)
    clusters = Clusters(
        dropped={one.name: found.dropped(at) for at, one in enumerate(collections)},
        documents={one.name: len(one) for one in collections},
        biggest=found.biggest(),
        candidates=len(numbers_I),
        clusters=int((np.bincount(component_I) > 1).sum()) if len(component_I) else 0,
    )
    for at, one in enumerate(collections):
        what, gone = f"documents of {one.name} are near duplicates", len(clusters.dropped[one.name])
        removal = Removal(one.name, gone, len(one), what, "raise near.threshold")
        check_removal(removal, config, functools.partial(found.pairs, at, _ALARM_PAIRS))
    return clusters


def _shingles(
    collections: list[Collection], numbers_I: np.ndarray, bases: np.ndarray, near: NearConfig, file: Path
) -> tuple[np.ndarray, np.ndarray]:
    """The shingle sets of the candidates, mapped from `file`: (uint32 [S], offsets int64 [I+1])."""
    sizes = [np.zeros(1, dtype=np.int64)]
    with disk_errors(file), open(file, "wb") as out, progress("near duplicates", len(numbers_I), "candidates") as bar:
        for at, one in enumerate(collections):
            first, last = np.searchsorted(numbers_I, bases[at : at + 2])
            for column in one.texts(numbers_I[first:last] - bases[at]) if first < last else ():
                shingles_S, offsets_N1 = shingle_sets(column, ngram=near.ngram)
                shingles_S.tofile(out)
                sizes.append(np.diff(offsets_N1))
                bar.advance(len(column))
    offsets_I1 = np.cumsum(np.concatenate(sizes))
    assert len(offsets_I1) == len(numbers_I) + 1, "a collection's texts are not those of its rows"
    shingles_S = np.memmap(file, dtype=np.uint32, mode="r") if offsets_I1[-1] else np.zeros(0, dtype=np.uint32)
    return np.asarray(shingles_S), offsets_I1


def _ranks(
    collections: list[Collection], numbers_I: np.ndarray, bases: np.ndarray, config: DeduplicateConfig
) -> np.ndarray:
    """The place of each candidate, int64 [I]: the lower stays."""
    parts = []
    for at, one in enumerate(collections):
        rows_K = numbers_I[slice(*np.searchsorted(numbers_I, bases[at : at + 2]))] - bases[at]
        alike_K = np.zeros(len(rows_K))
        quality_K = alike_K if one.quality_N is None else np.nan_to_num(one.quality_N[rows_K], nan=-np.inf)
        heldout_K = alike_K if one.heldout_N is None else one.heldout_N[rows_K].astype(np.float64)
        bytes_K = one.bytes_N[rows_K].astype(np.int64)
        parts.append(
            (-bytes_K, -quality_K, alike_K + config.priority(one.name), -heldout_K)
        )  # the last one counts most
    rank_I = np.empty(len(numbers_I), dtype=np.int64)
    rank_I[np.lexsort([np.concatenate(column) for column in zip(*parts, strict=True)])] = np.arange(len(numbers_I))
    return rank_I


@dataclass(frozen=True)
class _Found:
    """The outcome for the candidates (I of them), and its ways back to sources and rows."""

    collections: list[Collection]
    bases: np.ndarray
    numbers_I: np.ndarray
    component_I: np.ndarray
    keeper_I: np.ndarray
    similarity_I: np.ndarray

    def dropped(self, at: int) -> pa.Table:
        """What goes from the collection `at`."""
        first, last = np.searchsorted(self.numbers_I, self.bases[at : at + 2])
        gone_D = first + np.flatnonzero(self.keeper_I[first:last] != np.arange(first, last))
        source_D, row_D = self._places(self.keeper_I[gone_D])
        names = pa.array([one.name for one in self.collections], type=pa.string())
        return pa.table(
            {
                "row": self.numbers_I[gone_D] - self.bases[at],
                "keeper_source": pa.DictionaryArray.from_arrays(pa.array(source_D, type=pa.int32()), names),
                "keeper_row": row_D,
                "similarity": self.similarity_I[gone_D],
                "cluster": self.numbers_I[self.component_I[gone_D]],
            }
        )

    def biggest(self) -> list[dict[str, Any]]:
        """The largest clusters, each with samples of what was kept and of what went."""
        sizes_I = np.bincount(self.component_I, minlength=len(self.numbers_I))
        largest = [int(c) for c in np.argsort(-sizes_I, kind="stable")[:_BIGGEST] if sizes_I[c] > 1]
        members = {component: np.flatnonzero(self.component_I == component) for component in largest}
        samples = {component: self._choose(members_M) for component, members_M in members.items()}
        texts = self._texts([i for chosen in samples.values() for i in chosen])
        return [
            {
                "documents": len(members[component]),
                "kept": int((self.keeper_I[members[component]] == members[component]).sum()),
                "samples": [{**self._describe(i), "text": texts[i]} for i in samples[component]],
            }
            for component in largest
        ]

    def pairs(self, at: int, count: int) -> list[str]:
        """The texts of a few dropped documents of the collection `at`, each with that of its keeper."""
        first, last = np.searchsorted(self.numbers_I, self.bases[at : at + 2])
        gone = (first + np.flatnonzero(self.keeper_I[first:last] != np.arange(first, last)))[:count].tolist()
        texts = self._texts([*gone, *self.keeper_I[gone].tolist()])
        return [f"{short(texts[i])} repeats {short(texts[int(self.keeper_I[i])])}" for i in gone]

    def _choose(self, members_M: np.ndarray) -> list[int]:
        kept_M = self.keeper_I[members_M] == members_M
        kept, gone = members_M[kept_M][: _SAMPLES // 2], members_M[~kept_M][:_SAMPLES]
        return [*kept.tolist(), *gone.tolist()][:_SAMPLES]

    def _describe(self, candidate: int) -> dict[str, Any]:
        source, row = self._places(np.array([candidate]))
        kept = bool(self.keeper_I[candidate] == candidate)
        name, similarity = self.collections[source[0]].name, float(self.similarity_I[candidate])
        return {"source": name, "row": int(row[0]), "kept": kept, "similarity": similarity}

    def _places(self, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        numbers = self.numbers_I[candidates]
        sources = np.searchsorted(self.bases, numbers, side="right") - 1
        return sources, numbers - self.bases[sources]

    def _texts(self, candidates: list[int]) -> dict[int, str]:
        """The beginnings of some texts, each source read once; without what is not to be shown."""
        wanted = np.unique(np.array(candidates, dtype=np.int64))
        sources, rows = self._places(wanted)
        texts: list[str] = []
        for source in np.unique(sources):
            one = self.collections[source]
            for column in one.texts(rows[sources == source]):
                column = one.hide(column) if one.hide is not None else column
                texts += [printable(text.as_py(), _SAMPLE_CHARACTERS) for text in column]
        return dict(zip(wanted.tolist(), texts, strict=True))
