"""Advice on a longer context: from the config alone, with the numbers of published models."""

import pytest
from transformers import AutoConfig

from midtrain.core.errors import UserError
from midtrain.models.config import RopeConfig
from midtrain.recipe.advice import advise, suggest
from midtrain.recipe.load import load_recipe
from midtrain.recipe.plan import make_plan
from midtrain.recipe.show import plan_text
from midtrain.training.config import StageConfig


def model(theta=10_000.0, positions=4096, **fields):
    parameters = {"rope_type": "default", "rope_theta": theta} | fields
    return AutoConfig.for_model(
        "llama",
        hidden_size=1024,
        num_attention_heads=8,
        num_hidden_layers=1,
        max_position_embeddings=positions,
        rope_parameters=parameters,
    )


def stages(*contexts, **rope):
    return {
        f"s{i}": StageConfig(
            tokens=2 * length,
            context=length,
            batch_tokens=length,
            mixture={"weights": {"a": 1.0}},
            rope=RopeConfig(**rope) if rope else None,
        )
        for i, length in enumerate(contexts)
    }


def test_a_method_leaves_no_pair_with_unseen_angles():
    for method in ("yarn", "pi"):
        advice = advise(model(), stages(32768, method=method))["s0"]
        assert advice.unturned == 18  # of 64 pairs: 2 pi 10000^(i/64) > 4096 for i >= 46
        assert advice.unseen[0] == 18
        assert advice.unseen[1] == 0
    raised = advise(model(), stages(32768, method="abf"))["s0"]
    assert raised.unseen[1] < raised.unseen[0]
    kept = advise(model(), stages(32768, theta=10_000.0))["s0"]
    assert kept.unseen == (18, 18)
    assert "18 with this one (theta: 190000 or method: yarn would leave fewer)" in kept.lines[1]


def test_staged_lengthening_counts_from_the_base():
    found = advise(model(theta=500_000.0, positions=8192), stages(16384, 32768, 65536, method="yarn"))
    assert [advice.context for advice in found.values()] == [16384, 32768, 65536]
    assert [
        next(part for part in advice.lines[0].replace(";", ",").split(", ") if part.startswith("yarn"))
        for advice in found.values()
    ] == ["yarn by 2", "yarn by 4", "yarn by 8"]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (model(), "made for its own length"),
        (model(theta=500_000.0, positions=8192), "with a longer context in mind: its theta reaches 22"),
        (
            model(rope_type="yarn", factor=4.0, original_max_position_embeddings=4096, positions=16384),
            "stretched before, from 4096 tokens (yarn)",
        ),
    ],
)
def test_whether_the_base_was_made_for_more(config, words):
    advice = advise(config, stages(65536, method="yarn"))["s0"]
    assert words in advice.lines[2]


def test_stages_that_change_nothing_need_no_advice():
    assert advise(model(), stages(1024, 4096)) == {}


def test_a_rope_the_architecture_cannot_take_is_told_with_its_stage():
    gpt2 = AutoConfig.for_model("gpt2")
    with pytest.raises(UserError, match=r"stages\.s0: rope: gpt2 has no rotary"):
        advise(gpt2, stages(2048, method="yarn"))
    with pytest.raises(UserError, match=r"stages\.s0: rope: method yarn has nothing to stretch"):
        advise(model(), stages(4096, method="yarn"))


def test_what_to_write_for_a_longer_context():
    assert suggest(model(), 32768) == "method: yarn, or theta: 190000"
    assert suggest(AutoConfig.for_model("gpt2"), 2048) == "theta: 500000"


def test_the_plan_shows_it(small_recipe, tmp_path):
    plan = make_plan(load_recipe(small_recipe, ["stages.longer.rope={method: yarn}"]), tmp_path / "run")
    longer = plan.stages[1].positions
    assert longer is not None
    assert longer.context == 128
    assert plan.stages[0].positions is None
    assert "yarn by 2" in plan_text(plan)
    with pytest.raises(UserError, match=r"method: yarn, or theta: \d+"):
        make_plan(load_recipe(small_recipe, ["stages.longer.rope=null"]), tmp_path / "run")


def test_a_run_measures_beyond_the_positions_of_its_parent(small_recipe, tmp_path):
    from midtrain.recipe.run import run_recipe

    recipe = load_recipe(
        small_recipe,
        [
            "seeds=[0]",
            "control=null",
            "target=null",
            "guard.budgets={}",
            "stages.longer.rope={method: yarn}",
            "evaluation.problems={}",
            "evaluation.bits_per_byte=null",
            "evaluation.positions={sources: [new], documents: 5, buckets: 2}",
            "evaluation.retrieval={passkey: {lengths: [96, 128], count: 2}}",
        ],
    )
    outcome = run_recipe(recipe, tmp_path / "run")
    assert outcome.scores is not None
    rows = outcome.scores["capabilities"]
    assert {"position/new@0-64", "position/new@64-128", "retrieval/passkey@128 (bpb)"} <= rows.keys()
    assert all(row["parent"] is not None and row["ours"] is not None for row in rows.values())


def test_learned_positions_end_where_they_end(small_recipe):
    from midtrain.recipe.probe import check_context

    recipe = load_recipe(small_recipe, ["evaluation.retrieval={far: {lengths: [2048]}}"])
    gpt2 = AutoConfig.for_model("gpt2", n_positions=1024)
    with pytest.raises(UserError, match=r"retrieval\.far\.lengths has 2048, and gpt2 has only 1024 positions"):
        check_context(recipe, gpt2)
