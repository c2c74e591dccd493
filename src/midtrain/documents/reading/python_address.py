"""The address of text found in the Python installation: `python://KIND?packages=a,b&exclude=c`.

The kinds are docstrings, sources, documentation and instructions; no kind means the first three. Every machine that
can run this has such text, under known licenses, so a demonstration needs neither a download nor a network.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from midtrain.core.errors import did_you_mean

SCHEME = "python://"
KINDS = ("docstrings", "sources", "documentation", "instructions")
_TEXT_KINDS = KINDS[:3]


@dataclass(frozen=True)
class PythonAddress:
    """What a python:// address asks for. Packages are named as distributions, as top-level modules, or `stdlib`."""

    kinds: tuple[str, ...]
    packages: tuple[str, ...] | None
    """Only these packages; None for all."""
    exclude: tuple[str, ...]


def parse_address(address: str) -> PythonAddress:
    """Read a python:// address; raises ValueError naming what is unknown in it."""
    parts = urlsplit(address)
    kind = parts.netloc + parts.path.rstrip("/")
    if kind and kind not in KINDS:
        raise ValueError(f'"{address}": there is no kind "{kind}".{did_you_mean(kind, KINDS)}')
    lists: dict[str, tuple[str, ...]] = {}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key not in ("packages", "exclude"):
            raise ValueError(f'"{address}": unknown key "{key}".{did_you_mean(key, ("packages", "exclude"))}')
        lists[key] = tuple(sorted({name.strip() for name in value.split(",") if name.strip()}))
        if not lists[key]:
            raise ValueError(f'"{address}": "{key}" names no package')
    return PythonAddress((kind,) if kind else _TEXT_KINDS, lists.get("packages"), lists.get("exclude", ()))
