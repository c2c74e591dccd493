"""The sandbox: what a program gets and does not get, how its end is told, and that nothing runs where a step fails."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import cache

import pytest

from midtrain.core.errors import UserError
from midtrain.verify.sandbox import guest, jail, kernel, levels, server
from midtrain.verify.sandbox.config import Limits, SandboxConfig
from midtrain.verify.sandbox.probe import probe
from midtrain.verify.sandbox.run import Program, Status, call, check, run


@cache
def isolating() -> bool:
    try:
        return levels.choose(probe()).isolated
    except UserError:
        return False


needs_isolation = pytest.mark.skipif(not isolating(), reason="this machine cannot isolate programs")
needs_namespaces = pytest.mark.skipif(not probe().namespaces, reason="no user namespaces here")
QUICK = Limits(seconds=5, cpu=5)


@needs_isolation
def test_a_program_reads_its_input_writes_output_and_names_the_level():
    ran = run(Program("import sys\nprint(sys.stdin.read()[::-1])\nprint('x', file=sys.stderr)", stdin=b"abc"), QUICK)
    assert (ran.status, ran.stdout, ran.stderr, ran.cause) == (Status.DONE, b"cba\n", b"x\n", "")
    assert ran.isolation == levels.choose(probe()).name
    assert 0 < ran.cpu < 5
    assert ran.memory > 1_000_000


@needs_isolation
def test_large_input_and_output_pass_through_pipes_smaller_than_they_are():
    ran = run(Program("import sys\nsys.stdout.write(sys.stdin.read())", stdin=b"z" * 700_000), QUICK)
    assert ran.status is Status.DONE
    assert ran.stdout == b"z" * 700_000


@needs_isolation
@pytest.mark.parametrize(
    ("source", "status", "cause"),
    [
        ("1/0", Status.FAILED, "exit code not 0"),
        ("raise SystemExit(3)", Status.FAILED, "exit code not 0"),
        ("import sys; sys.exit('no')", Status.FAILED, "exit code not 0"),
        ("import sys; sys.exit()", Status.DONE, ""),
        ("import ctypes; ctypes.string_at(0)", Status.FAILED, "killed by a signal"),
        ("while True: print('x' * 9999)", Status.OUTPUT, "too much output"),
        ("x = bytearray(10**10)", Status.MEMORY, "memory"),
        ("def f(:", Status.FAILED, "exit code not 0"),
    ],
)
def test_how_a_program_ended(source, status, cause):
    ran = run(Program(source), QUICK)
    assert (ran.status, ran.cause) == (status, cause)
    assert len(ran.stdout) <= QUICK.output


@needs_isolation
def test_time_on_the_clock_and_of_the_processor():
    start = time.monotonic()
    asleep = run(Program("print('in', flush=True)\nimport time; time.sleep(60)"), Limits(seconds=0.3))
    assert (asleep.status, asleep.cause, asleep.stdout) == (Status.TIME, "time", b"in\n")
    busy = run(Program("while True: pass"), Limits(seconds=20, cpu=1))
    assert (busy.status, busy.cause) == (Status.TIME, "processor time")
    assert time.monotonic() - start < 15


ATTEMPTS = {
    "a file outside": "open({secret!r}).read()",
    "the password file": "open('/etc/passwd').read()",
    "a file beside it": "open({secret!r} + '2', 'w')",
    "its mode": "os.chmod({secret!r}, 0o777)",
    "the standard library": "open(os.__file__, 'a')",
    "proc": "open('/proc/self/maps')",
    "a socket": "socket.socket()",
    "a socket of the machine": "socket.socket(socket.AF_UNIX)",
    "a datagram socket pair": "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "a child": "os.fork()",
    "a shell": "os.execv('/bin/sh', ['sh', '-c', 'echo GOT'])",
    "our process": "os.kill({pid}, 0)",
    "a signal by a pipe's owner": "fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, {pid})",
    "namespaces": "check(libc.unshare(0x10000000))",
    "tracing": "check(libc.ptrace(16, {pid}, 0, 0))",
    "more memory": "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "root": "os.setuid(0) if os.getuid() else check(-1)",
    "a descriptor of ours": "[os.fstat(n) for n in range(3, 900)]",
    "memory no limit counts": "os.memfd_create('x')",
}


@needs_isolation
def test_what_lies_outside_is_out_of_reach(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("GOT")
    lines = ["import ctypes, fcntl, os, resource, socket", "libc = ctypes.CDLL(None)"]
    lines += ["def check(result):", "    if result < 0: raise OSError"]
    for name, attempt in ATTEMPTS.items():
        body = attempt.format(secret=str(secret), pid=os.getpid())
        lines += ["try:", f"    {body}", f"    print('GOT', {name!r})", "except (OSError, ValueError): pass"]
    ran = run(Program("\n".join([*lines, "print('end')"])), QUICK)
    assert ran.stdout == b"end\n", ran
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


@needs_namespaces
def test_a_private_folder_of_limited_size_that_nobody_else_sees():
    write = "open('a', 'w').write(open('given').read()); import os; print(os.listdir('.'))"
    ran = run(Program(write, files={"given": b"1"}), QUICK)
    assert ran.stdout == b"['given', 'a']\n" or sorted(eval(ran.stdout)) == ["a", "given"]
    assert run(Program("import os; print(os.listdir('.'))"), QUICK).stdout == b"[]\n"
    full = run(Program("for i in range(99): open(str(i), 'wb').write(b'x' * 10**6)"), Limits(disk=4_000_000))
    assert b"No space left" in full.stderr


@needs_namespaces
def test_children_where_they_are_allowed_are_few_and_die_with_the_program():
    bomb = (
        "import os, time\nn = 0\ntry:\n    while n < 500:\n        if not os.fork(): time.sleep(99)\n        n += 1\n"
    )
    ran = run(Program(bomb + "except OSError: pass\nprint(n)"), Limits(children=True, tasks=8, seconds=10))
    assert ran.status is Status.DONE
    assert int(ran.stdout) == 7
    assert ran.seconds < 9


@needs_isolation
def test_another_program_in_a_fresh_process():
    ran = run(
        Program(argv=(os.path.realpath(sys.executable), "-I", "-S", "-c", "import json, os; print(dict(os.environ))"))
    )
    assert ran.status is Status.DONE, ran
    assert set(eval(ran.stdout)) == {"PATH", "LANG"} | (set(eval(ran.stdout)) & {"LC_CTYPE"})
    assert run(Program(argv=("/nowhere",)), QUICK).cause == "exit code not 0"


@needs_isolation
def test_calls_give_plain_values_one_by_one():
    source = "seen = []\ndef f(x, y=0):\n    seen.append(x)\n    return (x, y, {1: {2.5}}, len(seen))"
    ran = call(source, "f", [([[1]], {}), (["\ud800"], {"y": b"\0"})], QUICK)
    assert ran.status is Status.DONE
    assert [r.value for r in ran.returned] == [([1], 0, {1: {2.5}}, 1), ("\ud800", b"\0", {1: {2.5}}, 2)]


@needs_isolation
@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("def f(): return 1\nimport os; os._exit(0)", "ended before it answered"),
        ("import os\ndef f(): os._exit(0)", "ended before it answered"),
        ("f = 1", "no such function"),
        ("f(", "does not compile"),
        ("1/0", "raised an error"),
        ("import os\nos.write(3, b'\\0\\0\\0\\4true')\ndef f(): return 1", "answered out of turn"),
    ],
)
def test_a_program_that_does_not_answer_is_not_done(source, cause):
    for ran in (
        call(source, "f", [([], {})], QUICK),
        check(source, "f", "def check(candidate): candidate()", "", QUICK),
    ):
        assert (ran.status, ran.cause) == (Status.FAILED, cause)


@needs_isolation
def test_a_test_asks_through_a_proxy_and_sees_only_values_and_builtin_exceptions():
    source = "def f(x):\n    if x < 0: raise ValueError\n    return x * 2"
    test = (
        "def check(candidate):\n    assert candidate(half(4)) == 4\n    try:\n        candidate(-1)\n"
        "    except ValueError:\n        return\n    assert False"
    )
    assert check(source, "f", test, "def half(x): return x // 2", QUICK).status is Status.DONE
    assert check(source, "f", test.replace("== 4", "== 5"), "def half(x): return x // 2", QUICK).cause == "wrong result"
    unusable = check(source, "f", test, "", QUICK)
    assert unusable.status is Status.BROKEN
    assert "half" in unusable.cause


@needs_isolation
def test_many_threads_at_once():
    results: list[bytes] = []

    def work(number: int) -> None:
        results.append(run(Program(f"print({number})"), QUICK).stdout)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(f"{n}\n".encode() for n in range(12))


@needs_isolation
def test_descriptors_and_processes_do_not_pile_up():
    run(Program("print(1)"), QUICK)
    before = len(os.listdir("/proc/self/fd"))
    for source in ("print(1)", "1/0", "import time; time.sleep(9)"):
        run(Program(source), Limits(seconds=0.2))
    call("def f(): return 1", "f", [([], {})], QUICK)
    assert len(os.listdir("/proc/self/fd")) == before


@needs_isolation
def test_a_server_that_died_is_replaced_and_its_programs_are_nobodys_fault():
    running = server.server()
    thread_result = []
    thread = threading.Thread(target=lambda: thread_result.append(run(Program("import time; time.sleep(9)"))))
    thread.start()
    time.sleep(0.3)
    running._process.kill()
    thread.join()
    assert thread_result[0].status is Status.BROKEN
    assert run(Program("print(1)"), QUICK).stdout == b"1\n"
    assert server.server() is not running


@needs_isolation
def test_the_server_and_its_programs_end_with_us():
    code = (
        "from midtrain.verify.sandbox.server import server\n"
        "from midtrain.verify.sandbox.run import Program, run\nimport threading, time, os, signal\n"
        "threading.Thread(target=lambda: run(Program('import time; time.sleep(60)')), daemon=True).start()\n"
        "time.sleep(1)\nprint(server()._process.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    pid = int(done.stdout)
    for _ in range(100):
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return  # ended; whoever adopted it has not looked yet
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.1)
    pytest.fail("the server outlived its owner")


STEPS = [
    "no_new_privileges",
    "drop_capabilities",
    "set_dumpable",
    "die_with_parent",
    "install_filter",
    "landlock_restrict",
]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_of_isolation_that_fails_runs_nothing(step, monkeypatch, capfd):
    """In a process forked from this one, with the step broken."""

    def broken(*_):
        raise OSError(f"{step} is broken")

    monkeypatch.setattr(kernel, step, broken)
    monkeypatch.setattr(kernel, "install_filter", broken if step == "install_filter" else lambda code: None)
    if step != "landlock_restrict":
        monkeypatch.setattr(kernel, "landlock_restrict", lambda ruleset: None)
    plan = jail.Plan(namespaces=False, landlock=1, seccomp=True, drop=False, rulesets={False: 99})
    ours, theirs = __import__("socket").socketpair()
    out, written = os.pipe()
    job = {"mode": "script", "source": "print('ran')", "limits": QUICK.model_dump() | {"memory": 1 << 45}, "files": {}}
    guest.send(ours.fileno(), job)
    child = os.fork()
    if not child:
        guest.become(plan, jail.above(theirs.fileno()), (jail.above(written),) * 3)
    os.close(written)
    theirs.close()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == guest.BROKEN
    assert guest.receive(ours.fileno()) == {"broken": f"OSError: {step} is broken"}
    assert os.read(out, 100) == b""
    os.close(out)
    ours.close()


def test_below_the_required_level_nothing_runs_unless_a_person_says_so(monkeypatch):
    lacking = replace(
        probe(), namespaces=False, landlock=0, bubblewrap="", readable=True, reasons={"landlock": "switched off"}
    )
    monkeypatch.setattr(server, "probe", lambda: lacking)
    with pytest.raises(UserError, match=r"landlock: switched off.*allow_unsafe"):
        run(Program("print(1)"))
    with levels.configure(SandboxConfig(allow_unsafe=True)):
        assert levels.choose(lacking).name == "limits only"
    with pytest.raises(UserError):
        levels.choose(lacking)


def test_the_best_level_is_chosen_and_named():
    everything = replace(probe(), namespaces=True, landlock=7, seccomp=True, bubblewrap="/bwrap", readable=True)
    names = []
    for lacking in ({}, {"landlock": 0}, {"namespaces": False}, {"namespaces": False, "bubblewrap": ""}):
        names.append(levels.choose(replace(everything, **lacking)).name)
    assert names == [
        "namespaces+landlock+seccomp",
        "namespaces+seccomp",
        "bubblewrap+landlock+seccomp",
        "landlock+seccomp",
    ]
    with pytest.raises(UserError):
        levels.choose(replace(everything, namespaces=False, bubblewrap="", landlock=7, seccomp=False))


@pytest.mark.skipif(
    not (probe().landlock and probe().seccomp and probe().readable), reason="no Landlock, or an unreadable interpreter"
)
def test_without_namespaces_a_program_writes_nothing_and_reaches_nobody(monkeypatch, tmp_path):
    lacking = replace(probe(), namespaces=False, bubblewrap="")
    monkeypatch.setattr(server, "probe", lambda: lacking)
    attempts = ["open('/tmp/x', 'w')", f"os.kill({os.getpid()}, 0)", f"os.chmod({str(tmp_path)!r}, 0)", "os.fork()"]
    lines = ["import os"]
    for attempt in attempts:
        lines += ["try:", f"    {attempt}; print('GOT')", "except OSError: pass"]
    ran = run(Program("\n".join([*lines, "print('end')"])), QUICK)
    assert (ran.isolation, ran.stdout) == ("landlock+seccomp", b"end\n"), ran
