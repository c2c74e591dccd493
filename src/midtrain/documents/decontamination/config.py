"""What a recipe says about contamination: which items to look for, how much of one is one, and what is dropped."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import Field, model_validator

from midtrain.core.config import Config

Kind = Literal["answered", "question", "passage", "near", "short", "ngram"]
KINDS: tuple[Kind, ...] = ("answered", "question", "passage", "near", "short", "ngram")
"""What a match is, the surest first.

answered   the question, with its own numbers, and its answer soon after
question   the question with its own numbers, without its answer
passage    the text that questions are asked about; often the source everybody may train on
near       the question with other numbers, or half of its words: a sibling, a template, an edited copy
short      a question too short to be told from common speech, word for word, without its answer
ngram      (mode ngram13) one window of n words of a question, an answer or a passage
"""


class ItemsConfig(Config):
    """A file of evaluation items: JSONL or Parquet, one item a row."""

    read: str
    """A file (.jsonl, .parquet; also .gz, .zst), a folder of them, or a glob."""
    benchmark: str | None = None
    """The name in the audit of items that name none in a column `benchmark`; the file's name when absent."""
    question: str = "question"
    """The column of the question, or of the whole prompt."""
    answer: str = "answer"
    """The column of the answer or solution; a final answer may follow `####`. It may be absent."""
    passage: str = "passage"
    """The column of the text the question is about. It may be absent."""
    id: str = "id"
    """The column of the item's name; where absent, items are named by benchmark and row number."""

    @property
    def name(self) -> str:
        """The benchmark's name."""
        return self.benchmark or PurePath(self.read).name.split(".")[0]


class DecontaminateConfig(Config):
    """Looking for evaluation items in documents, and what becomes of the documents that hold some."""

    against: tuple[Literal["evaluation"] | ItemsConfig, ...] = ("evaluation",)
    """Where the items are: files, and `evaluation` for the recipe's own."""
    mode: Literal["overlap", "ngram13"] = "overlap"
    """overlap: IDF-weighted n-gram overlap with the answer near the question (as decon, AI2 2025); ngram13: any common
    window of 13 words (GPT-3, Brown et al. 2020, appendix C), for comparison."""
    threshold: Annotated[float, Field(gt=0.5, le=1.0)] = 0.8
    """The weighted share of a question that must be found, for questions of 50 words or more; it rises to all of it
    for questions of 20 words or fewer (decon's defaults)."""
    ngram: Annotated[int, Field(ge=3, le=13)] = 5
    """Words in the windows that are compared (decon's default)."""
    short_item_words: Annotated[int, Field(ge=3)] = 12
    """Questions of fewer words must be found word for word, with their answer; those of one or two are not sought."""
    drop: tuple[Kind, ...] = ("answered", "question", "ngram")
    """The kinds of match for which a document is dropped when nobody has reviewed them; the others are reported."""
    verdicts: str | None = None
    """A JSONL file of reviewed matches, whose verdicts (accept, reject) go before `drop`."""

    @model_validator(mode="after")
    def _a_long_item_has_a_window(self) -> DecontaminateConfig:
        if self.short_item_words < self.ngram:
            raise ValueError(
                f"short_item_words ({self.short_item_words}) must be at least ngram ({self.ngram}): a question of "
                f"fewer words than a window has none"
            )
        if not self.against:
            raise ValueError("against names no items; name a file of them, or evaluation")
        return self
