"""The plan tells the cost before anything is spent, and refuses what cannot work."""

import json

import pytest

from midtrain.core.errors import UserError
from midtrain.recipe.load import load_recipe
from midtrain.recipe.plan import make_plan
from midtrain.recipe.show import duration, plan_text, sparkline


@pytest.fixture(scope="module")
def fresh_plan(small_recipe, tmp_path_factory):
    return make_plan(load_recipe(small_recipe), tmp_path_factory.mktemp("plan") / "run")


def test_a_plan_of_a_fresh_recipe_counts_everything(fresh_plan):
    assert [(stage.name, stage.steps, stage.tokens) for stage in fresh_plan.stages] == [
        ("anneal", 16, 8192),
        ("longer", 4, 2048),
    ]
    assert fresh_plan.runs == 4
    assert fresh_plan.tokens == 4 * (8192 + 2048)
    assert fresh_plan.flops > 6 * 20_000 * fresh_plan.tokens
    assert fresh_plan.seconds > 0
    assert set(fresh_plan.memory) >= {"weights", "gradients", "moments", "activations"}
    assert "total" not in fresh_plan.memory  # the text adds the parts up
    anneal = {use.name: use for use in fresh_plan.stages[0].sources}
    assert anneal["old"].tokens == 4096
    assert fresh_plan.stages[0].learning_rates[0] == pytest.approx(3e-3)
    json.dumps(fresh_plan.to_json())


def test_a_plan_is_exact_where_the_tokens_have_been_made(small_run, small_recipe, fresh_plan):
    out, _ = small_run
    exact = make_plan(load_recipe(small_recipe), out)
    assert all(source.exact for source in exact.sources)
    guessed = {source.name: source for source in fresh_plan.sources}
    for source in exact.sources:  # a source that was read to its end is guessed well, the hold-out aside
        assert guessed[source.name].bytes == pytest.approx(source.bytes, rel=0.2)
    second = {use.name: use for use in exact.stages[1].sources}
    first = {use.name: use for use in exact.stages[0].sources}
    assert second["old"].epochs > first["old"].epochs  # a carried data position counts on
    assert "padding" in exact.stages[0].waste


def test_the_text_shows_the_tree_and_the_curves(fresh_plan):
    text = plan_text(fresh_plan)
    for part in (
        "small",
        "anneal",
        "longer",
        "old",
        "sums",
        "epochs",
        "learning rate",
        "memory",
        "2 seed(s)",
        "control",
    ):
        assert part in text
    assert sparkline([0, 1, 2, 4]) == "\u2581\u2583\u2585\u2588"
    assert [duration(s) for s in (42, 300, 9000, 400_000)] == ["42 s", "5 min", "2.5 h", "4.63 days"]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["stages.longer.rope=null"], "beyond the 64 positions the model was built for"),
        (["stages.anneal.mixture.max_epochs=0.01"], "above its cap of 0.01 epochs"),
        (["stages.anneal.mixture.weights={old: 0.5, new: 0.4}"], "the weights sum to 0.9, not 1"),
        (["stages.longer.schedule.peak=inherit"], "ended at a learning rate of 0"),
        (["stages.anneal.schedule.peak=inherit"], "says no learning rate; set schedule.peak"),
        (["base.architecture.hidden_sise=3"], 'Did you mean "hidden_size"?'),
        (["sources.old.read=/absent/file.jsonl"], "/absent/file.jsonl"),
        (["sources.sums.problems.families=[adition]"], 'Did you mean "addition"?'),
        (["holdout.share=0"], "holdout.share is 0"),
        (["control.weights={old: 0.5}"], "control.weights: the weights sum to 0.5, not 1"),
        # 4,096 of some 14,000 tokens in the first stage, 1,024 in the second: the cap holds over both
        (
            ["stages.longer.carry.data_position=reset", "stages.longer.mixture.max_epochs=0.3"],
            "stages.longer would read",
        ),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(small_recipe, tmp_path, overrides, expected):
    with pytest.raises(UserError) as error:
        make_plan(load_recipe(small_recipe, overrides), tmp_path / "run")
    assert expected in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_limit_is_counted_in_a_source_that_is_read_to_its_end(small_recipe, tmp_path):
    recipe = load_recipe(small_recipe, ["sources.old.limit.documents=30"])
    sizes = {size.name: size for size in make_plan(recipe, tmp_path / "run").sources}
    assert sizes["old"].documents + sizes["old"].heldout == pytest.approx(30)
    assert sizes["new"].documents + sizes["new"].heldout == pytest.approx(60)
