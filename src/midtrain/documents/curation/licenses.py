"""The license gate: which documents may be trained on, by the license that each of them carries.

A license is read as its SPDX identifier (spdx.py) and held against the patterns of a `LicenseConfig`. Of alternatives
(MIT OR GPL-3.0-only) one must pass, of licenses that bind together (AND, or a list) all. What a column says is decided
once for each different text in it, so millions of rows cost what their few licenses cost.
"""

from __future__ import annotations

from fnmatch import fnmatch

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from midtrain.documents.curation.licenses_config import LicenseConfig
from midtrain.documents.curation.spdx import normalise

UNKNOWN = "license unknown"


def decide(licenses: pa.Array | pa.ChunkedArray, config: LicenseConfig) -> tuple[np.ndarray, list[str]]:
    """(int16 [N]: an index into the reasons, -1 for what stays; the reasons) of a column of licenses, null for none."""
    if isinstance(licenses, pa.ChunkedArray):
        licenses = licenses.combine_chunks()
    coded = pc.dictionary_encode(licenses, null_encoding="encode")
    verdicts = [refusal(license, config) for license in coded.dictionary.to_pylist()]
    reasons = list(dict.fromkeys(reason for reason in verdicts if reason is not None))
    index_V = np.array([-1 if reason is None else reasons.index(reason) for reason in verdicts], dtype=np.int16)
    return index_V[np.asarray(coded.indices)], reasons


def refusal(license: str | None, config: LicenseConfig) -> str | None:
    """Why a document under `license` goes, or None when it stays."""
    expression = normalise(license)
    if expression is None:
        return UNKNOWN if config.unknown == "drop" else None
    reasons = []
    for alternative in expression.split(" OR "):
        found = [reason for name in alternative.split(" AND ") if (reason := _refused(name, config)) is not None]
        if not found:
            return None
        reasons += found
    return reasons[0]


def _refused(name: str, config: LicenseConfig) -> str | None:
    if _matches(name, config.deny):
        return f"license denied: {name}"
    if config.allow is not None and not _matches(name, config.allow):
        return f"license not allowed: {name}"
    return None


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name.lower(), pattern.lower()) for pattern in patterns)
