"""The red team, as one user at one level: python -m benchmarks.sandbox_suite UID LEVEL SECONDS prints rows as JSON.

As root it can become another user first. The interpreter may lie where only root can go (in root's home), so this
process, in a mount namespace of its own, first makes the way to it passable.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from string import Template
from typing import Any

from benchmarks.sandbox_attacks import ABUSES, CHEATS, ESCAPES, PRELUDE
from midtrain.core.errors import UserError
from midtrain.verify.sandbox import kernel, levels, probe, server
from midtrain.verify.sandbox.config import Limits
from midtrain.verify.sandbox.run import Program, Status, run
from midtrain.verify.verdict import Outcome
from midtrain.verify.verifiers.code import code

_SECRET = "the secret 5d1c7e"
_CALLS = {"entry_point": "add", "calls": [[[2, 3], 5], [[10, -4], 6], [[0, 0], 0]]}
_CHECK = "def check(candidate):\n    assert candidate(2, 3) == 5\n    assert candidate(10, -4) == 6\n"


def main() -> None:
    uid, level, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    if os.getuid() == 0:
        make_passable([Path(sys.executable).resolve(), Path(sys.prefix), Path(__file__)])
        if uid:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
    os.environ["HOME"] = "/nonexistent"
    rows = []
    if use_level(level):
        rows = fails_closed() + escapes(seconds) + abuses(seconds) + cheats(seconds)
    print(json.dumps([row | {"user": os.getuid(), "level": level} for row in rows]))


def make_passable(paths: list[Path]) -> None:
    """Let everyone go to `paths`, in a mount namespace of our own, whatever the folders above them allow."""
    kernel.unshare(kernel.NEWNS)
    kernel.make_mounts_private()
    closed: dict[Path, set[Path]] = {}
    for path in paths:
        folder = path if path.is_dir() else path.parent
        for above in reversed(folder.parents):
            if not above.stat().st_mode & 0o001:
                closed.setdefault(above, set()).add(folder if len(folder.parts) == len(above.parts) + 1 else
                                                    above / folder.parts[len(above.parts)])  # fmt: skip
                break
    for above, inside in closed.items():
        staging = tempfile.mkdtemp()
        kernel.mount_memory(staging, 1 << 20, 64, "755")
        for path in inside:
            os.mkdir(f"{staging}/{path.name}")
            kernel.bind(str(path), f"{staging}/{path.name}")
        kernel.bind(staging, str(above))


def use_level(name: str) -> bool:
    """Let the probe find what the level needs, and nothing better; False where that is not there."""
    found = probe.probe()
    level = next(level for level in levels.LEVELS if level.name == name)
    if not all(getattr(found, need) for need in level.needs):
        return False
    missing: dict[str, Any] = {"namespaces": False, "landlock": 0, "bubblewrap": ""}
    found = replace(found, **{key: value for key, value in missing.items() if key not in level.needs})
    server.probe = lambda: found  # type: ignore[assignment]
    return True


class Witness:
    """What an escape would touch: a secret file, sockets that listen, and us, who count signals."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="witness"))
        self.secret = self.folder / "secret"
        self.secret.write_text(_SECRET)
        self.secret.chmod(0o644)
        self.folder.chmod(0o755)
        self.before = self.state()
        self.sockets = [socket.create_server(("127.0.0.1", 0)), socket.socket(1, 1), socket.socket(1, 2)]
        self.abstract = f"witness-{os.getpid()}"
        self.sockets[1].bind(f"\0{self.abstract}")
        self.sockets[1].listen()
        self.sockets[2].bind(str(self.folder / "socket"))
        for one in self.sockets:
            one.setblocking(False)
        self.signals = 0
        for number in (signal.SIGUSR2, signal.SIGIO):
            signal.signal(number, self._signalled)

    def _signalled(self, *_: object) -> None:
        self.signals += 1

    def state(self) -> Any:
        """The secret's folder as it is."""
        return {(path.name, path.read_text(), path.stat().st_mode, path.stat().st_mtime_ns)
                for path in self.folder.iterdir() if path.is_file()}  # fmt: skip

    def touched(self) -> list[str]:
        """What has been touched."""
        found = ["a signal"] * bool(self.signals) + ["a file"] * (self.state() != self.before)
        for one, receive in zip(self.sockets, ("accept", "accept", "recv"), strict=True):
            try:
                getattr(one, receive)(*([1] if receive == "recv" else []))
                found.append("a socket")
            except BlockingIOError:
                continue
        return found

    def close(self) -> None:
        """Remove everything."""
        for one in self.sockets:
            one.close()
        shutil.rmtree(self.folder)

    def fill(self, source: str) -> str:
        """The attack with the names of these things in it."""
        zygote = server.server()._process.pid
        return Template(source).safe_substitute(
            SECRET=self.secret, FOLDER=self.folder, PORT=self.sockets[0].getsockname()[1], ABSTRACT=self.abstract,
            SOCKET=self.folder / "socket", PID=os.getpid(), ZYGOTE=zygote,
        )  # fmt: skip


def escapes(seconds: float) -> list[dict[str, Any]]:
    """Attempts to get at something outside."""
    return [_attack("escape", name, source, seconds) for name, source in ESCAPES.items()]


def abuses(seconds: float) -> list[dict[str, Any]]:
    """Attempts to use up the machine; escaped means that one outlived its limits or left something behind."""
    return [_attack("abuse", name, source, seconds) for name, source in ABUSES.items()]


def _attack(kind: str, name: str, source: str, seconds: float) -> dict[str, Any]:
    witness = Witness()
    limits = Limits(seconds=seconds, cpu=seconds, memory=256_000_000)
    zygote = server.server()
    before = descendants(zygote._process.pid)
    start = time.monotonic()
    ran = run(Program(witness.fill(PRELUDE + source)), limits)
    took = time.monotonic() - start
    left = descendants(zygote._process.pid)
    output = ran.stdout.decode(errors="replace") + ran.stderr.decode(errors="replace")
    signs = ["it said so"] * ("ESCAPED" in output) + ["the secret"] * (_SECRET in output) + witness.touched()
    signs += ["it outlived its limit"] * (took > seconds + 5) + ["processes"] * (left > before)
    signs += ["the server is gone"] * (server.server() is not zygote)
    witness.close()
    return {
        "kind": kind, "name": name, "escaped": bool(signs), "signs": signs, "broken": ran.status is Status.BROKEN,
        "outcome": f"{ran.status} {ran.cause}".strip(), "said": output[-160:], "seconds": round(took, 3),
    }  # fmt: skip


def descendants(pid: int) -> int:
    """How many processes descend from `pid`, itself counted: the server, its helpers, and whatever was left behind."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if state != "Z":
            parents[int(folder.name)] = int(parent)
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return len(found)


def cheats(seconds: float) -> list[dict[str, Any]]:
    """Answers that must not pass, under calls and under a test's source."""
    rows = []
    for form in (_CALLS, {"entry_point": "add", "check": _CHECK}):
        for name, source in CHEATS.items():
            start = time.monotonic()
            judged = code(source, "", {**form, "timeout": seconds})
            rows.append(
                {
                    "kind": "cheat", "name": f"{name} ({'calls' if 'calls' in form else 'check'})",
                    "escaped": judged.outcome is Outcome.PASS, "broken": judged.outcome is Outcome.INFRA_ERROR,
                    "outcome": f"{judged.outcome} {judged.cause}", "seconds": round(time.monotonic() - start, 3),
                }
            )  # fmt: skip
    honest = code("def add(a, b): return a + b", "", {**_CALLS, "timeout": 10})
    rows.append({"kind": "honest", "name": "an honest answer", "escaped": False,
                 "broken": honest.outcome is not Outcome.PASS, "outcome": str(honest.outcome)})  # fmt: skip
    return rows


def fails_closed() -> list[dict[str, Any]]:
    """Nothing may run where isolation is missing, or fails at any step; "escaped" if it did."""
    rows = []
    found, program = server.probe(), Program("print('ran')")
    bare = replace(found, namespaces=False, landlock=0, seccomp=False, bubblewrap="")
    for name, lacking in (
        ("nothing", bare),
        ("no seccomp", replace(found, seccomp=False)),
        ("seccomp alone", replace(bare, seccomp=True)),
    ):
        server.probe = lambda lacking=lacking: lacking  # type: ignore[assignment, misc]
        try:
            ran, escaped = run(program), True
        except UserError:
            ran, escaped = None, False
        rows.append({"kind": "closed", "name": name, "escaped": escaped, "outcome": str(ran), "broken": False})
    server.probe = lambda: found  # type: ignore[assignment]
    sabotaged = [
        ("a folder that cannot be made", Limits.model_construct(**{**Limits().model_dump(), "disk": -1})),
        ("a limit that cannot be set", Limits.model_construct(**{**Limits().model_dump(), "descriptors": -7})),
    ]
    for name, limits in sabotaged if levels.choose(found).plan(found).namespaces else sabotaged[1:]:
        ran = run(program, limits)
        rows.append({"kind": "closed", "name": name, "escaped": b"ran" in ran.stdout or ran.status != "broken",
                     "outcome": f"{ran.status} {ran.cause}", "broken": False})  # fmt: skip
    return rows


if __name__ == "__main__":
    main()
