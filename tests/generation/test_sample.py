"""Choosing a token: the arithmetic of the draw."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from midtrain.generation.sample import choose, uniforms

LOGITS = torch.tensor([[0.1, 0.5, 0.2, 0.2]]).log()


def pick(uniform: float, temperature: float = 1.0, top_p: float = 1.0, logits: torch.Tensor = LOGITS) -> int:
    ids, _ = choose(
        logits, torch.tensor([temperature]), torch.tensor([top_p]), torch.tensor([uniform], dtype=torch.float64)
    )
    return ids.item()


def test_the_uniform_picks_by_cumulative_probability_in_id_order():
    assert [pick(u) for u in (0.0, 0.0999, 0.1001, 0.5999, 0.6001, 0.7999, 0.8001, 1 - 2**-53)] == [
        0, 0, 1, 1, 2, 2, 3, 3,
    ]  # fmt: skip


def test_top_p_keeps_the_fewest_likeliest_tokens_that_reach_it():
    assert {pick(u / 100, top_p=0.4) for u in range(100)} == {1}
    assert {pick(u / 100, top_p=0.6) for u in range(100)} == {1, 2}  # of two equals, the first
    assert {pick(u / 100, top_p=0.8) for u in range(100)} == {1, 2, 3}
    assert {pick(u / 100, top_p=1e-9) for u in range(100)} == {1}
    # 0.5 and 0.2 remain: 5/7 of the draws are token 1
    assert pick(0.713, top_p=0.6) == 1
    assert pick(0.716, top_p=0.6) == 2


def test_temperature_sharpens_and_zero_is_greedy():
    # at temperature 1/2 probabilities are squared: 0.01, 0.25, 0.04, 0.04 of 0.34
    assert pick(0.0293, temperature=0.5) == 0
    assert pick(0.0295, temperature=0.5) == 1
    assert {pick(u / 100, temperature=0.0) for u in range(100)} == {1}


def test_logprobs_are_at_temperature_1():
    _, logprobs = choose(LOGITS + 3, torch.tensor([0.5]), torch.tensor([0.4]), torch.tensor([0.9]).double())
    assert torch.allclose(logprobs, torch.tensor([0.5]).log())


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=20), st.floats(0, 1, exclude_max=True), st.floats(0.01, 1))
def test_a_token_without_probability_is_never_drawn(logits, uniform, top_p):
    row = torch.tensor([[*logits, float("-inf")]])
    assert pick(uniform, top_p=top_p, logits=row) < len(logits)


def test_uniforms_are_uniform_and_a_function_of_key_and_step():
    keys = np.arange(20_000, dtype=np.uint64)
    drawn = uniforms(keys, 3)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    counts = np.histogram(drawn, bins=20, range=(0, 1))[0]
    assert np.abs(counts - 1000).max() < 160  # five standard deviations
    assert (uniforms(keys[5:6], 3) == drawn[5]).all()
    following = uniforms(keys, 4)
    assert abs(np.corrcoef(drawn, following)[0, 1]) < 0.03
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.03
