"""Steps that make data: documents, token stores, packed windows. Rooms are imported when a step is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from midtrain.core.artifact import Artifact, Draft
from midtrain.core.errors import UserError
from midtrain.documents.config import HoldoutConfig, SourceConfig
from midtrain.recipe.schema import ProblemSourceConfig
from midtrain.training.config import StageConfig


def identity(source: SourceConfig) -> dict[str, Any]:
    """What the files of a source are, without reading them: enters the fingerprint of its documents."""
    from midtrain.documents.collect import source_identity

    return source_identity(source)


def make_documents(
    name: str, source: SourceConfig | ProblemSourceConfig, holdout: HoldoutConfig, draft: Draft, _: dict[str, Artifact]
) -> None:
    """Read a source (or generate its problems) through the one door into documents."""
    from midtrain.documents.collect import collect, collect_source

    if isinstance(source, ProblemSourceConfig):
        collect(rows_of(source), source=name, holdout=holdout, draft=draft)
    else:
        collect_source(source, source=name, holdout=holdout, draft=draft)


def rows_of(source: SourceConfig | ProblemSourceConfig) -> Iterator[Any]:
    """The rows of a source as its readers (or generators) give them, unchecked."""
    if isinstance(source, ProblemSourceConfig):
        from midtrain.verify.generate import generate
        from midtrain.verify.problem import to_document

        return (to_document(problem, form=source.form) for problem in generate(source.problems))
    from midtrain.documents.reading.read import read_rows

    return read_rows(source)


def make_tokens(split: str, draft: Draft, inputs: dict[str, Artifact]) -> None:
    """Encode one split of the documents into a TokenStore."""
    from midtrain.documents.store import Documents
    from midtrain.models.tokenizer import Tokenizer
    from midtrain.tokens.build import build_store

    documents = Documents(inputs["documents"].path)
    tokenizer = Tokenizer.load(inputs["tokenizer"].path)
    if split == "heldout" and documents.count("heldout") == 0:
        name = inputs["documents"].manifest["asked"]["name"]
        raise UserError(
            f"{name} has no held-out documents to measure on; raise holdout.share (or give it more groups), or leave "
            "it out of evaluation.bits_per_byte."
        )
    build_store(documents, tokenizer, draft, split=split)


def make_packed(stage: StageConfig, source: str, draft: Draft, inputs: dict[str, Artifact]) -> None:
    """Lay a token store into windows of the stage's context."""
    import numpy as np

    from midtrain.tokens.packing import pack
    from midtrain.tokens.store import TokenStore

    store = TokenStore.open(inputs["tokens"].path)
    attribute = None
    order = stage.mixture.order.get(source)
    if order is not None:
        column = store.table([order]).column(order)
        attribute = np.asarray(column)
    packed = pack(store.lengths, stage.context, seed=0, attribute=attribute, group=stage.packing.group)
    packed.save(draft.path)
    draft.counts.update(packed.facts)
