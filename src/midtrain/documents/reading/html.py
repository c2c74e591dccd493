r"""Web pages as text in which formulas, code and tables survive.

The page is parsed and rewritten before its text is taken: formulas become LaTeX between dollars (from MathJax scripts,
KaTeX and MathML annotations, alternative texts; MathML without any of these is spelled out), <pre> becomes fenced
code, tables of data become Markdown, headings get their #. Then resiliparse takes the main content: navigation,
footers, short link lists and hidden elements go.

Why resiliparse: on 60 pages of technical documentation (2.1 MB) it took a sixth of the time of trafilatura, all that is
rewritten here included, and gave 45 pages with fenced code where trafilatura gave 3. It extracts from the tree as we
have rewritten it, so what is kept does not depend on heuristics made for news. It is optional (`midtrain[web]`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from midtrain.core.errors import UserError
from midtrain.documents.config import SourceConfig
from midtrain.documents.reading.files import SourceFile
from midtrain.documents.reading.lines import read_all
from midtrain.documents.schema import BadRow, Row

Tree = Any
Node = Any
"""resiliparse.parse.html.HTMLTree and its nodes, which are typed by their base class only."""

NO_TEXT = "a page without main text"
_HAS_MATH = re.compile("math|katex|latex|class=.tex", re.IGNORECASE)
_MATH = (".katex-display", ".katex", "mjx-container", ".mwe-math-element", "math")
"""What holds a formula, the outer before the inner."""
_MATH_LEFTOVERS = (".MathJax_Display", ".MathJax", ".MathJax_Preview", ".MathJax_SVG")
_MATH_IMAGES = "img.tex, img.latex, img.math, img.mwe-math-fallback-image-inline, img.mwe-math-fallback-image-display"
_LINE_NUMBERS = ".linenos, .lineno, .linenumber, .line-numbers-rows, td.gutter, td.blob-num"
_LONGEST_CELL = 400


def require_web() -> None:
    """Raise UserError when the libraries of the extra `web` are missing."""
    try:
        import fastwarc
        import resiliparse  # noqa: F401
    except ImportError as error:
        raise UserError(f"{error.name} is needed to read web pages; run `pip install midtrain[web]`.") from None
    del fastwarc


def page_text(page: bytes | str, charset: str | None = None) -> str:
    """The main text of an HTML page; empty when there is none.

    Bytes are decoded by `charset` (what the server said), else by what the page and its bytes say.
    """
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding
    from resiliparse.parse.html import HTMLTree

    if isinstance(page, bytes):
        page = bytes_to_str(page, charset or detect_encoding(page, from_html_meta=True) or "utf-8")
    tree: Tree = HTMLTree.parse(page.replace("\0", ""))
    if tree.body is None:
        return ""
    if _HAS_MATH.search(page):
        _rewrite_math(tree)
    _rewrite_code(tree)
    _rewrite_tables(tree)
    for heading in tree.body.query_selector_all("h1, h2, h3, h4, h5, h6").values():
        if heading.text.strip():
            heading.insert_before(tree.create_text_node("#" * int(heading.tag[1]) + " "), heading.first_child)
    text = extract_plain_text(tree, main_content=True, preserve_formatting=True, alt_texts=False)
    text = re.sub(r"^([ ]*)\u2022 ", r"\1- ", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def read_html(file: SourceFile, config: SourceConfig) -> Iterator[Row | BadRow]:
    """One document of each HTML file."""
    require_web()
    where = (str(file.path), None)
    data = read_all(file)
    if data is None:
        yield BadRow("longer than 256 MiB", where)
    elif not (text := page_text(data)):
        yield BadRow(NO_TEXT, where, usual=True)
    else:
        row: Row = {"text": text, "where": where, "meta": {"file": file.name}}
        yield row | ({"group": file.name} if config.group == "file" else {})


def _replace(tree: Tree, node: Node, text: str, element: str | None = None) -> None:
    """Put `text` (in a new `element`) in the place of `node`."""
    new = tree.create_text_node(text)
    if element is not None:
        box = tree.create_element(element)
        box.append_child(new)
        new = box
    assert node.parent is not None
    node.parent.replace_child(new, node)


def _rewrite_math(tree: Tree) -> None:
    """Every formula as $LaTeX$, or $$LaTeX$$ where it stands by itself."""
    for selector in _MATH:
        for node in tree.body.query_selector_all(selector).values():
            math = node if node.tag == "math" else node.query_selector("math")
            image = node.query_selector("img[alt]") if math is None else None
            latex = image.getattr("alt") or "" if image is not None else _latex(math) if math is not None else node.text
            _replace(tree, node, _dollars(latex, _is_display(node, math)))
    for script in tree.body.query_selector_all('script[type^="math/tex"]').values():
        _replace(tree, script, _dollars(script.text, "display" in (script.getattr("type") or "")))
    for image in tree.body.query_selector_all(_MATH_IMAGES).values():
        _replace(tree, image, _dollars(image.getattr("alt") or "", False))
    for selector in _MATH_LEFTOVERS:
        for node in tree.body.query_selector_all(selector).values():
            _replace(tree, node, "")


def _dollars(latex: str, display: bool) -> str:
    latex = re.sub(r"^\{\\(?:display|text)style\s*(.*)\}$", r"\1", " ".join(latex.split()).strip("$ "))
    if not latex:
        return ""
    return f" $${latex}$$ " if display else f"${latex}$"


def _is_display(node: Node, math: Node | None) -> bool:
    return (
        "katex-display" in node.class_list
        or node.getattr("display") == "true"
        or (math is not None and math.getattr("display") == "block")
    )


def _latex(math: Node) -> str:
    """What a <math> element says in LaTeX: its annotation, its alternative text, or its elements spelled out."""
    for annotation in math.query_selector_all("annotation").values():
        if "tex" in (annotation.getattr("encoding") or "").lower():
            return annotation.text
    return math.getattr("alttext") or _spell(math)


_FRAMES = {
    "mfrac": r"\frac{%s}{%s}",
    "msup": "%s^{%s}",
    "msub": "%s_{%s}",
    "msubsup": "%s_{%s}^{%s}",
    "munder": "%s_{%s}",
    "mover": "%s^{%s}",
    "munderover": "%s_{%s}^{%s}",
}


def _spell(node: Node) -> str:
    """Presentation MathML as linear LaTeX (MathML 3, chapter 3)."""
    if node.tag in ("mi", "mn", "mo", "mtext", "ms"):
        return node.text.strip()
    parts = [_spell(child) for child in node.child_nodes if child.tag and not child.tag.startswith(("annotation", "#"))]
    if node.tag == "msqrt":
        return r"\sqrt{" + " ".join(parts) + "}"
    if node.tag == "mroot" and len(parts) == 2:
        return rf"\sqrt[{parts[1]}]{{{parts[0]}}}"
    if node.tag == "mfenced":
        return "(" + ", ".join(parts) + ")"
    if node.tag == "mtr":
        return " & ".join(parts)
    if node.tag == "mtable":
        return r"\begin{matrix} " + r" \\ ".join(parts) + r" \end{matrix}"
    frame = _FRAMES.get(node.tag or "")
    if frame is not None and frame.count("%s") == len(parts):
        return frame % tuple(parts)
    return " ".join(part for part in parts if part)


def _rewrite_code(tree: Tree) -> None:
    """Every <pre> fenced, with its language where the page names it, without line numbers."""
    for numbers in tree.body.query_selector_all(_LINE_NUMBERS).values():
        if numbers.parent is not None:
            numbers.parent.remove_child(numbers)
    for code in tree.body.query_selector_all("pre").values():
        text = code.text.strip("\n").rstrip()
        if text:
            fence = "```" if "```" not in text else "````"
            _replace(tree, code, f"{fence}{_language(code)}\n{text}\n{fence}", "pre")
    for code in tree.body.query_selector_all("code, kbd, samp, tt").values():
        text = code.text
        if text.strip() and "`" not in text and "\n" not in text:
            _replace(tree, code, f"`{text.strip()}`")


def _language(code: Node) -> str:
    """'python' of class="language-python", on the <pre>, the <code> in it or the box around it."""
    inner = code.query_selector("code")
    for node in (inner, code, code.parent):
        for name in [] if node is None else node.class_list:
            match = re.fullmatch(
                r"(?:language|lang|highlight-source|highlight|sourceCode|brush:)-?([a-z0-9+#]{1,16})", name
            )
            if match:
                return match[1]
    return ""


def _rewrite_tables(tree: Tree) -> None:
    """Tables of data as Markdown; a table that only lays out the page stays what it is."""
    for table in tree.body.query_selector_all("table").values():
        rows = _data_rows(table)
        if rows:
            _replace(tree, table, "\n".join(_markdown(rows)), "pre")


def _data_rows(table: Node) -> list[list[str]]:
    """The cells of a table of data, every row padded to one width; empty for any other table."""
    if table.getattr("role") == "presentation" or table.query_selector("table, pre, form, p + p") is not None:
        return []
    rows: list[list[str]] = []
    for line in table.query_selector_all("tr").values():
        cells: list[str] = []
        for cell in line.child_nodes:
            if cell.tag in ("td", "th"):
                span = cell.getattr("colspan") or ""
                more = min(int(span), 100) - 1 if span.isdigit() and int(span) > 1 else 0
                cells += [" ".join(cell.text.split()).replace("|", r"\|"), *[""] * more]
        if any(cells):
            rows.append(cells)
    width = max(map(len, rows), default=0)
    if width < 2 or len(rows) < 2 or any(len(cell) > _LONGEST_CELL for row in rows for cell in row):
        return []
    return [row + [""] * (width - len(row)) for row in rows]


def _markdown(rows: list[list[str]]) -> Iterator[str]:
    for number, row in enumerate(rows):
        yield "| " + " | ".join(row) + " |"
        if number == 0:
            yield "|" + " --- |" * len(row)
