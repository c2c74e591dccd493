"""Nouns, persons and quantities that inflect themselves inside a template.

A template is a plain sentence with fields, and what stands after a field's colon asks for a form of it:

    "{name} buys {a:thing}."              5 -> "5 apples"; ru 2 -> "2 яблока", 5 -> "5 яблок"; sw -> "matufaha 5"
    "{name} {name:купил|купила} {a:thing.acc}."   a choice by gender, in the order of the language's genders
    "Сколько {thing:pl} у {name:gen}?"    a case by its name
    "{p:money}", "{r:#} %"                a price; a number in figures and nothing else

So a sentence is written once and agrees with whatever fills it. Only what a template asks for must exist, and a form
that does not is an error (KeyError) the first time it is asked for, never a wrong word. "~" is a no-break space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from midtrain.verify.languages.numbers import CATEGORIES, NO_BREAK_SPACE, figures, plural

Style = Literal["figures", "words", "prices"]
"""How numbers are told: "12 apples, 3 dollars"; "twelve apples, three dollars"; "12 apples, $3.00"."""

SPELLED = 9_999
"""The largest number told in words."""


@dataclass(frozen=True)
class Noun:
    """A noun that can be counted.

    `forms` are its forms by case ("" is the one used beside a number in plain statements), each with one form per
    plural category, set apart by "|" and in the order of `numbers.CATEGORIES`: "книга|книги|книг".
    """

    forms: Mapping[str, str]
    gender: int = 0
    """Its gender or noun class, as a place in the language's list of them."""
    classifier: str = ""
    """What stands between a number and it (Chinese, Bengali), with the space before it if it has one."""

    def __format__(self, spec: str) -> str:
        """Empty: the first form; "pl": the last; a case: the last of it; "a|b": by gender; "unit": the classifier."""
        if "|" in spec:
            return spec.split("|")[self.gender]
        if spec == "unit":
            return self.classifier.strip()
        if spec in ("", "pl"):
            return self.forms[""].split("|")[-1 if spec else 0]
        return self.forms[spec].split("|")[-1]


@dataclass(frozen=True)
class Person:
    """Somebody's name, with its cases where the language has them."""

    name: str
    gender: int
    cases: Mapping[str, str] = field(default_factory=dict)

    def __format__(self, spec: str) -> str:
        if "|" in spec:
            return spec.split("|")[self.gender]
        return self.cases[spec] if spec else self.name


def unbreak(template: str) -> str:
    """The template with its no-break spaces."""
    return template.replace("~", NO_BREAK_SPACE)


@dataclass(frozen=True)
class Wording:
    """The sentences of one family in one language."""

    tell: tuple[str, ...]
    """What is known. Every one goes with every `ask`."""
    ask: tuple[str, ...]
    """The question."""
    held_out: tuple[tuple[str, str], ...]
    """(tell, ask) that no training problem uses."""
    steps: tuple[str, ...]
    """What each step of the solution finds, a label before the equation."""


@dataclass(frozen=True, kw_only=True)
class Language:
    """A language: how it counts, its words, and its wordings of the families."""

    code: str
    pattern: str
    """How number and noun stand together: "{number} {noun}", with {classifier} where there are any."""
    price: str
    """A price with its symbol, as "${number}"."""
    cents: int
    """How many decimals such a price has."""
    colon: str = ": "
    """What stands between a step's label and its equation."""
    gap: str = " "
    """What stands between sentences."""
    spell: Callable[[int, Noun, str], str]
    """(number, noun counted, case) -> the number in words."""
    spelled_cases: tuple[str, ...] = ("", "acc")
    """The cases in which a number may be told in words: where numerals decline, the direct ones alone."""
    nouns: Mapping[str, Noun]
    """What the templates count by name: money, day, hour, child, ..."""
    things: tuple[Noun, ...]
    """What can be bought, owned and given away, one as well as the other."""
    persons: tuple[Person, ...]
    distractors: Mapping[str, tuple[str, ...]]
    """By scene: sentences that have nothing to do with the question, with a number {z}."""
    wordings: Mapping[str, Wording]

    def count(self, number: int, noun: Noun, case: str, style: Style) -> str:
        """A number with its noun, agreeing: "5 apples"."""
        spelled = style == "words" and case in self.spelled_cases and number <= SPELLED
        written = self.spell(number, noun, case) if spelled else figures(number, self.code)
        forms = noun.forms[case].split("|")
        place = CATEGORIES[self.code].index(plural(number, self.code))
        form = forms[min(place, len(forms) - 1)]  # a form that serves all categories is given once
        return self.pattern.format(number=written, noun=form, classifier=noun.classifier)

    def cost(self, number: int) -> str:
        """A price with its symbol: "$3.00"."""
        return unbreak(self.price).format(number=figures(number, self.code, self.cents))


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in a text of a language; `bound` are the nouns of this problem (thing, other)."""

    number: int
    language: Language
    style: Style
    bound: Mapping[str, Noun]

    def __format__(self, spec: str) -> str:
        """ "": bare digits, for equations; "#": figures as the language writes them; "noun" or "noun.case": counted."""
        if spec == "":
            return str(self.number)
        if spec == "#":
            return figures(self.number, self.language.code)
        name, _, case = spec.partition(".")
        if name == "money" and self.style == "prices":
            return self.language.cost(self.number)
        noun = self.bound.get(name) or self.language.nouns[name]
        return self.language.count(self.number, noun, case, self.style)
