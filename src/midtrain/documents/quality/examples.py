"""Reads documents that someone judged: the texts and labels a scorer is trained, distilled or calibrated on.

A label is a number of a rubric (an LLM's 0 to 5, as FineWeb-Edu's) or a word. Rows without a label are passed over, so
a file of documents to be judged can be used while it is being filled. Which examples are held out is decided by a hash
of the text, so the same text is never trained on in one round and measured on in the next.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from midtrain.core.errors import UserError
from midtrain.documents.quality.config import ExamplesConfig
from midtrain.documents.reading.files import files_by_entry
from midtrain.documents.reading.records import first_record, read_records
from midtrain.documents.split import split_of

_SALT = "quality examples"


class Examples(NamedTuple):
    """Texts and what was said of them."""

    texts: pa.Array
    """large_string [N]"""
    labels: list[Any]
    """N numbers or words; None where nothing was asked."""


def read_examples(config: ExamplesConfig, labelled: bool = True) -> Examples:
    """All examples of a file, folder or glob; with `labelled`, only rows that have a label.

    Raises UserError for what cannot be read, for a row without text, and when no row is left.
    """
    texts: list[str] = []
    labels: list[Any] = []
    for _, files in files_by_entry([config.read]):
        if files is None:
            raise UserError(f"{config.read} holds no examples; name a JSONL or Parquet file of them.")
        for file in files:
            for number, row in read_records(file, "example"):
                text, label = _text(row, config, f"{file.path}, row {number}"), row.get(config.label)
                if labelled and label in (None, ""):
                    continue
                texts.append(text)
                labels.append(label if labelled else None)
    if not texts:
        wanting = f' with a label in "{config.label}"' if labelled else ""
        raise UserError(f"{config.read} holds no examples{wanting}; add some, or name the right column.")
    return Examples(pa.array(texts, pa.large_string()), labels)


def check_examples(config: ExamplesConfig) -> None:
    """Raise UserError when the first row of a file of examples has no text: a look that costs nothing."""
    for _, files in files_by_entry([config.read]):
        for file in files or []:
            row = first_record(file, "example")
            if row is not None:
                _text(row, config, f"{file.path}, row 1")


def _text(row: dict[str, Any], config: ExamplesConfig, where: str) -> str:
    text = row.get(config.text)
    if not isinstance(text, str) or not text.strip():
        raise UserError(
            f'{where} has no text in "{config.text}" (its columns: {", ".join(sorted(row)[:20])}); name the right '
            f"column, or take the row out."
        )
    return text


def good_ones(examples: Examples, good: float | str, where: str) -> np.ndarray:
    """bool [N]: which examples are good: a number from `good` on, or the word `good`.

    Raises UserError when labels and `good` are of different kinds, or all examples fall on one side.
    """
    if isinstance(good, str):
        good_N = np.array([str(label) == good for label in examples.labels])
    else:
        good_N = numbers(examples, where) >= good
    if good_N.all() or not good_N.any():
        side = "are" if good_N.all() else "is"
        raise UserError(
            f"{where}: {'all' if good_N.all() else 'none'} of the {len(good_N):,} examples {side} good "
            f"(good is {good!r}); examples of both kinds are needed."
        )
    return good_N


def numbers(examples: Examples, where: str) -> np.ndarray:
    """float64 [N]: labels as numbers; raises UserError for one that is none."""
    for label in examples.labels:
        if isinstance(label, bool) or not isinstance(label, (int, float, str)) or not _is_number(label):
            raise UserError(f'{where}: the label "{label}" is not a number of a rubric; mend it, or set `good`.')
    return np.array([float(label) for label in examples.labels])


def _is_number(label: float | str) -> bool:
    try:
        return bool(np.isfinite(float(label)))
    except ValueError:
        return False


def heldout(texts: pa.Array, share: float) -> np.ndarray:
    """bool [N]: which texts are kept apart, by a hash of each."""
    return np.array([split_of(text, _SALT, share) == "heldout" for text in texts.to_pylist()], dtype=bool)
