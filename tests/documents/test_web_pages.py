r"""Web pages: what is kept of them, from files, columns and crawls."""

import gzip
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from midtrain.core.artifact import Draft
from midtrain.core.errors import UserError
from midtrain.documents.collect import collect
from midtrain.documents.config import HoldoutConfig, SourceConfig
from midtrain.documents.reading.read import read_rows

pytest.importorskip("resiliparse")
pytest.importorskip("fastwarc")
from midtrain.documents.reading.html import page_text

PROSE = "This paragraph is long enough to be taken for the content of the page and not for a menu."


def page(body):
    menu, foot = "<nav><a href='/'>Home</a></nav>", "<footer>Imprint</footer>"
    return f"<html><body>{menu}<main><p>{PROSE}</p>{body}</main>{foot}</body></html>"


def kept(body):
    text = page_text(page(body))
    assert text.startswith(PROSE)
    assert "Home" not in text
    assert "Imprint" not in text
    return text.removeprefix(PROSE).strip("\n")


ANNOTATED = (
    "<math><semantics><mi>c</mi><annotation encoding='application/x-tex'>c = \\sqrt{a}</annotation></semantics></math>"
)


@pytest.mark.parametrize(
    ("body", "latex"),
    [
        ("<script type='math/tex'>x^2 &lt; 3</script>".replace("&lt;", "<"), "$x^2 < 3$"),
        ("<script type='math/tex; mode=display'>\\sum_i x_i</script>", "$$\\sum_i x_i$$"),
        ("<span class='MathJax_Preview'>junk</span><script type='math/tex'>y</script>", "$y$"),
        (
            f"<span class='katex'><span>{ANNOTATED}</span><span class='katex-html'>c=a</span></span>",
            "$c = \\sqrt{a}$",
        ),
        (f"<span class='katex-display'><span class='katex'>{ANNOTATED}<b>c</b></span></span>", "$$c = \\sqrt{a}$$"),
        (ANNOTATED, "$c = \\sqrt{a}$"),
        ("<math alttext='\\int f' display='block'><mi>q</mi></math>", "$$\\int f$$"),
        (
            "<span class='mwe-math-element'><span style='display:none'><math alttext='{\\displaystyle E=mc^{2}}'>"
            "<mi>E</mi></math></span><img class='mwe-math-fallback-image-inline' alt='E'></span>",
            "$E=mc^{2}$",
        ),
        ("<mjx-container><mjx-math>zz</mjx-math><math><msqrt><mi>x</mi></msqrt></math></mjx-container>", "$\\sqrt{x}$"),
        ("<img class='tex' alt='a_1'>", "$a_1$"),
        ("<math><mfrac><mi>a</mi><msup><mi>b</mi><mn>2</mn></msup></mfrac></math>", "$\\frac{a}{b^{2}}$"),
        ("<math><mroot><mi>x</mi><mn>3</mn></mroot><mo>+</mo><msubsup><mi>y</mi><mi>i</mi><mn>2</mn></msubsup></math>",
         "$\\sqrt[3]{x} + y_{i}^{2}$"),
        ("<math><mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>2</mn></mtd></mtr></mtable></math>",
         "$\\begin{matrix} 1 & 2 \\end{matrix}$"),
    ],
)  # fmt: skip
def test_formulas_become_latex(body, latex):
    assert kept(f"<p>before {body} after</p>").split() == f"before {latex} after".split()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<pre>if x:\n    y()\n\nz</pre>", "```\nif x:\n    y()\n\nz\n```"),
        ("<pre><code class='language-python'>a  =  1\n</code></pre>", "```python\na  =  1\n```"),
        ("<div class='highlight-rust'><pre>let <span>x</span>;</pre></div>", "```rust\nlet x;\n```"),
        ("<pre>a ``` b</pre>", "````\na ``` b\n````"),
        ("<table class='highlight'><tr><td class='linenos'><pre>1\n2</pre></td><td><pre>a\nb</pre></td></tr></table>",
         "```\na\nb\n```"),
        ("<p>Call <code>f(x)</code> now.</p>", "Call `f(x)` now."),
        ("<h2>Part</h2><p>Text.</p>", "## Part\n\nText."),
        ("<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>x|y</td></tr></table>",
         "| a | b |\n| --- | --- |\n| 1 | x\\|y |"),
        ("<table><tr><th colspan=2>a</th></tr><tr><td>1</td><td>2</td></tr></table>",
         "| a |  |\n| --- | --- |\n| 1 | 2 |"),
    ],
)  # fmt: skip
def test_code_tables_and_headings_become_markdown(body, text):
    assert "\n".join(line.rstrip() for line in kept(body).split("\n")) == text


def test_a_table_that_lays_out_the_page_is_no_table():
    assert "|" not in kept(f"<table><tr><td>{PROSE * 6}</td><td>{PROSE}</td></tr><tr><td>c</td><td>d</td></tr></table>")


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "windows-1251"])
def test_bytes_are_decoded_by_what_the_page_says(charset):
    word = "\u0414\u0430" if charset == "windows-1251" else "\u00e4\u00f6"
    data = page(f"<p>{word}</p>").replace("<body>", f"<head><meta charset={charset}></head><body>").encode(charset)
    assert word in page_text(data)


def test_html_files_and_columns(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.html").write_text(page("<p>one</p>"))
    (tmp_path / "files" / "b.htm.gz").write_bytes(gzip.compress(page("<p>two</p>").encode()))
    rows = list(read_rows(SourceConfig(read=str(tmp_path / "files"), group="file")))
    assert [(row["text"], row["meta"], row["group"]) for row in rows] == [
        (f"{PROSE}\n\none", {"file": "a.html"}, "a.html"),
        (f"{PROSE}\n\ntwo", {"file": "b.htm.gz"}, "b.htm.gz"),
    ]
    record = {"page": page("<pre>x</pre>"), "text": "not this"}
    (tmp_path / "a.jsonl").write_text(json.dumps(record))
    pq.write_table(pa.Table.from_pylist([record]), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.parquet"):
        (row,) = read_rows(SourceConfig(read=str(tmp_path / name), columns={"html": "page"}))
        assert row["text"] == f"{PROSE}\n\n```\nx\n```"


def response(url, body, status="200 OK", kind="text/html; charset=utf-8", record="response"):
    http = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    head = (
        f"WARC/1.0\r\nWARC-Type: {record}\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2024-05-01T10:00:00Z\r\n"
        f"WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000000>\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
    )
    return head.encode() + http + b"\r\n\r\n"


RECORDS = [
    response("http://a.org/1", page("<p>\u00e4 one</p>").encode()),
    response("http://a.org/1", b"GET / HTTP/1.1\r\n\r\n", record="request"),
    response("http://a.org/x", b"moved", status="301 Moved"),
    response("http://a.org/i.png", b"\x89PNG", kind="image/png"),
    response("http://a.org/empty", b"<html><body></body></html>"),
    response("http://a.org/t", b"plain words", kind="text/plain"),
]


@pytest.mark.parametrize("compressed", [False, True])
def test_the_pages_of_a_crawl(tmp_path, compressed):
    path = tmp_path / ("a.warc.gz" if compressed else "a.warc")
    path.write_bytes(b"".join(gzip.compress(record) if compressed else record for record in RECORDS))
    (tmp_path / "out").mkdir()
    draft = Draft(tmp_path / "out")
    collect(read_rows(SourceConfig(read=str(path))), source="web", holdout=HoldoutConfig(), draft=draft)
    assert draft.drops == {
        "a response without status 200": 1,
        "a response that is not a page": 1,
        "a page without main text": 1,
    }
    (table,) = (pq.read_table(file) for file in (tmp_path / "out").glob("*.parquet"))
    assert table["text"].to_pylist() == [f"{PROSE}\n\n\u00e4 one", "plain words"]
    meta = json.loads(table["meta"][0].as_py())
    assert (meta["url"], meta["date"][:10]) == ("http://a.org/1", "2024-05-01")


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
@pytest.mark.parametrize("end", [-30, -350, 0], ids=["cut in a page", "cut in a header", "something else"])
def test_a_damaged_crawl_is_named(tmp_path, name, end):
    data = b"".join(RECORDS)
    data = gzip.compress(data) if name.endswith(".gz") else data
    (tmp_path / name).write_bytes(data[:end] or b"this is something else")
    with pytest.raises(UserError, match="is damaged or cut short"):
        list(read_rows(SourceConfig(read=str(tmp_path / name))))


def test_the_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "resiliparse", None)
    (tmp_path / "a.html").write_text(page(""))
    with pytest.raises(UserError, match=r"resiliparse is needed .* `pip install midtrain\[web\]`"):
        list(read_rows(SourceConfig(read=str(tmp_path))))
