"""A recipe that reads sources by the length of their documents: planned, trained, and named as before without it."""

import pytest

from midtrain.core.artifact import Artifact
from midtrain.core.errors import UserError
from midtrain.recipe.graph import build_graph
from midtrain.recipe.load import load_recipe
from midtrain.recipe.plan import make_plan
from midtrain.recipe.run import run_recipe

LENGTHS = "{old: {shares: {0: 0.4, 100: 0.6}, trim: 0.1}, new: {longest: 32}}"
ALONE = ["seeds=[0]", "control=null", "evaluation.problems={}"]


def test_parts_are_packed_planned_and_trained(small_recipe, tmp_path):
    recipe = load_recipe(small_recipe, [*ALONE, f"stages.longer.mixture.lengths={LENGTHS}"])
    out = tmp_path / "run"
    first = make_plan(recipe, out).stages[1]
    assert [use.name for use in first.sources] == ["old@0-100", "old@100+", "new"]
    assert [use.tokens for use in first.sources] == [410, 614, 1024]
    run_recipe(recipe, out)
    states = {state.step.name: state for state in build_graph(recipe, out).states()}
    counts = {name: Artifact.open(states[name].path).counts for name in states if name.startswith("packed/")}
    assert {"packed/old@0-100-128", "packed/old@100+-128-trim-0.1", "packed/new-128-cut-32"} <= counts.keys()
    short, long, whole = (counts[f"packed/{name}"] for name in ("old@0-100-128", "old@100+-128-trim-0.1", "old-64"))
    assert short["documents"] + long["documents"] < whole["documents"]  # two tails of a tenth
    assert short["tokens"] + long["tokens"] + long["dropped"] == whole["tokens"]
    losses = (states["train/ours/seed-0/longer"].path / "journal.jsonl").read_text()
    assert "old@100+" in losses
    exact = {use.name: use for use in make_plan(recipe, out).stages[1].sources}
    assert exact["new"].exact
    assert exact["old@0-100"].epochs == pytest.approx(409.6 / short["tokens"], rel=0.01)


def test_a_part_without_documents_is_told(small_recipe, tmp_path):
    lengths = "{old: {shares: {0: 0.4, 100000: 0.6}}}"
    recipe = load_recipe(small_recipe, [*ALONE, f"stages.longer.mixture.lengths={lengths}"])
    with pytest.raises(UserError, match=r"old@100000\+ has no documents: .* Change mixture.lengths.old"):
        run_recipe(recipe, tmp_path / "run", until="packed")


def test_lengths_of_an_unknown_source(small_recipe):
    with pytest.raises(UserError, match=r'names "odl", which is not among the sources. Did you mean "old"'):
        load_recipe(small_recipe, ["stages.longer.mixture.lengths={odl: {whole: true}}"])


def test_a_recipe_without_lengths_asks_what_it_asked(small_recipe, tmp_path):
    steps = build_graph(load_recipe(small_recipe), tmp_path / "run").steps
    assert steps["packed/old-128"].asked == {"context": 128, "packing": {"group": 8192}, "order": None}
    assert steps["packed/old-128"].needs == ("tokens/old",)
    rope = steps["train/ours/seed-0/longer"].asked["stage"]["rope"]
    assert rope == {"theta": 20000.0, "scaling": None}
    mixture = steps["train/ours/seed-0/longer"].asked["stage"]["mixture"]
    assert set(mixture) == {"weights", "curve", "points", "normalize", "max_epochs", "order"}
    assert set(steps["evaluate/parent"].asked["evaluation"]) == {"bits_per_byte", "problems"}
