"""Generating problems: a walk through each family's numbered problems, dealt out in turn.

    config -> cells (family x difficulty), each with its share of the count
           -> each cell: keyed permutation of its numbers -> operands -> this side of the split? -> pose -> Problem
           -> one from each cell in turn, until all shares are given out

Distinct by construction, the same for the same settings, and a longer list begins with the shorter one. A cell that
cannot give its share is an error before the first problem, and says how many it has.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from midtrain.core.errors import UserError, did_you_mean
from midtrain.core.permutation import Permutation, derive_key
from midtrain.verify.config import ProblemsConfig
from midtrain.verify.generators import arithmetic, lists, logic, stories
from midtrain.verify.generators.family import Digits, Family, Operands
from midtrain.verify.problem import Problem

_FAMILIES = {
    family.name: family for family in (*arithmetic.FAMILIES, *stories.FAMILIES, *lists.FAMILIES, *logic.FAMILIES)
}
_CHUNK = 256
_PLENTY = 32  # a cell with fewer numbers than this for each wanted problem is counted before any problem is given out


@dataclass(frozen=True, slots=True)
class _Cell:
    """One family at one difficulty on one side of the split, in a seed's order."""

    family: Family
    difficulty: int
    split: str
    templates: tuple[str, ...]
    seed: int

    @property
    def size(self) -> int:
        return self.family.size(self.difficulty) * len(self.templates)

    def walk(self) -> Iterator[tuple[int, str, Operands, str]]:
        """(number, template, operands, group) of every problem of the cell, each once."""
        order = Permutation(self.size, derive_key(self.seed, "problems", self.family.name, self.difficulty))
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

    def problems(self, steps: bool) -> Iterator[Problem]:
        """Every problem of the cell, put into words."""
        for number, template, operands, group in self.walk():
            wording = Digits(derive_key(self.seed, "wording", self.family.name, self.difficulty, number))
            posed = self.family.pose(operands, wording)
            prompt = template.format(**posed.fields)
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
    share, rest = divmod(config.count, len(cells))
    shares = [share + (place < rest) for place in range(len(cells))]
    for cell, wanted in zip(cells, shares, strict=True):
        if wanted * _PLENTY > cell.size:
            _check(cell, wanted)
    return _deal([cell.problems(config.steps) for cell in cells], config.count)


def _deal(sources: list[Iterator[Problem]], count: int) -> Iterator[Problem]:
    for place in range(count):
        yield next(sources[place % len(sources)])


def _cells(config: ProblemsConfig) -> list[_Cell]:
    named = _FAMILIES if config.families == "all" else dict.fromkeys(config.families)
    cells = []
    for name in named:
        family = _FAMILIES.get(name)
        if family is None:
            raise UserError(f'There is no family of problems "{name}".{did_you_mean(name, _FAMILIES)}')
        if config.split not in family.splits:
            if config.families == "all":
                continue
            raise UserError(f'The family "{name}" is held out of training; ask for it with split: evaluation.')
        templates = family.templates if config.wording == "seen" else family.held_out_templates
        for difficulty in sorted(set(config.difficulty)):
            cells.append(_Cell(family, difficulty, config.split, templates, config.seed))
    return cells


def _check(cell: _Cell, wanted: int) -> None:
    found = sum(1 for _ in itertools.islice(cell.walk(), wanted))
    if found < wanted:
        raise UserError(
            f'The family "{cell.family.name}" has {found:,} distinct problems of difficulty {cell.difficulty} for '
            f"{cell.split}, and its share of the count is {wanted:,}; lower count, add difficulties or leave it out."
        )
