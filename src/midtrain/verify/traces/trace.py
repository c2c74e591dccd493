"""A reasoning trace taken apart, and the defect: the two things every check of this room speaks of.

    <think> the thought </think> the summary         or a worked solution without tags, which is all summary

Places are character spans of `Trace.text`, in every view of it: what a view hides (code, formulas, quotations) is
blanked, not cut, so that a span found in one is right in all. `lowered` and the views are made once a trace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from midtrain.core.errors import UserError
from midtrain.verify.problem import Problem
from midtrain.verify.traces.config import Reason

THINK = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_FENCED = re.compile(r"^[ \t>]*(`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t>]*\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"(?<!`)(`{1,2})(?!`)[^`\n]{1,500}?(?<!`)\1(?!`)")
_MATH = re.compile(
    r"\$\$.{1,4000}?\$\$|\\\[.{1,4000}?\\\]|\\\(.{1,2000}?\\\)"
    r"|\\begin\{([a-z]+\*?)\}.{1,4000}?\\end\{\1\}"
    r"|\$(?<!\w\$)(?<![\\$]\$)(?![\s$])[^$\n]{1,500}?(?<![\s\\$])\$(?![\d$])",  # money has no such end (Pandoc's rule)
    re.DOTALL,
)
_QUOTED = re.compile(
    r'"[^"\n]{1,400}"|\u201c[^\u201d\n]{1,400}\u201d|\u201e[^\u201c\u201d\n]{1,400}[\u201c\u201d]'
    r"|\u00ab[^\u00bb\n]{1,400}\u00bb|\u300c[^\u300d\n]{1,400}\u300d|\u300e[^\u300f\n]{1,400}\u300f"
    r"|\u2018[^\u2018\u2019\n]{1,200}\u2019(?!\w)|https?://\S+"
)  # each alternative begins with a letter of its own, so that the search skips to it


class Defect(NamedTuple):
    """One thing that is wrong with a trace."""

    reason: Reason
    score: float
    """How bad: a share in 0..1, or a count; the note says of what."""
    start: int
    end: int
    """Where, in characters of the trace's text; the first or worst place when there are several."""
    note: str


@dataclass(frozen=True)
class Trace:
    """What a model wrote, with what is known of the question."""

    text: str
    lang: str = "en"
    """The language the trace should be in (ISO 639-1)."""
    prompt: str = ""
    """The question, if known: what stands in it in another script may stand in the trace."""
    gold: str | None = None
    """The right answer, if known."""
    truncated: bool = False
    """Whether the token budget ended it."""

    @classmethod
    def of(cls, problem: Problem, completion: str, truncated: bool = False) -> Trace:
        """The trace of an answer to `problem`; verifiers that read programs have no gold answer to look for."""
        gold = problem.gold if "\n" not in problem.gold else None
        return cls(completion, problem.lang, problem.prompt, gold, truncated)

    @classmethod
    def of_messages(cls, messages: Sequence[Mapping[str, str]], lang: str = "en", gold: str | None = None) -> Trace:
        """The trace in a conversation's last message; a separate `reasoning_content` becomes its thought.

        Raises UserError when the last message is not the assistant's.
        """
        if not messages or messages[-1].get("role") != "assistant":
            raise UserError("A trace's last message is not the assistant's; leave out what follows the answer.")
        last, thought = messages[-1], messages[-1].get("reasoning_content")
        text = f"<think>\n{thought}\n</think>\n\n{last['content']}" if thought else last["content"]
        return cls(text, lang, "\n".join(message["content"] for message in messages[:-1]), gold)

    @cached_property
    def thought(self) -> tuple[int, int] | None:
        """Where the thought stands, without its tags; None when there are none.

        A closing tag alone is what a model writes whose template has opened the thought in the prompt.
        """
        tags = self.think_tags
        if not tags:
            return None
        start = 0 if tags[0][1] else tags[0].end()
        closed = next((tag.start() for tag in tags if tag[1]), len(self.text))
        return start, closed

    @cached_property
    def think_tags(self) -> list[re.Match[str]]:
        """The tags around thoughts, outside of code and quotations."""
        return list(THINK.finditer(self.plain)) if "<" in self.text else []

    @property
    def summary(self) -> tuple[int, int]:
        """What stands after the last thought: all of a text without one."""
        closed = [tag.end() for tag in self.think_tags if tag[1]]
        start = len(self.text) if self.think_tags and not closed else closed[-1] if closed else 0
        return start, len(self.text)

    @property
    def reasoning(self) -> tuple[int, int]:
        """The thought, or the whole of a text without one."""
        return self.thought or (0, len(self.text))

    @cached_property
    def plain(self) -> str:
        """The text with code blanked."""
        return blank(_INLINE_CODE, blank(_FENCED, self.text)) if "`" in self.text or "~~~" in self.text else self.text

    @cached_property
    def prose(self) -> str:
        """The text with code, formulas, quotations and addresses blanked: the writer's own words."""
        plain = self.plain
        if "$" in plain or "\\" in plain:
            plain = blank(_MATH, plain)
        return blank(_QUOTED, plain)

    @cached_property
    def lowered(self) -> str:
        """`prose` in lower case with plain apostrophes, character for character."""
        lowered = self.prose.lower().replace("\u2019", "'")
        if len(lowered) == len(self.prose):
            return lowered
        return "".join(
            low if len(low := letter.lower()) == 1 else letter for letter in self.prose.replace("\u2019", "'")
        )


def blank(pattern: re.Pattern[str], text: str) -> str:
    """`text` with spaces for what `pattern` matches; line breaks stay."""
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
