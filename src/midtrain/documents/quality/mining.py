"""The mining loop: classify, choose what to have judged, have it judged, retrain.

A classifier is only as good as its examples, and the documents worth a judge's time are not random ones: most of the
web is at one end. Each round takes equally many documents from every band of percentiles, so that rare good documents
are among those judged and the calibration has points everywhere. Which ones is decided by a hash of their ids: the
same round of the same documents chooses the same, in whatever order shards come.

    scores of a source --choose--> rows --write_to_judge--> JSONL with empty labels
         ^                                                        | a person or an LLM fills `label` in
         +------ fit_scorer (examples: the folder of files) <-----+

`midtrain mine` turns it (recipe/curate.py: documents_to_judge). Rows still without a label are passed over by the
reader of examples, so a half-filled file can be trained on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from midtrain.core.artifact import write_atomically
from midtrain.documents.quality.ensemble import buckets
from midtrain.documents.reading.files import files_by_entry
from midtrain.documents.reading.records import read_records
from midtrain.documents.split import group_key


def choose(
    scores_N: np.ndarray, ids: list[str], count: int, *, seed: int = 0, bands: int = 10, known: Iterable[str] = ()
) -> np.ndarray:
    """Rows (int64, rising) of `count` documents to have judged, spread over `bands` bands of percentiles.

    `known` are ids that were judged before. A band with too few leaves its share to the others.
    """
    passed = set(known)
    band_N = buckets(scores_N, bands)
    order = [(group_key(name, f"judge {seed}"), row) for row, name in enumerate(ids) if name not in passed]
    waiting: list[list[int]] = [[] for _ in range(bands)]
    for _, row in sorted(order, reverse=True):
        if np.isfinite(scores_N[row]):
            waiting[band_N[row]].append(row)
    chosen: list[int] = []
    while len(chosen) < count and any(waiting):
        for band in reversed(waiting):  # the best band first, for it is the one asked about
            if band and len(chosen) < count:
                chosen.append(band.pop())
    return np.sort(np.array(chosen, dtype=np.int64))


def write_to_judge(path: Path, ids: list[str], texts: list[str], scores_N: np.ndarray) -> None:
    """Write documents as JSONL rows {id, text, score, label: null}, for a person or an LLM to fill `label` in."""
    rows = zip(ids, texts, scores_N.tolist(), strict=True)
    lines = [
        json.dumps({"id": name, "text": text, "score": score, "label": None}, ensure_ascii=False)
        for name, text, score in rows
    ]
    write_atomically(path, "\n".join(lines) + "\n")


def judged_ids(folder: Path) -> set[str]:
    """The ids in all files of earlier rounds, judged or waiting; empty when there are none."""
    if not any(folder.glob("*.jsonl")):
        return set()
    files = [file for _, found in files_by_entry([str(folder / "*.jsonl")]) for file in found or []]
    return {str(row["id"]) for file in files for _, row in read_records(file, "example") if "id" in row}
