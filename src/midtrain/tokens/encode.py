"""Text to token ids at the speed of memory, and exactly as the model's own tokenizer would.

Tokenising is where a data pipeline waits: `tokenizers` makes 1 to 3 MB/s on two cores, so a 10-billion-token source
is half a day. `gigatoken` computes the same byte-pair merges one to two hundred megabytes a second, straight from an
Arrow column (offsets and bytes, no Python string is ever made). It is fast because it knows the usual split patterns
by heart, so it is trusted only as far as it is checked: an `Encoder` compares it with `tokenizers` on texts made to
hurt (below) when it is built, and on the first documents of every store. On any difference, or for a tokenizer
gigatoken does not know, it says so in a sentence and `tokenizers` does the work.

**Special tokens inside text are text.** `tokenizers` by default turns the characters "<|endoftext|>" inside a document
into the control token. Documents come from strangers, and such a document would end itself, or begin a turn of a chat
that never took place. So control tokens come only from the tokenizer's own prefix and suffix and from a chat template,
never from a document's characters: `tokenizers` runs with the tokenizer's `text_backend` (see `models/special.py`;
transformers calls it `split_special_tokens`), and gigatoken gets the same vocabulary without the special entries.
Added tokens that are not special (runs of spaces in some code tokenizers) stay what they are: vocabulary.

gigatoken remembers every word it has met and never forgets: up to 1 byte of memory per byte of source code, 7 per byte
of random letters. So it is loaded afresh after each gibibyte of text (a few tenths of a second).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import tokenizers

from midtrain.core.progress import say

if TYPE_CHECKING:
    from midtrain.models.tokenizer import Tokenizer

_EXCERPT_CHARACTERS = 500
_EXCERPTS_CHARACTERS = 64_000
_RENEW_BYTES = 1 << 30

_NASTY = (
    "",
    " ",
    "Hello, world! It's we'll I'VE don't 'S x's",
    "\r\n\r\nline\r\n\n\n  indented\r\n\ttab \t mixed\r \n",
    "0 12 345 6789 1234567890 3.14159 1e-9 0xFF \u0663\u0664 \u00b2\u00bd\u2167 \u0e53",
    "caf\u00e9 cafe\u0301 \u0041\u030a \u1ea4 Vie\u0302\u0323t o\u0308\u0323 \u0915\u094d\u0937\u093f \u0e01\u0e33",
    "\u4e2d\u6587\u5206\u8bcd\u3002\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8",
    "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u2764\ufe0f \U0001f44d\U0001f3fd",
    "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05c1\u05dc\u05d5\u05dd \u202e\u202b\u200f\u200e",
    "\u0440\u0443\u0441 \u0130\u0131\u00df\u1e9e \ufb01 \u017f\u212a's 'l\u017f",
    "\x00\x01\x07\x08\x0b\x0c\x1b[0m\x7f\x85\x9f\u2028\u2029\ufeff\ufffd\ufffe\uffff\U0010ffff\ue000",
    "\u00a0\u2003\u2009\u200b\u3000 a\u00a0b  \u2003 c\u3000\u3000d\u1680\u180e\u205f",
    "def f(x: int) -> list[str]:\n    return [f'{i!r}' for i in range(x)]  # \\n\\t\n\n\n        x **= 2; y //= 3\n",
    "<a href=\"x\">&amp;</a> {'k': [1, 2.5e10, null]} $\\frac{a}{b}$ http://a.b/c?d=%20&e=f#g ___ --- ==> !!!\n???\n",
    "<|endoftext|> <s></s> [CLS] <|im_start|>system\n<|im_end|> <bos> <pad> <unk> <mask> <0x0A> \u2581\u2581a \u0120b",
    " " * 5_000 + "x" + "\n" * 3_000 + "\t" * 2_000 + " \n" * 1_000 + "end   ",
    "9" * 3_000 + "a" * 3_000 + "-" * 3_000 + "\u00e9" * 1_000 + "\u4e2d" * 1_000,
    "supercalifragilistic" * 100 + " the" * 2_000,
)


class Encoder:
    """A tokenizer's text path: columns of documents in, flat arrays of ids out.

    `engine` is "gigatoken" or "tokenizers"; `parity_documents` counts the texts on which the two were compared and
    found equal (0 when gigatoken is not in use); `batch_documents` is how many texts `tokenizers` gets at once.
    """

    def __init__(self, tokenizer: Tokenizer, engine: Literal["gigatoken", "tokenizers"] = "gigatoken"):
        """Load both engines and compare them; on any difference `tokenizers` is used, and a sentence says why."""
        self.tokenizer = tokenizer
        self.engine = engine
        self.parity_documents = 0
        self.batch_documents = 1_000
        self._specification = tokenizer.hf.backend_tokenizer.to_str()
        self._reference = tokenizer.text_backend
        self._fast: Any = None
        self._bytes_since_renewal = 0
        if engine == "gigatoken":
            self._start_gigatoken()

    def _start_gigatoken(self) -> None:
        try:
            self._fast = _load_gigatoken(self._specification)
        except (RuntimeError, ValueError, TypeError) as error:
            self._fall_back(f"gigatoken does not know this tokenizer ({str(error).splitlines()[0]})")
        else:
            self.check(nasty_texts(self.tokenizer.hf.backend_tokenizer))

    def check(self, texts: list[str]) -> bool:
        """Compare the engines on `texts`; True when gigatoken stays in use.

        When they differ, `tokenizers` is used from now on, and a sentence says so.
        """
        if self._fast is None:
            return False
        ids, lengths = self._encode_fast(pa.array(texts, pa.large_string()))
        expected_ids, expected_lengths = self._encode_reference(texts)
        if np.array_equal(lengths, expected_lengths) and np.array_equal(ids, expected_ids):
            self.parity_documents += len(texts)
            return True
        self._fall_back(f"gigatoken and tokenizers differ on {_first_difference(self, texts)!r}")
        return False

    def encode(self, column: pa.Array | pa.ChunkedArray | list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Ids of every document, without anything around them: (ids uint32 flat, lengths int64 per document).

        `column` holds texts and no nulls.
        """
        if self._fast is None:
            return self._encode_reference(column if isinstance(column, list) else column.to_pylist())
        return self._encode_fast(_large_strings(column))

    def encode_documents(
        self, column: pa.Array | pa.ChunkedArray | list[str], dtype: Any = np.uint32
    ) -> tuple[np.ndarray, np.ndarray]:
        """Like `encode`, with the tokenizer's own prefix and suffix around every document, in `dtype`."""
        ids, lengths = self.encode(column)
        return surround(ids, lengths, self.tokenizer.prefix, self.tokenizer.suffix, dtype)

    def _encode_fast(self, column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        import awkward as ak

        if len(column) == 0:
            return np.empty(0, np.uint32), np.empty(0, np.int64)
        _, offsets, data = column.buffers()
        offsets_n = np.frombuffer(offsets, np.int64, len(column) + 1, column.offset * 8)
        bytes_n = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
        characters = ak.contents.NumpyArray(bytes_n, parameters={"__array__": "char"})
        strings = ak.contents.ListOffsetArray(
            ak.index.Index64(offsets_n), characters, parameters={"__array__": "string"}
        )
        self._bytes_since_renewal += int(offsets_n[-1] - offsets_n[0])
        if self._bytes_since_renewal > _RENEW_BYTES:
            self._fast = _load_gigatoken(self._specification)
            self._bytes_since_renewal = 0
        layout = self._fast.encode_batch(ak.Array(strings)).layout
        bounds = layout.offsets.data
        return layout.content.data[bounds[0] : bounds[-1]], np.diff(bounds)

    def _encode_reference(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        ids: list[np.ndarray] = []
        lengths = np.empty(len(texts), np.int64)
        for start in range(0, len(texts), self.batch_documents):
            batch = self._reference.encode_batch_fast(
                texts[start : start + self.batch_documents], add_special_tokens=False
            )
            lists = [encoding.ids for encoding in batch]
            lengths[start : start + len(lists)] = [len(one) for one in lists]
            ids.append(np.fromiter(itertools.chain.from_iterable(lists), np.uint32))
        return (np.concatenate(ids) if ids else np.empty(0, np.uint32)), lengths

    def _fall_back(self, reason: str) -> None:
        self._fast = None
        self.engine = "tokenizers"
        self.parity_documents = 0
        say(f"{reason}; tokenising with tokenizers instead (exact, about 50 times slower).")


def surround(
    ids: np.ndarray, lengths: np.ndarray, prefix: Sequence[int], suffix: Sequence[int], dtype: Any = np.uint32
) -> tuple[np.ndarray, np.ndarray]:
    """Put `prefix` before and `suffix` after each document of the flat `ids`: (ids in `dtype`, new lengths int64)."""
    if not prefix and not suffix:
        return ids.astype(dtype, copy=False), lengths
    around = len(prefix) + len(suffix)
    ends = np.cumsum(lengths + around)
    out = np.empty(len(ids) + around * len(lengths), dtype)
    body = np.ones(len(out), np.bool_)
    for place, token in enumerate(prefix):
        at = ends - lengths - around + place
        out[at], body[at] = token, False
    for place, token in enumerate(suffix):
        at = ends - len(suffix) + place
        out[at], body[at] = token, False
    out[body] = ids
    return out, lengths + around


def nasty_texts(tokenizer: tokenizers.Tokenizer) -> list[str]:
    """The texts of the parity check: characters that split patterns disagree on, and this tokenizer's added tokens."""
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    return [*_NASTY, *(f"a{token} b {token}\n{token}{token}1" for token in added)]


def excerpts(texts: pa.Array | pa.ChunkedArray) -> list[str]:
    """Beginnings of the first documents of a column: as much as a parity check can afford (64,000 characters)."""
    chosen: list[str] = []
    spent = 0
    for value in texts:
        if spent >= _EXCERPTS_CHARACTERS:
            break
        text = value.as_py()
        if text is not None:
            chosen.append(text[:_EXCERPT_CHARACTERS])
            spent += len(chosen[-1])
    return chosen


def _load_gigatoken(specification: str) -> Any:
    import gigatoken

    # Only the list of added tokens is parsed: the vocabulary behind it is most of the file, and of the time.
    start = specification.index('"added_tokens":') + len('"added_tokens":')
    added, end = json.JSONDecoder().raw_decode(specification, start)
    kept = json.dumps([token for token in added if not token["special"]])
    return gigatoken.Tokenizer.from_json(specification[:start] + kept + specification[end:])


def _large_strings(column: pa.Array | pa.ChunkedArray | list[str]) -> pa.Array:
    if isinstance(column, list):
        return pa.array(column, pa.large_string())
    column = column.cast(pa.large_string())  # new 64-bit offsets, the same bytes
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [_EMPTY])
    assert column.null_count == 0, "documents without text have no ids"
    return column


_EMPTY = pa.array([], pa.large_string())


def _first_difference(encoder: Encoder, texts: list[str]) -> str:
    for text in texts:
        fast, _ = encoder._encode_fast(pa.array([text], pa.large_string()))
        reference, _ = encoder._encode_reference([text])
        if not np.array_equal(fast, reference):
            return text[:60]
    return "several documents at once"
