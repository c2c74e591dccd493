"""Steps that merge the results of a recipe's seeds and judge the merge. Rooms are imported when a step is made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midtrain.core.artifact import Artifact, Draft
from midtrain.core.permutation import derive_key
from midtrain.core.progress import say
from midtrain.recipe.make_evidence import ITEMS, SCORES, evaluate_model
from midtrain.recipe.make_models import model_folder
from midtrain.recipe.merge_config import RepairConfig, SoupConfig
from midtrain.recipe.schema import RecipeConfig

if TYPE_CHECKING:
    import pyarrow as pa

    from midtrain.models.merge_search import Members

CHOICE = "choice.json"
_MODEL = "model"


def alpha_name(alpha: float, seed: int) -> str:
    """The step that measures seed `seed` with the share `alpha` of the other model."""
    return f"merge/alpha-{alpha:g}/seed-{seed}"


def make_soup(recipe: RecipeConfig, draft: Draft, inputs: dict[str, Artifact]) -> None:
    """The average of all seeds."""
    _average([inputs[f"export/ours/seed-{seed}"] for seed in recipe.seeds], draft)
    _prove(draft)


def make_greedy_soup(recipe: RecipeConfig, draft: Draft, inputs: dict[str, Artifact]) -> None:
    """The average of the seeds that a greedy soup takes by the target, and its candidates' scores."""
    from midtrain.models.merge_search import greedy_soup

    tables: dict[Members, Any] = {
        (place,): _items(inputs[f"evaluate/ours/seed-{seed}"]) for place, seed in enumerate(recipe.seeds)
    }

    def scored(members: Members, choosing: bool) -> float:
        if members not in tables:
            say(f"greedy soup: seeds {', '.join(str(recipe.seeds[place]) for place in members)}")
            candidate = Draft(draft.path / "candidate")
            _average([inputs[f"export/ours/seed-{recipe.seeds[place]}"] for place in members], candidate)
            tables[members] = _measured(recipe, candidate, inputs)
            shutil.rmtree(candidate.path)
        return _target_value(recipe, half(tables[members], choosing))

    soup = greedy_soup(len(recipe.seeds), lambda one: scored(one, True), lambda one: scored(one, False))
    _average([inputs[f"export/ours/seed-{recipe.seeds[place]}"] for place in soup.members], draft)
    _prove(draft)
    named = {
        members: [recipe.seeds[place] for place in members] for members in (soup.members, soup.chosen, *soup.scores)
    }
    choice = {
        "seeds": named[soup.members],
        "chosen": named[soup.chosen],
        "confirmed": soup.confirmed,
        "candidates": [{"seeds": named[members], "score": score} for members, score in soup.scores.items()],
    }
    (draft.path / CHOICE).write_text(json.dumps(choice, indent=1))


def evaluate_alpha(recipe: RecipeConfig, alpha: float, draft: Draft, inputs: dict[str, Artifact]) -> None:
    """Scores of one seed merged with the share `alpha` of the parent; the weights are made again when chosen."""
    _repaired(alpha, draft, inputs)
    _measured(recipe, draft, inputs)


def make_choice(recipe: RecipeConfig, draft: Draft, inputs: dict[str, Artifact]) -> None:
    """The alpha that gains most on the target without breaking the guard, on the half that choices are made on."""
    from midtrain.evaluation.guard import judge
    from midtrain.models.merge_search import Attempt, choose_repair

    assert isinstance(recipe.merge, RepairConfig)
    parent = half(_items(inputs["evaluate/parent"]), choosing=True)
    attempts = []
    for alpha in (0.0, *recipe.merge.alphas):
        tables = {seed: half(table, choosing=True) for seed, table in _tables(recipe, alpha, inputs).items()}
        verdict = judge(parent, {}, tables, recipe.guard)["guard"]["verdict"]
        score = sum(_target_value(recipe, table) for table in tables.values()) / len(tables)
        attempts.append(Attempt(alpha, verdict, score))
    chosen = choose_repair(attempts)
    choice = {"alpha": chosen.alpha if chosen else None, "attempts": [vars(one) for one in attempts]}
    (draft.path / CHOICE).write_text(json.dumps(choice, indent=1))


def make_repaired(draft: Draft, inputs: dict[str, Artifact]) -> None:
    """One seed's model with the chosen share of the parent; as it is when no share keeps the guard."""
    alpha = _choice(inputs["merge/choice"])["alpha"] or 0.0
    _repaired(alpha, draft, inputs)
    draft.facts["alpha"] = alpha
    _prove(draft)


def make_merge_scores(recipe: RecipeConfig, draft: Draft, inputs: dict[str, Artifact]) -> None:
    """Judge the merged models as ours are judged, and against ours."""
    from midtrain.evaluation.guard import judge

    assert recipe.merge is not None
    choice = _choice(inputs["merge/choice"]) if "merge/choice" in inputs else None
    if isinstance(recipe.merge, RepairConfig):
        assert choice is not None
        merged = _tables(recipe, choice["alpha"] or 0.0, inputs)
    else:
        merged = {recipe.seeds[0]: _items(inputs["merge/evaluate"])}
    unseen = not isinstance(recipe.merge, SoupConfig)

    def tables(arm: str) -> dict[int, pa.Table]:
        names = {seed: f"evaluate/{arm}/seed-{seed}" for seed in recipe.seeds}
        return {seed: _judged(_items(inputs[name]), unseen) for seed, name in names.items() if name in inputs}

    parent = _judged(_items(inputs["evaluate/parent"]), unseen)
    mine = {seed: _judged(table, unseen) for seed, table in merged.items()}
    scores = judge(parent, tables("control"), mine, recipe.guard, recipe.target)
    against = judge(parent, tables("ours"), mine, recipe.guard)["capabilities"]
    for name, row in against.items():
        scores["capabilities"][name] |= {
            "unmerged": row["control"],
            "vs_unmerged": row["vs_control"],
            "vs_unmerged_interval": row["vs_control_interval"],
        }
    found = {"method": recipe.merge.method, "choice": choice, "items": "half" if unseen else "all", **scores}
    (draft.path / SCORES).write_text(json.dumps(found, indent=1))
    from midtrain.report.words import merge_sentence

    say(merge_sentence(found))


def half(table: pa.Table, choosing: bool) -> pa.Table:
    """The items that choices are made on, or the others that they are judged on: by a hash of the item's name."""
    import pyarrow as pa

    even = [derive_key("merge", item) % 2 == 0 for item in table.column("item").to_pylist()]
    return table.filter(pa.array([one == choosing for one in even]))


def _judged(table: pa.Table, unseen: bool) -> pa.Table:
    return half(table, choosing=False) if unseen else table


def _items(artifact: Artifact) -> pa.Table:
    from midtrain.evaluation.scores import read_scores

    return read_scores(artifact.path / ITEMS)


def _tables(recipe: RecipeConfig, alpha: float, inputs: dict[str, Artifact]) -> dict[int, pa.Table]:
    """Seed -> scores with the share `alpha`; of the seeds as they are at 0."""
    return {
        seed: _items(inputs[alpha_name(alpha, seed) if alpha else f"evaluate/ours/seed-{seed}"])
        for seed in recipe.seeds
    }


def _choice(artifact: Artifact) -> dict[str, Any]:
    return json.loads((artifact.path / CHOICE).read_text())


def _target_value(recipe: RecipeConfig, table: pa.Table) -> float:
    """The target capability's value, higher is better."""
    from midtrain.core.errors import UserError
    from midtrain.evaluation.scores import LOWER_IS_BETTER, capabilities

    assert recipe.target is not None
    found = capabilities(table).get(recipe.target.capability)
    if found is None:
        raise UserError(
            f"{recipe.target.capability} has too few items to choose a merge by half of them; measure more."
        )
    return -found.value if LOWER_IS_BETTER[found.metric] else found.value


def _average(exports: list[Artifact], draft: Draft) -> None:
    from midtrain.models.merge_config import MergeConfig
    from midtrain.models.merge_files import merge_files

    folders = [model_folder(export) for export in exports]
    if len(folders) == 1:
        shutil.copytree(folders[0], draft.path / _MODEL)
    else:
        merge_files(MergeConfig.model_validate({"models": [str(one) for one in folders]}), draft.path / _MODEL)


def _repaired(alpha: float, draft: Draft, inputs: dict[str, Artifact]) -> None:
    from midtrain.models.merge_config import MergeConfig
    from midtrain.models.merge_files import merge_files

    ours, parent = (str(model_folder(inputs[name])) for name in ("export", "base"))
    models = [{"path": ours, "weight": 1 - alpha}, {"path": parent, "weight": alpha}]
    merge_files(MergeConfig.model_validate({"models": models}), draft.path / _MODEL)


def _measured(recipe: RecipeConfig, draft: Draft, inputs: dict[str, Artifact]) -> pa.Table:
    """Evaluate the model in the draft and take it away again; its scores stay in the draft, and are returned."""
    made = Artifact(draft.path, {"facts": {"folder": None}})
    evaluate_model(recipe, draft, {**inputs, "model": made})
    shutil.rmtree(draft.path / _MODEL)
    return _items(made)


def _prove(draft: Draft) -> None:
    """Note where the model lies, and that plain transformers reads it as we do."""
    from midtrain.models.load import load_model
    from midtrain.models.parity import check_load

    folder: Path = draft.path / _MODEL
    draft.facts["folder"] = None
    draft.facts["parity"] = check_load(load_model(folder), folder)
