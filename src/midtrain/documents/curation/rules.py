"""Which documents the heuristic rules drop, and why; and thresholds for a language from documents in it.

Rules are asked of stored statistics, never of text, so this takes a millisecond for a hundred thousand documents and a
threshold can be tried on a whole corpus. A statistic below zero is unknown (no stop words for a language) and passes:
no document is dropped for what is not known about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from midtrain.documents.curation.rules_config import LANGUAGE_THRESHOLDS, Rule, RulesConfig
from midtrain.text.stop_words import language_code

Statistics: TypeAlias = pa.Table | Mapping[str, np.ndarray]
Languages: TypeAlias = str | Sequence[str | None] | None


def decide(statistics: Statistics, config: RulesConfig, languages: Languages = "en") -> tuple[np.ndarray, list[str]]:
    """(reason int16 [N], names of the reasons): the first rule each document fails, -1 where it is kept.

    `statistics` holds the columns of `text.statistics.STATISTICS` (a table of attributes or a dict of arrays);
    `languages` is the language of all documents or of each.
    """
    reasons = [rule.name for rule, _ in config.rules()]
    columns = _columns(statistics, config)
    decided = np.full(_length(statistics), -1, dtype=np.int16)
    for code, rows in _by_language(languages, len(decided)):
        for index, (rule, threshold) in enumerate(config.rules(code)):
            decided[rows[(decided[rows] < 0) & ~_passes(columns[rule.statistic][rows], rule, threshold)]] = index
    return decided, reasons


def thresholds_from(
    statistics: Statistics, config: RulesConfig, tail: float = 0.05, language: str = ""
) -> dict[str, float]:
    """A threshold per rule such that at most the share `tail` of these documents fails it.

    `statistics` are of texts of one language (an ISO 639-1 code). A threshold in force that they already pass stays
    (FineWeb-2, Penedo et al. 2025, arXiv:2506.20920, section 4.3, chooses tails in the same way and keeps the English
    ones for English), and so does one that `config` names for the language.
    """
    columns = _columns(statistics, config)
    named = config.languages.get(language, {})
    moved = {}
    for rule, threshold in config.rules(language):
        values = columns[rule.statistic]
        values = values[values >= 0]
        if rule.name not in named and len(values) and np.mean(~_passes(values, rule, threshold)) > tail:
            share = tail if rule.at_least else 1 - tail
            moved[rule.name] = float(np.quantile(values, share, method="lower" if rule.at_least else "higher"))
    return moved


def with_derived(
    statistics: Statistics, config: RulesConfig, languages: Languages
) -> tuple[RulesConfig, list[dict[str, Any]]]:
    """(`config` with the thresholds that `config.derive` asks for, a row for each language that has enough documents).

    A row: language, documents, thresholds: {rule: [before, after]} of those that moved.
    """
    assert config.derive is not None
    asked = config.derive.languages
    found: dict[str, dict[str, float]] = dict(config.languages)
    told: list[dict[str, Any]] = []
    for code, rows in _by_language(languages, _length(statistics)):
        own = code in ("", "en") or code in LANGUAGE_THRESHOLDS or code in config.languages
        if len(rows) < config.derive.documents or (own if asked == "unlisted" else code not in asked):
            continue
        mine = {name: values[rows] for name, values in _columns(statistics, config).items()}
        moved = thresholds_from(mine, config, config.derive.tail, code)
        before = {rule.name: threshold for rule, threshold in config.rules(code)}
        found[code] = moved | found.get(code, {})
        shown = {name: [before[name], after] for name, after in moved.items()}
        told.append({"language": code, "documents": len(rows), "thresholds": shown})
    told.sort(key=lambda row: (-row["documents"], row["language"]))
    return config.model_copy(update={"languages": found}), told


def _passes(values: np.ndarray, rule: Rule, threshold: float) -> np.ndarray:
    """bool [N]. The threshold is rounded as the statistic was, so that 3/10 is not more than 0.3."""
    if values.dtype.kind == "f":
        bound = values.dtype.type(threshold)
        return (values < 0) | (values >= bound if rule.at_least else values <= bound)
    return (values < 0) | (values >= threshold if rule.at_least else values <= threshold)


def _columns(statistics: Statistics, config: RulesConfig) -> dict[str, np.ndarray]:
    names = {rule.statistic for rule, _ in config.rules()}
    if isinstance(statistics, pa.Table):
        return {name: statistics[name].to_numpy() for name in names}
    return {name: statistics[name] for name in names}


def _length(statistics: Statistics) -> int:
    return statistics.num_rows if isinstance(statistics, pa.Table) else len(next(iter(statistics.values())))


def _by_language(languages: Languages, n: int) -> Iterator[tuple[str, np.ndarray]]:
    """(ISO 639-1 code, rows of that language)."""
    if languages is None or isinstance(languages, str):
        yield language_code(languages), np.arange(n)
        return
    codes_of = {language: language_code(language) for language in set(languages)}
    codes, inverse = np.unique([codes_of[language] for language in languages], return_inverse=True)
    for index, code in enumerate(codes.tolist()):
        yield code, np.flatnonzero(inverse == index)
