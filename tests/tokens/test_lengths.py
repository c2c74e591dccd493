"""Parts of a source by the length of its documents: complete, disjoint, in their shares, and cut where asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.tokens.config import MixtureConfig, Part
from midtrain.tokens.lengths import chosen, compression_ratios, ordinary, pack_part
from midtrain.tokens.mixture import Mixture, mixture_sources
from midtrain.tokens.weights import Weights


def mixture(**more):
    return parse(MixtureConfig, {"weights": {"a": 0.4, "b": 0.6}, **more}, "recipe.yaml")


def test_shares_become_weights_of_parts():
    config = mixture(lengths={"b": {"shares": {0: 0.25, "16k": 0.75}}}, max_epochs={"b": 2}, order={"b": "year"})
    parts = config.by_part()
    assert parts.weights == pytest.approx({"a": 0.4, "b@0-16000": 0.15, "b@16000+": 0.45})
    assert parts.max_epochs == {"a": 4.0, "b@0-16000": 2, "b@16000+": 2}
    assert parts.order == {"b@0-16000": "year", "b@16000+": "year"}
    assert {name: (part.source, part.low, part.high) for name, part in config.parts().items()} == {
        "a": ("a", 0, None),
        "b@0-16000": ("b", 0, 16000),
        "b@16000+": ("b", 16000, None),
    }
    points = [{"at": 0.0, "weights": {"a": 1.0}}, {"at": 1.0, "weights": {"b": 1.0}}]
    curve = parse(
        MixtureConfig, {"curve": "linear", "points": points, "lengths": {"b": {"shares": {0: 0.5, 9: 0.5}}}}, "x"
    )
    assert [point.weights for point in curve.by_part().points] == [{"a": 1.0}, {"b@0-9": 0.5, "b@9+": 0.5}]


def test_a_mixture_without_lengths_is_what_it_was():
    config = mixture()
    assert config.by_part() is config
    assert config.parts() == {"a": Part("a", "a"), "b": Part("b", "b")}
    assert "lengths" not in config.model_dump(mode="json")
    assert "lengths" in mixture(lengths={"a": {"whole": True}}).model_dump(mode="json")
    old = mixture(lengths={"a": {"whole": True}}).with_weights({"b": 1.0})
    assert old.lengths == {}


@settings(deadline=None, max_examples=30)  # the first packing compiles
@given(st.lists(st.integers(1, 300), min_size=1, max_size=80), st.integers(1, 200), st.sampled_from([16, 50, 128]))
def test_parts_are_complete_and_disjoint_and_lose_no_token(lengths, edge, context):
    lengths = np.array(lengths)
    parts = mixture(lengths={"b": {"shares": {0: 0.5, edge: 0.5}}}).parts()
    kept = [chosen(lengths, parts[name], context) for name in (f"b@0-{edge}", f"b@{edge}+")]
    assert (kept[0] ^ kept[1]).all()
    for keep, name in zip(kept, (f"b@0-{edge}", f"b@{edge}+"), strict=True):
        packed = pack_part(lengths, keep, parts[name], context, seed=0)
        covered = np.zeros((len(lengths), 301), int)
        for piece in packed.pieces:
            covered[piece["document"], piece["start"] : piece["start"] + piece["length"]] += 1
        assert (covered == (np.arange(301) < lengths[:, None]) * keep[:, None]).all()
        assert packed.facts["dropped"] == 0
        assert packed.facts["tokens"] == lengths[keep].sum()


def test_short_pieces_share_long_rows():
    lengths = np.array([1000, 30, 64, 65])
    part = Part("b", "b", longest=64)
    packed = pack_part(lengths, np.ones(4, bool), part, 512, seed=0)
    assert packed.pieces["length"].max() == 64
    rows = np.add.reduceat(packed.pieces["length"], packed.instance_offsets[:-1].astype(int))
    assert rows.max() <= 512
    assert packed.num_instances == 3  # 1,159 tokens in rows of 512
    assert packed.facts["documents"] == 4
    assert packed.facts["split_documents"] == 2


def test_whole_documents_only_and_what_is_left_out_is_counted():
    lengths = np.array([1000, 30, 512, 513])
    part = Part("b", "b", whole=True)
    keep = chosen(lengths, part, 512)
    assert keep.tolist() == [False, True, True, False]
    packed = pack_part(lengths, keep, part, 512, seed=0)
    assert packed.facts["dropped"] == 1513
    assert packed.facts["split_documents"] == 0


def test_both_tails_of_compressibility_go():
    rng = np.random.default_rng(0)
    words = [f"w{n}" for n in range(300)]
    texts = [" ".join(rng.choice(words, 400)) for _ in range(6)]
    texts += ["the same line again\n" * 120, "9" * 3000]
    texts += ["".join(chr(33 + n) for n in rng.integers(0, 90, 2500)) for _ in range(2)]
    keep = ordinary(compression_ratios(texts), 0.2)
    assert keep.tolist() == [True] * 6 + [False] * 4
    assert ordinary(np.ones(3), 0.2).all()  # a tail of less than one document


def test_tokens_come_in_the_shares_asked_for():
    lengths = np.array([50] * 400 + [400] * 60)
    config = mixture(lengths={"b": {"shares": {0: 0.25, 200: 0.75}}}, max_epochs=50)
    packed = {
        name: pack_part(lengths, chosen(lengths, part, 512), part, 512, seed=0) for name, part in config.parts().items()
    }
    by_part = config.by_part()
    order = Mixture(
        mixture_sources(by_part, packed), Weights(by_part, list(packed)), num_positions=400, block=80, seed=0
    )
    source, _, instance = order.lookup(np.arange(400))
    tokens = np.zeros(3)
    for index, name in enumerate(packed):
        pieces, _ = packed[name].gather(instance[source == index])
        tokens[index] = pieces["length"].sum()
    np.testing.assert_allclose(tokens / tokens.sum(), [0.4, 0.15, 0.45], atol=0.01)


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ({"b": {}}, "says nothing"),
        ({"b": {"shares": {0: 0.5, 100: 0.4}}}, "shares sum to 0.9, not 1"),
        ({"b": {"shares": {100: 0.5, 0: 0.5}}}, "rising order"),
        ({"b": {"trim": 0.5}}, "less than 0.5"),
        ({"b": {"longest": 4}}, "at least 8"),
    ],
)
def test_mistakes(lengths, words):
    with pytest.raises(UserError, match=words):
        mixture(lengths=lengths)
