"""Near duplicates: found, verified, never chained away; the right one stays; too much is refused."""

import itertools

import numpy as np
import pyarrow as pa
import pytest

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.documents.deduplication import components as components_module
from midtrain.documents.deduplication.collection import Collection, texts_of
from midtrain.documents.deduplication.components import buckets, components, keepers
from midtrain.documents.deduplication.config import DeduplicateConfig, NearConfig
from midtrain.documents.deduplication.near import cluster
from midtrain.documents.schema import SCHEMA
from midtrain.documents.shards import ShardWriter
from midtrain.documents.store import Documents
from midtrain.text.signatures import band_keys, minhash

COUNT = 40
ALL = {"default": 1.0}


def words(count, seed):
    return np.random.default_rng(seed).integers(0, 1 << 40, count).astype(str).tolist()


def changed(text, first, count, seed):
    """`text` (a list of words) with `count` words from `first` on replaced."""
    return text[:first] + words(count, seed) + text[first + count :]


def collection(name, texts, **facts):
    column = pa.array(texts, type=pa.large_string())
    sizes = np.array([len(text) for text in texts], dtype=np.int64)
    return Collection(name, band_keys(minhash(column), 14), sizes, lambda rows: iter([column.take(rows)]), **facts)


def dropped(clusters, name):
    table = clusters.dropped[name]
    return list(zip(table["row"].to_pylist(), table["keeper_row"].to_pylist(), strict=True))


def similarity(a, b):
    sets = [{tuple(text[i : i + 5]) for i in range(len(text) - 4)} for text in (a, b)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def test_the_longest_stays_and_the_similarity_is_the_true_one(tmp_path):
    base = words(300, 1)
    near, far = changed(base, 100, 10, 2), changed(base, 100, 80, 3)
    longer = [*base, *words(9, 4)]
    texts = [" ".join(t) for t in (near, base, words(300, 5), longer, far)]
    clusters = cluster([collection("a", texts)], DeduplicateConfig(max_removed=ALL), tmp_path)
    assert dropped(clusters, "a") == [(0, 3), (1, 3)]
    expected = [similarity(near, longer), similarity(base, longer)]
    assert clusters.dropped["a"]["similarity"].to_pylist() == pytest.approx(expected, abs=1e-6)
    assert clusters.keep("a").tolist() == [False, False, True, True, True]
    assert clusters.shares() == {"a": 0.4}
    assert not list(tmp_path.iterdir())


def test_heldout_then_priority_then_quality_decide_who_stays(tmp_path):
    first, second, third, fourth = (words(200, seed) for seed in range(4))

    def text(one, tail):
        return " ".join([*one, *words(tail, 9)])

    web = collection(
        "web",
        [text(first, 9), text(second, 9), text(third, 0), text(third, 9), text(fourth, 9)],
        quality_N=np.array([1.0, 1.0, 0.9, 0.1, np.nan]),
        heldout_N=np.array([False, True, False, False, False]),
    )
    books = collection("books", [text(first, 0), text(second, 0)])
    others = collection("others", [text(fourth, 0)], quality_N=np.array([-5.0]))
    config = DeduplicateConfig(priorities=["books"], quality="score", max_removed=ALL)
    clusters = cluster([web, books, others], config, tmp_path)
    assert clusters.dropped["web"]["row"].to_pylist() == [0, 3, 4]
    assert clusters.dropped["web"]["keeper_source"].to_pylist() == ["books", "web", "others"]
    assert clusters.dropped["web"]["keeper_row"].to_pylist() == [0, 2, 0]
    assert clusters.dropped["books"]["keeper_source"].to_pylist() == ["web"]  # the held-out one stays
    assert clusters.dropped["books"]["row"].to_pylist() == [1]


def test_a_chain_does_not_run_away(tmp_path):
    """Each document is 0.9 like the next, the ends share nothing: every dropped one is like its own keeper."""
    long = words(1200, 1)
    chain = [long[i : i + 200] for i in range(0, 1000, 10)]
    clusters = cluster([collection("a", [" ".join(t) for t in chain])], DeduplicateConfig(max_removed=ALL), tmp_path)
    assert clusters.biggest[0]["documents"] > 50  # connected by verified pairs
    table = clusters.dropped["a"]
    assert len(table) > 50
    for row, keeper, value in zip(
        *(table[name].to_pylist() for name in table.column_names if name in ("row", "keeper_row", "similarity")),
        strict=True,
    ):
        assert similarity(chain[row], chain[keeper]) == pytest.approx(value, abs=1e-6)
        assert value >= 0.8
    kept = np.flatnonzero(clusters.keep("a"))
    assert all(similarity(chain[a], chain[b]) < 0.8 for a, b in itertools.pairwise(kept))
    assert len(clusters.biggest[0]["samples"]) == 4


def test_too_much_is_refused_with_two_pairs(tmp_path):
    base = words(100, 1)
    texts = [" ".join([*base, str(i)]) for i in range(4)] + [" ".join(words(100, 2))]
    with pytest.raises(UserError) as error:
        cluster([collection("web", texts)], DeduplicateConfig(max_removed={"web": 0.59}), tmp_path)
    message = str(error.value)
    assert "60.0% of the documents of web are near duplicates (at most 59% may go)" in message
    assert message.count(base[0]) == 4
    assert "raise max_removed.web" in message
    cluster([collection("web", texts)], DeduplicateConfig(max_removed={"web": 0.6}), tmp_path)


def test_documents_without_words_and_no_documents_at_all(tmp_path):
    texts = ["...", "!!!", "one", "ONE!"]
    clusters = cluster([collection("a", texts), collection("b", [])], DeduplicateConfig(max_removed=ALL), tmp_path)
    assert dropped(clusters, "a") == [(2, 3)]
    assert clusters.shares() == {"a": 0.25, "b": 0.0}
    assert cluster([collection("b", [])], DeduplicateConfig(), tmp_path).dropped["b"].num_rows == 0


def test_buckets_are_the_groups_of_equal_keys():
    keys = np.random.default_rng(0).integers(0, 40, 100).astype(np.uint64) << np.uint64(40)
    numbers, starts = buckets(keys)
    found = [numbers[a:b].tolist() for a, b in itertools.pairwise(starts)]
    expected = [np.flatnonzero(keys == key).tolist() for key in np.unique(keys) if key]
    assert found == [group for group in expected if len(group) > 1]
    assert [len(part) for part in buckets(np.zeros(0, dtype=np.uint64))] == [0, 1]


def test_components_and_keepers_equal_plain_python():
    rng = np.random.default_rng(3)
    sets = [np.unique(rng.choice(12, rng.integers(1, 10), replace=False)).astype(np.uint32) for _ in range(COUNT)]
    offsets = np.cumsum([0, *map(len, sets)]).astype(np.int64)

    def jaccard(a, b):
        return len(set(sets[a]) & set(sets[b])) / len(set(sets[a]) | set(sets[b]))

    keys = np.arange(1, COUNT + 1, dtype=np.uint64) << np.uint64(40)
    bands = [
        np.where((np.arange(COUNT) == a) | (np.arange(COUNT) == b), 7 << 50, keys)
        for a in range(COUNT)
        for b in range(a)
    ]
    found = components((b.astype(np.uint64) for b in bands), np.concatenate(sets), offsets, 0.6)
    expected = np.arange(COUNT)
    for _ in range(COUNT):  # the lowest number spreads over all true pairs
        for a in range(COUNT):
            expected[a] = min(expected[b] for b in range(COUNT) if jaccard(a, b) >= 0.6)
    assert found.tolist() == expected.tolist()

    rank = rng.permutation(COUNT)
    keeper, value = keepers(found, rank, np.concatenate(sets), offsets, 0.6)
    kept = []
    for at in np.argsort(rank):
        mine = [k for k in kept if found[k] == found[at] and jaccard(k, at) >= 0.6]
        assert keeper[at] == (mine[0] if mine else at)
        assert value[at] == pytest.approx(jaccard(keeper[at], at))
        kept += [] if mine else [at]


def test_what_is_compared_with_enough_kept_ones_stays(monkeypatch):
    sets = [[1], [2], [3], [3], [1]]
    found = [np.zeros(5, dtype=np.int64), np.arange(5), np.array(sets, dtype=np.uint32).ravel(), np.arange(6), 0.5]
    assert keepers(*found)[0].tolist() == [0, 1, 2, 2, 0]
    monkeypatch.setattr(components_module, "MOST_KEEPERS", 2)
    assert keepers(*found)[0].tolist() == [0, 1, 2, 3, 0]


def test_texts_of_reads_the_rows_that_are_asked_for(tmp_path):
    def row(i):
        chat = [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": "a"}]
        said = {"text": f"text {i}"} if i % 3 else {"messages": chat}
        return {"id": str(i), "source": "s", "group": str(i), "parents": [], "split": "train", **said}

    with ShardWriter(tmp_path, shard_bytes=2) as shards:
        for i in range(0, 12, 2):
            shards.write(pa.Table.from_pylist([row(i), row(i + 1)], SCHEMA), 1)
    texts = texts_of(Documents(tmp_path))
    found = [text.as_py() for column in texts(np.array([0, 1, 5, 9, 11])) for text in column]
    assert found == ["q0\n\na", "text 1", "text 5", "q9\n\na", "text 11"]
    (tmp_path / "part-00001.parquet").write_bytes(b"PAR1 broken")
    with pytest.raises(UserError, match=r"part-00001\.parquet is damaged"):
        list(texts(np.array([11])))


def test_bands_that_miss_the_threshold_are_a_mistake():
    assert NearConfig().found(0.8) == pytest.approx(1 - (1 - 0.8**8) ** 14)
    with pytest.raises(UserError, match=r"2 bands of 20 rows find only 2% of the pairs at the threshold 0\.8"):
        parse(DeduplicateConfig, {"near": {"bands": 2, "rows": 20}}, "recipe")
