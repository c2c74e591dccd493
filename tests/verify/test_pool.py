"""The pool: in order, in parallel, and whatever a verifier does to its child, a verdict that says what happened."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from midtrain.core.errors import UserError
from midtrain.verify import claims as claims_module
from midtrain.verify.claims import Claim
from midtrain.verify.pool import LONGEST, Pool
from midtrain.verify.verdict import Outcome
from midtrain.verify.verifiers.protocol import Verifier
from midtrain.verify.verifiers.registry import find

MISCHIEF = """
import ctypes, os, time
from pathlib import Path
from midtrain.core.errors import UserError
from midtrain.verify.verdict import Outcome
from midtrain.verify.verifiers.protocol import PASSED, Judgement

def act(answer, gold, arguments):
    if answer == "hang":
        time.sleep(60)
    if answer == "hang in C":
        9 ** 10 ** 9
    if answer == "eat":
        [bytes(1 << size) for size in range(20, 40)]
    if answer == "crash":
        ctypes.string_at(0)
    if answer == "crash once":
        mark = Path(gold)
        if not mark.exists():
            mark.touch()
            os._exit(3)
    if answer == "print":
        print("not a reply", flush=True)
        os.write(1, b"not a reply")
    if answer == "raise":
        raise RuntimeError("out of paper")
    if answer == "missing":
        raise UserError("The library paper is missing; install it.")
    if answer == "pid":
        return Judgement(Outcome.PASS, str(os.getpid()))
    if answer == "slow":
        time.sleep(0.05)
    return PASSED if answer != "wrong" else Judgement(Outcome.FAIL, "different text", {"far": 1})
"""


@pytest.fixture
def mischief(tmp_path, monkeypatch):
    """A verifier that does what the answer says, in a child, with a second to do it."""
    name = f"mischief_{os.getpid()}_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MISCHIEF)
    import midtrain.verify.verifiers as package

    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    site = tmp_path / "sitecustomize.py"  # the child's package finds it too
    site.write_text(f"import midtrain.verify.verifiers as p; p.__path__.append({str(tmp_path)!r})\n")
    return Verifier("mischief", f"{name}:act", "does mischief", runs="child", seconds=1.0)


def claim(verifier, answer, gold="x", **arguments):
    return Claim(verifier, answer, gold, arguments)


@pytest.fixture
def pool():
    with Pool(workers=1, memory=1 << 30) as one:
        yield one


def test_whatever_happens_in_a_child_is_told_from_a_wrong_answer(pool, mischief, tmp_path):
    expected = {
        "fine": ("pass", ""),
        "wrong": ("fail", "different text"),
        "print": ("pass", ""),
        "hang": ("timeout", "wall time"),
        "hang in C": ("timeout", "wall time"),
        "eat": ("timeout", "memory"),
        "crash": ("infra_error", "mischief: the child ended"),
        "raise": ("infra_error", "mischief: RuntimeError: out of paper"),
        "crash once": ("pass", ""),
        "still fine": ("pass", ""),
    }
    for answer, (outcome, cause) in expected.items():
        verdict = pool.check(claim(mischief, answer, gold=str(tmp_path / "mark")))
        assert (verdict.outcome, verdict.cause) == (outcome, cause), answer
        assert verdict.isolation == "child process"
        assert 0 < verdict.seconds < 30


def test_a_missing_library_is_told_to_the_person(pool, mischief):
    with pytest.raises(UserError, match="paper is missing"):
        pool.check(claim(mischief, "missing"))
    with pytest.raises(UserError, match="paper is missing"):
        list(pool.check_all([claim(mischief, "fine"), claim(mischief, "missing")]))
    assert pool.check(claim(mischief, "fine")).passed


def test_a_child_is_kept_and_one_that_hung_is_replaced(pool, mischief):
    first, second = (pool.check(claim(mischief, "pid", gold=str(n))).cause for n in range(2))
    assert first == second
    pool.check(claim(mischief, "hang"))
    assert pool.check(claim(mischief, "pid", gold="3")).cause != first


def test_verdicts_come_in_order_and_claims_are_taken_only_as_needed(mischief):
    taken = 0

    def many():
        nonlocal taken
        for number in range(40):
            taken += 1
            answer = {0: "wrong", 1: "slow", 2: "fine"}[number % 3]
            yield claim(mischief, answer, gold=str(number))

    with Pool(workers=2, in_flight=5) as pool:
        found = pool.check_all(many())
        assert next(found).outcome is Outcome.FAIL
        assert taken <= 5
        outcomes = ["fail", *(verdict.outcome for verdict in found)]
    assert outcomes == [("fail", "pass", "pass")[number % 3] for number in range(40)]


def test_many_threads_may_check_at_once(pool, mischief):
    found = {}

    def work(number):
        found[number] = pool.check(claim(mischief, "wrong" if number % 2 else "slow", gold=str(number))).outcome

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: "fail" if number % 2 else "pass" for number in range(12)}


def test_a_claim_is_judged_once_but_never_when_its_check_said_nothing(mischief, tmp_path):
    path = tmp_path / "verdicts.sqlite"
    with Pool(workers=1, cache=path) as pool:
        wrong = pool.check(claim(mischief, "wrong"))
        pid = pool.check(claim(mischief, "pid")).cause
        broke = pool.check(claim(mischief, "crash once", gold=str(tmp_path / "no" / "mark")))
        again = pool.check(claim(mischief, "wrong"))
        assert (again.outcome, again.cause, again.details) == (wrong.outcome, wrong.cause, {"far": 1})
        assert wrong.seconds > 0
        assert again.seconds == 0.0
    assert broke.outcome is Outcome.INFRA_ERROR
    with Pool(workers=1, cache=path) as later:
        assert later.check(claim(mischief, "pid")).cause == pid  # from the file: this child has another id
        assert later.check(claim(mischief, "pid", gold="other")).cause != pid
        (tmp_path / "no").mkdir()
        assert later.check(claim(mischief, "crash once", gold=str(tmp_path / "no" / "mark"))).passed


def test_a_file_that_is_no_cache_is_the_users_mistake(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("dear diary, " * 100)
    with pytest.raises(UserError, match=r"notes\.txt"):
        Pool(workers=1, cache=path)


@pytest.mark.parametrize("name", ["exact", "number", "math"])
def test_hostile_answers_get_a_verdict_at_once(pool, name):
    verifier = find(name, "a test")
    hostile = {
        "long": "1" * 10_000_000,
        "null": "1\x00",
        "right to left": "\u202e12\u202c",
        "nested": "(" * 5000 + "1" + ")" * 5000,
        "braces": "{" * 900,
        "surrogate": "\ud800",
        "boxes": "\\boxed{" * 2000,
    }
    for what, answer in hostile.items():
        start = time.perf_counter()
        verdict = pool.check(claim(verifier, answer, gold="12"))
        assert verdict.outcome in (Outcome.UNPARSEABLE, Outcome.FAIL), what
        assert time.perf_counter() - start < 1, what
    assert len(hostile["long"]) > LONGEST["completion"]


def test_a_child_does_not_outlive_its_parent(mischief, tmp_path):
    code = f"""
import os, threading, time
from midtrain.verify.pool import Pool
from midtrain.verify.claims import Claim
from midtrain.verify.verifiers.protocol import Verifier
import sitecustomize
pool = Pool(workers=1)
verifier = Verifier("mischief", {mischief.function!r}, "", runs="child", seconds=600)
print(pool.check(Claim(verifier, "pid", "", {{}})).cause, flush=True)
threading.Thread(target=pool.check, args=(Claim(verifier, "hang in C", "", {{}}),), daemon=True).start()
time.sleep(0.3)
os._exit(9)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    pid = int(done.stdout)
    for _ in range(100):
        if not _runs(pid):
            return
        time.sleep(0.05)
    pytest.fail("the child still runs")


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False


def test_a_closed_pool_judges_nothing(mischief):
    pool = Pool(workers=1)
    pool.close()
    assert pool.check(claim(mischief, "fine")).outcome is Outcome.INFRA_ERROR


def test_what_is_harmless_is_judged_here(pool):
    verdict = pool.check(claim(find("number", "a test"), "12", gold="12"))
    assert verdict.passed
    assert verdict.isolation == "in-process"
    assert claims_module.judge_here(claim(find("number", "a test"), "12", gold="12")).passed
