"""A person's verdicts on matches: a JSONL file that is written, answered line by line, and honoured by the drop.

    {"verdict": null, "document": ..., "item": ..., "part": "question", "benchmark": ..., "kind": ..., "excerpt": ...}

`accept` says that the match is contamination (its document is dropped), `reject` that it is a false alarm. A line may
be answered in any editor, or with `review`, which asks once for a passage, however many items it resembles: a benchmark
of siblings would ask the same question dozens of times. A line without `part` speaks of the item in that document, one
without `document` of the item in every document, one with a benchmark only of all its items; the most particular line
wins. Matches are known by benchmark, item, document and part, so a verdict lives on when thresholds change, and when
the scan runs again over the frozen mixture.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from midtrain.core.errors import UserError, disk_errors
from midtrain.documents.decontamination.config import KINDS

ACCEPT, REJECT = "accept", "reject"
_NAMES = ("benchmark", "item", "document", "part")
_SHOWN = ("source", "kind", "score", "numbers", "answer", "start", "end", "excerpt", "sought")
_LISTED = 6

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
    """Go through the open lines of a review file, asking once for each passage; returns how many lines stay open.

    Answers: a accept, r reject, s skip, q stop; A and R also answer the other open lines of the items found there.
    Every answer is on the disk before the next question.
    """
    lines = read_review(path)
    for passage in passages([line for line in lines if not line.get("verdict")]):
        passage = [line for line in passage if not line.get("verdict")]  # A and R may have answered some
        if not passage:
            continue
        show(describe(passage))
        while (
            answer := ask("accept, reject, skip, quit [a/r/s/q, A/R for all of these items] ").strip()
        ) not in _ANSWERS:
            show("Please answer a, r, s, q, A or R.")
        if answer == "q":
            break
        verdict = _ANSWERS[answer]
        if verdict is None:
            continue
        items = {_key(line)[:2] for line in passage}
        same = [line for line in lines if _key(line)[:2] in items] if answer.isupper() else passage
        for line in same:
            line["verdict"] = line.get("verdict") or verdict
        _write(lines, Path(path))
    return sum(line.get("verdict") is None for line in lines)


_ANSWERS = {"a": ACCEPT, "A": ACCEPT, "r": REJECT, "R": REJECT, "s": None, "q": None}


def passages(lines: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Lines that speak of one passage of a document, the surest first; the passages in the order of their first line.

    Two matches are of one passage when what they share is at least half of both together.
    """
    found: list[list[dict[str, Any]]] = []
    of_document: dict[str | None, list[list[dict[str, Any]]]] = {}
    for line in lines:
        known = of_document.setdefault(line.get("document"), [])
        passage = next((one for one in known if _same_passage(one[0], line)), None)
        if passage is None:
            passage = []
            known.append(passage)
            found.append(passage)
        passage.append(line)
    return [sorted(passage, key=_surest) for passage in found]


def _same_passage(one: dict[str, Any], other: dict[str, Any]) -> bool:
    start, end, first, last = (line.get(name) for line in (one, other) for name in ("start", "end"))
    if start is None or end is None or first is None or last is None:
        return False  # a line of a person's own, or of an older file
    return 2 * (min(end, last) - max(start, first)) >= max(end, last) - min(start, first)


def _surest(line: dict[str, Any]) -> tuple[int, float]:
    kind = line.get("kind")
    return KINDS.index(kind) if kind in KINDS else len(KINDS), -(line.get("score") or 0.0)


def describe(passage: list[dict[str, Any]]) -> str:
    """A passage for people: where it is, what the document says, what the surest match sought, and the other items."""
    first, *others = passage

    def facts() -> Iterator[str]:
        yield _item(first)
        yield f"document {first.get('document')} of {first.get('source')}"
        yield f"  says    {_one_line(first.get('excerpt'))}"
        yield f"  sought  {_one_line(first.get('sought'))}"
        if others:
            yield f"and {len(others)} more like it:"
            yield from (f"  {_item(line)}" for line in others[:_LISTED])
        if len(others) > _LISTED:
            yield f"  and {len(others) - _LISTED} others"

    return "\n".join(facts())


def _item(line: dict[str, Any]) -> str:
    shares = [f"{name} {line[name]:.2f}" for name in ("score", "numbers", "answer") if line.get(name) is not None]
    what = f"{line['benchmark']}  {line.get('item')}  {line.get('part')}: {line.get('kind')}"
    return f"{what}  {', '.join(shares)}".rstrip()


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
