"""Recipes: overrides, did-you-mean, paths, and a resolved copy that means the same."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from midtrain.core.errors import UserError
from midtrain.recipe.load import apply_override, dump_recipe, json_schema, load_recipe
from midtrain.recipe.schema import RecipeConfig

RECIPES = Path(__file__).parents[2] / "recipes"
TEXT = """\
name: small
base: asset://tiny-base
seeds: [0]
sources:
  old: {read: old.jsonl}
  new: {read: [new, "python://docstrings"]}
  sums: {problems: {count: 1k, families: [addition]}}
stages:
  anneal:
    tokens: 300k
    context: 128
    batch_tokens: 1024
    mixture: {weights: {old: 0.5, sums: 0.5}}
  more:
    tokens: 4096
    context: 256
    batch_tokens: 1024
    rope: {theta: 20000}
    mixture: {curve: linear, points: [{at: 0, weights: {new: 1.0}}, {at: 1, weights: {old: 1.0}}]}
control: {weights: {old: 1.0}}
guard: {budgets: {bpb/old: 0.02}}
target: {capability: bpb/new}
"""


@pytest.fixture
def recipe_file(tmp_path):
    (tmp_path / "r.yaml").write_text(TEXT)
    return tmp_path / "r.yaml"


def test_sizes_overrides_and_paths(recipe_file):
    recipe = load_recipe(
        recipe_file, ["stages.anneal.tokens=2M", "seeds=[3, 4]", "stages.more.mixture.points.0.weights={old: 1.0}"]
    )
    assert recipe.stages["anneal"].tokens == 2_000_000
    assert recipe.seeds == [3, 4]
    assert recipe.stages["more"].mixture.source_names() == ["old"]
    assert recipe.sources["old"].entries == [str(recipe_file.parent / "old.jsonl")]
    assert recipe.sources["new"].entries == [str(recipe_file.parent / "new"), "python://docstrings"]


def test_the_resolved_recipe_is_enough_to_run_it_again_from_anywhere(recipe_file, tmp_path_factory):
    recipe = load_recipe(recipe_file, ["stages.anneal.tokens=400k"])
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "resolved.yaml"
    elsewhere.write_text(dump_recipe(recipe))
    assert load_recipe(elsewhere) == recipe


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("stages.aneal.tokens=1M", 'there is no "aneal" in stages. Did you mean "anneal"?'),
        ("stages.anneal.tokns=1M", 'unknown key "stages.anneal.tokns". Did you mean "tokens"?'),
        ("stages.anneal.tokens=lots", 'stages.anneal.tokens: "lots" is not a size'),
        ("stages.anneal.tokens.x=1", "is a single value and has no fields"),
        ("seeds.5=1", "5 is not a place in a list of 1"),
        ("stages.anneal", "write it as a.b.c=value"),
        ("name=[a: b", "is not a value"),
        ("control.weights={neew: 1.0}", 'names "neew", which is not among the sources. Did you mean "new"?'),
        ("target.capability=bpb/nwe", 'Did you mean "bpb/new"?'),
        ("guard.budgets={bpb/odl: 0.1}", "matches nothing that is measured"),
        ("name=a/b", "letters, digits"),
        ("seeds=[1, 1]", "same seed twice"),
        ("control=null", "there is no control"),
        ("stages.anneal.batch_tokens=1000", "not a whole number of 128-token rows; 1024 would be"),
        ("base={}", "exactly one of path"),
        ("stages.anneal.schedule.decay.shape=cosin", "schedule.decay.shape"),
        ("sources=5", "sources: Input should be a valid dictionary"),
        ("sources=[a]", "sources: Input should be a valid dictionary"),
        ("stages.anneal.tokens=.inf", "is not a whole number"),
        ("stages.anneal.tokens=1e400", "is not a whole number"),
        ("name=2020-99-99", "is not a value"),
        ("name={[a]: 1}", "is not a value"),
        ("stages.anneal.mixture.order={odl: id}", 'names "odl", which is not among the sources. Did you mean "old"?'),
        ("stages.anneal.mixture.max_epochs={odl: 2}", 'Did you mean "old"?'),
        (
            "base={architecture: {model_type: llama}, tokenizer: {train: {sources: [odl]}}}",
            'base.tokenizer.train.sources names "odl"',
        ),
    ],
)
def test_a_mistake_is_one_sentence(recipe_file, override, expected):
    with pytest.raises(UserError) as error:
        load_recipe(recipe_file, [override])
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "holds no recipe"),
        ("name: [", "not valid YAML at line"),
        ("name: a\nname: b\n", 'the key "name" stands twice'),
        (b"name: \xff\xfe", "not UTF-8"),
        ("name: a\0", "not valid YAML: unacceptable character"),
        ("name: 2020-99-99", "not valid YAML at line 1: month"),
        ("? [a]\n: 1", "not valid YAML at line 1: a key must be a plain value"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path, text, expected):
    path = tmp_path / "r.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=expected) as error:
        load_recipe(path)
    assert "\n" not in str(error.value)


def test_a_path_through_a_file_is_one_sentence(recipe_file):
    with pytest.raises(UserError, match="cannot be read"):
        load_recipe(recipe_file / "more.yaml")


def test_paths_of_the_base_and_its_tokenizer_are_the_recipes_own(recipe_file, monkeypatch):
    monkeypatch.setenv("HOME", str(recipe_file.parent / "home"))
    made = "base={architecture: {model_type: llama}, tokenizer: {path: ./tok}}"
    tokenizer = load_recipe(recipe_file, [made]).base.tokenizer
    assert tokenizer.path == str(recipe_file.parent / "tok")
    assert load_recipe(recipe_file, ["base=~/model"]).base.path == str(recipe_file.parent / "home" / "model")
    unknown = load_recipe(recipe_file, ["sources.old.read=~nobody-here/x"]).sources["old"]
    assert unknown.entries == [str(recipe_file.parent / "~nobody-here/x")]


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(UserError, match="midtrain init"):
        load_recipe(tmp_path / "absent.yaml")


keys = st.text("abc", min_size=1, max_size=3)
plain = st.integers() | st.booleans() | st.none() | st.text("xyz ", max_size=5)
trees = st.recursive(plain, lambda inner: st.dictionaries(keys, inner, max_size=3), max_leaves=8)


@given(st.dictionaries(keys, trees, max_size=3), st.lists(keys, min_size=1, max_size=4), plain)
def test_an_override_sets_its_field_and_nothing_else(data, path, value):
    import copy

    before = copy.deepcopy(data)
    try:
        apply_override(data, ".".join(path) + "=" + yaml.safe_dump(value).removesuffix("...\n"))
    except UserError:
        return
    here = data
    for key in path:
        here = here[key]
    assert here == value
    # Undo it along the path: everything beside the path is as before.
    mine, theirs = data, before
    for key in path[:-1]:
        assert {k: v for k, v in mine.items() if k != key} == {k: v for k, v in (theirs or {}).items() if k != key}
        mine, theirs = mine[key], (theirs or {}).get(key)
    assert {k: v for k, v in mine.items() if k != path[-1]} == {
        k: v for k, v in (theirs or {}).items() if k != path[-1]
    }


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_recipes_are_valid_and_named_as_their_file(path):
    assert load_recipe(path).name == path.stem


def test_the_shipped_schema_is_the_current_one():
    assert (RECIPES / "recipe.schema.json").read_text() == json_schema()


def test_the_control_differs_from_ours_in_the_mixture_only(recipe_file):
    recipe = load_recipe(recipe_file)
    arms = recipe.arms()
    for name, stage in arms["control"].items():
        assert stage.mixture.weights == {"old": 1.0}
        mine = arms["ours"][name].model_dump(exclude={"mixture"})
        assert stage.model_dump(exclude={"mixture"}) == mine


def test_every_field_of_the_schema_is_described():
    schema = RecipeConfig.model_json_schema()
    for name, part in [("recipe", schema), *schema["$defs"].items()]:
        for field, facts in part.get("properties", {}).items():
            assert "description" in facts or "$ref" in facts or "allOf" in facts, f"{name}.{field} has no description"
