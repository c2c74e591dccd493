"""What can go wrong, by whose doing.

A `UserError` is something a person did or has: a misspelt key, a truncated file, a full disk. It carries one
clear sentence (what, where, the mend) and becomes exit code 2. A `CheckFailed` is a verdict, not a mistake: the
guard is broken or the target was missed (exit code 1). A `Stopped` run was asked to stop and has saved its state.
What a programmer did is an `assert`, and stays a traceback.
"""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class MidtrainError(Exception):
    """The root of everything midtrain raises on purpose."""

    exit_code = 2


class UserError(MidtrainError):
    """One clear sentence for a person: what is wrong, where, and how to mend it."""


class CheckFailed(MidtrainError):
    """A guard is broken or a target was missed; the work itself is complete."""

    exit_code = 1


class Stopped(MidtrainError):
    """A run stopped on request, with a checkpoint; running it again goes on from there."""

    exit_code = 130


_MOST_OPTIONS = 40
_DISK_FULL = ("os error 28", "No space left on device", "Disk quota exceeded")


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return ' Did you mean "x"?' for the closest of `options`, else the list of options."""
    options = sorted(set(options))
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.6)
    if close:
        return f' Did you mean "{close[0]}"?'
    more = f" and {len(options) - _MOST_OPTIONS} more" if len(options) > _MOST_OPTIONS else ""
    return f" Known: {', '.join(options[:_MOST_OPTIONS])}{more}." if options else ""


@contextmanager
def disk_errors(path: Path | str) -> Iterator[None]:
    """Turn the system's answers about `path` (full disk, no permission, a file in the way) into a `UserError`.

    Libraries with writers of their own (safetensors, Arrow) wrap the answer in errors of their own, named in the text.
    """
    try:
        yield
    except MidtrainError:
        raise
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if number in (errno.ENOSPC, errno.EDQUOT) or any(sign in str(error) for sign in _DISK_FULL):
            raise UserError(
                f"The disk is full while writing {path}; free some space and run the same command again: "
                f"what was finished is kept."
            ) from error
        if number in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise UserError(f"{path} cannot be written ({os.strerror(number)}); choose another folder.") from error
        if number in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG):
            raise UserError(f"{path} cannot be made ({os.strerror(number)}); choose another place.") from error
        raise
