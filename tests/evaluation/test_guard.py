"""The verdicts of a run: target, guard, and scores.json as other rooms and people read it."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from midtrain.core.errors import UserError
from midtrain.evaluation.config import EvaluationConfig, GuardConfig, TargetConfig
from midtrain.evaluation.guard import judge
from midtrain.evaluation.scores import SCHEMA, read_scores, score_row, summarize, write_scores

ITEMS = 120
RNG = np.random.default_rng(0)
HARDNESS = RNG.uniform(1, 3, ITEMS)
BYTES = RNG.integers(100, 5000, ITEMS)


def scores(code=0.0, prose=0.0, right=0.5, noise=0, prose_noise=0.02, skip=()):
    """A scores table: bits per byte shifted by `code` and `prose`, a share `right` of problems solved."""
    rng = np.random.default_rng(noise)
    rows = []
    for name, shift, spread in (("bpb/code", code, 0.02), ("bpb/prose", prose, prose_noise)):
        for i in range(ITEMS):
            value = HARDNESS[i] + shift + rng.normal(0, spread)
            rows.append(score_row(name, f"d{i}", value, BYTES[i], "bits_per_byte", {"context": 256}))
    for i in range(ITEMS):
        if i not in skip:
            rows.append(
                score_row(
                    "problems/add", f"p{i}", i < right * ITEMS, 1, "exact_match", {}, prediction="7", reference="7"
                )
            )
    return pa.Table.from_pylist(rows, schema=SCHEMA)


TARGET = TargetConfig(capability="bpb/code")


def verdict_of(ours, control, guard=None, target=TARGET, parent=None):
    return judge(
        parent or scores(),
        dict(enumerate(control)),
        dict(enumerate(ours)),
        guard or GuardConfig(budgets={"bpb/*": 0.02}),
        target,
        resamples=800,
    )


def test_a_good_run_reaches_its_target_and_keeps_the_guard():
    found = verdict_of([scores(code=-0.3, noise=1), scores(code=-0.31, noise=2)], [scores(code=-0.1, noise=3)] * 2)
    assert found["target"]["reached"]
    assert found["target"]["verdict"] == "reached"
    assert found["target"]["against"]["control"]["verdict"] == "better"
    assert (found["guard"]["verdict"], found["guard"]["broken"]) == ("kept", [])
    assert found["seeds"] == [0, 1]
    assert found["seed_noise"] == "measured"
    code = found["capabilities"]["bpb/code"]
    assert code["ours"] == pytest.approx(code["parent"] - 0.305, abs=0.02)
    assert code["vs_parent_interval"][0] <= code["ours"] - code["parent"] <= code["vs_parent_interval"][1]
    assert (code["vs_parent"], code["vs_control"], code["n"], code["metric"]) == (
        "better",
        "better",
        120,
        "bits_per_byte",
    )
    json.dumps(found, allow_nan=False)


def test_better_than_the_parent_but_not_than_the_control_misses_the_target():
    found = verdict_of([scores(code=-0.3, noise=1)], [scores(code=-0.3, noise=2)])
    assert not found["target"]["reached"]
    assert found["capabilities"]["bpb/code"]["vs_parent"] == "better"
    assert found["capabilities"]["bpb/code"]["vs_control"] == "unranked"
    assert verdict_of(
        [scores(code=-0.3, noise=1)], [], target=TargetConfig(capability="bpb/code", better_than=["parent"])
    )["target"]["reached"]


def test_the_guard_tells_broken_kept_and_unclear_apart():
    ours = scores(prose=0.2, noise=1)
    found = verdict_of([ours], [ours])["guard"]
    assert (found["verdict"], found["broken"]) == ("broken", ["bpb/prose"])
    assert found["capabilities"]["bpb/prose"]["worsening"] == pytest.approx(0.1, abs=0.02)
    within = scores(prose=0.01, noise=1)  # really worse, by half a percent: inside the budget
    assert verdict_of([within], [within])["guard"]["verdict"] == "kept"
    noisy = scores(prose=0.2, noise=1, prose_noise=2.0)  # perhaps 10 % worse, perhaps not at all
    assert verdict_of([noisy], [noisy])["guard"]["unclear"] == ["bpb/prose"]


def test_losing_right_answers_breaks_the_guard_and_gaining_them_does_not():
    guard = GuardConfig(budgets={"problems/*": 0.05})
    for right, verdict in ((0.2, "broken"), (0.8, "kept")):
        ours = scores(right=right)
        found = verdict_of([ours], [ours], guard)
        assert found["guard"]["verdict"] == verdict
        assert list(found["guard"]["capabilities"]) == ["problems/add"]
    nothing = scores(right=0)
    assert verdict_of([nothing], [nothing], guard, parent=scores(right=0))["guard"]["verdict"] == "kept"


def test_an_exact_budget_goes_before_a_pattern():
    ours = scores(prose=0.2, noise=1)
    found = verdict_of([ours], [ours], GuardConfig(budgets={"bpb/*": 0.02, "bpb/prose": 0.5}))["guard"]
    assert found["capabilities"]["bpb/prose"]["budget"] == 0.5
    assert found["verdict"] == "kept"


def test_without_budgets_nothing_is_claimed():
    ours = scores(prose=0.2, noise=1)
    found = verdict_of([ours], [ours], GuardConfig(budgets={}))["guard"]
    assert (found["verdict"], found["broken"], found["capabilities"]) == ("unguarded", [], {})


def test_items_that_one_model_lacks_are_left_out_of_all_and_counted():
    found = verdict_of([scores(skip=(3, 4), noise=1)], [scores(skip=(5,), noise=2)])["capabilities"]["problems/add"]
    assert (found["n"], found["left_out"]) == (117, 3)
    assert found["parent"] == pytest.approx(57 / 117)


def test_one_seed_says_that_seed_noise_was_not_measured():
    assert verdict_of([scores(noise=1)], [scores(noise=2)])["seed_noise"] == "not measured"


def test_what_does_not_fit_is_said():
    ours = scores()
    with pytest.raises(UserError, match=r'Did you mean "bpb/code"'):
        verdict_of([ours], [ours], target=TargetConfig(capability="bpb/cod"))
    with pytest.raises(UserError, match="matches nothing"):
        verdict_of([ours], [ours], GuardConfig(budgets={"bytes/*": 0.1}))
    with pytest.raises(UserError, match="there is no control"):
        verdict_of([ours], [])
    with pytest.raises(UserError, match="differ in"):
        verdict_of([ours.filter(pc.field("capability") != "bpb/prose")], [])


def test_scores_survive_the_disk_and_summarise_by_weight(tmp_path):
    rows = [
        score_row("bpb/a", "x", 1.0, 300, "bits_per_byte", {"context": 8}),
        score_row("bpb/a", "y", 2.0, 100, "bits_per_byte", {"context": 8}),
        score_row("problems/b", "x", 1, 1, "exact_match", {}, prediction="4", reference="4"),
    ]
    table = write_scores(rows, tmp_path / "s.parquet")
    assert read_scores(tmp_path / "s.parquet").equals(table)
    found = summarize(table)
    assert found["bpb/a"] == {"value": 1.25, "n": 2, "metric": "bits_per_byte"}
    assert found["problems/b"]["value"] == 1.0
    (tmp_path / "s.parquet").write_bytes(b"no")
    with pytest.raises(UserError, match="cannot be read as scores"):
        read_scores(tmp_path / "s.parquet")


def test_evaluation_names_its_capabilities():
    config = EvaluationConfig.model_validate(
        {"bits_per_byte": {"sources": ["code"]}, "problems": {"add": {"families": ["addition"], "count": 10}}}
    )
    assert config.capabilities(["prose", "code"]) == ["bpb/code", "problems/add", "problems/add (bpb)"]
    assert config.problems["add"].split == "evaluation"
    with pytest.raises(ValueError, match="Did you mean"):
        config.measured(["prose", "codex"])
    with pytest.raises(ValueError, match=r"2 % is 0\.02"):
        GuardConfig(budgets={"*": 2})
