"""The heuristic rules, as data, and what a recipe may say about them.

A rule is a statistic (text/statistics.py), a bound and where the number was published; a set is the rules of one paper
in the order of their application. A recipe names sets, turns single rules off, and moves thresholds, for all languages
or for one.

Published thresholds were set on English web text. The length of words means nothing where a letter is a word (Chinese,
Japanese, Thai ...), so those languages come with thresholds of their own below. For any other language `derive` finds
thresholds in the documents themselves, as FineWeb-2 does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from midtrain.core.config import Config
from midtrain.core.errors import did_you_mean


@dataclass(frozen=True)
class Rule:
    """Keep a document whose `statistic` is at least (or at most) `threshold`."""

    name: str
    statistic: str
    at_least: bool
    threshold: float
    source: str


_GOPHER = "Gopher (Rae et al. 2021, arXiv:2112.11446), "
_C4 = "C4 (Raffel et al. 2020, arXiv:1910.10683), section 2.2"
_FINEWEB = "FineWeb (Penedo et al. 2024, arXiv:2406.17557), section 3.6"


def _low(name: str, statistic: str, threshold: float, source: str) -> Rule:
    return Rule(name, statistic, True, threshold, source)


def _high(name: str, statistic: str, threshold: float, source: str) -> Rule:
    return Rule(name, statistic, False, threshold, source)


_A1 = _GOPHER + "appendix A1.1"
_TABLE = _GOPHER + "table A1"
RULE_SETS: dict[str, tuple[Rule, ...]] = {
    "gopher_repetition": (
        _high("duplicate_paragraphs", "duplicate_paragraphs", 0.30, _TABLE),
        _high("duplicate_paragraph_characters", "duplicate_paragraph_characters", 0.20, _TABLE),
        _high("duplicate_lines", "duplicate_lines", 0.30, _TABLE),
        _high("duplicate_line_characters", "duplicate_line_characters", 0.20, _TABLE),
        *(_high(f"top_{n}_gram", f"top_{n}_gram", bound, _TABLE) for n, bound in ((2, 0.20), (3, 0.18), (4, 0.16))),
        *(
            _high(f"duplicate_{n}_grams", f"duplicate_{n}_grams", bound, _TABLE)
            for n, bound in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
        ),
    ),
    "gopher_quality": (
        _low("few_words", "words", 50, _A1),
        _high("many_words", "words", 100_000, _A1),
        _low("short_words", "mean_word_length", 3, _A1),
        _high("long_words", "mean_word_length", 10, _A1),
        _high("hashes", "hashes", 0.1, _A1),
        _high("ellipses", "ellipses", 0.1, _A1),
        _high("bullet_lines", "bullet_lines", 0.9, _A1),
        _high("ellipsis_lines", "ellipsis_lines", 0.3, _A1),
        _low("alphabetic_words", "alphabetic_words", 0.8, _A1),
        _low("stop_words", "stop_words", 2, _A1),
    ),
    "fineweb": (
        _low("terminal_lines", "terminal_lines", 0.12, _FINEWEB),
        _high("short_lines", "short_lines", 0.67, _FINEWEB),
        _high("repeated_line_characters", "duplicate_line_characters", 0.01, _FINEWEB + ", as released (paper: 0.1)"),
        _high("newlines", "newlines", 0.3, "FineWeb's released pipeline (datatrove), not in the paper"),
    ),
    "c4": (
        _high("lorem_ipsum", "prose_lorem_ipsum", 0, _C4),
        _high("curly_brackets", "prose_curly_brackets", 0, _C4),
        _low("few_sentences", "prose_sentences", 5, _C4 + ", released code (paper: 3)"),
    ),
    "datatrove": (_low("alphabetic_tokens", "alphabetic_tokens", 0.8, "datatrove's reading of " + _A1),),
}
"""Every rule, by set. Names are unique over all sets. Where datatrove reads a rule otherwise than its paper does,
`datatrove` holds its reading: it counts punctuation as words, and 28 % of pieces of novels fail for too few letters."""

RULES: dict[str, Rule] = {rule.name: rule for rules in RULE_SETS.values() for rule in rules}

_LETTERS_ARE_WORDS = {"short_words": 1.0} | {
    f"duplicate_{n}_grams": bound for n, bound in ((5, 0.46), (6, 0.38), (7, 0.31), (8, 0.26), (9, 0.22), (10, 0.20))
}
_NO_END_OF_SENTENCE = {"few_sentences": 0, "terminal_lines": 0.0}
LANGUAGE_THRESHOLDS: dict[str, dict[str, float]] = {
    **dict.fromkeys(("zh", "ja", "lo", "km", "my", "ii"), _LETTERS_ARE_WORDS),
    "th": _LETTERS_ARE_WORDS | _NO_END_OF_SENTENCE,
    "ko": {"short_words": 2.0},
    "bo": {"short_words": 2.0},
    "ml": {"long_words": 14.0},
    "kl": {"long_words": 17.0},
}
"""Where a published threshold cannot mean what it says, because a letter counts as a word, words are longer, or no mark
ends a sentence. Bounds lie a fifth outside the values of the Universal Declaration of Human Rights in the language."""


def _check_rules(names: Any) -> None:
    for name in names:
        if name not in RULES:
            raise ValueError(f'no rule is called "{name}".{did_you_mean(name, RULES)}')


def _check_code(code: Any) -> None:
    if not isinstance(code, str) or not re.fullmatch("[a-z]{2,3}", code):
        raise ValueError(f'"{code}" is no language code; write de for German, yue for Cantonese')


class DeriveConfig(Config):
    """Thresholds for a language from the source's own documents in it: a rule that would drop more than `tail` of them
    is loosened until it drops no more (the tails of FineWeb-2, Penedo et al. 2025, arXiv:2506.20920, section 4.3)."""

    tail: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05
    """The largest share of a language's documents that one rule may drop."""
    languages: Literal["unlisted"] | tuple[str, ...] = "unlisted"
    """ISO 639-1 codes, or unlisted: all but English, for which the rules were published, and those that have thresholds
    of their own (built in, or under `languages` of the rules)."""
    documents: Annotated[int, Field(gt=0)] = 100
    """A language with fewer documents keeps the published thresholds: a tail of a handful is not known."""

    @field_validator("languages", mode="before")
    @classmethod
    def _codes(cls, languages: Any) -> Any:
        languages = [languages] if isinstance(languages, str) and languages != "unlisted" else languages
        for code in languages if isinstance(languages, (list, tuple)) else ():
            _check_code(code)
        return languages


class RulesConfig(Config):
    """Heuristic rules on the statistics of a text; the first that fails names the drop."""

    later: ClassVar[frozenset[str]] = frozenset({"derive"})

    sets: tuple[str, ...] = ("gopher_repetition", "gopher_quality", "fineweb", "c4")
    """Sets of rules, applied in this order: gopher_repetition, gopher_quality, fineweb, c4. A fifth, datatrove, is for
    the decisions of that library: add it, and put alphabetic_words under `without`."""
    without: tuple[str, ...] = ()
    """Single rules that are not applied."""
    thresholds: dict[str, float] = Field(default_factory=dict)
    """Thresholds that replace the published ones, by rule."""
    languages: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Thresholds for one language, by ISO 639-1 code and rule; they win over `thresholds`."""
    derive: DeriveConfig | None = None
    """Derive thresholds for languages that have none; they win over `thresholds`, and `languages` over them."""

    @field_validator("sets")
    @classmethod
    def _known_sets(cls, sets: tuple[str, ...]) -> tuple[str, ...]:
        for name in sets:
            if name not in RULE_SETS:
                raise ValueError(f'no set of rules is called "{name}".{did_you_mean(name, RULE_SETS)}')
        return sets

    @field_validator("without", "thresholds")
    @classmethod
    def _known_rules(cls, names: Any) -> Any:
        _check_rules(names)
        return names

    @field_validator("languages")
    @classmethod
    def _known_rules_of_languages(cls, languages: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for code, thresholds in languages.items():
            _check_code(code)
            _check_rules(thresholds)
        return languages

    def rules(self, language: str = "") -> list[tuple[Rule, float]]:
        """The rules in force for a language (ISO 639-1 code), in order, each with its threshold."""
        moved = LANGUAGE_THRESHOLDS.get(language, {}) | self.thresholds | self.languages.get(language, {})
        rules = [rule for name in self.sets for rule in RULE_SETS[name] if rule.name not in self.without]
        return [(rule, moved.get(rule.name, rule.threshold)) for rule in rules]
