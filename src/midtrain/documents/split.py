"""What is held out of training is decided by a hash of the group, so it never depends on order, machine or luck.

One frozen salt for the life of a model: then a group that was held out once is held out in every later source and
stage, and raising the share only adds to what is held out. Documents that resemble each other (a package, a book, a
near-duplicate cluster) share a group, so none of them leaks into training while another is measured on.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from math import ceil

import numpy as np


def group_key(group: str, salt: str) -> int:
    """64 uniform bits that belong to `group` under `salt`."""
    return int(group_keys([group.encode("utf-8", "surrogatepass")], salt)[0])


def group_keys(groups: Iterable[bytes], salt: str) -> np.ndarray:
    """`group_key` of many groups, given as UTF-8: uint64 [N]."""
    start = f"{salt}\0".encode("utf-8", "surrogatepass")
    digests = b"".join([blake2b(start + group, digest_size=8).digest() for group in groups])
    return np.frombuffer(digests, dtype="<u8")


def heldout_keys(keys_N: np.ndarray, share: float) -> np.ndarray:
    """Which keys are held out, bool [N]: the lowest `share` of all 64-bit keys."""
    limit = ceil(share * 2.0**64)
    return np.ones(len(keys_N), bool) if limit >= 1 << 64 else keys_N < np.uint64(limit)


def split_of(group: str, salt: str, share: float) -> str:
    """'train' or 'heldout' for a group; a share of 0 holds nothing out, a share of 1 everything."""
    return "heldout" if heldout_keys(np.array([group_key(group, salt)], dtype=np.uint64), share)[0] else "train"
