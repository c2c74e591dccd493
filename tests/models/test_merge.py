"""The arithmetic of merging: numbers worked out by hand, the papers' properties, and blocks that make no difference."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.models.merge import (
    draws_of,
    drop_and_rescale,
    elect,
    kept_entries,
    linear,
    merge_tensor,
    slerp,
    slerp_weights,
    trim,
    trim_threshold,
)
from midtrain.models.merge_config import MergeConfig


def normal(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def merged(config, tensors, base=None, block=7):
    """merge_tensor over blocks of a few elements, joined again."""
    readers = [lambda tensor=tensor: tensor.flatten().split(block) for tensor in tensors]
    base_reader = None if base is None else lambda: base.flatten().split(block)
    found = torch.cat(list(merge_tensor(config, "w", tensors[0].numel(), readers, base_reader)))
    return found.view_as(tensors[0])


def test_linear_divides_by_the_sum_of_the_weights():
    tensors = [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 6.0])]
    assert linear(tensors, [1, 1]).tolist() == [2.0, 4.0]
    assert linear(tensors, [3, 1]).tolist() == [1.5, 3.0]
    half = [tensor.bfloat16() for tensor in tensors]
    assert linear(half, [1, 2]).dtype == torch.float32  # 7/3 is not rounded to eight bits on the way


def test_slerp_of_a_right_angle_and_of_a_line():
    up, right = torch.tensor([[0.0, 2.0]]), torch.tensor([[2.0, 0.0]])
    torch.testing.assert_close(slerp(up, right, 0.5), torch.tensor([[math.sqrt(2), math.sqrt(2)]]))
    torch.testing.assert_close(slerp(up, right, 1 / 3), torch.tensor([[1.0, math.sqrt(3)]]))
    torch.testing.assert_close(slerp(up, 1.001 * up, 0.25), 1.00025 * up)
    assert slerp_weights(0.0, 0.0, 5.0, 0.25) == (0.75, 0.25)  # a zero tensor has no direction
    assert slerp_weights(-1.0, 1.0, 1.0, 0.25) == (0.75, 0.25)  # between opposites there is no one arc


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1))
def test_slerp_keeps_the_norm_that_both_ends_have(seed, t):
    start, end = (tensor / tensor.norm() for tensor in (normal(seed, 50), normal(seed + 1, 50)))
    assert float(slerp(start, end, t).norm()) == pytest.approx(1, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=60), st.data())
def test_the_trim_threshold_is_the_kth_largest_size(values, data):
    delta = torch.tensor(values, dtype=torch.float32)
    keep = data.draw(st.integers(1, len(values)))
    assert trim_threshold(lambda: delta.split(7), keep) == sorted(delta.abs().tolist())[-keep]


def test_trim_keeps_the_share_asked_for():
    delta = normal(0, 1000)
    keep = kept_entries(1000, 0.2)
    kept = trim(delta, trim_threshold(lambda: [delta], keep))
    assert int((kept != 0).sum()) == 200
    assert set(kept.abs().topk(200).values.tolist()) == set(delta.abs().topk(200).values.tolist())
    assert kept_entries(3, 0.1) == 1  # a small tensor keeps something


def test_elect_is_the_mean_of_what_agrees_with_the_larger_sum():
    deltas = [torch.tensor([3.0, 1.0, 0.0, 2.0]), torch.tensor([-1.0, -2.0, 0.0, 4.0]), torch.tensor([1.0, 0, 0, 0])]
    assert elect(deltas, [1, 1, 1]).tolist() == [2.0, -2.0, 0.0, 3.0]
    assert elect(deltas[:2], [1, 4]).tolist() == pytest.approx([-1.0, -2.0, 0.0, 3.6])


def test_task_arithmetic_adds_learns_and_unlearns():
    base, one, two = normal(1, 4, 5), normal(2, 4, 5), normal(3, 4, 5)
    asked = {"method": "task_arithmetic", "base": "b", "models": [{"path": "1", "weight": 0.5}, {"path": "2"}]}
    found = merged(MergeConfig.model_validate({**asked, "lambda": 2.0}), [one, two], base)
    torch.testing.assert_close(found, base + 2 * (0.5 * (one - base) + (two - base)))
    asked = {"method": "task_arithmetic", "base": "b", "models": [{"path": "1", "weight": -1}]}
    torch.testing.assert_close(merged(MergeConfig.model_validate(asked), [one], base), 2 * base - one)


def test_ties_of_one_model_without_trimming_is_the_model():
    base, one = normal(1, 40), normal(2, 40)
    config = MergeConfig(method="ties", base="b", models=["1"])
    torch.testing.assert_close(merged(config, [one], base), one)


def test_ties_as_in_the_paper():
    base = torch.zeros(6)
    one = torch.tensor([5.0, -4.0, 0.1, 3.0, 0.2, 0.0])
    two = torch.tensor([1.0, 6.0, -0.2, 5.0, 0.1, -7.0])
    # trimmed to three: [5, -4, 0, 3, 0, 0] and [0, 6, 0, 5, 0, -7]; elected + + . + . -
    config = MergeConfig(method="ties", base="b", models=["1", "2"], density=0.5)
    assert merged(config, [one, two], base, block=4).tolist() == [5.0, 6.0, 0.0, 4.0, 0.0, -7.0]


def test_dare_keeps_the_expectation_and_its_draws():
    delta = torch.ones(200_000)
    kept = drop_and_rescale(delta, 0.1, draws_of(0, "w", 0))
    assert set(kept.unique().tolist()) == {0.0, float(torch.tensor(1.0) / 0.1)}
    assert float(kept.mean()) == pytest.approx(1, abs=5 * math.sqrt(9 / 200_000))  # five standard errors
    base, one, two, three = torch.zeros(500), *(normal(seed, 500) for seed in (1, 2, 3))
    config = MergeConfig(method="dare_linear", base="b", models=["1", "2"], density=0.5, seed=7)
    whole = merged(config, [one, two], base, block=500)
    assert torch.equal(merged(config, [one, two], base, block=7), whole)  # blocks change nothing
    more = MergeConfig(method="dare_linear", base="b", models=["1", "2", "3"], density=0.5, seed=7)
    added = merged(more, [one, two, three], base) - whole  # nor does another model
    kept_of_three = drop_and_rescale(three, 0.5, draws_of(7, "w", 2))
    torch.testing.assert_close(added, kept_of_three, atol=1e-5, rtol=1e-5)
    other = MergeConfig(method="dare_linear", base="b", models=["1", "2"], density=0.5, seed=8)
    assert not torch.equal(merged(other, [one, two], base), whole)
    # pinned: a merge made by this version is made again by the next
    assert draws_of(0, "w", 0).random(3, dtype=np.float32).tolist() == pytest.approx(PINNED, abs=1e-7)


PINNED = [0.6214193105697632, 0.5051606297492981, 0.46332693099975586]


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["linear", "slerp", "ties", "dare_ties", "dare_linear", "task_arithmetic"]),
    st.integers(1, 40),
    st.integers(0, 1000),
)
def test_blocks_make_no_difference(method, block, seed):
    tensors, base = [normal(seed + 1, 30), normal(seed + 2, 30)], normal(seed, 30)
    asked = {"method": method, "models": ["1", "2"]}
    if method == "slerp":
        asked["t"] = 0.3
    elif method != "linear":
        asked["base"] = "b"
        if method != "task_arithmetic":
            asked["density"] = 0.4
    config = MergeConfig.model_validate(asked)
    torch.testing.assert_close(merged(config, tensors, base, block), merged(config, tensors, base, 30))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"models": ["a"]}, "at least two models"),
        ({"models": ["a", "b"], "method": "ties"}, "ties needs a base"),
        ({"models": ["a", "b"], "method": "ties", "base": "b"}, "b is the base; leave it out"),
        ({"models": ["a", "b", "c"], "method": "slerp", "t": 0.5}, "exactly two models"),
        ({"models": ["a", "b"], "method": "slerp"}, "needs t"),
        ({"models": ["a", {"path": "b", "weight": 2}], "method": "slerp", "t": 0.5}, "slerp has no weights"),
        ({"models": ["a", "b"], "density": 0.5}, "linear does not read density"),
        ({"models": ["a", "b"], "lambda": 0.5}, "linear does not read lambda;"),
        ({"models": ["a", {"path": "b", "weight": -1}]}, "not negative"),
        ({"models": ["a", "b"], "metod": "ties"}, 'Did you mean "method"'),
        ({"models": ["a", {"path": "b", "wieght": 2}]}, 'Did you mean "weight"'),
    ],
)
def test_a_merge_that_makes_no_sense_is_refused(asked, sentence):
    with pytest.raises(UserError, match=sentence):
        parse(MergeConfig, asked, "merge.yaml")
