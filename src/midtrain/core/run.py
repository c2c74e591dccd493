"""A run is what takes long and can be watched, stopped and killed: a directory of plain files.

    run.json          what was asked, and its fingerprint
    decisions.jsonl   what changed the run from inside; never cut
    lock              held (flock) by the one process that works on it
    journal.jsonl     append-only: metrics, events, decisions, one JSON object a line
    control.json      what a person asked of it: {"stop": true}, {"remix": {"web": 0.4, "code": 0.6}}
    checkpoints/      step-00000040/, ... each an Artifact
    manifest.json     written at the end: from then on the run is an Artifact too

Resuming takes the newest checkpoint that is whole and truncates the journal to it, so the journal of a run that was
killed twenty times reads like that of one that was not. For that to be checkable, every field that time decides (a
clock, a speed) lies under the key "clock", and nowhere else.

A decision (whatever changes a run from inside: a remix, a skipped spike) is written ahead, before it takes effect, to
a file that resuming does not cut: a run killed after a decision applies the same one when it gets to that step again,
without asking anew. The digest of the decisions is part of the data state.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from midtrain.core.artifact import (
    MANIFEST,
    Artifact,
    Draft,
    artifact_fingerprint,
    make_artifact,
    remove_unfinished,
    write_atomically,
    write_manifest,
)
from midtrain.core.errors import UserError, disk_errors
from midtrain.core.fingerprint import canonical, fingerprint

_IDENTITY = "run.json"
_JOURNAL = "journal.jsonl"
_DECISIONS = "decisions.jsonl"
_CONTROL = "control.json"
_LOCK = "lock"


class Journal:
    """The append-only record of a run. Entries are dicts with `kind` and `step`; `clock` holds what time decides."""

    def __init__(self, path: Path | str):
        self.path = Path(path)

    def append(self, kind: str, step: int, clock: Mapping[str, Any] | None = None, **fields: Any) -> None:
        """Add one line and flush it. `kind` is metrics, event or decision (decisions through `Run.decide`)."""
        entry = {"kind": kind, "step": step, **fields, "clock": {"time": round(time.time(), 3), **(clock or {})}}
        line = json.dumps(entry, ensure_ascii=False, allow_nan=False) + "\n"
        with disk_errors(self.path), open(self.path, "a+b") as file:
            # A kill may have cut the last line: the new entry must not become part of it.
            if file.seek(0, os.SEEK_END) and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                line = "\n" + line
            file.write(line.encode())

    def sync(self) -> None:
        """Make what was written survive a power cut."""
        if self.path.exists():
            with open(self.path, "rb") as file:
                os.fsync(file.fileno())

    def read(self, kind: str | None = None) -> list[dict[str, Any]]:
        """All whole entries, oldest first; a last line cut by a kill is not one."""
        entries = []
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return []
        for line in raw.split(b"\n"):
            try:
                entry = json.loads(line)
            except (json.JSONDecodeError, UnicodeDecodeError):
                continue
            if isinstance(entry, dict) and (kind is None or entry.get("kind") == kind):
                entries.append(entry)
        return entries

    def truncate(self, size: int) -> None:
        """Cut the journal to its first `size` bytes (what a checkpoint recorded of it)."""
        if self.path.exists() and self.path.stat().st_size > size:
            with open(self.path, "r+b") as file:
                file.truncate(size)
                os.fsync(file.fileno())

    def size(self) -> int:
        """Bytes written so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def timeless(self) -> list[dict[str, Any]]:
        """The entries without their clocks: what two runs of the same recipe must agree on."""
        return [{key: value for key, value in entry.items() if key != "clock"} for entry in self.read()]


class Run:
    """A run directory opened for work by this process; use as a context manager."""

    def __init__(self, path: Path | str, *, kind: str, version: int, asked: Any, inputs: Mapping[str, str]):
        self.path = Path(path)
        self.kind, self.version, self.asked, self.inputs = kind, version, canonical(asked), dict(inputs)
        self.fingerprint = artifact_fingerprint(kind, version, asked, inputs)
        self.journal = Journal(self.path / _JOURNAL)
        self._lock: int | None = None

    def __enter__(self) -> Run:
        with disk_errors(self.path):
            (self.path / "checkpoints").mkdir(parents=True, exist_ok=True)
            self._lock = lock_file(self.path / _LOCK, f"{self.path} is being worked on")
            identity = self.path / _IDENTITY
            if identity.exists():
                try:
                    self._require_own(identity)
                except UserError:
                    self.__exit__()
                    raise
            else:
                write_atomically(
                    identity,
                    json.dumps({"fingerprint": self.fingerprint, "kind": self.kind, "asked": self.asked}, indent=1),
                )
            (self.path / _CONTROL).unlink(missing_ok=True)
        return self

    def _require_own(self, identity: Path) -> None:
        try:
            found = json.loads(identity.read_text())["fingerprint"]
        except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError):
            raise UserError(f"{identity} is damaged; remove {self.path} to make it anew.") from None
        if found != self.fingerprint:
            raise UserError(f"{self.path} belongs to another run ({found[:12]}); choose another folder.")

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def stop_requested(self) -> bool:
        """Whether someone asked this run to stop (see `request_stop`)."""
        return bool(_read_control(self.path).get("stop"))

    def remix_requested(self) -> dict[str, float] | None:
        """The weights someone asked this run to go on with (see `request_remix`), or None."""
        return _read_control(self.path).get("remix")

    def remix_answered(self) -> None:
        """Take the request for a remix off the list, once it is decided or refused."""
        _change_control(self.path, remix=None)

    def decisions(self) -> list[dict[str, Any]]:
        """Every decision ever made in this run: {step, from_block, change, reason}, in order."""
        return [
            {k: v for k, v in e.items() if k not in ("kind", "clock")} for e in Journal(self.path / _DECISIONS).read()
        ]

    def decide(self, step: int, from_block: int, change: dict[str, Any], reason: str) -> dict[str, Any]:
        """Write a decision ahead of its effect; if one was made at this step before a kill, that one is returned.

        Two decisions at one step are two when they change different things.
        """

        def is_it(other: Mapping[str, Any]) -> bool:
            return other["step"] == step and other["change"].keys() == change.keys()

        for made in self.decisions():
            if is_it(made):
                break
        else:
            made = {"step": step, "from_block": from_block, "change": canonical(change), "reason": reason}
            ahead = Journal(self.path / _DECISIONS)
            ahead.append("decision", **made)
            ahead.sync()
        if not any(is_it(entry) for entry in self.journal.read("decision")):
            self.journal.append("decision", **made)
        return made

    @contextmanager
    def checkpoint(self, step: int) -> Iterator[Draft]:
        """Write checkpoint `step` as an Artifact; the journal's size is recorded so that resuming can cut it there."""
        path = self.checkpoint_path(step)
        with make_artifact(path, kind="checkpoint", asked={"step": step}, inputs={"run": self.fingerprint}) as draft:
            self.journal.sync()
            draft.facts["journal_bytes"] = self.journal.size()
            yield draft

    def checkpoints(self) -> list[tuple[int, Artifact]]:
        """All whole checkpoints as (step, artifact), oldest first; damaged ones are passed over."""
        found = []
        for path in sorted((self.path / "checkpoints").glob("step-*")):
            try:
                artifact = Artifact.open(path)
                artifact.verify()
            except UserError:
                continue
            found.append((int(path.name.removeprefix("step-")), artifact))
        return found

    def resume(self) -> tuple[int, Artifact] | None:
        """The newest whole checkpoint, with the journal cut back to it; None (journal emptied) when there is none."""
        for path in (self.path / "checkpoints").glob("step-*"):
            remove_unfinished(path)
        found = self.checkpoints()
        if not found:
            self.journal.truncate(0)
            return None
        step, artifact = found[-1]
        self.journal.truncate(artifact.manifest["facts"]["journal_bytes"])
        return step, artifact

    def keep_checkpoints(self, last: int, hold: int | None = None) -> None:
        """Remove all but the newest `last` checkpoints (the newest is known to be readable) and that of step `hold`."""
        for step, artifact in self.checkpoints()[:-last]:
            if step != hold:
                shutil.rmtree(artifact.path)

    def seal(self, draft: Draft) -> Artifact:
        """Finish the run: its manifest is written and it is an Artifact from now on."""
        draft.path = self.path
        (self.path / _CONTROL).unlink(missing_ok=True)
        for left in (self.path / "checkpoints").glob(".making-*"):
            shutil.rmtree(left, ignore_errors=True)
        write_manifest(draft, kind=self.kind, version=self.version, asked=self.asked, inputs=self.inputs)
        return Artifact.open(self.path)

    def checkpoint_path(self, step: int) -> Path:
        """Where checkpoint `step` lies, once it is written."""
        return self.path / "checkpoints" / f"step-{step:08d}"


def request_stop(path: Path | str) -> None:
    """Ask the run at `path` to save a checkpoint and stop."""
    _change_control(Path(path), stop=True)


def request_remix(path: Path | str, weights: Mapping[str, float]) -> None:
    """Ask the run at `path` to go on with other mixture weights from its next block."""
    _change_control(Path(path), remix=dict(weights))


def _read_control(path: Path) -> dict[str, Any]:
    """What is asked of the run at `path`; nothing when no file says so, or one that is only half there."""
    try:
        asked = json.loads((path / _CONTROL).read_text())
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
        return {}  # written by hand, it is read again after the next step: training must not end of a typing mistake
    return asked if isinstance(asked, dict) else {}


def _change_control(path: Path, **asked: Any) -> None:
    """Add to what is asked of a run, or take away what is None."""
    asked = {key: value for key, value in {**_read_control(path), **asked}.items() if value is not None}
    if asked:
        write_atomically(path / _CONTROL, json.dumps(asked))
    else:
        (path / _CONTROL).unlink(missing_ok=True)


def is_sealed(path: Path | str) -> bool:
    """Whether the run at `path` is finished."""
    return (Path(path) / MANIFEST).exists()


def decisions_digest(decisions: list[dict[str, Any]]) -> str:
    """One name for everything that changed a run from inside; part of its data state."""
    return fingerprint(decisions)


def lock_file(path: Path, message: str) -> int:
    """Hold `path` exclusively until the returned handle is closed; UserError when another process has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    for patience in (0.05, 0.05, 0.05, 0.0):  # `is_locked` holds it for an instant
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            time.sleep(patience)
    else:
        owner = os.pread(handle, 32, 0).decode(errors="replace").strip()
        os.close(handle)
        raise UserError(f"{message} by process {owner or 'unknown'}; wait for it or stop it first.")
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle


def is_locked(path: Path) -> bool:
    """Whether a process holds `path` with `lock_file`; nothing is written, and others who ask do not count."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
