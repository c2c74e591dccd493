import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from midtrain.core.permutation import Permutation, derive_key


@given(size=st.integers(1, 5000), key=st.integers(0, 2**64 - 1))
def test_every_permutation_is_a_bijection(size, key):
    assert np.array_equal(np.sort(Permutation(size, key)(np.arange(size))), np.arange(size))


@given(size=st.integers(1, 2**62), key=st.integers(0, 99), data=st.data())
def test_one_index_equals_the_array_answer_at_any_size(size, key, data):
    index = data.draw(st.integers(0, size - 1))
    permutation = Permutation(size, key)
    assert permutation(index) == permutation(np.array([index]))[0] < size


def test_keys_give_unrelated_orders_without_neighbour_correlation():
    size = 20_000
    orders = [Permutation(size, key)(np.arange(size)).astype(float) for key in range(4)]
    noise = 5 / np.sqrt(size)
    for order in orders:
        assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < noise
        assert abs(np.corrcoef(np.arange(size), order)[0, 1]) < noise
    assert abs(np.corrcoef(orders[0], orders[1])[0, 1]) < noise


def test_derive_key_separates_its_parts():
    keys = {derive_key("a", 1), derive_key("a", "1"), derive_key("a1"), derive_key(1, "a"), derive_key("a", 1, "")}
    assert len(keys) == 5
