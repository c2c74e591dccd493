"""The document row: what every stage reads and writes, and what makes a row usable.

A document is named by its content: the same text has the same id in every source, on every machine, so duplicates,
lineage and held-out status can be followed by id alone. A text's id is BLAKE2b of its UTF-8 bytes; a chat's is BLAKE2b
of a NUL followed by role NUL content NUL ... . No document holds a NUL, so the two never meet.

Readers yield plain dicts (a `Row`) with any of: text, messages, group, license, lang, parents, split, meta, and
`where` = (file, row number) for people; or a `BadRow` for what could not even be read; or many rows at once (rows.py).
`collect` judges the rest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ROLES = ("system", "user", "assistant", "tool")
SPLITS = ("train", "heldout")
MAX_ROW_BYTES = 256 << 20
"""A longer row is unusable: no document is that long, and what lacks line ends must not fill the memory."""

_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("messages", pa.list_(_MESSAGE)),
        ("source", pa.string()),
        ("lang", pa.string()),
        ("license", pa.string()),
        ("parents", pa.list_(pa.string())),
        ("group", pa.string()),
        ("split", pa.string()),
        ("meta", pa.string()),
    ]
)

Row = dict[str, Any]
Where = tuple[str, int | None]


@dataclass(frozen=True)
class BadRow:
    """A row that could not be read: why, where (file, row number) and how it looks.

    `usual` rows (a web page without text) are counted as any other drop, and are no sign that the source is damaged.
    """

    reason: str
    where: Where
    sample: str = ""
    usual: bool = False


class Unusable(Exception):
    """Why a row is no document; `str()` of it is the reason it is counted under."""


def document_id(content: bytes) -> str:
    """The id of what `encode_text` or `encode_messages` gave."""
    return blake2b(content, digest_size=16).hexdigest()


def encode_text(text: Any) -> bytes:
    """The UTF-8 bytes of a usable text; raises Unusable."""
    if text is None:
        raise Unusable("missing text")
    if not isinstance(text, str):
        raise Unusable("text is not a string")
    if not text or text.isspace():
        raise Unusable("empty text")
    return _encode(text)


def encode_messages(messages: Any) -> tuple[bytes, list[dict[str, str]], int]:
    """Check chat messages; returns (the bytes that are hashed, the messages as they are kept, bytes of content).

    System messages without content say nothing and are left out. Raises Unusable.
    """
    if not isinstance(messages, list):
        raise Unusable("messages are not a list")
    kept: list[dict[str, str]] = []
    pieces: list[bytes] = [b""]
    size = 0
    for message in messages:
        role, content = _role_and_content(message)
        if role == "system" and not content.strip():
            continue
        if not content.strip():
            raise Unusable(f"a message of the {role} is empty")
        encoded = _encode(content)
        size += len(encoded)
        pieces += [role.encode(), encoded]
        kept.append({"role": role, "content": content})
    if not kept:
        raise Unusable("messages are empty")
    if not any(message["role"] == "assistant" for message in kept):
        raise Unusable("messages without an assistant")
    return b"\0".join(pieces), kept, size


def _role_and_content(message: Any) -> tuple[str, str]:
    if not isinstance(message, dict):
        raise Unusable("a message is not {role, content}")
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        raise Unusable("a message without a known role (system, user, assistant, tool)")
    if message.get("tool_calls"):
        raise Unusable("a message with tool_calls, which have no text")
    if not isinstance(content, str):
        raise Unusable("a message whose content is not a string")
    return role, content


def _encode(text: str) -> bytes:
    if "\0" in text:
        raise Unusable("NUL character")
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise Unusable("lone surrogate") from None
    if len(encoded) > MAX_ROW_BYTES:
        raise Unusable("longer than 256 MiB")
    return encoded


def meta_text(value: Any) -> str | None:
    """What is kept in `meta`: JSON text, with its keys in order."""
    return value if value is None or isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def content_bytes(table: pa.Table) -> np.ndarray:
    """UTF-8 bytes int64 [N] of what each row of `table` says: its text, or the contents of its messages added up."""
    texts = table["text"].combine_chunks()
    bytes_N = np.asarray(pc.fill_null(pc.binary_length(texts), 0), dtype=np.int64)
    if texts.null_count:
        messages = table["messages"].combine_chunks()
        lengths = pc.binary_length(pc.struct_field(messages.flatten(), "content"))
        running = np.concatenate([[0], np.cumsum(np.asarray(lengths, dtype=np.int64))])
        offsets_N1 = np.asarray(messages.offsets, dtype=np.int64) - messages.offsets[0].as_py()
        bytes_N += np.diff(running[offsets_N1])
    return bytes_N


def printable(text: str, length: int = 200) -> str:
    """The beginning of `text` as valid UTF-8, for samples and messages."""
    return text[:length].encode("utf-8", "backslashreplace").decode()


def content_of(table: pa.Table) -> pa.Array:
    """What a document says, as one text: `text`, or the contents of its messages with a blank line between them.

    `table` has the columns text and messages; returns large_string [N] without nulls. This is what statistics,
    signatures, language and quality are computed on, so a chat is judged by what is said in it, not by its markup.
    """
    texts = table["text"].combine_chunks().cast(pa.large_string())
    if not texts.null_count:
        return texts
    messages = table["messages"].combine_chunks()
    offsets = pc.subtract(messages.offsets, messages.offsets[0])  # of a slice, they do not start at 0
    contents = pa.ListArray.from_arrays(offsets, pc.struct_field(messages.flatten(), "content"))
    joined = pc.binary_join(contents, "\n\n").cast(pa.large_string())
    return pc.if_else(pc.is_valid(texts), texts, joined)
