"""The steps of a recipe's `merge`: the results of its seeds merged into one more arm, and what that is worth.

    soup, greedy   merge/model                    the average (greedy: of those seeds that help each other)
                   merge/evaluate                 its scores, item by item
    repair         merge/alpha-<a>/seed-<n>       the scores of every share of every seed (the weights are not kept)
                   merge/choice                   the share that gains most without breaking the guard
                   merge/model/seed-<n>           the merged models of that share
    all            merge/scores                   merged against parent, control and ours

What is chosen by scores (greedy, repair) is chosen on one half of the items and judged on the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from midtrain.core.steps import Step
from midtrain.recipe import make_evidence, make_merge
from midtrain.recipe.merge_config import RepairConfig
from midtrain.recipe.schema import RecipeConfig


def merge_steps(recipe: RecipeConfig, evaluated: Mapping[str, Any], heldout: tuple[str, ...]) -> list[Step]:
    """The steps, none when the recipe merges nothing; `evaluated` is what every evaluation is asked."""
    if recipe.merge is None:
        return []
    merge = recipe.merge.model_dump(mode="json")
    sources = ("tokenizer", "base", *heldout)
    exports = tuple(f"export/ours/seed-{seed}" for seed in recipe.seeds)
    ours = tuple(f"evaluate/ours/seed-{seed}" for seed in recipe.seeds)
    steps: list[Step] = []
    if isinstance(recipe.merge, RepairConfig):
        steps += _repair_steps(recipe, recipe.merge, evaluated, sources)
        found = tuple(step.name for step in steps if not step.name.startswith("merge/model"))
    elif recipe.merge.method == "greedy":
        asked = {"merge": merge, **evaluated, "target": _target(recipe)}
        make = partial(make_merge.make_greedy_soup, recipe)
        steps.append(Step("merge/model", 1, asked, (*sources, *exports, *ours), make))
    else:
        steps.append(Step("merge/model", 1, {"merge": merge}, exports, partial(make_merge.make_soup, recipe)))
    if not isinstance(recipe.merge, RepairConfig):
        make = partial(make_evidence.evaluate_model, recipe)
        aliases = {"merge/model": "model"}
        steps.append(Step("merge/evaluate", 1, evaluated, (*sources, "merge/model"), make, aliases=aliases))
        found = ("merge/evaluate",)
    judged = {"merge": merge, "guard": recipe.guard.model_dump(mode="json"), "target": _target(recipe)}
    others = [f"evaluate/control/seed-{seed}" for seed in recipe.seeds] if recipe.control else []
    needs = ("evaluate/parent", *others, *ours, *found)
    steps.append(Step("merge/scores", 1, judged, needs, partial(make_merge.make_merge_scores, recipe)))
    return steps


def _target(recipe: RecipeConfig) -> dict[str, Any] | None:
    return recipe.target.model_dump(mode="json") if recipe.target else None


def _repair_steps(
    recipe: RecipeConfig, repair: RepairConfig, evaluated: Mapping[str, Any], sources: tuple[str, ...]
) -> list[Step]:
    steps = []
    for alpha in repair.alphas:
        for seed in recipe.seeds:
            export = f"export/ours/seed-{seed}"
            steps.append(
                Step(
                    make_merge.alpha_name(alpha, seed),
                    1,
                    {**evaluated, "alpha": alpha},
                    (*sources, export),
                    partial(make_merge.evaluate_alpha, recipe, alpha),
                    aliases={export: "export"},
                )
            )
    tried = tuple(step.name for step in steps)
    ours = tuple(f"evaluate/ours/seed-{seed}" for seed in recipe.seeds)
    asked = {"alphas": repair.alphas, "guard": recipe.guard.model_dump(mode="json"), "target": _target(recipe)}
    choose = partial(make_merge.make_choice, recipe)
    steps.append(Step("merge/choice", 1, asked, ("evaluate/parent", *ours, *tried), choose))
    for seed in recipe.seeds:
        export = f"export/ours/seed-{seed}"
        needs = ("base", export, "merge/choice")
        make = make_merge.make_repaired
        steps.append(Step(f"merge/model/seed-{seed}", 1, {}, needs, make, aliases={export: "export"}))
    return steps
