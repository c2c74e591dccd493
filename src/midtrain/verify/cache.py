"""Verdicts that were already given, by the claim's key: in memory, and in an SQLite file where one is named.

A claim's key is its whole content, so a remembered verdict is the one that would be given again, by the same version of
midtrain. A check that was given up or broke says nothing and is not remembered. The file may be shared by processes.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import OrderedDict
from pathlib import Path

from midtrain import __version__
from midtrain.core.errors import UserError
from midtrain.verify.verdict import Outcome, Verdict

_LASTING = (Outcome.PASS, Outcome.FAIL, Outcome.UNPARSEABLE)
_TABLE = (
    "CREATE TABLE IF NOT EXISTS verdict (key TEXT PRIMARY KEY, outcome TEXT, cause TEXT, isolation TEXT, details TEXT)"
)


class VerdictCache:
    """The `size` verdicts asked for last, and all of those in `path`. Safe from any thread.

    Raises UserError when the file cannot be opened or is no cache of verdicts.
    """

    def __init__(self, path: Path | None = None, size: int = 100_000):
        self._lock = threading.Lock()
        self._size = size
        self._recent: OrderedDict[str, Verdict] = OrderedDict()
        self._path, self._file = path, None
        if path is not None:
            with _said_about(path):
                self._file = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
                self._file.execute("PRAGMA journal_mode=WAL")
                self._file.execute("PRAGMA synchronous=OFF")  # what a crash loses is judged again
                self._file.execute(_TABLE)

    def get(self, key: str) -> Verdict | None:
        """The verdict of an earlier check, costing nothing; None when there is none."""
        with self._lock:
            verdict = self._recent.get(key)
            if verdict is not None:
                self._recent.move_to_end(key)
                return verdict
            if self._file is None or self._path is None:
                return None
            with _said_about(self._path):
                row = self._file.execute(
                    "SELECT outcome, cause, isolation, details FROM verdict WHERE key = ?", (_versioned(key),)
                ).fetchone()
            if row is None:
                return None
            verdict = Verdict(Outcome(row[0]), row[1], 0.0, row[2], json.loads(row[3]))
            self._remember(key, verdict)
            return verdict

    def put(self, key: str, verdict: Verdict) -> None:
        """Remember `verdict`, if it says something of the answer."""
        if verdict.outcome not in _LASTING:
            return
        free = Verdict(verdict.outcome, verdict.cause, 0.0, verdict.isolation, verdict.details)
        with self._lock:
            self._remember(key, free)
            if self._file is not None and self._path is not None:
                row = (_versioned(key), free.outcome, free.cause, free.isolation, json.dumps(dict(free.details)))
                with _said_about(self._path):
                    self._file.execute("INSERT OR REPLACE INTO verdict VALUES (?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _remember(self, key: str, verdict: Verdict) -> None:
        self._recent[key] = verdict
        self._recent.move_to_end(key)
        if len(self._recent) > self._size:
            self._recent.popitem(last=False)


class _said_about:
    """Turns SQLite's complaints about `path` into a UserError."""

    def __init__(self, path: Path):
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise UserError(
                f"The cache of verdicts {self._path} cannot be used ({error}); name another file or delete it."
            ) from error


def _versioned(key: str) -> str:
    return f"{__version__}:{key}"
