"""Names made from content: the same question always has the same name, and a changed one never does.

A fingerprint is 32 hex digits of BLAKE2b over canonical JSON: keys sorted, no spaces, floats by their shortest exact
text, -0.0 as 0.0, no NaN, no sets, no objects. 1 and 1.0 are told apart by Python but not by people, so whole floats
are written as integers.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel


def canonical(value: Any) -> Any:
    """Return `value` as plain JSON data with one spelling; raises TypeError for what has none."""
    if isinstance(value, BaseModel):
        return canonical(value.model_dump(mode="json"))
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{value} has no canonical form")
        return int(value) if value == int(value) and abs(value) < 2**53 else value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("canonical mappings have text keys")
        return {key: canonical(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no canonical form")


def fingerprint(value: Any) -> str:
    """32 hex digits that name `value`: equal for equal canonical forms, different otherwise."""
    text = json.dumps(canonical(value), ensure_ascii=True, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def file_digest(path: Path | str) -> str:
    """32 hex digits of a file's bytes (BLAKE2b), read in 1 MiB pieces."""
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """The dotted names of the fields in which two canonical values differ, as 'a.b: 1 -> 2', for people."""
    if isinstance(old, dict) and isinstance(new, dict):
        found: list[str] = []
        for key in sorted(old.keys() | new.keys()):
            where = f"{prefix}.{key}" if prefix else key
            if key not in old:
                found.append(f"{where}: added")
            elif key not in new:
                found.append(f"{where}: removed")
            else:
                found += differences(old[key], new[key], where)
        return found
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            line for i, (a, b) in enumerate(zip(old, new, strict=True)) for line in differences(a, b, f"{prefix}[{i}]")
        ]
    return [] if old == new else [f"{prefix}: {_short(old)} -> {_short(new)}"]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 40 else text[:37] + "..."
