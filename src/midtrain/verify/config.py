"""What problems to generate: which families, how many, how hard, from which side of the split."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from midtrain.core.config import Config, Size


class ProblemsConfig(Config):
    """A set of distinct generated problems, the same for the same settings."""

    families: Literal["all"] | list[str] = "all"
    """The families to draw from, or "all": every family that has problems in the split."""
    count: Annotated[Size, Field(ge=1)]
    """How many problems, shared evenly by the families and their difficulties."""
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
