"""A child process that judges answers, one after another, until its parent kills it, leaves, or closes the pipe.

    standard input:   {"function", "answer", "gold", "arguments"}        a frame: 4 bytes of length, then JSON
    standard output:  {"ready": true} when the function is loaded (its clock starts here), then the judgement

It is a fresh interpreter and not a fork, so it has none of the parent's threads, locks or memory, and it loads only the
libraries of the verifiers it is asked for. It limits its own address space; a judgement that does not fit is given up.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO

from midtrain.core.errors import MidtrainError
from midtrain.verify.verifiers.protocol import load

HEADER = struct.Struct(">I")


def frame(message: Any) -> bytes:
    """`message` as a frame; JSON in ASCII, so that a lone surrogate survives."""
    body = json.dumps(message).encode()
    return HEADER.pack(len(body)) + body


def main(memory: int, lifeline: int) -> None:
    """Serve until the end of standard input. `memory`: bytes of address space; `lifeline`: see `die_with_parent`."""
    die_with_parent(lifeline)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not be read as a reply
    requests = sys.stdin.buffer
    while request := _read(requests):
        function = load(request.pop("function"))
        replies.write(frame({"ready": True}))
        replies.flush()
        replies.write(frame(_judged(function, request)))
        replies.flush()


def die_with_parent(lifeline: int) -> None:
    """Have the kernel end this process when the last writer of the pipe `lifeline`, our parent, is gone.

    Signal-driven input does it even in the middle of a long computation in C, which no thread of ours could interrupt;
    PR_SET_PDEATHSIG would not do, since it means the end of the parent's thread.
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def _read(file: BinaryIO) -> dict[str, Any] | None:
    header = file.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    body = file.read(HEADER.unpack(header)[0])
    request: dict[str, Any] = json.loads(body)
    return request


def _judged(function: Any, request: dict[str, Any]) -> dict[str, Any]:
    try:
        outcome, cause, details, isolation = function(request["answer"], request["gold"], request["arguments"])
    except MemoryError:
        return {"memory": True}
    except MidtrainError as error:
        return {"user_error": str(error)}
    except Exception as error:  # a defect of the verifier, told to whoever counts; never a wrong answer
        return {"broke": f"{type(error).__name__}: {error}"}
    return {"outcome": outcome, "cause": cause, "details": dict(details), "isolation": isolation}


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
