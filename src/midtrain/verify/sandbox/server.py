"""Our end of the zygote: one per level, started when first needed, started again when it died, ended with us.

It is told by the end of its control socket that we are gone, not by a death signal: that would come when the *thread*
that started it ends. A process forked from ours starts its own.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from dataclasses import fields

from midtrain.verify.sandbox.jail import Plan
from midtrain.verify.sandbox.levels import Level, choose
from midtrain.verify.sandbox.probe import ENVIRONMENT, Capabilities, bubblewrap_command, probe, python_command

_PATIENCE_S = 60.0


class SandboxBroken(Exception):
    """The sandbox itself failed; nothing is known of the program."""


class Server:
    """A zygote at a level; `spawn` is safe from any thread."""

    def __init__(self, level: Level, capabilities: Capabilities, plan: Plan | None = None):
        self.level = level
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        plan = plan or level.plan(capabilities)
        chosen = {field.name: getattr(plan, field.name) for field in fields(plan) if field.name != "rulesets"}
        code = f"from midtrain.verify.sandbox import zygote; sys.path.pop(0); zygote.main({theirs.fileno()}, {chosen})"
        prefix = bubblewrap_command(capabilities.bubblewrap) if "bubblewrap" in level.needs else []
        with theirs:
            self._process = subprocess.Popen(
                [*prefix, *python_command(code)], env=ENVIRONMENT, pass_fds=[theirs.fileno()], cwd="/",
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        self._control.settimeout(_PATIENCE_S)
        try:
            hello = json.loads(self._control.recv(4096) or b"{}")
        except (OSError, ValueError) as error:
            hello = {"broken": str(error)}
        self._control.settimeout(None)
        if "ready" not in hello:
            self.close()
            raise SandboxBroken(f"{level.name}: {hello.get('broken', 'the server did not start')}")

    def spawn(self, descriptors: list[int]) -> None:
        """Ask for a guest with these descriptors: standard input, output, error, channel, report."""
        try:
            socket.send_fds(self._control, [b"start"], descriptors)
        except OSError as error:
            raise SandboxBroken(f"the server has ended: {error}") from None

    @property
    def alive(self) -> bool:
        """Whether the zygote still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the zygote and every program it has started."""
        self._control.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def forget(self) -> None:
        """Let go of it without ending it, in a process forked from the one it belongs to."""
        self._control.close()


_servers: dict[Level, Server] = {}
_lock = threading.Lock()


def server() -> Server:
    """The server at the best level here; UserError where none isolates, SandboxBroken where it does not start."""
    capabilities = probe()
    level = choose(capabilities)
    with _lock:
        found = _servers.get(level)
        if found is None or not found.alive:
            if found:
                found.close()
            found = _servers[level] = Server(level, capabilities)
        return found


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    for inherited in _servers.values():
        inherited.forget()
    _servers.clear()


os.register_at_fork(after_in_child=_after_fork)
