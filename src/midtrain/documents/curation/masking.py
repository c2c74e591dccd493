"""Personal data kept out of what is written and of what is shown: the same pieces are replaced in both.

Whatever a report, a review or an alarm shows of a source's documents goes through `hiding`, so that a page which is
passed around holds no more personal data than the training data.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from midtrain.documents.curation import pii
from midtrain.documents.curation.pii_config import KINDS, PiiConfig

if TYPE_CHECKING:
    from midtrain.documents.curation.apply import Rewrite


@dataclass(frozen=True)
class Masking:
    """Masks personal data of some kinds; it can be pickled, and gives the rewriting that `apply` asks for."""

    kinds: tuple[str, ...]
    reserved_ips: bool

    def __call__(self) -> Rewrite:
        """texts -> (texts with every piece of `kinds` replaced, how many of each kind)."""
        return self._mask

    def texts(self, texts: pa.Array) -> pa.Array:
        """`texts` with every piece of `kinds` replaced, as large_string."""
        return self._mask(texts)[0]

    def spans(self, texts: pa.Array, spans: Iterable[tuple[int, int, int]]) -> list[bytes]:
        """The bytes of some spans (row, start, end) with every piece of `kinds` replaced that they touch.

        Looked for in the whole text: half an address is no address to `pii`, but tells who it is.
        """
        found = pii.find(texts, self.reserved_ips)
        chosen_M = np.isin(found.kind_M, [KINDS.index(kind) for kind in self.kinds])
        pieces: dict[int, list[tuple[int, int, int]]] = {}
        for row, kind, start, end in zip(*(column[chosen_M].tolist() for column in found), strict=True):
            pieces.setdefault(row, []).append((kind, start, end))
        return [_span(texts[row].as_py().encode(), pieces.get(row, []), start, end) for row, start, end in spans]

    def _mask(self, texts: pa.Array) -> tuple[pa.Array, dict[str, int]]:
        masked, counts = pii.mask(texts, self.kinds, self.reserved_ips)
        return masked, {kind: int(counts[kind].sum()) for kind in self.kinds}


def masking(config: PiiConfig | None) -> Masking | None:
    """What masks the documents that stay, if anything is to be masked."""
    kinds = config.kinds("mask") if config is not None else ()
    return Masking(kinds, config.reserved_ips) if config is not None and kinds else None


def hiding(config: PiiConfig | None) -> Masking | None:
    """What masks the documents that are shown: also what is a reason to drop one."""
    kinds = (*config.kinds("mask"), *config.kinds("drop")) if config is not None else ()
    return Masking(kinds, config.reserved_ips) if config is not None and kinds else None


def _span(text: bytes, pieces: list[tuple[int, int, int]], start: int, end: int) -> bytes:
    """text[start:end] with the pieces (kind, first byte, one past the last) replaced that reach into it."""
    shown, at = [], start
    for kind, first, last in pieces:
        if first < end and last > start:
            shown += [text[at : max(at, first)], pii.REPLACEMENTS[KINDS[kind]]]
            at = last
    return b"".join([*shown, text[at:end]])
