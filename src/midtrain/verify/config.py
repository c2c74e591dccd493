"""What problems to generate: which families, how many, how hard, from which side of the split."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from midtrain.core.config import Config, Size


class ProblemsConfig(Config):
    """A set of distinct generated problems, the same for the same settings."""

    later = frozenset({"languages"})
    families: str | Annotated[list[str], Field(min_length=1)] = "primer"
    """Families and sets of families by name, such as [algebra, addition]; "all" is every one. Of a set, those are taken
    that have problems in the split and a language asked for. The default, "primer", is what models of under a million
    parameters learn something of; a larger one gets more from "all"."""
    languages: list[str] = Field(default=["en"], min_length=1)
    """The languages to tell the problems in; a family is told in those of them that it has."""
    count: Annotated[Size, Field(ge=1)]
    """How many problems, shared evenly by the families, their difficulties and languages."""
    seed: int = 0
    """Another seed draws other problems, in another order, from the same side of the split."""
    split: Literal["train", "evaluation"] = "train"
    """Which side of the split: no operands on one side ever occur on the other."""
    difficulty: list[Annotated[int, Field(ge=1, le=3)]] = Field(default=[1, 2, 3], min_length=1)
    """The difficulties to draw from: 1 (short, small numbers), 2, 3."""
    steps: bool = True
    """Whether the worked solution stands between the question and the answer; small models do better without."""
    wording: Literal["seen", "held_out"] = "seen"
    """Templates as in training, or the held-out ones (for evaluation only)."""

    @model_validator(mode="after")
    def _held_out_wording_is_for_evaluation(self) -> ProblemsConfig:
        if self.split == "train" and self.wording == "held_out":
            raise ValueError("wording: held_out is for evaluation only; remove it or set split: evaluation")
        return self
