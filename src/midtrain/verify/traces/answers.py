"""The answers a trace states on its way, and what became of them.

Stated is what stands after a final answer's marker ("Answer:", "####"), in a box or an answer's tags, or after "the
answer is". Results of single steps are not: a number that happens to be the answer may be one of them. In a
sentence only a number, a yes or no, or the very words of the marked answer count: "the answer is correct" states none.
Two answers are the same when each holds one number and the numbers are equal, or when their letters and signs are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import NamedTuple

from midtrain.verify.answer import MARKERS
from midtrain.verify.traces.config import Reason, TracesConfig
from midtrain.verify.traces.phrases import STATED, checks
from midtrain.verify.traces.trace import Defect, Trace

_NUMBER = re.compile(r"(?<![\w.,:/])[-\u2212]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:\s?/\s?\d+)?(?!\w|[.,:]\d)")
_FRACTION = re.compile(r"\\[dt]?frac\{(-?\d+)\}\{(\d+)\}")
_WRAPPING = re.compile(r"\\(?:text|mathrm|mathbf|boxed|left|right|[,;!()\[\]])|[\s$*_`{}\\]|\.$|[\u3002!]$")
_NOT_STATED = re.compile(
    r"\b(?:if|whether|suppose|assum\w+|unless|not sure|wonder\w*|maybe|perhaps|why|previous|old|other|wrong"
    r"|wenn|ob|falls|vielleicht|si|quiz\w+|tal vez|peut-\u00eatre|\u0435\u0441\u043b\u0438|kama|labda)\b[^.!?\n]*$"
    r"|\u5982\u679c[^\u3002\n]*$"
)
_VAGUE = re.compile(
    r"\b(?:not|at least|at most|more than|less than|between|either|around|about|approximately|close to)\b"
)
_CHOICE = re.compile(
    r"(?:yes|no|true|false|ja|nein|s\u00ed|oui|non|\u0434\u0430|\u043d\u0435\u0442|\(?[a-e]\)?)(?=[\s.,!]|$)"
)
_CLAUSE = re.compile(r"(?:[^\n,.;!?\u3002\uff0c\uff1b\uff01\uff1f]|[,.](?=\d))*")
_GOES_ON = re.compile(r"\?|\uff1f|, (?:and )?\$?\d")  # a question, or a list of which this was the first
_BRACE = re.compile(r"\\[{}]|[{}]|\n[ \t]*\n")
_LONGEST_BOX = 500
_SHORT_TAIL = 40  # words: a check of one's answer in a few sentences is never overthinking
_SMALL = 20  # numbers up to here may have been thought in words
_ENDING = 200  # characters at the end of a thought that say what it came to
_ONE_CHECK = 25  # characters between phrases that speak of different checks

Value = Fraction | str


class Stated(NamedTuple):
    """An answer stated at `start:end` of the text."""

    value: Value
    start: int
    end: int
    marked: bool
    """By a marker, box or tag, not by a sentence."""
    said: str
    """In its own words."""


def stated_answers(trace: Trace) -> list[Stated]:
    """Every stated answer, in order."""
    marked = sorted(_marked(trace), key=lambda answer: answer.start)
    marked = [
        answer
        for before, answer in zip([None, *marked], marked, strict=False)
        if not before or answer.start >= before.end
    ]
    known: dict[Value, str] = {answer.value: answer.said for answer in marked if isinstance(answer.value, str)}
    if trace.gold:
        known[value_of(trace.gold)] = trace.gold
    inside = [(answer.start, answer.end) for answer in marked]
    spoken = [
        answer
        for answer in _spoken(trace, known)
        if not any(start < answer.end and answer.start < end for start, end in inside)
    ]
    return sorted([*marked, *spoken], key=lambda answer: answer.start)


def value_of(text: str) -> Value:
    """What `text` says: its number when it holds exactly one, otherwise its letters and signs without their dress."""
    text = _FRACTION.sub(r"\1/\2", text).strip()
    found = [match[0] for match in _NUMBER.finditer(text.replace("\\$", " ").replace("$", " "))]
    if len(found) == 1 and len(found[0]) < 100 and not re.search(r"\d", text.replace(found[0], "", 1)):
        return _number(found[0])
    return _WRAPPING.sub("", text).casefold()


def _number(written: str) -> Value:
    top, _, bottom = written.replace(",", "").replace("\u2212", "-").replace(" ", "").partition("/")
    return written if bottom and not int(bottom) else Fraction(top) / int(bottom or 1)


def _marked(trace: Trace) -> Iterator[Stated]:
    text = trace.plain
    for match in _markers(trace.lang).finditer(text):
        said = match["line"] or match["tag"] or ""
        if (value := value_of(said)) != "":
            yield Stated(value, match.start(), match.end(), True, said)
    place = text.find("\\boxed{")
    while place >= 0:
        end = closing_brace(text, place + 6)
        if end:
            said = text[place + 7 : end - 1]
            yield Stated(value_of(said), place, end, True, said)
        place = text.find("\\boxed{", end or place + 7)


def closing_brace(text: str, opened: int) -> int:
    """The place after the brace closing that at `opened`; 0 where a blank line or 500 characters come first."""
    depth = 0
    for match in _BRACE.finditer(text, opened, opened + _LONGEST_BOX):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if match[0].startswith("\n"):
            return 0
        if not depth:
            return match.end()
    return 0


@cache
def _markers(lang: str) -> re.Pattern[str]:
    words = {MARKERS["en"], "Final answer:", "Final Answer:", "####", MARKERS.get(lang, MARKERS["en"])}
    joined = "|".join(re.escape(word) for word in sorted(words))
    return re.compile(
        rf"^[ \t*#>]*(?:{joined})[ \t*]*(?P<line>[^\r\n<]*)|<answer>(?P<tag>[^<]{{1,500}})</answer>", re.MULTILINE
    )


def _spoken(trace: Trace, known: dict[Value, str]) -> Iterator[Stated]:
    """Answers stated in sentences; formulas count as they stand, quotations and code are nobody's word."""
    expressions = [re.compile(STATED[lang]) for lang in dict.fromkeys((trace.lang, "en")) if lang in STATED]
    for expression in expressions:
        for match in expression.finditer(trace.lowered):
            before = trace.lowered[max(0, match.start() - 80) : match.start()]
            clause = _CLAUSE.match(trace.plain, match.end())
            if clause is None or _NOT_STATED.search(before) or _GOES_ON.match(trace.plain, clause.end()):
                continue
            value = _spoken_value(clause[0], known, trace.prompt)
            if value is not None:
                yield Stated(value, match.start(), clause.end(), False, clause[0])


def _spoken_value(clause: str, known: dict[Value, str], prompt: str) -> Value | None:
    said = clause.strip(" \t*:$\\()")
    if not said or _VAGUE.search(said.lower()):
        return None
    value = value_of(clause.rpartition("=")[2])
    if isinstance(value, Fraction) or value in known:
        return value
    choice = _CHOICE.match(said.lower())
    alike = any(_shape(said) == _shape(text) for value, text in known.items() if isinstance(value, str))
    if alike and (len(said) == 1 or not said.isalpha() or said[0].isupper() or said in prompt):
        return value
    return choice[0].strip("()") if choice and choice[0] not in ("a", "e") else None


def _shape(text: str) -> list[tuple[bool, bool, bool]]:
    """How the words of a text look: a name, a letter, a word."""
    return [(word[0].isupper(), word.isalpha(), len(word) == 1) for word in text.strip(" .$*").split()]


class Course(NamedTuple):
    """How a trace came to its answer."""

    answers: list[Stated]
    final: Stated | None
    """The answer given: the last one marked after the thought; the first one of a solution without a thought, because
    what a base model writes after it is another problem (see verify/answer.py)."""
    right: Value | None
    """The gold answer where it is known, otherwise the one given."""
    found: int | None
    """Where the right answer was first stated and the reasoning could have ended."""


def course(trace: Trace) -> Course:
    """The stated answers, the one given, and where it was found."""
    answers = stated_answers(trace)
    given = [answer for answer in answers if answer.start >= trace.summary[0]] or answers
    final = _given(given, first=trace.thought is None)
    right = value_of(trace.gold) if trace.gold else final.value if final else None
    start, end = trace.reasoning
    places = [answer.end for answer in answers if answer.value == right and start <= answer.start < end]
    phrases = checks(trace.lang)
    if isinstance(right, Fraction) and phrases:
        until = places[0] if places else end
        for check in phrases.finditer(trace.lowered, start, until):
            sentence = trace.plain[max(start, check.start() - 200) : check.start()].rstrip().rpartition("\n")[2]
            results = [_number(match[0]) for match in _NUMBER.finditer(sentence.replace("$", " "))]
            if results and results[-1] == right:
                places.append(check.start())
                break
    return Course(answers, final, right, min(places) if places else None)


def _given(answers: list[Stated], first: bool) -> Stated | None:
    """The last (or first) marked answer; of all where none is marked."""
    candidates = [answer for answer in answers if answer.marked] or answers
    return candidates[0 if first else -1] if candidates else None


def changed(trace: Trace, config: TracesConfig, way: Course) -> Iterator[Defect]:
    """The answer was found and then left; or one after another was tried; or the summary gives another."""
    inside = [answer for answer in way.answers if trace.reasoning[0] <= answer.start < trace.reasoning[1]]
    values = [answer.value for answer in inside]
    if way.right in values:
        after = inside[values.index(way.right) + 1 :]
        left = [answer for answer in after if answer.value != way.right]
        if left:
            note = "times another answer was stated after it was found"
            yield Defect(Reason.ANSWER_CHANGED, len(left), left[0].start, left[0].end, note)
    tried = set(values)
    if len(tried) > config.answers_tried:
        yield Defect(Reason.GUESSING, len(tried), inside[0].start, inside[-1].end, "different answers were stated")
    if trace.thought and way.final and way.final.start >= trace.thought[1]:
        yield from _inconsistent(trace, way.final, inside)


def _inconsistent(trace: Trace, final: Stated, inside: list[Stated]) -> Iterator[Defect]:
    if inside:
        found = inside[-1].value
        if type(found) is type(final.value) and found != final.value:
            yield Defect(Reason.INCONSISTENT, 1.0, final.start, final.end, "the thought's last answer is another")
        return
    start, end = trace.reasoning
    value, thought = final.value, trace.text[start:end]
    if not isinstance(value, Fraction) or value.denominator > 1 or value <= _SMALL:
        return
    if re.search(rf"(?<![\d.])(?:{value}|{int(value):,})(?!\d)", thought):
        return
    numbers = [_number(match[0]) for match in _NUMBER.finditer(thought[-_ENDING:].replace("$", " "))]
    if numbers and isinstance(last := numbers[-1], Fraction) and last >= 10 ** (len(str(value)) - 1):
        # it ends in a number of that size; a scratchpad that works digit by digit ends in a smaller one
        yield Defect(Reason.INCONSISTENT, 1.0, final.start, final.end, "the answer stands nowhere in the thought")


def lingering(trace: Trace, config: TracesConfig, way: Course) -> Iterator[Defect]:
    """What went on after the answer was found: checks and restatements, and how much of the thought it takes."""
    if way.found is None:
        return
    start, end = trace.reasoning
    if trace.thought is None:  # the final statement of a solution without tags is its summary, not a restatement
        end = max((answer.start for answer in way.answers if answer.start >= way.found), default=way.found)
    restated = [answer for answer in way.answers if way.found < answer.start < end and answer.value == way.right]
    checked = checks_between(trace, way.found, end)
    count = max(checked, len(restated))
    if count > config.rechecks:
        note = "times the found answer was checked or stated again"
        yield Defect(Reason.REVERIFICATION, count, way.found, end, note)
    share = (end - way.found) / max(1, end - start)
    long = len(trace.text[way.found : end].split()) >= _SHORT_TAIL and (trace.thought is not None or checked > 0)
    if share > config.after_answer and long:  # without a thought, an explanation may follow its answer
        yield Defect(Reason.OVERTHINKING, round(share, 3), way.found, end, "of the thought comes after the answer")


def checks_between(trace: Trace, start: int, end: int) -> int:
    """How often something is checked again; phrases close together are one check."""
    phrases, count, last = checks(trace.lang), 0, -_ONE_CHECK
    for match in phrases.finditer(trace.lowered, start, end) if phrases and start < end else ():
        count += match.start() - last >= _ONE_CHECK
        last = match.end()
    return count
