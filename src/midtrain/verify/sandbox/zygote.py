"""A Python process that has gone to jail once and forks a guest for every program; it never runs one itself.

A program then costs a fork and its own isolation, not the start of an interpreter: the modules that programs import
are there already. A request is one message with five descriptors (standard input, output and error, the channel, the
report); the guest reads from the channel what to run, so nothing of one program is ever in the memory of another.
When the other side of the report is shut or gone, the guest is killed; when it has ended, its wait status, processor
seconds and memory go there. When the control socket closes, this process ends; it is the first of its PID namespace,
so the kernel ends everything that it has started.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
from contextlib import suppress

from midtrain.verify.sandbox.guest import become
from midtrain.verify.sandbox.jail import Plan, above, enter, prepare
from midtrain.verify.sandbox.kernel import NEWPID, unshare
from midtrain.verify.sandbox.kernel import enter as enter_namespace

REPORT = struct.Struct("<idQ")
"""Wait status, processor seconds, kilobytes of memory."""
DESCRIPTORS = 5

_IMPORTED_BEFORE = (
    "abc", "array", "ast", "base64", "bisect", "calendar", "cmath", "collections", "contextlib", "copy", "csv",
    "dataclasses", "datetime", "decimal", "difflib", "enum", "fractions", "functools", "hashlib", "heapq",
    "inspect", "io", "itertools", "json", "math", "numbers", "operator", "pathlib", "queue", "random", "re",
    "statistics", "string", "struct", "tempfile", "textwrap", "threading", "time", "traceback", "types", "typing",
    "unicodedata", "uuid", "warnings", "zlib", "zoneinfo",
)  # fmt: skip


def main(control: int, plan: dict[str, int]) -> None:
    """Go to jail as `plan` (the fields of jail.Plan) says, report it on the socket `control`, and serve."""
    with socket.socket(fileno=control) as requests:
        try:
            for name in _IMPORTED_BEFORE:
                importlib.import_module(name)
            how = Plan(**plan)  # type: ignore[arg-type]
            own = enter(how)
            prepare(how)
        except BaseException as error:
            requests.send(json.dumps({"broken": f"{type(error).__name__}: {error}"}).encode())
            os._exit(1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is our process's to handle
        requests.send(b'{"ready": true}')
        gc.collect()
        gc.freeze()  # shared with every guest: a collection there must not copy it
        _serve(requests, how, own)


def _serve(requests: socket.socket, plan: Plan, own: int | None) -> None:
    pids: dict[int, tuple[int, int]] = {}  # by process descriptor: pid, report
    processes: dict[int, int] = {}  # by report: process descriptor
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == requests.fileno():
                if started := _start(requests, plan, own):
                    process, pid, report = started
                    pids[process], processes[report] = (pid, report), process
                    poll.register(process, select.POLLIN)
                    poll.register(report, select.POLLIN)
            elif descriptor in processes:  # nothing is ever written there: this is its end
                signal.pidfd_send_signal(processes.pop(descriptor), signal.SIGKILL)
                poll.unregister(descriptor)
            elif descriptor in pids:
                pid, report = pids.pop(descriptor)
                if processes.pop(report, None) is not None:
                    poll.unregister(report)
                poll.unregister(descriptor)
                _finish(pid, report)
                os.close(descriptor)


def _start(requests: socket.socket, plan: Plan, own: int | None) -> tuple[int, int, int] | None:
    message, descriptors, _, _ = socket.recv_fds(requests, 16, DESCRIPTORS)
    if not message:
        os._exit(0)  # our process is gone
    *standard, channel, report = descriptors
    try:
        pid = _fork(own)
        if not pid:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            become(plan, above(channel), tuple(map(above, standard)))  # type: ignore[arg-type]
        return os.pidfd_open(pid), pid, report
    except OSError as error:
        with suppress(OSError):
            os.write(report, f"broken: {error}".encode())
        os.close(report)
        return None
    finally:
        for descriptor in (*standard, channel):
            os.close(descriptor)


def _fork(own: int | None) -> int:
    """Fork; where we have a PID namespace of our own, the child is the first process of a new one below it."""
    if own is None:
        return os.fork()
    unshare(NEWPID)
    pid = -1
    try:
        pid = os.fork()
    finally:
        if pid:
            enter_namespace(own, NEWPID)  # or the next child could not have its own
    return pid


def _finish(pid: int, report: int) -> None:
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)  # before it is reaped, so the number is still its own
    _, status, usage = os.wait4(pid, 0)
    with suppress(OSError):
        os.write(report, REPORT.pack(status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss))
    os.close(report)
