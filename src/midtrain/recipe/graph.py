"""The recipe as a graph of steps: what is made from what, and under which name.

    documents/<source>            read, deduplicate exactly, split
    curated/<source>              what curation leaves of it, where the recipe curates (see curation_graph.py)
    tokenizer                     the base's own, or trained from documents
    base                          loaded and proven equal to plain transformers, or initialised
    tokens/<source>               the training split as a TokenStore
    heldout/<source>              the held-out split as a TokenStore
    packed/<source>-<context>     windows of one context length
    train/<arm>/seed-<n>/<stage>  a Run
    export/<arm>/seed-<n>         a Hugging Face folder, proven equal to the trained model
    evaluate/parent, evaluate/<arm>/seed-<n>
    merge/...                     one more arm made of the others, where the recipe merges (see merge_graph.py)
    scores                        every capability: parent, control, ours, intervals, guard, target
    report                        one HTML file

Only what decides a step's content is in its `asked`: how often to log or to save a checkpoint is not, so changing it
runs nothing again. The makers (in `make_*.py`) import their rooms when they are called, so that naming the graph is
instant.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from midtrain.core.steps import Step, Steps
from midtrain.evaluation.problem_sets import file_digests
from midtrain.recipe import make_data, make_evidence, make_models
from midtrain.recipe.curation_graph import curation_steps, documents_name
from midtrain.recipe.merge_graph import merge_steps
from midtrain.recipe.schema import DocumentsConfig, ProblemSourceConfig, RecipeConfig
from midtrain.tokens.config import PackingConfig, Part
from midtrain.training.config import StageConfig

# How often to write things down is not part of what is trained.
NOT_CONTENT = {"checkpoint_every", "keep_checkpoints", "log_every", "hang_after"}


def artifacts_folder(out: Path) -> Path:
    """Where the artifacts of the run folder `out` lie."""
    return out / "artifacts"


def build_graph(recipe: RecipeConfig, out: Path) -> Steps:
    """The steps of a recipe in order. Reads file sizes and the tokenizer's files, nothing else."""
    steps = [*document_steps(recipe), *_base_steps(recipe), *_token_steps(recipe)]
    for arm, stages in recipe.arms().items():
        for seed in recipe.seeds:
            steps += _arm_steps(recipe, arm, seed, stages)
    steps += _evidence_steps(recipe, out)
    return Steps(artifacts_folder(out), steps)


def _dump(config: Any, exclude: set[str] | None = None) -> Any:
    return config.model_dump(mode="json", exclude=exclude)


def build_documents_graph(recipe: DocumentsConfig, out: Path) -> Steps:
    """The steps that make documents, and no others."""
    return Steps(artifacts_folder(out), document_steps(recipe))


def document_steps(recipe: DocumentsConfig) -> list[Step]:
    """Reading and curation, in order."""
    steps = []
    for name, source in recipe.sources.items():
        asked = {"source": _dump(source, {"curate"}), "name": name, "holdout": _dump(recipe.holdout)}
        if not isinstance(source, ProblemSourceConfig):
            asked["identity"] = make_data.identity(source)
        make = partial(make_data.make_documents, name, source, recipe.holdout)
        steps.append(Step(f"documents/{name}", 1, asked, (), make))
    return steps + curation_steps(recipe)


def _base_steps(recipe: RecipeConfig) -> list[Step]:
    base = recipe.base
    trained_from = make_models.tokenizer_sources(recipe)
    tokenizer = Step(
        "tokenizer",
        1,
        make_models.tokenizer_asked(base),
        tuple(documents_name(recipe, name) for name in trained_from),
        partial(make_models.make_tokenizer, base),
    )
    model = Step("base", 1, make_models.base_asked(base), ("tokenizer",), partial(make_models.make_base, base))
    return [tokenizer, model]


def _token_steps(recipe: RecipeConfig) -> list[Step]:
    steps = []
    for name in recipe.sources:
        documents = documents_name(recipe, name)
        needs = (documents, "tokenizer")
        aliases = {documents: "documents"}
        for room, split in (("tokens", "train"), ("heldout", "heldout")):
            if split == "heldout" and name not in measured_sources(recipe):
                continue
            make = partial(make_data.make_tokens, split)
            steps.append(Step(f"{room}/{name}", 1, {"split": split}, needs, make, aliases=aliases))
    packings: dict[str, Step] = {}
    for stages in recipe.arms().values():
        for stage in stages.values():
            for name in stage.mixture.parts():
                step = _packed_step(recipe, name, stage)
                packings[step.name] = step
    return steps + list(packings.values())


def packed_name(name: str, stage: StageConfig) -> str:
    """The step that packs a source (or a part of one) for the stage's context and packing settings."""
    part, packing = stage.mixture.parts()[name], stage.packing
    order = stage.mixture.order.get(part.source)
    grouped = "" if packing == PackingConfig() else f"-in-{packing.group}"
    grouped += f"-cut-{part.longest}" if part.longest else ""
    grouped += ("-whole" if part.whole else "") + (f"-trim-{part.trim:g}" if part.trim else "")
    return f"packed/{name}-{stage.context}" + (f"-by-{order}" if order else "") + grouped


def _packed_step(recipe: RecipeConfig, name: str, stage: StageConfig) -> Step:
    part = stage.mixture.parts()[name]
    order = stage.mixture.order.get(part.source)
    asked: dict[str, Any] = {"context": stage.context, "packing": _dump(stage.packing), "order": order}
    if part != Part(name, name):
        asked["part"] = asdict(part)
    tokens, documents = f"tokens/{part.source}", documents_name(recipe, part.source)
    aliases = {tokens: "tokens"} | ({documents: "documents"} if part.trim else {})  # compressibility is the texts'
    make = partial(make_data.make_packed, stage, part)
    return Step(packed_name(name, stage), 1, asked, tuple(aliases), make, aliases=aliases)


def measured_sources(recipe: RecipeConfig) -> list[str]:
    """The sources whose held-out split is read to measure something: documents, not generated problems."""
    documents, evaluation = recipe.document_sources(), recipe.evaluation
    wanted = {*evaluation.measured(documents), *evaluation.positioned(documents)}
    return [name for name in documents if name in wanted]


def _arm_steps(recipe: RecipeConfig, arm: str, seed: int, stages: dict[str, StageConfig]) -> list[Step]:
    steps: list[Step] = []
    before: list[str] = []
    data: list[str] = []
    for stage_name, stage in stages.items():
        own = [f"tokens/{name}" for name in stage.mixture.source_names()]
        own += [packed_name(name, stage) for name in stage.mixture.parts()]
        data += own
        name = f"train/{arm}/seed-{seed}/{stage_name}"
        # To go on in the data of the stages before, one must know what each of them read.
        goes_on = stage.carry.data_position == "keep"
        needs = ("tokenizer", "base", *(before if goes_on else before[-1:]), *(data if goes_on else own))
        asked = {"stage": _dump(stage, NOT_CONTENT), "seed": seed}
        make = partial(make_models.train_stage, recipe, arm, seed, stage_name)
        steps.append(Step(name, 1, asked, tuple(dict.fromkeys(needs)), make, watched=True))
        before.append(name)
    steps.append(
        Step(
            f"export/{arm}/seed-{seed}",
            1,
            {"export": _dump(recipe.export)},
            ("tokenizer", "base", before[-1]),
            partial(make_models.export_arm, recipe, arm),
            aliases={before[-1]: "trained"},
        )
    )
    return steps


def _evidence_steps(recipe: RecipeConfig, out: Path) -> list[Step]:
    evaluation = _dump(recipe.evaluation)
    digests = file_digests(recipe.evaluation.problems)
    if digests:
        evaluation = evaluation | {"files": digests}
    heldout = tuple(f"heldout/{name}" for name in measured_sources(recipe))
    models = {"evaluate/parent": "base"}
    for arm in recipe.arms():
        models |= {f"evaluate/{arm}/seed-{seed}": f"export/{arm}/seed-{seed}" for seed in recipe.seeds}
    context = max(stage.context for stage in recipe.stages.values())
    steps = []
    asked = {"evaluation": evaluation, "context": context}
    for name, model in models.items():
        make = partial(make_evidence.evaluate_model, recipe)
        needs = tuple(dict.fromkeys(("tokenizer", "base", model, *heldout)))
        aliases = {} if model == "base" else {model: "model"}
        steps.append(Step(name, 1, asked, needs, make, aliases=aliases))
    judged = {
        "guard": _dump(recipe.guard),
        "target": _dump(recipe.target) if recipe.target else None,
        "seeds": recipe.seeds,
        "arms": list(recipe.arms()),
    }
    scores = Step("scores", 1, judged, tuple(models), partial(make_evidence.make_scores, recipe))
    everything = [step.name for step in document_steps(recipe)] + [f"tokens/{name}" for name in recipe.sources]
    for arm, stages in recipe.arms().items():
        for seed in recipe.seeds:
            everything += [f"train/{arm}/seed-{seed}/{stage}" for stage in stages] + [f"export/{arm}/seed-{seed}"]
        for stage in stages.values():
            everything += [packed_name(name, stage) for name in stage.mixture.parts()]
    merged = merge_steps(recipe, asked, heldout)
    needs = tuple(dict.fromkeys(["base", *everything, *models, "scores", *(step.name for step in merged)]))
    shown = _dump(recipe, {"trackers"} if recipe.merge else {"trackers", "merge"})
    report = Step("report", 2, {"recipe": shown}, needs, partial(make_evidence.make_report, recipe))
    return [*steps, scores, *merged, report]
