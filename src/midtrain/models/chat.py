"""Conversations as ids, with an exact mask of what the assistant said.

Only the assistant's words (and the token that ends them) have a loss. Where they lie is known from the template, never
searched for in ids: a template with `{% generation %}` markers says it itself; for any other the contents are located:
each is replaced by a sentinel, the rendered frame is cut at the sentinels, and frame plus contents must give the true
rendering character by character. A template that rewrites what the assistant said (some drop earlier thoughts) fails
that comparison and is an error: a mask that is nearly right trains the wrong tokens silently.

The text is encoded in pieces, cut where the assistant begins and ends, because that is what happens when the model is
used: the prompt is encoded alone and the model goes on from its last token. So training sees the ids generation sees,
and no token straddles the edge of the mask. A tokenizer that treats the start of a text specially (a SentencePiece
one with its leading space) cannot be cut this way; there the whole is encoded and a straddling token is an error.

Control tokens come from the template alone. A message that quotes "<|im_end|>" has quoted ten characters; read as a
token they would end its turn and let it speak in another's name. Most conversations quote nothing of the kind: none of
their contents holds the spelling of a control token, and they have the control tokens of their frame. These are
encoded as transformers does. For any other the contents are located as above, stand-ins are written for the control
tokens outside of them, and a backend encodes that to which only stand-ins are control tokens (`special.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from jinja2.exceptions import TemplateError
from tokenizers import Tokenizer as Backend
from transformers.utils.chat_template_utils import render_jinja_template

from midtrain.core.errors import UserError
from midtrain.models.special import Disguise, disguise_block, disguised
from midtrain.models.tokenizer import Tokenizer

Message = Mapping[str, str]
Span = tuple[int, int]
_MARKER = re.compile(r"\{%-?\s*generation\s*-?%\}")


class _Content(NamedTuple):
    """Where a message's content stands in the rendered text, and the template's text up to the next content."""

    message: int
    start: int
    end: int
    following: str


class _Rendered(NamedTuple):
    """A conversation as the template writes it."""

    text: str
    frame: str
    """The same with a sentinel in place of every content."""
    contents: list[_Content] | None
    """Where the contents stand in the text; None when the template changes what it is given."""


def render(tokenizer: Tokenizer, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
    """The ids of a conversation, and which of them the assistant says (its content and its end marker).

    What stands in a content is text, also where it looks like a control token. Raises UserError when there is no
    template, a message is malformed, or contents that must be located cannot be.
    """
    _check(tokenizer, messages)
    spoken = [i for i, message in enumerate(messages) if message["role"] == "assistant"]
    if _MARKER.search(_template(tokenizer)):
        text, spans = _render(tokenizer, messages, return_assistant_tokens_mask=True)
        if spoken and not spans:
            raise UserError("The chat template marks nothing as the assistant's; correct its generation markers.")
        return _encode_safely(tokenizer, messages, _located(tokenizer, messages, text, _filled(messages)), spans)
    text, _ = _render(tokenizer, messages)
    rendered = _located(tokenizer, messages, text, {*_filled(messages), *spoken})
    return _encode_safely(tokenizer, messages, rendered, _spoken_spans(tokenizer, messages, rendered, spoken))


def render_prompt(tokenizer: Tokenizer, messages: Sequence[Message]) -> list[int]:
    """The ids that ask the assistant to speak next; `render` of the answered conversation begins with them."""
    _check(tokenizer, messages)
    text, _ = _render(tokenizer, messages, add_generation_prompt=True)
    rendered = _located(tokenizer, messages, text, _filled(messages), add_generation_prompt=True)
    ids, _ = _encode_safely(tokenizer, messages, rendered, [])
    return ids


def _check(tokenizer: Tokenizer, messages: Sequence[Message]) -> None:
    if not messages:
        raise UserError("A conversation without messages cannot be rendered; drop it.")
    for message in messages:
        if not isinstance(message.get("role"), str) or not isinstance(message.get("content"), str):
            raise UserError(f"A message needs a role and a content, both text (it is {dict(message)!r:.80}).")
    if _spells_control(tokenizer, [message["role"] for message in messages]):
        raise UserError("The role of a message holds a control token; it must be a plain word such as user.")


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


def _filled(messages: Sequence[Message]) -> set[int]:
    """The messages that say something: templates may leave an empty one out."""
    return {i for i, message in enumerate(messages) if message["content"].strip()}


def _located(
    tokenizer: Tokenizer, messages: Sequence[Message], text: str, masked: set[int], **options: Any
) -> _Rendered:
    """Find the contents of the `masked` messages in the rendered `text`, by rendering sentinels in place of them."""
    used = set(text).union(*(message["content"] for message in messages))
    mark = next(letter for letter in map(chr, range(0xE000, 0xF900)) if letter not in used)
    sentinels = [
        {**message, "content": f"{mark}{i}{mark}"} if i in masked else message for i, message in enumerate(messages)
    ]
    frame, _ = _render(tokenizer, sentinels, **options)
    before, *rest = frame.split(mark)
    contents: list[_Content] = []
    at = len(before)
    whole = text.startswith(before)
    for number, following in zip(rest[::2], rest[1::2], strict=True):
        end = _end_of_content(messages[int(number)]["content"], text, at, following) if whole else None
        if end is None:
            return _Rendered(text, frame, None)
        contents.append(_Content(int(number), at, end, following))
        at = end + len(following)
    return _Rendered(text, frame, contents if whole and at == len(text) else None)


def _end_of_content(content: str, text: str, start: int, following: str) -> int | None:
    """Where the content at `start` ends, written unchanged or stripped of the space around it; None when rewritten."""
    for form in (content, content.strip()):
        end = start + len(form)
        if text.startswith(form, start) and text.startswith(following, end):
            return end
    return None


def _spoken_spans(
    tokenizer: Tokenizer, messages: Sequence[Message], rendered: _Rendered, spoken: Sequence[int]
) -> list[Span]:
    if rendered.contents is None:  # a template may rewrite what others say, as long as the answers stand
        rendered = _located(tokenizer, messages, rendered.text, set(spoken))
    answers = [content for content in rendered.contents or [] if content.message in set(spoken)]
    if [answer.message for answer in answers] != list(spoken):
        raise UserError(
            "The chat template changes what the assistant says or leaves it out, so the words to learn cannot be "
            "told apart; use a template with {% generation %} markers."
        )
    return [(one.start, one.end + _end_marker(tokenizer, one.following)) for one in answers]


def _end_marker(tokenizer: Tokenizer, following: str) -> int:
    """The length of the special token that directly follows an answer; 0 when something else does."""
    return max((len(token) for token in tokenizer.hf.all_special_tokens if following.startswith(token)), default=0)


def _spells_control(tokenizer: Tokenizer, texts: Sequence[str]) -> bool:
    return any(spelling in text for text in texts for spelling in tokenizer.control_tokens)


def _encode_safely(
    tokenizer: Tokenizer, messages: Sequence[Message], rendered: _Rendered, spans: Sequence[Span]
) -> tuple[list[int], list[bool]]:
    """Encode the rendered text with the control tokens that the template wrote, and no others."""
    backend = tokenizer.hf.backend_tokenizer
    backend.encode_special_tokens = False  # transformers leaves it as the last call wanted it
    meant = _control_ids(tokenizer, backend.encode(rendered.frame, add_special_tokens=False).ids)
    if not _spells_control(tokenizer, [message["content"] for message in messages]):
        ids, mask = _encode(tokenizer, backend, rendered.text, spans)
        if _control_ids(tokenizer, ids) == meant:
            return ids, mask
    if rendered.contents is None:
        raise UserError(
            "A message holds the characters of a control token, and the chat template changes what messages say, so "
            "the two cannot be told apart; take the conversation out or use a template that copies messages."
        )
    disguise = _disguise(tokenizer, disguise_block(rendered.text, len(tokenizer.control_tokens)))
    ids, mask = _encode(tokenizer, disguise.backend, _with_stand_ins(rendered, disguise), spans)
    ids = [disguise.ids.get(i, i) for i in ids]
    if _control_ids(tokenizer, ids) != meant:
        raise UserError("The tokenizer makes a control token of ordinary characters; take the conversation out.")
    return ids, mask


def _control_ids(tokenizer: Tokenizer, ids: Sequence[int]) -> list[int]:
    """The control tokens among `ids`, without the one for what a vocabulary does not know: any text may hold that."""
    control = set(tokenizer.control_tokens.values()) - {tokenizer.hf.unk_token_id}
    return [i for i in ids if i in control]


@lru_cache(maxsize=4)
def _disguise(tokenizer: Tokenizer, block: int) -> Disguise:
    return disguised(tokenizer.hf.backend_tokenizer, tokenizer.text_backend, block)


def _with_stand_ins(rendered: _Rendered, disguise: Disguise) -> str:
    """The rendered text with stand-ins for the control tokens outside of contents; every character keeps its place."""
    assert rendered.contents is not None
    longest_first = sorted(disguise.stand_ins, key=len, reverse=True)
    control = re.compile("|".join(map(re.escape, longest_first)))
    first = rendered.contents[0].start if rendered.contents else len(rendered.text)
    written = control.sub(lambda match: disguise.stand_ins[match[0]], rendered.text[:first])
    for content in rendered.contents:
        written += rendered.text[content.start : content.end]
        written += control.sub(lambda match: disguise.stand_ins[match[0]], content.following)
    return written


def _encode(tokenizer: Tokenizer, backend: Backend, text: str, spans: Sequence[Span]) -> tuple[list[int], list[bool]]:
    if not _can_be_cut(tokenizer):
        return _encode_whole(backend, text, spans)
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
    for piece, said in zip(pieces, says, strict=True):  # one by one: waking threads for a batch costs more
        found = backend.encode(piece, add_special_tokens=False).ids
        ids += found
        mask += [said] * len(found)
    return ids, mask


@lru_cache(maxsize=4)
def _can_be_cut(tokenizer: Tokenizer) -> bool:
    """Whether a text is encoded alike at the start and in the middle of another."""
    alone, behind = tokenizer.encode_pieces(["a", "\na"])
    return behind[-len(alone) :] == alone


def _encode_whole(backend: Backend, text: str, spans: Sequence[Span]) -> tuple[list[int], list[bool]]:
    encoding = backend.encode(text, add_special_tokens=False)
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
