"""Quality scorers and language identification: as right as their libraries, faster, and how well they tell good text.

Speed and sameness: the same fastText file scored by our kernel and by the library, and the same bytes identified by our
kernel and by py3langid, turn by turn on one core; every score is compared. The library gets its texts as the list of
strings without line ends that it wants, made before the clock starts.

Quality: one passage of each document, so that no document is in training and in the test. Good: programs with their
documentation, worked mathematics, speeches, books. Rest: informal reviews, and good passages with their words shuffled.
fastText and an encoder's head (here the base model that ships with the package, frozen) learn from four fifths;
closeness gets 300 examples of worked mathematics and must find the rest of it. Without MIDTRAIN_DATA the text of the
Python installation stands in: documentation is good, sources and shuffled documentation are the rest.

Goals, set before the first run: AUC 0.95 for fastText and closeness, 0.85 for the encoder; calibration error under
0.05; no score off by more than 2e-6 from fastText's and no language other than py3langid's; 1.5 times the library's
megabytes a second with fastText, 10 times with language identification.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import fasttext
import numpy as np
import pyarrow as pa
from py3langid.langid import LanguageIdentifier

from benchmarks.data import data_folder, read_jsonl
from benchmarks.harness import Result, arguments, finish, interleave, median
from midtrain.core.config import parse
from midtrain.core.progress import be_quiet
from midtrain.documents.config import SourceConfig
from midtrain.documents.quality.config import QualityConfig
from midtrain.documents.quality.scorers import fit_scorer, load_scorer
from midtrain.documents.reading.read import read_rows
from midtrain.models.load import quiet_transformers
from midtrain.text.fasttext import FastText
from midtrain.text.fasttext_training import train_fasttext
from midtrain.text.language import FIRST_BYTES, identify

AUC = {"fasttext": 0.95, "closeness": 0.95, "encoder": 0.85}
CALIBRATION_ERROR, SCORE_ERROR = 0.05, 2e-6
FASTTEXT_GOAL, LANGUAGE_GOAL = 1.5, 10.0
_PASSAGE = 400
_SHAPES = {"small": {}, "web": {"dimensions": 100, "buckets": 2_000_000}}
"""The second is the shape of DCLM's classifier: 100 dimensions, two million buckets, 0.8 GB."""


def passages(per_kind: int) -> dict[str, list[str]]:
    """Passages by kind, one of each document; `math` and `good` are good."""
    rng = random.Random(0)
    folder = data_folder()
    kinds: dict[str, list[str]] = {"math": [], "good": [], "rest": []}
    if folder is not None:
        for name in ("books", "speeches", "the_algorithms_python"):
            kinds["good"] += [_cut(row["text"], rng) for row in read_jsonl(folder / f"{name}.jsonl.gz")]
        problems = islice(read_jsonl(folder / "gsm8k_train.jsonl.gz"), 2 * per_kind)
        kinds["math"] = [_cut(f"{row['question']}\n{row['answer']}", rng) for row in problems]
        kinds["rest"] = [_cut(row["text"], rng) for row in read_jsonl(folder / "movie_reviews.jsonl.gz")]
    else:
        kinds["good"] = [_cut(text, rng) for text in islice(_python("docstrings"), 4 * per_kind)]
        kinds["math"] = [_cut(text, rng) for text in islice(_python("documentation"), 2 * per_kind)]
        kinds["rest"] = [_cut(text, rng) for text in islice(_python("sources"), per_kind)]
    chosen = {kind: rng.sample(texts, min(per_kind, len(texts))) for kind, texts in kinds.items()}
    shuffled = [_shuffled(text, rng) for text in rng.sample(chosen["good"] + chosen["math"], per_kind // 2)]
    return chosen | {"rest": chosen["rest"] + shuffled}


def _python(kind: str) -> Iterator[str]:
    for row in read_rows(SourceConfig(read=f"python://{kind}")):
        if isinstance(row, dict) and row.get("text"):
            yield row["text"]


def _cut(text: str, rng: random.Random) -> str:
    start = rng.randrange(max(1, len(text) - _PASSAGE))
    return text[start : start + _PASSAGE].strip() or "empty"


def _shuffled(text: str, rng: random.Random) -> str:
    words = text.split()
    rng.shuffle(words)
    return " ".join(words)


def corpus(size: int) -> list[str]:
    """About `size` bytes of real text in documents of 3,000 characters at most."""
    folder = data_folder()
    names = ("books", "speeches", "udhr", "the_algorithms_python", "movie_reviews")
    whole = (
        (row["text"] for name in names for row in read_jsonl(folder / f"{name}.jsonl.gz"))
        if folder
        else _python("sources")
    )
    pieces = [text[at : at + 3000] for text in whole for at in range(0, len(text), 3000)]
    random.Random(1).shuffle(pieces)
    return pieces[: max(1, size * len(pieces) // sum(len(piece.encode()) for piece in pieces))]


def _scorer(kind: str, **values: Any) -> Any:
    return parse(QualityConfig, {"scorers": {"s": {"kind": kind, **values}}}, "benchmark").scorers["s"]


def _write(path: Path, texts: list[str], labels: list[int]) -> Path:
    rows = zip(texts, labels, strict=True)
    path.write_text("\n".join(json.dumps({"text": text, "label": label}) for text, label in rows))
    return path


def measure_quality(folder: Path, quick: bool, seeds: list[int]) -> dict[str, list[dict[str, Any]]]:
    """What each scorer reaches on held-out passages: facts of `fit_scorer` by scorer, one for each seed."""
    kinds = passages(1000 if quick else 1500)
    good = kinds["good"] + kinds["math"]
    labelled = _write(folder / "labelled.jsonl", good + kinds["rest"], [5] * len(good) + [0] * len(kinds["rest"]))
    wanted = _write(folder / "wanted.jsonl", kinds["math"][:300], [0] * len(kinds["math"][:300]))
    source = kinds["good"] + kinds["rest"]
    random.Random(2).shuffle(source)
    examples = {"read": str(labelled)}
    configs = {
        "fasttext": [_scorer("fasttext", train={"examples": examples, "seed": seed}) for seed in seeds],
        "closeness": [_scorer("closeness", examples={"read": str(wanted)})],
        "closeness by classifier": [_scorer("closeness", examples={"read": str(wanted)}, method="classifier")],
        "encoder": [_scorer("encoder", path="asset://tiny-base", max_tokens=256, train={"examples": examples})],
    }
    return {
        name: [fit_scorer(config, folder, lambda: pa.array(source, pa.large_string())) for config in fitted]
        for name, fitted in configs.items()
    }


def encoder_error(folder: Path, texts: list[str]) -> float:
    """The largest difference between scores in batches and scores one by one through transformers alone."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    config = _scorer("encoder", path="asset://tiny-base", max_tokens=256, train={"examples": {"read": "none"}})
    scorer: Any = load_scorer(config, folder)
    ours = scorer.score(pa.array(texts, pa.large_string()))
    with quiet_transformers():
        model = AutoModel.from_pretrained(scorer.encoder.path).eval()
    tokenizer = AutoTokenizer.from_pretrained(scorer.encoder.path)
    worst = 0.0
    for text, score in zip(texts, ours, strict=True):
        ids = tokenizer(text, truncation=True, max_length=256, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            features_D = model(input_ids=ids).last_hidden_state[0].mean(0).numpy()
        worst = max(worst, abs(float(scorer.head(features_D[None])[0]) - float(score)))
    return worst


def measure_fasttext(path: Path, texts: list[str], column: pa.Array, rounds: int, **shape: Any) -> dict[str, float]:
    """Megabytes a second of ours and the library's, and the largest difference of any text's best probability."""
    step = max(1, len(texts) // 500)
    labels = [str(number % 2) for number in range(len(texts[::step]))]
    model = train_fasttext(pa.array(texts[::step], pa.large_string()), labels, path, epochs=1, **shape)
    library = fasttext.load_model(str(path))
    lines = [text.replace("\n", " ") for text in texts]
    ours, theirs = model.probabilities(column).max(axis=1), np.array([p[0] for p in library.predict(lines)[1]])
    seconds = interleave(
        {"ours": lambda: FastText.probabilities(model, column), "library": lambda: library.predict(lines)}, rounds
    )
    size = sum(len(text.encode()) for text in texts) / 1e6
    path.unlink()
    return {
        **{name: size / median(took) for name, took in seconds.items()},
        "error": float(np.abs(ours - theirs).max()),
    }


def measure_language(texts: list[str], column: pa.Array, rounds: int) -> dict[str, float]:
    """Megabytes a second of ours and the library's, and how many answers differ."""
    library = LanguageIdentifier.from_model_file("data/model.npz.xz", norm_probs=True)
    part = texts[:: max(1, len(texts) // 1000)]
    beginnings = [text.encode()[:FIRST_BYTES] for text in part]
    ours = identify(pa.array(part, pa.large_string()))[0].to_pylist()
    differ = sum(library.classify(begin)[0] != code for begin, code in zip(beginnings, ours, strict=True))

    def classify() -> None:
        for begin in beginnings:
            library.classify(begin)

    seconds = interleave({"ours": lambda: identify(column), "library": classify}, rounds)
    sizes = {"ours": sum(len(t.encode()) for t in texts) / 1e6, "library": sum(len(t.encode()) for t in part) / 1e6}
    return {
        **{name: sizes[name] / median(took) for name, took in seconds.items()},
        "differ": differ,
        "asked": len(part),
    }


def main() -> None:
    """Run the benchmark."""
    options = arguments("quality", __doc__ or "")
    be_quiet()
    rounds, seeds = (3, [0]) if options.quick else (7, [0, 1, 2])
    texts = corpus(4_000_000 if options.quick else 20_000_000)
    column = pa.array(texts, pa.large_string())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        quality = measure_quality(folder, options.quick, seeds)
        encoder = encoder_error(folder, texts[:50])
        shapes = {key: shape for key, shape in _SHAPES.items() if key == "small" or not options.quick}
        speed = {key: measure_fasttext(folder / "speed.bin", texts, column, rounds, **s) for key, s in shapes.items()}
    language = measure_language(texts, column, rounds)
    worst = {key: min(facts["auc"] for facts in fitted) for key, fitted in quality.items()}
    errors = {key: max(facts["error"] for facts in fitted) for key, fitted in quality.items()}
    ratios = {key: found["ours"] / found["library"] for key, found in speed.items()}
    table: list[tuple[Any, ...]] = [("scorer", "AUC held out", "calibration error", "documents held out")]
    table += [(key, f"{worst[key]:.4f}", f"{errors[key]:.4f}", fits[0]["documents"]) for key, fits in quality.items()]
    table += [("", "", "", ""), ("MB/s on one core", "ours", "library", "difference")]
    table += [(f"fastText, {key}", *(f"{v:.3g}" for v in found.values())) for key, found in speed.items()]
    table += [("language", *(f"{language[key]:.3g}" for key in ("ours", "library", "differ")))]
    result = Result(
        "quality",
        "fastText scoring",
        "MB/s per core",
        ours=speed["small"]["ours"],
        peer=speed["small"]["library"],
        peer_name="fasttext-numpy2-wheel",
        ratio=ratios["small"],
        checks={
            "auc": all(worst[key] >= goal for key, goal in AUC.items()),
            "calibrated": max(errors.values()) < CALIBRATION_ERROR,
            "same_scores_as_library": max(found["error"] for found in speed.values()) < SCORE_ERROR
            and encoder < 1e-4
            and language["differ"] == 0,
            "faster_fasttext": min(ratios.values()) >= FASTTEXT_GOAL,
            "faster_language": language["ours"] / language["library"] >= LANGUAGE_GOAL,
        },
        figures={
            "auc": worst,
            "calibration_error": errors,
            "fasttext": speed,
            "encoder_error": encoder,
            "language": language | {"ratio": language["ours"] / language["library"]},
            "bytes": sum(len(text.encode()) for text in texts),
        },
        seeds=seeds,
        rows=[
            {"scorer": key, "fit": number, **facts}
            for key, fits in quality.items()
            for number, facts in enumerate(fits)
        ],
    )
    finish(result, table, options.quick, options.json)


if __name__ == "__main__":
    main()
