"""The few system calls that Python lacks, through ctypes; each raises OSError, with its step's name, when refused."""

from __future__ import annotations

import ctypes
import os
import platform
import struct

NEWNS, NEWUTS, NEWIPC, NEWUSER = 0x00020000, 0x04000000, 0x08000000, 0x10000000
NEWPID, NEWNET = 0x20000000, 0x40000000
_BIND, _REC, _PRIVATE, _NOSUID, _NODEV = 0x1000, 0x4000, 1 << 18, 0x2, 0x4
_ATTRIBUTES_RDONLY_NOSUID, _ATTRIBUTE_NODEV, _AT_RECURSIVE = 0x1 | 0x2, 0x4, 0x8000
_MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_LANDLOCK_VERSION, _LANDLOCK_PATH_BENEATH = 1, 1

# Numbers of the system calls used here; those above 424 are the same on every architecture.
_NUMBERS = {"x86_64": {"pivot_root": 155, "capset": 126}, "aarch64": {"pivot_root": 41, "capset": 91}}
_MOUNT_SETATTR, _LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 442, 444, 445, 446

MACHINE = platform.machine().replace("arm64", "aarch64")
"""The architecture; seccomp filters and two system calls know x86_64 and aarch64."""

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, step: str) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{step}: {os.strerror(number)}")
    return result


def _call(step: str, number: int, *arguments: int | bytes | None) -> int:
    plain = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *plain), step)


def _number(name: str) -> int:
    if MACHINE not in _NUMBERS:
        raise OSError(0, f"{name}: its number on {MACHINE} is not known")
    return _NUMBERS[MACHINE][name]


def unshare(flags: int) -> None:
    """Move this process into new namespaces (NEWPID: its next children)."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def enter(descriptor: int, kind: int) -> None:
    """Move this process into the namespace `descriptor` stands for."""
    _checked(_libc.setns(ctypes.c_int(descriptor), ctypes.c_int(kind)), "setns")


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    texts = [text.encode() if text is not None else None for text in (source, target, kind, options)]
    result = _libc.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3])
    _checked(result, f"mount {target}")


def make_mounts_private() -> None:
    """What is mounted from here on is seen by nobody else."""
    _mount(None, "/", None, _REC | _PRIVATE)


def mount_memory(target: str, size: int, files: int, mode: str) -> None:
    """A file system in memory of at most `size` bytes and `files` inodes."""
    _mount("tmpfs", target, "tmpfs", _NOSUID | _NODEV, f"size={size},nr_inodes={files},mode={mode}")


def bind(source: str, target: str) -> None:
    """Show `source`, with all that is mounted below it, at `target` too."""
    _mount(source, target, None, _BIND | _REC)


def make_read_only(target: str, devices: bool = False) -> None:
    """No writing, no set-user-id and, unless `devices`, no device files in the mounts at and below `target`."""
    flags = _ATTRIBUTES_RDONLY_NOSUID | (0 if devices else _ATTRIBUTE_NODEV)
    attributes = struct.pack("<QQQQ", flags, 0, 0, 0)
    _call(f"mount_setattr {target}", _MOUNT_SETATTR, -1, target.encode(), _AT_RECURSIVE, attributes, len(attributes))


def change_root(root: str) -> None:
    """Make the mount at `root` the root, and let go of the old one."""
    os.chdir(root)
    _call("pivot_root", _number("pivot_root"), b".", b".")
    _checked(_libc.umount2(b".", _MNT_DETACH), "umount")
    os.chdir("/")


def _prctl(step: str, option: int, value: int) -> None:
    zeros = [ctypes.c_ulong(0)] * 3
    _checked(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), *zeros), step)


def die_with_parent() -> None:
    """SIGKILL to this process when the thread that made it ends."""
    _prctl("pdeathsig", _PR_SET_PDEATHSIG, 9)


def set_dumpable(allowed: bool) -> None:
    """Whether others of the same user may look into this process (and it may write its own /proc files)."""
    _prctl("dumpable", _PR_SET_DUMPABLE, int(allowed))


def no_new_privileges() -> None:
    """No program started from here on gains privileges by being set-user-id."""
    _prctl("no_new_privs", _PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities() -> None:
    """Give up every capability, for good."""
    header = struct.pack("<Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    _call("capset", _number("capset"), header, bytes(24))


def install_filter(program: bytes) -> None:
    """Let the kernel pass every further system call of this process through a seccomp BPF program."""
    code = ctypes.create_string_buffer(program, len(program))
    prog = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(program) // 8, ctypes.addressof(code)))
    zeros = [ctypes.c_ulong(0)] * 2
    result = _libc.prctl(ctypes.c_int(_PR_SET_SECCOMP), ctypes.c_ulong(_SECCOMP_MODE_FILTER), prog, *zeros)
    _checked(result, "seccomp")


def landlock_version() -> int:
    """The ABI of Landlock: 0 for none, 1 since Linux 5.13, 4 restricts TCP, 6 signals and abstract sockets."""
    return max(
        _libc.syscall(ctypes.c_long(_LANDLOCK_CREATE), None, ctypes.c_long(0), ctypes.c_long(_LANDLOCK_VERSION)), 0
    )


# Access rights to files, by the ABI that brought them (linux/landlock.h).
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
_BY_ABI = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}  # all of 5.13; REFER; TRUNCATE; IOCTL_DEV


def landlock_files(abi: int) -> int:
    """Every access to files that this ABI can take away."""
    return sum(bits for version, bits in _BY_ABI.items() if version <= abi)


def landlock_ruleset(abi: int, rules: list[tuple[str, int]], files: int | None = None) -> int:
    """A descriptor of rules that allow only `rules`: (path, rights to what lies at and below it); no TCP, no signals.

    `files` are the rights taken away where no rule gives them: all that the ABI knows.
    """
    handled = landlock_files(abi) if files is None else files
    network = 3 if abi >= 4 else 0  # bind and connect of TCP
    scoped = 3 if abi >= 6 else 0  # abstract sockets and signals out of the domain
    attributes = struct.pack("<QQQ", handled, network, scoped)[: 24 if abi >= 6 else 16 if abi >= 4 else 8]
    ruleset = _call("landlock_create_ruleset", _LANDLOCK_CREATE, attributes, len(attributes), 0)
    for path, rights in rules:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not os.path.isdir(path):
                rights &= EXECUTE | WRITE_FILE | READ_FILE | (1 << 14)
            rule = struct.pack("<Qi", rights & handled, place)
            _call(f"landlock_add_rule {path}", _LANDLOCK_ADD, ruleset, _LANDLOCK_PATH_BENEATH, rule, 0)
        finally:
            os.close(place)
    return ruleset


def landlock_restrict(ruleset: int) -> None:
    """Hold this process, for good, to the rules of a ruleset."""
    _call("landlock_restrict_self", _LANDLOCK_RESTRICT, ruleset, 0)
