"""Generating problems: a walk through each family's numbered problems, dealt out in turn.

    config -> cells (family x language x difficulty), each with its share of the count
           -> each cell: keyed permutation of its numbers -> operands -> this side of the split? -> pose -> Problem
           -> one from each cell in turn, until all shares are given out

Distinct by construction, the same for the same settings, and a longer list begins with the shorter one. A family asked
for by its name that cannot give its share is an error before the first problem, which says how many it has; of a set,
small families give what they have and the others the rest.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from midtrain.core.errors import UserError, did_you_mean
from midtrain.core.permutation import Permutation, derive_key
from midtrain.verify.config import ProblemsConfig
from midtrain.verify.generators import (
    algebra,
    arithmetic,
    calculation,
    chance,
    counting,
    dependencies,
    economics,
    lists,
    logic,
    measures,
    physics,
    programs,
    puzzles,
    rationals,
    sequences,
    stories,
    worded,
)
from midtrain.verify.generators.family import Digits, Family, Operands, told
from midtrain.verify.problem import Problem

SETS: dict[str, tuple[Family, ...]] = {
    "primer": (*arithmetic.FAMILIES, *stories.FAMILIES, *lists.FAMILIES, *logic.FAMILIES),
    "calculation": calculation.FAMILIES,
    "rationals": rationals.FAMILIES,
    "algebra": algebra.FAMILIES,
    "dependencies": dependencies.FAMILIES,
    "puzzles": puzzles.FAMILIES,
    "measures": measures.FAMILIES,
    "sequences": sequences.FAMILIES,
    "counting": counting.FAMILIES,
    "chance": chance.FAMILIES,
    "economics": economics.FAMILIES,
    "physics": physics.FAMILIES,
    "programs": programs.FAMILIES,
    "worded": worded.FAMILIES,
}
"""Families by subject. "primer" is the easiest of arithmetic, lists and logic; its problems never change."""

_FAMILIES = {family.name: family for some in SETS.values() for family in some}
assert len(_FAMILIES) == sum(map(len, SETS.values())), "two families of one name"
assert not {"all", *SETS} & set(_FAMILIES), "a family is called as a set is"
_CHUNK = 256
_PLENTY = 1024  # a cell with fewer numbers than this for each wanted problem is counted before any is given out:
# no family's numbers name problems more rarely than one in 128, an eighth of which is on the smaller side of the split


@dataclass(frozen=True, slots=True)
class _Cell:
    """One family in one language at one difficulty on one side of the split, in a seed's order."""

    family: Family
    lang: str
    difficulty: int
    split: str
    templates: tuple[str, ...]
    seed: int

    @property
    def size(self) -> int:
        return self.family.size(self.difficulty) * len(self.templates)

    def walk(self) -> Iterator[tuple[int, str, Operands, str]]:
        """(number, template, operands, group) of every problem of the cell, each once."""
        order = Permutation(self.size, self._key("problems"))
        for start in range(0, self.size, _CHUNK):
            numbers = order(np.arange(start, min(start + _CHUNK, self.size)))
            assert isinstance(numbers, np.ndarray)
            for number in numbers.tolist():
                digits = Digits(number)
                template = digits.choose(self.templates)
                operands = self.family.operands(self.difficulty, digits)
                if operands is None:
                    continue
                split, group = self.family.place(operands)
                if split == self.split:
                    yield number, template, operands, group

    def _key(self, purpose: str, *more: int) -> int:
        """A key of this cell; another language draws other problems."""
        lang = () if self.lang == "en" else (self.lang,)
        return derive_key(self.seed, purpose, self.family.name, self.difficulty, *more, *lang)

    def problems(self, steps: bool) -> Iterator[Problem]:
        """Every problem of the cell, put into words."""
        for number, template, operands, group in self.walk():
            posed = self.family.pose(operands, Digits(self._key("wording", number)))
            prompt = told(template, posed.fields)
            yield Problem(
                prompt=prompt,
                gold=posed.gold,
                verifier=self.family.verifier,
                arguments=posed.arguments,
                parts={"question": prompt, "answer": posed.gold, "passage": posed.passage},
                family=self.family.name,
                difficulty=self.difficulty,
                split=self.split,
                group=group,
                steps=posed.steps if steps else (),
                lang=self.lang,
            )


def families() -> dict[str, Family]:
    """Every family by name; `.description` and `.splits` are what a person chooses by."""
    return dict(_FAMILIES)


def generate(config: ProblemsConfig) -> Iterator[Problem]:
    """The problems that `config` asks for: `config.count` distinct ones, in a fixed order.

    Raises UserError, before the first problem, for an unknown family, one without problems in the split, or a share
    larger than what exists.
    """
    cells = _cells(config)
    _check(cells, config)
    return itertools.islice(_deal([cell.problems(config.steps) for cell in cells]), config.count)


def _deal(sources: list[Iterator[Problem]]) -> Iterator[Problem]:
    """One of each in turn, of those that have any left."""
    while sources:
        left = []
        for source in sources:
            for problem in itertools.islice(source, 1):
                yield problem
                left.append(source)
        sources = left


def _cells(config: ProblemsConfig) -> list[_Cell]:
    cells = []
    for family in _chosen(config):
        for lang in dict.fromkeys(config.languages):
            if lang in family.langs:
                told = family.in_language(lang)
                templates = told.templates if config.wording == "seen" else told.held_out_templates
                for difficulty in sorted(set(config.difficulty)):
                    cells.append(_Cell(told, lang, difficulty, config.split, templates, config.seed))
    if not cells:
        raise UserError(
            f"No family of {config.families} has problems for {config.split} in {', '.join(config.languages)}; "
            f"name other families or languages."
        )
    return cells


def _chosen(config: ProblemsConfig) -> list[Family]:
    """The families asked for by name, and those of the sets asked for that can give any, each once."""
    named = [config.families] if isinstance(config.families, str) else config.families
    langs = {lang for family in _FAMILIES.values() for lang in family.langs}
    for lang in config.languages:
        if lang not in langs:
            raise UserError(f'No problems are told in the language "{lang}".{did_you_mean(lang, langs)}')
    chosen: dict[str, Family] = {}
    for name in named:
        family = _FAMILIES.get(name)
        if family is None:
            some = _FAMILIES.values() if name == "all" else SETS.get(name)
            if some is None:
                raise UserError(
                    f'There is no family of problems "{name}".{did_you_mean(name, ["all", *SETS, *_FAMILIES])}'
                )
            chosen |= {one.name: one for one in some if config.split in one.splits}
        elif config.split not in family.splits:
            raise UserError(f'The family "{name}" is held out of training; ask for it with split: evaluation.')
        elif not set(config.languages) & set(family.langs):
            raise UserError(f'The family "{name}" is told in {", ".join(family.langs)} only; add one to languages.')
        else:
            chosen[name] = family
    return list(chosen.values())


def _check(cells: list[_Cell], config: ProblemsConfig) -> None:
    """Raise UserError where a named family cannot give its share, or all together not the count."""
    named = set(config.families) if isinstance(config.families, list) else {config.families}
    share, rest = divmod(config.count, len(cells))
    for place, cell in enumerate(cells):
        wanted = share + (place < rest)
        if cell.family.name in named and (found := _supply(cell, wanted)) < wanted:
            raise UserError(
                f'The family "{cell.family.name}" has {found:,} distinct problems of difficulty {cell.difficulty} for '
                f"{cell.split}, and its share of the count is {wanted:,}; "
                "lower count, add difficulties or leave it out."
            )
    found = 0
    for cell in sorted(cells, key=lambda cell: -cell.size):
        found += _supply(cell, config.count - found)
        if found >= config.count:
            return
    raise UserError(f"These families have {found:,} distinct problems for {config.split}; lower count or add some.")


def _supply(cell: _Cell, wanted: int) -> int:
    """How many of `wanted` problems the cell has; a large cell has them all, and is not counted."""
    return wanted if wanted * _PLENTY <= cell.size else sum(1 for _ in itertools.islice(cell.walk(), wanted))
