"""What a person may say about the base model: where it lies, or how to make one, and how its positions turn.

A base is either a checkpoint (`path`: a folder, a Hub id, `asset://NAME`) or an architecture that is initialised from
scratch. RoPE changes are checked here as far as they can be without a model: an unknown scaling or a misspelt
parameter is an error before anything is loaded, because transformers would only log a warning and go on.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from midtrain.core.config import Config, Size
from midtrain.core.errors import did_you_mean

_ORIGINAL = "original_max_position_embeddings"
_SCALINGS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "default": (frozenset(), frozenset()),
    "linear": (frozenset({"factor"}), frozenset()),
    "llama3": (frozenset({"factor", "low_freq_factor", "high_freq_factor"}), frozenset({_ORIGINAL})),
    "yarn": (
        frozenset({"factor"}),
        frozenset({_ORIGINAL, "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate"}),
    ),
    "longrope": (frozenset({"short_factor", "long_factor"}), frozenset({_ORIGINAL, "factor", "attention_factor"})),
}
"""rope_type -> (required, optional) parameters."""


RopeMethod = Literal["abf", "pi", "ntk", "yarn", "llama3", "longrope"]


class RopeConfig(Config):
    """A change of the rotary position embedding, made before the model is built so that it takes effect.

    Either `method`, which works the numbers out from the base and the stage's context, or the numbers themselves.
    """

    later: ClassVar[frozenset[str]] = frozenset({"method", "factor", "factors"})

    theta: float | None = Field(default=None, gt=0)
    """The base period; larger turns slower and reaches further (500000 for 8k to 64k is usual). Unset: unchanged."""
    scaling: dict[str, Any] | None = None
    """Scaling of the frequencies in transformers' words, such as {rope_type: yarn, factor: 4}. Unset: unchanged.
    The length the base was trained at is filled in from the base."""
    method: RopeMethod | None = None
    """How the positions are stretched. yarn (arXiv:2309.00071) leaves fast dimensions, divides slow ones and sharpens
    attention; abf (arXiv:2309.16039) raises theta so that as many dimensions turn once as did before
    (arXiv:2310.05209); ntk raises theta so that the slowest dimension is stretched exactly; pi (arXiv:2306.15595)
    divides every position; llama3 divides the slow dimensions as Llama 3.1 does; longrope (arXiv:2402.13753) divides
    each dimension by its own factor."""
    factor: float | None = Field(default=None, gt=1)
    """How many times the length the base was trained at; unset: the context over that length."""
    factors: list[float] | None = None
    """longrope only: what each pair of dimensions is divided by, the fastest first (models.rope_search finds them)."""

    @model_validator(mode="after")
    def _known(self) -> RopeConfig:
        if self.theta is None and self.scaling is None and self.method is None:
            raise ValueError("says nothing; give a method, or theta, scaling or both")
        self._check_method()
        if self.scaling is None:
            return self
        kind = self.scaling.get("rope_type")
        if kind == "dynamic":
            raise ValueError(
                'rope_type "dynamic" changes with the longest document of a batch, so a document\'s score would depend '
                "on its neighbours; use yarn, llama3 or linear"
            )
        if kind not in _SCALINGS:
            raise ValueError(f'scaling has no known rope_type (it is "{kind}").{did_you_mean(str(kind), _SCALINGS)}')
        required, optional = _SCALINGS[kind]
        given = self.scaling.keys() - {"rope_type"}
        if missing := sorted(required - given):
            raise ValueError(f'rope_type "{kind}" needs {", ".join(missing)}')
        if unknown := sorted(given - required - optional):
            options = ["rope_type", *required, *optional]
            raise ValueError(f'rope_type "{kind}" has no parameter "{unknown[0]}".{did_you_mean(unknown[0], options)}')
        return self

    def _check_method(self) -> None:
        if self.method is None:
            for name in ("factor", "factors"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} belongs to a method; give method too ({', '.join(get_args(RopeMethod))})")
            return
        if self.scaling is not None:
            raise ValueError("give a method or scaling, not both: a method works the scaling out")
        if self.method == "abf" and self.theta is not None and self.factor is not None:
            raise ValueError("abf with theta needs no factor; remove one of the two")
        if (self.method == "longrope") != (self.factors is not None):
            raise ValueError("method longrope needs factors (one per pair of dimensions), and no other method has them")
        if self.factors is not None and min(self.factors, default=0) < 1:
            raise ValueError("factors must be at least one number, each 1 or more (it divides a frequency)")


class TrainTokenizerConfig(Config):
    """Train a byte-level BPE on documents of the recipe."""

    vocab_size: Size = 8192
    """Number of ids, special tokens included."""
    sources: list[str] = Field(min_length=1)
    """Names of the recipe's sources to learn from."""


class TokenizerConfig(Config):
    """The tokenizer of a model made from scratch: an existing one, or one trained on the recipe's own sources."""

    path: str | None = None
    """A folder or Hub id with a fast tokenizer."""
    train: TrainTokenizerConfig | None = None
    """Train a new one."""

    @model_validator(mode="after")
    def _one(self) -> TokenizerConfig:
        if (self.path is None) == (self.train is None):
            raise ValueError("give exactly one of path and train")
        return self


class BaseConfig(Config):
    """The base model: a checkpoint, or an architecture and a tokenizer to begin from nothing."""

    path: str | None = None
    """A folder, a Hub id (org/name or org/name@revision) or asset://NAME for one that ships with midtrain."""
    architecture: dict[str, Any] | None = None
    """Fields of a transformers config, with model_type, to initialise at random."""
    tokenizer: TokenizerConfig | None = None
    """The tokenizer of a model made from scratch; a checkpoint brings its own."""

    @model_validator(mode="after")
    def _one(self) -> BaseConfig:
        if (self.path is None) == (self.architecture is None):
            raise ValueError("give exactly one of path (a checkpoint) and architecture (from scratch)")
        if self.path is not None and self.tokenizer is not None:
            raise ValueError("a checkpoint brings its own tokenizer; remove tokenizer")
        if self.architecture is not None and self.tokenizer is None:
            raise ValueError("a model from scratch needs a tokenizer; add tokenizer.path or tokenizer.train")
        if self.architecture is not None and "model_type" not in self.architecture:
            raise ValueError("architecture needs a model_type, such as llama")
        return self
