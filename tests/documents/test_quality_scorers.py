"""Scorers from labels to numbers: training, distilling, closeness, others' attributes, and the mining loop."""

import json
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from midtrain.core.artifact import Draft
from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.documents.collect import collect
from midtrain.documents.config import HoldoutConfig
from midtrain.documents.quality.closeness import closeness, fit_log_ratios
from midtrain.documents.quality.config import AttributesConfig, ExamplesConfig, QualityConfig
from midtrain.documents.quality.examples import read_examples
from midtrain.documents.quality.identity import scorer_identity
from midtrain.documents.quality.mining import choose, judged_ids, write_to_judge
from midtrain.documents.quality.scorers import attribute_scores, fit_scorer, load_scorer, must_fit, quality_columns
from midtrain.documents.store import Documents
from midtrain.text.ngrams import ngram_hashes, word_hashes

WORDS = {
    "proof": "therefore the proof of this theorem follows because we show each term is bounded hence equal sum",
    "shop": "click here buy now best price subscribe follow us cookies accept all sale free shipping today only",
}
PROOF, SHOP = (words.split() for words in WORDS.values())


def text(rng, share):
    return " ".join(rng.choice(PROOF if rng.random() < share else SHOP) for _ in range(rng.randint(15, 40)))


def texts_of(shares, seed):
    rng = random.Random(seed)
    return pa.array([text(rng, share) for share in shares], pa.large_string())


@pytest.fixture
def judged(tmp_path):
    rng = random.Random(0)
    path = tmp_path / "judged.jsonl"
    with path.open("w") as file:
        for _ in range(300):
            mark = rng.randint(0, 5)
            file.write(json.dumps({"text": text(rng, mark / 5), "label": mark}) + "\n")
        file.write(json.dumps({"text": "not judged yet", "label": None}) + "\n")
    return path


def scorer(kind, **values):
    config = parse(QualityConfig, {"scorers": {"s": {"kind": kind, **values}}}, "recipe")
    return config, config.scorers["s"]


def no_source():
    raise AssertionError("only closeness looks at the source")


def test_a_rubric_is_distilled_into_fasttext(judged, tmp_path):
    _, config = scorer("fasttext", train={"examples": {"read": str(judged)}, "buckets": 1000})
    assert must_fit(config)
    facts = fit_scorer(config, tmp_path, no_source)
    assert facts["trained_on"] + facts["documents"] == 300
    assert facts["auc"] > 0.9
    assert facts["sweep"][0]["recall"] > facts["sweep"][-1]["recall"]
    assert facts == json.loads((tmp_path / "evaluation.json").read_text())
    low, high = load_scorer(config, tmp_path).score(texts_of([0.0, 1.0], seed=1))
    assert low < 0.3
    assert high > 0.7


def test_examples_may_be_parquet(judged, tmp_path):
    rows = [json.loads(line) for line in judged.read_text().splitlines()]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "judged.parquet")
    plain, columnar = (read_examples(ExamplesConfig(read=str(path))) for path in (judged, tmp_path / "judged.parquet"))
    assert columnar == plain
    assert len(plain.labels) == 300


def test_closeness_prefers_what_looks_like_the_examples(tmp_path):
    wanted = tmp_path / "wanted.jsonl"
    wanted.write_text("\n".join(json.dumps({"text": one}) for one in texts_of([0.95] * 60, seed=2).to_pylist()))
    source = texts_of([0.1] * 200 + [0.9] * 20, seed=3)
    for method in ("ratio", "classifier"):
        config, one = scorer("closeness", examples={"read": str(wanted)}, method=method)
        folder = tmp_path / method / "s"
        folder.mkdir(parents=True)
        facts = fit_scorer(one, folder, lambda: source)
        assert facts["auc"] > 0.85
        scores = quality_columns(config, folder.parent)(source, pa.table({}))["quality/s"].to_numpy()
        assert scores.dtype == np.float32
        assert scores[200:].mean() > scores[:200].mean()
        assert np.mean(np.argsort(scores)[-20:] >= 200) > 0.9


def test_log_ratios_are_what_the_formula_says():
    """Against plain Python over the same hashes: counts by bucket, smoothing, logarithm, mean."""
    examples, source = texts_of([0.9] * 5, seed=6), texts_of([0.2] * 7, seed=7)
    buckets, prior = 50, 10.0

    def bucket_lists(texts):
        words = word_hashes(texts)
        pairs, offsets = ngram_hashes(words, 2)
        for i in range(len(texts)):
            own = [*words.hashes_W[slice(*words.offsets_N1[i : i + 2])], *pairs[slice(*offsets[i : i + 2])]]
            yield [((int(value) >> 32) * buckets) >> 32 for value in own]

    wanted = np.bincount([b for own in bucket_lists(examples) for b in own], minlength=buckets)
    there = np.bincount([b for own in bucket_lists(source) for b in own], minlength=buckets)
    frequency = (there + 1) / (there.sum() + buckets)
    expected = np.log((wanted + prior * frequency) / (wanted.sum() + prior) / frequency)
    fitted = fit_log_ratios(examples, source, buckets, prior)
    assert fitted == pytest.approx(expected, rel=1e-5)
    means = [np.mean([expected[b] for b in own]) for own in bucket_lists(source)]
    assert closeness(source, fitted) == pytest.approx(means, abs=1e-5)
    assert closeness(pa.array(["", " ... "]), fitted).tolist() == [0, 0]


def test_examples_that_cannot_be_used_are_told(judged, tmp_path):
    def fit(**train):
        fit_scorer(scorer("fasttext", train={"examples": {"read": str(judged)}, **train})[1], tmp_path, no_source)

    with pytest.raises(UserError, match=r"none of the 300 examples is good \(good is 9\.0\)"):
        fit(good=9)
    with pytest.raises(UserError, match=r"judged\.jsonl, row 1 has no text in \"body\" \(its columns: label, text\)"):
        fit(examples={"read": str(judged), "text": "body"})
    with pytest.raises(UserError, match=r'holds no examples with a label in "mark"'):
        fit(examples={"read": str(judged), "label": "mark"})
    judged.write_text('{"text": "a", "label": "fine"}\n{"text": "b", "label": "poor"}\n')
    with pytest.raises(UserError, match='the label "fine" is not a number of a rubric'):
        fit()
    judged.write_text('{"text": "a"')
    with pytest.raises(UserError, match="row 1 is not a JSON object"):
        fit()


def test_a_file_that_is_no_model_is_told(tmp_path):
    (tmp_path / "notes.bin").write_text("these are notes, not a model")
    with pytest.raises(UserError, match=r"notes\.bin is not a fastText model"):
        load_scorer(scorer("fasttext", path=str(tmp_path / "notes.bin"), label="hq")[1])
    (tmp_path / "ratios.npy").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"ratios\.npy is not a model of closeness"):
        load_scorer(scorer("closeness", examples={"read": "x"})[1], tmp_path)


def test_a_label_the_model_lacks_is_told(judged, tmp_path):
    fit_scorer(scorer("fasttext", train={"examples": {"read": str(judged)}, "buckets": 10})[1], tmp_path, no_source)
    with pytest.raises(UserError, match=r'has no label "god"\. Did you mean "good"\?'):
        load_scorer(scorer("fasttext", path=str(tmp_path / "model.bin"), label="__label__god")[1])
    found = load_scorer(scorer("fasttext", path=str(tmp_path / "model.bin"), label="__label__good")[1])
    assert found.describe()["label"] == "good"


@pytest.fixture
def documents(tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    rows = [{"text": f"document number {number}"} for number in range(5)]
    collect(rows, source="test", holdout=HoldoutConfig(), draft=Draft(folder))
    return Documents(folder)


def test_attributes_of_others_are_read_and_checked(documents, tmp_path):
    ids = pq.read_table(documents.shards[0])["id"].to_pylist()
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    config = AttributesConfig(kind="attributes", path=str(theirs), column="marks")
    with pytest.raises(UserError, match="does not exist"):
        attribute_scores(config, documents)

    def write(ids, **columns):
        pq.write_table(pa.table({"id": ids, **columns}), theirs / documents.shards[0].name)

    write(ids, marks=[1, 2, None, 4, 5])
    assert np.array_equal(attribute_scores(config, documents), [1, 2, np.nan, 4, 5], equal_nan=True)
    write(ids[::-1], marks=[1, 2, 3, 4, 5])
    with pytest.raises(UserError, match="holds attributes of other documents"):
        attribute_scores(config, documents)
    write(ids, mark=[1, 2, 3, 4, 5])
    with pytest.raises(UserError, match=r'has no column "marks"\. Did you mean "mark"\?'):
        attribute_scores(config, documents)
    write(ids, marks=["good"] * 5)
    with pytest.raises(UserError, match="is no number"):
        attribute_scores(config, documents)


def test_mining_chooses_from_every_band_whatever_the_order(tmp_path):
    rng = np.random.default_rng(0)
    ids, scores = [f"{number:04d}" for number in range(1000)], rng.random(1000).astype(np.float32)
    scores[0] = np.nan
    rows = choose(scores, ids, 50)
    assert len(set(rows)) == 50
    assert np.histogram(scores[rows], bins=10, range=(0, 1))[0].tolist() == pytest.approx([5] * 10, abs=2)
    order = rng.permutation(1000)
    again = choose(scores[order], [ids[k] for k in order], 50)
    assert {ids[order[k]] for k in again} == {ids[k] for k in rows}
    assert {ids[k] for k in choose(scores, ids, 50, seed=1)} != {ids[k] for k in rows}
    assert not judged_ids(tmp_path)
    write_to_judge(tmp_path / "round-1.jsonl", [ids[k] for k in rows], ["a text"] * 50, scores[rows])
    known = judged_ids(tmp_path)
    assert known == {ids[k] for k in rows}
    assert not known & {ids[k] for k in choose(scores, ids, 50, known=known)}
    assert len(choose(scores, ids, 5000)) == 999


def test_a_round_of_mining_mends_a_scorer(judged, tmp_path):
    """Classify with a poor model, have the chosen documents judged, train again: the loop from end to end."""
    folder = tmp_path / "labels"
    folder.mkdir()
    judged.rename(folder / "round-0.jsonl")
    config = scorer("fasttext", train={"examples": {"read": str(folder / "*.jsonl")}, "buckets": 1000})[1]
    first = fit_scorer(config, tmp_path, no_source)
    pool = texts_of(np.linspace(0, 1, 400), seed=5)
    ids = [f"{number}" for number in range(400)]
    rows = choose(load_scorer(config, tmp_path).score(pool), ids, 100, known=judged_ids(folder))
    chosen = pool.take(pa.array(rows)).to_pylist()
    write_to_judge(folder / "round-1.jsonl", [ids[k] for k in rows], chosen, np.zeros(100, np.float32))
    assert fit_scorer(config, tmp_path, no_source)["trained_on"] == first["trained_on"]  # nothing judged yet
    lines = [json.loads(line) for line in (folder / "round-1.jsonl").read_text().splitlines()]
    filled = [line | {"label": 5 * int(line["id"]) / 400} for line in lines]
    (folder / "round-1.jsonl").write_text("\n".join(json.dumps(line) for line in filled))
    again = fit_scorer(config, tmp_path, no_source)
    assert again["trained_on"] + again["documents"] == 400


def test_a_scorer_is_named_by_what_is_behind_it(judged, tmp_path):
    config = scorer("fasttext", train={"examples": {"read": str(judged)}})[1]
    before = scorer_identity(config)
    assert scorer_identity(config) == before
    judged.write_text(judged.read_text() + '{"text": "one more", "label": 1}\n')
    assert scorer_identity(config) != before
    assert scorer_identity(scorer("fasttext", train={"examples": {"read": str(judged)}, "seed": 1})[1]) != before
    with pytest.raises(UserError, match=r"nowhere\.bin cannot be read \(No such file"):
        scorer_identity(scorer("fasttext", path=str(tmp_path / "nowhere.bin"), label="hq")[1])
    with pytest.raises(UserError, match="holds no attributes"):
        scorer_identity(scorer("attributes", path=str(tmp_path / "none"), column="marks")[1])
