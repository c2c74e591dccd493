"""What a recipe says about licenses: which may be trained on, and what happens where none is known."""

from __future__ import annotations

import difflib
from fnmatch import fnmatch
from typing import Literal

from pydantic import field_validator

from midtrain.core.config import Config
from midtrain.documents.curation.spdx import FAMILIES, KNOWN, normalise


class LicenseConfig(Config):
    """Which licenses may stay, as SPDX identifiers with wildcards: Apache-2.0, BSD-*, CC-BY-[0-9]*.

    Mind that CC-BY-* also means CC-BY-NC-4.0; CC-BY-[0-9]* does not.
    """

    allow: tuple[str, ...] | None = None
    """Only these stay; null allows all that are not denied."""
    deny: tuple[str, ...] = ()
    """These go, whatever is allowed."""
    unknown: Literal["keep", "drop"] = "keep"
    """What happens to documents that name no license, or one that is not recognised."""

    @field_validator("allow", "deny")
    @classmethod
    def _known(cls, patterns: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if patterns is None else tuple(_pattern(pattern) for pattern in patterns)


def _pattern(pattern: str) -> str:
    """A pattern as written, or the SPDX identifier of a plain name; raises ValueError for a misspelt one."""
    if not pattern.strip():
        raise ValueError("a license pattern is empty")
    if any(sign in pattern for sign in "*?["):
        if not any(fnmatch(name.lower(), pattern.lower()) for name in (*KNOWN, *FAMILIES)):
            raise ValueError(f'"{pattern}" matches no license; write it as the SPDX identifiers are: CC-BY-*, GPL-*.')
        return pattern
    found = normalise(pattern)
    if found is None:
        close = difflib.get_close_matches(pattern, KNOWN, n=1, cutoff=0.6)
        mend = f'Did you mean "{close[0]}"?' if close else "Write its SPDX identifier, or LicenseRef-NAME."
        raise ValueError(f'"{pattern}" is no license that is known here. {mend}')
    return found
