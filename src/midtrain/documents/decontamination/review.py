"""A person's verdicts on matches: a JSONL file that is written, answered line by line, and honoured by the drop.

    {"verdict": null, "document": ..., "item": ..., "part": "question", "benchmark": ..., "kind": ..., "excerpt": ...}

`accept` says that the match is contamination (its document is dropped), `reject` that it is a false alarm. A line may
be answered in any editor, or with `review`. A line without `part` speaks of the item in that document, one without
`document` of the item in every document, one with a benchmark only of all its items; the most particular line wins.
Matches are known by benchmark, item, document and part, so a verdict lives on when thresholds change, and when the scan
runs again over the frozen mixture.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from midtrain.core.errors import UserError, disk_errors

ACCEPT, REJECT = "accept", "reject"
_NAMES = ("benchmark", "item", "document", "part")
_SHOWN = ("source", "kind", "score", "numbers", "answer", "excerpt", "sought")

Key = tuple[str | None, ...]


class Verdicts:
    """Verdicts by match, item and benchmark."""

    def __init__(self, lines: Iterable[dict[str, Any]]):
        self._accepted = {_key(line): line["verdict"] == ACCEPT for line in lines if line.get("verdict")}

    def of(self, match: dict[str, Any]) -> bool | None:
        """True: contamination; False: a false alarm; None: nobody said."""
        names = _key(match)
        for known in (4, 3, 2, 1):
            key = (*names[:known], *(None,) * (4 - known))
            if key in self._accepted:
                return self._accepted[key]
        return None


def read_review(path: Path | str) -> list[dict[str, Any]]:
    """The lines of a review file. Raises UserError for a line that is no match, or a verdict nobody knows."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist; make it from the matches first, or correct `verdicts`.")
    lines = []
    for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n"), 1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict) or not isinstance(line.get("benchmark"), str):
            raise UserError(f"{path}, line {number} is no match (a JSON object with a benchmark); mend or remove it.")
        if line.get("verdict") not in (None, ACCEPT, REJECT):
            raise UserError(
                f'{path}, line {number}: the verdict "{line["verdict"]}" is unknown; write accept, reject or null.'
            )
        lines.append(line)
    return lines


def write_review(matches: Iterable[dict[str, Any]], path: Path | str) -> int:
    """Write the matches to a review file; verdicts already in it stay. Returns how many wait for one.

    Lines of matches that are no longer found stay too where they have a verdict.
    """
    old = {_key(line): line for line in read_review(path)} if Path(path).exists() else {}
    kept = {key: line for key, line in old.items() if line.get("verdict")}
    lines = dict(kept)
    for match in matches:
        key = _key(match)
        verdict = kept[key]["verdict"] if key in kept else None
        lines[key] = {"verdict": verdict} | {name: match.get(name) for name in (*_NAMES, *_SHOWN)}
    _write(lines.values(), Path(path))
    return sum(line.get("verdict") is None for line in lines.values())


def review(path: Path | str, ask: Callable[[str], str], show: Callable[[str], None]) -> int:
    """Go through the open lines of a review file, asking for each; returns how many stay open.

    Answers: a accept, r reject, s skip, q stop; A and R also answer the item's other open lines. Every answer is on the
    disk before the next question.
    """
    lines = read_review(path)
    for place, line in enumerate(lines):
        if line.get("verdict"):
            continue
        show(describe(line))
        while (
            answer := ask("accept, reject, skip, quit [a/r/s/q, A/R for all of this item] ").strip()
        ) not in _ANSWERS:
            show("Please answer a, r, s, q, A or R.")
        if answer == "q":
            break
        verdict = _ANSWERS[answer]
        if verdict is None:
            continue
        same = lines[place:] if answer.isupper() else [line]
        for other in same:
            if not other.get("verdict") and _key(other)[:2] == _key(line)[:2]:
                other["verdict"] = verdict
        _write(lines, Path(path))
    return sum(line.get("verdict") is None for line in lines)


_ANSWERS = {"a": ACCEPT, "A": ACCEPT, "r": REJECT, "R": REJECT, "s": None, "q": None}


def describe(line: dict[str, Any]) -> str:
    """A match for people: what it is, what the document says, what was sought."""

    def facts() -> Iterator[str]:
        yield f"{line['benchmark']}  {line.get('item')}  {line.get('part')}: {line.get('kind')}"
        shares = [f"{name} {line[name]:.2f}" for name in ("score", "numbers", "answer") if line.get(name) is not None]
        yield f"document {line.get('document')} of {line.get('source')}  {', '.join(shares)}"
        yield f"  says    {_one_line(line.get('excerpt'))}"
        yield f"  sought  {_one_line(line.get('sought'))}"

    return "\n".join(facts())


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _key(line: dict[str, Any]) -> Key:
    return tuple(line.get(name) for name in _NAMES)


def _write(lines: Iterable[dict[str, Any]], path: Path) -> None:
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(path.name + ".tmp")
        with open(draft, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
