"""Problems in the forms that other tools read.

    text    documents: the problem and its worked solution as plain text
    chat    documents: a user message and an assistant message
    steps   process rewards: the solution's steps, right and wrong, each with whether it stands (`labels`)

A step is labelled by whether it and all before it are right: what follows the first error is worth nothing, even where
its own arithmetic holds (as in ProcessBench, where the place of the first error is what is predicted).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from midtrain.verify.files import line_file
from midtrain.verify.problem import Problem, to_document
from midtrain.verify.wrong_steps import corrupt

ExportForm = Literal["text", "chat", "steps"]


def export(problems: Iterable[Problem], form: ExportForm, path: Path, seed: int = 0) -> int:
    """Write problems as JSON lines in a form, whole or not at all; how many lines there were."""
    with line_file(path) as write:
        count = 0
        for row in rows(problems, form, seed):
            write(row)
            count += 1
    return count


def rows(problems: Iterable[Problem], form: ExportForm, seed: int = 0) -> Iterator[dict[str, Any]]:
    """The rows of a form; `seed` draws where the wrong solutions of "steps" go wrong."""
    for problem in problems:
        if form == "steps":
            yield from _steps(problem, seed)
        else:
            yield to_document(problem, form)


def _steps(problem: Problem, seed: int) -> Iterator[dict[str, Any]]:
    """The right solution, then a wrong one where there is one; nothing for a problem without steps."""
    if not problem.steps:
        return
    row = {"problem": problem.id, "prompt": problem.prompt, "license": problem.license, "lang": problem.lang}
    yield {**row, "steps": list(problem.steps), "labels": [True] * len(problem.steps), "kind": "right"}
    wrong = corrupt(problem, seed)
    if wrong is not None:
        labels = [place < wrong.first_error for place in range(len(wrong.steps))]
        yield {**row, "steps": list(wrong.steps), "labels": labels, "kind": wrong.kind}
