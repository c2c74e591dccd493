"""The process that becomes a program: reads what to run, isolates itself, says so, and only then runs it.

    script  the source as __main__, from its standard input to its standard output
    argv    another program in this process's place
    serve   the source defines a function; calls come over the channel, one at a time, and plain values go back. The
            expected values never come here, so there is nothing to read and nothing to patch.
    check   a test's source with a function `check(candidate)`, where `candidate` asks our process, which asks the other
            sandbox in which the program is

A frame of the channel is four bytes of length and plain data (plain.py). Each question carries a nonce, and an answer
without it is none: answers cannot be written before they are asked.
"""

from __future__ import annotations

import atexit
import builtins
import os
import sys
import threading
import traceback
import types
from contextlib import suppress
from typing import Any, NoReturn

from midtrain.verify.sandbox import plain
from midtrain.verify.sandbox.jail import Plan, isolate

BROKEN = 70
"""Exit code of a guest that could not isolate itself; its reason went over the channel."""
CHANNEL = 3
"""The channel's descriptor in the guest."""


def become(plan: Plan, channel: int, standard: tuple[int, int, int]) -> NoReturn:
    """Run, in this freshly forked process, the program that the channel says; never returns."""
    code = BROKEN
    try:
        for target, source in enumerate(standard):
            os.dup2(source, target)
        os.dup2(channel, CHANNEL)
        job = receive(CHANNEL)
        mode = job["mode"]
        isolate(plan, job["limits"], job["files"], mode == "argv", CHANNEL)
        send(CHANNEL, {"isolated": True})
    except BaseException as error:  # whatever it was, the program does not run
        try:
            send(CHANNEL, {"broken": f"{type(error).__name__}: {error}"})
        finally:
            os._exit(BROKEN)
    try:
        code = {"script": _script, "argv": _argv, "serve": _serve, "check": _check}[mode](job)
    finally:
        os._exit(code)


def receive(channel: int) -> Any:
    """The next frame's value; EOFError where the channel ended."""
    return plain.loads(_read(channel, int.from_bytes(_read(channel, 4), "big")))


def send(channel: int, value: Any) -> None:
    """Write a frame."""
    data = plain.dumps(value)
    view = memoryview(len(data).to_bytes(4, "big") + data)
    while view:
        view = view[os.write(channel, view) :]


def _read(channel: int, size: int) -> bytes:
    pieces = []
    while size:
        piece = os.read(channel, min(size, 1 << 20))
        if not piece:
            raise EOFError
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _module(name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    sys.modules[name] = module
    return module


def _script(job: dict[str, Any]) -> int:
    os.close(CHANNEL)
    code = 0
    try:
        exec(compile(job["source"], "program.py", "exec"), _module("__main__").__dict__)
    except SystemExit as stop:
        code = _exit_code(stop.code)
    except BaseException as error:
        _report(error)
        code = 1
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # as the end of an interpreter does, without its teardown
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        return code or 1
    return code


def _exit_code(code: Any) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def _report(error: BaseException) -> None:
    if isinstance(error, MemoryError):
        os.write(2, b"MemoryError\n")  # there may be none left for a traceback
    else:
        trace = error.__traceback__
        traceback.print_exception(type(error), error, trace.tb_next if trace else None, file=sys.stderr)


def _argv(job: dict[str, Any]) -> int:
    os.set_inheritable(CHANNEL, False)
    try:
        os.execve(job["argv"][0], job["argv"], {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"})
    except OSError as error:
        os.write(2, f"{job['argv'][0]}: {error.strerror}\n".encode())
    return 127


def _serve(job: dict[str, Any]) -> int:
    module = _module("program")
    question = receive(CHANNEL)
    try:
        exec(compile(job["source"], "program.py", "exec"), module.__dict__)
        answer: dict[str, Any] = {"defined": callable(getattr(module, job["entry_point"], None))}
    except BaseException as error:
        answer = {"raised": type(error).__name__}
    while True:
        try:
            send(CHANNEL, {"nonce": question["nonce"], **answer})
        except MemoryError:
            send(CHANNEL, {"nonce": question["nonce"], "raised": "MemoryError"})
        except Exception:  # NotPlain, or whatever a value raises when it is looked at
            send(CHANNEL, {"nonce": question["nonce"], "odd": type(answer["value"]).__name__})
        answer = {}  # so that it costs the next call no memory
        try:
            question = receive(CHANNEL)
        except EOFError:
            return 0
        arguments, keywords = question["call"]
        try:
            answer = {"value": getattr(module, job["entry_point"])(*arguments, **keywords)}
        except BaseException as error:
            answer = {"raised": type(error).__name__}


class _Raised(Exception):
    """What `candidate` raises where the program raised something that is no builtin exception, or ended."""


def _check(job: dict[str, Any]) -> int:
    """Exit code 0; the last frame says "passed", "failed" or "unusable" (the test itself, not the program)."""
    nonce = receive(CHANNEL)["nonce"]
    failures: list[BaseException] = []

    def candidate(*arguments: Any, **keywords: Any) -> Any:
        nonlocal nonce
        send(CHANNEL, {"nonce": nonce, "call": [arguments, keywords]})
        reply = receive(CHANNEL)
        nonce = reply["nonce"]
        if "value" in reply:
            return reply["value"]
        kind = getattr(builtins, str(reply.get("raised")), _Raised)
        error = kind() if isinstance(kind, type) and issubclass(kind, Exception) else _Raised()
        failures.append(error)
        raise error

    candidate.__name__ = job["entry_point"]
    namespace = _module("test").__dict__
    try:
        with suppress(SyntaxError):  # the beginning of a function has no helpers to define
            exec(compile(job["prefix"], "prefix.py", "exec"), namespace)
        namespace[job["entry_point"]] = candidate
        exec(compile(job["source"], "test.py", "exec"), namespace)
        check = namespace["check"]
    except BaseException as error:
        send(CHANNEL, {"nonce": nonce, "end": "unusable", "cause": f"{type(error).__name__}: {error}"})
        return 0
    try:
        check(candidate)
        end, cause = "passed", ""
    except (NameError, ImportError, SyntaxError) as error:
        end, cause = ("failed" if error in failures else "unusable"), f"{type(error).__name__}: {error}"
    except BaseException as error:
        end, cause = "failed", type(error).__name__
    send(CHANNEL, {"nonce": nonce, "end": end, "cause": cause})
    return 0
