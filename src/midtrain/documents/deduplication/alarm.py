"""The alarm: a rule that takes most of a source away is more often wrong than the source.

One chain of near-duplicates, one template on every page, and a source is gone; seen only as a number in a log, it is
seen after training. So the run stops before anything is written, and shows two of the pairs to judge by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from midtrain.core.errors import UserError
from midtrain.documents.deduplication.config import DeduplicateConfig

_SHOWN = 80


class Removal(NamedTuple):
    """How much of a source goes: `removed` of `total` in some unit (documents, bytes)."""

    source: str
    removed: int
    total: int
    what: str
    """As it is said: "documents of {source} are near duplicates"."""
    setting: str
    """What to set otherwise, as it is said: "raise near.threshold"."""


def check_removal(removal: Removal, config: DeduplicateConfig, samples: Callable[[], list[str]]) -> None:
    """Raise UserError when more of a source goes than is allowed; `samples` gives some of what goes."""
    allowed = config.allowed(removal.source)
    if removal.removed <= allowed * removal.total:
        return
    shown = "; ".join(samples())
    raise UserError(
        f"{removal.removed / removal.total:.1%} of the {removal.what} (at most {allowed:.0%} may go), for example "
        f"{shown}; raise max_removed.{removal.source} if they are right to go, or {removal.setting}."
    )


def short(text: str) -> str:
    """The beginning of a text in one line, in quotes."""
    flat = " ".join(text.split())
    return f'"{flat}"' if len(flat) <= _SHOWN else f'"{flat[: _SHOWN - 3]}..."'
