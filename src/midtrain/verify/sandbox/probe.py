"""What this machine offers for isolation, found out by trying: kernels, containers and policies differ, versions lie.

The attempts are made in a process of their own, once; what was refused is kept as a reason for people. Standard library
only, since it runs there too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from midtrain.verify.sandbox import jail, kernel, syscalls

_PACKAGE = Path(__file__).parents[2]
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Capabilities:
    """What there is: kernel features as they work for this user, here and now."""

    namespaces: bool
    """User, PID, mount, network, IPC and UTS namespaces together, with a view of the file system of our own."""
    landlock: int
    """The ABI of Landlock; 0 for none."""
    seccomp: bool
    bubblewrap: str
    """The path of a bwrap that works; empty for none."""
    uid: int
    readable: bool
    """Whether the interpreter's library can be read by a user without privileges."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Why something is missing, by its name."""


@cache
def probe() -> Capabilities:
    """The capabilities of this machine for this user (remembered for the process)."""
    if sys.platform != "linux":
        reason = f"{sys.platform} is not Linux"
        return Capabilities(False, 0, False, "", os.getuid(), False, dict.fromkeys(("namespaces", "landlock"), reason))
    done = subprocess.run(
        python_command("from midtrain.verify.sandbox.probe import report; report()"),
        env=ENVIRONMENT, capture_output=True, text=True, timeout=_PATIENCE_S, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"the probe of the sandbox broke: {done.stderr}"
    found = Capabilities(**json.loads(done.stdout), bubblewrap="")
    bwrap = shutil.which("bwrap")
    if bwrap and found.uid:
        tried = subprocess.run(
            [*bubblewrap_command(bwrap), *python_command("pass")], env=ENVIRONMENT, capture_output=True, text=True,
            timeout=_PATIENCE_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if not tried.returncode:
            return Capabilities(**{**vars(found), "bubblewrap": bwrap})
        found.reasons["bubblewrap"] = tried.stderr.strip()[-200:]
    return found


ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""All that our helper processes are given: sets of text have one order, so a program's verdict does not change."""


def python_command(code: str) -> list[str]:
    """The command that runs `code` in this interpreter, with this package and the standard library alone."""
    paths = f"import sys; sys.path.insert(0, {str(_PACKAGE.parent)!r}); "
    return [os.path.realpath(sys.executable), "-B", "-s", "-S", "-P", "-X", "utf8", "-c", paths + code]


def bubblewrap_command(bwrap: str) -> list[str]:
    """The beginning of a command that runs the rest in bubblewrap, which sees what `jail.build_view` shows."""
    ours = [str(_PACKAGE / name) for name in ("__init__.py", "verify/__init__.py", "verify/sandbox")]
    paths = [*jail.SYSTEM, os.path.realpath(sys.base_prefix), *ours]
    command = [bwrap, "--unshare-all", "--new-session", "--cap-drop", "ALL"]
    for path in paths:
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        elif os.path.exists(path):
            command += ["--ro-bind", path, path]
            for packages in jail.package_folders(path):
                command += ["--tmpfs", packages, "--remount-ro", packages]
    for device in jail.DEVICES:
        command += ["--dev-bind", device, device]
    return [*command, "--remount-ro", "/", "--"]


def report() -> None:
    """Try everything and print it as JSON (in the process that `probe` starts)."""
    reasons: dict[str, str] = {}
    root = os.getuid() == 0
    abi = kernel.landlock_version()
    known = kernel.MACHINE in ("x86_64", "aarch64")
    works = {
        "namespaces": known and _tried("namespaces", lambda: _namespaces(root), reasons),
        "landlock": abi if _tried("landlock", lambda: _landlock(abi), reasons) else 0,
        "seccomp": known and _tried("seccomp", _seccomp, reasons),
        "readable": _tried("readable", lambda: _readable(root), reasons),
    }
    if not known:
        reasons["seccomp"] = reasons["namespaces"] = f"the system calls of {kernel.MACHINE} are not known"
    print(json.dumps({**works, "uid": os.getuid(), "reasons": reasons}))


def _tried(name: str, attempt: Callable[[], object], reasons: dict[str, str]) -> bool:
    """Whether the attempt, made in a child, ended well; else the reason is noted."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            attempt()
            os._exit(0)
        except BaseException as error:
            os.write(write, str(error).encode()[:400])
        finally:
            os._exit(1)
    os.close(write)
    with open(read, "rb") as file:
        reason = file.read().decode(errors="replace")
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        reasons[name] = reason or "it was killed"
        return False
    return True


def _namespaces(root: bool) -> None:
    own = jail.enter(jail.Plan(namespaces=True, landlock=0, seccomp=False, drop=root))
    kernel.unshare(kernel.NEWPID)
    child = os.fork()
    if not child:
        os._exit(0)
    assert own is not None
    kernel.enter(own, kernel.NEWPID)
    os.waitpid(child, 0)
    kernel.unshare(kernel.NEWNS)
    kernel.mount_memory("/box/tmp", 1 << 20, 16, "700")
    kernel.unshare(kernel.NEWUSER)


def _landlock(abi: int) -> None:
    if not abi:
        raise OSError("this kernel has no Landlock, or it is switched off")
    kernel.no_new_privileges()
    kernel.landlock_restrict(kernel.landlock_ruleset(abi, []))


def _seccomp() -> None:
    kernel.no_new_privileges()
    kernel.install_filter(
        syscalls.build_filter(kernel.MACHINE, execute=False, children=True, private_folder=True, pid=None)
    )


def _readable(root: bool) -> None:
    if root:
        os.setgroups([])
        os.setresgid(jail.NOBODY, jail.NOBODY, jail.NOBODY)
        os.setresuid(jail.NOBODY, jail.NOBODY, jail.NOBODY)
    os.listdir(os.path.dirname(os.__file__))


def reasons_of(capabilities: Capabilities, names: Sequence[str]) -> str:
    """Why the named capabilities are missing, in words."""
    return "; ".join(f"{name}: {capabilities.reasons.get(name, 'not there')}" for name in names)
