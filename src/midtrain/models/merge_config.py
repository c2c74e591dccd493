"""What a person may say about a merge: which models, by which arithmetic, in which precision it is written."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from midtrain.core.config import Config

TASK_METHODS = ("task_arithmetic", "ties", "dare_linear", "dare_ties")
"""The methods that add what models learned since a common base."""


class MergedModelConfig(Config):
    """One model of a merge and its weight."""

    path: str
    """A folder, a Hub id (org/name or org/name@revision) or asset://NAME."""
    weight: float = 1.0
    """Its share: of an average after division by the sum, of added task vectors as it stands."""


class MergeConfig(Config):
    """A merge of models of one architecture and one vocabulary."""

    model_config = ConfigDict(populate_by_name=True)

    method: Literal["linear", "slerp", "task_arithmetic", "ties", "dare_linear", "dare_ties"] = "linear"
    """linear: a weighted average, or soup. slerp: along the arc between two. task_arithmetic: a base plus what each
    learned since. ties: that, trimmed to the largest changes, with one sign elected for each weight. dare_linear and
    dare_ties: a random share of the changes, scaled up, added or elected."""
    models: list[MergedModelConfig] = Field(min_length=1)
    """The models to merge: paths, or paths with weights."""
    base: str | None = None
    """The model that the others were trained from (task methods need it). Config, tokenizer and file layout are its;
    of the first model's when not given."""
    t: float | None = Field(default=None, ge=0, le=1)
    """slerp: how far to go from the first model (0) to the second (1)."""
    density: float = Field(default=1.0, gt=0, le=1)
    """ties and dare: the share of each tensor's changes that is kept; both papers keep 0.1 to 0.5."""
    lambda_: float = Field(default=1.0, alias="lambda")
    """Task methods: the factor of the merged change; 1 for ties in its paper, about 0.3 for many added tasks."""
    seed: int = 0
    """dare: which changes are kept."""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """What is written; each tensor as the base has it when not given. The arithmetic is float32 in any case."""

    @property
    def paths(self) -> list[str]:
        """The models' paths, in order."""
        return [one.path for one in self.models]

    @property
    def weights(self) -> list[float]:
        """The models' weights, in order."""
        return [one.weight for one in self.models]

    @field_validator("models", mode="before")
    @classmethod
    def _short_for_a_path(cls, models: Any) -> Any:
        return (
            [{"path": one} if isinstance(one, str) else one for one in models] if isinstance(models, list) else models
        )

    @model_validator(mode="after")
    def _fits_the_method(self) -> MergeConfig:
        task = self.method in TASK_METHODS
        if task and self.base is None:
            raise ValueError(f"{self.method} needs a base, the model that the others were trained from")
        if task and self.base in self.paths:
            raise ValueError(f"{self.method} adds changes against the base, and {self.base} is the base; leave it out")
        if not task and len(self.models) < 2:
            raise ValueError(f"{self.method} needs at least two models")
        self._require_weights()
        self._require_own_fields()
        return self

    def _require_weights(self) -> None:
        signed = self.method in ("task_arithmetic", "dare_linear")  # a task can be unlearned by a negative weight
        if not signed and (min(self.weights) < 0 or sum(self.weights) <= 0):
            raise ValueError(f"{self.method} needs weights that are not negative, and one that is not zero")

    def _require_own_fields(self) -> None:
        """A field that the method does not read is a mistake, not a wish that is quietly dropped."""
        if self.method == "slerp":
            if len(self.models) != 2 or self.t is None:
                raise ValueError("slerp goes between exactly two models and needs t, such as 0.5")
            if set(self.weights) != {1.0}:
                raise ValueError("slerp has no weights; say how far to go by t")
        readers = {
            "t": ("slerp",),
            "density": ("ties", "dare_linear", "dare_ties"),
            "lambda_": TASK_METHODS,
            "seed": ("dare_linear", "dare_ties"),
        }
        for name, methods in readers.items():
            if name in self.model_fields_set and self.method not in methods and getattr(self, name) is not None:
                raise ValueError(f"{self.method} does not read {name.rstrip('_')}; remove it")
