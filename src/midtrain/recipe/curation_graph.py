"""The steps between a source's documents and its curated documents, for the recipe's graph.

    documents/<s> --> scorers/<s> --> attributes/<s> --> filter/<s> --> matches --> contamination --> duplicates --+
                      train, fit      measure once       thresholds     search      what is dropped                |
                                                                                   cut, mask, write: curated/<s> <-+

Measuring is asked apart from deciding: what `attributes` asks holds no threshold, so changing one runs `filter` and
what comes after it; so it is with `matches` and the verdicts on them. Each step looks only at what the steps before it
left, so that no keeper of a duplicate, and no first place of a passage, is itself dropped.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from midtrain.core.errors import UserError
from midtrain.core.steps import Step
from midtrain.documents.curation.config import CurateConfig
from midtrain.documents.decontamination.config import DecontaminateConfig, ItemsConfig
from midtrain.documents.deduplication.config import DeduplicateConfig
from midtrain.evaluation.problem_sets import file_digests
from midtrain.recipe import make_curation
from midtrain.recipe.schema import DocumentsConfig, RecipeConfig

UNCURATED = CurateConfig(languages=None)
"""Of a source that is only searched for duplicates."""


def documents_name(recipe: DocumentsConfig, source: str) -> str:
    """The step whose documents are trained on and measured with: curated where the recipe curates."""
    return f"{'curated' if source in recipe.curated_sources() else 'documents'}/{source}"


def curation_steps(recipe: DocumentsConfig) -> list[Step]:
    """All steps of curation in order; none when the recipe asks for none."""
    steps: list[Step] = []
    for name in recipe.annotated_sources():
        steps += _source_steps(recipe, name)
    if recipe.decontaminate is not None:
        steps += [_matches(recipe, recipe.decontaminate), _contamination(recipe.decontaminate)]
    if recipe.deduplicate is not None and recipe.annotated_sources():
        steps.append(_duplicates(recipe, recipe.deduplicate))
    return steps + [_curated(recipe, name) for name in recipe.curated_sources()]


def _source_steps(recipe: DocumentsConfig, name: str) -> list[Step]:
    config = recipe.curation_of(name) or UNCURATED
    documents, attributes = f"documents/{name}", f"attributes/{name}"
    near = recipe.deduplicate.near if recipe.deduplicate else None
    steps = []
    needs: tuple[str, ...] = (documents,)
    aliases = {documents: "documents"}
    if config.quality is not None:
        scorers = f"scorers/{name}"
        asked = make_curation.scorers_asked(config.quality)
        steps.append(
            Step(scorers, 1, asked, needs, partial(make_curation.make_scorers, config.quality), aliases=aliases)
        )
        needs, aliases = (documents, scorers), {**aliases, scorers: "scorers"}
    asked = {"curate": make_curation.measured_asked(config), "near": _near(near)}
    traces = recipe.traces_of(name)
    if traces is not None:
        asked["traces"] = traces.model_dump(mode="json", exclude={"sources", "drop"})
    make = partial(make_curation.make_attributes, name, config, near, traces)
    steps.append(Step(attributes, 1, asked, needs, make, aliases=aliases))
    aliases = {documents: "documents", attributes: "attributes"}
    make = partial(make_curation.make_filter, name, config, traces)
    asked = config.model_dump(mode="json", exclude={"pii", "lines"}) | {"pii": config.pii and config.pii.kinds("drop")}
    if traces is not None:
        asked["traces"] = traces.model_dump(mode="json", include={"drop"})
    needs = (documents, attributes)
    if config.quality is not None and any(keep.precision is not None for keep in config.quality.keep):
        needs, aliases = (*needs, f"scorers/{name}"), {**aliases, f"scorers/{name}": "scorers"}
    steps.append(Step(f"filter/{name}", 1, asked, needs, make, aliases=aliases))
    return steps


def _near(near: Any) -> Any:
    return near and near.model_dump(mode="json", exclude={"threshold"})


def _matches(recipe: DocumentsConfig, config: DecontaminateConfig) -> Step:
    problems: dict[str, Any] = {}
    if "evaluation" in config.against:
        if not isinstance(recipe, RecipeConfig) or not recipe.evaluation.problems:
            raise UserError(
                "decontaminate.against names the evaluation, but the recipe evaluates no problems; name files of items "
                "instead, or add evaluation.problems."
            )
        problems = dict(recipe.evaluation.problems)
    files = [one for one in config.against if isinstance(one, ItemsConfig)]
    asked = {
        "settings": config.model_dump(mode="json", exclude={"drop", "verdicts"}),
        "problems": {name: one.model_dump(mode="json") for name, one in problems.items()},
        "identity": [make_curation.items_identity(one) for one in files],
    }
    digests = file_digests(problems)
    if digests:
        asked["files"] = digests
    needs = [f"documents/{name}" for name in recipe.sources]
    needs += [f"filter/{name}" for name in recipe.annotated_sources()]
    curation = {name: recipe.curation_of(name) for name in recipe.sources}
    asked |= make_curation.hidden_asked(curation)
    make = partial(make_curation.make_matches, config, problems, curation)
    return Step("matches", 1, asked, tuple(needs), make)


def _contamination(config: DecontaminateConfig) -> Step:
    make = partial(make_curation.make_contamination, config)
    return Step("contamination", 1, make_curation.verdicts_asked(config), ("matches",), make)


def _duplicates(recipe: DocumentsConfig, config: DeduplicateConfig) -> Step:
    names = recipe.annotated_sources()
    needs = [f"{room}/{name}" for name in names for room in ("documents", "attributes", "filter")]
    needs += ["contamination"] if recipe.decontaminate is not None else []
    scorers = {}
    for name in names if config.quality is not None else []:
        curation = recipe.curation_of(name)
        assert curation is not None, "checked by the schema"
        assert curation.quality is not None, "checked by the schema"
        scorers[name] = curation.quality.scorers[str(config.quality)]
    curated = {name: recipe.curation_of(name) for name in names}
    make = partial(make_curation.make_duplicates, config, curated, scorers)
    asked = config.model_dump(mode="json") | make_curation.hidden_asked(curated)
    return Step("duplicates", 2, asked, tuple(needs), make)


def _curated(recipe: DocumentsConfig, name: str) -> Step:
    config = recipe.curation_of(name) or UNCURATED
    aliases = {f"documents/{name}": "documents"}
    asked: dict[str, Any] = {"name": name}
    if recipe.decontaminate is not None:
        aliases["contamination"] = "contamination"
    if name in recipe.annotated_sources():
        aliases[f"filter/{name}"] = "filter"
        asked["pii"] = config.pii and config.pii.model_dump(mode="json")
        asked |= {"lines": config.lines} if config.lines else {}
        if recipe.deduplicate is not None:
            aliases["duplicates"] = "duplicates"
    make = partial(make_curation.make_curated, name, config)
    return Step(f"curated/{name}", 1, asked, tuple(aliases), make, aliases=aliases)
