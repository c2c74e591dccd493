"""The loop: it goes on bit by bit, stops when asked, decides once, and never saves what is not a number."""

import gc
import json
import os
import signal

import pytest
import torch
from safetensors.torch import load_file

from midtrain.core.errors import Stopped, UserError
from midtrain.core.run import Journal, Run, request_remix, request_stop
from midtrain.training import loop
from midtrain.training.decisions import Remix, Stop


class Killed(BaseException):
    """As by kill -9: nothing gets to clean up but `finally`."""


@pytest.fixture
def at_step(monkeypatch):
    """at_step(k, act): act once, in the middle of the k-th step from now."""
    forward_backward = loop.forward_backward

    def arrange(k, act):
        count = 0

        def step(*args, **kwargs):
            nonlocal count
            count += 1
            if count == k:
                act()
            return forward_backward(*args, **kwargs)

        monkeypatch.setattr(loop, "forward_backward", step)

    return arrange


def kill():
    raise Killed


def outcome(artifact):
    """Everything that a run must not owe to luck: weights, moments, journal."""
    checkpoint = artifact.path / artifact.manifest["facts"]["final_checkpoint"]
    tensors = load_file(checkpoint / "model.safetensors"), load_file(checkpoint / "optimizer.safetensors")
    return tensors, Journal(artifact.path / "journal.jsonl").timeless()


def assert_same(a, b):
    (a_tensors, a_journal), (b_tensors, b_journal) = outcome(a), outcome(b)
    for mine, other in zip(a_tensors, b_tensors, strict=True):
        assert mine.keys() == other.keys()
        assert all(torch.equal(mine[name], other[name]) for name in mine)
    assert a_journal == b_journal


def test_training_learns_and_says_what_it_did(workshop):
    artifact, _ = workshop.train(20, fields={"objective": {"z_loss": 1e-4}})
    journal = Journal(artifact.path / "journal.jsonl").read("metrics")
    assert [entry["step"] for entry in journal] == list(range(2, 21, 2))
    assert journal[-1]["loss"] < journal[0]["loss"] - 0.3
    last = journal[-1]
    assert last["learning_rate"] == pytest.approx(1e-2 * (1 - (17 / 18) ** 0.5))
    assert last["tokens"] == sum(last["mixture"].values()) == sum(sum(e["source_tokens"].values()) for e in journal)
    assert {"seconds", "tokens_per_second", "mfu", "goodput", "time"} <= last["clock"].keys()
    facts = artifact.manifest["facts"]
    assert facts["tokens"] == last["tokens"]
    assert 0 < facts["goodput"] <= 1
    assert (artifact.path / facts["final_checkpoint"] / "model.safetensors").exists()
    assert len(list((artifact.path / "checkpoints").iterdir())) == 2


@pytest.mark.parametrize("stops", [[5], [1, 3, 4, 7]])
def test_stopped_and_resumed_is_bit_for_bit_the_straight_run(workshop, at_step, stops):
    straight, _ = workshop.train(8, "straight", workshop.model(dropout=0.3))
    done = 0
    for stop in stops:
        at_step(stop - done, lambda: request_stop(workshop.path / "stopped"))
        with pytest.raises(Stopped, match=f"after step {stop} of 8"):
            workshop.train(8, "stopped", workshop.model(dropout=0.3))
        done = stop
    resumed, _ = workshop.train(8, "stopped", workshop.model(seed=9, dropout=0.3))
    assert_same(straight, resumed)


@pytest.mark.parametrize("kills", [[1], [8], [5, 2]])
def test_killed_anywhere_and_run_again_is_bit_for_bit_the_straight_run(workshop, at_step, kills):
    straight, _ = workshop.train(8, "straight")
    for k in kills:
        at_step(k, kill)
        with pytest.raises(Killed):
            workshop.train(8, "killed")
    at_step(0, kill)
    resumed, _ = workshop.train(8, "killed")
    assert_same(straight, resumed)


def test_killed_between_the_last_checkpoint_and_the_seal(workshop):
    straight, _ = workshop.train(6, "straight")
    workshop.train(6, "killed", seal=False)
    resumed, _ = workshop.train(6, "killed")
    assert_same(straight, resumed)


def test_how_often_to_write_does_not_change_what_is_learned(workshop):
    often, _ = workshop.train(6, "often", fields={"log_every": 1, "checkpoint_every": 1})
    rarely, _ = workshop.train(6, "rarely", fields={"log_every": 100, "checkpoint_every": 100})
    (weights, moments), _ = outcome(often)
    (other_weights, other_moments), journal = outcome(rarely)
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)
    assert all(torch.equal(moments[name], other_moments[name]) for name in moments)
    assert [entry["step"] for entry in journal if entry["kind"] == "metrics"] == [6]


def test_a_signal_ends_the_run_with_a_checkpoint_and_handlers_are_given_back(workshop, at_step):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    at_step(3, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Stopped, match="after step 3 of 8"):
        workshop.train(8)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    with workshop.run() as run:
        assert [step for step, _ in run.checkpoints()] == [3]


@pytest.mark.parametrize("thawed", [True, False])
def test_the_process_is_left_as_it_was(workshop, thawed):
    if thawed:
        gc.unfreeze()
    frozen = gc.get_freeze_count()
    assert not torch.are_deterministic_algorithms_enabled()
    torch.manual_seed(5)
    expected = torch.rand(3)
    model = workshop.model()
    torch.manual_seed(5)
    workshop.train(2, model=model)
    assert torch.equal(torch.rand(3), expected)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert gc.isenabled()
    assert gc.get_freeze_count() == frozen


def test_a_loss_that_is_not_a_number_names_the_step_and_reaches_no_checkpoint(workshop, at_step):
    model = workshop.model()

    def poison():
        with torch.no_grad():
            model.model.norm.weight[0] = float("nan")

    at_step(5, poison)
    with pytest.raises(UserError, match=r"at step 5 .*`midtrain inspect HERE --step 5`"):
        workshop.train(8, model=model, inspect="midtrain inspect HERE")
    with workshop.run() as run:
        step, artifact = run.resume()
        assert step == 3
        assert all(torch.isfinite(w).all() for w in load_file(artifact.path / "model.safetensors").values())


def test_data_other_than_the_checkpoints_are_refused(workshop, at_step):
    at_step(5, kill)
    with pytest.raises(Killed):
        workshop.train(8)
    at_step(0, kill)
    with pytest.raises(UserError, match="other data"):
        workshop.train(8, data=workshop.data(8, seed=6))


def test_a_remix_takes_effect_from_the_block_that_begins_and_was_written_before(workshop):
    asked = []

    def hook(state):
        asked.append(state.step)
        assert not state.model.training
        torch.rand(7)
        return Remix({"low": 0.0, "high": 1.0}, "the guard") if state.step == 4 else None

    artifact, _ = workshop.train(8, hook=hook, fields={"log_every": 1})
    assert asked == [4]
    journal = Journal(artifact.path / "journal.jsonl").read()
    low = [entry["source_tokens"]["low"] for entry in journal if entry["kind"] == "metrics"]
    assert all(low[:4])
    assert not any(low[4:])
    decision = next(entry for entry in journal if entry["kind"] == "decision")
    assert {key: decision[key] for key in ("step", "from_block", "change", "reason")} == {
        "step": 4,
        "from_block": 1,
        "change": {"weights": {"low": 0, "high": 1}},
        "reason": "the guard",
    }
    written = [(entry["kind"], entry["step"]) for entry in journal]
    assert written.index(("decision", 4)) < written.index(("metrics", 5))


def test_a_decision_made_before_a_kill_is_applied_without_asking_again(workshop, at_step):
    def hook(state):
        return Remix({"low": 0.5, "high": 0.5}, "first mind") if state.step == 4 else None

    straight, _ = workshop.train(8, "straight", hook=hook, data=workshop.data(8, block_steps=2))
    at_step(6, kill)
    with pytest.raises(Killed):
        workshop.train(8, "killed", hook=hook, data=workshop.data(8, block_steps=2))
    at_step(0, kill)
    asked = []
    data = workshop.data(8, block_steps=2)
    resumed, _ = workshop.train(8, "killed", hook=lambda state: asked.append(state.step), data=data)
    assert asked == [6]
    assert_same(straight, resumed)


def test_a_hook_can_end_the_stage_and_its_result_is_what_was_trained_so_far(workshop):
    def hook(state):
        return Stop("enough") if state.step == 4 else None

    artifact, _ = workshop.train(8, hook=hook, seal=False)
    again, _ = workshop.train(8, hook=hook)
    assert artifact.facts["ended_by"] == again.manifest["facts"]["ended_by"] == "enough"
    assert again.manifest["facts"]["final_checkpoint"] == "checkpoints/step-00000004"
    journal = Journal(again.path / "journal.jsonl").timeless()
    assert [e["step"] for e in journal if e["kind"] == "decision"] == [4]
    assert [e["step"] for e in journal if e["kind"] == "metrics"] == [2, 4]


def test_a_person_may_remix_and_a_wrong_remix_is_refused_without_ending_the_run(workshop, at_step, capsys):
    folder = workshop.path / "run"
    at_step(2, lambda: request_remix(folder, {"low": 0.0, "high": 1.0}))
    artifact, _ = workshop.train(8)
    made = Journal(artifact.path / "decisions.jsonl").read()
    assert [(d["step"], d["from_block"], d["reason"]) for d in made] == [(2, 1, "asked by a person")]
    at_step(2, lambda: request_remix(workshop.path / "wrong", {"lo": 1.0}))
    wrong, _ = workshop.train(8, "wrong")
    assert not (wrong.path / "decisions.jsonl").exists()
    assert 'there is no source "lo". Did you mean "low"?' in capsys.readouterr().err


def test_a_stop_and_a_remix_may_be_asked_for_together(tmp_path):
    with Run(tmp_path / "run", kind="train", version=1, asked={}, inputs={}) as run:
        request_remix(run.path, {"a": 1.0})
        request_stop(run.path)
        assert run.stop_requested()
        assert run.remix_requested() == {"a": 1.0}
        run.remix_answered()
        assert run.stop_requested()
        assert run.remix_requested() is None
        assert json.loads((run.path / "control.json").read_text()) == {"stop": True}
