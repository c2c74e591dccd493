"""Repeated passages: exactly those that plain Python finds, cut to the byte; the first place stays whole."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midtrain.core.errors import UserError
from midtrain.core.parallel import configure
from midtrain.documents.deduplication.config import DeduplicateConfig, SubstringConfig
from midtrain.documents.deduplication.passages import anchors, cut, first_and_later, ranges, repeated, spans, windows
from midtrain.documents.deduplication.substring import Shard, find_repeats, load_spans, texts_to_cut
from midtrain.documents.schema import SCHEMA
from midtrain.documents.shards import ShardWriter

N = 8
WHOLE = 1 << 64


def column(texts):
    return pa.array(texts, type=pa.large_string())


def cut_shards(shards, n=N, pieces=1):
    """The texts of every shard (a list of lists of texts) after cutting, in `pieces` ranges of hashes."""
    columns = [[column(shard[:2]), column(shard[2:])] for shard in shards]
    anchored = [anchors(shard, n) for shard in columns]
    limits = list(ranges(pieces, 1))
    known = np.concatenate([repeated(anchored, *limit) for limit in limits])
    windowed = [windows(shard, n, known) for shard in columns]
    placed = [first_and_later(windowed, *limit) for limit in limits]
    result = []
    for number, shard in enumerate(columns):
        first, later = (np.sort(np.concatenate([one[number][k] for one in placed])) for k in (0, 1))
        result.append(cut(column(shards[number]), spans(shard, n, first, later)).to_pylist())
    return result


def reference(shards, n=N):
    """The same in plain Python, for texts of words with one space between."""
    places: dict[tuple, list] = {}
    for s, shard in enumerate(shards):
        for d, text in enumerate(shard):
            words = text.split()
            for i in range(len(words) - n + 1):
                places.setdefault(tuple(words[i : i + n]), []).append((s, d, i))
    later = {(s, d, i + k) for found in places.values() for s, d, i in found[1:] for k in range(n)}
    first = {
        (s, d, found[0][2] + k)
        for found in places.values()
        if len(found) > 1
        for s, d, _ in found[:1]
        for k in range(n)
    }
    gone = later - first
    result = []
    for s, shard in enumerate(shards):
        texts = []
        for d, text in enumerate(shard):
            words = text.split()
            stays = [(s, d, i) not in gone for i in range(len(words))]
            texts.append("".join(w + " " * (i + 1 < len(words)) for i, w in enumerate(words) if stays[i]))
        result.append(texts)
    return result


few_words = st.lists(st.sampled_from(["a", "b"]), max_size=40)
a_shard = st.lists(few_words.map(" ".join), max_size=4)


@settings(max_examples=80, deadline=None)
@given(st.lists(a_shard, min_size=1, max_size=3), st.integers(1, 5))
def test_what_is_cut_is_what_plain_python_finds(shards, pieces):
    assert cut_shards(shards, pieces=pieces) == reference(shards)


def test_a_passage_is_found_in_other_clothes_and_cut_to_the_byte():
    rng = np.random.default_rng(0)
    passage = [str(w) for w in rng.integers(0, 1 << 30, 60)]
    plain = "Früher: " + " ".join(passage) + ". Ende"
    dressed = "Später, “" + ",\n".join(f"**{w}**" for w in passage) + "” – und Schluß."
    texts = cut_shards([[plain, "nothing here"], [dressed, " ".join(passage), " ".join(passage[:49])]], n=50)
    assert texts[0] == [plain, "nothing here"]
    assert texts[1] == ["Später, “**und Schluß.", "", " ".join(passage[:49])]


def test_every_repeated_passage_still_stands_at_its_first_place():
    rng = np.random.default_rng(1)
    x, y, z = (" ".join(map(str, rng.integers(0, 1 << 30, 30))) for _ in range(3))
    texts = cut_shards([[x], [f"{x} {y}", f"{y} {z}", f"{x} {y} {z}"]], n=20)
    x_end, y_end = " ".join(x.split()[-19:]), " ".join(y.split()[-19:])  # needed by passages that begin here
    assert texts == [[x], [f"{x_end} {y}", f"{y_end} {z}", ""]]


def test_cut_takes_slices_and_whole_texts():
    texts = column(["zero", "äbc", "", "def", "last"]).slice(1, 3)
    found = spans([texts], N, np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert cut(texts, found).to_pylist() == ["äbc", "", "def"]
    found = found._replace(rows_K=np.array([0, 2, 2]), starts_K=np.array([2, 0, 2]), ends_K=np.array([4, 1, 3]))
    assert cut(texts, found).to_pylist() == ["ä", "", "e"]


def write_shards(folder: Path, shards: list[list[str | None]]) -> list[Shard]:
    """Parquet shards; None is a chat."""
    chat = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a b c d e f g h i j"}]
    with ShardWriter(folder, shard_bytes=1) as writer:
        for number, texts in enumerate(shards):
            rows = [
                {"id": f"{number}-{i}", "source": "s", "group": "g", "parents": [], "split": "train"}
                | ({"messages": chat} if text is None else {"text": text})
                for i, text in enumerate(texts)
            ]
            writer.write(pa.Table.from_pylist(rows, SCHEMA), 1)
    return [Shard("s", path.absolute()) for path in sorted(folder.glob("*.parquet"))]


def test_over_files_with_rows_that_are_gone(tmp_path):
    (tmp_path / "in").mkdir()
    said = "a b c d e f g h i j"
    shards = write_shards(tmp_path / "in", [[said, "x"], [None, f"1 {said}", "y"], [f"{said} 2", None]])
    np.save(tmp_path / "keep.npy", np.array([False, True]))
    shards[0] = shards[0]._replace(keep=tmp_path / "keep.npy")
    config = DeduplicateConfig(substring=SubstringConfig(words=N), max_removed={"default": 1.0})
    with configure(workers=1):
        found = find_repeats(shards, config, tmp_path / "work")
        texts = [
            cut(pa.concat_arrays(list(texts_to_cut(shard))), load_spans(folder)).to_pylist()
            for shard, folder in zip(shards, found, strict=True)
        ]
        assert texts == [["", "x"], ["", f"1 {said}", "y"], ["2", ""]]

        preferred = config.model_copy(update={"priorities": ["books"]})
        ordered = [*shards[:2], shards[2]._replace(source="books")]
        found = find_repeats(ordered, preferred, tmp_path / "preferred")
        assert [load_spans(folder).rows_K.tolist() for folder in found] == [[], [1], []]

        with pytest.raises(UserError) as error:
            find_repeats(shards, config.model_copy(update={"max_removed": {"s": 0.1}}), tmp_path / "work")
    assert "of the text of s repeats earlier passages (at most 10% may go), for example" in str(error.value)
    assert '"a b c d e f g h i j"' in str(error.value)


def test_a_damaged_shard_is_named(tmp_path):
    shards = write_shards(tmp_path, [["one"]])
    shards[0].path.write_bytes(b"PAR1 nothing")
    with configure(workers=1), pytest.raises(UserError, match=r"part-00000\.parquet is damaged"):
        find_repeats(shards, DeduplicateConfig(substring=SubstringConfig()), tmp_path / "work")
