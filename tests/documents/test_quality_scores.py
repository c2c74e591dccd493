"""Calibration, ensembles, what is kept, and languages: arithmetic worked out by hand or by brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.documents.quality.calibration import Calibration, auc, calibration_error, evaluate_scores, sweep
from midtrain.documents.quality.config import EnsembleConfig, LanguageConfig, QualityConfig
from midtrain.documents.quality.ensemble import (
    buckets,
    decide_quality,
    ensemble,
    percentiles,
    thresholds_of,
    with_ensemble,
)
from midtrain.documents.quality.languages import check_languages, decide_languages, language_report

LABELLED = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=30)


@given(LABELLED)
def test_auc_is_the_chance_of_ranking_right(pairs):
    goods = [score for score, good in pairs if good]
    others = [score for score, good in pairs if not good]
    found = auc(np.array([score for score, _ in pairs]), np.array([good for _, good in pairs]))
    if not goods or not others:
        assert np.isnan(found)
        return
    wins = sum((a > b) + 0.5 * (a == b) for a in goods for b in others)
    assert found == pytest.approx(wins / (len(goods) * len(others)))


@given(LABELLED)
def test_isotonic_steps_are_the_best_rising_ones(pairs):
    scores, good = np.array([s for s, _ in pairs], float), np.array([g for _, g in pairs], float)
    fitted = Calibration.fit(scores, good)(scores)
    order = np.argsort(scores, kind="stable")
    assert (np.diff(fitted[order]) >= -1e-12).all()
    values = np.unique(scores)
    for i in range(len(values)):  # min-max formula of isotonic regression (Robertson, Wright, Dykstra 1988)
        best = max(
            min(good[(scores >= low) & (scores <= high)].mean() for high in values[i:]) for low in values[: i + 1]
        )
        assert fitted[scores == values[i]][0] == pytest.approx(best)


def test_calibration_error_by_hand():
    probability = np.array([0.05, 0.05, 0.95, 0.95])
    assert calibration_error(probability, np.array([0, 0, 1, 1])) == pytest.approx(0.05)
    assert calibration_error(probability, np.array([1, 1, 0, 0])) == pytest.approx(0.95)
    assert calibration_error(np.array([1.00001]), np.array([1])) == pytest.approx(0.0, abs=1e-4)


def test_sweep_by_hand():
    scores, good = np.arange(10) / 10, np.arange(10) >= 6
    row = next(row for row in sweep(scores, good, thresholds=9) if row["threshold"] == 0.5)
    assert row == pytest.approx({"threshold": 0.5, "kept": 0.5, "precision": 0.8, "recall": 1.0, "f1": 8 / 9})


def test_calibration_mends_a_score_that_is_no_probability():
    rng = np.random.default_rng(0)
    truth = rng.random(4000)
    good = rng.random(4000) < truth
    measured = evaluate_scores(truth**4, good)
    assert measured["error_raw"] > 0.2
    assert measured["error"] < 0.06
    assert evaluate_scores(truth * 5, good)["error_raw"] is None
    assert measured["auc"] == pytest.approx(evaluate_scores(truth, good)["auc"])


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.integers(1, 8))
def test_percentiles_and_buckets(values, count):
    scores = np.array(values, dtype=np.float32)
    shares = percentiles(scores)
    for value, share, bucket in zip(values, shares, buckets(scores, count), strict=True):
        exact = sum(other <= value for other in values)
        assert share == pytest.approx(exact / len(values), rel=1e-6)
        assert bucket == -(-exact * count // len(values)) - 1


def test_buckets_are_equal_parts():
    scores = np.random.default_rng(0).permutation(1000).astype(np.float32)
    assert np.bincount(buckets(scores, 20)).tolist() == [50] * 20


def test_ensembles():
    scores = {"a": np.array([1, 2, 3, 4.0]), "b": np.array([4, 3, 2, 10.0])}
    assert ensemble(scores, EnsembleConfig(kind="mean_rank")).tolist() == [0.5, 0.5, 0.5, 1.0]
    assert ensemble(scores, EnsembleConfig(kind="max_bucket", buckets=4)).tolist() == [2, 1, 2, 3]
    assert ensemble(scores, EnsembleConfig(kind="mean_rank", of=("a",))).tolist() == [0.25, 0.5, 0.75, 1.0]


def quality(**values):
    return parse(QualityConfig, {"scorers": {"a": {"kind": "attributes", "path": "x", "column": "y"}}, **values}, "r")


def decided(scores, config):
    return decide_quality(scores, config, thresholds_of(scores, config, {}))


def test_what_is_kept():
    scores = {"a": np.array([0.1, 0.9, np.nan, 0.5, 0.9], dtype=np.float32)}
    decision = decided(scores, quality(keep=[{"score": "a", "at_least": 0.5}]))
    assert [decision.reasons[k] if k >= 0 else None for k in decision.reason_N] == [
        "quality a not at least 0.5",
        None,
        "no score a",
        None,
        None,
    ]
    share = quality(keep=[{"score": "a", "top_share": 0.25}])
    assert (decided(scores, share).reason_N < 0).tolist() == [False, True, False, False, True]  # ties stay
    both = quality(ensemble={"kind": "mean_rank"}, keep=[{"score": "ensemble", "at_least": 0.6}])
    assert (decided(with_ensemble(scores, both), both).reason_N < 0).tolist() == [
        False,
        True,
        False,
        False,
        True,
    ]
    assert (decided(scores, quality()).reason_N < 0).all()


TRAINED = {"a": {"kind": "fasttext", "train": {"examples": {"read": "x"}}}}


def test_precision_is_the_lowest_score_that_reaches_it():
    config = quality(scorers=TRAINED, keep=[{"score": "a", "precision": 0.75}])
    scores = {"a": np.array([0.1, 0.3, 0.5, 0.9])}
    steps = {"scores": [0.1, 0.3, 0.5, 0.8], "shares": [0.2, 0.5, 0.75, 0.9]}
    assert thresholds_of(scores, config, {"a": {"steps": steps}}) == [0.5]
    decision = decide_quality(scores, config, [0.5])
    assert (decision.reason_N < 0).tolist() == [False, False, True, True]
    assert "quality a not good with a chance of 0.75" in decision.reasons
    steps["shares"] = [0.2, 0.3, 0.5, 0.7]
    with pytest.raises(UserError, match=r'"a" never reaches a precision of 0.75: .* best scores 0.7 are good'):
        thresholds_of(scores, config, {"a": {"steps": steps}})
    with pytest.raises(UserError, match="no held-out examples of both kinds"):
        thresholds_of(scores, config, {"a": {"kind": "closeness"}})


@given(st.integers(1, 200), st.floats(0.01, 1.0))
def test_top_share_keeps_that_share(count, share):
    scores = np.random.default_rng(count).permutation(count).astype(np.float32)
    (threshold,) = thresholds_of({"a": scores}, quality(keep=[{"score": "a", "top_share": share}]), {})
    kept = (scores >= threshold).sum()
    assert abs(kept - count * share) <= 1


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"keep": [{"score": "b", "at_least": 1}]}, r'there is no score "b" \(known: a\)'),
        ({"keep": [{"score": "a"}]}, "say one of at_least, top_share and precision"),
        ({"keep": [{"score": "a", "precision": 0.9, "at_least": 1}]}, "say one of at_least, top_share and precision"),
        ({"keep": [{"score": "a", "precision": 0.9}]}, 'how good "a" is, which only a scorer fitted here knows'),
        (
            {"ensemble": {}, "keep": [{"score": "ensemble", "precision": 0.9}]},
            'how good "ensemble" is, which only a scorer fitted here knows',
        ),
        ({"ensemble": {"of": ["c"]}}, 'there is no score "c"'),
        ({"scorers": {"a": {"kind": "fasttext"}}}, "name either the `path` of a model or what to `train` one on"),
        ({"scorers": {"a": {"kind": "fasttext", "path": "m"}}}, "needs the `label` whose probability is the score"),
        ({"scorers": {"ensemble": {"kind": "attributes", "path": "x", "column": "y"}}}, "cannot be called"),
        ({"scorers": {"a": {"kind": "closenes", "examples": {"read": "x"}}}}, "closenes"),
    ],
)
def test_mistakes_in_a_recipe_are_told(values, sentence):
    with pytest.raises(UserError, match=sentence):
        quality(**values)


CODES = np.array(["en", "en", "sw", "sw", "fr"])
CONFIDENCE = np.array([0.99, 0.4, 0.5, 0.2, 0.9], dtype=np.float32)


def test_languages_are_decided_and_none_disappears():
    config = LanguageConfig(keep=("en", "sw"), languages={"sw": 0.3}, otherwise="drop")
    decision = decide_languages(CODES, CONFIDENCE, config)
    assert [decision.reasons[k] if k >= 0 else None for k in decision.reason_N] == [
        None,
        "language uncertain",
        None,
        "language uncertain",
        "language not wanted",
    ]
    report = language_report(CODES, CONFIDENCE, np.array([10, 20, 30, 40, 50]), config)
    assert [row["language"] for row in report] == ["sw", "fr", "en"]
    assert report[0] == {
        "language": "sw",
        "documents": 2,
        "bytes": 70,
        "kept": 1,
        "kept_bytes": 30,
        "uncertain": 1,
        "confidence": 0.35,
    }
    assert report[1]["kept"] == 0
    assert (decide_languages(CODES, CONFIDENCE, LanguageConfig()).reason_N < 0).all()
    kept = decide_languages(CODES, CONFIDENCE, LanguageConfig(keep=("fr",))).reason_N < 0
    assert kept.tolist() == [False, True, True, True, True]  # uncertain ones stay unless a recipe says otherwise


def test_a_language_nobody_knows_is_told():
    assert parse(LanguageConfig, {"keep": "en"}, "recipe").keep == ("en",)
    with pytest.raises(UserError, match=r'the model knows no "eng"\. Did you mean "en"\?'):
        check_languages(LanguageConfig(keep=("eng",)))
    check_languages(LanguageConfig(keep=("en",), languages={"sw": 0.3}))
