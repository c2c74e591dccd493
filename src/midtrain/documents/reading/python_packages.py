"""What text lies in this Python installation: its packages, their licenses and their files, found without importing.

A distribution's RECORD lists its files with their sizes, so ten thousand files are known in a tenth of a second; a
distribution without one is walked. The standard library is a package named `stdlib` under PSF-2.0. Left out by name
alone: midtrain itself, tests, vendored copies, license texts, and files over 200 kB (tables, not prose or code).
"""

from __future__ import annotations

import csv
import os
import platform
import re
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from functools import cached_property
from importlib.metadata import Distribution, DistributionFinder, MetadataPathFinder
from pathlib import Path
from typing import Any

from midtrain.core.errors import UserError, did_you_mean
from midtrain.core.fingerprint import fingerprint
from midtrain.documents.reading.python_address import PythonAddress

STDLIB = "stdlib"
MAX_FILE_BYTES = 200_000
_PROSE = (".md", ".rst", ".txt")
_LEFT_OUT_FOLDERS = re.compile(
    r"(?:^|/)(?:tests?|testing|_?tests?_[^/]*|[^/]*_tests?|_?vendor(?:ed)?|_vendored_packages|third_party|"
    r"_?extern(?:al)?|site-packages|dist-packages|__pycache__|lib-dynload|config-[^/]*|_bundled|lib2to3|"
    r"[^/]*\.(?:dist|egg)-info|\.[^/]*)/"
)
_LEFT_OUT_FILES = re.compile(
    r"(?:^|/)(?:test_[^/]*|[^/]*_test|conftest|_?tests)\.py$|"
    r"(?:^|/)(?:licen[cs]e|copying|notice|authors|credits|patents|third.?party|requirements|cmakelists|"
    r"entry_points|top_level|sources|vendor)[^/]*\.(?:md|rst|txt)$",
    re.IGNORECASE,
)
_SPDX = {
    "MIT License": "MIT",
    "MIT": "MIT",
    "BSD License": "BSD",
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "ISC License": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "The Unlicense (Unlicense)": "Unlicense",
}


@dataclass(frozen=True)
class PackageFile:
    """A file that may hold a document."""

    path: Path
    name: str
    """Path below the installation folder, with forward slashes: it decides the order, so it is the same everywhere."""
    size: int | None


@dataclass(frozen=True)
class Package:
    """A distribution (or the standard library) and its files, read when they are asked for."""

    name: str
    version: str
    license: str
    root: Path
    distribution: Distribution | None

    @cached_property
    def files(self) -> list[PackageFile]:
        """Python files and prose that may hold documents, sorted by name."""
        listed = _walk_stdlib(self.root) if self.distribution is None else _listed(self.distribution, self.root)
        kept = (file for file in listed if file.name.endswith((".py", *_PROSE)) and not _left_out(file))
        return sorted(kept, key=lambda file: file.name)

    def group(self, file: PackageFile) -> str:
        """The top-level package of a file: `numpy`, or `stdlib.json` in the standard library."""
        top = file.name.split("/")[0].removesuffix(".py")
        return f"{STDLIB}.{top}" if self.distribution is None else top

    @cached_property
    def tops(self) -> list[str]:
        """Top-level packages, the one with most files first."""
        return [top for top, _ in Counter(self.group(file) for file in self.files).most_common()]


def find_packages(
    address: PythonAddress, *, site: list[Path] | None = None, stdlib: Path | None = None
) -> list[Package]:
    """The packages that an address asks for, by name; raises UserError for one that is not installed.

    `site` and `stdlib` are the folders to look in (this interpreter's own when None).
    """
    found: dict[str, Package] = {}
    for package in _installed(site, stdlib):
        found.setdefault(_normal(package.name), package)
    wanted = dict(found)
    if address.packages is not None:
        wanted = {}
        for name in address.packages:
            named = _look_up(name, found)
            if named is None:
                known = [package.name for package in found.values()]
                raise UserError(f'python://: no package "{name}" is installed here.{did_you_mean(name, known)}')
            wanted[_normal(named.name)] = named
    for name in address.exclude:
        named = _look_up(name, wanted)
        if named is not None:
            del wanted[_normal(named.name)]
    return [wanted[name] for name in sorted(wanted)]


def python_identity(address: PythonAddress) -> dict[str, Any]:
    """The interpreter, and a digest of the names and versions of the packages that an address looks at."""
    packages = {package.name: package.version for package in find_packages(address)}
    return {"python": platform.python_version(), "packages": len(packages), "digest": fingerprint(packages)}


def _installed(site: list[Path] | None, stdlib: Path | None) -> Iterator[Package]:
    yield Package(STDLIB, platform.python_version(), "PSF-2.0", stdlib or Path(sysconfig.get_paths()["stdlib"]), None)
    if site is None:
        site = [Path(entry) for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    for root in site:
        # Not importlib.metadata.distributions(): it also asks finders that imported libraries have installed.
        for distribution in MetadataPathFinder.find_distributions(DistributionFinder.Context(path=[str(root)])):
            metadata = _metadata(distribution)
            name = metadata.get("Name") if metadata is not None else None
            if metadata is not None and name and _normal(name) != "midtrain":
                version = metadata.get("Version") or "unknown"
                yield Package(name, version, license_of(metadata), root, distribution)


def _metadata(distribution: Distribution) -> Message | None:
    """The metadata of a distribution; None when it has none that can be read."""
    try:
        return distribution.metadata  # type: ignore[return-value]
    except UnicodeDecodeError:
        return None


def license_of(metadata: Message) -> str:
    """The license of a distribution as an SPDX expression where it can be told, else as it names it, else 'unknown'."""
    expression = metadata.get("License-Expression")
    if expression:
        return str(expression)
    classifiers = [str(line).split(" :: ")[-1] for line in metadata.get_all("Classifier", []) if "License ::" in line]
    known = sorted({_SPDX[line] for line in classifiers if line in _SPDX})
    free = str(metadata.get("License") or "").strip()
    if 0 < len(free) <= 60 and "\n" not in free and free.upper() != "UNKNOWN":
        return _SPDX.get(free, free)
    return " OR ".join(known) or (classifiers[0] if classifiers else "unknown")


def _look_up(name: str, packages: dict[str, Package]) -> Package | None:
    if _normal(name) in packages:
        return packages[_normal(name)]
    return next((package for package in packages.values() if name in package.tops), None)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _left_out(file: PackageFile) -> bool:
    if file.size is not None and file.size > MAX_FILE_BYTES:
        return True
    return bool(_LEFT_OUT_FOLDERS.search(file.name) or _LEFT_OUT_FILES.search(file.name))


def _walk_stdlib(root: Path) -> Iterator[PackageFile]:
    tops = sys.stdlib_module_names
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        if path.name.removesuffix(".py") in tops:
            yield from _walk(path, root)


def _listed(distribution: Distribution, root: Path) -> Iterator[PackageFile]:
    try:
        rows = list(csv.reader((distribution.read_text("RECORD") or "").splitlines()))
    except (UnicodeDecodeError, csv.Error):
        rows = []
    if not rows:
        for top in (distribution.read_text("top_level.txt") or "").split():
            yield from _walk(root / top, root)
            yield from _walk(root / f"{top}.py", root)
        return
    for row in rows:
        name = row[0] if row else ""
        if name.endswith((".py", *_PROSE)) and not name.startswith(("..", "/")):
            yield PackageFile(root / name, name, int(row[2]) if len(row) > 2 and row[2].isdigit() else None)


def _walk(path: Path, root: Path) -> Iterator[PackageFile]:
    if path.is_file():
        yield PackageFile(path, path.relative_to(root).as_posix(), path.stat().st_size)
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not _LEFT_OUT_FOLDERS.search(f"{name}/")]
        for name in names:
            if name.endswith((".py", *_PROSE)):
                file = Path(folder, name)
                yield PackageFile(file, file.relative_to(root).as_posix(), file.stat().st_size)
