"""The many ways to write a license, as one SPDX identifier (https://spdx.org/licenses).

'Apache 2', 'apache-2.0', 'License :: OSI Approved :: Apache Software License' and a link to apache.org are all
Apache-2.0. Where a name leaves something open, the reading is the usual one, and said here: BSD is its three-clause
form, Apache is 2.0, GPL without a version is any version, a number without "or later" is that version only. Creative
Commons without a version stays without one. A list of licenses binds together: all of them must be met.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache

_KNOWN = """
    0BSD AFL-3.0 Apache-1.1 Apache-2.0 APSL-2.0 Artistic-1.0 Artistic-2.0 Beerware BlueOak-1.0.0 BSD-1-Clause
    BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear BSD-4-Clause BSL-1.0 BUSL-1.1 C-UDA-1.0 CC0-1.0 CDDL-1.0 CDDL-1.1
    CDLA-Permissive-1.0 CDLA-Permissive-2.0 CDLA-Sharing-1.0 CECILL-2.1 CECILL-B CECILL-C CPL-1.0 ECL-2.0 EFL-2.0
    EPL-1.0 EPL-2.0 EUPL-1.1 EUPL-1.2 GFDL-1.1-or-later GFDL-1.2-or-later GFDL-1.3-or-later HPND IJG ISC JSON Latex2e
    LPPL-1.3c MIT MIT-0 MIT-CMU MPL-1.1 MPL-2.0 MS-PL MS-RL MulanPSL-2.0 NCSA ODbL-1.0 ODC-By-1.0 OFL-1.1 OGL-UK-3.0
    OLDAP-2.8
    OpenSSL OSL-3.0 PDDL-1.0 PHP-3.01 PostgreSQL Python-2.0 PSF-2.0 QPL-1.0 Ruby SSPL-1.0 Unicode-3.0 Unlicense UPL-1.0
    Vim W3C WTFPL X11 Zlib ZPL-2.1 LicenseRef-Public-Domain LicenseRef-Proprietary LicenseRef-OpenRAIL LicenseRef-Llama
    LicenseRef-Gemma
"""
KNOWN = tuple(_KNOWN.split())
"""Identifiers that are recognised beside the families of the GPL and of Creative Commons."""

_COMMONS_KINDS = ("BY", "BY-SA", "BY-NC", "BY-ND", "BY-NC-SA", "BY-NC-ND")
FAMILIES = (
    *(f"CC-{kind}{version}" for kind in _COMMONS_KINDS for version in ("", "-1.0", "-2.0", "-2.5", "-3.0", "-4.0")),
    *(f"{name}-{version}-{how}" for name in ("GPL", "LGPL", "AGPL") for version in ("1.0", "2.0", "2.1", "3.0")
      for how in ("only", "or-later")),
    "LicenseRef-",
)  # fmt: skip
"""Names of the families, for telling a pattern that can match something from one that cannot."""

_SPELLINGS = {
    "apache": "Apache-2.0",
    "apache software": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "asl 2.0": "Apache-2.0",
    "apache.org/licenses/ 2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "modified bsd": "BSD-3-Clause",
    "bsd 3 clause new or revised": "BSD-3-Clause",
    "3 clause bsd": "BSD-3-Clause",
    "bsd 3": "BSD-3-Clause",
    "simplified bsd": "BSD-2-Clause",
    "freebsd": "BSD-2-Clause",
    "2 clause bsd": "BSD-2-Clause",
    "bsd 2": "BSD-2-Clause",
    "boost software": "BSL-1.0",
    "boost software 1.0": "BSL-1.0",
    "expat": "MIT",
    "mit expat": "MIT",
    "opensource.org/licenses/mit": "MIT",
    "iscl": "ISC",
    "isc iscl": "ISC",
    "mozilla public 2.0": "MPL-2.0",
    "mozilla public 2.0 mpl 2.0": "MPL-2.0",
    "mpl": "MPL-2.0",
    "mpl 2": "MPL-2.0",
    "eclipse public 2.0": "EPL-2.0",
    "eclipse public 1.0": "EPL-1.0",
    "python software foundation": "PSF-2.0",
    "psf": "PSF-2.0",
    "zlib/libpng": "Zlib",
    "odc by": "ODC-By-1.0",
    "odc attribution": "ODC-By-1.0",
    "odbl": "ODbL-1.0",
    "pddl": "PDDL-1.0",
    "open database": "ODbL-1.0",
    "the unlicense": "Unlicense",
    "unlicense.org": "Unlicense",
    "sil open font 1.1": "OFL-1.1",
    "open government 3.0": "OGL-UK-3.0",
    "artistic": "Artistic-2.0",
    "cc0": "CC0-1.0",
    "cc zero": "CC0-1.0",
    "cc 0": "CC0-1.0",
    "creative commons zero": "CC0-1.0",
    "creativecommons.org/publicdomain/zero/1.0": "CC0-1.0",
    "creativecommons.org/publicdomain/mark/1.0": "LicenseRef-Public-Domain",
    "public domain": "LicenseRef-Public-Domain",
    "publicdomain": "LicenseRef-Public-Domain",
    "public domain us": "LicenseRef-Public-Domain",
    "proprietary": "LicenseRef-Proprietary",
    "other/proprietary": "LicenseRef-Proprietary",
    "all rights reserved": "LicenseRef-Proprietary",
    "openrail": "LicenseRef-OpenRAIL",
    "gemma": "LicenseRef-Gemma",
}
_BY_KEY = {identifier.lower().replace("-", " "): identifier for identifier in KNOWN} | _SPELLINGS
_GNU = re.compile(r"(?:gnu )?(affero|lesser|library|)(?: ?gnu)? ?(a|l|)(?:gpl|general public)(.*)")
_GNU_VERSION = re.compile(r"(\d)(?:\.(\d))?")
_COMMONS = re.compile(r"(?:creative commons|cc|creativecommons\.org/licenses/) ?(?:by|attribution)(.*)")
_REF = re.compile(r"LicenseRef-[A-Za-z0-9.\-]+")


@lru_cache(maxsize=1 << 16)
def normalise(license: str | None) -> str | None:
    """The SPDX identifier, or expression with OR and AND, that `license` means; None when it is not recognised."""
    if license is None or not (text := license.strip()):
        return None
    if text.startswith("["):
        return _list(text)
    found = _one(text)
    if found is not None:
        return found
    for word in ("OR", "AND"):
        parts = [part.strip(" ()") for part in re.split(rf"\s+{word}\s+", text)]
        if len(parts) > 1:
            names = [normalise(part) for part in parts]
            return None if None in names else f" {word} ".join(str(name) for name in names)
    return None


def _list(text: str) -> str | None:
    try:
        names = [normalise(str(name)) for name in json.loads(text)]
    except ValueError:
        return None
    known = sorted({name for name in names if name is not None})
    return None if len(known) == 0 or None in names else " AND ".join(known)


def _one(text: str) -> str | None:
    """The identifier of a single license."""
    if _REF.fullmatch(text):
        return next((known for known in KNOWN if known.lower() == text.lower()), text)
    text = re.split(r"\s+WITH\s+", text)[0].rsplit("::", 1)[-1]
    key = re.sub(r"^(?:https?://)?(?:www\.)?", "", text.lower().strip(" /."))
    key = re.sub(r"\.(?:txt|html|php)$|/(?:legalcode|deed(?:\.\w+)?)$", "", key)
    key = re.sub(r"\([^)]*\)|\b(?:the|licen[cs]ed?|licen[cs]es under|agreement)\b(?!/)|[,;\"']", " ", key)
    key = re.sub(r"\b(?:version|ver\.?|v)\s*(?=\d)", "", key.replace("-", " ").replace("_", " "))
    key = " ".join(key.split())
    if key in _BY_KEY:
        return _BY_KEY[key]
    if match := _GNU.fullmatch(key):
        return _gnu(*match.groups())
    if match := _COMMONS.fullmatch(key):
        return _commons(match[1])
    if key.startswith("llama"):
        return "LicenseRef-Llama"
    return None


def _gnu(kind: str, letter: str, rest: str) -> str:
    family = {"affero": "A", "lesser": "L", "library": "L"}.get(kind, letter.upper()) + "GPL"
    version = _GNU_VERSION.search(rest)
    if version is None:
        return {"GPL": "GPL-1.0", "LGPL": "LGPL-2.0", "AGPL": "AGPL-3.0"}[family] + "-or-later"
    number = f"{version[1]}.{version[2] or 0}"
    return f"{family}-{number}-" + ("or-later" if "later" in rest or "+" in rest else "only")


def _commons(rest: str) -> str:
    words = rest.replace("non commercial", "noncommercial").replace("share alike", "sharealike")
    parts = ["CC-BY"]
    parts += ["NC"] if re.search(r"\bnc\b|noncommercial", words) else []
    parts += ["ND"] if re.search(r"\bnd\b|no ?deriv", words) else []
    parts += ["SA"] if re.search(r"\bsa\b|sharealike", words) else []
    version = re.search(r"\d\.\d", words)
    return "-".join(parts + ([version[0]] if version else []))
