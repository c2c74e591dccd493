"""Steps that make data: documents, token stores, packed windows. Rooms are imported when a step is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from midtrain.core.artifact import Artifact, Draft
from midtrain.core.errors import UserError
from midtrain.documents.config import HoldoutConfig, SourceConfig
from midtrain.recipe.schema import ProblemSourceConfig
from midtrain.tokens.config import Part
from midtrain.training.config import StageConfig

if TYPE_CHECKING:
    import numpy as np

    from midtrain.tokens.store import TokenStore


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


def make_packed(stage: StageConfig, part: Part, draft: Draft, inputs: dict[str, Artifact]) -> None:
    """Lay a token store, or the part of it that the mixture reads, into windows of the stage's context."""
    import numpy as np

    from midtrain.tokens.lengths import chosen, compression_ratios, ordinary, pack_part
    from midtrain.tokens.packing import pack
    from midtrain.tokens.store import TokenStore

    store = TokenStore.open(inputs["tokens"].path)
    order = stage.mixture.order.get(part.source)
    attribute = None if order is None else np.asarray(store.table([order]).column(order))
    how: dict[str, Any] = {"seed": 0, "attribute": attribute, "group": stage.packing.group}
    if part == Part(part.source, part.source):
        packed = pack(store.lengths, stage.context, **how)
    else:
        keep = chosen(store.lengths, part, stage.context)
        if part.trim:
            rows = np.flatnonzero(keep)
            texts = _texts_of(inputs["documents"], store, rows)
            keep[rows[~ordinary(compression_ratios(texts), part.trim)]] = False
        if not keep.any():
            raise UserError(
                f"{part.name} has no documents: none of {len(store.lengths)} has a length that fits; the longest has "
                f"{store.lengths.max(initial=0)} tokens. Change mixture.lengths.{part.source}."
            )
        packed = pack_part(store.lengths, keep, part, stage.context, **how)
    packed.save(draft.path)
    draft.counts.update(packed.facts)


def _texts_of(documents: Artifact, store: TokenStore, rows: np.ndarray) -> Iterator[str]:
    """The texts of some documents of the store, in its order."""
    from midtrain.documents.store import Documents

    names = store.table(["id"])["id"].to_pylist()
    wanted, place = [names[row] for row in rows], 0
    for table in Documents(documents.path).tables("train", ["id", "text", "messages"]):
        for row in table.to_pylist():
            if place < len(wanted) and row["id"] == wanted[place]:
                place += 1
                said = row["text"] or "\n".join(str(turn.get("content", "")) for turn in row["messages"] or [])
                yield said
    assert place == len(wanted), "the token store and its documents differ in order"
