"""What a text is made of, in numbers: everything the heuristic rules of Gopher, C4 and FineWeb ask, in one pass.

    statistics(content_of(table), stop_words="en")["mean_word_length"]  # float32 [N]

The kernel counts (statistics_kernel.py says what a word and a line are); here counts become shares. Nothing is decided:
thresholds are asked later, of columns that are kept beside the text, so changing one costs no second pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, pairwise

import numpy as np
import pyarrow as pa

from midtrain.text.arrow import text_buffers
from midtrain.text.statistics_kernel import COUNTS, STOP_BITS, count_documents
from midtrain.text.stop_words import STOP_WORDS, language_code
from midtrain.text.unicode import VERSION as UNICODE_VERSION
from midtrain.text.unicode import kind_table

VERSION = f"2, unicode {UNICODE_VERSION}"
"""Belongs in the fingerprint of what is computed here: the number is raised when a statistic changes its meaning."""

STATISTICS: dict[str, tuple[type, str]] = {
    "characters": (np.int32, "characters (code points)"),
    "words": (np.int32, "words that are not punctuation alone"),
    "mean_word_length": (np.float32, "characters of such a word"),
    "lines": (np.int32, "lines that are not blank"),
    "paragraphs": (np.int32, "runs of such lines"),
    "stop_words": (np.int32, "different stop words of the language; -1 where the language has no list"),
    "hashes": (np.float32, '"#" per word, punctuation counted as words'),
    "ellipses": (np.float32, "ellipses per word, punctuation counted as words"),
    "alphabetic_words": (np.float32, "share of words that have a letter"),
    "alphabetic_tokens": (np.float32, "the same, punctuation counted as words"),
    "bullet_lines": (np.float32, "share of lines that begin with a bullet or a hyphen"),
    "ellipsis_lines": (np.float32, "share of lines that end with an ellipsis"),
    "terminal_lines": (np.float32, "share of lines that end with . ! ? or their like in other scripts"),
    "short_lines": (np.float32, "share of lines of at most 30 characters"),
    "newlines": (np.float32, "line feeds per word, punctuation counted as words"),
    "duplicate_lines": (np.float32, "share of lines that came before"),
    "duplicate_line_characters": (np.float32, "share of characters, line feeds left out, that are in them"),
    "duplicate_paragraphs": (np.float32, "share of paragraphs that came before"),
    "duplicate_paragraph_characters": (np.float32, "share of characters that are in them"),
    **{f"top_{n}_gram": (np.float32, f"share of characters in the most frequent {n} words") for n in range(2, 5)},
    **{
        f"duplicate_{n}_grams": (np.float32, f"share of characters in runs of {n} words that came before")
        for n in range(5, 11)
    },
    "prose_sentences": (np.int32, "sentences in lines that C4 keeps"),
    "prose_curly_brackets": (np.int32, "lines that C4 would keep but for a curly bracket"),
    "prose_lorem_ipsum": (np.int32, "lines that C4 would keep but for lorem ipsum"),
    "digits": (np.float32, "share of characters that are digits"),
    "upper_case": (np.float32, "share of letters that are capitals"),
    "code": (np.float32, "share of characters that code is full of: {}[]<>=;_|\\^~$@&*+/`"),
    "markup": (np.float32, "share of characters inside <tags>"),
    "compression": (np.float32, "bytes per byte of LZ4, which only removes repetition"),
}
"""Every column with its type and meaning."""


def statistics(
    texts: pa.Array | pa.ChunkedArray, *, stop_words: str | Sequence[str | None] | None = "en"
) -> dict[str, np.ndarray]:
    """The columns of STATISTICS, each [N], of N texts.

    `stop_words` is the language of all texts, or of each: a code that `stop_words.language_code` understands. Shares of
    nothing are 0.
    """
    offsets, data = text_buffers(texts)
    n = len(offsets) - 1
    counts = np.zeros((n, len(COUNTS)), dtype=np.int64)
    languages, words, slots, factors = _stop_tables(stop_words, n)
    count_documents(data, offsets, kind_table(), languages, words, slots, factors, counts)
    columns = _shares({name: counts[:, i] for i, name in enumerate(COUNTS)})
    columns["stop_words"] = np.where(languages == 0, -1, np.bitwise_count(columns["stop_words"]).astype(np.int32))
    columns["compression"] = _compression(data, offsets)
    return {name: columns[name].astype(kind) for name, (kind, _) in STATISTICS.items()}


def _shares(counts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Counts by the names of STATISTICS; those that are shares divided by what they are a share of."""
    all_words, lines, characters = counts["words"], counts["lines"], counts["characters"]
    words = all_words - counts["symbol_words"]
    below = {
        "mean_word_length": (counts["word_characters"], words),
        "hashes": (counts["hashes"], all_words),
        "ellipses": (counts["ellipses"], all_words),
        "alphabetic_words": (counts["alphabetic_words"], words),
        "alphabetic_tokens": (counts["alphabetic_words"], all_words),
        "newlines": (counts["newlines"], all_words),
        **{name: (counts[name], lines) for name in ("bullet_lines", "ellipsis_lines", "terminal_lines", "short_lines")},
        "duplicate_lines": (counts["repeated_lines"], lines),
        "duplicate_line_characters": (counts["repeated_line_characters"], characters - counts["newlines"]),
        "duplicate_paragraphs": (counts["repeated_paragraphs"], counts["paragraphs"]),
        "duplicate_paragraph_characters": (counts["repeated_paragraph_characters"], characters),
        **{f"top_{n}_gram": (counts[f"top_{n}_gram"], characters) for n in range(2, 5)},
        **{f"duplicate_{n}_grams": (counts[f"repeated_{n}_grams"], characters) for n in range(5, 11)},
        "digits": (counts["digits"], characters),
        "upper_case": (counts["upper"], counts["letters"]),
        "code": (counts["code"], characters),
        "markup": (counts["markup"], characters),
    }
    return counts | {"words": words} | {name: part / np.maximum(whole, 1) for name, (part, whole) in below.items()}


def _stop_tables(
    languages: str | Sequence[str | None] | None, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What the kernel takes: (row of the tables for each of n texts, the tables of L languages); row 0 is empty.

    The tables are the hashes of words [L, 64] from number 1 on, the number of the word in each slot [L, slots], and a
    factor [L] under which no two words of the language have one slot.
    """
    if languages is None or isinstance(languages, str):
        languages = [languages] * n
    codes_of = {language: language_code(language) for language in set(languages)}
    codes = [codes_of[language] for language in languages]
    assert len(codes) == n, "a language for each text"
    known = sorted(set(codes) & STOP_WORDS.keys())
    words = np.zeros((len(known) + 1, 64), dtype=np.uint64)
    slots = np.zeros((len(known) + 1, 1 << STOP_BITS), dtype=np.uint8)
    factors = np.ones(len(known) + 1, dtype=np.uint64)
    for row, code in enumerate(known, start=1):
        hashes = [_word_hash(word.encode()) for word in STOP_WORDS[code]]
        words[row, 1 : len(hashes) + 1] = hashes
        for factor in count(1, 2):
            places = [(value * factor % 2**64) >> (64 - STOP_BITS) for value in hashes]
            if len(set(places)) == len(places):
                break
        factors[row], slots[row, places] = factor, np.arange(1, len(hashes) + 1)
    rows = {code: row for row, code in enumerate(known, start=1)}
    return np.array([rows.get(code, 0) for code in codes], dtype=np.int64), words, slots, factors


def _word_hash(word: bytes) -> int:
    """The kernel's `_hash`."""
    value = 0xCBF29CE484222325 ^ len(word)
    for at in range(0, len(word), 8):
        value = (value ^ int.from_bytes(word[at : at + 8], "little")) * 0x9E3779B97F4A7C15 % 2**64
        value ^= value >> 32
    return value


def _compression(data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """float64 [N]: bytes of each text per byte of its LZ4 block."""
    compress = pa.Codec("lz4_raw").compress
    view, bounds = data.data, offsets.tolist()
    sizes = [compress(view[a:b]).size for a, b in pairwise(bounds)]
    return np.diff(offsets) / np.array(sizes, dtype=np.int64)
