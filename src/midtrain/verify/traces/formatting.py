"""What is opened and never closed, what does not belong into a text, and a text that ends before its answer.

Dollar signs are money more often than formulas in word problems, so a lone one counts only before something that can
be nothing but a formula. Brackets of text are not counted: "a)" is a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from midtrain.verify.traces.answers import Course, closing_brace
from midtrain.verify.traces.config import Reason
from midtrain.verify.traces.trace import Defect, Trace

_TAG = re.compile(
    r"<(/?)(answer|solution|final_answer|reflection|summary|step|tool_call|tool_response)>(?!\s+tags?\b)", re.I
)
_FENCE = re.compile(r"^[ \t>]*(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
_DELIMITER = re.compile(r"\\\\|\\([\[\]()])|\$\$|\\(begin|end)\{([A-Za-z]+\*?)\}|\n[ \t]*\n")
_LONE_DOLLAR = re.compile(
    r"(?<![\\$\w])\$(?=\\[A-Za-z]{2,}|[A-Za-z]\s?[=^_+*/<>]|[A-Za-z]\()[^$\n]*(?:\n(?!\s*\n)[^$\n]*){0,3}(?=\n\s*\n|\Z)"
)
_CONTROL = re.compile(
    r"<\|[A-Za-z_\uff5c\u2581]{2,40}\|>|<\uff5c[^\uff5c\n]{2,40}\uff5c>|</?s>(?=\s|$)|\[/?INST\]|<<?/?SYS>>"
    r"|\ufffd|\xc3[\x80-\xbf]|\xe2\u20ac[\u2122\u0153\u0178\x9d\u201c\u201d]|[\x00-\x08\x0b\x0c\x0e-\x1f]"
)
_NEXT_TURN = re.compile(r"(?:Human|User|Assistant|System):(?=[ \t\n])")
_SENTENCE = re.compile(r"[.!?\u3002\uff01\uff1f\u0964](?=\s|$)")
_WORDS = re.compile(r"[^\W\d_]+")
_MONEY = re.compile(r"[\d<]")  # "$$60" is a sum and a slip of the finger
_CLOSER = {"[": "]", "(": ")"}


def unclosed(trace: Trace) -> Iterator[Defect]:
    """Every opening without its closing and the other way round; the score is how many, the place the first."""
    places = sorted([*_tags(trace), *_fences(trace), *_boxes(trace), *_formulas(trace)])
    if places:
        note = "opened and not closed, or closed and not opened: " + ", ".join(sorted({name for _, _, name in places}))
        yield Defect(Reason.UNCLOSED, len(places), places[0][0], places[0][1], note)


Place = tuple[int, int, str]


def _tags(trace: Trace) -> Iterator[Place]:
    if "<" not in trace.text:
        return
    open_thought = None
    for number, tag in enumerate(trace.think_tags):
        if not tag[1]:
            if open_thought is not None:
                yield (*open_thought.span(), "thought")
            open_thought = tag
        elif open_thought is None and number:  # the first may close what the prompt opened
            yield (*tag.span(), "thought")
        else:
            open_thought = None
    if open_thought is not None:
        yield (*open_thought.span(), "thought")
    opened: dict[str, re.Match[str]] = {}
    for tag in _TAG.finditer(trace.prose):
        name = tag[2].lower()
        if not tag[1]:
            if name in opened:
                yield (*opened[name].span(), f"<{name}>")
            opened[name] = tag
        elif opened.pop(name, None) is None:
            yield (*tag.span(), f"<{name}>")
    yield from ((*tag.span(), f"<{name}>") for name, tag in opened.items())


def _fences(trace: Trace) -> Iterator[Place]:
    opened: re.Match[str] | None = None
    for fence in _FENCE.finditer(trace.text) if "```" in trace.text or "~~~" in trace.text else ():
        if opened is None:
            opened = None if "`" in fence[2] else fence  # ```code``` in one line is not a fence
        elif fence[1].startswith(opened[1]) and not fence[2].strip():
            opened = None
    if opened is not None:
        yield (*opened.span(), "code")


def _boxes(trace: Trace) -> Iterator[Place]:
    for match in re.finditer(r"\\f?boxed\{", trace.plain) if "boxed{" in trace.text else ():
        if not closing_brace(trace.plain, match.end() - 1):
            yield (*match.span(), "box")


def _formulas(trace: Trace) -> Iterator[Place]:
    text = trace.plain
    if "$" not in text and "\\" not in text:
        return
    opened: re.Match[str] | None = None
    environments: list[re.Match[str]] = []
    for match in _DELIMITER.finditer(text):
        sign = match[1] or match[2] or match[0]
        if sign == "begin":
            environments.append(match)
        elif sign == "end":
            if environments and environments[-1][3] == match[3]:
                environments.pop()
            else:
                yield (*match.span(), "environment")
        elif sign.isspace():
            if opened is not None and opened[1] == "(":  # an inline formula ends with its paragraph
                yield (*opened.span(), "formula")
                opened = None
        elif opened is not None and sign in ("$$", _CLOSER.get(opened[1] or "")):
            opened = None
        elif sign in ("[", "(", "$$"):
            if opened is not None:
                yield (*opened.span(), "formula")
            opened = match
        elif sign in ("]", ")"):
            yield (*match.span(), "formula")
    if opened is not None and not _MONEY.match(text, opened.end()):
        yield (*opened.span(), "formula")
    yield from ((*match.span(), "environment") for match in environments)
    if "$" in trace.prose:
        yield from ((match.start(), match.start() + 1, "formula") for match in _LONE_DOLLAR.finditer(trace.prose))


def garbled(trace: Trace) -> Iterator[Defect]:
    """Control tokens, a next turn of the conversation, control or replacement characters, twice-encoded letters."""
    turns = [match.span() for match in _NEXT_TURN.finditer(trace.prose)]
    found = [match.span() for match in _CONTROL.finditer(trace.prose)]
    found += [span for span in turns if span[0] and trace.prose[span[0] - 1] == "\n"]
    if found:
        yield Defect(Reason.GARBLED, len(found), *min(found), "control tokens or broken characters")


def empty_thinking(trace: Trace) -> Iterator[Defect]:
    """Tags of a thought around nothing, or around dots."""
    if trace.thought and any(tag[1] for tag in trace.think_tags):
        start, end = trace.thought
        if not _WORDS.search(trace.text, start, end) and not re.search(r"\d", trace.text[start:end]):
            yield Defect(Reason.EMPTY_THINKING, 1.0, start, end, "the thought holds no word")


def truncated(trace: Trace, way: Course) -> Iterator[Defect]:
    """The budget was reached, a thought never ends, or a text without an answer stops within a sentence.

    An unclosed thought whose last line states the answer was not cut off but forgot its tag (see `unclosed`).
    """
    end = len(trace.text)
    last = trace.text.rstrip()
    line = last.rfind("\n") + 1
    answered = way.final is not None and way.final.marked and way.final.end >= line
    if trace.truncated:
        note = "the token budget ended it"
    elif trace.think_tags and not trace.think_tags[-1][1] and not answered:
        note = "the thought never ends"
    elif (
        trace.thought
        and not _WORDS.search(trace.text, trace.summary[0])
        and not re.search(r"\d", last[trace.summary[0] :])
    ):
        note = "nothing follows the thought"
        if not any(tag[1] for tag in trace.think_tags):
            return
    elif way.final is None and _within_sentence(trace, line):
        note = "it stops within a sentence"
    elif (
        way.final is None
        and trace.gold
        and trace.gold.casefold() not in last[line:].casefold()
        and _is_number(trace.gold)
    ):
        note = "there is no answer"
    else:
        return
    yield Defect(Reason.TRUNCATED, 1.0, line, end, note)


def _within_sentence(trace: Trace, line: int) -> bool:
    """Whether prose that has whole sentences ends without a sign, in a letter, comma or operator."""
    tail = trace.prose[line:].rstrip()
    if not tail or len(tail) < len(trace.text[line:].rstrip()):  # code, a formula or a quotation stands last
        return False
    prose = len(_WORDS.findall(tail)) >= 3 or tail[-1] in "+-*/=,("
    return prose and (tail[-1].isalpha() or tail[-1] in ",+-*/=(") and bool(_SENTENCE.search(trace.prose))


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[-+]?[\d.,/]+", text))
