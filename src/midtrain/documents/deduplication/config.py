"""What a recipe may say about duplicates. Documents with the same content are one document already (collect.py)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from midtrain.core.config import Config

Share = Annotated[float, Field(ge=0.0, le=1.0)]
DEFAULT = "default"


class NearConfig(Config):
    """Documents that are nearly the same: of each group of them one is kept."""

    threshold: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8
    """The Jaccard similarity (shared over all shingles) to a kept document from which on a document is dropped."""
    ngram: Annotated[int, Field(ge=1)] = 5
    """Words in a shingle; 5 is FineWeb's (Penedo et al. 2024, section 3.4)."""
    bands: Annotated[int, Field(ge=1)] = 14
    """Bands of the signature; two documents are compared when they agree in one (14 x 8 is FineWeb's)."""
    rows: Annotated[int, Field(ge=1)] = 8
    """Numbers in a band; more make a chance agreement rarer, and a wanted one too."""

    @property
    def values(self) -> int:
        """Numbers in a signature."""
        return self.bands * self.rows

    def found(self, similarity: float) -> float:
        """The probability that two documents of this Jaccard similarity agree in a band."""
        return 1.0 - (1.0 - similarity**self.rows) ** self.bands

    @model_validator(mode="after")
    def _finds_what_it_should(self) -> NearConfig:
        found = self.found(self.threshold)
        if found < 0.5:
            raise ValueError(
                f"{self.bands} bands of {self.rows} rows find only {found:.0%} of the pairs at the threshold "
                f"{self.threshold:g}; use more bands or fewer rows"
            )
        return self


class SubstringConfig(Config):
    """Passages that were read before: they are cut out of the later document, and the first place stays."""

    words: Annotated[int, Field(ge=8)] = 50
    """The shortest passage that counts, in words; 50 tokens is the setting of Lee et al. 2022, section 4.1."""


class DeduplicateConfig(Config):
    """What is searched for duplicates, who is kept, and when too much would go."""

    near: NearConfig | None = NearConfig()
    """Near-duplicate documents; null looks for none."""
    substring: SubstringConfig | None = None
    """Repeated passages; null looks for none."""
    priorities: list[str] = Field(default_factory=list)
    """Sources whose documents are kept before those of the sources after them and of sources not named; a held-out
    document is kept before any other, so that no copy of it is trained on."""
    quality: str | None = None
    """The quality attribute whose highest value is kept within a source; without one, the longest document."""
    max_removed: dict[str, Share] = Field(default_factory=lambda: {DEFAULT: 0.5})
    """The share of a source that may be dropped or cut before the run stops, by its name; `default` is for the rest."""

    @model_validator(mode="after")
    def _named_once(self) -> DeduplicateConfig:
        if len(set(self.priorities)) < len(self.priorities):
            raise ValueError("priorities name a source twice")
        return self

    def allowed(self, source: str) -> float:
        """The share of `source` that may go."""
        return self.max_removed.get(source, self.max_removed.get(DEFAULT, 0.5))

    def priority(self, source: str) -> int:
        """The rank of `source`; 0 is kept first."""
        return self.priorities.index(source) if source in self.priorities else len(self.priorities)
