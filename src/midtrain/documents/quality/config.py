"""What a recipe says about quality and language.

A scorer gives each document a number, stored as the attribute `quality/NAME`; what is kept is said apart from it, so a
threshold changes without scoring again. Higher is better for every scorer.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from midtrain.core.config import Config

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0.0, le=1.0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class LanguageConfig(Config):
    """Which languages are kept; every language found is counted in the report, kept or not."""

    keep: Literal["all"] | tuple[str, ...] = "all"
    """Codes to keep (ISO 639-1 where there is one, else 639-3: [en, de, sw, yue]), or all."""
    at_least: Annotated[float, Field(ge=0.0, le=1.0)] = 0.65
    """Below this confidence the language counts as uncertain (FineWeb's threshold, Penedo et al. 2024, section 3.3)."""
    languages: dict[str, float] = Field(default_factory=dict)
    """Confidence asked of some languages instead; low-resource ones need less (FineWeb-2, Penedo et al. 2025)."""
    otherwise: Literal["keep", "drop"] = "keep"
    """What becomes of documents whose language is uncertain; they are counted in any case."""
    first_bytes: Positive = 2000
    """How much of a document is looked at."""
    model: str | None = None
    """A fastText file (lid.176, GlotLID) to ask instead of the model that ships with py3langid; its labels are the
    codes."""

    @field_validator("keep", mode="before")
    @classmethod
    def _one_code(cls, keep: Any) -> Any:
        return (keep,) if isinstance(keep, str) and keep != "all" else keep


class ExamplesConfig(Config):
    """A file of documents that someone judged, or that show what is wanted."""

    read: str
    """A JSONL or Parquet file (also .gz, .zst), a folder of them, or a glob."""
    text: str = "text"
    """The column of the text."""
    label: str = "label"
    """The column of the judgement: a number of a rubric (0 to 5), or a word; rows where it is empty are passed over."""


class FastTextTrainingConfig(Config):
    """How a fastText classifier is trained from labelled documents."""

    examples: ExamplesConfig
    """The labelled documents."""
    good: float | str = 3.0
    """A rubric's number from which a document is good (FineWeb-Edu keeps 3 of 5), or the label that is."""
    heldout: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """The share of the examples kept apart to measure and calibrate on."""
    dimensions: Positive = 32
    """Width of the rows; 100 reached the same held-out AUC as 32 in the setting of benchmarks.quality."""
    word_ngrams: Annotated[int, Field(ge=1, le=5)] = 2
    """Longest run of words with a row of its own; 2 as DCLM (Li et al. 2024, section 4.4)."""
    buckets: Positive = 1 << 18
    """Rows that runs of words are hashed to."""
    min_count: Positive = 2
    """Words seen less often have no row."""
    epochs: Positive = 25
    """Passes over the examples; a few thousand of them need 25, hundreds of thousands are done with fastText's 5."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.5
    """Step size at the beginning; it falls linearly to zero."""
    seed: int = 0
    """Decides the first values and the order of the examples."""


class FastTextConfig(Config):
    """A fastText classifier, as DCLM and FineWeb use: the score is the probability of one label."""

    kind: Literal["fasttext"]
    """Says that this scorer is a fastText model."""
    path: str | None = None
    """A .bin or .ftz that fastText saved."""
    label: str | None = None
    """The label whose probability is the score, with or without __label__ (hq in DCLM's model)."""
    train: FastTextTrainingConfig | None = None
    """Train one instead of `path`."""

    @model_validator(mode="after")
    def _one_model(self) -> FastTextConfig:
        if (self.path is None) == (self.train is None):
            raise ValueError("name either the `path` of a model or what to `train` one on")
        if (self.path is None) != (self.label is None):
            raise ValueError("a model by `path` needs the `label` whose probability is the score; a trained one has it")
        return self


class HeadTrainingConfig(Config):
    """How a regression head is fitted on a frozen encoder (FineWeb-Edu, Penedo et al. 2024, section 4)."""

    examples: ExamplesConfig
    """The documents with a rubric's numbers."""
    good: float = 3.0
    """The number from which a document is good: what precision, recall and calibration are measured for."""
    heldout: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """The share of the examples kept apart to measure and calibrate on."""
    ridge: Annotated[float, Field(gt=0)] = 100.0
    """Penalty on the squared weights (ridge regression over standardised features)."""


class EncoderConfig(Config):
    """A transformers encoder with a head: its own (sequence classification), or one fitted here on frozen features."""

    kind: Literal["encoder"]
    """Says that this scorer is an encoder."""
    path: str
    """A folder that transformers saved, or a Hub id."""
    label: int | str | None = None
    """Of a head with several labels, the one whose probability is the score; one output is the score itself."""
    train: HeadTrainingConfig | None = None
    """Fit a head on examples instead of using the one in `path`."""
    max_tokens: Positive = 512
    """Tokens of a document that are read (FineWeb-Edu's setting)."""
    batch_tokens: Positive = 16_384
    """Tokens, padding included, in one batch; documents of like length go together."""


class ClosenessConfig(Config):
    """How close a document is to examples of the wanted use, against the source it is in.

    ratio: the mean over hashed words and word pairs of the log of their frequency in the examples over that in the
    source (DSIR, Xie et al. 2023). classifier: a fastText model trained to tell one from the other.
    """

    kind: Literal["closeness"]
    """Says that this scorer measures closeness to examples."""
    examples: ExamplesConfig
    """A few hundred documents of the wanted kind; labels are not needed."""
    method: Literal["ratio", "classifier"] = "ratio"
    """How closeness is measured."""
    buckets: Positive = 10_000
    """Hash buckets of words and word pairs (DSIR, section 4)."""
    prior: Annotated[float, Field(gt=0)] = 2000.0
    """Words' worth of the source mixed into the examples, so that what no example holds is rare, not impossible
    (Dirichlet smoothing, Zhai and Lafferty 2004)."""
    sample: Positive = 2000
    """Documents of the source it is compared with."""


class AttributesConfig(Config):
    """Scores that someone else computed: Parquet shards beside the documents' own, same names, same rows, with ids."""

    kind: Literal["attributes"]
    """Says that the scores are read."""
    path: str
    """The folder of the shards."""
    column: str
    """The numeric column that is the score."""


ScorerConfig = Annotated[
    FastTextConfig | EncoderConfig | ClosenessConfig | AttributesConfig, Field(discriminator="kind")
]


class EnsembleConfig(Config):
    """Several scorers as one, called `ensemble`, from each document's rank within its source."""

    kind: Literal["max_bucket", "mean_rank"] = "max_bucket"
    """max_bucket: the highest bucket any scorer gives (Nemotron-CC, Su et al. 2024, section 3.2); mean_rank: the mean
    share of documents that are no better."""
    of: tuple[str, ...] = ()
    """The scorers; all when empty."""
    buckets: Positive = 20
    """Equal parts that each scorer divides the documents into (20 in Nemotron-CC)."""


class KeepConfig(Config):
    """Which documents stay: by a threshold, by a share, or by how good they must be; one of the three."""

    later: ClassVar[frozenset[str]] = frozenset({"precision"})

    score: str
    """A scorer's name, or `ensemble`."""
    at_least: float | None = None
    """The lowest score that stays."""
    top_share: Share | None = None
    """The share of the source's documents that stays, the best first; ties at the threshold stay too."""
    precision: Share | None = None
    """From the lowest score on at which this share of documents is good, by the calibration on held-out labels; of
    those that stay a larger share is. The scorer must be one that is fitted here."""

    @model_validator(mode="after")
    def _one_rule(self) -> KeepConfig:
        if [self.at_least, self.top_share, self.precision].count(None) != 2:
            raise ValueError("say one of at_least, top_share and precision")
        return self

    @property
    def asked(self) -> str:
        """What is asked, in words."""
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        if self.top_share is not None:
            return f"the best {self.top_share:.4g}"
        return f"good with a chance of {self.precision:.4g}"


class QualityConfig(Config):
    """Quality scorers by name, and what is kept by them."""

    scorers: dict[Name, ScorerConfig] = Field(min_length=1)
    """Scorers by name; each becomes the attribute quality/NAME."""
    ensemble: EnsembleConfig | None = None
    """Several scorers as one."""
    keep: tuple[KeepConfig, ...] = ()
    """What a document must pass to stay; without any, scores are only reported."""

    @model_validator(mode="after")
    def _known_names(self) -> QualityConfig:
        if "ensemble" in self.scorers:
            raise ValueError('a scorer cannot be called "ensemble"')
        known = [*self.scorers, *(["ensemble"] if self.ensemble else [])]
        for name in [*(keep.score for keep in self.keep), *(self.ensemble.of if self.ensemble else [])]:
            if name not in known or (self.ensemble and name == "ensemble" and name in self.ensemble.of):
                raise ValueError(f'there is no score "{name}" (known: {", ".join(known)})')
        for keep in self.keep:
            if keep.precision is not None and not must_fit(self.scorers.get(keep.score)):
                raise ValueError(
                    f'keep.precision asks how good "{keep.score}" is, which only a scorer fitted here knows '
                    f"(`train`, or closeness); say at_least or top_share"
                )
        return self


def must_fit(config: ScorerConfig | None) -> bool:
    """Whether a scorer is fitted before it is used, and so measured on held-out labels; None is the ensemble."""
    return isinstance(config, ClosenessConfig) or getattr(config, "train", None) is not None
