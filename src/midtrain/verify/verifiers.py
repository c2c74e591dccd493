"""Judging a completion: find the final answer, then compare it in the way the problem names.

The final answer is the rest of the first line that starts with "Answer:". The first, because a base model that has
answered goes on to invent the next problem and answers that too; a model that writes many such lines gets one try.
Without such a line the answer is the whole completion, if that is one line. (The usual "last number in the text" is
not used: repeating "Which is larger, 3 or 8?" would earn half the points.)

What was found is read strictly. A line that holds two numbers or two options is no answer, since accepting it would
reward naming everything; "12x", "12%" and "1e3" are not numbers; "24/2" is not the number 12, since that would reward
repeating the question. A completion cut off by its token budget in the middle of its answer has none either ("12" may
be the beginning of "125").

Every verifier is a function of (answer, gold, arguments) that returns an outcome and its cause. It must not raise for
anything a model can write; if it does, that is a defect of ours, and the verdict is INFRA_ERROR, never FAIL.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from midtrain.core.errors import UserError, did_you_mean
from midtrain.verify.problem import MARKER, Form, Problem
from midtrain.verify.verdict import Outcome, Verdict

Judgement = tuple[Outcome, str]
Verifier = Callable[[str, str, Mapping[str, Any]], Judgement]

_MARKED = re.compile(rf"^[ \t*]*{re.escape(MARKER)}([^\r\n]*)", re.MULTILINE)
_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_NUMBER = re.compile(
    rf"(?<![\w.,/+-])[-+]?(?:{_DIGITS}(?:\.[0-9]+|/[0-9]+)?|\.[0-9]+)(?![\w/%]|[.,+-][0-9])"
)  # 12, -3, 1,234, 0.5, .5, 3/4, and nothing glued to it
_LONGEST_NUMBER = 200  # characters: no answer is longer, and int() refuses 4,300 digits
_PASS: Judgement = (Outcome.PASS, "")


def verify(problem: Problem, completion: str, form: Form = "text", truncated: bool = False) -> Verdict:
    """Judge `completion` as the answer to `problem`.

    `form` says what the model was given: "text" the problem's `prompt_text()`, "chat" its user message. `truncated`
    says that the completion ended because its token budget did. Raises UserError for an unknown verifier.
    """
    verifier = VERIFIERS.get(problem.verifier)
    if verifier is None:
        raise UserError(
            f'Problem {problem.id} names the verifier "{problem.verifier}".{did_you_mean(problem.verifier, VERIFIERS)}'
        )
    start = time.perf_counter()
    try:
        given = problem.prompt_text()[len(problem.prompt) :] if form == "text" else ""
        answer = final_answer(given + completion, truncated)
        outcome, cause = verifier(answer, problem.gold, problem.arguments)
    except Exception as error:  # whatever broke, it was not the answer
        outcome, cause = Outcome.INFRA_ERROR, f"{problem.verifier}: {type(error).__name__}: {error}"
    return Verdict(outcome, cause, time.perf_counter() - start)


def final_answer(text: str, truncated: bool = False) -> str:
    """The line of the final answer in `text`, without its marker; empty when there is none."""
    marked = _MARKED.search(text)
    if marked:
        cut = truncated and marked.end() == len(text)
        return "" if cut else marked[1].strip(" \t*")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if len(lines) == 1 and not truncated else ""


def exact(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement:
    """The same characters, up to the amount of white space."""
    if not answer:
        return Outcome.UNPARSEABLE, "no answer"
    return _PASS if answer.split() == gold.split() else (Outcome.FAIL, "different text")


def number(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement:
    """The same value, compared exactly as a fraction: 0.50 is 1/2. A fraction is an answer only where gold is one."""
    found = [match[0] for match in _NUMBER.finditer(answer.replace("\u2212", "-"))]
    if len(found) != 1:
        return Outcome.UNPARSEABLE, f"{len(found)} numbers in the answer" if found else "no number in the answer"
    written = found[0]
    if len(written) > _LONGEST_NUMBER:
        return Outcome.UNPARSEABLE, "a number too long to be an answer"
    if "/" in written and ("/" not in gold or not int(written.split("/")[1])):
        return Outcome.UNPARSEABLE, "a fraction where none is asked" if "/" not in gold else "a denominator of 0"
    equal = Fraction(written.replace(",", "")) == Fraction(gold)
    return _PASS if equal else (Outcome.FAIL, "different number")


def choice(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement:
    """One of `arguments["options"]`, in any case, first in the answer and the only one ("Yes, it is" is yes)."""
    options = [option.casefold() for option in arguments["options"]]
    if gold.casefold() not in options:
        raise ValueError(f"the gold answer {gold!r} is not among the options")
    words = "|".join(re.escape(option) for option in sorted(options, key=len, reverse=True))
    named = {match[0] for match in re.finditer(rf"(?<!\w)(?:{words})(?!\w)", answer.casefold())}
    if len(named) != 1:
        return Outcome.UNPARSEABLE, f"{len(named)} options in the answer" if named else "not one of the options"
    if not answer.casefold().startswith(tuple(named)):
        return Outcome.UNPARSEABLE, "the option does not come first"
    return _PASS if named == {gold.casefold()} else (Outcome.FAIL, "another option")


VERIFIERS: dict[str, Verifier] = {"exact": exact, "number": number, "choice": choice}
"""Every verifier by the name a problem gives it."""
