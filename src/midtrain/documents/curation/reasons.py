"""Gathers why each document of a source goes: what its filters said, then duplicates, then contamination."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from midtrain.documents.curation.filter import Decision
from midtrain.documents.store import Documents


class Reasons:
    """The first reason of each of the N documents of a source, as it is gathered."""

    def __init__(self, documents: Documents):
        self.documents = documents
        self.decision = Decision(np.full(documents.count(), -1, dtype=np.int16), [])

    def take(self, decision: Decision) -> None:
        """Reasons that are there already; the first to be asked."""
        assert len(decision.reason_N) == len(self.decision.reason_N), "a decision about other documents"
        self.decision = Decision(decision.reason_N.copy(), list(decision.reasons))

    def near_duplicates(self, dropped: pa.Table) -> None:
        """Rows that are near-duplicates of a kept one (columns row, keeper_source)."""
        for source in dict.fromkeys(dropped["keeper_source"].to_pylist()):
            rows = dropped.filter(pc.equal(dropped["keeper_source"], source))["row"].to_numpy()
            self._add(f"near-duplicate of a document in {source}", rows)

    def by_id(self, reasons: Mapping[str, str]) -> None:
        """Documents by id, each with its reason."""
        if not reasons:
            return
        rows: dict[str, list[int]] = {}
        row = 0
        for table in self.documents.tables(columns=["id"]):
            for name in table["id"].to_pylist():
                if name in reasons:
                    rows.setdefault(reasons[name], []).append(row)
                row += 1
        for reason in sorted(rows):
            self._add(reason, np.array(rows[reason]))

    def _add(self, reason: str, rows: np.ndarray) -> None:
        new = rows[self.decision.reason_N[rows] < 0]
        if len(new):
            self.decision.reasons.append(reason)
            self.decision.reason_N[new] = len(self.decision.reasons) - 1
