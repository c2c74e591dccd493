"""Whether a program does what hidden tests ask: it runs in the sandbox, and the tests stay out of it.

`arguments` say what is asked, in one of three forms, all JSON:

    {"entry_point": "add", "calls": [[[1, 2], 3], [[1], {"b": 2}, 3]]}      arguments, (keywords,) expected value
    {"entry_point": "add", "check": "def check(candidate): ..."}            a test's source, as in HumanEval
    {"stdin_tests": [["1 2\\n", "3\\n"]]}                                     standard input, expected output

and may add "prefix" (code the program continues or follows, such as HumanEval's prompt), "timeout" (seconds for each
process), "memory" (bytes) and "tolerance" ({"absolute": x} or {"relative": x}: for floats in values and output; without
it they are compared exactly). Values that JSON cannot say (tuples, sets, keys that are no text) need a "check".

The program is the last complete block fenced as Python that defines the entry point (a draft before it does not count,
nor does an example after it); without any fence the whole completion. It follows the prefix, so a body alone can be an
answer where the prefix ends in the function's head. Calls go on after a wrong result, so `details` count how many
passed; what the expected values are is said nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from midtrain.verify.sandbox import plain, run
from midtrain.verify.sandbox.config import Limits
from midtrain.verify.sandbox.run import Program, Ran, Returned, Status
from midtrain.verify.verdict import Outcome
from midtrain.verify.verifiers.protocol import Judgement

_LONGEST = 1_000_000  # characters of a completion
_PYTHON = ("", "python", "python3", "py")
_MEMORY = "memory"
_OUTCOMES = {
    Status.DONE: Outcome.PASS,
    Status.FAILED: Outcome.FAIL,
    Status.OUTPUT: Outcome.FAIL,
    Status.TIME: Outcome.TIMEOUT,
    Status.MEMORY: Outcome.TIMEOUT,
    Status.BROKEN: Outcome.INFRA_ERROR,
}


def code(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement:
    """Judge the program in a completion; ValueError for arguments that ask nothing. `gold` is not used."""
    forms = [form for form in ("calls", "check", "stdin_tests") if arguments.get(form)]
    if len(forms) != 1 or (forms != ["stdin_tests"] and not arguments.get("entry_point")):
        raise ValueError("a code problem needs stdin_tests, or entry_point with either calls or check")
    source, cause = program_of(answer, arguments.get("entry_point"), arguments.get("prefix", ""))
    if not source:
        return Judgement(Outcome.UNPARSEABLE, cause)
    judge = {"calls": _calls, "check": _check, "stdin_tests": _stdin_tests}[forms[0]]
    return judge(source, arguments, _limits(arguments))


def _limits(arguments: Mapping[str, Any]) -> Limits:
    chosen: dict[str, Any] = {}
    if "timeout" in arguments:
        chosen |= {"seconds": arguments["timeout"], "cpu": arguments["timeout"]}
    if "memory" in arguments:
        chosen["memory"] = arguments["memory"]
    return Limits(**chosen)


def program_of(completion: str, entry_point: str | None, prefix: str = "") -> tuple[str, str]:
    """The program in a completion, after `prefix`, or "" and why there is none."""
    if len(completion) > _LONGEST:
        return "", "a completion too long"
    blocks, before, open_block = _blocks(completion)
    if blocks:
        whole = [block for block in blocks if entry_point is None or _defines(block, entry_point)]
        body = (whole or blocks)[-1]
    elif open_block and not (prefix and before[:1].isspace() and before.strip()):
        return "", "no complete code block"
    else:  # no fence; or a body, after which a fence was closed that the prompt may have opened
        body = before
    if not body.strip():
        return "", "no code"
    source = f"{prefix}{body}"
    if entry_point is None or _defines(body, entry_point):
        source = f"{prefix}\n{body}" if prefix else body
    elif not _defines(prefix, entry_point):
        return "", "no definition of the entry point"
    return source, ""


def _blocks(text: str) -> tuple[list[str], str, bool]:
    """The complete blocks fenced as Python, what stands before the first fence, and whether a fence is left open."""
    blocks: list[str] = []
    before: list[str] = []
    inside: list[str] | None = None
    fence, python, any_fence = "", False, False
    for line in text.splitlines(keepends=True):
        mark = re.match(r"[ \t]*(`{3,}|~{3,})[ \t]*([^\s`]*)", line)
        if inside is not None:
            if mark and not mark[2] and mark[1].startswith(fence):
                if python:
                    blocks.append("".join(inside))
                inside = None
            else:
                inside.append(line)
        elif mark:
            inside, fence, python, any_fence = [], mark[1], mark[2].lower() in _PYTHON, True
        elif not any_fence:
            before.append(line)
    return blocks, "".join(before), any_fence


def _defines(source: str, name: str) -> bool:
    return bool(
        re.search(rf"^(?:(?:async[ \t]+)?def|class)[ \t]+{name}\b|^{name}[ \t]*[:=](?!=)", source, re.MULTILINE)
    )


def _judgement(ran: Ran, details: dict[str, Any], cause: str | None = None) -> Judgement:
    if ran.status is Status.BROKEN:
        return Judgement(Outcome.INFRA_ERROR, f"sandbox: {ran.cause}", details, ran.isolation)
    outcome = Outcome.FAIL if cause else _OUTCOMES[ran.status]
    return Judgement(outcome, cause or ran.cause, details, ran.isolation)


def _calls(source: str, arguments: Mapping[str, Any], limits: Limits) -> Judgement:
    calls = [(given[0], given[1] if len(given) == 3 else {}) for given in arguments["calls"]]
    expected = [given[-1] for given in arguments["calls"]]
    tolerance = arguments.get("tolerance", {})
    ran = run.call(source, arguments["entry_point"], calls, limits)
    causes = [_wrong(got, wanted, tolerance) for got, wanted in zip(ran.returned, expected, strict=False)]
    details = {"passed": causes.count(""), "total": len(calls)}
    if any(causes) or ran.status is not Status.DONE:
        details["first_failed"] = next((index for index, cause in enumerate(causes) if cause), len(causes))
    if _MEMORY in causes and not set(causes) - {"", _MEMORY} and ran.status is not Status.BROKEN:
        return Judgement(Outcome.TIMEOUT, _MEMORY, details, ran.isolation)
    return _judgement(ran, details, next((cause for cause in causes if cause and cause != _MEMORY), None))


def _wrong(got: Returned, wanted: Any, tolerance: Mapping[str, float]) -> str:
    """Why a result is wrong, "" if it is right."""
    if got.kind == "raised":
        return _MEMORY if got.value == "MemoryError" else "raised an error"
    if got.kind == "odd":
        return "returned what is not plain data"
    return "" if plain.same(got.value, wanted, **tolerance) else "wrong result"


def _check(source: str, arguments: Mapping[str, Any], limits: Limits) -> Judgement:
    ran = run.check(source, arguments["entry_point"], arguments["check"], arguments.get("prefix", ""), limits)
    return _judgement(ran, {"passed": int(ran.status is Status.DONE), "total": 1})


def _stdin_tests(source: str, arguments: Mapping[str, Any], limits: Limits) -> Judgement:
    tests: Sequence[Sequence[str]] = arguments["stdin_tests"]
    details = {"passed": 0, "total": len(tests)}
    failed: Judgement | None = None
    for index, (given, wanted) in enumerate(tests):
        ran = run.run(Program(source, stdin=given.encode()), limits)
        right = ran.status is Status.DONE and _same_output(ran.stdout, wanted, arguments.get("tolerance", {}))
        details["passed"] += right
        if right:
            continue
        cause = "wrong output" if ran.status is Status.DONE else None
        if failed is None or failed.outcome is Outcome.TIMEOUT:
            details.setdefault("first_failed", index)
            failed = _judgement(ran, details, cause)
        if ran.status in (Status.TIME, Status.MEMORY, Status.BROKEN):
            break  # each of the others could cost as much
    return failed or _judgement(ran, details)


def _same_output(written: bytes, wanted: str, tolerance: Mapping[str, float]) -> bool:
    """The same lines up to white space at their ends and blank lines at the end; numbers within the tolerance."""
    left, right = (_lines(text) for text in (written.decode(errors="replace"), wanted))
    if left == right or not tolerance:
        return left == right
    ours, theirs = (" ".join(lines).split() for lines in (left, right))
    return len(ours) == len(theirs) and all(
        one == other or plain.same(_number(one), _number(other), **tolerance)
        for one, other in zip(ours, theirs, strict=True)
    )


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _number(word: str) -> float | str:
    try:
        return float(word)
    except ValueError:
        return word
