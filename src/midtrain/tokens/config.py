"""What a recipe may say about the order of the data: the mixture of a stage, and how documents fill its windows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from midtrain.core.config import Config, Size


class PackingConfig(Config):
    """How documents are laid into windows of the stage's context."""

    group: int = Field(default=8192, ge=1)
    """Documents that are fitted together; larger groups waste less and keep an attribute order less finely."""


class MixturePoint(Config):
    """The weights at one moment of a stage."""

    at: float = Field(ge=0.0, le=1.0)
    """When, as a share of the stage: 0 is its beginning, 1 its end."""

    weights: dict[str, float]
    """Share of the tokens by source; a source that is not named has none."""


class LengthsConfig(Config):
    """How a source is read by the length of its documents, for a longer context."""

    shares: dict[Size, float] | None = None
    """Share of the source's tokens by the least length of a document: {0: 0.25, 16384: 0.75} takes three quarters from
    documents of 16,384 tokens and more. Each becomes a part with a weight, order and loss of its own."""
    longest: Size | None = None
    """Documents are cut into pieces of at most this many tokens, several to a row: short windows beside the long ones
    of other sources. Unset: the context."""
    whole: bool = False
    """Leave out documents that would be cut."""
    trim: float = Field(default=0.0, ge=0.0, lt=0.5)
    """Leave out this share of the documents at each end of compressibility; 0.2 is OLMo 3's, for long documents. With
    shares, only of the longest part."""

    @model_validator(mode="after")
    def _shares_fit(self) -> LengthsConfig:
        if self.shares is not None:
            if not self.shares or list(self.shares) != sorted(self.shares):
                raise ValueError("shares need at least one length, in rising order")
            if min(self.shares.values()) < 0 or not math.isclose(sum(self.shares.values()), 1, abs_tol=1e-6):
                raise ValueError(f"shares sum to {sum(self.shares.values()):.6g}, not 1; correct them")
        elif self.longest is None and not self.whole and self.trim == 0:
            raise ValueError("says nothing; give shares, longest, whole or trim")
        if self.longest is not None and self.longest < 8:
            raise ValueError("longest must be at least 8 tokens")
        return self


@dataclass(frozen=True)
class Part:
    """The documents of a source from `low` up to (without) `high` tokens, as a mixture reads them."""

    name: str
    """What the mixture calls it: the source's own name where it is not divided, else SOURCE@LOW-HIGH or SOURCE@LOW+."""
    source: str
    low: int = 0
    high: int | None = None
    longest: int | None = None
    whole: bool = False
    trim: float = 0.0


class MixtureConfig(Config):
    """Which share of a stage's tokens comes from which source, constant or over time.

    Either `weights`, or `curve` with `points`.
    """

    later: ClassVar[frozenset[str]] = frozenset({"lengths"})

    weights: dict[str, float] | None = None
    """Share of the tokens by source, the same during the whole stage."""

    curve: Literal["linear", "step"] | None = None
    """How to go from point to point: `linear` interpolates, `step` holds each point's weights until the next."""

    points: list[MixturePoint] | None = None
    """The weights at moments of the stage; before the first and after the last they are held."""

    normalize: bool = False
    """Divide weights that do not sum to 1 by their sum, and say so."""

    max_epochs: float | dict[str, float] = 4.0
    """How often a source's documents may be read, over all stages; a number, or by source (the others keep 4)."""

    order: dict[str, str] = Field(default_factory=dict)
    """Sources to be read in rising order of a document attribute (source: attribute) instead of shuffled."""

    lengths: dict[str, LengthsConfig] = Field(default_factory=dict)
    """How sources are read by the length of their documents, by source."""

    @model_validator(mode="after")
    def _one_way(self) -> MixtureConfig:
        if (self.weights is None) == (self.points is None):
            raise ValueError("needs either weights (constant) or curve with points, one of the two")
        if (self.points is None) != (self.curve is None):
            raise ValueError("curve and points belong together; give both, or weights alone")
        if self.points is not None:
            moments = [point.at for point in self.points]
            if not moments or any(later <= earlier for earlier, later in pairwise(moments)):
                raise ValueError("points need at least one entry, each at a later moment than the one before")
        caps = self.max_epochs.values() if isinstance(self.max_epochs, dict) else [self.max_epochs]
        if any(not cap > 0 for cap in caps):
            raise ValueError("max_epochs must be above 0")
        return self

    def source_names(self) -> list[str]:
        """Every source that has a weight at some moment, in the order of the recipe."""
        rows = [self.weights] if self.weights is not None else [point.weights for point in self.points or []]
        return list(dict.fromkeys(name for row in rows for name in row or {}))

    def cap(self, source: str) -> float:
        """How often `source` may be read."""
        return self.max_epochs.get(source, 4.0) if isinstance(self.max_epochs, dict) else self.max_epochs

    def with_weights(self, weights: dict[str, float]) -> MixtureConfig:
        """The same mixture with other, constant weights (as the control's)."""
        lengths = {name: one for name, one in self.lengths.items() if name in weights}
        changes = {"weights": weights, "curve": None, "points": None, "order": {}, "lengths": lengths}
        return self.model_copy(update=changes)

    def parts(self) -> dict[str, Part]:
        """What the mixture reads, by name: the sources, and in their place the parts of those that are divided."""
        return {part.name: part for name in self.source_names() for part, _ in self._divided(name)}

    def by_part(self) -> MixtureConfig:
        """The same mixture with every weight, order and cap by part; itself when no source is divided."""
        if not any(one.shares for one in self.lengths.values()):
            return self

        def divide(weights: dict[str, float]) -> dict[str, float]:
            return {part.name: w * share for name, w in weights.items() for part, share in self._divided(name)}

        points = self.points and [point.model_copy(update={"weights": divide(point.weights)}) for point in self.points]
        parts = self.parts()
        changes = {
            "weights": None if self.weights is None else divide(self.weights),
            "points": points,
            "max_epochs": {name: self.cap(part.source) for name, part in parts.items()},
            "order": {name: self.order[part.source] for name, part in parts.items() if part.source in self.order},
            "lengths": {},
        }
        return self.model_copy(update=changes)

    def _divided(self, source: str) -> list[tuple[Part, float]]:
        """The parts of a source with their shares."""
        lengths = self.lengths.get(source)
        if lengths is None:
            return [(Part(source, source), 1.0)]
        longest, whole = lengths.longest, lengths.whole
        if lengths.shares is None:
            return [(Part(source, source, 0, None, longest, whole, lengths.trim), 1.0)]
        found = []
        for low, high in pairwise([*lengths.shares, None]):
            assert low is not None
            name = f"{source}@{low}+" if high is None else f"{source}@{low}-{high}"
            trim = lengths.trim if high is None else 0.0
            found.append((Part(name, source, low, high, longest, whole, trim), lengths.shares[low]))
        return found
