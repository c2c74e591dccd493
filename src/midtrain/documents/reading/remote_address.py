"""Addresses of files elsewhere: what a recipe may name beside files of this machine.

s3://BUCKET/PATH            also s3://anonymous@BUCKET/PATH?region=eu-west-1&endpoint_override=localhost:9000
gs://BUCKET/PATH            also gs://anonymous@BUCKET/PATH
hf://datasets/ORG/NAME      a data set of the Hugging Face Hub; also ORG/NAME@REVISION and a PATH below it
https://HOST/PATH           one file
"""

from __future__ import annotations

import re

SCHEMES = ("s3", "gs", "hf", "http", "https")


def is_remote(entry: str) -> bool:
    """Whether an entry of `read` is an address and not a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.\-]*://", entry) is not None


def check_address(entry: str) -> None:
    """Raise ValueError for an address that nothing here can read."""
    scheme, _, rest = entry.partition("://")
    if scheme not in SCHEMES:
        known = ", ".join(f"{known}://" for known in SCHEMES)
        raise ValueError(f'"{entry}" is an address of an unknown kind; known are {known} and python://')
    if scheme == "hf" and not re.fullmatch(r"datasets/[^/@]+/[^/@]+(@[^/]+)?(/.*)?", rest):
        raise ValueError(f'"{entry}" names no data set; write hf://datasets/ORG/NAME')
    if not rest.strip("/"):
        raise ValueError(f'"{entry}" names no file')
