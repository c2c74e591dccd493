"""What is measured, what must get better, and how much may be lost: fixed before a run, in the recipe."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field, field_validator

from midtrain.core.config import Config, Size
from midtrain.core.errors import did_you_mean
from midtrain.verify.config import ProblemsConfig


class BitsPerByteConfig(Config):
    """Bits per byte of held-out documents: the capability `bpb/SOURCE` for each source."""

    sources: list[str] | Literal["all"] = "all"
    """The sources whose held-out documents are scored."""
    documents: int = Field(default=400, ge=1)
    """At most this many documents of each source, the same ones for every model."""
    context: Size | None = None
    """Tokens a model sees at once; the longest context of the stages when not given."""
    windows: int = Field(default=4, ge=1)
    """Of a document longer than the context, this many half-overlapping windows are scored."""
    batch_tokens: Size = Field(default=8192, ge=1)
    """Tokens in one forward pass; changes the speed and nothing else."""


class AskingConfig(Config):
    """How a problem is put to a model."""

    form: Literal["text", "chat"] = "text"
    """As the text a base model continues, or as a user's message."""
    max_new_tokens: int = Field(default=128, ge=1)
    """Where an answer is cut."""
    answer_bits: bool = True
    """Also measure `problems/NAME (bpb)`, the bits per byte of the right solution given the problem: it moves long
    before the first answer is right."""


class ProblemSetConfig(ProblemsConfig, AskingConfig):
    """Generated problems solved by greedy generation: the capability `problems/NAME`, a share of right answers."""

    split: Literal["evaluation"] = "evaluation"
    """Always the evaluation families and operands, on which nothing is trained."""


class ProblemFileConfig(AskingConfig):
    """Problems of a file, solved and judged in the same way."""

    read: str
    """JSON lines with prompt, gold and verifier (and what that verifier needs); .gz is unpacked."""
    count: Annotated[Size, Field(ge=1)] | None = None
    """Only this many, the first ones; all when not given."""


class EvaluationConfig(Config):
    """What is measured on the parent, the control and the result."""

    bits_per_byte: BitsPerByteConfig | None = BitsPerByteConfig()
    """Held-out documents; null measures none."""
    problems: dict[str, ProblemSetConfig | ProblemFileConfig] = Field(default={})
    """Sets of problems, generated or of a file, by name."""

    def measured(self, sources: list[str]) -> list[str]:
        """Which of `sources` are scored in bits per byte; raises ValueError naming one that does not exist."""
        if self.bits_per_byte is None:
            return []
        wanted = self.bits_per_byte.sources
        if wanted == "all":
            return list(sources)
        for name in wanted:
            if name not in sources:
                raise ValueError(
                    f'evaluation.bits_per_byte.sources names "{name}", which has no documents.'
                    f"{did_you_mean(name, sources)}"
                )
        return [name for name in sources if name in wanted]

    def capabilities(self, sources: list[str]) -> list[str]:
        """The names of everything measured, given the sources that have documents."""
        names = [f"bpb/{name}" for name in self.measured(sources)]
        for name, problems in self.problems.items():
            names += [f"problems/{name}"] + ([f"problems/{name} (bpb)"] if problems.answer_bits else [])
        return names


class GuardConfig(Config):
    """What may be lost: for each capability, the worsening against the parent that is still acceptable."""

    budgets: dict[str, float] = Field(default={"*": 0.02})
    """Capability name or pattern (`bpb/*`) -> allowed relative worsening (0.02 is 2 %); an exact name counts before
    any pattern, else the first pattern that matches. What no budget matches is reported and not guarded."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Of every interval and verdict."""

    @field_validator("budgets")
    @classmethod
    def _not_negative(cls, budgets: dict[str, float]) -> dict[str, float]:
        for name, budget in budgets.items():
            if not 0 <= budget < 1:
                raise ValueError(f'the budget of "{name}" must be from 0 up to 1 (it is {budget}; 2 % is 0.02)')
        return budgets


class TargetConfig(Config):
    """What must get better."""

    capability: str
    """The name of a measured capability, such as bpb/code."""
    better_than: list[Literal["parent", "control"]] = Field(default=["parent", "control"], min_length=1)
    """Against whom; the control is what shows that it was the data and not the lower learning rate."""


def require_measured(names: list[str], guard: GuardConfig, target: TargetConfig | None) -> None:
    """Raise ValueError when the target or a budget names nothing among the measured capabilities `names`."""
    for pattern in guard.budgets:
        if names and not any(fnmatchcase(name, pattern) for name in names):
            hint = did_you_mean(pattern, names)
            raise ValueError(f'guard.budgets names "{pattern}", which matches nothing that is measured.{hint}')
    if target is not None and target.capability not in names:
        hint = did_you_mean(target.capability, names)
        raise ValueError(f'target.capability is "{target.capability}", which is not measured.{hint}')
