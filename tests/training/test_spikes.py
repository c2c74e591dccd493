"""Spikes: what is skipped leaves no trace, its documents are named and silenced, and what does not end is undone."""

import json
import math

import numpy as np
import pytest
import torch

from midtrain.core.errors import Stopped, UserError
from midtrain.core.run import Journal, request_stop
from midtrain.training import loop
from midtrain.training.config import SpikesConfig
from midtrain.training.optimizer import get_moments, make_optimizer
from midtrain.training.spikes import Spike, SpikeGuard, suspects

QUICK = {"window": 8, "sigmas": 6.0, "patience": 3}
FAST = {"schedule": {"peak": 2e-2, "warmup": 2}}
STEPS, POISONED, SEED = 40, 20, 3


def judge_all(guard, values):
    judged = [
        bool(guard.judge(i + 1, torch.tensor(v), torch.tensor(1.0 + 0.01 * (i % 3)))) for i, v in enumerate(values)
    ]
    return judged, guard.look()


def poisoned(workshop):
    """(data, (source, document)): the longest that is new in step POISONED is made of tokens that are nowhere else."""
    data = workshop.data(STEPS, weights={"low": 1.0, "high": 0.0}, seed=SEED)
    before = {piece["index"] for step in range(POISONED - 1) for piece in data.pieces(step)}
    here = [piece for piece in data.pieces(POISONED - 1) if piece["index"] not in before]
    piece = max(here, key=lambda piece: piece["length"])
    store = data.stores[piece["source"]]
    where = slice(store.offsets[piece["index"]], store.offsets[piece["index"] + 1])
    store.tokens[where] = np.random.default_rng(0).integers(40, 50, where.stop - where.start)
    return data, (piece["source"], piece["document"])


@pytest.fixture
def at_call(monkeypatch):
    """at_call({k: act}): act before the forward pass of the k-th step from now."""
    forward_backward = loop.forward_backward

    def arrange(acts):
        count = 0

        def step(*args, **kwargs):
            nonlocal count
            count += 1
            acts.get(count, lambda: None)()
            return forward_backward(*args, **kwargs)

        monkeypatch.setattr(loop, "forward_backward", step)

    return arrange


def test_a_spike_is_far_above_what_was_accepted_and_does_not_excuse_the_next():
    usual = [2.0, 2.1, 1.9, 2.05, 1.95, 2.0]
    judged, spikes = judge_all(SpikeGuard(SpikesConfig(window=8), torch.device("cpu")), [*usual, 9.0, 9.0, 9.0, 2.0])
    assert judged == [False] * 6 + [True] * 3 + [False]
    assert [spike.step for spike in spikes] == [7, 8, 9]
    mean, deviation = np.mean(usual), np.std(usual, ddof=1)
    assert [s.loss_limit for s in spikes] == pytest.approx([mean + 6 * deviation] * 3)


def test_too_little_is_known_at_first_but_not_a_number_is_never_accepted():
    guard = SpikeGuard(SpikesConfig(window=8), torch.device("cpu"))
    judged, spikes = judge_all(guard, [2.0, 2.1, 500.0, math.nan, math.inf])
    assert judged == [False, False, False, True, True]
    assert guard.streak == guard.skipped == 2
    assert spikes[0].plain() == {"loss": None, "norm": pytest.approx(1.0), "loss_limit": None, "norm_limit": None}
    assert "not a finite number" in str(spikes[0])
    assert "its gradient norm is 7, above 2." in str(Spike(3, 1.0, 7.0, 5.0, 2.0))


def test_the_window_moves_and_is_saved():
    guard = SpikeGuard(SpikesConfig(window=4), torch.device("cpu"))
    judge_all(guard, [9.0, 9.0, 2.0, 2.1, 2.0, 2.1])
    again = SpikeGuard(SpikesConfig(window=4), torch.device("cpu"), json.loads(json.dumps(guard.state())))
    for one in (guard, again):
        assert judge_all(one, [9.0])[0] == [True]
        one.forget()
        assert judge_all(one, [9.0])[0] == [False]


@pytest.mark.parametrize("value", [1e9, math.nan])
def test_a_skipped_step_changes_no_bit(workshop, value):
    model = workshop.model()
    parameters = dict(model.named_parameters())
    optimizer = make_optimizer(model, parameters, workshop.config(4).optimizer)
    loop.set_learning_rate(optimizer, 0.1)

    def step(gradient, skip):
        for p in parameters.values():
            p.grad = torch.full_like(p, gradient)
        optimizer.found_inf = torch.tensor(float(skip))
        optimizer.step()
        return [p.detach().clone() for p in parameters.values()], get_moments(optimizer, parameters)

    weights, (moments, counters) = step(0.5, False)
    same, (same_moments, same_counters) = step(value, True)
    assert all(torch.equal(a, b) for a, b in zip(weights, same, strict=True))
    assert all(torch.equal(moments[name], same_moments[name]) for name in moments)
    assert set(counters.values()) == set(same_counters.values()) == {1}
    assert not torch.equal(step(0.5, False)[0][0], weights[0])


def test_a_poisoned_document_is_skipped_named_and_learned_from_no_more(workshop):
    data, (source, document) = poisoned(workshop)
    artifact, _ = workshop.train(STEPS, data=data, fields=FAST | {"spikes": QUICK, "log_every": 1})
    events = [e for e in Journal(artifact.path / "journal.jsonl").read("event") if e["what"] == "spike"]
    assert POISONED in {e["step"] for e in events}
    named = {d["document"] for e in events if e["step"] == POISONED for d in e["documents"]}
    assert named == {document}
    ledger = [json.loads(line) for line in (artifact.path / "quarantine.jsonl").read_text().splitlines()]
    assert {"step": POISONED, "source": source, "documents": [document]} in ledger
    assert artifact.manifest["facts"]["skipped_steps"] == len(events) < 4
    after = data.from_decisions(Journal(artifact.path / "decisions.jsonl").read())
    assert after.digest != data.digest
    for step in range(STEPS):
        plain, silenced = data.batch(step), after.batch(step)
        assert np.array_equal(plain.input_ids_BT, silenced.input_ids_BT)
        assert step >= POISONED or np.array_equal(plain.labels_BT, silenced.labels_BT)
    assert not any(np.isin(after.batch(step).labels_BT, range(40, 50)).any() for step in range(POISONED, STEPS))


@pytest.mark.parametrize("stop", [POISONED - 1, POISONED, POISONED + 2])
def test_a_run_with_spikes_resumes_bit_by_bit(workshop, at_call, stop):
    fields = FAST | {"spikes": QUICK, "checkpoint_every": 4}
    straight, model = workshop.train(STEPS, "straight", data=poisoned(workshop)[0], fields=fields)
    at_call({stop: lambda: request_stop(workshop.path / "stopped")})
    with pytest.raises(Stopped):
        workshop.train(STEPS, "stopped", data=poisoned(workshop)[0], fields=fields)
    resumed, again = workshop.train(STEPS, "stopped", data=poisoned(workshop)[0], fields=fields)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    mine, other = (Journal(a.path / "journal.jsonl").timeless() for a in (straight, resumed))
    assert mine == other
    assert any(entry["kind"] == "decision" for entry in mine)


def damage(model):
    def act():
        with torch.no_grad():
            model.model.norm.weight.fill_(float("nan"))

    return act


def test_a_spike_that_does_not_end_is_undone_from_the_last_good_checkpoint(workshop, at_call):
    model = workshop.model()
    at_call({12: damage(model)})
    fields = {"spikes": QUICK | {"quarantine": False}, "checkpoint_every": 5, "keep_checkpoints": 1, "log_every": 1}
    artifact, _ = workshop.train(30, model=model, fields=fields)
    entries = Journal(artifact.path / "journal.jsonl").read()
    decision = next(entry for entry in entries if entry["kind"] == "decision")
    assert (decision["step"], decision["change"]) == (14, {"quarantine": {}, "rollback": 10})
    assert artifact.manifest["facts"]["rollbacks"] == 1
    losses = {entry["step"]: entry["loss"] for entry in entries if entry["kind"] == "metrics"}
    assert losses.keys() == set(range(1, 31)) - {12, 13, 14}
    assert losses[30] < losses[11]


def test_a_kill_after_the_rollback_ends_alike(workshop, at_call):
    class Killed(BaseException):
        pass

    def kill():
        raise Killed

    fields = {"spikes": QUICK, "checkpoint_every": 5, "keep_checkpoints": 1}
    results = []
    for name, acts in (("straight", {}), ("killed", {15: kill})):
        model = workshop.model()
        at_call({12: damage(model), **acts})
        try:
            artifact, _ = workshop.train(20, name, model=model, fields=fields)
        except Killed:
            at_call({2: damage(again := workshop.model())})
            artifact, model = workshop.train(20, name, model=again, fields=fields)
        results.append((Journal(artifact.path / "journal.jsonl").timeless(), list(model.parameters())))
    assert results[0][0] == results[1][0]
    assert all(torch.equal(a, b) for a, b in zip(results[0][1], results[1][1], strict=True))


def test_what_cannot_be_mended_ends_with_a_sentence_and_the_good_checkpoint_stays(workshop, at_call):
    model = workshop.model()
    at_call(dict.fromkeys(range(8, 40), damage(model)))
    fields = {"spikes": QUICK | {"rollbacks": 1}, "keep_checkpoints": 1}
    with pytest.raises(UserError, match=r"3 steps up to step 13 were skipped, after 1 rollbacks: .*not a finite"):
        workshop.train(30, model=model, fields=fields)
    with workshop.run() as run:
        kept = [step for step, _ in run.checkpoints()]
    assert kept[0] == 6


def test_without_an_outlier_all_of_the_batch_is_behind_it():
    alike = [{"document": i, "targets": 20, "loss": 3.0 + 0.1 * i} for i in range(8)]
    empty = {"document": "empty", "targets": 0, "loss": 0.0}
    assert len(suspects([*alike, empty])) == 8
    odd = {"document": "odd", "targets": 20, "loss": 9.0}
    short = {"document": "short", "targets": 2, "loss": 12.0}
    assert suspects([*alike, odd, short]) == [odd]
    assert suspects([{**piece, "loss": math.inf} for piece in alike])[0]["loss"] == math.inf
