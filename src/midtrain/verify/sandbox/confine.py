"""Another program that must see this machine's own files, confined: a proof assistant with its libraries.

It reads and runs what lies below the folders named and in the system's, writes to one folder, and has no network and no
sight of other processes; its memory and files are bounded. This is less than a program that a model wrote gets (jail.py
shows it another file system, and an allow list of system calls): what runs here is a tool that a person installed, and
what must be kept from harm is what its input can make it do.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from midtrain.verify.sandbox import kernel
from midtrain.verify.sandbox.jail import DEVICES, SYSTEM
from midtrain.verify.sandbox.probe import python_command

ISOLATION = "namespaces+landlock, reading the system and the tool"
BROKEN = 70
"""Exit code when the confinement failed; the tool did not run then."""
_FILES = ("/etc/ld.so.cache", "/etc/localtime", *DEVICES)


def confined(command: Sequence[str], landlock: int, readable: Sequence[str], folder: str, memory: int) -> list[str]:
    """The command that runs `command` confined: reading `readable`, writing to `folder`, in `memory` bytes.

    `landlock` is its ABI; 0: memory and files are bounded, and nothing else is.
    """
    arguments = ", ".join(map(repr, (list(command), landlock, list(readable), folder, memory)))
    return python_command(f"from midtrain.verify.sandbox.confine import confine; confine({arguments})")


def confine(command: Sequence[str], landlock: int, readable: Sequence[str], folder: str, memory: int) -> None:
    """Become the parent of `command`, confined, and end as it ends; in a process of its own."""
    try:
        rights = kernel.EXECUTE | kernel.READ_FILE | kernel.READ_DIR
        rules = [(path, rights) for path in (*SYSTEM, *readable) if os.path.isdir(path)]
        rules += [(path, kernel.READ_FILE | kernel.WRITE_FILE) for path in _FILES if os.path.exists(path)]
        rules.append((folder, kernel.landlock_files(landlock) & ~kernel.EXECUTE))
        if landlock:
            ruleset = kernel.landlock_ruleset(landlock, rules)
            kernel.unshare(kernel.NEWUSER | kernel.NEWPID | kernel.NEWNET | kernel.NEWIPC | kernel.NEWUTS)
        child = os.fork()
        if not child:
            kernel.die_with_parent()
            for limit, most in (
                (resource.RLIMIT_AS, memory),
                (resource.RLIMIT_FSIZE, 1 << 24),
                (resource.RLIMIT_CORE, 0),
            ):
                resource.setrlimit(limit, (most, most))
            if landlock:
                kernel.no_new_privileges()
                kernel.drop_capabilities()
                kernel.landlock_restrict(ruleset)
            os.execve(command[0], list(command), dict(os.environ))
    except OSError as error:
        os.write(2, f"confine: {error}\n".encode())
        os._exit(BROKEN)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(code if code >= 0 else 128 - code)


def watched(
    command: Sequence[str], where: str, output: str, environment: Mapping[str, str], seconds: float
) -> tuple[int | None, str]:
    """Run a command: (exit code, or None when killed at `seconds`; the beginning of what it wrote to `output`)."""
    with open(output, "w+b") as file:
        process = subprocess.Popen(
            command, cwd=where, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=dict(environment),
            start_new_session=True,
        )  # fmt: skip
        try:
            status: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        file.seek(0)
        return status, file.read(1 << 20).decode("utf-8", "replace")
