"""Running programs: by themselves (`run`), called with arguments (`call`), or under a test (`check`).

All three are safe from any thread, and take UserError as the answer where this machine cannot isolate a program.
Whatever else fails on our side is the status BROKEN, which says nothing of the program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from midtrain.verify.sandbox.config import Limits
from midtrain.verify.sandbox.running import Ended, Running, Status
from midtrain.verify.sandbox.server import SandboxBroken, server

__all__ = ["Limits", "Program", "Ran", "Returned", "Status", "call", "check", "run"]


@dataclass(frozen=True)
class Program:
    """What to run: Python `source` in the forked interpreter, or `argv` (an absolute path first) in a fresh process."""

    source: str = ""
    argv: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Plain file names and contents, put into its private folder, where it starts."""
    stdin: bytes = b""


class Returned(NamedTuple):
    """What came of one call."""

    kind: str
    """"value"; "raised", then the value is the exception's name; "odd", then it is the type that is not plain data."""
    value: Any


@dataclass(frozen=True)
class Ran:
    """How a program ended, what it wrote, and what it cost."""

    status: Status
    cause: str = ""
    stdout: bytes = b""
    stderr: bytes = b""
    returned: tuple[Returned, ...] = ()
    """What the calls returned, until one ended the program."""
    seconds: float = 0.0
    """On the clock, without the sandbox's own start."""
    cpu: float = 0.0
    """Of the processor."""
    memory: int = 0
    """Bytes resident at most, of the largest of its processes."""
    isolation: str = "none"
    """The name of the level."""


def run(program: Program, limits: Limits | None = None) -> Ran:
    """Run a program from its standard input to its end."""
    assert bool(program.source) != bool(program.argv), "a program is a source or a command"
    job = {"mode": "argv" if program.argv else "script", "source": program.source, "argv": list(program.argv)}
    files = dict(program.files)
    isolation = "none"
    try:
        zygote = server()
        isolation = zygote.level.name
        with Running(zygote, {**job, "files": files}, limits or Limits(), program.stdin) as running:
            running.isolated()
            running.finish()
            return _ran(running)
    except SandboxBroken as error:
        return Ran(Status.BROKEN, str(error), isolation=isolation)


def call(
    source: str,
    entry_point: str,
    calls: Sequence[tuple[Sequence[Any], Mapping[str, Any]]],
    limits: Limits | None = None,
) -> Ran:
    """Let `source` define `entry_point` and call it once for each (arguments, keywords), one after another.

    The arguments and what comes back are plain data (plain.py; ValueError for arguments that are not). A value that is
    too large, or a program that ends, ends the calls: `returned` is then shorter than `calls` and the status not DONE.
    """
    isolation, returned = "none", []
    try:
        zygote = server()
        isolation = zygote.level.name
        with Running(zygote, _serving(source, entry_point), limits or Limits()) as running:
            try:
                running.isolated()
                _define(running)
                for arguments, keywords in calls:
                    returned.append(_returned(running.ask({"call": [list(arguments), dict(keywords)]})))
                running.hang_up()
                running.stop(Status.DONE, "")
            except Ended:
                pass
            running.finish()
            return _ran(running, tuple(returned), len(returned) == len(calls))
    except SandboxBroken as error:
        return Ran(Status.BROKEN, str(error), isolation=isolation)


def check(source: str, entry_point: str, test: str, prefix: str = "", limits: Limits | None = None) -> Ran:
    """Run `test`, which defines `check(candidate)`, in one sandbox, and `source`, the candidate, in another.

    DONE only if `check` returned. The test never meets the program, only plain values (plain.py) that it returned; its
    own file may use what `prefix` defines. BROKEN where the test itself cannot run.
    """
    limits, isolation = limits or Limits(), "none"
    try:
        zygote = server()
        isolation = zygote.level.name
        job = {"mode": "check", "source": test, "prefix": prefix, "entry_point": entry_point, "files": {}}
        with Running(zygote, _serving(source, entry_point), limits) as running, Running(zygote, job, limits) as tester:
            passed = False
            try:
                running.isolated()
                tester.isolated()
                _define(running)
                passed = _relay(running, tester)
            except Ended:  # of the program; whatever its exit code says, the test did not reach its end
                tester.stop(Status.FAILED, "the program ended")
            running.finish()
            return _ran(running, complete=passed)
    except SandboxBroken as error:
        return Ran(Status.BROKEN, str(error), isolation=isolation)


def _relay(running: Running, tester: Running) -> bool:
    """Carry the test's questions to the program and its answers back, until the test ends: whether it passed."""
    reply: dict[str, Any] = {}
    while True:
        try:
            said = tester.ask(reply)
        except Ended:
            tester.finish()
            limit = tester.status in (Status.TIME, Status.MEMORY, Status.OUTPUT)
            running.stop(tester.status if limit and tester.status else Status.FAILED, f"in the test: {tester.cause}")
            return False
        if "call" not in said:
            break
        reply = running.ask({"call": said["call"]})
        reply = {"raised": "TypeError"} if "odd" in reply else reply
        if reply.get("raised") == "MemoryError":
            running.stop(Status.MEMORY, "memory")
            return False
    if said.get("end") == "unusable":
        raise SandboxBroken(f"the test cannot run: {said.get('cause')}")
    passed = said.get("end") == "passed"
    running.stop(Status.DONE if passed else Status.FAILED, "" if passed else "wrong result")
    return passed and running.status is Status.DONE


def _serving(source: str, entry_point: str) -> dict[str, Any]:
    return {"mode": "serve", "source": source, "entry_point": entry_point, "files": {}}


def _define(running: Running) -> None:
    """Let the program define what will be called; Ended, with the cause, where it does not."""
    answer = running.ask({})
    if answer.get("defined") is True:
        return
    raised = answer.get("raised")
    if raised == "MemoryError":
        running.stop(Status.MEMORY, "memory")
    elif raised in ("SyntaxError", "IndentationError", "TabError"):
        running.stop(Status.FAILED, "does not compile")
    else:
        running.stop(Status.FAILED, "raised an error" if raised else "no such function")
    raise Ended


def _returned(answer: dict[str, Any]) -> Returned:
    for kind in ("value", "raised", "odd"):
        if kind in answer:
            return Returned(kind, answer[kind])
    return Returned("odd", "nothing")


def _ran(running: Running, returned: tuple[Returned, ...] = (), complete: bool = True) -> Ran:
    assert running.status is not None
    status, cause = running.status, running.cause
    if status is Status.DONE and not complete:
        status, cause = Status.FAILED, "ended before it answered"
    return Ran(
        status, cause, bytes(running.stdout), bytes(running.stderr), returned,
        running.seconds, running.cpu, running.memory, running.isolation,
    )  # fmt: skip
