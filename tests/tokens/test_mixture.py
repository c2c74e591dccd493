from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midtrain.core.errors import UserError
from midtrain.core.permutation import Permutation, permute_each, shuffled
from midtrain.tokens.config import MixtureConfig
from midtrain.tokens.mixture import Mixture, MixtureSource, block_size, mixture_sources
from midtrain.tokens.packing import pack
from midtrain.tokens.quotas import cumulative_quotas
from midtrain.tokens.weights import Weights


def make(weights, sizes, num_positions, block=10, seed=0, tokens=None, **options):
    """A mixture of sources a, b, c, ... with `sizes` rows; weights as a list (constant) or a MixtureConfig."""
    names = [chr(ord("a") + i) for i in range(len(sizes))]
    if not isinstance(weights, MixtureConfig):
        weights = MixtureConfig(weights=dict(zip(names, weights, strict=True)))
    sources = [
        MixtureSource(
            name=name,
            num_instances=size,
            instance_tokens=(tokens or {}).get(name, 100.0),
            **{key: value[name] for key, value in options.items() if name in value},
        )
        for name, size in zip(names, sizes, strict=True)
    ]
    return Mixture(sources, Weights(weights, names), num_positions=num_positions, block=block, seed=seed)


def everything(mixture):
    return np.stack(mixture.lookup(np.arange(mixture.num_positions)), axis=1)


def test_quotas_are_exact_in_every_block():
    mixture = make([0.5, 0.3, 0.2], [1000, 1000, 1000], 200)
    assert (np.diff(mixture.counts_NS, axis=0) == [5, 3, 2]).all()
    source = everything(mixture)[:, 0].reshape(20, 10)
    assert all(np.bincount(block, minlength=3).tolist() == [5, 3, 2] for block in source)
    assert len({tuple(block) for block in source}) > 15  # the order inside a block is its own


def test_the_error_is_carried_over():
    # A third of 10 rows is 3.33: the third block must pay what the first two left.
    assert make([1 / 3, 2 / 3], [99, 99], 30).counts_NS[:, 0].tolist() == [0, 3, 7, 10]


@settings(max_examples=150, deadline=None)
@given(
    weights=st.lists(st.lists(st.integers(0, 60), min_size=7, max_size=7).filter(any), min_size=1, max_size=40),
    block=st.integers(1, 12),
)
def test_running_sums_stay_within_one_row_of_the_exact_shares(weights, block):
    """The chairman bound, for any weights changing in any way, also when sources get less than a row per block."""
    shares = [[Fraction(w, sum(row)) for w in row] for row in weights]
    counts = cumulative_quotas(np.array(shares, float), np.full(len(shares), block), np.arange(7))
    quotas = np.diff(counts, axis=0)
    assert (quotas >= 0).all()
    assert (quotas.sum(axis=1) == block).all()
    exact = [Fraction(0)] * 7
    for n, row in enumerate(shares):
        exact = [total + block * share for total, share in zip(exact, row, strict=True)]
        assert all(abs(int(counts[n + 1, s]) - s - exact[s]) < 1 for s in range(7))


def test_rare_sources_in_small_blocks_never_get_negative_quotas():
    mixture = make([0.9, *[0.1 / 49] * 49], [4000] * 50, 3000, block=2)
    assert np.diff(mixture.counts_NS, axis=0).min() >= 0
    exact = np.arange(1501)[:, None] * 2 * np.array([0.9, *[0.1 / 49] * 49])
    assert np.abs(mixture.counts_NS - exact).max() < 1


def test_an_epoch_reads_every_instance_once_before_any_again():
    mixture = make([0.75, 0.25], [50, 40], 200, max_epochs={"a": 4, "b": 4})
    rows = everything(mixture)
    for source, size, used in ((0, 50, 150), (1, 40, 50)):
        own = rows[rows[:, 0] == source]
        assert len(own) == used
        for epoch in range(-(-used // size)):
            instances = own[own[:, 1] == epoch][:, 2]
            assert len(set(instances)) == len(instances)
            assert len(instances) == min(size, used - epoch * size)
        assert (np.diff(own[:, 1]) >= 0).all()  # one epoch after the other
        first, second = own[:size, 2][:10], own[size : size + 10, 2]
        assert first.tolist() != second.tolist()


def test_any_position_is_a_pure_function():
    mixture = make([0.6, 0.4], [70, 80], 97, block=16)
    rows = everything(mixture)
    again = make([0.6, 0.4], [70, 80], 97, block=16)
    for position in (96, 0, 15, 16, 50):
        assert np.stack(again.lookup([position]), axis=1)[0].tolist() == rows[position].tolist()
    shuffled = Permutation(97, 5)(np.arange(97))
    assert np.array_equal(np.stack(again.lookup(shuffled), axis=1), rows[shuffled])
    assert not np.array_equal(everything(make([0.6, 0.4], [70, 80], 97, block=16, seed=1)), rows)


def test_another_source_beside_it_does_not_reshuffle_a_source():
    alone = everything(make([1.0], [60], 60))
    both = everything(make([0.5, 0.5], [60, 60], 120))
    assert both[both[:, 0] == 0][:, 2].tolist() == alone[:, 2].tolist()


def test_a_source_by_attribute_is_read_in_its_order():
    rows = everything(make([0.5, 0.5], [80, 80], 100, ordered={"b": True}))
    assert rows[rows[:, 0] == 1][:, 2].tolist() == list(range(50))
    assert rows[rows[:, 0] == 0][:, 2].tolist() != list(range(50))


def test_weights_over_time_are_taken_at_block_centres():
    curve = MixtureConfig.model_validate(
        {"curve": "linear", "points": [{"at": 0, "weights": {"a": 1.0}}, {"at": 1, "weights": {"b": 1.0}}]}
    )
    mixture = make(curve, [1000, 1000], 100)
    assert np.diff(mixture.counts_NS, axis=0)[:, 1].tolist() == pytest.approx([0.5 + i for i in range(10)], abs=1)
    assert mixture.counts_NS[-1].tolist() == [50, 50]


def test_weights_are_shares_of_tokens_not_of_rows():
    # Rows of b are half empty, so it takes twice the rows for the same tokens.
    mixture = make([0.5, 0.5], [9000, 9000], 3000, block=30, tokens={"a": 1000.0, "b": 500.0})
    assert np.diff(mixture.counts_NS, axis=0).tolist() == [[10, 20]] * 100


def test_realised_token_shares_match_the_weights_within_a_block():
    generator = np.random.default_rng(0)
    config = MixtureConfig(weights={"long": 0.5, "short": 0.3, "awkward": 0.2})
    lengths = {
        "long": generator.lognormal(7, 1, 4000),
        "short": generator.lognormal(4, 1, 40000),
        "awkward": np.full(4000, 600),  # one per row of 1024: 41 % padding
    }
    rows = {name: pack(n.astype(np.int64) + 1, 1024, seed=0) for name, n in lengths.items()}
    mixture = Mixture(mixture_sources(config, rows), Weights(config, list(rows)), num_positions=4000, block=100, seed=0)
    tokens = np.zeros(3)
    source, _, instance = mixture.lookup(np.arange(4000))
    for s, name in enumerate(mixture.names):
        pieces, _ = rows[name].gather(instance[source == s])
        tokens[s] = pieces["length"].sum()
    np.testing.assert_allclose(tokens / tokens.sum(), [0.5, 0.3, 0.2], atol=1 / 40)
    np.testing.assert_allclose(tokens / tokens.sum(), [0.5, 0.3, 0.2], atol=0.002)


def test_repetition_caps_are_checked_before_the_run():
    with pytest.raises(UserError, match=r'source "b" would be read 10\.00 times, over its max_epochs of 4; lower'):
        make([0.5, 0.5], [1000, 50], 1000)
    mixture = make([0.5, 0.5], [1000, 50], 1000, max_epochs={"b": 10})
    assert mixture.epochs() == {"a": 0.5, "b": 10.0}
    assert mixture.epochs(500) == {"a": 0.25, "b": 5.0}
    with pytest.raises(UserError, match="max_epochs of 10"):
        mixture.remix(10, Weights(MixtureConfig(weights={"b": 1.0}), ("a", "b")))


def test_a_source_without_tokens_or_an_unknown_option_is_named():
    with pytest.raises(UserError, match='source "b" has a weight but no tokens'):
        make([0.5, 0.5], [100, 0], 100)
    make([1.0, 0.0], [100, 0], 100)
    rows = {"code": pack(np.array([5]), 8, seed=0)}
    with pytest.raises(UserError, match=r'mixture\.max_epochs: there is no source "cod"\. Did you mean "code"'):
        mixture_sources(MixtureConfig(weights={"code": 1}, max_epochs={"cod": 2}), rows)
    config = MixtureConfig(weights={"code": 1}, max_epochs={"code": 2}, order={"code": "quality"})
    assert mixture_sources(config, rows)[0].max_epochs == 2
    assert mixture_sources(config, rows)[0].ordered


def test_a_remix_keeps_the_past_and_loses_and_repeats_nothing():
    before = make([0.5, 0.5], [100, 100], 200, block=8)
    after = before.remix(10, Weights(MixtureConfig(weights={"a": 0.25, "b": 0.75}), ("a", "b")))
    old, new = everything(before), everything(after)
    assert np.array_equal(old[:80], new[:80])
    assert (np.diff(after.counts_NS[10:], axis=0) == [2, 6]).all()
    for source in (0, 1):
        instances = new[new[:, 0] == source][:, 2]
        assert len(set(instances[:100].tolist())) == min(100, len(instances))
    # The source goes on with exactly the instances it would have read next.
    old_a, new_a = (rows[rows[:, 0] == 0][:, 2] for rows in (old, new))
    assert new_a.tolist() == old_a[: len(new_a)].tolist()


def test_decisions_read_back_to_the_same_order():
    names = ("a", "b")
    before = make([0.5, 0.5], [300, 300], 200, block=8)
    after = before.remix(10, Weights(MixtureConfig(weights={"a": 0.25, "b": 0.75}), names))
    after = after.remix(15, Weights(MixtureConfig(weights={"a": 1.0}), names))
    again = before.from_decisions([{"from_block": 3, "change": {"stop": True}}, *after.state])
    assert np.array_equal(everything(again), everything(after))
    assert again.digest == after.digest != before.digest
    replaced = after.remix(12, Weights(MixtureConfig(weights={"b": 1.0}), names))
    assert [one["from_block"] for one in replaced.state] == [10, 12]


def test_counts_at_any_position_count_what_was_read():
    mixture = make([0.6, 0.3, 0.1], [90, 90, 90], 95, block=20)
    source = everything(mixture)[:, 0]
    for position in (0, 1, 19, 20, 57, 95):
        assert mixture.counts_at(position).tolist() == np.bincount(source[:position], minlength=3).tolist()


def test_what_changes_the_order_changes_the_digest():
    base = make([0.5, 0.5], [100, 100], 100)
    others = [
        make([0.4, 0.6], [100, 100], 100),
        make([0.5, 0.5], [100, 101], 100),
        make([0.5, 0.5], [100, 100], 90),
        make([0.5, 0.5], [100, 100], 100, block=20),
        make([0.5, 0.5], [100, 100], 100, seed=1),
        make([0.5, 0.5], [100, 100], 100, ordered={"a": True}),
    ]
    assert len({mixture.digest for mixture in [base, *others]}) == 7
    assert base.digest == make([0.5, 0.5], [100, 100], 100).digest


def test_blocks_are_whole_batches_and_the_table_stays_small():
    assert block_size(8, 1000) == 64
    assert block_size(48, 1000) == 96
    assert block_size(512, 5000) == 512
    assert block_size(512, 36_000_000) == 512 * 9
    assert 36_000_000 / block_size(512, 36_000_000) <= 8192


def test_a_shuffle_is_a_bijection_and_its_keys_are_unrelated():
    orders = [shuffled(500, key) for key in (1, 2, 2**63)]
    assert all(np.array_equal(np.sort(order), np.arange(500)) for order in orders)
    assert all(abs(np.corrcoef(a, b)[0, 1]) < 0.15 for a in orders for b in (*orders, np.arange(500)) if a is not b)


def test_many_permutations_at_once_equal_each_by_itself():
    permutations = [Permutation(size, key) for key, size in enumerate((1, 2, 17, 1000, 65537))]
    generator = np.random.default_rng(0)
    which = generator.integers(0, 5, 200)
    indices = np.array([generator.integers(permutations[w].size) for w in which])
    expected = [permutations[w](int(i)) for w, i in zip(which, indices, strict=True)]
    assert permute_each(permutations, which, indices).tolist() == expected
