"""Muon: nearly orthogonal updates of hidden matrices, AdamW for the rest, and moments that go by name."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from midtrain.core.errors import Stopped
from midtrain.core.run import Journal, request_stop
from midtrain.training import loop
from midtrain.training.config import OptimizerConfig
from midtrain.training.muon import Muon, orthogonalise
from midtrain.training.optimizer import (
    get_moments,
    hidden_matrices,
    make_optimizer,
    select_trainable,
    set_learning_rate,
    set_moments,
)
from midtrain.training.state import final_state

MUON = {"kind": "muon"}


def made(workshop, **settings):
    model = workshop.model(tied=False)
    parameters = select_trainable(model, ["*"])
    return parameters, make_optimizer(model, parameters, OptimizerConfig(**settings))


@given(st.integers(2, 24), st.integers(2, 24), st.integers(0, 1000))
def test_an_update_keeps_the_directions_and_evens_the_singular_values(rows, columns, seed):
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    known = s > 0.05 * s[0]
    values = ((u.mT @ orthogonalise(matrix)) * v).sum(1)[known]
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_only_matrices_between_hidden_states_are_muons(workshop):
    model = workshop.model(tied=False)
    names = hidden_matrices(model)
    assert "model.layers.0.self_attn.q_proj.weight" in names
    assert all(".self_attn." in name or ".mlp." in name for name in names)
    assert len(names) == 7


def test_it_is_the_muon_of_pytorch(workshop):
    parameters, optimizer = made(workshop, **MUON, weight_decay=0.1)
    assert isinstance(optimizer, Muon)
    name = "model.layers.0.mlp.up_proj.weight"
    mine, peers = parameters[name], torch.nn.Parameter(parameters[name].detach().clone())
    peer = torch.optim.Muon([peers], lr=0.01, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    set_learning_rate(optimizer, 0.01)
    for seed in range(4):
        mine.grad = torch.randn(mine.shape, generator=torch.Generator().manual_seed(seed))
        peers.grad = mine.grad.clone()
        optimizer.step()
        peer.step()
    torch.testing.assert_close(mine, peers, rtol=0, atol=2e-3)  # PyTorch iterates in bfloat16
    assert torch.dist(mine, peers) < 0.05 * 4 * 0.01 * 0.2 * 32**0.5 * 16**0.5


@pytest.mark.parametrize("value", [3.0, float("nan")])
def test_a_skipped_step_changes_no_bit(workshop, value):
    parameters, optimizer = made(workshop, **MUON)
    set_learning_rate(optimizer, 0.01)

    def step(gradient, skip):
        for p in parameters.values():
            p.grad = torch.full_like(p, gradient) * torch.arange(1, p.shape[-1] + 1)
        optimizer.found_inf = torch.tensor(float(skip))
        optimizer.step()
        return [p.detach().clone() for p in parameters.values()], get_moments(optimizer, parameters)

    weights, (moments, counters) = step(0.5, False)
    same, (same_moments, same_counters) = step(value, True)
    assert all(torch.equal(a, b) for a, b in zip(weights, same, strict=True))
    assert all(torch.equal(moments[name], same_moments[name]) for name in moments)
    assert set(counters.values()) == set(same_counters.values()) == {1}
    assert not any(torch.equal(a, b) for a, b in zip(step(0.5, False)[0], weights, strict=True))


def test_moments_go_by_name_between_the_two(workshop):
    parameters, adamw = made(workshop)
    for p in parameters.values():
        p.grad = torch.ones_like(p)
    adamw.step()
    moments, counters = get_moments(adamw, parameters)
    parameters, muon = made(workshop, **MUON)
    assert set_moments(muon, parameters, moments, counters) == len(parameters)
    back, back_counters = get_moments(muon, parameters)
    matrix = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(back[f"exp_avg.{matrix}"], moments[f"exp_avg.{matrix}"])
    assert f"exp_avg_sq.{matrix}" not in back
    parameters, adamw = made(workshop)
    assert set_moments(adamw, parameters, back, back_counters) == len(parameters) - 7
    assert parameters[matrix] not in adamw.state


def test_it_learns_resumes_bit_by_bit_and_says_what_it_is(workshop, monkeypatch):
    fields = {"optimizer": {"kind": "muon", "momentum": 0.9}}
    straight, model = workshop.train(8, "straight", fields=fields)
    journal = Journal(straight.path / "journal.jsonl").read("metrics")
    assert journal[-1]["loss"] < journal[0]["loss"] - 0.1
    forward_backward, steps = loop.forward_backward, []

    def step(*args, **kwargs):
        steps.append(1)
        if len(steps) == 5:
            request_stop(workshop.path / "stopped")
        return forward_backward(*args, **kwargs)

    monkeypatch.setattr(loop, "forward_backward", step)
    with pytest.raises(Stopped):
        workshop.train(8, "stopped", fields=fields)
    _, again = workshop.train(8, "stopped", fields=fields)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    said = final_state(straight).training_state()["optimizer"]
    assert (said["name"], said["momentum"]) == ("muon", 0.9)
