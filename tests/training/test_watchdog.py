"""The watchdog: ends what hangs and says where, and leaves alone what is slow, paused or over."""

import os
import re
import signal
import subprocess
import sys
import time

from midtrain.core.run import Journal
from midtrain.training.watchdog import Watchdog, stacks


def dog(tmp_path, ended, **more):
    settings = {"least": 0.2, "nap": 0.02, "end": lambda: ended.append(time.monotonic())} | more
    return Watchdog(3.0, Journal(tmp_path / "journal.jsonl"), "ours seed 0", **settings)


def test_a_hang_is_told_with_its_stacks_and_ended(tmp_path, capsys):
    ended = []
    with dog(tmp_path, ended) as watched:
        for step in (1, 2, 3):
            watched.step_done(step)
        deadline = time.monotonic() + 20

        def stuck_here():
            while not ended and time.monotonic() < deadline:
                time.sleep(0.01)

        stuck_here()
    assert ended
    said = capsys.readouterr().err
    assert "ours seed 0 hangs: no step for 0 seconds after step 3." in said
    (event,) = Journal(tmp_path / "journal.jsonl").read("event")
    assert (event["what"], event["step"]) == ("hang", 3)
    assert "stuck_here" in event["stacks"]


def test_before_the_second_step_in_a_pause_and_when_switched_off_nothing_hangs(tmp_path):
    ended = []
    with dog(tmp_path, ended) as watched:
        watched.step_done(1)
        time.sleep(0.4)
        watched.step_done(2)
        with watched.paused():
            time.sleep(0.6)
    with Watchdog(None, Journal(tmp_path / "journal.jsonl"), "off", least=0.0, nap=0.02, end=ended.append) as watched:
        watched.step_done(1)
        watched.step_done(2)
        time.sleep(0.2)
    assert not ended


def test_the_limit_follows_the_median_step_without_its_pauses(tmp_path):
    watched = dog(tmp_path, [], least=0.0)
    assert watched.limit is None
    watched.step_done(1)
    for step in (2, 3, 4):
        time.sleep(0.02)
        with watched.paused():
            time.sleep(0.3)
        watched.step_done(step)
    assert 0.06 <= watched.limit < 0.9


def test_a_process_that_was_stopped_has_not_hung_and_one_that_hangs_dies(tmp_path):
    program = f"""
import sys, time
from pathlib import Path
from midtrain.core.run import Journal
from midtrain.training.watchdog import Watchdog
with Watchdog(2.0, Journal(Path({str(tmp_path)!r}) / "journal.jsonl"), "run", least=2.0, nap=0.05) as watched:
    watched.step_done(1); watched.step_done(2)
    print("ready", flush=True)
    sys.stdin.readline()
    watched.step_done(3)
    print("alive", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(3)
    os.kill(process.pid, signal.SIGCONT)
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "alive\n"
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(r"run hangs: no step for \d+ seconds after step 3", said)


def test_stacks_name_the_threads():
    assert "Thread MainThread" in stacks()
