"""What a recipe may say about the order of the data: the mixture of a stage, and how documents fill its windows."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from midtrain.core.config import Config


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


class MixtureConfig(Config):
    """Which share of a stage's tokens comes from which source, constant or over time.

    Either `weights`, or `curve` with `points`.
    """

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
        return self.model_copy(update={"weights": weights, "curve": None, "points": None, "order": {}})
