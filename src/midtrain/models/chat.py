"""Conversations as ids, with an exact mask of what the assistant said.

Only the assistant's words (and the token that ends them) have a loss. Where they lie is known from the template, never
searched for in ids: a template with `{% generation %}` markers says it itself; for any other the assistant's contents
are replaced by sentinels, the rendered frame is cut at them, and frame plus contents must give the true rendering
character by character. A template that rewrites what the assistant said (some drop earlier thoughts) fails that
comparison and is an error: a mask that is nearly right trains the wrong tokens silently.

The text is encoded in pieces, cut where the assistant begins and ends, because that is what happens when the model is
used: the prompt is encoded alone and the model goes on from its last token. So training sees the ids generation sees,
and no token straddles the edge of the mask. A tokenizer that treats the start of a text specially (a SentencePiece
one with its leading space) cannot be cut this way; there the whole is encoded and a straddling token is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2.exceptions import TemplateError
from transformers.utils.chat_template_utils import render_jinja_template

from midtrain.core.errors import UserError
from midtrain.models.tokenizer import Tokenizer

Message = Mapping[str, str]
Span = tuple[int, int]
_MARKER = re.compile(r"\{%-?\s*generation\s*-?%\}")


def render(tokenizer: Tokenizer, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
    """The ids of a conversation, and which of them the assistant says (its content and its end marker).

    Raises UserError when there is no template, a message is malformed, or the assistant's words cannot be located.
    """
    _check(messages)
    text, spans = _render_with_spans(tokenizer, messages)
    return _encode(tokenizer, text, spans)


def render_prompt(tokenizer: Tokenizer, messages: Sequence[Message]) -> list[int]:
    """The ids that ask the assistant to speak next; `render` of the answered conversation begins with them."""
    _check(messages)
    text, _ = _render(tokenizer, messages, add_generation_prompt=True)
    return tokenizer.encode_pieces([text])[0]


def _check(messages: Sequence[Message]) -> None:
    if not messages:
        raise UserError("A conversation without messages cannot be rendered; drop it.")
    for message in messages:
        if not isinstance(message.get("role"), str) or not isinstance(message.get("content"), str):
            raise UserError(f"A message needs a role and a content, both text (it is {dict(message)!r:.80}).")


def _template(tokenizer: Tokenizer) -> str:
    try:
        return tokenizer.hf.get_chat_template()
    except ValueError as error:
        raise UserError(
            "The tokenizer has no chat template, so messages cannot be rendered; add chat_template.jinja to its folder."
        ) from error


def _render(tokenizer: Tokenizer, messages: Sequence[Message], **options: Any) -> tuple[str, list[Span]]:
    arguments: dict[str, Any] = {**tokenizer.hf.special_tokens_map, **options}
    try:
        rendered: Any = render_jinja_template(
            [[dict(message) for message in messages]], chat_template=_template(tokenizer), **arguments
        )
    except (TemplateError, TypeError, ValueError) as error:
        raise UserError(f"The chat template refuses the conversation: {error}") from error
    (text,), spans = rendered
    return text, [(start, end) for start, end in (spans or [[]])[0]]


def _render_with_spans(tokenizer: Tokenizer, messages: Sequence[Message]) -> tuple[str, list[Span]]:
    spoken = [i for i, message in enumerate(messages) if message["role"] == "assistant"]
    if _MARKER.search(_template(tokenizer)):
        text, spans = _render(tokenizer, messages, return_assistant_tokens_mask=True)
        if spoken and not spans:
            raise UserError("The chat template marks nothing as the assistant's; correct its generation markers.")
        return text, spans
    text, _ = _render(tokenizer, messages)
    return text, _spans_by_sentinels(tokenizer, messages, spoken, text)


def _spans_by_sentinels(
    tokenizer: Tokenizer, messages: Sequence[Message], spoken: Sequence[int], text: str
) -> list[Span]:
    masked = [dict(message) for message in messages]
    sentinels = [f"\ue0f0{i}\ue0f1" for i in spoken]
    for i, sentinel in zip(spoken, sentinels, strict=True):
        masked[i]["content"] = sentinel
    frame, _ = _render(tokenizer, masked)
    spans: list[Span] = []
    at = 0
    for i, sentinel in zip(spoken, sentinels, strict=True):
        before, found, frame = frame.partition(sentinel)
        start = at + len(before)
        content = _as_written(messages[i]["content"], text, start)
        if not found or content is None or text[at:start] != before:
            raise UserError(
                "The chat template changes what the assistant says or leaves it out, so the words to learn cannot be "
                "told apart; use a template with {% generation %} markers."
            )
        at = start + len(content)
        spans.append((start, at + _end_marker(tokenizer, frame)))
    if text[at:] != frame:
        raise UserError("The chat template writes around an answer what depends on it; use {% generation %} markers.")
    return spans


def _as_written(content: str, text: str, start: int) -> str | None:
    """The content as the template wrote it at `start`: unchanged, or stripped of the space around it."""
    return next((form for form in (content, content.strip()) if text.startswith(form, start)), None)


def _end_marker(tokenizer: Tokenizer, following: str) -> int:
    """The length of the special token that directly follows an answer; 0 when something else does."""
    return max((len(token) for token in tokenizer.hf.all_special_tokens if following.startswith(token)), default=0)


def _encode(tokenizer: Tokenizer, text: str, spans: Sequence[Span]) -> tuple[list[int], list[bool]]:
    if not _can_be_cut(tokenizer):
        return _encode_whole(tokenizer, text, spans)
    pieces, says = [], []
    at = 0
    for start, end in spans:
        pieces += [text[at:start], text[start:end]]
        says += [False, True]
        at = end
    pieces.append(text[at:])
    says.append(False)
    ids: list[int] = []
    mask: list[bool] = []
    for piece, said in zip(tokenizer.encode_pieces(pieces), says, strict=True):
        ids += piece
        mask += [said] * len(piece)
    return ids, mask


def _can_be_cut(tokenizer: Tokenizer) -> bool:
    """Whether a text is encoded alike at the start and in the middle of another."""
    alone, behind = tokenizer.encode_pieces(["a", "\na"])
    return behind[-len(alone) :] == alone


def _encode_whole(tokenizer: Tokenizer, text: str, spans: Sequence[Span]) -> tuple[list[int], list[bool]]:
    encoding = tokenizer.hf.backend_tokenizer.encode(text, add_special_tokens=False)
    mask = [False] * len(encoding.ids)
    for start, end in spans:
        for index, (left, right) in enumerate(encoding.offsets):
            if left < right and left < end and right > start:
                # the space before a word belongs to its token, which is the first the model must say
                if text[left:start].strip() or right > end:
                    raise UserError(
                        f"A token ({text[left:right]!r}) lies half inside an answer; change the template so that an "
                        "answer stands between special tokens or line ends."
                    )
                mask[index] = True
    return encoding.ids, mask
