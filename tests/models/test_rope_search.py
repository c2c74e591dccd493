"""The search of LongRoPE's factors: it begins from the known methods and only gets better."""

import numpy as np
import pytest

from midtrain.models.config import RopeConfig
from midtrain.models.rope_search import search_factors, start_factors


def test_starts_are_the_known_methods():
    starts = start_factors(10_000, 64, 512, 8)
    np.testing.assert_allclose(starts["pi"], 8)
    assert starts["ntk"][0] == 1
    assert starts["ntk"][-1] == pytest.approx(8)
    assert starts["yarn"][0] == 1
    assert starts["yarn"][-1] == pytest.approx(8)
    for factors in starts.values():
        assert (np.diff(factors) >= -1e-9).all()


def test_it_finds_what_is_better_than_every_start_and_stays_in_bounds():
    starts = list(start_factors(10_000, 16, 512, 8).values())
    wanted = np.array([1, 1, 2, 3, 3, 5, 9, 9.5])
    asked = []

    def loss(factors):
        asked.append(factors)
        return float(((np.log(factors) - np.log(wanted)) ** 2).sum())

    best, value = search_factors(loss, starts, 8, trials=150, seed=0)
    assert value < 0.2 * min(loss(one) for one in starts)
    assert value == pytest.approx(loss(best))
    for factors in asked:
        assert min(factors) >= 1
        assert max(factors) <= 10
        assert (np.diff(factors) >= -1e-9).all()
    assert search_factors(loss, starts, 8, trials=20, seed=3) == search_factors(loss, starts, 8, trials=20, seed=3)
    RopeConfig(method="longrope", factors=best)
