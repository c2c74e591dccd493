"""Programs judged by hidden tests: which code is taken out of a completion, and what each way to end is called."""

import pytest

from midtrain.core.errors import UserError
from midtrain.verify.problem import Problem
from midtrain.verify.sandbox import levels, probe, run
from midtrain.verify.verdict import Outcome
from midtrain.verify.verifiers.code import code, program_of


def isolating() -> bool:
    try:
        return levels.choose(probe.probe()).isolated
    except UserError:
        return False


needs_isolation = pytest.mark.skipif(not isolating(), reason="this machine cannot isolate programs")
CALLS = {"entry_point": "add", "calls": [[[1, 2], 3], [[1], {"b": 5}, 6]]}
CHECK = {"entry_point": "add", "check": "def check(candidate):\n    assert candidate(1, 2) == 3"}
STDIN = {"stdin_tests": [["1 2\n", "3\n"], ["4 5\n", "9"]]}
RIGHT = "def add(a, b):\n    return a + b\n"


def fenced(*blocks: str) -> str:
    return "Text.\n" + "\nMore.\n".join(f"```python\n{block}```" for block in blocks) + "\nEnd."


@pytest.mark.parametrize(
    ("completion", "entry_point", "prefix", "program"),
    [
        (RIGHT, "add", "", RIGHT),
        (fenced("x = 1\n", RIGHT), "add", "", RIGHT),
        (fenced("def add(a, b): return 0\n", RIGHT, "print(add(1, 2))\n"), "add", "", RIGHT),
        (fenced("print(1)\n", "print(2)\n"), None, "", "print(2)\n"),
        (fenced(RIGHT), "add", "import math\n", "import math\n\n" + RIGHT),
        ("    return a + b\n", "add", "def add(a, b):\n", RIGHT),
        ("    return a + b\n```\nThat is it.", "add", "def add(a, b):\n", RIGHT),
        (fenced("    return a + b\n"), "add", "def add(a, b):\n", RIGHT),
        ("~~~\n" + RIGHT + "~~~", "add", "", RIGHT),
        ("````python\n'''\n```\n'''\n" + RIGHT + "````\n", "add", "", "'''\n```\n'''\n" + RIGHT),
        ("```sh\nls\n```\n" + fenced(RIGHT), "add", "", RIGHT),
        ("```python\nadd = lambda a, b: a + b\n```", "add", "", "add = lambda a, b: a + b\n"),
    ],
)
def test_the_program_in_a_completion(completion, entry_point, prefix, program):
    assert program_of(completion, entry_point, prefix) == (program, "")


@pytest.mark.parametrize(
    ("completion", "cause"),
    [
        ("", "no code"),
        ("```python\n" + RIGHT, "no complete code block"),
        (fenced("def added(a, b): return a + b\n"), "no definition of the entry point"),
        ("The answer is 3.", "no definition of the entry point"),
        ("x" * 1_000_001, "a completion too long"),
    ],
)
def test_no_program_in_a_completion(completion, cause):
    assert program_of(completion, "add") == ("", cause)
    assert code(completion, "", CALLS)[:2] == (Outcome.UNPARSEABLE, cause)


@needs_isolation
def test_each_form_passes_what_is_right_and_names_the_isolation():
    reading = "a, b = map(int, input().split())\nprint(a + b)\n"
    for answer, arguments in ((fenced(RIGHT), CALLS), (RIGHT, CHECK), (fenced(reading), STDIN)):
        judged = code(answer, "", arguments)
        assert judged.outcome is Outcome.PASS, judged
        assert judged.details["passed"] == judged.details["total"]
        assert judged.isolation == levels.choose(probe.probe()).name


@needs_isolation
@pytest.mark.parametrize(
    ("body", "outcome", "cause", "passed"),
    [
        ("return 3", Outcome.FAIL, "wrong result", 1),
        ("return str(a + b)", Outcome.FAIL, "wrong result", 0),
        ("return [a + b]", Outcome.FAIL, "wrong result", 0),
        ("return a + b if b == 2 else 1 / 0", Outcome.FAIL, "raised an error", 1),
        ("yield a + b", Outcome.FAIL, "returned what is not plain data", 0),
        ("import sys; sys.exit(0)", Outcome.FAIL, "raised an error", 0),
        ("import os; os._exit(0)", Outcome.FAIL, "ended before it answered", 0),
        ("return 'x' * 2_000_000", Outcome.FAIL, "a value too large", 0),
        ("while True: pass", Outcome.TIMEOUT, "time", 0),
        ("return [0] * 10**9", Outcome.TIMEOUT, "memory", 0),
        ("return ((", Outcome.FAIL, "does not compile", 0),
    ],
)
def test_what_is_wrong_is_named_without_the_expected_value(body, outcome, cause, passed):
    judged = code(f"def add(a, b):\n    {body}\n", "", {**CALLS, "timeout": 1})
    assert (judged.outcome, judged.cause) == (outcome, cause)
    assert judged.details == {"passed": passed, "total": 2, "first_failed": passed}


@needs_isolation
def test_always_equal_objects_and_patched_tests_fail_both_forms():
    equal = (
        "class E(int):\n    def __eq__(self, o): return True\n    __hash__ = int.__hash__\ndef add(a, b): return E(0)\n"
    )
    patched = "import builtins\nbuiltins.AssertionError = type('N', (BaseException,), {})\ndef add(a, b): return 0\n"
    ended = "import os\ndef add(a, b): os._exit(0)\n"
    for source in (equal, patched, ended):
        for form in (CALLS, CHECK):
            assert code(source, "", form).outcome is Outcome.FAIL


@needs_isolation
def test_an_error_never_passes_where_no_output_is_expected():
    empty = {"stdin_tests": [["", ""]]}
    assert code("1/0", "", empty).outcome is Outcome.FAIL
    assert code("pass", "", empty).outcome is Outcome.PASS
    assert code("print(3)", "", empty)[:2] == (Outcome.FAIL, "wrong output")


@needs_isolation
def test_tolerance_only_where_it_is_asked_for():
    third = {"entry_point": "f", "calls": [[[], 0.3333]]}
    answer = "def f(): return 1 / 3"
    assert code(answer, "", third).outcome is Outcome.FAIL
    assert code(answer, "", {**third, "tolerance": {"absolute": 1e-3}}).outcome is Outcome.PASS
    printed = {"stdin_tests": [["", "0.3333 yes"]], "tolerance": {"relative": 1e-3}}
    assert code("print(1 / 3, 'yes')", "", printed).outcome is Outcome.PASS
    assert code("print(1 / 3, 'no')", "", printed).outcome is Outcome.FAIL


@needs_isolation
def test_a_broken_test_or_sandbox_is_no_wrong_answer(monkeypatch):
    assert code(RIGHT, "", {**CHECK, "check": "def check(candidate): helper()"}).outcome is Outcome.INFRA_ERROR

    def broken():
        raise run.SandboxBroken("it is")

    monkeypatch.setattr(run, "server", broken)
    for answer, arguments in ((RIGHT, CALLS), (RIGHT, CHECK), ("print(1)", STDIN)):
        judged = code(answer, "", arguments)
        assert (judged.outcome, judged.cause) == (Outcome.INFRA_ERROR, "sandbox: it is")


def test_arguments_that_ask_nothing_are_a_mistake_of_the_problem():
    for arguments in ({}, {"calls": [[[1], 2]]}, {**CALLS, **STDIN}):
        with pytest.raises(ValueError, match="a code problem needs"):
            code(RIGHT, "", arguments)


@needs_isolation
def test_a_problem_is_judged_by_name():
    from midtrain.verify.judge import verify

    problem = Problem("Write add.", RIGHT, "code", CALLS, {}, "sums", 1, "train", "g")
    assert verify(problem, RIGHT).passed
    assert not verify(problem, "def add(a, b): return 0").passed
