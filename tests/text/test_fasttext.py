"""The fastText kernel gives the library's probabilities, and a file that is no model is refused in one sentence."""

import random

import fasttext
import numpy as np
import pyarrow as pa
import pytest

from midtrain.core.errors import UserError
from midtrain.text.fasttext import FastText

TOPIC_WORDS = {
    "food": "soup bread butter oven salt fish rice apple stew pan naïve crème 米饭",
    "sky": "star moon orbit comet light dust planet night sun probe Ørsted élan 星空",
    "law": "court judge law appeal claim clause treaty party case right Übung sûreté 法院",
}
TOPICS = {topic: words.split() for topic, words in TOPIC_WORDS.items()}
ODD = [
    "",
    " ",
    "soup\nmoon\r\n\tjudge\x0b\x0ccase  ",
    "soup </s> moon orbit",
    "</s>",
    "__label__food soup",
    "__label__unknown soup __label__",
    "unseen wordsonly here",
    "a b c 米 é ß 🎉 " * 30,
    "a" * 300 + " 法" * 700,
    "x " * 6000,
]


def sentences(count, seed):
    rng = random.Random(seed)
    for _ in range(count):
        topic = rng.choice(list(TOPICS))
        words = [rng.choice(TOPICS[rng.choice([topic, topic, topic, *TOPICS])]) for _ in range(rng.randint(3, 40))]
        yield topic, " ".join(words)


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    lines = folder / "train.txt"
    lines.write_text("".join(f"__label__{topic} {text}\n" for topic, text in sentences(300, seed=1)))

    def make(name, quantize=False, **settings):
        model = fasttext.train_supervised(
            str(lines), **{"dim": 12, "epoch": 5, "thread": 12, "verbose": 0, "bucket": 5000, "lr": 0.5, **settings}
        )
        if quantize:
            model.quantize(str(lines), retrain=False, qnorm=True, cutoff=300, dsub=2)
        path = folder / name
        model.save_model(str(path))
        return path

    return make


def library_probabilities(path, texts, labels):
    model = fasttext.load_model(str(path))
    rows = []
    for text in texts:
        found = dict(zip(*model.predict(text.replace("\n", " "), k=-1), strict=True))
        rows.append([found.get(f"__label__{label}", 0.0) for label in labels])
    return np.array(rows)


@pytest.mark.parametrize(
    "settings",
    [
        {"wordNgrams": 2},
        {"wordNgrams": 3, "minn": 2, "maxn": 4},
        {"loss": "hs", "minn": 1, "maxn": 3},
        {"loss": "ova", "wordNgrams": 2, "minCount": 20},
        {"quantize": True, "wordNgrams": 2},
        {"quantize": True, "wordNgrams": 2, "minn": 2, "maxn": 3, "dim": 7},
    ],
    ids=str,
)
def test_probabilities_are_the_librarys(train, settings):
    path = train(f"{abs(hash(str(settings)))}.bin", **settings)
    model = FastText.open(path)
    assert sorted(model.labels) == sorted(TOPICS)
    texts = [text for _, text in sentences(60, seed=2)] + ODD
    ours = model.probabilities(pa.array(texts, type=pa.large_string()))
    np.testing.assert_allclose(ours, library_probabilities(path, texts, model.labels), atol=2e-6)


def test_it_classifies(train):
    model = FastText.open(train("plain.bin"))
    labelled = list(sentences(100, seed=3))
    found = model.probabilities(pa.array([text for _, text in labelled])).argmax(axis=1)
    right = [model.labels[k] == topic for k, (topic, _) in zip(found, labelled, strict=True)]
    assert np.mean(right) > 0.9
    assert model.probabilities(pa.array([], type=pa.string())).shape == (0, 3)


def test_a_cut_model_is_refused(train, tmp_path):
    whole = train("whole.bin").read_bytes()
    for share in (0.05, 0.5, 0.99):
        cut = tmp_path / "cut.bin"
        cut.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(UserError, match=r"cut\.bin is a fastText model that ends too early"):
            FastText.open(cut)


def test_what_is_no_classifier_is_refused(tmp_path):
    text = tmp_path / "notes.bin"
    text.write_text("these are notes, not a model")
    with pytest.raises(UserError, match=r"notes\.bin is not a fastText model"):
        FastText.open(text)
    (tmp_path / "empty.bin").touch()
    with pytest.raises(UserError, match=r"empty\.bin cannot be read as a fastText model"):
        FastText.open(tmp_path / "empty.bin")
    with pytest.raises(UserError, match=r"nowhere\.bin cannot be read"):
        FastText.open(tmp_path / "nowhere.bin")
    lines = tmp_path / "lines.txt"
    lines.write_text("\n".join(text for _, text in sentences(60, seed=4)))
    vectors = tmp_path / "vectors.bin"
    fasttext.train_unsupervised(str(lines), dim=4, epoch=1, thread=12, verbose=0, bucket=10, minCount=1).save_model(
        str(vectors)
    )
    with pytest.raises(UserError, match=r"vectors\.bin holds word vectors, not a classifier"):
        FastText.open(vectors)
