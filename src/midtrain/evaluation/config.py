"""What is measured, what must get better, and how much may be lost: fixed before a run, in the recipe."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

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


class PositionsConfig(Config):
    """Bits per byte by position in long held-out documents: `position/SOURCE@LOW-HIGH` for each source and bucket."""

    sources: list[str] | Literal["all"] = "all"
    """The sources whose long held-out documents are scored."""
    documents: int = Field(default=50, ge=1)
    """At most this many documents of each source, the same ones for every model."""
    context: Size | None = None
    """Tokens read of each document, which must have as many; the longest context of the stages when not given."""
    buckets: int = Field(default=5, ge=2, le=16)
    """The last bucket is the second half of the context, the one before it a quarter, and so on."""


class RetrievalConfig(Config):
    """Codes hidden in a long text, one of which is asked for: `retrieval/NAME@LENGTH` and its `(bpb)`."""

    lengths: list[Annotated[Size, Field(ge=32)]] = Field(min_length=1)
    """Tokens of the text; a length beyond the parent's positions shows what the stages brought."""
    keys: int = Field(default=1, ge=1, le=100)
    """How many codes there are: 1 is the passkey test, more are distractors."""
    count: int = Field(default=20, ge=1)
    """Texts of each length."""
    depths: int = Field(default=5, ge=1)
    """The code asked for stands at this many evenly spread places, text after text."""
    digits: int = Field(default=5, ge=1, le=12)
    """Digits of a code."""
    seed: int = 0
    """Another seed draws other texts."""

    @field_validator("lengths")
    @classmethod
    def _distinct(cls, lengths: list[int]) -> list[int]:
        if len(set(lengths)) != len(lengths):
            raise ValueError("lists the same length twice")
        return lengths


def position_buckets(context: int, buckets: int) -> list[tuple[int, int]]:
    """The buckets [low, high) of positions, halving from the context down."""
    edges = [0, *(context >> back for back in range(buckets - 1, -1, -1))]
    return [(low, high) for low, high in pairwise(edges) if high > low]


def position_name(source: str, low: int, high: int) -> str:
    """The capability of one bucket."""
    return f"position/{source}@{low}-{high}"


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

    later: ClassVar[frozenset[str]] = frozenset({"positions", "retrieval"})

    bits_per_byte: BitsPerByteConfig | None = BitsPerByteConfig()
    """Held-out documents; null measures none."""
    problems: dict[str, ProblemSetConfig | ProblemFileConfig] = Field(default={})
    """Sets of problems, generated or of a file, by name."""

    positions: PositionsConfig | None = None
    """Held-out documents by position, for a longer context; null measures none."""
    retrieval: dict[str, RetrievalConfig] = Field(default={})
    """Codes hidden in long texts, by name."""

    def measured(self, sources: list[str]) -> list[str]:
        """Which of `sources` are scored in bits per byte; raises ValueError naming one that does not exist."""
        return _named(self.bits_per_byte, sources, "bits_per_byte")

    def positioned(self, sources: list[str]) -> list[str]:
        """Which of `sources` are scored by position; raises ValueError naming one that does not exist."""
        return _named(self.positions, sources, "positions")

    def capabilities(self, sources: list[str], longest: int = 0) -> list[str]:
        """The names of everything measured, given the sources that have documents and the stages' longest context,
        which is where `positions` ends when it does not say."""
        names = [f"bpb/{name}" for name in self.measured(sources)]
        for name, problems in self.problems.items():
            names += [f"problems/{name}"] + ([f"problems/{name} (bpb)"] if problems.answer_bits else [])
        for name in self.positioned(sources):
            assert self.positions is not None
            buckets = position_buckets(self.positions.context or longest, self.positions.buckets)
            names += [position_name(name, low, high) for low, high in buckets]
        for name, retrieval in self.retrieval.items():
            names += [f"retrieval/{name}@{n}{what}" for n in retrieval.lengths for what in ("", " (bpb)")]
        return names


def _named(config: BitsPerByteConfig | PositionsConfig | None, sources: list[str], field: str) -> list[str]:
    if config is None:
        return []
    if config.sources == "all":
        return list(sources)
    for name in config.sources:
        if name not in sources:
            raise ValueError(
                f'evaluation.{field}.sources names "{name}", which has no documents.{did_you_mean(name, sources)}'
            )
    return [name for name in sources if name in config.sources]


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
