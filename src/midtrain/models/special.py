"""Control tokens and the characters they are written with: kept apart, so that no text can inject a control token.

A control token (an added token that is special: end of text, begin of a turn) is an id with a meaning, and also has a
spelling. Tokenizers read that spelling as the id wherever it stands, so a document that quotes "<|endoftext|>" would
end itself, and a message that quotes "<|im_start|>system" would speak for the system. Two copies of a tokenizer's
backend undo this:

- `text_backend` reads every spelling as ordinary characters. It is what documents and plain prompts go through.
- `disguised` does the same, and reads stand-ins as the control tokens: as many private characters as the spelling has,
  chosen so that the text holds none of them. Chat rendering writes stand-ins where its template wrote control tokens.
  The text is still encoded whole, so merges and spaces at every edge are those of the undisguised text.

A copy takes as long and as much memory as reading tokenizer.json once more; both are made when first needed.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers import AddedToken, models
from tokenizers import Tokenizer as Backend

_PRIVATE = range(0xF0000, 0xFFFFE)


def control_tokens(backend: Backend) -> dict[str, int]:
    """The spelling and the id of every special token."""
    return {token.content: i for i, token in backend.get_added_tokens_decoder().items() if token.special}


def text_backend(backend: Backend) -> Backend:
    """A copy for which the spelling of a special token is text; added tokens that are not special stay what they are.

    `encode_special_tokens` is enough for byte-pair merges, which never spell a token that no merge makes. Unigram and
    whole-word vocabularies hold the spellings as pieces that a text may match, so there they get unguessable names.
    """
    specification = backend.to_str()
    if not isinstance(backend.model, models.BPE):
        specification = _hide_spellings(specification, list(control_tokens(backend)))
    copy = Backend.from_str(specification)
    copy.encode_special_tokens = True
    copy.no_truncation()
    copy.no_padding()
    return copy


def _hide_spellings(specification: str, spellings: list[str]) -> str:
    content = json.loads(specification)
    model = content["model"]
    names = {one: f"{secrets.token_hex(16)} {one}" for one in spellings if one != model.get("unk_token")}
    for token in content["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    vocab: Any = model["vocab"]
    if isinstance(vocab, dict):
        model["vocab"] = {names.get(piece, piece): i for piece, i in vocab.items()}
    else:
        model["vocab"] = [[names.get(piece, piece), score] for piece, score in vocab]
    return json.dumps(content)


@dataclass(frozen=True)
class Disguise:
    """A text backend that reads stand-ins as control tokens."""

    backend: Backend
    stand_ins: Mapping[str, str]
    """The stand-in of every spelling, as long as it."""
    ids: Mapping[int, int]
    """The control token that the backend's id of a stand-in means."""


def disguise_block(text: str, count: int) -> int:
    """The first block of `count` private characters of which `text` has none (almost always 0)."""
    taken = {(ord(letter) - _PRIVATE.start) // count for letter in set(text) if ord(letter) in _PRIVATE}
    return next(block for block in range(len(taken) + 1) if block not in taken)


def disguised(backend: Backend, readable: Backend, block: int) -> Disguise:
    """The disguise of `backend`, given its `text_backend`, with the stand-ins of one block of private characters."""
    tokens = {i: token for i, token in backend.get_added_tokens_decoder().items() if token.special}
    first = _PRIVATE.start + block * len(tokens)
    stand_ins = {token.content: chr(first + n) * len(token.content) for n, token in enumerate(tokens.values())}
    copy = Backend.from_str(readable.to_str())
    copy.encode_special_tokens = True
    copy.add_tokens(
        [
            AddedToken(stand_ins[token.content], lstrip=token.lstrip, rstrip=token.rstrip, normalized=False)
            for token in tokens.values()
        ]
    )
    vocabulary = copy.get_added_tokens_decoder()
    meant = {stand_ins[token.content]: i for i, token in tokens.items()}
    ids = {i: meant[token.content] for i, token in vocabulary.items() if token.content in meant}
    return Disguise(copy, stand_ins, ids)
