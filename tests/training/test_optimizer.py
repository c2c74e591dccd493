"""AdamW by structure: what decays, what moves, what clipping and moments do."""

import pytest
import torch
from torch import nn

from midtrain.core.errors import UserError
from midtrain.training.config import OptimizerConfig
from midtrain.training.optimizer import (
    clip_gradients,
    get_moments,
    make_optimizer,
    select_trainable,
    set_learning_rate,
    set_moments,
    undecayed_names,
)


@pytest.mark.parametrize("tied", [True, False])
def test_norms_biases_and_embeddings_do_not_decay_and_a_tied_head_is_an_embedding(workshop, tied):
    model = workshop.model(tied=tied)
    model.model.layers[0].mlp.up_proj.bias = nn.Parameter(torch.ones(32))
    left_alone = undecayed_names(model)
    assert "model.embed_tokens.weight" in left_alone
    assert "model.layers.0.input_layernorm.weight" in left_alone
    assert "model.layers.0.mlp.up_proj.bias" in left_alone
    assert "model.layers.0.mlp.up_proj.weight" not in left_alone
    assert "lm_head.weight" not in left_alone
    # With a gradient of zero, AdamW only decays: by 1 - rate * decay where it does at all.
    parameters = select_trainable(model, ["*"])
    optimizer = make_optimizer(model, parameters, OptimizerConfig(weight_decay=0.5))
    set_learning_rate(optimizer, 0.1)
    before = {name: p.detach().clone() for name, p in parameters.items()}
    for p in parameters.values():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for name, p in parameters.items():
        torch.testing.assert_close(p.detach(), before[name] * (1.0 if name in left_alone else 0.95))
    assert ("lm_head.weight" in parameters) != tied


def test_only_what_matches_moves(workshop):
    model = workshop.model()
    chosen = select_trainable(model, ["*mlp*", "model.norm.weight"])
    assert all("mlp" in name or name == "model.norm.weight" for name in chosen)
    assert {name for name, p in model.named_parameters() if p.requires_grad} == set(chosen)
    artifact, trained = workshop.train(4, fields={"trainable": ["*mlp*"]})
    fresh = dict(workshop.model().named_parameters())
    moved = {name for name, p in trained.named_parameters() if not torch.equal(p, fresh[name])}
    assert moved == {name for name in fresh if "mlp" in name}
    assert artifact.counts["steps"] == 4


def test_a_pattern_without_a_match_is_an_error_with_a_suggestion(workshop):
    with pytest.raises(UserError, match=r'no parameter matches "\*mpl\*"\. Did you mean "mlp"\?$'):
        select_trainable(workshop.model(), ["*", "*mpl*"])
    with pytest.raises(UserError, match=r"A name is model\.embed_tokens\.weight\.$"):
        select_trainable(workshop.model(), ["zzz"])


def test_clipping_scales_to_the_norm_and_never_up():
    parameters = {name: nn.Parameter(torch.zeros(2)) for name in "ab"}
    for scale, expected in ((1.0, 1.0), (0.1, 0.5)):
        parameters["a"].grad, parameters["b"].grad = torch.tensor([3.0, 0.0]) * scale, torch.tensor([0.0, 4.0]) * scale
        norm = clip_gradients(parameters, 1.0)
        assert float(norm) == pytest.approx(5 * scale)
        total = torch.cat([p.grad for p in parameters.values()]).norm()
        assert float(total) == pytest.approx(expected, rel=1e-4)
    parameters["a"].grad *= 100
    assert float(clip_gradients(parameters, None)) == pytest.approx(float(parameters["a"].grad.norm()), rel=0.01)
    assert float(parameters["a"].grad.norm()) > 10


def test_moments_move_by_name_and_bring_no_settings_along(workshop):
    model = workshop.model()
    parameters = select_trainable(model, ["*"])
    old = make_optimizer(model, parameters, OptimizerConfig(betas=(0.5, 0.6), eps=1e-3, weight_decay=0.3))
    set_learning_rate(old, 7.0)
    for p in parameters.values():
        p.grad = torch.ones_like(p)
    old.step()
    moments, counters = get_moments(old, parameters)
    assert set(counters.values()) == {1}
    new = make_optimizer(model, parameters, OptimizerConfig())
    set_learning_rate(new, 1e-3)
    assert set_moments(new, parameters, moments, counters) == len(parameters)
    for group in new.param_groups:
        assert (group["lr"], group["betas"], group["eps"]) == (1e-3, (0.9, 0.95), 1e-8)
    assert sorted(group["weight_decay"] for group in new.param_groups) == [0.0, 0.1]
    torch.testing.assert_close(
        new.state[parameters["model.norm.weight"]]["exp_avg"], torch.full((16,), 0.5), rtol=0, atol=1e-7
    )
    new.step()
    assert get_moments(new, parameters)[1]["model.norm.weight"] == 2


def test_moments_of_another_shape_are_refused(workshop):
    model = workshop.model()
    parameters = select_trainable(model, ["model.norm.weight"])
    optimizer = make_optimizer(model, parameters, OptimizerConfig())
    with pytest.raises(UserError, match=r"shape \[3\] and the parameter \[16\]; set carry\.moments: reset"):
        set_moments(optimizer, parameters, {"exp_avg.model.norm.weight": torch.zeros(3)}, {})


def test_our_step_is_adamw_as_written_in_the_paper():
    """Loshchilov & Hutter, algorithm 2, by hand in float64, over four steps."""
    torch.manual_seed(0)
    model = nn.Linear(3, 2, bias=False)
    parameters = select_trainable(model, ["*"])
    config = OptimizerConfig(betas=(0.8, 0.9), eps=1e-6, weight_decay=0.2)
    optimizer = make_optimizer(model, parameters, config)
    theta, m, v = model.weight.detach().double().clone(), torch.zeros(2, 3).double(), torch.zeros(2, 3).double()
    for t in range(1, 5):
        gradient = torch.randn(2, 3)
        model.weight.grad = gradient.clone()
        rate = 0.1 / t
        set_learning_rate(optimizer, rate)
        optimizer.step()
        m, v = 0.8 * m + 0.2 * gradient, 0.9 * v + 0.1 * gradient.double() ** 2
        adam = (m / (1 - 0.8**t)) / ((v / (1 - 0.9**t)).sqrt() + 1e-6)
        theta = theta - rate * 0.2 * theta - rate * adam
    torch.testing.assert_close(model.weight.detach().double(), theta, rtol=1e-5, atol=1e-6)
