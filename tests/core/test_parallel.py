"""Units are made once, in order, whatever dies on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from midtrain.core.errors import UserError
from midtrain.core.parallel import Unit, configure, map_units, unit_result
from tests.helpers.deaths import die_until


def write_twice(number: int, folder: Path) -> dict:
    """A unit: a file with the number, and what it is doubled."""
    (folder / "number.txt").write_text(str(number))
    (folder / "deep").mkdir()
    (folder / "deep" / "pid.txt").write_text(str(os.getpid()))
    return {"twice": 2 * number}


def fail_at(kind: type[Exception], number: int, folder: Path) -> None:
    """Unit 3 fails after the others are surely done."""
    if number == 3:
        (folder / "half").write_text("half")
        raise kind("shard 3 is damaged; download it again.")


def slow(number: int, folder: Path) -> None:
    """A unit that takes long, but for the first two."""
    (folder / "began").write_text("")
    if number >= 2:
        time.sleep(60)


def units(count: int) -> list[tuple[str, int]]:
    return [(f"unit-{number}", number) for number in range(count)]


def results(paths) -> list:
    return [unit_result(path) for path in paths]


def names(work: Path) -> list[str]:
    return sorted(os.listdir(work))


@pytest.mark.parametrize("workers", [1, 2])
def test_units_come_in_order_and_hold_files_and_result(tmp_path, workers):
    paths = list(map_units(write_twice, units(5), work=tmp_path / "work", label="twice", workers=workers))
    assert [path.name for path in paths] == [f"unit-{number}" for number in range(5)]
    assert results(paths) == [{"twice": 2 * number} for number in range(5)]
    assert [(path / "number.txt").read_text() for path in paths] == list("01234")
    pids = {int((path / "deep" / "pid.txt").read_text()) for path in paths}
    assert (pids == {os.getpid()}) if workers == 1 else (os.getpid() not in pids and len(pids) <= 2)


@pytest.mark.parametrize("workers", [1, 2])
def test_finished_units_are_not_redone(tmp_path, workers):
    def stamps() -> dict[str, int]:
        return {path.name: (path / "number.txt").stat().st_mtime_ns for path in tmp_path.glob("unit-*")}

    with configure(workers=workers):
        list(map_units(write_twice, units(3), work=tmp_path, label="twice"))
        before = stamps()
        more = list(map_units(write_twice, [Unit("unit-9", 9, size=100), *units(5)], work=tmp_path, label="twice"))
    assert [path.name for path in more] == ["unit-9", *(f"unit-{number}" for number in range(5))]
    assert before.items() <= stamps().items()


def test_the_next_map_finds_its_workers_warm(tmp_path):
    def pids(work: str) -> set[str]:
        paths = map_units(write_twice, units(6), work=tmp_path / work, label="twice", workers=2)
        return {(path / "deep" / "pid.txt").read_text() for path in paths}

    first = pids("first")
    assert pids("second") <= first
    for pid in first:
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)  # while it has nothing to do
    time.sleep(0.1)
    assert not pids("third") & first


def test_a_killed_worker_costs_nobody_but_its_unit(tmp_path):
    function = partial(die_until, 2, write_twice)
    paths = list(map_units(function, units(6), work=tmp_path / "work", label="twice", workers=2))
    assert results(paths) == [{"twice": 2 * number} for number in range(6)]
    assert (tmp_path / "deaths").read_text() == "xxx"
    assert names(tmp_path / "work") == [f"unit-{number}" for number in range(6)]  # nothing half-made is left


def test_a_unit_that_always_kills_its_worker_is_named(tmp_path):
    work = tmp_path / "work"
    with pytest.raises(UserError, match=r"twice: the worker of unit-2 died 3 times \(SIGKILL\)"):
        list(map_units(partial(die_until, 99, write_twice), units(6), work=work, label="twice", workers=2))
    kept = names(work)
    assert kept
    assert set(kept) < {f"unit-{number}" for number in range(6)}  # and nothing half-made
    (tmp_path / "deaths").write_text("x" * 99)
    assert len(list(map_units(partial(die_until, 99, write_twice), units(6), work=work, label="twice", workers=2))) == 6


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_arrives_as_itself_and_leaves_the_finished(tmp_path, workers):
    with pytest.raises(UserError) as caught:
        list(map_units(partial(fail_at, UserError), units(4), work=tmp_path, label="fails", workers=workers))
    assert str(caught.value) == "shard 3 is damaged; download it again."
    kept = names(tmp_path)
    assert kept
    assert set(kept) <= {"unit-0", "unit-1", "unit-2"}  # and nothing half-made
    with pytest.raises(ZeroDivisionError) as bug:
        list(map_units(partial(fail_at, ZeroDivisionError), units(5), work=tmp_path, label="f", workers=workers))
    if workers == 2:
        assert "in fail_at" in bug.value.__notes__[0]  # where in the worker it happened


def test_keys_are_file_names_used_once(tmp_path):
    for keys in (["a", "a"], ["a/b"], [".a"], [""]):
        with pytest.raises(AssertionError):
            list(map_units(write_twice, [(key, 1) for key in keys], work=tmp_path, label="keys"))
    assert list(map_units(write_twice, [], work=tmp_path, label="none")) == []


def test_a_damaged_result_is_named(tmp_path):
    (path,) = map_units(write_twice, units(1), work=tmp_path, label="one")
    (path / "unit.json").write_text("{")
    with pytest.raises(UserError, match=r"unit\.json is missing or damaged"):
        unit_result(path)


_SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
from midtrain.core.parallel import map_units
from tests.core.test_parallel import slow, units
if __name__ == "__main__":
    print(*map_units(slow, units(6), work={work!r}, label="slow", workers=2))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stop_leaves_the_finished_units_and_no_worker(tmp_path, number):
    work = tmp_path / "work"
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT.format(folder=str(Path(__file__).parents[2]), work=str(work)))
    process = subprocess.Popen([sys.executable, script], start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while len(list(work.glob(".making-unit-[23]-*/began"))) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number) if number == signal.SIGKILL else os.killpg(process.pid, number)
    assert process.wait(timeout=10) != 0
    deadline = time.monotonic() + 10
    while alive(process.pid):
        assert time.monotonic() < deadline, "a worker outlives who started it"
        time.sleep(0.01)
    half = {name for name in names(work) if name.startswith(".making-")}
    assert set(names(work)) - half == {"unit-0", "unit-1"}
    assert json.loads((work / "unit-1" / "unit.json").read_text()) is None
    assert not half or number == signal.SIGKILL


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
