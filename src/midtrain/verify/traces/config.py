"""From when on a peculiarity of a reasoning trace is a defect, and which defects cost it its place."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from midtrain.core.config import Config

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Times = Annotated[int, Field(ge=2)]
Count = Annotated[int, Field(ge=0)]


class Reason(StrEnum):
    """Everything that is sought, gravest first: the first defect in this order is the reason given for a drop."""

    TRUNCATED = "truncated"
    """It ends before its answer."""
    GARBLED = "garbled"
    """Control tokens, another turn of the conversation, or broken characters stand in it."""
    EMPTY_THINKING = "empty thinking"
    """The thought's tags hold nothing."""
    INCONSISTENT = "inconsistent"
    """The answer given is not the one the thought found."""
    REPETITION = "repetition"
    """A loop, or one sentence or phrase over and over."""
    LANGUAGE_MIXING = "language mixing"
    """Words or sentences in another language than the trace's."""
    IDENTITY = "identity"
    """The writer says which model it is, who made it or how far its knowledge goes."""
    ANSWER_CHANGED = "answer changed"
    """The answer was found and then left for another."""
    GUESSING = "guessing"
    """One answer after another was put forward."""
    UNCLOSED = "unclosed"
    """A tag, box, fence or formula is opened and not closed, or closed and not opened."""
    OVERTHINKING = "overthinking"
    """Most of the thought comes after the answer was found."""
    REVERIFICATION = "reverification"
    """A found answer is checked again and again."""
    HEDGING = "hedging"
    """Wait, hmm, maybe: more doubt than steps."""
    OVERLONG = "overlong"
    """Many times as long as the shortest verified solution of the same problem."""


class TracesConfig(Config):
    """Thresholds; a value equal to one is still clean unless its sentence says "from"."""

    drop: tuple[Reason, ...] = tuple(Reason)
    """The defects for which a trace is dropped when it cannot be repaired; others are only reported."""
    sentence_repeats: Times = 10
    """From how many occurrences on a sentence or line is repetition (Olmo 3, appendix A.7)."""
    sentences_in_a_row: Times = 4
    """The same, back to back; also for loops of eight words and more (open-instruct's filter of Olmo 3's traces)."""
    phrase_repeats: Times = 50
    """From how many occurrences on six words are repetition (Olmo 3, appendix A.7); also loops without a letter."""
    loop_repeats: Times = 10
    """From how many rounds on a loop of fewer than eight words is repetition; lists and cycles in puzzles have less."""
    foreign_characters: Share = 0.05
    """The share of letters that may be of another script, quotations, formulas and code left out (Olmo 3, A.7: CJK)."""
    switches: Count = 0
    """How often words of another language may stand in a sentence, or a sentence in another language in the text."""
    hedges: Annotated[float, Field(ge=0.0)] = 3.0
    """Markers of doubt in 100 words that are still thinking; our choice, a marker every second sentence or so."""
    fewest_hedges: Count = 5
    """This many markers in all are never hedging, however short the text."""
    rechecks: Count = 1
    """How often a found answer may be checked or stated again in the thought; one check is good practice."""
    after_answer: Share = 0.6
    """The share of a thought that may follow the answer (1 - outcome efficiency of Chen et al. 2024, section
    2.3); working everything out a second time takes about half."""
    answers_tried: Annotated[int, Field(ge=1)] = 3
    """How many different answers may be stated before it is guessing (Qwen3, section 4.1, leaves out guesswork)."""
    length_ratio: Annotated[float, Field(ge=1.0)] = 4.0
    """How many times as long as the shortest verified solution a trace may be; our choice."""
