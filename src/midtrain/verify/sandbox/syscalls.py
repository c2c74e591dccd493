"""The system calls a program may make, and the seccomp filter that refuses every other one.

An allow list: a system call that a new kernel adds is refused until someone has thought about it. What is absent is
the point: sockets, ptrace and reading another process's memory, mounts, namespaces, keys, BPF, io_uring, priorities,
identities, shared memory of System V, memfd (memory that no limit counts), set-user-id. Some are allowed with some
arguments only, because of what the others can do: `fcntl(F_SETOWN)` sends signals to any process, `clone` makes
namespaces, `prctl` undoes the death signal, `ioctl(TIOCSTI)` types into a terminal.

Refused calls fail with EPERM, those newer than this list with ENOSYS, so that libraries fall back (clone3 to clone).
A wrong architecture (32-bit calls on x86-64, x32) kills. Numbers: linux/unistd.h of Linux 6.1, x86-64 and arm64.
"""

from __future__ import annotations

import errno
import struct

_ALWAYS = """
brk 12 214; mmap 9 222; munmap 11 215; mremap 25 216; mprotect 10 226; madvise 28 233; msync 26 227; mincore 27 232
membarrier 324 283; clock_gettime 228 113; clock_getres 229 114; clock_nanosleep 230 115; nanosleep 35 101
gettimeofday 96 169; time 201 -; times 100 153; alarm 37 -; getitimer 36 102; setitimer 38 103; timer_create 222 107
timer_settime 223 110; timer_gettime 224 108; timer_getoverrun 225 109; timer_delete 226 111; timerfd_create 283 85
timerfd_settime 286 86; timerfd_gettime 287 87; pause 34 -
read 0 63; write 1 64; readv 19 65; writev 20 66; pread64 17 67; pwrite64 18 68; preadv 295 69; pwritev 296 70
close 3 57; close_range 436 436; dup 32 23; dup2 33 -; dup3 292 24; lseek 8 62; fsync 74 82; fdatasync 75 83
ftruncate 77 46; fallocate 285 47; fadvise64 221 223; flock 73 32; pipe 22 -; pipe2 293 59; eventfd2 290 19
poll 7 -; ppoll 271 73; select 23 -; pselect6 270 72; epoll_create 213 -; epoll_create1 291 20; epoll_ctl 233 21
epoll_wait 232 -; epoll_pwait 281 22; epoll_pwait2 441 441
open 2 -; openat 257 56; openat2 437 437; stat 4 -; fstat 5 80; lstat 6 -; newfstatat 262 79; statx 332 291
access 21 -; faccessat 269 48; faccessat2 439 439; readlink 89 -; readlinkat 267 78; getdents 78 -; getdents64 217 61
getcwd 79 17; chdir 80 49; fchdir 81 50; umask 95 166; statfs 137 43; fstatfs 138 44; getxattr 191 8; lgetxattr 192 9
fgetxattr 193 10; listxattr 194 11; llistxattr 195 12; flistxattr 196 13
getpid 39 172; getppid 110 173; gettid 186 178; getuid 102 174; geteuid 107 175; getgid 104 176; getegid 108 177
getresuid 118 148; getresgid 120 150; getgroups 115 158; getpgrp 111 -; getpgid 121 155; getsid 124 156; setsid 112 157
getpriority 140 141; uname 63 160; sysinfo 99 179; getrusage 98 165; getrlimit 97 163; getcpu 309 168
getrandom 318 278; sched_yield 24 124; sched_getaffinity 204 123; sched_getparam 143 121; sched_getscheduler 145 120
sched_get_priority_max 146 125; sched_get_priority_min 147 126; capget 125 90; arch_prctl 158 -; rseq 334 293
futex 202 98; futex_waitv 449 449; set_robust_list 273 99; get_robust_list 274 100; set_tid_address 218 96
restart_syscall 219 128; rt_sigaction 13 134; rt_sigprocmask 14 135; rt_sigpending 127 136; rt_sigtimedwait 128 137
rt_sigsuspend 130 133; rt_sigreturn 15 139; sigaltstack 131 132; wait4 61 260; waitid 247 95; exit 60 93
exit_group 231 94; shutdown 48 210; getsockopt 55 209; getsockname 51 204; getpeername 52 205; sendto 44 206
recvfrom 45 207; sendmsg 46 211; recvmsg 47 212
"""

_CHANGING = """
mkdir 83 -; mkdirat 258 34; rmdir 84 -; unlink 87 -; unlinkat 263 35; rename 82 -; renameat 264 38; renameat2 316 276
link 86 -; linkat 265 37; symlink 88 -; symlinkat 266 36; truncate 76 45; creat 85 -; chmod 90 -; fchmod 91 52
fchmodat 268 53; utime 132 -; utimes 235 -; utimensat 280 88; futimesat 261 -
"""  # of files: only where all but a private folder is read-only, since Landlock does not know chmod and utime

_EXECUTING = "execve 59 221"
_CHILDREN = "fork 57 -; vfork 58 -; setpgid 109 154"
_CONDITIONAL = """
clone 56 220; ioctl 16 29; fcntl 72 25; prctl 157 167; kill 62 129; tkill 200 130; tgkill 234 131; prlimit64 302 261
socketpair 53 199; clone3 435 435
"""
_NEWEST = 449  # futex_waitv; what came later is unknown here

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_LOAD, _EQUAL, _GREATER, _SET, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06  # BPF opcodes
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; an argument has 8 bytes, low half first

_NAMESPACES = 0x7E020080  # every CLONE_NEW* flag
_IOCTLS = (0x5401, 0x541B, 0x5421, 0x5450, 0x5451, 0x5413)  # TCGETS FIONREAD FIONBIO FIONCLEX FIOCLEX TIOCGWINSZ
_FCNTLS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)  # dup, flags, locks and the size of a pipe; not F_SETOWN
_PRCTLS = (15, 16, 0x53564D41)  # the name of a thread, names of memory areas

Instruction = tuple[int, int, int, int]


def numbers(text: str, machine: str) -> dict[str, int]:
    """The system calls of a table by name, with their numbers on `machine`."""
    column = _ARCHITECTURES[machine][0] + 1
    entries = [entry.split() for entry in text.replace("\n", ";").split(";") if entry.strip()]
    return {entry[0]: int(entry[column]) for entry in entries if entry[column] != "-"}


def build_filter(machine: str, *, execute: bool, children: bool, private_folder: bool, pid: int | None) -> bytes:
    """The BPF program for `machine` (x86_64 or aarch64; KeyError for another).

    `execute`: other programs may be started in this process's place; `children`: processes beside it; `private_folder`:
    files may be changed; `pid`: the only process signals may go to, None where no other can be seen.
    """
    allowed = numbers(_ALWAYS, machine)
    allowed |= numbers(_CHANGING, machine) if private_folder else {}
    allowed |= numbers(_EXECUTING, machine) if execute else {}
    allowed |= numbers(_CHILDREN, machine) if children else {}
    special = numbers(_CONDITIONAL, machine)
    code: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _ARCHITECTURES[machine][1]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        code += [(_SET, 0, 1, 0x40000000), (_RETURN, 0, 0, _KILL)]  # x32: other numbers for the same calls
    for number in sorted(allowed.values()):
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for name, body in _conditions(children, pid).items():
        code += [(_EQUAL, 0, len(body), special[name]), *body]
    refused = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    code += [
        (_EQUAL, 1, 0, special["clone3"]),
        (_GREATER, 0, 1, _NEWEST),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        refused,
    ]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def _conditions(children: bool, pid: int | None) -> dict[str, list[Instruction]]:
    """By system call, code that ends by allowing or refusing it for its arguments."""
    ends = [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    anyone = [ends[0]]
    own = anyone if pid is None else _one_of(0, (pid,))
    plain_process = [(_LOAD, 0, 0, _ARGUMENT), (_SET, 1, 0, _NAMESPACES), *ends]
    thread = [(_LOAD, 0, 0, _ARGUMENT), (_SET, 0, 2, 0x00010000), (_SET, 1, 0, _NAMESPACES), *ends]
    return {
        "clone": plain_process if children else thread,
        "ioctl": _one_of(1, _IOCTLS),
        "fcntl": _one_of(1, _FCNTLS),
        "prctl": _one_of(0, _PRCTLS),
        "kill": own,
        "tgkill": own,
        "tkill": anyone if pid is None else [ends[1]],
        "prlimit64": _one_of(0, (0,) if pid is None else (0, pid)),
        "socketpair": [  # a connected pair of streams, which can be given no address
            (_LOAD, 0, 0, _ARGUMENT),
            (_EQUAL, 0, 4, 1),
            (_LOAD, 0, 0, _ARGUMENT + 8),
            (0x54, 0, 0, 0xF),  # without SOCK_CLOEXEC and SOCK_NONBLOCK
            (_EQUAL, 0, 1, 1),
            *ends,
        ],
    }


def _one_of(argument: int, values: tuple[int, ...]) -> list[Instruction]:
    code: list[Instruction] = [(_LOAD, 0, 0, _ARGUMENT + 8 * argument)]
    for value in values:
        code += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    return [*code, (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
