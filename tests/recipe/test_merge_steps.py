"""A recipe that merges its seeds: only what is new is made, and the model is what the scores say it is."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from midtrain.core.artifact import Artifact
from midtrain.core.errors import UserError
from midtrain.evaluation.scores import read_scores
from midtrain.recipe.export import export_model
from midtrain.recipe.graph import build_graph
from midtrain.recipe.load import load_recipe
from midtrain.recipe.make_merge import half
from midtrain.recipe.merge import load_merge, merge_models
from midtrain.recipe.plan import make_plan
from midtrain.recipe.run import run_recipe
from midtrain.report.words import merge_sentence


@pytest.fixture
def copied(small_run, tmp_path):
    """A copy of the finished small run, to go on with."""
    return shutil.copytree(small_run[0], tmp_path / "run")


def merge(small_recipe, out, merged):
    recipe = load_recipe(small_recipe, [f"merge={merged}"])
    outcome = run_recipe(recipe, out)
    states = {state.step.name: state for state in build_graph(recipe, out).states()}
    return outcome.made, {name: Artifact.open(state.path) for name, state in states.items()}


def weights(artifact):
    return load_file(artifact.path / "model" / "model.safetensors")


def test_without_a_merge_nothing_has_another_name(small_recipe, small_run):
    plain = {s.step.name: s.fingerprint for s in build_graph(load_recipe(small_recipe), small_run[0]).states()}
    recipe = load_recipe(small_recipe, ["merge={method: soup}"])
    merging = {s.step.name: s.fingerprint for s in build_graph(recipe, small_run[0]).states()}
    assert merging.keys() - plain.keys() == {"merge/model", "merge/evaluate", "merge/scores"}
    assert [name for name in plain if plain[name] != merging[name]] == ["report"]


def test_a_soup_of_seeds_is_one_more_arm(small_recipe, copied):
    made, artifacts = merge(small_recipe, copied, "{method: soup, of: seeds}")
    assert made == ["merge/model", "merge/evaluate", "merge/scores", "report"]
    found = weights(artifacts["merge/model"])
    seeds = [weights(artifacts[f"export/ours/seed-{seed}"]) for seed in (0, 1)]
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, (seeds[0][name] + seeds[1][name]) / 2, rtol=1e-6, atol=1e-8)
    assert artifacts["merge/model"].manifest["facts"]["parity"]["tied"] == 1
    scores = json.loads((artifacts["merge/scores"].path / "scores.json").read_text())
    before = json.loads((artifacts["scores"].path / "scores.json").read_text())
    assert scores["items"] == "all"
    for name, row in scores["capabilities"].items():
        assert row["parent"] == before["capabilities"][name]["parent"]
        assert row["unmerged"] == pytest.approx(before["capabilities"][name]["ours"])
        assert row["vs_unmerged"] in ("better", "worse", "unranked")
    assert merge_sentence(scores).startswith("merged (soup): ")
    page = (copied / "report.html").read_text()
    assert "The merged models" in page
    assert merge_sentence(scores) in page
    export_model(copied, copied / "taken", "merged", None)
    assert (copied / "taken" / "config.json").exists()


def test_a_repair_takes_the_share_that_its_half_of_the_items_says(small_recipe, copied):
    made, artifacts = merge(small_recipe, copied, "{method: repair, with: parent, alphas: [0.5, 0.1]}")
    tried = [f"merge/alpha-{alpha}/seed-{seed}" for alpha in ("0.1", "0.5") for seed in (0, 1)]
    models = ["merge/model/seed-0", "merge/model/seed-1"]
    assert made == [*tried, "merge/choice", *models, "merge/scores", "report"]
    for name in tried:  # measured, and the weights not kept
        assert [file.name for file in artifacts[name].path.iterdir() if file.name != "manifest.json"] == [
            "items.parquet"
        ]
    choice = json.loads((artifacts["merge/choice"].path / "choice.json").read_text())
    assert [attempt["alpha"] for attempt in choice["attempts"]] == [0.0, 0.1, 0.5]
    whole = [attempt for attempt in choice["attempts"] if attempt["guard"] != "broken"]
    assert choice["alpha"] == max(whole, key=lambda attempt: attempt["score"])["alpha"]
    alpha = choice["alpha"]
    merged, ours = weights(artifacts["merge/model/seed-1"]), weights(artifacts["export/ours/seed-1"])
    parent = weights(artifacts["base"])
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, (1 - alpha) * ours[name] + alpha * parent[name], rtol=1e-5, atol=1e-7)
    scores = json.loads((artifacts["merge/scores"].path / "scores.json").read_text())
    assert (scores["items"], scores["seeds"], scores["choice"]["alpha"]) == ("half", [0, 1], alpha)
    assert scores["capabilities"]["bpb/new"]["n"] < 10
    # another share costs only itself
    made, _ = merge(small_recipe, copied, "{method: repair, alphas: [0.1, 0.3]}")
    assert {name for name in made if name.startswith("merge/alpha")} == {f"merge/alpha-0.3/seed-{n}" for n in (0, 1)}


def test_a_greedy_soup_says_what_it_tried(small_recipe, copied):
    made, artifacts = merge(small_recipe, copied, "{method: greedy}")
    assert made == ["merge/model", "merge/evaluate", "merge/scores", "report"]
    artifact = artifacts["merge/model"]
    assert {path.name for path in artifact.path.iterdir()} == {"model", "choice.json", "manifest.json"}
    choice = json.loads((artifact.path / "choice.json").read_text())
    scores = {tuple(one["seeds"]): one["score"] for one in choice["candidates"]}
    assert set(scores) == {(0,), (1,), (0, 1)}
    best = max([(0,), (1,)], key=lambda one: scores[one])
    assert choice["chosen"] == list((0, 1) if scores[0, 1] >= scores[best] else best)
    assert choice["seeds"] == (choice["chosen"] if choice["confirmed"] else list(best))
    seeds = [weights(artifacts[f"export/ours/seed-{seed}"]) for seed in choice["seeds"]]
    for name, tensor in weights(artifact).items():
        torch.testing.assert_close(tensor, torch.stack([seed[name] for seed in seeds]).mean(0), rtol=1e-6, atol=1e-8)


def test_the_halves_share_no_item_and_lose_none(small_run):
    table = read_scores(next((small_run[0] / "artifacts" / "evaluate" / "parent").iterdir()) / "items.parquet")
    one, other = (set(half(table, choosing)["item"].to_pylist()) for choosing in (True, False))
    assert one
    assert other
    assert not one & other
    assert one | other == set(table["item"].to_pylist())


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["merge={method: soup}", "seeds=[0]"], "there is one; add to seeds"),
        (["merge={method: greedy}", "target=null"], "merge chooses by the target, and there is none"),
        (["merge={method: repair, alphas: [0.1, 0.1]}"], "lists the same alpha twice"),
        (["merge={method: repair, alphas: [1.5]}"], "less than 1"),
        (["merge={method: soup, off_: seeds}"], 'Did you mean "of"'),
        (["merge={method: suop}"], "'soup', 'greedy', 'repair'"),
    ],
)
def test_a_merge_that_the_recipe_cannot_make_is_refused(small_recipe, overrides, sentence):
    with pytest.raises(UserError, match=sentence):
        load_recipe(small_recipe, overrides)


def test_a_file_merges_folders_that_lie_beside_it(small_run, tmp_path):
    for seed in (0, 1):
        export = next((small_run[0] / "artifacts" / "export" / "ours" / f"seed-{seed}").iterdir())
        shutil.copytree(export / "model", tmp_path / f"seed{seed}")
    file = tmp_path / "merge.yaml"
    file.write_text("models: [seed0, {path: ./seed1, weight: 3}]\n")
    assert merge_models(file, tmp_path / "merged") == f"The linear merge of 2 models is at {tmp_path / 'merged'}"
    one, other, merged = (load_file(tmp_path / name / "model.safetensors") for name in ("seed0", "seed1", "merged"))
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, 0.25 * one[name] + 0.75 * other[name], rtol=1e-6, atol=1e-8)
    said = merge_models(file, tmp_path / "arc", ["method=slerp", "t=0.5", "models=[seed0, seed1]"])
    assert said.startswith("The slerp merge of 2 models")
    with pytest.raises(UserError, match=r'unknown key "denstiy". Did you mean "density"'):
        load_merge(file, ["denstiy=0.5"])
    with pytest.raises(UserError, match="There is no folder"):
        merge_models(file, tmp_path / "none", ["models.0=./seed7"])
    with pytest.raises(UserError, match="There is no file"):
        load_merge(tmp_path / "other.yaml")


def test_the_plan_says_what_a_merge_costs(small_recipe, small_run):
    recipe = load_recipe(small_recipe, ["merge={method: repair, alphas: [0.1, 0.3]}"])
    plan = make_plan(recipe, small_run[0])
    assert plan.arms[-1] == "merged  2 seeds with 0.1, 0.3 of the parent, 4 evaluations"
