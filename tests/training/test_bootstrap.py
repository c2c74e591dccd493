"""Moments gathered before the first step, and the range test of rates."""

import math

import pytest
import torch

from midtrain.core.run import Journal
from midtrain.training.bootstrap import judge, rate_probe, warm_in
from midtrain.training.optimizer import get_moments, make_optimizer, select_trainable
from midtrain.training.state import final_state


def test_a_warm_in_moves_the_moments_and_nothing_else(workshop):
    model, config, data = workshop.model(), workshop.config(8), workshop.data(8)
    parameters = select_trainable(model, ["*"])
    optimizer = make_optimizer(model, parameters, config.optimizer)
    before = [p.detach().clone() for p in model.parameters()]
    warm_in(model, optimizer, parameters, data, config, 10)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(p.grad is None for p in model.parameters())
    moments, counters = get_moments(optimizer, parameters)
    assert set(counters.values()) == {10}
    assert all(moment.abs().max() > 0 for moment in moments.values())


def test_warmed_moments_make_the_first_step_smaller_and_only_where_none_were(workshop):
    fields = {"schedule": {"peak": 1e-2}, "optimizer": {"weight_decay": 0.0}}
    warm = fields | {"optimizer": {"weight_decay": 0.0, "warm_in": 12}}
    start = [p.detach().clone() for p in workshop.model().parameters()]

    def moved(name, **more):
        artifact, model = workshop.train(1, name, **more)
        sizes = [torch.dist(a, b.detach()) for a, b in zip(start, model.parameters(), strict=True)]
        return float(torch.stack(sizes).norm()), artifact

    cold, _ = moved("cold", fields=fields)
    less, artifact = moved("warm", fields=warm, data=workshop.data(1))
    assert less < 1.001 * cold
    assert set(final_state(artifact).step_counters.values()) == {13}
    event = Journal(artifact.path / "journal.jsonl").read("event")[0]
    assert "They are gathered over 12 batches at a rate of 0." in event["sentences"]
    _, following = moved("next", fields=warm, initial=final_state(artifact))
    assert set(final_state(following).step_counters.values()) == {14}


def test_the_probe_finds_a_rate_that_learns_and_puts_everything_back(workshop):
    model, config, data = workshop.model(), workshop.config(20), workshop.data(20)
    before = [p.detach().clone() for p in model.parameters()]
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    probe = rate_probe(model, data, config, lowest=1e-5, highest=10.0, steps=24)
    assert torch.equal(torch.rand(2), expected)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(p.grad is None for p in model.parameters())
    assert 1e-4 < probe.best < 1.0
    assert probe.worst is None or probe.worst > probe.best
    assert f"fell fastest at {probe.best:.1e}" in probe.sentence()


def test_the_best_rate_is_where_the_loss_falls_fastest_and_the_worst_where_it_has_risen():
    rates = [10.0**at for at in range(-6, 1)]
    found = judge(rates, [0.0, 0.0, -0.1, -0.9, -1.0, 0.9, math.inf])
    assert found.best == pytest.approx(1e-4)
    assert found.worst == pytest.approx(1.0)
    assert judge(rates, [0.0] * 7).worst is None
