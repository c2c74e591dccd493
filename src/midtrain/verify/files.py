"""Problems and answers in files: JSON lines, one object each, plain or gzipped (.gz).

A problem's line holds what `Problem` holds; `prompt`, `gold` and `verifier` are enough, and `id` may be any name. An
answer's line holds `completion` and either `problem` (an id of a problems file) or the problem itself beside it.
Whatever a line lacks is one sentence with its number; nothing is skipped in silence.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

from midtrain.core.artifact import atomic_file
from midtrain.core.errors import UserError, did_you_mean
from midtrain.core.fingerprint import fingerprint
from midtrain.verify.problem import Form, Problem
from midtrain.verify.verifiers.registry import find

_PROBLEM_FIELDS = tuple(field.name for field in fields(Problem))
_REQUIRED = ("prompt", "gold", "verifier")
_ANSWER_FIELDS = ("problem", "completion", "form", "truncated")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model wrote for a problem, and how it was asked."""

    problem: Problem
    completion: str
    form: Form = "chat"
    """"chat": the completion stands alone; "text": it continues the problem's `prompt_text()`."""
    truncated: bool = False
    """Whether the token budget ended it."""


def problem_row(problem: Problem) -> dict[str, Any]:
    """A problem as plain data, `id` first."""
    return {name: getattr(problem, name) for name in _PROBLEM_FIELDS}


def problem_of(row: Mapping[str, Any], where: str) -> Problem:
    """A problem from a line's object; UserError, beginning with `where`, for what is missing or of the wrong type."""
    for name in _REQUIRED:
        if not isinstance(row.get(name), str):
            raise UserError(f'{where} has no "{name}" (a text); a problem needs {", ".join(_REQUIRED)}.')
    find(row["verifier"], where)
    arguments, steps = row.get("arguments", {}), row.get("steps", ())
    parts = row.get("parts") or {"question": row["prompt"], "answer": row["gold"], "passage": None}
    if not isinstance(arguments, dict) or not isinstance(parts, dict) or not isinstance(steps, (list, tuple)):
        raise UserError(f"{where}: `arguments` and `parts` must be objects and `steps` a list of lines.")
    content = fingerprint([row["prompt"], row["gold"]])
    return Problem(
        prompt=row["prompt"],
        gold=row["gold"],
        verifier=row["verifier"],
        arguments=arguments,
        parts=parts,
        family=str(row.get("family", "file")),
        difficulty=int(row.get("difficulty", 1)),
        split=str(row.get("split", "evaluation")),
        group=str(row.get("group", f"file:{content}")),
        steps=tuple(str(step) for step in steps),
        license=str(row.get("license", "")),
        lang=str(row.get("lang", "en")),
    )


def read_problems(path: Path) -> Iterator[Problem]:
    """The problems of a file, in order."""
    for where, row in _rows(path):
        _known(row, _PROBLEM_FIELDS, where)
        yield problem_of(row, where)


def write_problems(problems: Iterable[Problem], path: Path) -> int:
    """Write problems as JSON lines, whole or not at all; how many there were."""
    with line_file(path) as write:
        count = 0
        for problem in problems:
            write(problem_row(problem))
            count += 1
    return count


def read_answers(path: Path, problems: Path | None) -> Iterator[Answer]:
    """The answers of a file, in order, each with its problem, from its own line or from the file `problems`."""
    known = _by_id(problems) if problems else {}
    for where, row in _rows(path):
        _known(row, (*_ANSWER_FIELDS, *_PROBLEM_FIELDS), where)
        if not isinstance(row.get("completion"), str):
            raise UserError(f'{where} has no "completion" (a text), which is what is judged.')
        form = row.get("form", "chat")
        if form not in get_args(Form):
            raise UserError(f"{where}: form is {form!r}; it must be one of {', '.join(get_args(Form))}.")
        if "problem" not in row:
            problem = problem_of({"prompt": "", **row}, where)
        elif row["problem"] in known:
            problem = known[row["problem"]]
        else:
            mend = f"is not in {problems}" if problems else "needs a file of problems; name it with --problems"
            raise UserError(f"{where}: the problem {row['problem']!r} {mend}.")
        yield Answer(problem, row["completion"], form, bool(row.get("truncated", False)))


def _by_id(path: Path) -> dict[Any, Problem]:
    """The problems of a file by their ids, and by the names that the file gives them."""
    known: dict[Any, Problem] = {}
    for where, row in _rows(path):
        _known(row, _PROBLEM_FIELDS, where)
        problem = problem_of(row, where)
        known[row.get("id", problem.id)] = known[problem.id] = problem
    return known


@contextmanager
def line_file(path: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Gives a function that writes one object as a line; the file is there when the block ends well, else never."""
    with atomic_file(path) as file:
        packed = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) if path.suffix == ".gz" else None
        target = packed or file

        def write(row: Mapping[str, Any]) -> None:
            target.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")

        yield write
        if packed is not None:
            packed.close()


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, object) of each line that is not blank."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    where = f"{path} line {number}"
                    yield where, _object(line, where)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}); give a file of JSON lines.") from error


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not JSON ({error}).") from error
    if not isinstance(row, dict):
        raise UserError(f"{where} is not a JSON object.")
    return row


def _known(row: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    for name in row:
        if name not in names:
            raise UserError(f'{where} has the unknown field "{name}".{did_you_mean(name, names)}')
