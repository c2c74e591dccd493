"""Scorers behind one protocol: texts in, one number each out, and a description that names what decides it.

    fasttext    probability of a label, from a .bin or .ftz, or trained on labelled documents
    encoder     output of a transformers encoder's head, or of one fitted on frozen features
    closeness   likeness to a few hundred examples, against the source
    attributes  somebody else's numbers, read and checked against the documents' ids

What must be fitted first (`fit_scorer`) is fitted into a folder once, from which any number of processes load it. A
rubric's labels are distilled into a fastText model or an encoder's head by the same call: both are measured on held-out
examples, and the folder says how well (`evaluation.json`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from midtrain.core.errors import UserError, did_you_mean
from midtrain.core.fingerprint import file_digest
from midtrain.documents.curation.attributes import read_shard
from midtrain.documents.quality.calibration import evaluate_scores
from midtrain.documents.quality.closeness import closeness, fit_log_ratios, load_log_ratios, save_log_ratios
from midtrain.documents.quality.config import (
    AttributesConfig,
    ClosenessConfig,
    EncoderConfig,
    FastTextConfig,
    FastTextTrainingConfig,
    QualityConfig,
    ScorerConfig,
    must_fit,
)
from midtrain.documents.quality.examples import good_ones, heldout, numbers, read_examples
from midtrain.documents.store import Documents
from midtrain.text.fasttext import FastText, open_fasttext
from midtrain.text.fasttext_training import train_fasttext

PREFIX = "quality/"
EVALUATION = "evaluation.json"
_MODEL, _RATIOS, _HEAD = "model.bin", "ratios.npy", "head.safetensors"
_GOOD, _REST = "good", "rest"


class Scorer(Protocol):
    """Gives each text a number; higher is better."""

    def score(self, texts: pa.Array) -> np.ndarray:
        """float32 [N] of large_string [N]."""

    def describe(self) -> dict[str, Any]:
        """What decides the scores, for fingerprints and people: kind, digests of files, settings."""


class FastTextScorer:
    """The probability of one label."""

    def __init__(self, model: FastText, label: str):
        label = label.removeprefix("__label__")
        if label not in model.labels:
            raise UserError(f'{model.file.path} has no label "{label}".{did_you_mean(label, model.labels)}')
        self.model, self.label = model, label

    def score(self, texts: pa.Array) -> np.ndarray:
        """float32 [N]: as fastText reports it, 0 for a text of which the model knows nothing."""
        return np.ascontiguousarray(self.model.probabilities(texts)[:, self.model.labels.index(self.label)])

    def describe(self) -> dict[str, Any]:
        """The model file's digest and the label."""
        return {"kind": "fasttext", "digest": file_digest(self.model.file.path), "label": self.label}


class ClosenessScorer:
    """The mean log ratio of a text's words and word pairs."""

    def __init__(self, path: Path):
        self.path, self.log_ratio_B = path, load_log_ratios(path)

    def score(self, texts: pa.Array) -> np.ndarray:
        """float32 [N]."""
        return closeness(texts, self.log_ratio_B)

    def describe(self) -> dict[str, Any]:
        """The model file's digest."""
        return {"kind": "closeness", "digest": file_digest(self.path)}


def fit_scorer(config: ScorerConfig, folder: Path, source: Callable[[], pa.Array]) -> dict[str, Any]:
    """Make what `config` must fit in `folder` (which exists); returns what a report says about it.

    `source` gives a sample of the source's documents (large_string [M]); only closeness asks for it. Raises UserError
    for examples that cannot be used.
    """
    if isinstance(config, ClosenessConfig):
        facts = _fit_closeness(config, folder, source())
    elif isinstance(config, FastTextConfig):
        assert config.train is not None
        facts = _fit_fasttext(config.train, folder)
    else:
        assert isinstance(config, EncoderConfig)
        facts = _fit_head(config, folder)
    (folder / EVALUATION).write_text(json.dumps(facts))
    return facts


def _fit_fasttext(config: FastTextTrainingConfig, folder: Path) -> dict[str, Any]:
    where = config.examples.read
    examples = read_examples(config.examples)
    good_N, apart_N = good_ones(examples, config.good, where), heldout(examples.texts, config.heldout)
    _need_both(good_N, apart_N, where)
    labels = [_GOOD if good else _REST for good in good_N[~apart_N].tolist()]
    model = _train_two(config, examples.texts.filter(pa.array(~apart_N)), labels, folder)
    scores = FastTextScorer(model, _GOOD).score(examples.texts.filter(pa.array(apart_N)))
    return {"kind": "fasttext", "trained_on": len(labels), **evaluate_scores(scores, good_N[apart_N])}


def _train_two(config: FastTextTrainingConfig, texts: pa.Array, labels: list[str], folder: Path) -> FastText:
    settings = config.model_dump(exclude={"examples", "good", "heldout"})
    return train_fasttext(texts, labels, folder / _MODEL, **settings)


def _fit_closeness(config: ClosenessConfig, folder: Path, source: pa.Array) -> dict[str, Any]:
    examples = read_examples(config.examples, labelled=False).texts
    if not len(source):
        raise UserError("closeness is measured against the source's own documents, and it gave none.")
    source = source.slice(0, config.sample)
    apart_N, source_apart_N = heldout(examples, 0.2), heldout(source, 0.2)
    close_N = np.repeat([True, False], [int(apart_N.sum()), int(source_apart_N.sum())])
    test = pa.concat_arrays([examples.filter(pa.array(apart_N)), source.filter(pa.array(source_apart_N))])
    train, against = examples.filter(pa.array(~apart_N)), source.filter(pa.array(~source_apart_N))
    facts: dict[str, Any] = {"kind": "closeness", "examples": len(examples), "source": len(source)}
    if config.method == "ratio":
        fitted = fit_log_ratios(train, against, config.buckets, config.prior)
        scores = closeness(test, fitted)
        save_log_ratios(fit_log_ratios(examples, source, config.buckets, config.prior), folder / _RATIOS)
    else:
        training = FastTextTrainingConfig(examples=config.examples)
        labels = [_GOOD] * len(train) + [_REST] * len(against)
        model = _train_two(training, pa.concat_arrays([train, against]), labels, folder)
        scores = FastTextScorer(model, _GOOD).score(test)
    return facts | (evaluate_scores(scores, close_N) if 0 < close_N.sum() < len(close_N) else {})


def _fit_head(config: EncoderConfig, folder: Path) -> dict[str, Any]:
    from midtrain.documents.quality.encoder import Encoder, fit_head, save_head

    assert config.train is not None
    where = config.train.examples.read
    examples = read_examples(config.train.examples)
    label_N, apart_N = numbers(examples, where), heldout(examples.texts, config.train.heldout)
    good_N = good_ones(examples, config.train.good, where)
    _need_both(good_N, apart_N, where)
    encoder = Encoder.load(config)
    features_ND = encoder.features(examples.texts)
    head = fit_head(features_ND[~apart_N], label_N[~apart_N], config.train.ridge)
    save_head(head, folder / _HEAD)
    scores = head(features_ND[apart_N])
    error = float(np.sqrt(np.mean((scores - label_N[apart_N]) ** 2)))
    measured = evaluate_scores(scores, good_N[apart_N])
    return {"kind": "encoder", "trained_on": int((~apart_N).sum()), "root_mean_square_error": error, **measured}


def _need_both(good_N: np.ndarray, apart_N: np.ndarray, where: str) -> None:
    for part_N, what in ((apart_N, "kept apart to measure on"), (~apart_N, "to train on")):
        if not good_N[part_N].any() or good_N[part_N].all():
            raise UserError(f"{where}: the {int(part_N.sum())} examples {what} are all of one kind; label more.")


def load_scorer(config: ScorerConfig, folder: Path | None = None) -> Scorer:
    """The scorer that `config` declares; `folder` is where `fit_scorer` worked, for one that must be fitted.

    Raises UserError for a file that is not the model it should be.
    """
    assert folder is not None or not must_fit(config), "fit it first"
    assert not isinstance(config, AttributesConfig), "attributes are read, see attribute_scores"
    if isinstance(config, EncoderConfig):
        from midtrain.documents.quality.encoder import Encoder, EncoderScorer, load_head

        head = load_head(folder / _HEAD) if config.train and folder else None
        return EncoderScorer(Encoder.load(config), head)
    if isinstance(config, ClosenessConfig) and config.method == "ratio":
        return ClosenessScorer((folder or Path()) / _RATIOS)
    if isinstance(config, FastTextConfig) and config.path is not None:
        return FastTextScorer(open_fasttext(Path(config.path).expanduser()), str(config.label))
    return FastTextScorer(open_fasttext((folder or Path()) / _MODEL), _GOOD)


def quality_columns(config: QualityConfig, folder: Path | None) -> Callable[[pa.Array, pa.Table], dict[str, Any]]:
    """An annotator (see curation.annotate): the column quality/NAME of each scorer that reads text.

    What was fitted lies in `folder`/NAME.
    """
    scorers = {
        name: load_scorer(scorer, folder / name if folder else None)
        for name, scorer in config.scorers.items()
        if not isinstance(scorer, AttributesConfig)
    }
    return lambda texts, table: {PREFIX + name: pa.array(scorer.score(texts)) for name, scorer in scorers.items()}


def attribute_scores(config: AttributesConfig, documents: Documents) -> np.ndarray:
    """float32 [N]: the scores that others computed of all documents, nan where they have none.

    Raises UserError when a shard is missing or damaged, of other documents, or its column is missing or no number.
    """
    found = []
    for shard in documents.shards:
        path = Path(config.path).expanduser() / shard.name
        table = read_shard(path, shard, mend="correct the `path` of the scorer, or compute its scores again")
        if config.column not in table.column_names:
            others = [name for name in table.column_names if name != "id"]
            raise UserError(f'{path} has no column "{config.column}".{did_you_mean(config.column, others)}')
        column = table[config.column]
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            raise UserError(f'The column "{config.column}" of {path} is no number ({column.type}); name one that is.')
        found.append(np.asarray(pc.fill_null(column.cast(pa.float32()), float("nan"))))
    return np.concatenate(found)
