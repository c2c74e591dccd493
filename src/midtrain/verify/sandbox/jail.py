"""The steps of isolation. Any that fails raises, and then no program runs.

Once, in the zygote (`enter`): as root give root up (no limit on processes holds for root), go into new namespaces and
replace the file system by a view of it: the interpreter, /usr and the system's libraries read-only, without installed
packages (a package may bring the very tests that a program is judged by), no /proc, three devices, no network.

Again for every program, in the process that will become it (`isolate`): a private folder in memory, a user namespace of
its own (so that its processes and threads are counted apart from everyone else's), no descriptors, limits, no
capabilities, Landlock, seccomp.
"""

from __future__ import annotations

import fcntl
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from midtrain.verify.sandbox import kernel, syscalls

NOBODY = 65534
_BOX = "/box"
"""What a program may write lies below; its private folder is mounted on /box/tmp."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin")
_PACKAGES = ("site-packages", "dist-packages")
_READ = kernel.READ_FILE | kernel.READ_DIR


@dataclass(frozen=True)
class Plan:
    """How programs are isolated: what a level means on this machine."""

    namespaces: bool
    landlock: int
    """The ABI of Landlock to use; 0 for none."""
    seccomp: bool
    drop: bool
    """Whether we are root, and must not stay it."""
    rulesets: dict[bool, int] = field(default_factory=dict)
    """Filled by `enter`: Landlock's rules without and with executing."""


def enter(plan: Plan) -> int | None:
    """Put this process (the zygote to be) where it will fork programs; returns its PID namespace, if it has its own.

    With namespaces it returns in a child, the first process of a new PID namespace, and never in the caller.
    """
    own = None
    if plan.namespaces:
        own = _enter_namespaces(plan.drop)
    elif plan.drop:
        _become_nobody()
    if plan.landlock:
        for execute in (False, True):
            plan.rulesets[execute] = above(kernel.landlock_ruleset(plan.landlock, _rules(plan, execute)))
    return own


def above(descriptor: int) -> int:
    """A copy of the descriptor that a guest's standard ones and its channel (0 to 3) cannot overwrite."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 16)


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _enter_namespaces(drop: bool) -> int:
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if drop:  # the interpreter may lie where only root can read: the view is made before root is given up
        kernel.unshare(kernel.NEWNS)
        build_view()
        _become_nobody()
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(kernel.NEWUSER | kernel.NEWPID | kernel.NEWNET | kernel.NEWIPC | kernel.NEWUTS | kernel.NEWNS)
    kernel.set_dumpable(True)  # or the maps belong to root
    for file, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        _write(f"self/{file}", text, proc)
    if not drop:
        build_view()
    child = os.fork()
    if child:
        for descriptor in range(3, 64):
            with suppress(OSError):
                os.close(descriptor)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    kernel.die_with_parent()
    own = os.open("self/ns/pid", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    os.close(proc)
    return own


def _write(path: str, text: str, folder: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def build_view() -> None:
    """Replace the file system, in this mount namespace, by one that shows only what a program may read."""
    kernel.make_mounts_private()
    root = "/proc"  # a folder that is there on every machine; hidden in this namespace only
    kernel.mount_memory(root, 1 << 20, 512, "755")
    prefix = os.path.realpath(sys.base_prefix)
    for path in (*SYSTEM, prefix):
        target = root + path
        if os.path.islink(path):
            os.symlink(os.readlink(path), target)
        elif os.path.isdir(path) and not os.path.exists(target):
            os.makedirs(target, 0o755)
            kernel.bind(path, target)
            kernel.make_read_only(target)
            for packages in package_folders(target):
                kernel.mount_memory(packages, 4096, 1, "555")
    os.mkdir(f"{root}/dev", 0o755)
    for device in DEVICES:
        Path(root + device).touch()
        kernel.bind(device, root + device)
    os.makedirs(f"{root}{_BOX}/tmp", 0o755)
    os.symlink(f"{_BOX}/tmp", f"{root}/tmp")
    os.symlink(f"{_BOX}/tmp", f"{root}/dev/shm")
    kernel.change_root(root)
    kernel.make_read_only("/", devices=True)


def package_folders(root: str) -> Iterator[str]:
    """Folders of installed packages of any Python in the usual places below `root`."""
    for libraries in ("lib", "lib64", "local/lib", "local/lib64"):
        for python in sorted(Path(root, libraries).glob("python*")):
            yield from (str(python / name) for name in _PACKAGES if (python / name).is_dir())


def _rules(plan: Plan, execute: bool) -> list[tuple[str, int]]:
    """What Landlock allows: to read the standard library and shared libraries, and to use the private folder."""
    rights = _READ | (kernel.EXECUTE if execute else 0)
    prefix = os.path.realpath(sys.base_prefix)
    libraries = [path for path in ("/usr/lib", "/usr/lib64", "/lib", "/lib64") if os.path.isdir(path)]
    standard = os.path.realpath(os.path.dirname(os.__file__))
    rules = [(path, rights) for folder in (*libraries, f"{prefix}/lib", standard) for path in _without_packages(folder)]
    rules += [(folder, kernel.READ_DIR) for folder in (f"{prefix}/lib", standard)]  # the importer lists them
    rules += [(path, _READ) for path in ("/usr/share/zoneinfo",) if os.path.isdir(path)]
    rules += [(path, kernel.READ_FILE | kernel.WRITE_FILE) for path in DEVICES]
    if execute:
        programs = ("/usr/bin", "/bin", "/usr/libexec", "/usr/include", f"{prefix}/bin")
        rules += [(path, rights) for path in programs if os.path.isdir(path)]
    if plan.namespaces:
        rules.append(
            (_BOX, kernel.landlock_files(plan.landlock) & ~kernel.EXECUTE | (kernel.EXECUTE if execute else 0))
        )
    return rules


def _without_packages(folder: str) -> list[str]:
    """`folder` itself if no Python lies in it; else what is in it, but for Pythons, their packages and links."""
    names = os.listdir(folder)
    hidden = [name for name in names if name.startswith("python") or name in _PACKAGES]
    paths = [f"{folder}/{name}" for name in names if name not in hidden]
    return [path for path in paths if not os.path.islink(path)] if hidden else [folder]


def isolate(plan: Plan, limits: dict[str, Any], files: dict[str, bytes], execute: bool, keep: int | None) -> None:
    """Isolate this process, the program's, for good. `keep` is the one descriptor beside 0, 1 and 2 that stays open."""
    kernel.die_with_parent()
    os.setsid()
    if plan.namespaces:
        kernel.unshare(kernel.NEWNS)
        kernel.mount_memory(f"{_BOX}/tmp", limits["disk"], 1024, "700")
        os.chdir(f"{_BOX}/tmp")
        for name, content in files.items():
            _place(name, content)
        kernel.unshare(kernel.NEWUSER)
    else:
        os.chdir("/")
        if files:
            raise OSError("files: there is no private folder at this level")
    _limit(limits, plan.namespaces)
    kernel.set_dumpable(False)
    kernel.no_new_privileges()
    kernel.drop_capabilities()
    if plan.landlock:
        kernel.landlock_restrict(plan.rulesets[execute])
    _close_all_but(keep)
    if plan.seccomp:
        pid = None if plan.namespaces else os.getpid()
        kernel.install_filter(_filter(execute, limits["children"], plan.namespaces, pid))


def _place(name: str, content: bytes) -> None:
    if "/" in name or name in ("", ".", ".."):
        raise OSError(f"files: {name!r} is not a plain file name")
    with open(name, "xb") as file:
        file.write(content)


def _limit(limits: dict[str, Any], counted: bool) -> None:
    """The kernel's own limits. Processes and threads are counted per user namespace, so only where there is one."""
    processor = max(int(limits["cpu"] + 0.999), 1)
    chosen = {
        resource.RLIMIT_CPU: processor,
        resource.RLIMIT_AS: limits["memory"],
        resource.RLIMIT_FSIZE: limits["disk"],
        resource.RLIMIT_NOFILE: limits["descriptors"],
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        **({resource.RLIMIT_NPROC: limits["tasks"]} if counted else {}),
    }
    for which, value in chosen.items():
        _, most = resource.getrlimit(which)
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(which, (value, value))


def _close_all_but(keep: int | None) -> None:
    last = os.sysconf("SC_OPEN_MAX")
    highest = 1 << 20 if last < 0 else max(last, 1 << 16)
    if keep is None:
        os.closerange(3, highest)
    else:
        os.closerange(3, keep)
        os.closerange(keep + 1, highest)


_filters: dict[tuple[bool, bool, bool, int | None], bytes] = {}


def _filter(execute: bool, children: bool, folder: bool, pid: int | None) -> bytes:
    """The filter, made once where it does not depend on the process (`prepare` has the zygote do that)."""
    key = (execute, children, folder, pid)
    if key not in _filters:
        _filters[key] = syscalls.build_filter(
            kernel.MACHINE, execute=execute, children=children, private_folder=folder, pid=pid
        )
    return _filters[key]


def prepare(plan: Plan) -> None:
    """Build in the zygote what its children will share."""
    if plan.seccomp and plan.namespaces:
        for execute in (False, True):
            for children in (False, True):
                _filter(execute, children, True, None)
