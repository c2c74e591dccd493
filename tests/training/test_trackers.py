"""Trackers follow the journal: every point once, whatever is killed, and a tracker that fails fails alone."""

import sys
import types
from typing import ClassVar

import pytest

from midtrain.core.errors import Stopped, UserError
from midtrain.core.run import Journal, request_stop
from midtrain.training import loop, trackers
from midtrain.training.trackers import Trackers, numbers


class Recorder:
    sent: ClassVar[list] = []
    closed: ClassVar[int] = 0

    def __init__(self, folder, name):
        self.name = name

    def send(self, step, values, seconds):
        Recorder.sent.append((step, values["loss"], seconds))

    def close(self):
        Recorder.closed += 1


class Broken(Recorder):
    def send(self, step, values, seconds):
        raise RuntimeError("no route to host")


@pytest.fixture
def kinds(monkeypatch):
    Recorder.sent, Recorder.closed = [], 0
    for kind, made in {"tensorboard": Recorder, "wandb": Broken}.items():
        monkeypatch.setitem(trackers.KINDS, kind, made)


def opened(workshop, name, *which):
    folder = workshop.path / name
    return Trackers(list(which), Journal(folder / "journal.jsonl"), workshop.path / "trackers", "recipe/ours")


def test_numbers_are_flat():
    entry = {"kind": "metrics", "step": 4, "loss": 2, "source_loss": {"web": 1.5}, "clock": {"time": 9.0, "mfu": 0.5}}
    assert numbers(entry) == {"loss": 2.0, "source_loss/web": 1.5, "mfu": 0.5}


def test_every_line_is_sent_once_over_a_stop_and_a_kill(workshop, kinds, monkeypatch):
    class Killed(BaseException):
        pass

    forward_backward, steps = loop.forward_backward, []

    def step(*args, **kwargs):
        steps.append(1)
        if len(steps) == 5:
            request_stop(workshop.path / "run")
        if len(steps) == 9:
            raise Killed
        return forward_backward(*args, **kwargs)

    monkeypatch.setattr(loop, "forward_backward", step)
    for error in (Stopped, Killed, None):
        following = opened(workshop, "run", "tensorboard")
        if error is None:
            artifact, _ = workshop.train(12, trackers=following, fields={"checkpoint_every": 20})
        else:
            with pytest.raises(error):
                workshop.train(12, trackers=following, fields={"checkpoint_every": 20})
        following.close()
    journal = Journal(artifact.path / "journal.jsonl").read("metrics")
    assert [(step, loss) for step, loss, _ in Recorder.sent] == [(e["step"], e["loss"]) for e in journal]
    assert Recorder.closed == 3


def test_a_tracker_that_fails_is_said_once_and_stops_nothing(workshop, kinds, capsys):
    following = opened(workshop, "run", "wandb", "tensorboard")
    workshop.train(8, trackers=following)
    assert capsys.readouterr().err.count("The tracker wandb fails (RuntimeError: no route to host)") == 1
    assert len(Recorder.sent) == 4


@pytest.mark.parametrize("kind", ["tensorboard", "trackio", "wandb", "mlflow"])
def test_a_missing_package_is_named_before_training(workshop, monkeypatch, kind):
    monkeypatch.setitem(sys.modules, kind, None)
    with pytest.raises(UserError, match=rf"trackers: {kind} cannot be imported .* `pip install {kind}`, or leave it"):
        opened(workshop, "run", kind)


def test_wandb_and_trackio_are_local_and_go_on_in_the_same_run(workshop, monkeypatch):
    calls = []

    class Run:
        def log(self, values, step):
            calls.append((step, values))

        def finish(self):
            calls.append("finished")

    for kind in ("wandb", "trackio"):
        module = types.ModuleType(kind)
        module.init = lambda **asked: calls.append(asked) or Run()
        monkeypatch.setitem(sys.modules, kind, module)
    workshop.train(2, trackers=(following := opened(workshop, "run", "wandb", "trackio")))
    following.close()
    wandb, trackio = (call for call in calls if isinstance(call, dict))
    assert (wandb["mode"], wandb["resume"], wandb["project"], wandb["name"]) == ("offline", "allow", "recipe", "ours")
    assert (trackio["resume"], trackio["project"], trackio["name"]) == ("allow", "recipe", "ours")
    assert calls.count("finished") == 2
    assert [call[0] for call in calls if isinstance(call, tuple)] == [2, 2]
    calls.clear()
    opened(workshop, "run", "wandb")
    assert calls[0]["id"] == wandb["id"]


def test_tensorboard_writes_events(workshop):
    pytest.importorskip("tensorboard")
    workshop.train(4, trackers=(following := opened(workshop, "run", "tensorboard")))
    following.close()
    assert list((workshop.path / "trackers" / "tensorboard").glob("events.out.*"))
