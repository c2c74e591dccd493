"""Reasoning traces among the documents: what is wrong with each is measured with the other attributes, and filtered.

The documents' room cannot see the room of verification, so the two are joined here: one more annotator, whose column
holds a bit for each `Reason`, and one more check, which asks the bits that the recipe drops for. No answer is judged:
documents have none. Traces of problems are judged, repaired and chosen among in `verify.traces.repair`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from midtrain.documents.curation.annotate import Annotator
from midtrain.documents.curation.filter import Check, Decision
from midtrain.documents.curation.measures import Measures
from midtrain.documents.quality.languages import LANGUAGE
from midtrain.verify.traces.config import Reason, TracesConfig
from midtrain.verify.traces.inspection import inspect
from midtrain.verify.traces.trace import Trace

COLUMN = "traces"
_BITS = {reason: 1 << place for place, reason in enumerate(Reason)}


@dataclass(frozen=True)
class TraceMeasures:
    """What is measured of a source of traces; it can be pickled, and makes its annotators where they are used."""

    measures: Measures
    config: TracesConfig

    def __call__(self) -> list[Annotator]:
        """The annotators, that of traces last."""
        return [*self.measures(), partial(_defects, self.config)]


def trace_check(config: TracesConfig) -> Check:
    """Drops a document for the gravest of its defects that `config` drops for."""
    return Check([COLUMN], partial(_decide, tuple(reason for reason in Reason if reason in config.drop)))


def _defects(config: TracesConfig, texts: pa.Array, known: Mapping[str, Any]) -> dict[str, Any]:
    languages = known["lang"].to_pylist()
    found = known[LANGUAGE].to_pylist() if LANGUAGE in known else [None] * len(texts)
    rows = zip(texts.to_pylist(), known["messages"].to_pylist(), languages, found, strict=True)
    bits = [_bits(config, text, messages, said or seen or "en") for text, messages, said, seen in rows]
    return {COLUMN: pa.array(bits, pa.int32())}


def _bits(config: TracesConfig, text: str, messages: list[dict[str, str]] | None, lang: str) -> int:
    """The defects of one document; a conversation that does not end with an answer has none."""
    if messages and messages[-1]["role"] != "assistant":
        return 0
    trace = Trace.of_messages(messages, lang) if messages else Trace(text, lang)
    return sum(_BITS[reason] for reason in {defect.reason for defect in inspect(trace, config)})


def _decide(drop: tuple[Reason, ...], table: pa.Table, _: int) -> Decision:
    bits_N = np.asarray(table[COLUMN])
    reason_N = np.full(len(bits_N), -1, dtype=np.int16)
    for place, reason in enumerate(drop):
        reason_N[(reason_N < 0) & (bits_N & _BITS[reason] > 0)] = place
    return Decision(reason_N, [f"trace: {reason.value}" for reason in drop])
