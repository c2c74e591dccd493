"""Killable child processes that judge what could hang or eat memory in our own.

A computer algebra system on a model's answer can run for ever inside one call of C, so no alarm and no thread stops it;
killing its process does. A child is kept from one judgement to the next (its libraries take a second to load), and one
that hangs, dies or runs out of memory is replaced:

    slower than the verifier allows   killed; TIMEOUT, cause "wall time": the answer may be right
    out of memory                     killed; TIMEOUT, cause "memory"
    died, or its reply is no reply    once more in a new child; again: INFRA_ERROR

Memory that earlier judgements left behind must not fail a later one, so a used child that runs out of memory is no
verdict either: the judgement is made once more in a new child.
"""

from __future__ import annotations

import json
import os
import queue
import select
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from midtrain.core.errors import UserError
from midtrain.verify.child import HEADER, frame
from midtrain.verify.claims import Claim
from midtrain.verify.verdict import Outcome
from midtrain.verify.verifiers.protocol import Judgement

ISOLATION = "child process"
_LOADING_SECONDS = 120.0  # a library is loaded once per child, on a machine that may be busy
_LONGEST_REPLY = 1 << 24


class Died(Exception):
    """The child is gone, or what it wrote is no reply."""


class Hung(Exception):
    """The child did not reply in time."""


class Full(Exception):
    """The judgement does not fit in the child's memory."""


class Children:
    """At most `count` children of `memory` bytes of address space each, lent to whichever thread asks."""

    def __init__(self, count: int, memory: int):
        self._memory = memory
        self._closed = False
        self._idle: queue.SimpleQueue[Child | None] = queue.SimpleQueue()
        self._places = count
        for _ in range(count):
            self._idle.put(None)  # a place whose child is started when it is first needed

    def judge(self, claim: Claim) -> Judgement:
        """The judgement of a child; waits for a free one. Raises the UserError that the verifier raised."""
        lent = self._idle.get()
        again = False
        try:
            while not self._closed:
                child, lent = lent or Child(self._memory), None
                used = child.used
                try:
                    reply = child.ask(claim)
                    lent = child
                    return _judgement(claim, reply)
                except Hung:
                    return Judgement(Outcome.TIMEOUT, "wall time", isolation=ISOLATION)
                except Full:
                    if not used:
                        return Judgement(Outcome.TIMEOUT, "memory", isolation=ISOLATION)
                except Died as error:
                    if again:
                        return Judgement(Outcome.INFRA_ERROR, f"{claim.verifier.name}: {error}", isolation=ISOLATION)
                    again = True
                finally:
                    if lent is None:
                        child.kill()
            return Judgement(Outcome.INFRA_ERROR, "the pool is closed", isolation=ISOLATION)
        finally:
            self._idle.put(lent)

    def close(self) -> None:
        """End every child, waiting for those that judge (each has a time limit)."""
        self._closed = True
        for _ in range(self._places):
            child = self._idle.get()
            if child:
                child.kill()
            self._idle.put(None)


class Child:
    """One child process and the conversation with it."""

    def __init__(self, memory: int):
        reader, self._lifeline = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "midtrain.verify.child", str(memory), str(reader)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=[reader],
                start_new_session=True,  # Ctrl-C is for us
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(reader)
        self.used = False

    def ask(self, claim: Claim) -> dict[str, Any]:
        """The child's judgement, or error; raises Hung, Full or Died, after which it must be killed."""
        message = {
            "function": claim.verifier.function,
            "answer": claim.answer,
            "gold": claim.gold,
            "arguments": dict(claim.arguments),
        }
        assert self._process.stdin
        try:
            self._process.stdin.write(frame(message))
            self._process.stdin.flush()
        except OSError as error:
            raise Died("the child is gone") from error
        try:
            ready = self._reply(_LOADING_SECONDS)
        except Hung as error:  # slow to load is no word about the answer
            raise Died("the child did not load") from error
        if ready != {"ready": True}:
            raise Died("the child spoke out of turn")
        self.used = True
        reply = self._reply(claim.verifier.seconds)
        if "memory" in reply:
            raise Full
        return reply

    def kill(self) -> None:
        """End it and forget it."""
        self._process.kill()
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # a request that was never read is still in the buffer
                file.close()  # type: ignore[union-attr]
        os.close(self._lifeline)

    def _reply(self, seconds: float) -> dict[str, Any]:
        end = time.monotonic() + seconds
        (length,) = HEADER.unpack(self._read(HEADER.size, end))
        if length > _LONGEST_REPLY:
            raise Died("a reply too long to be one")
        try:
            reply: dict[str, Any] = json.loads(self._read(length, end))
        except ValueError as error:
            raise Died("a reply that is not JSON") from error
        return reply

    def _read(self, size: int, end: float) -> bytes:
        assert self._process.stdout
        pipe, pieces = self._process.stdout.fileno(), b""
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        while len(pieces) < size:
            if not poll.poll(max(end - time.monotonic(), 0) * 1000):
                raise Hung
            piece = os.read(pipe, size - len(pieces))
            if not piece:
                raise Died("the child ended")
            pieces += piece
        return pieces


def _judgement(claim: Claim, reply: dict[str, Any]) -> Judgement:
    if "user_error" in reply:
        raise UserError(reply["user_error"])
    if "broke" in reply:
        return Judgement(Outcome.INFRA_ERROR, f"{claim.verifier.name}: {reply['broke']}", isolation=ISOLATION)
    isolation = ISOLATION if reply["isolation"] == "in-process" else reply["isolation"]
    return Judgement(Outcome(reply["outcome"]), reply["cause"], reply["details"], isolation)
