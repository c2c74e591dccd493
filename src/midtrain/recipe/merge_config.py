"""What a recipe may say about merging its results."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator

from midtrain.core.config import Config


class _OfSeedsConfig(Config):
    """What all ways to merge the seeds ask of a recipe."""

    def require(self, seeds: int, has_target: bool) -> None:
        """Raise ValueError when the recipe lacks what this merge needs."""
        if seeds < 2:
            raise ValueError("merge averages the results of several seeds, and there is one; add to seeds")


class SoupConfig(_OfSeedsConfig):
    """Average the exports of all seeds into one model, evaluated as the arm "merged"."""

    method: Literal["soup"]
    """soup: all of them in equal parts."""
    of: Literal["seeds"] = "seeds"
    """What is averaged."""

    def summary(self, seeds: int) -> str:
        """What is made, for the plan."""
        return f"the average of {seeds} seeds, evaluated once"


class GreedySoupConfig(_OfSeedsConfig):
    """Average those seeds that help each other, by the target, and confirm it on items not used for the choice."""

    method: Literal["greedy"]
    """greedy: one after the other, best first, each kept if the average gets no worse."""
    of: Literal["seeds"] = "seeds"
    """What is averaged."""

    def require(self, seeds: int, has_target: bool) -> None:
        """Raise ValueError when the recipe lacks what this merge needs."""
        super().require(seeds, has_target)
        _require_target(has_target)

    def summary(self, seeds: int) -> str:
        """What is made, for the plan."""
        return f"the average of those of {seeds} seeds that help each other, up to {seeds} evaluations"


class RepairConfig(Config):
    """Take back a share of another model: the one that gains most on the target without breaking the guard."""

    model_config = ConfigDict(populate_by_name=True)

    method: Literal["repair"]
    """repair: (1 - alpha) times the result plus alpha times the other, for each seed."""
    with_: Literal["parent"] = Field(default="parent", alias="with")
    """The other model."""
    alphas: list[Annotated[float, Field(gt=0, lt=1)]] = Field(default=[0.1, 0.2, 0.3, 0.5], min_length=1)
    """The shares to try, besides none; SmolLM3's final model took 0.1 of an earlier one."""

    @field_validator("alphas")
    @classmethod
    def _distinct(cls, alphas: list[float]) -> list[float]:
        if len(set(alphas)) != len(alphas):
            raise ValueError("lists the same alpha twice")
        return sorted(alphas)

    def summary(self, seeds: int) -> str:
        """What is made, for the plan."""
        shares = ", ".join(f"{alpha:g}" for alpha in self.alphas)
        return f"{seeds} seeds with {shares} of the {self.with_}, {seeds * len(self.alphas)} evaluations"

    def require(self, seeds: int, has_target: bool) -> None:
        """Raise ValueError when the recipe lacks what this merge needs."""
        _require_target(has_target)


def _require_target(has_target: bool) -> None:
    if not has_target:
        raise ValueError("merge chooses by the target, and there is none; add target")


MergeStepConfig = Annotated[SoupConfig | GreedySoupConfig | RepairConfig, Field(discriminator="method")]
