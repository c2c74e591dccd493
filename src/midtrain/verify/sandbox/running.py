"""One guest from our side: its pipes are drained with a cap, its time is watched, its end is told from our failures.

Everything waits in one place (`_wait`), for whatever comes first: output, a frame, the end, the deadline. To kill a
guest is to shut the report down: the zygote kills the first process of its namespace, and the kernel all that this one
has started. So no number of a process is ever used from here, and a thread of ours that dies leaves nothing running.
"""

from __future__ import annotations

import os
import secrets
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Any

from midtrain.verify.sandbox import plain
from midtrain.verify.sandbox.config import Limits
from midtrain.verify.sandbox.server import SandboxBroken, Server
from midtrain.verify.sandbox.zygote import REPORT

_GRACE_S = 20.0
"""How long to wait for what is ours to do (a fork, a report) before the sandbox counts as broken."""

_OWN_FRAME = 4096
"""Bytes of a frame that say how a question was answered, whatever the limit of what is answered."""


class Status(StrEnum):
    """How a program ended."""

    DONE = "done"
    """By itself, with exit code 0."""
    FAILED = "failed"
    """By itself or a signal, with another code; or it did not keep to what was asked of it."""
    TIME = "time"
    """It was killed at its limit of seconds, on the clock or of the processor."""
    MEMORY = "memory"
    """It asked for more memory than it may have."""
    OUTPUT = "output"
    """It was killed for writing too much."""
    BROKEN = "broken"
    """The sandbox failed; nothing is known of the program."""


class Ended(Exception):
    """The guest ended, or was ended, before it answered."""


class Running:
    """A guest that has been asked for; a context manager that leaves no process and no descriptor behind."""

    def __init__(self, server: Server, job: dict[str, Any], limits: Limits, stdin: bytes = b""):
        self.limits, self.isolation = limits, server.level.name
        self.stdout, self.stderr = bytearray(), bytearray()
        self.status: Status | None = None
        self.cause = ""
        self.cpu, self.memory, self.seconds = 0.0, 0, 0.0
        self._ended = False
        self._inbox, self._outbox, self._stdin = bytearray(), bytearray(), bytearray(stdin)
        self._selector = selectors.DefaultSelector()
        self._open: set[int] = set()
        self._start = time.monotonic()
        self._deadline = self._start + _GRACE_S
        self._spawn(server)
        self._post({**job, "limits": limits.model_dump()})

    def _spawn(self, server: Server) -> None:
        in_read, self._in = os.pipe()
        self._out, out_write = os.pipe()
        self._err, err_write = os.pipe()
        channel, their_channel = socket.socketpair()
        self._report, their_report = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel = channel.detach()
        theirs = [in_read, out_write, err_write, their_channel.detach(), their_report.detach()]
        try:
            self._watch(self._out, selectors.EVENT_READ, lambda: self._read_output(self._out, self.stdout))
            self._watch(self._err, selectors.EVENT_READ, lambda: self._read_output(self._err, self.stderr))
            self._watch(self._channel, selectors.EVENT_READ, self._use_channel)
            self._watch(self._report.fileno(), selectors.EVENT_READ, self._read_report)
            self._watch(self._in, selectors.EVENT_WRITE, self._write_input)
            server.spawn(theirs)
        except BaseException:
            self.close()
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close everything; a guest that still runs is killed by that."""
        for descriptor in list(self._open):
            self._unwatch(descriptor)
        self._selector.close()

    def isolated(self) -> None:
        """Wait until the guest has isolated itself; SandboxBroken when it could not. The program's time begins now."""
        try:
            frame = self._frame()
        except Ended:
            raise SandboxBroken(f"{self.isolation}: a guest ended before it was isolated") from None
        if "isolated" not in frame:
            raise SandboxBroken(f"{self.isolation}: {frame.get('broken')}")
        self._start = time.monotonic()
        self._deadline = self._start + self.limits.seconds

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Send a question and return its answer; Ended (call `finish`) when none comes, or not one to this question."""
        nonce = secrets.token_hex(8)
        self._post({"nonce": nonce, **question})
        answer = self._frame()
        if not isinstance(answer, dict) or answer.pop("nonce", None) != nonce or self._inbox:
            self.stop(Status.FAILED, "answered out of turn")
            raise Ended
        return answer

    def finish(self) -> None:
        """Wait until the program ends by itself or at its limit; then `status`, `cause` and its cost are known."""
        while not self._ended:
            self._wait()

    def hang_up(self) -> None:
        """Close the channel, which ends a guest that serves."""
        self._unwatch(self._channel)

    def stop(self, status: Status, cause: str) -> None:
        """Kill the guest, for this reason if there is none yet."""
        if self.status is None:
            self.status, self.cause = status, cause
        if not self._ended:
            self._deadline = time.monotonic() + _GRACE_S
            with suppress(OSError):
                self._report.shutdown(socket.SHUT_WR)

    def _frame(self) -> Any:
        """The next frame of the channel."""
        while True:
            whole = 4 + int.from_bytes(self._inbox[:4], "big")
            if len(self._inbox) >= 4 and whole > max(self.limits.output, _OWN_FRAME):
                self.stop(Status.OUTPUT, "a value too large")
                raise Ended
            if len(self._inbox) >= whole >= 4 and len(self._inbox) >= 4:
                data = bytes(self._inbox[4:whole])
                del self._inbox[:whole]
                try:
                    return plain.loads(data)
                except plain.NotPlain:
                    self.stop(Status.FAILED, "answered out of turn")
                    raise Ended from None
            if self._ended or self._channel not in self._open:
                raise Ended
            self._wait()

    def _post(self, value: dict[str, Any]) -> None:
        data = plain.dumps(value)
        self._outbox += len(data).to_bytes(4, "big") + data
        if self._channel in self._open:
            self._selector.modify(self._channel, selectors.EVENT_READ | selectors.EVENT_WRITE, self._use_channel)

    def _watch(self, descriptor: int, events: int, handle: Callable[[], bool]) -> None:
        os.set_blocking(descriptor, False)
        self._open.add(descriptor)
        self._selector.register(descriptor, events, handle)

    def _unwatch(self, descriptor: int) -> None:
        if descriptor not in self._open:
            return
        self._open.discard(descriptor)
        self._selector.unregister(descriptor)
        if descriptor == self._report.fileno():
            self._report.close()
        else:
            os.close(descriptor)

    def _wait(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            if self.status is not None:  # it was killed long ago, and nobody says so
                raise SandboxBroken("the server does not answer")
            self.stop(Status.TIME, "time")
            return
        for key, _ in self._selector.select(left):
            if key.fd in self._open:
                key.data()

    # What can be done with each descriptor; they return whether there may be more to read at once.

    def _read_output(self, descriptor: int, kept: bytearray) -> bool:
        try:
            piece = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return False
        room = self.limits.output - len(self.stdout) - len(self.stderr)
        kept += piece[:room]
        if len(piece) > room:
            self.stop(Status.OUTPUT, "too much output")
        if not piece or len(piece) > room:
            self._unwatch(descriptor)
            return False
        return True

    def _use_channel(self) -> bool:
        try:
            while self._outbox:
                del self._outbox[: os.write(self._channel, self._outbox[: 1 << 16])]
        except BlockingIOError:
            pass
        except OSError:  # nobody listens any more; what was said before is still read
            self._outbox.clear()
        if not self._outbox:
            self._selector.modify(self._channel, selectors.EVENT_READ, self._use_channel)
        try:
            piece = os.read(self._channel, 1 << 16)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            piece = b""
        self._inbox += piece
        if len(self._inbox) > self.limits.output + (1 << 16):
            self.stop(Status.OUTPUT, "a value too large")
            piece = b""
        if not piece:
            self._unwatch(self._channel)
        return bool(piece)

    def _write_input(self) -> bool:
        try:
            while self._stdin:
                del self._stdin[: os.write(self._in, self._stdin[: 1 << 16])]
        except BlockingIOError:
            return False
        except BrokenPipeError:  # it did not read it all
            pass
        self._unwatch(self._in)
        return False

    def _read_report(self) -> bool:
        message = self._report.recv(512)
        self._unwatch(self._report.fileno())
        self._ended = True
        if len(message) != REPORT.size:
            raise SandboxBroken(message.decode(errors="replace") or "the server ended")
        status, self.cpu, kilobytes = REPORT.unpack(message)
        self.memory, self.seconds = kilobytes * 1024, time.monotonic() - self._start
        for descriptor, read in (
            (self._out, lambda: self._read_output(self._out, self.stdout)),
            (self._err, lambda: self._read_output(self._err, self.stderr)),
            (self._channel, self._use_channel),
        ):  # what was written before the end is in the pipes; nobody who still holds their other ends is waited for
            while descriptor in self._open and read():
                pass
        self._judge(os.waitstatus_to_exitcode(status))
        return False

    def _judge(self, code: int) -> None:
        if self.status is not None:
            return
        if code == 0:
            self.status = Status.DONE
        elif code == -signal.SIGKILL:  # by the kernel: its limit counts whole ticks, the report what was really used
            used_up = self.cpu >= self.limits.cpu / 2
            self.status, self.cause = (Status.TIME, "processor time") if used_up else (Status.MEMORY, "memory")
        elif b"MemoryError" in self.stderr[-4096:]:
            self.status, self.cause = Status.MEMORY, "memory"
        else:
            self.status, self.cause = Status.FAILED, "killed by a signal" if code < 0 else "exit code not 0"
