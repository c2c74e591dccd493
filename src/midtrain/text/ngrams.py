"""Words and word n-grams as 64-bit hashes: what near duplicates, repeated passages and contamination are found by.

A word here is what survives a change of format. Letters and their marks make words, lower-cased and without the
accents of Latin, Greek and Cyrillic; digits make numbers, words of their own (30mph = 30 mph); everything else
separates (spaces, punctuation, symbols, Markdown, LaTeX dollars and braces), except what only looks different:
apostrophes, soft hyphens and joiners vanish (don't = dont), and so does a comma before three digits (1,000 = 1000).
Scripts written without spaces have no words to see, so there every character, with its marks, is a word. So "It's
**$1,000**" and "its 1000" are the same two words.

The hash of a word is FNV-1a over its code points, finished by splitmix64's mixer; its last bit says whether the word is
a number, in digits of any script (all are read as 0 to 9). The hash of n words is a polynomial
over the word hashes modulo 2^64, mixed again, so that a window of any length rolls in two multiplications. One pass
over Arrow's buffers costs about 16 bytes of memory per word; no string is made.
"""

from __future__ import annotations

import functools
import unicodedata
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from midtrain.text.arrow import text_buffers

_SEPARATES, _LETTER, _ALONE, _MARK, _VANISHES, _COMMA = range(6)
_WITHOUT_SPACES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F40, 0x0FBC),  # Tibetan
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x9FFF),  # Han
    (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
)
_VANISHING = "'\u2019\u02bc\u0640\u00ad\u200b\u200c\u200d\u2060\ufeff"
BASE = np.uint64(0x9E3779B97F4A7C15)
"""The base of the polynomial over word hashes: a kernel of its own can roll the windows of `ngram_hashes` with it."""
_CODE_POINTS = 0x32400  # everything above is private, unassigned or a tag: it separates


class Words(NamedTuple):
    """The words of a column of N documents, W in all, document after document."""

    hashes_W: np.ndarray
    """uint64: equal words have equal hashes; odd for numbers, even for other words."""
    offsets_N1: np.ndarray
    """int64: document d owns the words `offsets[d]` to `offsets[d + 1]`."""
    starts_W: np.ndarray
    """int32: first byte of the word, counted from the first byte of its document."""
    ends_W: np.ndarray
    """int32: one past the last byte of the word."""


def word_hashes(texts: pa.Array | pa.ChunkedArray) -> Words:
    """The normalised words of a column of texts without nulls (each below 2 GiB)."""
    offsets_N1, data_U = text_buffers(texts)
    size = int(offsets_N1[-1] - offsets_N1[0])
    hashes_W = np.empty(size, dtype=np.uint64)  # a1b2 is four words; reserved, not touched: pages come as words do
    starts_W = np.empty(size, dtype=np.int32)
    ends_W = np.empty(size, dtype=np.int32)
    word_offsets_N1 = np.zeros(len(offsets_N1), dtype=np.int64)
    count = _words(offsets_N1, data_U, fold_table(), hashes_W, starts_W, ends_W, word_offsets_N1)
    return Words(hashes_W[:count], word_offsets_N1, starts_W[:count], ends_W[:count])


def ngram_hashes(words: Words, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of all windows of n words: (uint64 [G], int64 offsets per document [N+1]).

    A document of L >= n words has L - n + 1 windows, window i beginning at its word i; one of 1 to n - 1 words has one
    window, of all it has, so that short documents can still be equal; one without words has none.
    """
    assert n >= 1, n
    lengths_N = np.diff(words.offsets_N1)
    counts_N = np.where(lengths_N >= n, lengths_N - n + 1, np.minimum(lengths_N, 1))
    offsets_N1 = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts_N, dtype=np.int64)])
    ngrams_G = np.empty(offsets_N1[-1], dtype=np.uint64)
    _ngrams(words.hashes_W, words.offsets_N1, n, offsets_N1, ngrams_G)
    return ngrams_G, offsets_N1


@functools.cache
def fold_table() -> np.ndarray:
    """uint32 per code point: what it is to a word (upper byte) and the code point it is read as (lower three)."""
    table = np.zeros(_CODE_POINTS, dtype=np.uint32)
    for code in range(_CODE_POINTS):
        character = chr(code)
        category = unicodedata.category(character)[0]
        if category in "LMN":
            table[code] = (_MARK if category == "M" else _LETTER) << 24 | _fold(character)
    for first, last in _WITHOUT_SPACES:
        for code in range(first, last + 1):
            if unicodedata.category(chr(code))[0] == "L":
                table[code] = _ALONE << 24 | code
    table[0x0300:0x0370] = _VANISHES << 24
    for character in _VANISHING:
        table[ord(character)] = _VANISHES << 24
    table[ord(",")] = _COMMA << 24
    return table


def _fold(character: str) -> int:
    """The code point of a letter in lower case, without the accents that can be written apart (U+0300 to U+036F)."""
    if character.isdecimal():
        return ord("0") + unicodedata.decimal(character)
    lower = unicodedata.normalize("NFD", character.lower())
    return ord(lower[0]) if all(0x0300 <= ord(mark) < 0x0370 for mark in lower[1:]) else ord(character.lower()[0])


@njit(cache=True, nogil=True)
def mix(value: np.uint64) -> np.uint64:
    """The finishing step of splitmix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit."""
    value ^= value >> np.uint64(30)
    value *= np.uint64(0xBF58476D1CE4E5B9)
    value ^= value >> np.uint64(27)
    value *= np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def _finished(value: np.uint64, number: bool) -> np.uint64:
    """The hash of a word from the FNV value of its code points."""
    return (mix(value) & ~np.uint64(1)) | np.uint64(number)


@njit(cache=True, nogil=True)
def _words(offsets_N1, data_U, table, hashes_W, starts_W, ends_W, word_offsets_N1):
    basis, prime = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
    count = 0
    for d in range(len(offsets_N1) - 1):
        first, last = offsets_N1[d], offsets_N1[d + 1]
        word_offsets_N1[d] = count
        at, inside, alone, number, start, end, value = first, False, False, False, first, first, basis
        while at < last:
            byte = data_U[at]
            code, size = np.uint32(byte), 1
            if byte >= 0xF0:
                code = np.uint32(
                    (byte & 7) << 18 | (data_U[at + 1] & 63) << 12 | (data_U[at + 2] & 63) << 6 | (data_U[at + 3] & 63)
                )
                size = 4
            elif byte >= 0xE0:
                code = np.uint32((byte & 15) << 12 | (data_U[at + 1] & 63) << 6 | (data_U[at + 2] & 63))
                size = 3
            elif byte >= 0x80:
                code = np.uint32((byte & 31) << 6 | (data_U[at + 1] & 63))
                size = 2
            entry = table[code] if code < len(table) else np.uint32(0)
            kind, letter = entry >> np.uint32(24), np.uint64(entry & np.uint32(0xFFFFFF))
            if kind == _COMMA:
                kind = _VANISHES if inside and _groups_digits(data_U, at, first, last) else _SEPARATES
            digit = bool(kind == _LETTER and 48 <= letter <= 57)
            if inside and (kind == _MARK or (kind == _LETTER and not alone and digit == number)):
                value = (value ^ letter) * prime
                end = at + size
            elif kind in (_LETTER, _ALONE) or (kind == _SEPARATES and inside):
                if inside:
                    hashes_W[count] = _finished(value, number)
                    starts_W[count], ends_W[count] = start - first, end - first
                    count += 1
                inside, alone, number = kind != _SEPARATES, kind == _ALONE, digit
                start, end = at, at + size
                value = (basis ^ letter) * prime
            at += size
        if inside:
            hashes_W[count] = _finished(value, number)
            starts_W[count], ends_W[count] = start - first, end - first
            count += 1
    word_offsets_N1[len(offsets_N1) - 1] = count
    return count


@njit(cache=True, nogil=True)
def _groups_digits(data_U, at, first, last):
    """Whether the comma at `at` stands between a digit and exactly three digits."""
    if at == first or at + 4 > last or not 48 <= data_U[at - 1] <= 57:
        return False
    for i in range(at + 1, at + 4):
        if not 48 <= data_U[i] <= 57:
            return False
    return at + 4 == last or not 48 <= data_U[at + 4] <= 57


@njit(cache=True, nogil=True)
def leaving_weight(n: int) -> np.uint64:
    """BASE to the power of n: the weight of the word that leaves a window of n words after the next one came."""
    weight = np.uint64(1)
    for _ in range(n):
        weight *= BASE
    return weight


@njit(cache=True, nogil=True)
def _ngrams(hashes_W, offsets_N1, n, ngram_offsets_N1, ngrams_G):
    leaving = leaving_weight(n)
    for d in range(len(offsets_N1) - 1):
        first, last, out = offsets_N1[d], offsets_N1[d + 1], ngram_offsets_N1[d]
        value = np.uint64(0)
        for i in range(first, last):
            value = value * BASE + hashes_W[i]
            if i - first >= n:
                value -= leaving * hashes_W[i - n]
            if i - first >= n - 1:
                ngrams_G[out] = mix(value)
                out += 1
        if 0 < last - first < n:
            ngrams_G[out] = mix(value)
