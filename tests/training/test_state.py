"""The carry matrix: each thing that is kept or reset, seen in what the next stage does."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from midtrain.core.errors import UserError
from midtrain.core.run import Journal
from midtrain.training.config import CarryConfig
from midtrain.training.optimizer import make_optimizer, select_trainable
from midtrain.training.state import CarriedState, base_state, carry_moments, carry_weights, final_state, settle


@pytest.fixture
def before(workshop):
    """A finished stage with settings of its own, and what it left."""
    fields = {
        "optimizer": {"betas": [0.8, 0.9], "eps": 1e-7, "weight_decay": 0.3, "clip": 0.5},
        "schedule": {"peak": 5e-3, "final": 0.2},
    }
    artifact, model = workshop.train(6, "before", fields=fields)
    return final_state(artifact), model


def entries(artifact):
    return Journal(artifact.path / "journal.jsonl").read("metrics")


def test_what_a_stage_leaves(before):
    state, model = before
    assert all(torch.equal(state.weights[name], p) for name, p in model.named_parameters())
    assert state.learning_rate == pytest.approx(1e-3)
    assert (state.step, state.phase, state.schedule_position) == (6, "decay", 6)
    assert set(state.step_counters.values()) == {6}
    assert state.hyperparameters == {
        "peak": 5e-3,
        "betas": [0.8, 0.9],
        "eps": 1e-7,
        "weight_decay": 0.3,
        "clip": 0.5,
    }
    assert state.data["position"] == 24


def test_by_default_weights_and_moments_come_along_and_nothing_else(workshop, before):
    state, _ = before
    config = workshop.config(4)
    start = settle(config, state)
    assert start.optimizer == config.optimizer
    assert (start.peak, start.schedule_offset, start.total["step"]) == (1e-2, 0, 6)
    artifact, _ = workshop.train(4, "next", initial=state)
    assert [e["learning_rate"] for e in entries(artifact)] == pytest.approx([1e-2, 1e-2 * (1 - 0.5**0.5)])
    after = final_state(artifact)
    assert set(after.step_counters.values()) == {10}
    assert after.step == 10
    assert after.hyperparameters["betas"] == [0.9, 0.95]
    assert after.tokens > state.tokens


@pytest.mark.parametrize("moments", ["keep", "reset"])
@pytest.mark.parametrize("step_counters", ["keep", "reset"])
def test_the_first_update_is_that_of_the_carried_moments_and_counters(workshop, before, moments, step_counters):
    """One step by hand: m and v from the stage before or zero, their bias corrected for the counted steps."""
    state, _ = before
    carry = {"moments": moments, "step_counters": step_counters}
    fields = {"carry": carry, "schedule": {"peak": 1e-2}, "optimizer": {"clip": None, "weight_decay": 0.0}}
    artifact, model = workshop.train(1, "next", initial=state, fields=fields)
    name = "model.layers.0.mlp.down_proj.weight"
    old_m, old_v = state.moments[f"exp_avg.{name}"], state.moments[f"exp_avg_sq.{name}"]
    if moments == "reset":
        old_m, old_v = torch.zeros_like(old_m), torch.zeros_like(old_v)
    new = load_file(artifact.path / "checkpoints/step-00000001/optimizer.safetensors")
    gradient = (new[f"exp_avg.{name}"] - 0.9 * old_m) / 0.1
    torch.testing.assert_close(new[f"exp_avg_sq.{name}"], 0.95 * old_v + 0.05 * gradient**2, rtol=1e-3, atol=1e-9)
    t = 7 if step_counters == "keep" else 1
    m, v = new[f"exp_avg.{name}"] / (1 - 0.9**t), new[f"exp_avg_sq.{name}"] / (1 - 0.95**t)
    expected = state.weights[name] - 1e-2 * m / (v.sqrt() + 1e-8)
    torch.testing.assert_close(dict(model.named_parameters())[name].detach(), expected, rtol=1e-4, atol=1e-6)


def test_kept_hyperparameters_are_the_old_ones_with_the_old_peak(workshop, before):
    state, _ = before
    config = workshop.config(4, carry={"hyperparameters": "keep"})
    start = settle(config, state)
    assert start.peak == 5e-3
    assert (start.optimizer.betas, start.optimizer.weight_decay, start.optimizer.clip) == ((0.8, 0.9), 0.3, 0.5)
    assert "Kept the hyperparameters of the stage before: peak 0.005, betas 0.8 and 0.9" in start.sentences[0]


def test_a_kept_schedule_position_makes_one_schedule_of_both_stages(workshop, before):
    state, _ = before
    schedule = {"peak": 1.0, "decay": {"shape": "linear"}}
    fields = {"carry": {"schedule_position": "keep"}, "schedule": schedule, "log_every": 1}
    artifact, _ = workshop.train(4, "next", initial=state, fields=fields)
    assert [e["learning_rate"] for e in entries(artifact)] == pytest.approx([0.4, 0.3, 0.2, 0.1])
    assert final_state(artifact).schedule_position == 10


def test_reset_weights_are_new_and_bring_no_moments(workshop, before):
    state, _ = before
    config = workshop.config(4, carry={"weights": "reset"})
    model, again, other = workshop.model(1), workshop.model(2), workshop.model(3)
    for one, seed in ((model, 0), (again, 0), (other, 1)):
        carry_weights(one, config, state, seed)
    name = "model.layers.0.mlp.up_proj.weight"
    weights = [dict(m.named_parameters())[name] for m in (model, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], state.weights[name])
    artifact, _ = workshop.train(1, "next", initial=state, fields={"carry": {"weights": "reset"}})
    assert set(final_state(artifact).step_counters.values()) == {1}
    assert final_state(artifact).step == 1


def test_moments_of_some_parameters_are_said(workshop, before):
    state, _ = before
    part = CarriedState(
        "the base",
        moments={k: v for k, v in state.moments.items() if "mlp" in k},
        step_counters={k: v for k, v in state.step_counters.items() if "mlp" in k},
    )
    model = workshop.model()
    parameters = select_trainable(model, ["*"])
    config = workshop.config(4)
    optimizer = make_optimizer(model, parameters, config.optimizer)
    said = carry_moments(optimizer, parameters, config, part)
    count = sum("mlp" in name for name in parameters)
    assert said == [
        f"Adam's moments come from the base, after 6 steps for {count} of {len(parameters)} parameters; "
        "the others begin at zero."
    ]
    assert "the base has none" in carry_moments(optimizer, parameters, config, None)[0]


def test_a_base_says_where_it_stopped_and_is_believed(workshop, before, tmp_path):
    state, _ = before
    folder = tmp_path / "base"
    folder.mkdir()
    assert base_state(folder) is None
    (folder / "training_state.json").write_text(json.dumps(state.training_state()))
    save_file(state.moments, folder / "optimizer.safetensors")
    base = base_state(folder)
    assert (base.learning_rate, base.step, base.tokens) == (state.learning_rate, 6, state.tokens)
    assert base.step_counters == state.step_counters
    assert base.hyperparameters == state.hyperparameters
    start = settle(workshop.config(4, schedule={}), base)
    assert start.peak == pytest.approx(1e-3)
    assert start.sentences == ["Inherited learning rate 1e-3 from the base's training state (step 6)."]


def test_a_base_with_only_the_least_a_base_may_say(workshop, tmp_path):
    (tmp_path / "training_state.json").write_text(json.dumps({"learning_rate": 3e-3, "step": 1500, "tokens": 10}))
    base = base_state(tmp_path)
    start = settle(workshop.config(4, schedule={}, carry={"schedule_position": "keep"}), base)
    assert start.sentences[0] == "Inherited learning rate 3e-3 from the base's training state (step 1500)."
    assert start.schedule_offset == 1500


@pytest.mark.parametrize("field", ["hyperparameters", "schedule_position"])
def test_what_is_not_there_cannot_be_kept(workshop, field):
    with pytest.raises(UserError, match=rf"carry\.{field}: keep, but the base's training state says none"):
        settle(workshop.config(4, carry={field: "keep"}), None)


def test_weights_of_another_model_are_refused(workshop, before):
    state, _ = before
    with pytest.raises(UserError, match=r"do not fit the model: only one of them has lm_head\.weight"):
        state.load_weights(workshop.model(tied=False))


def test_every_part_of_the_matrix_is_kept_or_reset():
    for field in CarryConfig.model_fields:
        for value in ("keep", "reset"):
            assert getattr(CarryConfig(**{field: value}), field) == value
