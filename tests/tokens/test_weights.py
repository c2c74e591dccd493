import numpy as np
import pytest

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.tokens.config import MixtureConfig
from midtrain.tokens.weights import Weights

SOURCES = ("web", "code", "math")


def weights(**fields):
    return Weights(parse(MixtureConfig, fields, "recipe"), SOURCES)


def points(*pairs):
    return [{"at": at, "weights": row} for at, row in pairs]


def test_constant_weights_hold_at_any_moment():
    constant = weights(weights={"web": 0.7, "math": 0.3})
    assert constant.weights_at(0.0).tolist() == [0.7, 0.0, 0.3]
    assert constant.weights_at(np.array([0.0, 0.4, 1.0])).tolist() == [[0.7, 0.0, 0.3]] * 3


def test_linear_weights_interpolate_and_are_held_outside():
    curve = weights(curve="linear", points=points((0.2, {"web": 1.0}), (0.6, {"web": 0.5, "code": 0.5})))
    expected = [[1, 0, 0], [1, 0, 0], [0.75, 0.25, 0], [0.5, 0.5, 0], [0.5, 0.5, 0]]
    np.testing.assert_allclose(curve.weights_at(np.array([0, 0.2, 0.4, 0.6, 1.0])), expected)


def test_step_weights_change_at_their_moment():
    curve = weights(curve="step", points=points((0.0, {"web": 1.0}), (0.5, {"code": 1.0})))
    assert curve.weights_at(np.array([0.0, 0.4999, 0.5, 1.0]))[:, 1].tolist() == [0, 0, 1, 1]


def test_weights_that_do_not_sum_to_one_are_refused_or_divided_aloud(capsys):
    smollm = {"web": 0.63, "code": 0.24, "math": 0.13565}
    with pytest.raises(UserError, match=r"sum to 1\.00565, not 1.*normalize: true"):
        weights(weights=smollm)
    divided = weights(weights=smollm, normalize=True).weights_at(0)
    assert divided.sum() == pytest.approx(1, abs=1e-12)
    assert divided[0] == pytest.approx(0.63 / 1.00565)
    assert "sum to 1.00565" in capsys.readouterr().err
    weights(weights={"web": 0.3333333, "code": 0.3333333, "math": 0.3333333})  # within 1e-6


def test_mistakes_name_the_field_and_the_mend():
    with pytest.raises(UserError, match=r'mixture\.weights: there is no source "cod"\. Did you mean "code"\?'):
        weights(weights={"cod": 1.0})
    with pytest.raises(UserError, match=r"mixture\.points\[1\]\.math: the weight -0.5"):
        weights(curve="step", points=points((0, {"web": 1.0}), (0.5, {"web": 1.5, "math": -0.5})))
    with pytest.raises(UserError, match="every weight is 0"):
        weights(weights={"web": 0.0})
    with pytest.raises(UserError, match="weights \\(constant\\) or curve"):
        weights()
    with pytest.raises(UserError, match="belong together"):
        weights(points=points((0, {"web": 1.0})))
    with pytest.raises(UserError, match="later moment"):
        weights(curve="linear", points=points((0.5, {"web": 1.0}), (0.5, {"code": 1.0})))


@pytest.mark.parametrize(
    "fields",
    [
        {"weights": {"web": 0.5, "code": 0.5}},
        {"curve": "linear", "points": points((0.1, {"web": 1.0}), (0.9, {"math": 1.0}))},
        {"curve": "step", "points": points((0.1, {"web": 1.0}), (0.9, {"math": 1.0}))},
    ],
)
def test_plain_weights_read_back_to_the_same(fields):
    original = weights(**fields)
    again = weights(**original.plain)
    moments = np.linspace(0, 1, 23)
    assert np.array_equal(original.weights_at(moments), again.weights_at(moments))


def test_a_mixture_names_its_sources_in_order_of_mention():
    assert MixtureConfig(weights={"web": 0.5, "code": 0.5}).source_names() == ["web", "code"]
    rows = points((0, {"web": 1.0}), (0.5, {"math": 0.5, "web": 0.5}))
    assert MixtureConfig.model_validate({"curve": "step", "points": rows}).source_names() == ["web", "math"]
