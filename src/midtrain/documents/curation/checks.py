"""What is decided of a document, from what a recipe asks: the checks of `filter_documents`, in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from midtrain.documents.curation import licenses, rules
from midtrain.documents.curation.attributes import Attributes
from midtrain.documents.curation.config import CurateConfig
from midtrain.documents.curation.filter import Check, Decision, Watched
from midtrain.documents.curation.licenses_config import LicenseConfig
from midtrain.documents.curation.rules_config import RulesConfig
from midtrain.documents.quality.config import AttributesConfig, LanguageConfig, QualityConfig
from midtrain.documents.quality.ensemble import decide_quality, with_ensemble
from midtrain.documents.quality.languages import (
    CONFIDENCE,
    LANGUAGE,
    decide_languages,
    language_report,
)
from midtrain.documents.quality.scorers import PREFIX, attribute_scores


def checks_of(config: CurateConfig, scores: Mapping[str, np.ndarray], thresholds: Sequence[float]) -> list[Check]:
    """The checks that `config` declares: license, language, rules, personal data, quality.

    Quality is decided over the source as a whole (a share of it stays), from its `scores` (see `scores_of`) and the
    `thresholds` of config.quality.keep (see `ensemble.thresholds_of`).
    """
    checks: list[Check] = []
    if config.licenses is not None:
        checks.append(Check(["license"], partial(_licenses, config.licenses)))
    if config.languages is not None:
        checks.append(Check([LANGUAGE, CONFIDENCE], partial(_languages, config.languages)))
    if config.rules is not None:
        columns = sorted({rule.statistic for rule, _ in config.rules.rules()})
        checks.append(Check([*columns, LANGUAGE], partial(_rules, config.rules)))
    if config.pii is not None and (kinds := config.pii.kinds("drop")):
        checks.append(Check([f"pii/{kind}" for kind in kinds], partial(_pii, kinds)))
    if config.quality is not None and config.quality.keep:
        checks.append(Check([], partial(_slice, decide_quality(scores, config.quality, thresholds))))
    return checks


def watched_of(config: CurateConfig, thresholds: Sequence[float]) -> list[Watched]:
    """The attributes whose distribution is kept for the report, each with the thresholds asked of it."""
    bounds: dict[str, dict[str, float]] = {}
    for rule, threshold in config.rules.rules() if config.rules else []:
        bounds.setdefault(rule.statistic, {})["at_least" if rule.at_least else "at_most"] = threshold
    if config.quality is not None:
        measured = [name for name, one in config.quality.scorers.items() if not isinstance(one, AttributesConfig)]
        for name in measured:
            bounds[f"{PREFIX}{name}"] = {}
        for keep, threshold in zip(config.quality.keep, thresholds, strict=True):
            if keep.score in measured:
                bounds[f"{PREFIX}{keep.score}"] = {"at_least": threshold}
    if config.languages is not None:
        bounds[CONFIDENCE] = {"at_least": config.languages.at_least}
    return [Watched(column, **limits) for column, limits in bounds.items()]


def scores_of(config: QualityConfig, attributes: Attributes) -> dict[str, np.ndarray]:
    """Every scorer's numbers over all documents of the source, by its name, and their ensemble."""
    read = {name: one for name, one in config.scorers.items() if isinstance(one, AttributesConfig)}
    found = attributes.columns([f"{PREFIX}{name}" for name in config.scorers if name not in read])
    scores = {name.removeprefix(PREFIX): values_N for name, values_N in found.items()}
    scores |= {name: attribute_scores(one, attributes.documents) for name, one in read.items()}
    return with_ensemble({name: scores[name] for name in config.scorers}, config)


def with_derived_rules(config: CurateConfig, attributes: Attributes) -> tuple[CurateConfig, list[dict[str, Any]]]:
    """`config` with thresholds for the languages of this source, where its rules ask to derive them, and what moved."""
    if config.rules is None or config.rules.derive is None:
        return config, []
    names = sorted({rule.statistic for rule, _ in config.rules.rules()})
    tables = list(attributes.tables([*names, LANGUAGE]))
    codes = [code for table in tables for code in table[LANGUAGE].to_pylist()]
    columns = {name: np.concatenate([np.asarray(table[name]) for table in tables]) for name in names}
    found, told = rules.with_derived(columns, config.rules, codes)
    return config.model_copy(update={"rules": found}), told


def languages_of(config: LanguageConfig, attributes: Attributes) -> list[dict[str, Any]]:
    """The report on languages (see `language_report`)."""
    tables = list(attributes.tables([LANGUAGE, CONFIDENCE, "bytes"]))
    codes_N = np.array([code for table in tables for code in table[LANGUAGE].to_pylist()], dtype=object)
    confidence_N, bytes_N = (
        np.concatenate([np.asarray(table[name]) for table in tables]) for name in (CONFIDENCE, "bytes")
    )
    return language_report(codes_N, confidence_N, bytes_N, config)


def _licenses(config: LicenseConfig, table: pa.Table, _: int) -> Decision:
    return Decision(*licenses.decide(table["license"], config))


def _languages(config: LanguageConfig, table: pa.Table, _: int) -> Decision:
    codes_N = np.array(table[LANGUAGE].to_pylist(), dtype=object)
    return decide_languages(codes_N, np.asarray(table[CONFIDENCE]), config)


def _rules(config: RulesConfig, table: pa.Table, _: int) -> Decision:
    reason_N, names = rules.decide(table, config, table[LANGUAGE].to_pylist())
    return Decision(reason_N, [f"rule: {name}" for name in names])


def _pii(kinds: tuple[str, ...], table: pa.Table, _: int) -> Decision:
    found_KN = np.stack([np.asarray(table[f"pii/{kind}"]) > 0 for kind in kinds])
    reason_N = np.where(found_KN.any(axis=0), found_KN.argmax(axis=0), -1)
    return Decision(reason_N.astype(np.int16), [f"personal data: {kind}" for kind in kinds])


def _slice(decision: Decision, table: pa.Table, before: int) -> Decision:
    return Decision(decision.reason_N[before : before + len(table)], decision.reasons)
