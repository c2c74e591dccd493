import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midtrain.core.fingerprint import canonical, differences, file_digest, fingerprint

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


@given(values)
def test_a_fingerprint_ignores_key_order_and_survives_json(value):
    import json

    again = json.loads(json.dumps(canonical(value)))
    assert fingerprint(again) == fingerprint(value)
    if isinstance(value, dict):
        assert fingerprint(dict(reversed(value.items()))) == fingerprint(value)


@given(values, values)
def test_different_values_have_different_fingerprints(a, b):
    assert (fingerprint(a) == fingerprint(b)) == (
        canonical(a) == canonical(b) and repr(canonical(a)) == repr(canonical(b))
    )


def test_whole_floats_are_whole_numbers_and_booleans_are_not_numbers():
    assert fingerprint({"x": 2.0}) == fingerprint({"x": 2})
    assert fingerprint(True) != fingerprint(1)


@pytest.mark.parametrize("value", [math.nan, math.inf, {1: 2}, {1, 2}, object()])
def test_what_has_no_single_spelling_is_refused(value):
    with pytest.raises(TypeError):
        fingerprint(value)


def test_differences_name_the_changed_field():
    old = {"stages": {"anneal": {"tokens": 1, "mix": [1, 2]}}}
    new = {"stages": {"anneal": {"tokens": 2, "mix": [1, 3], "z": 0}}}
    assert differences(old, new) == [
        "stages.anneal.mix[1]: 2 -> 3",
        "stages.anneal.tokens: 1 -> 2",
        "stages.anneal.z: added",
    ]
    assert differences(old, old) == []


def test_file_digest_sees_one_flipped_byte(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    before = file_digest(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"x" * 2_999_999 + b"y")
    assert file_digest(tmp_path / "a") != before
