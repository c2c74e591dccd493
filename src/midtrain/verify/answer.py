"""The final answer in what a model wrote.

It is the rest of the first line that starts with the marker ("Answer:", or the word of the problem's language). The
first, because a base model that has answered goes on to invent the next problem and answers that too; a model that
writes many such lines gets one try. Without such a line the answer is the whole completion, if that is one line. (The
usual "last number in the text" is not used: repeating "Which is larger, 3 or 8?" would earn half the points.) A
completion cut off by its token budget in the middle of its answer has none either ("12" may be the beginning of "125").
"""

from __future__ import annotations

import re
from functools import cache

MARKERS = {
    "en": "Answer:",
    "bn": "উত্তর:",
    "de": "Antwort:",
    "es": "Respuesta:",
    "fr": "Réponse :",
    "ru": "Ответ:",
    "sw": "Jibu:",
    "zh": "答案：",
}
"""What stands before the final answer, at the start of its line, by the problem's language."""


def marker(lang: str) -> str:
    """The marker of a language; English's for one that has none of its own."""
    return MARKERS.get(lang, MARKERS["en"])


def final_answer(text: str, truncated: bool = False, lang: str = "en") -> str:
    """The line of the final answer in `text`, without its marker; empty when there is none."""
    marked = _marked(lang).search(text)
    if marked:
        cut = truncated and marked.end() == len(text)
        return "" if cut else marked[1].strip(" \t*")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if len(lines) == 1 and not truncated else ""


@cache
def _marked(lang: str) -> re.Pattern[str]:
    words = {marker(lang), MARKERS["en"]}  # an English marker is an answer in any language
    return re.compile(rf"^[ \t*]*(?:{'|'.join(re.escape(word) for word in sorted(words))})([^\r\n]*)", re.MULTILINE)
