"""An artifact is a directory made once: it exists whole, or not at all.

It is written under a temporary name, every file fsynced and digested, and renamed into place. Its manifest says what
was asked (the fields that decide the content), from which inputs (their fingerprints), by which VERSION of the step,
and what came of it: counts, drops by reason, samples, digests, library versions. The fingerprint covers the first
three, so it is known before the work is done, and a step whose artifact exists need not run.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import IO, Any

from midtrain.core.errors import UserError, disk_errors
from midtrain.core.fingerprint import canonical, file_digest, fingerprint

MANIFEST = "manifest.json"
_TEMPORARY = ".making-"
_WORK = ".work-"
_RECORDED = {"fingerprint", "version", "asked", "inputs", "counts", "drops", "facts", "files"}
_LIBRARIES = ("midtrain", "torch", "transformers", "tokenizers", "gigatoken", "numpy", "pyarrow")


@dataclass(frozen=True)
class Artifact:
    """A finished directory and its manifest."""

    path: Path
    manifest: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """The name of what was asked, its inputs and the step's version."""
        return self.manifest["fingerprint"]

    @property
    def counts(self) -> dict[str, Any]:
        """Numbers the maker recorded (rows, tokens, bytes)."""
        return self.manifest["counts"]

    @classmethod
    def open(cls, path: Path | str) -> Artifact:
        """Open a finished artifact; raises UserError when there is none or its manifest cannot be read."""
        path = Path(path)
        try:
            manifest = json.loads((path / MANIFEST).read_text())
            missing = _RECORDED - manifest.keys()
        except FileNotFoundError:
            raise UserError(f"{path} is not a finished artifact (no {MANIFEST}); run the step that makes it.") from None
        except (json.JSONDecodeError, AttributeError, UnicodeDecodeError):
            missing = _RECORDED
        if missing:
            raise UserError(f"{path / MANIFEST} is damaged; remove {path} and run again.")
        return cls(path, manifest)

    def verify(self) -> None:
        """Digest every file again; raises UserError naming the first that is missing or altered."""
        for name, facts in self.manifest["files"].items():
            file = self.path / name
            if not file.is_file():
                raise UserError(f"{file} is missing; remove {self.path} and run again.")
            if file.stat().st_size != facts["bytes"] or file_digest(file) != facts["digest"]:
                raise UserError(
                    f"{file} is not what was written (its digest differs); remove {self.path} and run again."
                )


@dataclass
class Draft:
    """An artifact in the making: write files under `path`, and record what happened."""

    path: Path
    work: Path | None = None
    """Where finished pieces of a long work may lie (see core/parallel.py): it outlives a killed maker, and goes when
    the artifact is sealed. What is under it must depend on nothing but what was asked and its place there."""
    counts: dict[str, Any] = field(default_factory=dict)
    drops: dict[str, int] = field(default_factory=dict)
    samples: dict[str, list[Any]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def drop(self, reason: str, sample: Any = None, keep: int = 5) -> None:
        """Count one dropped row by `reason`, keeping the first few samples."""
        self.drops[reason] = self.drops.get(reason, 0) + 1
        kept = self.samples.setdefault(f"dropped: {reason}", [])
        if sample is not None and len(kept) < keep:
            kept.append(sample)


def artifact_fingerprint(kind: str, version: int, asked: Any, inputs: Mapping[str, str]) -> str:
    """The fingerprint of an artifact before it is made. `inputs` are name -> fingerprint."""
    return fingerprint({"kind": kind, "version": version, "asked": asked, "inputs": dict(inputs)})


@contextmanager
def make_artifact(
    path: Path | str, *, kind: str, version: int = 1, asked: Any = None, inputs: Mapping[str, str] | None = None
) -> Iterator[Draft]:
    """Make an artifact at `path`: yields a `Draft`, and renames it into place when the block ends without error.

    On an error nothing is left behind but what the maker keeps under `Draft.work`; a killed process also leaves a
    `.making-` folder that the next one removes.
    """
    path = Path(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(path)
        temporary = path.parent / f"{_TEMPORARY}{path.name}-{uuid.uuid4().hex[:8]}"
        temporary.mkdir()
        work = path.parent / f"{_WORK}{artifact_fingerprint(kind, version, asked, inputs or {})}"
        draft = Draft(temporary, work)
        try:
            yield draft
            write_manifest(draft, kind=kind, version=version, asked=asked, inputs=inputs or {})
            _put_in_place(temporary, path)
            shutil.rmtree(work, ignore_errors=True)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def _put_in_place(temporary: Path, path: Path) -> None:
    """Rename a finished folder to `path`; what lies there (a damaged artifact, half removed) goes only then."""
    aside = temporary.with_name(f"{temporary.name}-old")
    if path.is_dir():  # a rename does not replace a folder that holds something
        os.replace(path, aside)
    os.replace(temporary, path)
    fsync_directory(path.parent)
    shutil.rmtree(aside, ignore_errors=True)


def write_manifest(draft: Draft, *, kind: str, version: int, asked: Any, inputs: Mapping[str, str]) -> None:
    """Digest and fsync what lies in the draft and write its manifest, which seals it."""
    files: dict[str, Any] = {}
    for file in sorted(draft.path.rglob("*")):
        if file.is_file() and file.name != MANIFEST:
            with open(file, "rb") as handle:
                os.fsync(handle.fileno())
            files[str(file.relative_to(draft.path))] = {"bytes": file.stat().st_size, "digest": file_digest(file)}
    manifest = {
        "kind": kind,
        "version": version,
        "fingerprint": artifact_fingerprint(kind, version, asked, inputs),
        "asked": canonical(asked),
        "inputs": dict(inputs),
        "counts": draft.counts,
        "drops": draft.drops,
        "samples": draft.samples,
        "facts": draft.facts,
        "files": files,
        "libraries": library_versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_atomically(draft.path / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False))


@cache
def library_versions() -> dict[str, str]:
    """The versions of the libraries that can change a result."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def remove_unfinished(path: Path) -> None:
    """Remove what a killed maker of `path` left behind."""
    for left in path.parent.glob(f"{_TEMPORARY}{path.name}-*"):
        shutil.rmtree(left, ignore_errors=True)


def write_atomically(path: Path | str, text: str | bytes) -> None:
    """Write a small file so that it is either the old one or the new one, never half."""
    with atomic_file(path) as file:
        file.write(text.encode() if isinstance(text, str) else text)


@contextmanager
def atomic_file(path: Path | str) -> Iterator[IO[bytes]]:
    """A file to write to that takes the place of `path` when the block ends well, and leaves no trace when not."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with disk_errors(path):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except FileNotFoundError:  # what /proc answers
                raise UserError(f"{path} cannot be made; choose another place.") from None
            with open(temporary, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            fsync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def fsync_directory(path: Path) -> None:
    """Make a rename inside `path` survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
