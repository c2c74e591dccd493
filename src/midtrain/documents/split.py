"""What is held out of training is decided by a hash of the group, so it never depends on order, machine or luck.

One frozen salt for the life of a model: then a group that was held out once is held out in every later source and
stage, and raising the share only adds to what is held out. Documents that resemble each other (a package, a book, a
near-duplicate cluster) share a group, so none of them leaks into training while another is measured on.
"""

from __future__ import annotations

import hashlib


def group_key(group: str, salt: str) -> int:
    """64 uniform bits that belong to `group` under `salt`."""
    digest = hashlib.blake2b(f"{salt}\0{group}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def split_of_key(key: int, share: float) -> str:
    """'heldout' for the lowest `share` of all keys, else 'train'."""
    return "heldout" if key < share * 2.0**64 else "train"


def split_of(group: str, salt: str, share: float) -> str:
    """'train' or 'heldout' for a group; a share of 0 holds nothing out, a share of 1 everything."""
    return split_of_key(group_key(group, salt), share)
