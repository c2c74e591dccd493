"""The frame of a page: sections in order, figures by id, and everything a browser needs in one file.

The file is complete: plotly.js (4.8 MB of it) and every figure are inside, nothing is fetched, and a
Content-Security-Policy says so to the browser. It opens from a disk, an e-mail or an archive in ten years.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from midtrain.report import figures

_HERE = Path(__file__).parent
_LESS = "\\u003c"
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)


class Page:
    """The parts of a page in the making: sections in order, and figures by id."""

    def __init__(self) -> None:
        self.sections: list[tuple[str, str, str]] = []
        self.figures: dict[str, Any] = {}

    def section(self, anchor: str, title: str, *parts: str) -> None:
        """Add a section, unless all its parts are empty."""
        content = "".join(parts)
        if content:
            self.sections.append((anchor, title, content))

    def figure(self, figure: figures.Figure | None, caption: str = "") -> str:
        """The place of a figure on the page, with a caption that says how to read it; empty for None.

        Without a caption the figure is one of several small ones that share what is said about them.
        """
        if figure is None:
            return ""
        name = f"figure-{len(self.figures) + 1}"
        self.figures[name] = figure
        height, title = figure["layout"]["height"], escape(figure["title"])
        said = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
        return (
            f'<figure><h4>{title}</h4><div id="{name}" role="img" aria-label="{title}" style="height:{height}px"></div>'
            f"{said}</figure>"
        )

    def html(self, title: str, top: str) -> str:
        """The whole document."""
        from plotly.offline import get_plotlyjs

        data = json.dumps(self.figures, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        links = "".join(f'<a href="#{anchor}">{escape(name)}</a>' for anchor, name, _ in self.sections)
        body = "".join(f'<h2 id="{anchor}">{escape(name)}</h2>{content}' for anchor, name, content in self.sections)
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
            f"<title>{escape(title)}</title><style>{(_HERE / 'style.css').read_text()}</style></head>"
            f'<body><header class="top">{top}<nav aria-label="Sections">{links}</nav></header><main>{body}</main>'
            "<footer>Made by midtrain from the run's journals, manifests and scores. This file needs no network."
            "<noscript> The plots need JavaScript; the tables do not.</noscript></footer>"
            f"<script>{get_plotlyjs() if self.figures else ''}</script>"
            f'<script type="application/json" id="figures">{data.replace("<", _LESS)}</script>'
            f"<script>{(_HERE / 'page.js').read_text()}</script></body></html>\n"
        )


def pair(parts: Iterable[str], kind: str = "pair") -> str:
    """Parts side by side where there is room (`pair`), or many small ones (`grid`); empty ones are left out."""
    shown = [part for part in parts if part]
    return f'<div class="{kind}">{"".join(shown)}</div>' if shown else ""


def folded(summary: str, content: str) -> str:
    """Content behind a line of ready HTML that opens it; empty when there is none."""
    return f"<details><summary>{summary}</summary>{content}</details>" if content else ""


def titled(title: str, content: str) -> str:
    """A heading inside a section above its content; empty when there is none."""
    return f"<h3>{escape(title)}</h3>{content}" if content else ""
