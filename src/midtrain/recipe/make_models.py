"""Steps that make models: tokenizer, base, trained stages, exports. Rooms are imported when a step is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midtrain.core.artifact import Artifact, Draft
from midtrain.core.fingerprint import file_digest
from midtrain.core.run import Run
from midtrain.models.config import BaseConfig
from midtrain.recipe.schema import RecipeConfig
from midtrain.training.config import StageConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from midtrain.training.decisions import Hook

_TOKENIZER_FILES = ("tokenizer*", "special_tokens_map.json", "added_tokens.json", "chat_template*", "vocab*", "merges*")
_WEIGHT_FILES = ("config.json", "*.safetensors", "*.safetensors.index.json", "training_state.json")
_DIGEST_UP_TO_BYTES = 64 << 20
_TOKENIZER_TEXT_BYTES = 12_000_000


def tokenizer_sources(recipe: RecipeConfig) -> list[str]:
    """The sources the tokenizer is trained on; empty when the base brings its own."""
    config = recipe.base.tokenizer
    return list(config.train.sources) if config is not None and config.train is not None else []


def tokenizer_asked(base: BaseConfig) -> dict[str, Any]:
    """What decides the tokenizer: the digests of its files, or how it is trained."""
    from midtrain.models.locate import resolve_base

    if base.tokenizer is not None and base.tokenizer.train is not None:
        return {"train": base.tokenizer.train.model_dump(mode="json")}
    path = base.path if base.tokenizer is None else base.tokenizer.path
    assert path is not None
    return {"files": _identity(resolve_base(path), _TOKENIZER_FILES)}


def base_asked(base: BaseConfig) -> dict[str, Any]:
    """What decides the base: its files, or its architecture."""
    from midtrain.models.locate import resolve_base

    if base.path is None:
        return {"architecture": base.architecture, "seed": 0}
    return {"path": base.path, "files": _identity(resolve_base(base.path), _WEIGHT_FILES)}


def _identity(folder: Path, patterns: tuple[str, ...]) -> dict[str, Any]:
    """Digests of small files; size and time of large ones (digesting a 70B checkpoint takes minutes)."""
    found = {}
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
        facts = path.stat()
        large = facts.st_size > _DIGEST_UP_TO_BYTES
        found[path.name] = [facts.st_size, facts.st_mtime_ns] if large else file_digest(path)
    return found


def make_tokenizer(base: BaseConfig, draft: Draft, inputs: dict[str, Artifact]) -> None:
    """Copy the base's tokenizer, or train one on the documents."""
    from midtrain.models.tokenizer import Tokenizer, train_tokenizer

    if base.tokenizer is not None and base.tokenizer.train is not None:
        tokenizer = train_tokenizer(_texts(inputs), base.tokenizer.train.vocab_size, draft.path)
    else:
        path = base.path if base.tokenizer is None else base.tokenizer.path
        assert path is not None
        tokenizer = Tokenizer.load(path)
        tokenizer.hf.save_pretrained(draft.path)
    draft.counts["vocab_size"] = tokenizer.vocab_size
    draft.facts["digest"] = tokenizer.digest


def _texts(inputs: dict[str, Artifact]) -> Iterator[str]:
    """Training text for the tokenizer: an equal number of bytes from each source."""
    from midtrain.documents.store import Documents

    for artifact in inputs.values():
        left = _TOKENIZER_TEXT_BYTES // len(inputs)
        for table in Documents(artifact.path).tables("train", ["text"]):
            for text in table.column("text").to_pylist():
                if text and left > 0:
                    left -= len(text.encode())
                    yield text
            if left <= 0:
                break


def make_base(base: BaseConfig, draft: Draft, inputs: dict[str, Artifact]) -> None:
    """Prove that a checkpoint is read as plain transformers reads it; or initialise one and keep it."""
    from midtrain.models.export import export
    from midtrain.models.load import init_model, load_model, resolve_base
    from midtrain.models.parity import check_load
    from midtrain.models.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(inputs["tokenizer"].path)
    if base.path is None:
        assert base.architecture is not None
        model = init_model(base.architecture, tokenizer, seed=0)
        export(model, tokenizer, draft.path / "model")
        folder = draft.path / "model"
        draft.facts["folder"] = None
    else:
        folder = resolve_base(base.path)
        model = load_model(folder)
        draft.facts["folder"] = str(folder)
    draft.facts["parity"] = check_load(model, folder)
    draft.counts["parameters"] = sum(p.numel() for p in model.parameters())


def model_folder(artifact: Artifact) -> Path:
    """The Hugging Face folder of a base or export artifact."""
    folder = artifact.manifest["facts"]["folder"]
    return artifact.path / "model" if folder is None else Path(folder)


def build_model(base: Artifact, stages: Mapping[str, StageConfig], upto: str) -> PreTrainedModel:
    """The base with the context and RoPE that the stages up to `upto` have given it (a later stage keeps them)."""
    from midtrain.models.load import load_model

    reached = list(stages.values())[: list(stages).index(upto) + 1]
    ropes = [stage.rope for stage in reached if stage.rope is not None]
    context = max(stage.context for stage in reached)
    return load_model(model_folder(base), context=context, rope=ropes[-1] if ropes else None)


def train_stage(
    recipe: RecipeConfig,
    arm: str,
    seed: int,
    stage_name: str,
    run: Run,
    inputs: dict[str, Artifact],
    hook: Hook | None = None,
) -> Draft:
    """Train one stage of one arm; resumes from the run's newest checkpoint. `hook` may stop or remix it."""
    from midtrain.recipe.data import stage_data
    from midtrain.training.loop import train
    from midtrain.training.state import base_state, final_state
    from midtrain.training.trackers import Trackers

    stages = recipe.arms()[arm]
    names = list(stages)
    before = names[: names.index(stage_name)]
    prefix = f"train/{arm}/seed-{seed}/"
    runs = {name: inputs[prefix + name].path for name in before if prefix + name in inputs}
    data = stage_data(stages, stage_name, seed, {name: a.path for name, a in inputs.items()}, runs)
    model = build_model(inputs["base"], stages, stage_name)
    folder = model_folder(inputs["base"])
    initial = final_state(inputs[prefix + before[-1]]) if before else base_state(folder)
    label, out = f"{arm} seed {seed} {stage_name}", run.path.parents[5]
    place = out / "trackers" / run.path.relative_to(out / "artifacts" / "train")
    trackers = Trackers(recipe.trackers, run.journal, place, f"{recipe.name}/{label} {run.path.name}")
    try:
        return train(
            model=model,
            data=data,
            config=stages[stage_name],
            run=run,
            initial=initial,
            hook=hook,
            seed=seed,
            label=label,
            inspect=f"midtrain inspect {out} --arm {arm} --seed {seed} --stage {stage_name}",
            trackers=trackers,
        )
    finally:
        trackers.close()


def export_arm(recipe: RecipeConfig, arm: str, draft: Draft, inputs: dict[str, Artifact]) -> None:
    """Write the trained model as a Hugging Face folder and prove that plain transformers reads it alike."""
    from midtrain.models.export import export
    from midtrain.models.parity import check_export
    from midtrain.models.tokenizer import Tokenizer
    from midtrain.training.state import final_state

    stages = recipe.arms()[arm]
    model = build_model(inputs["base"], stages, list(stages)[-1])
    state = final_state(inputs["trained"])
    state.load_weights(model)
    tokenizer = Tokenizer.load(inputs["tokenizer"].path)
    folder = draft.path / "model"
    moments = state.moments if recipe.export.moments else None
    export(model, tokenizer, folder, training_state=state.training_state(), moments=moments)
    draft.facts["folder"] = None
    draft.facts["parity"] = check_export(folder, model, tokenizer)
    draft.counts["parameters"] = sum(p.numel() for p in model.parameters())
