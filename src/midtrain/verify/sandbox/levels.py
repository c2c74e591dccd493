"""How well programs are isolated: named levels, best first, and the rule that nothing runs below the required one.

    namespaces+landlock+seccomp   their own view of the file system, processes and (no) network; then each of the
                                  others again, so that a hole in one is not a hole
    namespaces+seccomp            the same for kernels without Landlock
    bubblewrap+landlock+seccomp   where only a set-user-id or specially permitted bwrap may make namespaces
    bubblewrap+seccomp
    landlock+seccomp              in any container: no file but the interpreter's can be read (names of others can
                                  be seen), none written; no sockets; no other processes made or reached
    limits only                   processor, memory and time; everything else is open. Refused, unless allowed.

Where there are no namespaces, a program has no private folder and can start no other process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from midtrain.core.errors import UserError
from midtrain.verify.sandbox.config import SandboxConfig
from midtrain.verify.sandbox.jail import Plan
from midtrain.verify.sandbox.probe import Capabilities, reasons_of


@dataclass(frozen=True)
class Level:
    """A way of isolating, and what it keeps apart."""

    name: str
    needs: tuple[str, ...]
    """The capabilities that must be there."""
    isolated: bool = True
    """Whether files, network and other processes are out of reach."""

    def plan(self, capabilities: Capabilities) -> Plan:
        """What the processes of this level have to do on a machine with these capabilities."""
        return Plan(
            namespaces="namespaces" in self.needs,
            landlock=capabilities.landlock if "landlock" in self.needs else 0,
            seccomp="seccomp" in self.needs,
            drop=capabilities.uid == 0,
        )


LEVELS = (
    Level("namespaces+landlock+seccomp", ("namespaces", "landlock", "seccomp")),
    Level("namespaces+seccomp", ("namespaces", "seccomp")),
    Level("bubblewrap+landlock+seccomp", ("bubblewrap", "landlock", "seccomp", "readable")),
    Level("bubblewrap+seccomp", ("bubblewrap", "seccomp", "readable")),
    Level("landlock+seccomp", ("landlock", "seccomp", "readable")),
    Level("limits only", ("readable",), isolated=False),
)
"""Every level, best first."""

_config = SandboxConfig()


@contextmanager
def configure(config: SandboxConfig) -> Iterator[None]:
    """Within this, programs run as `config` says, in every thread; what a problem says can never allow more."""
    global _config
    before, _config = _config, config
    try:
        yield
    finally:
        _config = before


def unsafe_allowed() -> bool:
    """Whether a person allowed programs to run where they cannot be isolated."""
    return _config.allow_unsafe


def choose(capabilities: Capabilities) -> Level:
    """The best level that the capabilities allow; UserError, naming what is missing, where none isolates."""
    level = next((level for level in LEVELS if all(getattr(capabilities, need) for need in level.needs)), None)
    if level and (level.isolated or unsafe_allowed()):
        return level
    missing = reasons_of(capabilities, [name for name in ("namespaces", "landlock", "seccomp", "readable", "bubblewrap")
                                        if not getattr(capabilities, name)])  # fmt: skip
    mend = (
        "run on Linux 5.13 or newer, allow user namespaces or install bubblewrap, or set allow_unsafe to run programs "
        "that you have read yourself"
    )
    raise UserError(f"Programs cannot be isolated on this machine ({missing}), so none is run; {mend}.")
