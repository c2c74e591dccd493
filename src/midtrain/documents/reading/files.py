"""Which files a source means, in an order that depends on their names only.

A folder is read with its subfolders and takes what is documents by its suffix; a glob or a file takes what is named,
and a suffix nobody knows is then an error, not a silence. A file's `name` is its path below the folder (or below the
fixed part of the glob), so that moving a data set does not change its groups or its identity.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from midtrain.core.errors import UserError
from midtrain.documents.reading.python_address import SCHEME
from midtrain.documents.reading.remote_address import is_remote

if TYPE_CHECKING:
    import pyarrow as pa

    from midtrain.documents.reading.remote import RemoteFile

_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_FORMATS = {
    "parquet": (".parquet", ".pq"),
    "jsonl": (".jsonl", ".ndjson", ".json"),
    "text": (".txt", ".text", ".md", ".markdown", ".rst"),
    "html": (".html", ".htm", ".xhtml"),
    "warc": (".warc",),
    "arrow": (".arrow",),
}
_IN_FOLDERS = tuple(s for suffixes in _FORMATS.values() for s in suffixes if s != ".json")
"""Folders hold .json files that are not documents (manifests, settings); name those by a glob."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a source."""

    path: Path | str
    """A path of this machine, or an address."""
    name: str
    """Path below the entry that named it, with forward slashes."""
    format: str
    """parquet, jsonl, text, html, warc or arrow."""
    compression: str | None
    """gzip, zstd or None."""
    remote: RemoteFile | None = None
    """How to reach a file that lies elsewhere."""

    def open(self) -> pa.NativeFile:
        """The file as it is stored, for reading from anywhere in it."""
        import pyarrow as pa

        return self.remote.open() if self.remote is not None else pa.OSFile(str(self.path), "rb")

    def stamp(self) -> list[str | int]:
        """[size, time of change or ETag]: what tells, without reading it, that the content is another."""
        if self.remote is not None:
            return [self.remote.size, self.remote.token]
        facts = os.stat(self.path)
        return [facts.st_size, facts.st_mtime_ns]


def files_by_entry(entries: Iterable[str], format: str = "auto") -> Iterator[tuple[str, list[SourceFile] | None]]:
    """(entry, its files) for every entry, each file under the first that names it; None for python:// addresses.

    Raises UserError for an entry that names no file.
    """
    taken: set[Path | str] = set()
    for entry in entries:
        if entry.startswith(SCHEME):
            yield entry, None
            continue
        if is_remote(entry):
            files = _remote_files(entry, format)
        else:
            files = [_source_file(path, name, format) for path, name in _expand(entry)]
        if not files:
            raise UserError(
                f"{entry} holds no documents; files in a folder must end with {', '.join(_IN_FOLDERS)}, "
                f"these also with .gz or .zst: rename them, or name them by a glob and say their `format`."
                if os.path.isdir(os.path.expanduser(entry))
                else f"{entry} matches no file; correct `read`, or make the files first."
            )
        new = [file for file in files if _key(file) not in taken]
        taken.update(_key(file) for file in new)
        yield entry, new


def _key(file: SourceFile) -> Path | str:
    return file.path.absolute() if isinstance(file.path, Path) else file.path


def _remote_files(entry: str, format: str) -> list[SourceFile]:
    """The files of an address; of a folder those that are documents by their suffix."""
    from midtrain.documents.reading.remote import list_remote

    found, is_folder = list_remote(entry)
    if is_folder:
        found = [file for file in found if _is_document(file.name)]
        if entry.startswith("hf://"):  # a card is about the data
            found = [file for file in found if not file.name.endswith("README.md")]
    return [replace(_source_file(file.url, file.name, format), remote=file) for file in found]


def _is_document(name: str) -> bool:
    """Whether a file of a folder is taken, by its path below the folder."""
    *folders, last = name.split("/")
    suffix = _suffix(last)[0]
    hidden = any(part.startswith(".") for part in (*folders, last))
    leftover = suffix == ".arrow" and last.startswith("cache-")  # what `datasets` keeps of its own work
    return not hidden and not leftover and suffix in _IN_FOLDERS


def _expand(entry: str) -> Iterator[tuple[Path, str]]:
    entry = os.path.expanduser(entry)
    path = Path(entry)
    if path.is_dir():
        yield from _walk(path)
    elif path.exists() or not glob.has_magic(entry):
        if not path.exists():
            raise UserError(f"{entry} does not exist; correct `read`, or make the file first.")
        yield path, path.name
    else:
        fixed = []
        for part in path.parts[:-1]:
            if glob.has_magic(part):
                break
            fixed.append(part)
        root = Path(*fixed)
        for match in sorted(glob.glob(entry, recursive=True)):
            if os.path.isfile(match):
                yield Path(match), Path(match).relative_to(root).as_posix()


def _walk(root: Path) -> Iterator[tuple[Path, str]]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if _is_document(name):
                path = Path(folder, name)
                yield path, path.relative_to(root).as_posix()


def _suffix(name: str) -> tuple[str, str | None]:
    """('.jsonl', 'gzip') for 'a.jsonl.gz'."""
    stem, last = os.path.splitext(name.lower())
    if last in _COMPRESSIONS:
        return os.path.splitext(stem)[1], _COMPRESSIONS[last]
    return last, None


def _source_file(path: Path | str, name: str, format: str) -> SourceFile:
    suffix, compression = _suffix(name)
    if format == "auto":
        formats = [known for known, suffixes in _FORMATS.items() if suffix in suffixes]
        if not formats:
            known = ", ".join(s for suffixes in _FORMATS.values() for s in suffixes)
            raise UserError(
                f"{path} has no suffix that names its format ({known}, also with .gz or .zst); "
                f"say its `format` in the source, or leave the file out."
            )
        format = formats[0]
    if format in ("parquet", "arrow") and compression:
        raise UserError(f"{path} is a compressed {format.title()} file; decompress it, it is read from both its ends.")
    return SourceFile(path, name, format, compression)
