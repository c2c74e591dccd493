"""The statistics keep their promises: intervals cover, pairing pays, few seeds are not trusted."""

import numpy as np
import pytest

from midtrain.evaluation.statistics import compare, t_quantile


@pytest.mark.parametrize(("freedom", "tabulated"), [(1, 12.706), (2, 4.303), (4, 2.776), (10, 2.228), (30, 2.042)])
def test_t_quantile_is_that_of_the_tables(freedom, tabulated):
    assert t_quantile(0.975, freedom) == pytest.approx(tabulated, rel=1e-3)
    assert t_quantile(0.5, freedom) == pytest.approx(0, abs=1e-9)
    assert t_quantile(0.975, 10_000) == pytest.approx(1.960, abs=1e-3)


def test_the_difference_is_one_of_weighted_means_worked_by_hand():
    ours = np.array([[1.0, 2.0, 4.0, 1.0, 1.0]])
    parent = np.array([[2.0, 2.0, 2.0, 2.0, 2.0]])
    weight = np.array([1.0, 1.0, 2.0, 0.5, 0.5])
    found = compare(ours, {"parent": parent}, weight, lower_is_better=True)["parent"]
    # (1 + 2 + 8 + 0.5 + 0.5) / 5 = 2.4, minus 2
    assert found.difference == pytest.approx(0.4)
    assert found.low <= 0.4 <= found.high
    assert (found.items, found.seeds) == (5, 1)


def test_a_constant_difference_has_no_noise_and_the_metric_decides_its_direction():
    base = np.linspace(1, 2, 50)[None]
    for lower_is_better, verdict in ((True, "better"), (False, "worse")):
        found = compare(base - 0.1, {"p": base}, np.ones(50), lower_is_better=lower_is_better)["p"]
        assert found.interval == pytest.approx([-0.1, -0.1])
        assert found.stderr == pytest.approx(0, abs=1e-12)
        assert found.verdict == verdict
    same = compare(base, {"p": base}, np.ones(50), lower_is_better=True)["p"]
    assert same.verdict == "unranked"


def test_the_standard_error_is_that_of_the_formula():
    rng = np.random.default_rng(1)
    difference = rng.normal(0.3, 1.0, 400)
    parent = rng.normal(0, 5, 400)
    found = compare((parent + difference)[None], {"p": parent[None]}, np.ones(400), lower_is_better=True)["p"]
    expected = difference.std(ddof=1) / 20
    assert found.stderr == pytest.approx(expected, rel=0.05)
    assert found.minimum_detectable_effect == pytest.approx((1.966 + 0.843) * expected, rel=0.05)


def test_pairing_finds_what_an_unpaired_comparison_could_not():
    rng = np.random.default_rng(2)
    hardness = rng.normal(0, 1, 200)
    parent = hardness[None]
    ours = hardness[None] - 0.05 + rng.normal(0, 0.02, (1, 200))
    paired = compare(ours, {"p": parent}, np.ones(200), lower_is_better=True)["p"]
    unpaired = compare(ours, {"p": rng.permuted(parent, axis=1)}, np.ones(200), lower_is_better=True)["p"]
    assert paired.verdict == "better"
    assert unpaired.verdict == "unranked"
    assert paired.stderr < unpaired.stderr / 20


def test_few_items_are_never_ranked():
    values = np.ones((1, 4))
    assert compare(values, {"p": values * 2}, np.ones(4), lower_is_better=True)["p"].verdict == "unranked"
    values = np.ones((1, 5))
    assert compare(values, {"p": values * 2}, np.ones(5), lower_is_better=True)["p"].verdict == "better"


def test_a_handful_of_wins_is_not_certain_but_many_are():
    def wins(count, items=30):
        ours = np.zeros((1, items))
        ours[0, :count] = 1
        parent = np.zeros((1, items))
        return compare(ours, {"p": parent}, np.ones(items), lower_is_better=False, pseudo_items=True)["p"]

    # McNemar's exact test: 4 to 0 has p = 0.125, 7 to 0 has p = 0.016.
    assert wins(4).verdict == "unranked"
    assert wins(4).difference == pytest.approx(4 / 30)
    assert wins(7).verdict == "better"
    assert wins(0).interval[0] < 0 < wins(0).interval[1]
    assert wins(30).high >= 1.0


def test_seeds_that_disagree_take_certainty_away():
    rng = np.random.default_rng(3)
    parent = rng.normal(2, 0.3, (1, 300))
    noise = rng.normal(0, 0.001, (1, 300))
    one = compare(parent - 0.01 + noise, {"p": parent}, np.ones(300), lower_is_better=True)["p"]
    offsets = np.array([[-0.03], [0.0], [0.0]])
    three = compare(parent + noise + offsets, {"p": parent}, np.ones(300), lower_is_better=True)["p"]
    assert (one.difference, one.verdict) == (pytest.approx(three.difference, abs=1e-3), "better")
    assert (three.verdict, three.seeds) == ("unranked", 3)


def test_shared_seed_noise_cancels_between_arms_with_the_same_seeds():
    rng = np.random.default_rng(4)
    seeds = rng.normal(0, 0.1, (3, 1))
    items = rng.normal(2, 0.3, (1, 200))
    control, ours = items + seeds, items + seeds - 0.01
    paired = compare(ours, {"c": control}, np.ones(200), lower_is_better=True, paired_seeds=["c"])["c"]
    loose = compare(ours, {"c": control}, np.ones(200), lower_is_better=True)["c"]
    assert (paired.verdict, loose.verdict) == ("better", "unranked")


def test_the_same_arguments_give_the_same_numbers_and_chunks_do_not_show(monkeypatch):
    from midtrain.evaluation import statistics

    rng = np.random.default_rng(5)
    ours, parent, weight = rng.normal(size=(2, 60)), rng.normal(size=(1, 60)), rng.uniform(1, 9, 60)
    first = compare(ours, {"p": parent}, weight, lower_is_better=True)
    assert compare(ours, {"p": parent}, weight, lower_is_better=True) == first
    monkeypatch.setattr(statistics, "_CHUNK_NUMBERS", 6_000)
    again = compare(ours, {"p": parent}, weight, lower_is_better=True)["p"]
    assert again.interval == pytest.approx(first["p"].interval, rel=1e-9)


def coverage(make, truth, trials=300, **options):
    """The share of trials whose 95 % interval holds the truth."""
    rng = np.random.default_rng(6)
    held = 0
    for trial in range(trials):
        ours, parent, weight = make(rng)
        found = compare(ours, {"p": parent}, weight, resamples=500, seed=trial, **options)["p"]
        held += found.low <= truth <= found.high
    return held / trials


def test_coverage_of_a_weighted_ratio_over_items():
    def make(rng):
        weight = rng.lognormal(7, 1, 150)
        parent = rng.normal(2, 0.4, 150)
        return (parent + rng.normal(-0.02, 0.1, 150))[None], parent[None], weight

    assert 0.91 <= coverage(make, -0.02, lower_is_better=True) <= 0.985


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_coverage_when_seeds_are_most_of_the_noise(seeds):
    def make(rng):
        parent = rng.normal(2, 0.4, 60)
        ours = parent - 0.02 + rng.normal(0, 0.05, (seeds, 1)) + rng.normal(0, 0.1, 60)
        return ours, parent[None], np.ones(60)

    assert 0.91 <= coverage(make, -0.02, lower_is_better=True) <= 0.995


def test_coverage_of_a_rare_right_answer():
    def make(rng):
        parent = (rng.random(60) < 0.02).astype(float)
        ours = (rng.random(60) < 0.07).astype(float)
        return ours[None], parent[None], np.ones(60)

    assert coverage(make, 0.05, lower_is_better=False, pseudo_items=True) >= 0.93
