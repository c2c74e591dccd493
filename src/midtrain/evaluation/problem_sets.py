"""The problems of an evaluation: generated, or read from a file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

from midtrain.core.errors import UserError
from midtrain.core.fingerprint import file_digest
from midtrain.evaluation.config import ProblemFileConfig, ProblemSetConfig
from midtrain.verify.files import read_problems
from midtrain.verify.generate import generate
from midtrain.verify.problem import Problem


def problems_of(config: ProblemSetConfig | ProblemFileConfig) -> Iterator[Problem]:
    """The problems of a set, in order."""
    if isinstance(config, ProblemFileConfig):
        return itertools.islice(read_problems(Path(config.read).expanduser()), config.count)
    return generate(config)


def file_digests(problems: Mapping[str, ProblemSetConfig | ProblemFileConfig]) -> dict[str, str]:
    """The digest of each set's file, which enters the fingerprint of what is measured with it."""
    digests = {}
    for name, config in problems.items():
        if isinstance(config, ProblemFileConfig):
            path = Path(config.read).expanduser()
            if not path.is_file():
                raise UserError(f"evaluation.problems.{name}.read: there is no file {path}; give a file of problems.")
            digests[name] = file_digest(path)
    return digests
