"""Readers: every kind of file gives the same rows, and what is wrong with a file is said in one sentence."""

import gzip
import json
import tracemalloc
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.documents import schema
from midtrain.documents.config import SourceConfig
from midtrain.documents.reading import files, lines
from midtrain.documents.reading.read import read_rows
from midtrain.documents.schema import BadRow

TEXTS = ["First text.", "Zweiter Text: \u00e4\u00f6\u00fc \u2028 same line", "third\n\nwith lines"]


def source(read, **fields):
    return SourceConfig(read=read if isinstance(read, list) else str(read), **fields)


def texts(read, **fields):
    return [row["text"] for row in read_rows(source(read, **fields))]


def jsonl(records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


ROWS = jsonl({"text": text} for text in TEXTS)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", ROWS),
        ("a.ndjson", ROWS.rstrip(b"\n")),
        ("a.json", ROWS.replace(b"\n", b"\r\n")),
        ("a.jsonl.gz", gzip.compress(ROWS)),
        ("a.jsonl.gz", gzip.compress(ROWS[:20]) + gzip.compress(ROWS[20:])),
        ("a.jsonl.zst", zstandard.compress(ROWS)),
        ("a.jsonl.zst", zstandard.compress(ROWS[:20]) + zstandard.compress(ROWS[20:])),
        ("a.jsonl", b"\xef\xbb\xbf" + ROWS),
        ("a.jsonl", b"\n  \n" + ROWS + b"\n"),
    ],
    ids=["plain", "no last line break", "CRLF", "gzip", "two gzip members", "zstd", "two frames", "BOM", "blank lines"],
)
def test_jsonl_in_every_dress(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert texts(tmp_path / name) == TEXTS


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())])
def test_parquet_of_every_string_type(tmp_path, kind):
    column = pa.array(TEXTS).cast(pa.binary()) if kind == pa.binary() else pa.array(TEXTS).cast(kind)
    pq.write_table(pa.table({"text": column, "other": [1, 2, 3]}), tmp_path / "a.parquet")
    assert texts(tmp_path / "a.parquet") == TEXTS


def test_parquet_with_bytes_that_are_not_utf8_loses_one_row_only(tmp_path):
    raw = pa.array([b"good", b"\xff\xfe", b"fine"])
    broken = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    pq.write_table(pa.table({"text": broken}), tmp_path / "a.parquet")
    first, bad, last = read_rows(source(tmp_path / "a.parquet"))
    assert (first["text"], last["text"]) == ("good", "fine")
    assert bad == BadRow("invalid UTF-8", (str(tmp_path / "a.parquet"), 2))


def test_a_text_folder_is_one_document_per_file_in_the_order_of_names(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.md").write_text("# B")
    (tmp_path / "a.txt").write_text("A")
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"C"))
    (tmp_path / "ignored.png").write_bytes(b"\x89PNG")
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / ".hidden.txt").write_text("no")
    rows = list(read_rows(source(tmp_path)))
    assert [row["text"] for row in rows] == ["A", "C", "# B"]
    assert [row["meta"] for row in rows] == [{"file": "a.txt"}, {"file": "c.txt.gz"}, {"file": "b/x.md"}]


def test_globs_lists_and_formats(tmp_path):
    for name in ("one.jsonl", "two.jsonl", "three.jsonl"):
        (tmp_path / name).write_bytes(jsonl([{"text": name}]))
    (tmp_path / "code.py").write_text("print(1)\n")
    assert texts(tmp_path / "t*.jsonl") == ["three.jsonl", "two.jsonl"]
    assert texts([str(tmp_path / "two.jsonl"), str(tmp_path / "o*")]) == ["two.jsonl", "one.jsonl"]
    assert texts([str(tmp_path / "two.jsonl"), str(tmp_path)]) == ["two.jsonl", "one.jsonl", "three.jsonl"]
    assert texts(tmp_path / "*.py", format="text") == ["print(1)\n"]
    with pytest.raises(UserError, match=r"code\.py has no suffix that names its format"):
        texts(tmp_path / "*.py")


def test_a_file_whose_name_has_glob_characters_is_that_file(tmp_path):
    (tmp_path / "a[1].txt").write_text("here")
    assert texts(tmp_path / "a[1].txt") == ["here"]


def test_a_files_name_does_not_depend_on_where_its_folder_lies(tmp_path):
    for place in ("here", "there"):
        (tmp_path / place / "sub").mkdir(parents=True)
        (tmp_path / place / "sub" / "a.txt").write_text("a")
    names = [
        [file.name for _, found in files.files_by_entry([str(tmp_path / place / tail)]) for file in found]
        for place in ("here", "there")
        for tail in ("", "**/*.txt", "s*/a.txt")
    ]
    assert names == [["sub/a.txt"]] * 6


def test_group_file_keeps_files_together(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(ROWS)
    assert {row["group"] for row in read_rows(source(tmp_path, group="file"))} == {"a.jsonl"}


def test_columns_are_mapped(tmp_path):
    record = {"body": "text", "book": "Emma", "spdx": "CC0-1.0", "l": "en", "key": 7, "text": "not this"}
    columns = {"text": "body", "group": "book", "license": "spdx", "lang": "l", "id": "key"}
    (tmp_path / "a.jsonl").write_bytes(jsonl([record]))
    pq.write_table(pa.Table.from_pylist([record]), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.parquet"):
        (row,) = read_rows(source(tmp_path / name, columns=columns))
        row.pop("where")
        assert row == {"text": "text", "group": "Emma", "license": "CC0-1.0", "lang": "en", "meta": {"id": 7}}


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_messages_are_found_without_being_named(tmp_path, name):
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    (tmp_path / "a.jsonl").write_bytes(jsonl([{"messages": chat}]))
    pq.write_table(pa.table({"messages": [chat]}), tmp_path / "a.parquet")
    (row,) = read_rows(source(tmp_path / name))
    assert row["messages"] == chat
    assert row["text"] is None


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"text": "content"}, r'no column "content" \(its columns: body, book\)'),
        ({"text": "body", "license": "lizenz"}, r'no column "lizenz" \(its columns: body, book\)'),
        ({}, r'neither a column "text" nor "messages" \(its columns: body, book\)'),
    ],
)
def test_an_unknown_column_names_file_and_columns(tmp_path, name, columns, expected):
    record = {"body": "x", "book": "y"}
    (tmp_path / "a.jsonl").write_bytes(jsonl([record]))
    pq.write_table(pa.Table.from_pylist([record]), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=expected) as error:
        list(read_rows(source(tmp_path / name, columns=columns)))
    assert str(tmp_path / name) in str(error.value)


def test_a_column_that_only_some_jsonl_rows_have_is_fine(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(jsonl([{"text": "a"}, {"text": "b", "license": "MIT"}]))
    rows = list(read_rows(source(tmp_path, columns={"license": "license"})))
    assert [row["license"] for row in rows] == [None, "MIT"]


def test_an_unknown_jsonl_column_is_told_after_a_thousand_rows(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(jsonl([{"text": "a"}]) * 5000)
    found = read_rows(source(tmp_path, columns={"license": "lizenz"}))
    assert len(list(islice(found, 999))) == 999
    with pytest.raises(UserError, match="lizenz"):
        next(found)


def test_bad_lines_are_rows_with_a_reason(tmp_path):
    deep = b"[" * 100_000 + b"]" * 100_000
    digits = b'{"text": ' + b"9" * 5000 + b"}"
    bad = [b"{", b'{"text": "\xff"}', b"[1]", b'"text"', b'{"text": "x"} trailing', deep, digits]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([ROWS.rstrip(b"\n"), *bad, b'{"text": "last"}']))
    rows = list(read_rows(source(tmp_path)))
    assert [row.reason for row in rows[3:-1]] == [
        "invalid JSON",
        "invalid UTF-8",
        "not a JSON object",
        "not a JSON object",
        "invalid JSON",
        "invalid JSON",
        "invalid JSON",
    ]
    assert rows[3].where == (str(tmp_path / "a.jsonl"), 4)
    assert rows[-1]["text"] == "last"


def test_a_json_array_is_explained(tmp_path):
    (tmp_path / "a.json").write_text('[\n{"text": "a"}\n]')
    with pytest.raises(UserError, match=r"a\.json is one JSON array; write it as one object per line"):
        texts(tmp_path / "a.json")


def _cut(data):
    return data[: len(data) * 2 // 3]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.parquet", "a.txt.gz"])
@pytest.mark.parametrize("harm", ["cut", "other"])
def test_a_damaged_file_is_named(tmp_path, name, harm):
    path = tmp_path / name
    many = jsonl({"text": f"{i} {i * 7919 % 1009}"} for i in range(2000))
    if name.endswith(".parquet"):
        pq.write_table(pa.table({"text": [str(i) for i in range(2000)]}), path)
    else:
        path.write_bytes(zstandard.compress(many) if name.endswith(".zst") else gzip.compress(many))
    assert texts(path)
    path.write_bytes(_cut(path.read_bytes()) if harm == "cut" else b"this is something else")
    with pytest.raises(UserError, match="is damaged or cut short") as error:
        texts(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        ("missing.jsonl", r"missing\.jsonl does not exist"),
        ("no*.jsonl", "matches no file"),
        ("empty", "holds no documents; files in a folder must end with"),
    ],
)
def test_what_is_not_there_is_named(tmp_path, read, expected):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=expected):
        texts(tmp_path / read)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"read": "ftp://host/a.jsonl"}, "unknown kind; known are s3://, gs://, hf://"),
        ({"read": "hf://ORG/NAME"}, "write hf://datasets/ORG/NAME"),
        ({"read": "s3://"}, "names no file"),
        ({"read": []}, "name at least one file"),
        ({"read": "python://docstring"}, 'Did you mean "docstrings"'),
        ({"read": "python://sources?package=numpy"}, 'Did you mean "packages"'),
        ({"read": "a", "licence": "MIT"}, 'Did you mean "license"'),
        ({"read": "a", "max_bad_rows": 5}, "max_bad_rows"),
        ({"read": "a", "limit": {"bytes": 0}}, r"limit\.bytes"),
    ],
)
def test_a_wrong_source_is_told_when_the_recipe_is_parsed(data, expected):
    with pytest.raises(UserError, match=expected):
        parse(SourceConfig, data, "recipe.yaml")


def test_an_endless_line_is_one_bad_row_and_does_not_fill_the_memory(tmp_path, monkeypatch):
    for module in (lines, schema):
        monkeypatch.setattr(module, "MAX_ROW_BYTES", 3_000_000)
    with gzip.open(tmp_path / "a.jsonl.gz", "wb", 1) as file:
        file.write(b'{"text": "before"}\n{"text": "')
        for _ in range(40):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n{"text": "after"}')
    tracemalloc.start()
    before, bad, after = read_rows(source(tmp_path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (before["text"], bad.reason, after["text"]) == ("before", "longer than 256 MiB", "after")
    assert peak < 12_000_000


def test_reading_a_large_file_takes_little_memory(tmp_path):
    line = jsonl([{"text": "word " * 400}])
    (tmp_path / "a.jsonl").write_bytes(line * 20_000)
    tracemalloc.start()
    count = sum(1 for _ in read_rows(source(tmp_path)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 8_000_000 < len(line) * 20_000
