"""Which documents stay by language, and a report in which no language disappears.

A document is *certain* when the model's confidence reaches what is asked of its language. Certain documents stay when
their language is wanted; uncertain ones are kept or dropped as the recipe says. Low-resource languages are where
models are least sure, so what the threshold did to each language is counted, kept or not.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from midtrain.core.errors import UserError, did_you_mean
from midtrain.documents.curation.filter import Decision
from midtrain.documents.quality.config import LanguageConfig
from midtrain.text.fasttext_file import check_fasttext
from midtrain.text.language import describe, identify, languages

UNWANTED, UNCERTAIN = "language not wanted", "language uncertain"


LANGUAGE, CONFIDENCE = "language", "language_confidence"


def language_columns(config: LanguageConfig) -> Callable[[pa.Array, pa.Table], dict[str, Any]]:
    """An annotator (see curation.annotate): the language found and the confidence in it."""
    model = _model(config)

    def columns(texts: pa.Array, table: pa.Table) -> dict[str, Any]:
        codes, confidence_N = identify(texts, config.first_bytes, model)
        return {LANGUAGE: codes, CONFIDENCE: pa.array(confidence_N)}

    return columns


def describe_languages(config: LanguageConfig) -> dict[str, object]:
    """What decides the languages found, for a fingerprint."""
    return describe(config.first_bytes, _model(config))


def _model(config: LanguageConfig) -> Path | None:
    path = Path(config.model).expanduser() if config.model else None
    if path is not None and not path.is_file():
        raise UserError(f"{path} does not exist; name a fastText model in languages.model, or leave it out.")
    if path is not None:
        check_fasttext(path)
    return path


def check_languages(config: LanguageConfig) -> None:
    """Raise UserError for a code that the model never gives."""
    known = languages(_model(config))
    for code in [*(config.keep if config.keep != "all" else []), *config.languages]:
        if code not in known:
            raise UserError(f'languages: the model knows no "{code}".{did_you_mean(code, known)}')


def decide_languages(codes_N: np.ndarray, confidence_N: np.ndarray, config: LanguageConfig) -> Decision:
    """Which of N documents go, by language code [N] and confidence [N], and why."""
    certain_N = _certain(codes_N, confidence_N, config)
    reason_N = np.full(len(codes_N), -1, dtype=np.int16)
    if config.keep != "all":
        reason_N[certain_N & ~np.isin(codes_N, list(config.keep))] = 0
    if config.otherwise == "drop":
        reason_N[~certain_N] = 1
    return Decision(reason_N, [UNWANTED, UNCERTAIN])


def language_report(
    codes_N: np.ndarray, confidence_N: np.ndarray, bytes_N: np.ndarray, config: LanguageConfig
) -> list[dict[str, Any]]:
    """One row for each language found, the most bytes first.

    A row: language, documents, bytes, kept, kept_bytes, uncertain (documents), confidence (mean).
    """
    kept_N = decide_languages(codes_N, confidence_N, config).reason_N < 0
    uncertain_N = ~_certain(codes_N, confidence_N, config)
    names, of_N = np.unique(codes_N, return_inverse=True)

    def total(weights_N: np.ndarray) -> np.ndarray:
        return np.bincount(of_N, weights=weights_N, minlength=len(names))

    documents = total(np.ones(len(of_N)))
    columns: dict[str, list[Any]] = {
        "language": names.tolist(),
        "documents": documents.astype(int).tolist(),
        "bytes": total(bytes_N).astype(int).tolist(),
        "kept": total(kept_N).astype(int).tolist(),
        "kept_bytes": total(bytes_N * kept_N).astype(int).tolist(),
        "uncertain": total(uncertain_N).astype(int).tolist(),
        "confidence": np.round(total(confidence_N) / np.maximum(documents, 1), 4).tolist(),
    }
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return sorted(rows, key=lambda row: (-row["bytes"], row["language"]))


def _certain(codes_N: np.ndarray, confidence_N: np.ndarray, config: LanguageConfig) -> np.ndarray:
    asked_N = np.full(len(codes_N), config.at_least, dtype=np.float32)
    for code, at_least in config.languages.items():
        asked_N[codes_N == code] = at_least
    return confidence_N >= asked_N
