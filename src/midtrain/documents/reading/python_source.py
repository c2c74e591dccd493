"""`python://`: real text that is on every machine which can run this, with known licenses and no network.

    docstrings      one document per module: its documentation, rendered for reading
    sources         one document per .py file
    documentation   README texts of distributions, and .md/.rst/.txt files in packages
    instructions    chats: a question about a function, answered from its docstring or its source

Order: every kind is an interleaving of packages by hash. The k-th file of a package with n files (files in the order
of a hash of their names) stands at (k + jitter) / sqrt(n), so whatever the limit, a package of 3,000 files gives some
ten times as much as one of 30, not a hundred times, and no package waits for the end of the alphabet. The order
depends on the names of the files only; a further package takes its places between the others.

Files are read one by one as rows are taken, so a limit of a few megabytes costs a few megabytes of parsing (about
3 MB/s). Not taken, because no one wants to learn them: tests, vendored copies, generated files, tables, files with
lines over 1,000 characters, what is not UTF-8 or does not parse.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from email.message import Message
from hashlib import blake2b
from pathlib import Path

from midtrain.documents.reading.python_address import PythonAddress
from midtrain.documents.reading.python_packages import MAX_FILE_BYTES, Package, PackageFile, find_packages
from midtrain.documents.reading.python_text import Chat, conversations, parse_module, render_documentation
from midtrain.documents.schema import Row

_LONGEST_LINE = 1000
_SHORTEST_PROSE = 300
_GENERATED = re.compile(
    r"generated (?:by|from|file|code|automatically)|auto-?generated|automatically generated|do not (?:edit|modify)",
    re.IGNORECASE,
)
_HEAD = 1500

_Task = tuple[float, str, Package, PackageFile | None]
"""(place in the order, kind, package, file; None for the distribution's README)."""


def python_rows(address: PythonAddress, *, site: list[Path] | None = None, stdlib: Path | None = None) -> Iterator[Row]:
    """Rows of what an address asks for (`site` and `stdlib` as in `find_packages`)."""
    tasks: list[_Task] = []
    for package in find_packages(address, site=site, stdlib=stdlib):
        for kind in address.kinds:
            tasks += _tasks(kind, package)
    tasks.sort(key=lambda task: (task[0], task[1], task[2].name))
    for _, kind, package, file in tasks:
        yield from _rows(kind, package, file)


def _tasks(kind: str, package: Package) -> Iterator[_Task]:
    """What one kind may take from one package, each at its place in the order."""
    prose = kind == "documentation"
    files: list[PackageFile | None] = [file for file in package.files if file.name.endswith(".py") != prose]
    if prose and package.distribution is not None:
        files.append(None)
    hashed = sorted((_unit(f"{kind} {package.name} {file.name if file else ''}"), i) for i, file in enumerate(files))
    for k, (jitter, i) in enumerate(hashed):
        yield (k + jitter) / math.sqrt(len(files)), kind, package, files[i]


def _unit(text: str) -> float:
    """A number in [0, 1) that belongs to `text`."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).digest(), "little") / 2.0**48


def _rows(kind: str, package: Package, file: PackageFile | None) -> Iterator[Row]:
    if file is None:
        text = _readme(package)
        if text is not None:
            yield _row(package, None, text=text)
        return
    text = _read(file)
    if text is None:
        return
    if kind == "sources":
        yield _row(package, file, text=text)
    elif kind == "documentation":
        if _is_prose(text):
            yield _row(package, file, text=text)
    elif '"""' in text or "'''" in text:
        tree = parse_module(text)
        if tree is None:
            return
        module = _module_name(file)
        if kind == "docstrings":
            rendered = render_documentation(tree, module)
            if rendered is not None:
                yield _row(package, file, text=rendered)
        else:
            for name, messages in conversations(tree, module, text):
                yield _row(package, file, messages=messages, function=name)


def _row(
    package: Package,
    file: PackageFile | None,
    *,
    text: str | None = None,
    messages: Chat | None = None,
    function: str | None = None,
) -> Row:
    where = file.name if file else f"{package.name} README"
    meta = {"package": package.name, "version": package.version, "file": where}
    if function is not None:
        meta["function"] = function
    group = package.group(file) if file else (package.tops or [package.name])[0]
    return {
        "text": text,
        "messages": messages,
        "group": group,
        "license": package.license,
        "where": (where, None),
        "meta": meta,
    }


def _read(file: PackageFile) -> str | None:
    """The text of a file worth reading; None for the others."""
    try:
        if file.path.stat().st_size > MAX_FILE_BYTES:
            return None
        text = file.path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, UnicodeDecodeError):
        return None
    if not text.strip() or "\0" in text or _GENERATED.search(text, 0, _HEAD):
        return None
    if max(map(len, text.split("\n"))) > _LONGEST_LINE or _is_table(text):
        return None
    return text


def _is_table(text: str) -> bool:
    """Whether letters are under 45 % of what is not white space: numbers and brackets, not words."""
    dense = "".join(text.split())
    return sum(map(str.isalpha, dense)) < 0.45 * len(dense)


def _is_prose(text: str) -> bool:
    """Whether a text file reads like documentation: long enough, of words and sentences rather than entries."""
    words = text.split()
    lines = [line for line in text.split("\n") if line.strip()]
    return len(text) >= _SHORTEST_PROSE and len(words) >= 4 * len(lines) and "." in text


def _readme(package: Package) -> str | None:
    assert package.distribution is not None
    metadata: Message = package.distribution.metadata  # type: ignore[assignment]
    text = str(metadata.get("Description") or "").replace("\r\n", "\n").strip()
    longest = max(map(len, text.split("\n")))
    if not _SHORTEST_PROSE <= len(text) <= MAX_FILE_BYTES or longest > 5 * _LONGEST_LINE or "\0" in text:
        return None
    return text + "\n"


def _module_name(file: PackageFile) -> str:
    return file.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
