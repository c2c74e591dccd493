import errno
import fcntl
import json
import os
import subprocess
import sys
import threading

import pytest

from midtrain.core.artifact import Artifact, make_artifact, write_atomically
from midtrain.core.errors import UserError, disk_errors
from midtrain.core.run import Journal, Run, is_locked, is_sealed, lock_file, request_stop

IDENTITY = {"kind": "train", "version": 1, "asked": {"tokens": 3}, "inputs": {"base": "abc"}}


def test_an_artifact_is_whole_or_absent(tmp_path):
    with pytest.raises(FileNotFoundError), make_artifact(tmp_path / "a", kind="t") as draft:
        (draft.path / "half").write_text((draft.path / "absent").read_text())
    assert list(tmp_path.iterdir()) == []
    with make_artifact(tmp_path / "a", kind="t", asked={"b": 1}) as draft:
        (draft.path / "sub").mkdir()
        (draft.path / "sub" / "file").write_text("x")
        draft.counts["rows"] = 2
        draft.drop("too short", sample="ab")
        draft.drop("too short")
    artifact = Artifact.open(tmp_path / "a")
    artifact.verify()
    assert artifact.counts == {"rows": 2}
    assert artifact.manifest["drops"] == {"too short": 2}
    assert list(artifact.manifest["files"]) == ["sub/file"]


def test_a_killed_maker_leaves_nothing_that_is_seen(tmp_path):
    code = f"""
import os
from midtrain.core.artifact import make_artifact
with make_artifact({str(tmp_path / "a")!r}, kind="t") as draft:
    (draft.path / "file").write_text("x")
    os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    with pytest.raises(UserError, match="not a finished artifact"):
        Artifact.open(tmp_path / "a")
    with make_artifact(tmp_path / "a", kind="t") as draft:
        (draft.path / "file").write_text("y")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_verify_names_the_altered_file(tmp_path):
    with make_artifact(tmp_path / "a", kind="t") as draft:
        (draft.path / "weights").write_bytes(b"1234")
    artifact = Artifact.open(tmp_path / "a")
    (tmp_path / "a" / "weights").write_bytes(b"1235")
    with pytest.raises(UserError, match="weights"):
        artifact.verify()
    (tmp_path / "a" / "manifest.json").write_text("{")
    with pytest.raises(UserError, match=r"manifest\.json is damaged"):
        Artifact.open(tmp_path / "a")


@pytest.mark.parametrize("text", ["5", "[]", "null", '{"fingerprint": "a", "counts": {}, "files": {}}', "\udcff"])
def test_a_manifest_that_lacks_something_is_damaged(tmp_path, text):
    with make_artifact(tmp_path / "a", kind="t"):
        pass
    (tmp_path / "a" / "manifest.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=r"manifest\.json is damaged"):
        Artifact.open(tmp_path / "a")


def test_an_artifact_takes_the_place_of_a_half_removed_one(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "left").write_text("x")
    with make_artifact(tmp_path / "a", kind="t") as draft:
        (draft.path / "file").write_text("y")
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["file", "manifest.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_file_where_a_folder_must_be_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be made"), disk_errors(tmp_path / "file"):
        (tmp_path / "file").mkdir()
    with pytest.raises(UserError, match="cannot be made"), disk_errors(tmp_path / "file" / "x"):
        (tmp_path / "file" / "x").mkdir()


def test_a_full_disk_is_one_sentence():
    with pytest.raises(UserError, match="disk is full while writing /x"), disk_errors("/x"):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(UserError, match="disk is full"), disk_errors("/x"):
        raise RuntimeError("while serializing: I/O error: No space left on device (os error 28)")
    with pytest.raises(FileNotFoundError), disk_errors("/x"):
        raise FileNotFoundError


def test_a_failed_atomic_write_keeps_the_old_file(tmp_path, monkeypatch):
    write_atomically(tmp_path / "f", "old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(UserError, match="disk is full"):
        write_atomically(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_resuming_cuts_the_journal_to_the_newest_whole_checkpoint(tmp_path):
    with Run(tmp_path / "r", **IDENTITY) as run:
        run.journal.append("metrics", 1, loss=2.0)
        with run.checkpoint(1) as draft:
            (draft.path / "w").write_text("one")
        run.journal.append("metrics", 2, loss=1.0)
        with run.checkpoint(2) as draft:
            (draft.path / "w").write_text("two")
        run.journal.append("metrics", 3, loss=0.5)
    (tmp_path / "r" / "checkpoints" / "step-00000002" / "w").write_text("rot")
    with Run(tmp_path / "r", **IDENTITY) as run:
        step, checkpoint = run.resume()
        assert step == 1
        assert (checkpoint.path / "w").read_text() == "one"
        assert run.journal.timeless() == [{"kind": "metrics", "step": 1, "loss": 2.0}]


def test_without_a_checkpoint_the_journal_starts_again(tmp_path):
    with Run(tmp_path / "r", **IDENTITY) as run:
        run.journal.append("metrics", 1, loss=2.0)
        assert run.resume() is None
        assert run.journal.read() == []


def test_a_decision_made_before_a_kill_is_made_again_without_asking(tmp_path):
    with Run(tmp_path / "r", **IDENTITY) as run:
        run.decide(5, from_block=2, change={"weights": {"a": 1.0}}, reason="guard")
    with Run(tmp_path / "r", **IDENTITY) as run:
        run.resume()
        assert run.journal.read() == []
        again = run.decide(5, from_block=9, change={"weights": {"a": 0.0}}, reason="another mind")
        assert again == {"step": 5, "from_block": 2, "change": {"weights": {"a": 1}}, "reason": "guard"}
        assert len(run.decisions()) == 1
        assert run.journal.timeless() == [{"kind": "decision", **again}]


def test_a_run_is_locked_and_belongs_to_one_recipe(tmp_path):
    with Run(tmp_path / "r", **IDENTITY):
        code = f"from midtrain.core.run import Run; Run({str(tmp_path / 'r')!r}, **{IDENTITY!r}).__enter__()"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "is being worked on by process " + str(os.getpid()) in done.stderr
    with (
        pytest.raises(UserError, match="belongs to another run"),
        Run(tmp_path / "r", **{**IDENTITY, "asked": {"tokens": 4}}),
    ):
        pass


def test_stop_requests_are_for_the_process_that_runs_now(tmp_path):
    with Run(tmp_path / "r", **IDENTITY) as run:
        assert not run.stop_requested()
        request_stop(tmp_path / "r")
        assert run.stop_requested()
    with Run(tmp_path / "r", **IDENTITY) as run:
        assert not run.stop_requested()


def test_a_journal_line_cut_by_a_kill_is_not_an_entry(tmp_path):
    with Run(tmp_path / "r", **IDENTITY) as run:
        run.journal.append("event", 0, what="start")
        with open(run.journal.path, "a") as file:
            file.write('{"kind": "metr')
        assert [e["kind"] for e in run.journal.read()] == ["event"]


def test_a_decision_after_a_cut_line_is_not_lost(tmp_path):
    with Run(tmp_path / "r", **IDENTITY) as run:
        run.decide(3, from_block=1, change={"a": 1}, reason="first")
        with open(tmp_path / "r" / "decisions.jsonl", "a") as file:
            file.write('{"kind": "deci')
        run.decide(5, from_block=2, change={"a": 2}, reason="second")
        assert [made["step"] for made in run.decisions()] == [3, 5]


def test_a_journal_line_that_is_no_entry_is_passed_over(tmp_path):
    (tmp_path / "j").write_text('5\nnull\n{"step": 1}\n{"kind": "event", "step": 2}\n')
    assert Journal(tmp_path / "j").read("event") == [{"kind": "event", "step": 2}]


def test_saving_a_checkpoint_again_keeps_the_old_one_until_the_new_one_is_whole(tmp_path):
    with Run(tmp_path / "r", **IDENTITY) as run:
        with run.checkpoint(4) as draft:
            (draft.path / "w").write_text("old")
        with pytest.raises(ZeroDivisionError), run.checkpoint(4):
            raise ZeroDivisionError
        assert (run.resume()[1].path / "w").read_text() == "old"
        with run.checkpoint(4) as draft:
            (draft.path / "w").write_text("new")
        assert (run.resume()[1].path / "w").read_text() == "new"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_damaged_run_file_is_one_sentence(tmp_path, text):
    with Run(tmp_path / "r", **IDENTITY):
        pass
    (tmp_path / "r" / "run.json").write_text(text)
    with pytest.raises(UserError, match=r"run\.json is damaged"), Run(tmp_path / "r", **IDENTITY):
        pass
    assert not is_locked(tmp_path / "r" / "lock")


@pytest.mark.parametrize("text", ["", '{"stop": tru', "5"])
def test_a_control_file_written_by_hand_and_half_there_asks_nothing(tmp_path, text):
    with Run(tmp_path / "r", **IDENTITY) as run:
        (tmp_path / "r" / "control.json").write_text(text)
        assert not run.stop_requested()
        assert run.remix_requested() is None
        request_stop(tmp_path / "r")
        assert run.stop_requested()


def test_asking_whether_a_run_is_locked_changes_nothing(tmp_path):
    assert not is_locked(tmp_path / "lock")
    assert list(tmp_path.iterdir()) == []
    handle = lock_file(tmp_path / "lock", "held")
    assert is_locked(tmp_path / "lock")
    os.close(handle)
    (tmp_path / "lock").write_text("123")
    assert not is_locked(tmp_path / "lock")
    assert (tmp_path / "lock").read_text() == "123"


def test_someone_who_only_asks_does_not_keep_a_run_from_starting(tmp_path):
    asked = os.open(tmp_path / "lock", os.O_RDONLY | os.O_CREAT)
    fcntl.flock(asked, fcntl.LOCK_SH)
    threading.Timer(0.06, os.close, [asked]).start()
    handle = lock_file(tmp_path / "lock", "held")
    assert is_locked(tmp_path / "lock")
    os.close(handle)


def test_a_sealed_run_is_an_artifact(tmp_path):
    from midtrain.core.artifact import Draft

    with Run(tmp_path / "r", **IDENTITY) as run:
        run.journal.append("event", 0, what="start")
        assert not is_sealed(run.path)
        run.seal(Draft(run.path, counts={"tokens": 3}))
    artifact = Artifact.open(tmp_path / "r")
    assert artifact.counts == {"tokens": 3}
    assert "journal.jsonl" in artifact.manifest["files"]
    assert json.loads((tmp_path / "r" / "run.json").read_text())["fingerprint"] == artifact.fingerprint
