"""Problems on the command line: made into a file, shown, exported."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from midtrain.core.config import parse
from midtrain.core.errors import UserError, did_you_mean
from midtrain.core.progress import progress
from midtrain.verify.config import ProblemsConfig
from midtrain.verify.export import ExportForm, export
from midtrain.verify.files import read_problems, write_problems
from midtrain.verify.generate import families, generate
from midtrain.verify.problem import Problem


def make_file(path: Path, asked: Mapping[str, Any]) -> int:
    """Write the problems that `asked` (the fields of ProblemsConfig) describes to a file; how many there are."""
    config = parse(ProblemsConfig, dict(asked), "The command line")
    with progress("problems", config.count, "problems") as shown:

        def counted() -> Any:
            for problem in generate(config):
                shown.advance()
                yield problem

        return write_problems(counted(), path)


def samples(name: str, count: int, lang: str | None) -> list[Problem]:
    """Some problems of a family, or the first of a file."""
    known = families()
    if name not in known:
        if not Path(name).is_file():
            raise UserError(f'"{name}" is neither a family of problems nor a file.{did_you_mean(name, known)}')
        return list(itertools.islice(read_problems(Path(name)), count))
    family = known[name]
    asked = {"families": [name], "count": count, "split": family.splits[0], "languages": [lang or family.langs[0]]}
    return list(generate(parse(ProblemsConfig, asked, "The command line")))


def export_file(problems: Path, form: str, to: Path, seed: int) -> int:
    """Write a file of problems in a form; how many rows there are."""
    for known in get_args(ExportForm):
        if form == known:
            return export(read_problems(problems), known, to, seed)
    raise UserError(f'There is no form "{form}".{did_you_mean(form, get_args(ExportForm))}')
