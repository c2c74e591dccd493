"""A problem: a prompt, the right answer, how to check it, a worked solution, and which split it belongs to.

One problem has two written forms. The text form is what a base model is trained on,

    What is 27 + 35?
    7 + 5 = 12, carry 1
    2 + 3 + 1 = 6
    Answer: 62

and an evaluation gives the model a strict prefix of it (`prompt_text`) to continue: up to the line break before the
steps, or, when there are no steps, up to and including "Answer:". Both prefixes end where byte-level tokenizers break a
text, so the prefix's tokens are a prefix of the text's tokens. A problem that asks for a program or a proof is followed
by it, without a marker. The chat form is the same as a user and an assistant
message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from midtrain.core.fingerprint import fingerprint
from midtrain.verify.answer import marker
from midtrain.verify.verifiers.registry import find

Form = Literal["text", "chat"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. `id` names its content (prompt, gold, verifier, arguments): equal problems have equal ids."""

    id: str = field(init=False)
    prompt: str
    gold: str
    verifier: str
    """The name of the verifier that judges an answer, in `verifiers.registry`."""
    arguments: Mapping[str, Any]
    """What the verifier needs beside the gold answer, such as the options of a choice."""
    parts: Mapping[str, str | None]
    """The problem taken apart: question, answer, and passage (what the question is about) or None."""
    family: str
    difficulty: int
    split: str
    """'train' or 'evaluation'."""
    group: str
    """Family and hash of the canonical operands: problems that differ only in wording share it."""
    steps: tuple[str, ...] = ()
    """The worked solution, a line each, without the final answer."""
    license: str = "CC0-1.0"
    lang: str = "en"

    def __post_init__(self) -> None:
        content = [self.prompt, self.gold, self.verifier, self.arguments]
        object.__setattr__(self, "id", fingerprint(content))

    @property
    def wants_all(self) -> bool:
        """Whether the answer is everything that is written (a program, a proof), not what follows the marker."""
        return not self.steps and find(self.verifier, "A problem").reads == "completion"

    def solution(self) -> str:
        """The steps and the final answer: what an assistant would say."""
        if self.wants_all:
            return self.gold
        return "\n".join((*self.steps, f"{marker(self.lang)} {self.gold}"))

    def text(self) -> str:
        """The text form, on which a base model is trained."""
        return f"{self.prompt}\n{self.solution()}"

    def prompt_text(self) -> str:
        """What an evaluation gives the model to continue: a strict prefix of `text()`."""
        stands_alone = self.steps or self.wants_all
        return f"{self.prompt}\n" if stands_alone else f"{self.prompt}\n{marker(self.lang)}"

    def messages(self) -> list[dict[str, str]]:
        """The chat form: a user message and an assistant message."""
        return [{"role": "user", "content": self.prompt}, {"role": "assistant", "content": self.solution()}]


def to_document(problem: Problem, form: Form = "text") -> dict[str, Any]:
    """The problem as a row for `documents.collect`, which names it (id) and its source.

    Its `group` is the problem's, so two wordings of the same operands are never on both sides of a split; an
    evaluation problem's row is marked `heldout`, so that it cannot be trained on by accident.
    """
    content: dict[str, Any] = {"text": problem.text(), "messages": None}
    if form == "chat":
        content = {"text": None, "messages": problem.messages()}
    meta = {"problem": problem.id, "family": problem.family, "difficulty": problem.difficulty, "gold": problem.gold}
    return {
        **content,
        "lang": problem.lang,
        "license": problem.license,
        "parents": [],
        "group": problem.group,
        "split": "train" if problem.split == "train" else "heldout",
        "meta": json.dumps(meta, sort_keys=True),
    }
