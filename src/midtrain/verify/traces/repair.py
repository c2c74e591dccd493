"""Mending what can be mended without writing a word: choose the shortest, cut what follows the answer, close a tag.

    n completions of one problem --verify--> the right ones --inspect--> clean ones, or repaired ones --> the shortest

The shortest right answer of several is the simplest cure of overthinking (Chen et al. 2024, section 3). A repair only
cuts whole sentences or adds a closing sign, and counts only if the verifier passes the result and no defect that costs
a trace its place is left in it. Otherwise the trace stays as it is, and is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from midtrain.verify.traces.answers import Course, course
from midtrain.verify.traces.config import Reason, TracesConfig
from midtrain.verify.traces.inspection import decide, inspect
from midtrain.verify.traces.trace import Trace
from midtrain.verify.verdict import Verdict

Verify = Callable[[str], Verdict]
"""The verdict of a whole completion."""
_SENTENCE_END = re.compile(r"[.!?\u3002\uff01\uff1f\u0964]+[)\"'\u201d*]*(?=\s|$)|\u3002|(?=\n)|$")


class Selected(NamedTuple):
    """What became of several traces of one problem."""

    trace: Trace | None
    """The shortest verified clean one, as it is or repaired; None when there is none."""
    place: int | None
    """Which one it was."""
    repaired: bool
    reasons: tuple[Reason | str, ...]
    """For each trace "kept", "repaired", the reason it was dropped for, or the outcome of its verdict."""


def shortest_verified(traces: Sequence[Trace], verdicts: Sequence[Verdict]) -> int | None:
    """The index of the shortest trace, in characters, whose verdict is PASS; None when none is."""
    right = [i for i, verdict in enumerate(verdicts) if verdict.passed]
    return min(right, key=lambda i: (len(traces[i].text), i), default=None)


def repair(
    trace: Trace, verify: Verify, config: TracesConfig | None = None, shortest: str | None = None
) -> Trace | None:
    """`trace` with the least repair that leaves it clean and verified; None when none does."""
    seen = {trace.text}
    for text in _mended(trace):
        if text in seen:
            continue
        seen.add(text)
        mended = replace(trace, text=text, truncated=False)
        if decide(inspect(mended, config, shortest), config).keep and verify(text).passed:
            return mended
    return None


def select(traces: Sequence[Trace], verify: Verify, config: TracesConfig | None = None) -> Selected:
    """The shortest verified clean trace of one problem's, repaired where that is needed and safe.

    A repair is tried only of traces that are right as they are, so that no wrong one is cut until it passes.
    """
    verdicts = [verify(trace.text) for trace in traces]
    best = shortest_verified(traces, verdicts)
    shortest = traces[best].text if best is not None else None
    reasons: list[Reason | str] = []
    clean: list[tuple[int, int, Trace]] = []
    for i, (trace, verdict) in enumerate(zip(traces, verdicts, strict=True)):
        decision = decide(inspect(trace, config, shortest), config)
        mended = None if decision.keep or not verdict.passed else repair(trace, verify, config, shortest)
        if not verdict.passed:
            reasons.append(verdict.outcome.value)
        else:
            reasons.append("kept" if decision.keep else "repaired" if mended else decision.reason or "")
            if decision.keep or mended:
                clean.append((len((mended or trace).text), i, mended or trace))
    if not clean:
        return Selected(None, None, False, tuple(reasons))
    _, index, chosen = min(clean, key=lambda entry: entry[:2])
    return Selected(chosen, index, reasons[index] == "repaired", tuple(reasons))


def _mended(trace: Trace) -> Iterator[str]:
    """Texts with ever more repaired: signs closed; the tail cut; both."""
    closed = _closed(trace)
    yield closed
    yield _trimmed(trace)
    yield _trimmed(replace(trace, text=closed))


def _trimmed(trace: Trace) -> str:
    """Without what follows the answer: in the thought after it was found, and after the final statement."""
    way = course(trace)
    if way.final is None:
        return trace.text
    text = trace.text
    if trace.thought is None:
        return text[: _sentence_end(text, way.final.end)].rstrip() + "\n"
    end = trace.thought[1]
    cut = _cut(trace, way)
    return text if cut is None or cut >= end else text[:cut].rstrip() + "\n" + text[end:]


def _cut(trace: Trace, way: Course) -> int | None:
    """Where the thought may end: after the sentence in which the answer was found."""
    if way.found is None or trace.thought is None or not trace.thought[0] <= way.found < trace.thought[1]:
        return None
    return _sentence_end(trace.text, way.found)


def _sentence_end(text: str, place: int) -> int:
    found = _SENTENCE_END.search(text, place)
    return found.end() if found else len(text)


def _closed(trace: Trace) -> str:
    """With what is open closed: a code fence or a thought before the answer's line, a tag or box in its own line."""
    text = re.sub(r"(</think(?:ing)?>)\s*\1", r"\1", trace.text.rstrip())
    if text.count("<answer>") == text.count("</answer>") + 1:
        text = re.sub(r"(.*<answer>[^\n]*)", r"\1</answer>", text, count=1, flags=re.DOTALL)
    line = text.rfind("\n") + 1
    if "\\boxed{" in text[line:] and text[line:].count("{") == text[line:].count("}") + 1:
        text = re.sub(r"(?:\$|\\\))?\.?$", lambda end: "}" + end[0], text, count=1)
    before = text[:line].rstrip() if course(replace(trace, text=text[line:])).final else text
    after = text[line:] if before != text else ""
    fences = re.findall(r"^(`{3,})", text, re.MULTILINE)
    if len(fences) % 2:
        return f"{before}\n{fences[-1]}\n\n{after}".rstrip()
    if trace.think_tags and not trace.think_tags[-1][1]:
        return f"{before}\n</{trace.think_tags[-1][0][1:-1]}>\n\n{after}".rstrip()
    return text
