"""Averages in the loop: the right weights, the same bits after a kill, and the result that is handed on."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from midtrain.core.config import parse
from midtrain.core.errors import Stopped, UserError
from midtrain.core.run import request_stop
from midtrain.training import loop
from midtrain.training.averaging import merge_weights, points, shares
from midtrain.training.config import AverageConfig, StageConfig
from midtrain.training.state import final_state, read_average

HELD = {"peak": 1e-2, "decay": {"share": 0}}
KINDS = [{"kind": "ema", "decay": 0.8}, {"kind": "last", "share": 0.5}, {"kind": "wsm", "share": 0.75, "points": 4}]


def effective(config, num_steps):
    """What each step's weights count in the end, from the shares alone."""
    share, counts = shares(config, num_steps), {}
    for step in range(1, num_steps + 1):
        if share(step):
            counts = {at: count * (1 - share(step)) for at, count in counts.items()} | {step: share(step)}
    return counts


def test_the_merge_weights_are_those_of_the_paper():
    assert merge_weights([1.0, 0.5, 0.25]) == [0.0, 0.5, 0.25, 0.25]
    assert merge_weights([0.8]) == pytest.approx([0.2, 0.8])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(0, 2**32))
def test_a_merge_is_the_sum_of_the_decayed_updates(curve, seed):
    updates = torch.randn(len(curve), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    thetas = torch.cat([torch.zeros(1, 3, dtype=torch.float64), -updates.cumsum(0)])
    merged = torch.tensor(merge_weights(curve), dtype=torch.float64) @ thetas
    decayed = -(torch.tensor(curve, dtype=torch.float64)[:, None] * updates).sum(0)
    torch.testing.assert_close(merged, decayed, rtol=1e-10, atol=1e-10)


@given(st.sampled_from(["last", "wsm"]), st.integers(1, 300), st.floats(0.01, 1), st.integers(1, 40))
def test_shares_build_the_weighted_mean_whose_last_point_is_the_end(kind, num_steps, share, count):
    config = AverageConfig(kind=kind, share=share, points=count)
    wanted = points(config, num_steps)
    assert max(wanted) == num_steps
    assert sum(wanted.values()) == pytest.approx(1)
    found = effective(config, num_steps)
    assert found == pytest.approx({step: weight for step, weight in wanted.items() if weight > 0})


def test_a_moving_average_weighs_steps_by_their_age():
    found = effective(AverageConfig(kind="ema", decay=0.9), 30)
    ages = torch.tensor([0.9 ** (30 - step) for step in range(1, 31)], dtype=torch.float64)
    assert list(found.values()) == pytest.approx((ages / ages.sum()).tolist())


@pytest.mark.parametrize("average", KINDS, ids=lambda average: average["kind"])
def test_the_result_is_the_average_of_the_weights_that_were_there(workshop, monkeypatch, average):
    seen = []
    update = loop.Average.update

    def watch(self, step):
        seen.append({name: p.detach().double().clone() for name, p in self._parameters.items()})
        update(self, step)

    monkeypatch.setattr(loop.Average, "update", watch)
    artifact, model = workshop.train(12, fields={"average": average, "schedule": HELD})
    counts = effective(AverageConfig.model_validate(average), 12)
    result = final_state(artifact).weights
    for name, parameter in model.named_parameters():
        expected = sum(count * seen[step - 1][name] for step, count in counts.items())
        torch.testing.assert_close(result[name].double(), expected, rtol=1e-5, atol=1e-7)
        assert not torch.equal(result[name], parameter)
        assert torch.equal(parameter.double(), seen[-1][name])


@pytest.mark.parametrize("average", KINDS, ids=lambda average: average["kind"])
@pytest.mark.parametrize("stop", [2, 10])
def test_a_resumed_average_is_the_straight_one_bit_by_bit(workshop, monkeypatch, average, stop):
    fields = {"average": average, "schedule": HELD}
    straight, _ = workshop.train(12, "straight", fields=fields)
    steps = []
    forward_backward = loop.forward_backward

    def step(*args, **kwargs):
        steps.append(1)
        if len(steps) == stop:
            request_stop(workshop.path / "stopped")
        return forward_backward(*args, **kwargs)

    monkeypatch.setattr(loop, "forward_backward", step)
    with pytest.raises(Stopped):
        workshop.train(12, "stopped", fields=fields)
    resumed, _ = workshop.train(12, "stopped", fields=fields)
    mine, other = (read_average(a.path / a.manifest["facts"]["final_checkpoint"]) for a in (straight, resumed))
    assert mine.keys() == other.keys()
    assert mine
    assert all(torch.equal(mine[name], other[name]) for name in mine)


def test_averaging_changes_no_step_of_the_training(workshop):
    _, plain = workshop.train(8, "plain")
    _, averaged = workshop.train(8, "averaged", fields={"average": {"kind": "ema"}})
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), averaged.parameters(), strict=True))


def test_a_hook_is_shown_the_average(workshop):
    shown, weight = [], "model.layers.0.mlp.up_proj.weight"
    model = workshop.model()

    def hook(state):
        shown.append(dict(state.model.named_parameters())[weight].detach().clone())

    artifact, _ = workshop.train(4 + 1, model=model, hook=hook, fields={"average": {"kind": "ema", "decay": 0.9}})
    assert len(shown) == 1
    at_four = [read_average(path) for path in sorted(artifact.path.glob("checkpoints/step-*"))]
    assert not torch.equal(shown[0], dict(model.named_parameters())[weight])
    assert torch.dist(shown[0], at_four[0][weight]) < torch.dist(shown[0], dict(model.named_parameters())[weight])


def test_only_what_moves_is_averaged_and_all_is_handed_on(workshop):
    fields = {"average": {"kind": "last"}, "trainable": ["*mlp*"]}
    artifact, model = workshop.train(6, fields=fields)
    result = final_state(artifact).weights
    assert result.keys() == dict(model.named_parameters()).keys()
    assert torch.equal(result["model.norm.weight"], model.model.norm.weight)
    following, _ = workshop.train(1, "next", initial=final_state(artifact), fields={"schedule": {"peak": 1e-9}})
    started = final_state(following).weights
    assert all(torch.allclose(started[name], result[name], atol=1e-6) for name in result)


def test_a_decay_is_not_decayed_twice_and_an_unused_option_leaves_no_trace(workshop):
    config = workshop.config(4)
    later = {"average", "spikes", "hang_after", "kind", "momentum", "warm_in"}
    dumped = config.model_dump(mode="json")
    assert later.isdisjoint(dumped.keys() - {"kind"} | dumped["optimizer"].keys())
    assert "average" in workshop.config(4, average={"kind": "ema"}).model_dump()
    with pytest.raises(UserError, match=r"would decay twice; set schedule\.decay\.share: 0"):
        parse(StageConfig, config.model_dump() | {"average": {"kind": "wsm"}}, "recipe")
