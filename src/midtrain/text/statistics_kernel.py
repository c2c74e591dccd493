"""One pass over a column of UTF-8 texts: the counts behind Gopher's, C4's and FineWeb's rules.

Each document is walked four times while it lies in the cache: 64 bytes at a time are compared with ranges, which
gives a bit set for each thing a byte may be (blocks.py); each line is split into words by counting zeros in the sets;
its words are hashed, eight bytes at a time; and all words are searched for repetition. Counts go to one row of int64
per document; `statistics.py` makes shares of them. Memory is taken for the longest document and used again. What the
kernels call lives in this file (but for blocks.py), because numba's cache looks at no other.

Words
    Between white space, punctuation is split off at both ends, one character a word (a run of periods is one word); an
    English clitic ('s, n't, 'll ...) is a word. Inside, a word ends at dashes, operators, commas, colons and slashes
    between letters (some between digits too), at a period between a lower and an upper case letter, at ellipses and
    pictures; "3.5", "x_y" and "U.S" stay whole. These are the rules of spaCy's blank English tokenizer, which datatrove
    counts words with, without its lists of exceptions. A letter of a script without spaces is a word.
Lines
    End at a line feed; a carriage return before it is no part of them. Lines of nothing but white space are blank: they
    are not counted, and they divide paragraphs.
Repetition
    An n-gram can only occur twice if both (n-1)-grams in it do. So 2-grams are counted in a hash table, and for each n
    only the places left over from n-1 are looked at, by the pair of the (n-1)-grams' numbers (Karp, Miller and
    Rosenberg, 1972). Ordinary text has few places left at n = 5, so ten sizes cost little more than one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from midtrain.text import unicode as u
from midtrain.text.blocks import bytes_in, eight_bytes, ones, zeros_before

COUNTS = (
    "characters",
    "digits",
    "upper",
    "letters",
    "newlines",
    "hashes",
    "ellipses",
    "code",
    "markup",
    "words",
    "symbol_words",
    "word_characters",
    "alphabetic_words",
    "stop_words",
    "lines",
    "bullet_lines",
    "ellipsis_lines",
    "terminal_lines",
    "short_lines",
    "repeated_lines",
    "repeated_line_characters",
    "paragraphs",
    "repeated_paragraphs",
    "repeated_paragraph_characters",
    "prose_sentences",
    "prose_curly_brackets",
    "prose_lorem_ipsum",
    "top_2_gram",
    "top_3_gram",
    "top_4_gram",
    *(f"repeated_{n}_grams" for n in range(5, 11)),
)
"""The columns of the counts; `stop_words` is a bit set, the rest are counts of characters, words or lines."""

CHARACTERS, DIGITS, UPPERS, LETTERS, NEWLINES, HASHES, ELLIPSES, CODE, MARKUP = range(9)
WORDS, SYMBOL_WORDS, WORD_CHARACTERS, ALPHABETIC, STOP_WORDS = range(9, 14)
LINES, BULLET_LINES, ELLIPSIS_LINES, TERMINAL_LINES, SHORT_LINES, LINE_REPEATS, LINE_CHARACTERS = range(14, 21)
PARAGRAPHS, PARAGRAPH_REPEATS, PARAGRAPH_CHARACTERS = range(21, 24)
PROSE_SENTENCES, PROSE_CURLY, PROSE_LOREM = range(24, 27)
TOP = 27  # of 2-grams; 3- and 4-grams follow
REPEATED = 30  # of 5-grams; 6- to 10-grams follow

# Only the outermost is called from Python and kept in the cache; _ZERO, unlike 0, does not compile a function anew.
_OPTIONS: dict[str, Any] = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_OPTIONS["_nrt"] = False  # no array is made inside, so that no references are counted in the innermost loops
_inner = njit(**_OPTIONS)
_within = njit(forceinline=True, **_OPTIONS)
_ZERO = np.int64(0)

# Bit sets over the bytes of a text: what begins at a byte, but for CONTINUATIONS, which are inside a character.
GAPS, SPACES, FEEDS, SPECIALS, LETTER_BITS, DIGIT_BITS, CONTINUATIONS, ANGLES = range(8)
_SEEN = 56  # bits that a load at any place has at the least

# What a text may contain.
_MAY_HAVE_PHRASES, _DOTS = 1, 2

SHORT_LINE = 30  # characters; FineWeb (Penedo et al. 2024), section 3.5
PROSE_LINE_WORDS = 3  # C4 (Raffel et al. 2020), section 2.2
PROSE_WORD_CHARACTERS = 1000  # the same, in its code only
STOP_BITS = 10  # a table of 1,024 slots
PAD = 128  # bytes behind a text that may be read

_OFFSET = np.uint64(0xCBF29CE484222325)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ONE = np.uint64(1)
_NONE = np.uint64(0)
_ALL = ~_NONE
_LETTERS = (1 << u.LOWER) | (1 << u.UPPER) | (1 << u.LETTER) | (1 << u.SOLO)
_ALNUM = _LETTERS | (1 << u.DIGIT)
_PLAIN = (_ALNUM & ~(1 << u.SOLO)) | (1 << u.MARK) | (1 << u.CONTINUATION)
_NOT_SPECIAL = _PLAIN | (1 << u.SPACE) | (1 << u.NEWLINE)
_SPLIT_OFF = (
    (1 << u.TERMINAL)
    | (1 << u.ELLIPSIS)
    | (1 << u.QUOTE)
    | (1 << u.COMMA)
    | (1 << u.COLON)
    | (1 << u.DASH)
    | (1 << u.PUNCTUATION)
    | (1 << u.ICON)
)
_BEFORE_PERIOD = (
    _SPLIT_OFF | _ALNUM & ~(1 << u.UPPER) | (1 << u.MARK) | (1 << u.PERIOD) | (1 << u.SYMBOL) | (1 << u.HYPHEN)
)
_ENDS = (1 << u.PERIOD) | (1 << u.TERMINAL)


def _rows(texts: tuple[bytes, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(bytes [N, longest], sizes [N])."""
    width = max(map(len, texts))
    rows = np.frombuffer(b"".join(text.ljust(width, b"\0") for text in texts), dtype=np.uint8)
    return rows.reshape(len(texts), width), np.array([len(text) for text in texts])


# The first condemns a document, the others their line (C4's code names what its paper calls warnings and policies).
_PHRASES = (b"lorem ipsum", b"javascript", b"privacy policy", b"cookie policy", b"uses cookies", b"use of cookies",
            b"use cookies", b"terms of use")  # fmt: skip
_PHRASE_BYTES, _PHRASE_SIZES = _rows(_PHRASES)
# Of each phrase the rarest letter is looked for first, and with it the curly bracket.
_ANCHOR = np.array([phrase.index(letter) for phrase, letter in zip(_PHRASES, b"mvvkkkkm", strict=True)])
_RARE = np.isin(np.arange(256), np.frombuffer(b"kKmMvV{", dtype=np.uint8))
_CURLY = 1 << len(_PHRASES)
_CITATION_BYTES, _CITATION_SIZES = _rows((b"[edit]", b"[citation needed]"))


@njit(cache=True, nogil=True)
def count_documents(data, offsets, kind_of, languages, stop_words, stop_slots, stop_factors, counts):
    """Fill `counts` int64 [N, len(COUNTS)], zeros before, for the N documents data[offsets[i]:offsets[i + 1]].

    `kind_of` is `unicode.kind_table()`; `languages` [N] is a row of the tables of stop words: their hashes [L, 64], the
    number of the word by slot [L, 2 ** STOP_BITS], and what a hash is multiplied with to find its slot [L].
    """
    longest = _ZERO
    for i in range(len(offsets) - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    text, kinds = np.empty(longest + PAD, dtype=np.uint8), np.empty(longest + PAD, dtype=np.uint8)
    bits = np.empty((8, longest // 64 + 3), dtype=np.uint64)
    byte_kinds = kind_of[:256].copy()
    byte_kinds[128:] = u.CONTINUATION
    room = _ZERO  # words for which there is memory
    for i in range(len(offsets) - 1):
        row, size = counts[i], offsets[i + 1] - offsets[i]
        text[:size] = data[offsets[i] : offsets[i + 1]]
        text[size : size + PAD] = 0
        most, has = _classify(text, size, kind_of, byte_kinds, kinds, bits, row)
        if has & _DOTS:
            row[ELLIPSES] += _ellipses(text, size)
        row[MARKUP] = _markup(text, size, bits)
        if most > room:
            room = most
            numbers, hashes = np.empty((6, room), dtype=np.int32), np.empty((3, room), dtype=np.uint64)
            ends = np.zeros(room + 1, dtype=np.int64)
            slots = np.int64(1) << _table_bits(room)
            keys, values = np.empty(slots, dtype=np.uint64), np.empty(slots, dtype=np.int32)
            tally = np.empty(4 * slots, dtype=np.uint8)
        at = languages[i]
        _lines(
            text,
            size,
            kinds,
            bits,
            row,
            has,
            numbers,
            hashes,
            ends,
            keys,
            stop_words[at],
            stop_slots[at],
            stop_factors[at],
        )
        _n_grams(row[WORDS], row, numbers, hashes, ends, keys, values, tally)


# --- characters ---


@_within
def _window(bits, kind, place):
    """The bits of a kind from `place` on; those above _SEEN may be cut off (0)."""
    return eight_bytes(bits, kind * bits.shape[1] * 8 + (place >> 3)) >> np.uint64(place & 7)


@_within
def _low(n):
    """The lowest n < 64 bits."""
    return (_ONE << np.uint64(n)) - _ONE


@_within
def _next(bits, kind, place):
    """The first place of a kind at or behind `place`; there must be one."""
    ahead = zeros_before(_window(bits, kind, place) | _ONE << np.uint64(_SEEN))
    while ahead == _SEEN:
        place += ahead
        ahead = zeros_before(_window(bits, kind, place) | _ONE << np.uint64(_SEEN))
    return place + ahead


@_within
def _next_not(bits, kind, place):
    """The first place that is not of a kind at or behind `place`; there must be one."""
    ahead = zeros_before(~_window(bits, kind, place) | _ONE << np.uint64(_SEEN))
    while ahead == _SEEN:
        place += ahead
        ahead = zeros_before(~_window(bits, kind, place) | _ONE << np.uint64(_SEEN))
    return place + ahead


@_within
def _count(bits, kind, a, b):
    """How many places of a kind there are in [a, b)."""
    found = _ZERO
    while b - a > _SEEN:
        found += ones(_window(bits, kind, a) & _low(_SEEN))
        a += _SEEN
    return found + ones(_window(bits, kind, a) & _low(b - a))


@_within
def _kind_bit(kinds, kind, place):
    return np.uint64(kinds >> kind & 1) << np.uint64(place)


@_inner
def _classify(text, size, kind_of, byte_kinds, kinds, bits, row):
    """Write each character's kind at its first byte (0 at the others) and the bit sets; count what is asked of bytes.

    Returns (a number of words that no split exceeds, what the text may contain).
    """
    gaps, specials, phrases, dots, begun = _ZERO, _ZERO, _NONE, _NONE, _NONE
    for block in range((size >> 6) + 1):
        p = block << 6
        inside = _low(size - p) if size - p < 64 else _ALL
        letter, upper, digit = bytes_in(text, p, 32, 97, 26), bytes_in(text, p, 0, 65, 26), bytes_in(text, p, 0, 48, 10)
        feed = bytes_in(text, p, 0, 10, 1)
        space = bytes_in(text, p, 0, 28, 5) | (bytes_in(text, p, 0, 9, 5) & ~feed) | begun
        begun = _NONE
        high, continuation = bytes_in(text, p, 0, 128, 128), bytes_in(text, p, 0, 128, 64)
        special = ~(letter | digit | feed | space | high) & inside
        for q in range(p, p + 64):
            kinds[q] = byte_kinds[text[q]]
        lead = high & ~continuation
        while lead:
            place = zeros_before(lead)
            lead &= lead - _ONE
            q = p + place
            width = 2 + (text[q] >= 0xE0) + (text[q] >= 0xF0)
            point = np.int64(text[q]) & (0x7F >> width)
            for r in range(q + 1, q + width):
                point = point << 6 | (np.int64(text[r]) & 0x3F)
            kind = np.int64(kind_of[point])
            kinds[q] = kind
            letter |= _kind_bit(_LETTERS, kind, place)
            upper |= _kind_bit(1 << u.UPPER, kind, place)
            digit |= _kind_bit(1 << u.DIGIT, kind, place)
            if kind == u.SPACE:  # all its bytes, some of them perhaps in the next block
                space |= _low(width) << np.uint64(place)
                begun = _low(width) >> np.uint64(64 - place) if place else _NONE
            special |= _kind_bit(~_NOT_SPECIAL, kind, place)
            row[ELLIPSES] += kind == u.ELLIPSIS
        angle = bytes_in(text, p, 2, 62, 1)  # < and >
        bits[GAPS, block], bits[SPACES, block], bits[FEEDS, block] = feed | space | ~inside, space, feed | ~inside
        bits[SPECIALS, block], bits[LETTER_BITS, block], bits[DIGIT_BITS, block] = special, letter, digit
        bits[CONTINUATIONS, block], bits[ANGLES, block] = continuation, angle
        gaps += ones(feed | space)
        specials += ones(special)
        row[CHARACTERS] -= ones(continuation)
        row[DIGITS] += ones(digit)
        row[UPPERS] += ones(upper)
        row[LETTERS] += ones(letter)
        row[NEWLINES] += ones(feed)
        row[HASHES] += ones(bytes_in(text, p, 0, 35, 1))
        row[CODE] += ones(_code(text, p))
        phrases |= _rare_letters(text, p)
        dots |= bytes_in(text, p, 0, 46, 1) & bytes_in(text, p + 1, 0, 46, 1) & bytes_in(text, p + 2, 0, 46, 1)
    after = (size >> 6) + 1
    bits[:, after] = 0
    bits[GAPS, after] = bits[FEEDS, after] = _ALL
    row[CHARACTERS] += size
    return 1 + gaps + 2 * specials, (phrases != _NONE) * _MAY_HAVE_PHRASES | (dots != _NONE) * _DOTS


@_within
def _code(text, p):
    """Which of 64 bytes are one of {}[]<>=;_|\\^~$@&*+/` (the ranges are [ to `, { to ~, ; to >)."""
    found = bytes_in(text, p, 0, 91, 6) | bytes_in(text, p, 0, 123, 4) | bytes_in(text, p, 0, 59, 4)
    found |= bytes_in(text, p, 0, 64, 1) | bytes_in(text, p, 0, 36, 1) | bytes_in(text, p, 0, 38, 1)
    return found | bytes_in(text, p, 0, 42, 2) | bytes_in(text, p, 0, 47, 1)


@_within
def _rare_letters(text, p):
    """At which of 64 bytes there is a curly bracket or "psu", "jav", "vac", "kie" or "rms"; each phrase has one."""
    found = bytes_in(text, p, 0, 123, 1) | _letters(text, p, 112, 115, 117) | _letters(text, p, 106, 97, 118)
    found |= _letters(text, p, 118, 97, 99) | _letters(text, p, 107, 105, 101)
    return found | _letters(text, p, 114, 109, 115)


@_within
def _letters(text, p, a, b, c):
    return bytes_in(text, p, 32, a, 1) & bytes_in(text, p + 1, 32, b, 1) & bytes_in(text, p + 2, 32, c, 1)


@_inner
def _ellipses(text, size):
    """How often three periods stand in a row, without overlap."""
    found, dots = 0, 0
    for p in range(size):
        dots = dots + 1 if text[p] == 46 else 0
        if dots == 3:
            found += 1
            dots = 0
    return found


@_inner
def _markup(text, size, bits):
    """Characters in <tags>: from "<" and a letter, "/" or "!" to the next ">", if no other "<" comes before it."""
    found, begin = _ZERO, -1
    for block in range((size >> 6) + 1):
        angles = bits[ANGLES, block]
        while angles:
            p = block * 64 + zeros_before(angles)
            angles &= angles - _ONE
            if text[p] == 60:
                after = text[p + 1]
                begin = p if after == 33 or after == 47 or 97 <= (after | 32) <= 122 else -1
            elif begin >= 0:
                found += p + 1 - begin - _count(bits, CONTINUATIONS, begin, p + 1)
                begin = -1
    return found


# --- lines ---


@_inner
def _lines(text, size, kinds, bits, row, has, numbers, hashes, ends, keys, stop_words, stop_slots, stop_factor):
    """Split all lines into words, judge each, and count those (and the paragraphs) that came before."""
    starts, stops, line_sizes, paragraph_sizes = numbers[0], numbers[1], numbers[2], numbers[3]
    word_hashes, lines, paragraphs = hashes[0], hashes[1], hashes[2]
    a, words, open_paragraph = _ZERO, _ZERO, False
    while a < size:
        feed = _next(bits, FEEDS, a)
        begin = _next_not(bits, SPACES, a)
        if begin == feed:
            open_paragraph = False
            a = feed + 1
            continue
        first = words
        end, words, chunks, longest = _split_line(text, kinds, bits, begin, feed, starts, stops, words)
        alone, sentences = _measure(
            text, kinds, bits, first, words, starts, stops, word_hashes, ends, row, stop_words, stop_slots, stop_factor
        )
        last = feed - (text[feed - 1] == 13)
        characters = last - a - _count(bits, CONTINUATIONS, a, last)
        _judge_line(text, kinds, begin, end, characters, row)
        if max(chunks, alone) >= PROSE_LINE_WORDS and longest <= PROSE_WORD_CHARACTERS:
            _prose_line(text, kinds, begin, end, row, sentences, has)
        code = _hash(text, a, last)
        lines[row[LINES]], line_sizes[row[LINES]] = code, characters
        row[LINES] += 1
        n = row[PARAGRAPHS]
        if not open_paragraph:
            open_paragraph = True
            paragraphs[n], paragraph_sizes[n] = _OFFSET, -1
            n += 1
            row[PARAGRAPHS] = n
        paragraphs[n - 1] = (paragraphs[n - 1] ^ code) * _GOLDEN
        paragraph_sizes[n - 1] += characters + 1
        a = feed + 1
    row[WORDS] = words
    row[LINE_REPEATS], row[LINE_CHARACTERS] = _repeats(lines, line_sizes, row[LINES], keys)
    row[PARAGRAPH_REPEATS], row[PARAGRAPH_CHARACTERS] = _repeats(paragraphs, paragraph_sizes, row[PARAGRAPHS], keys)


@_within
def _hash(text, a, b):
    """The hash of the bytes [a, b): eight at a time, and how many (statistics.py computes the same)."""
    code = _OFFSET ^ np.uint64(b - a)
    while b - a > 8:
        code = (code ^ eight_bytes(text, a)) * _GOLDEN
        code ^= code >> np.uint64(32)
        a += 8
    code = (code ^ (eight_bytes(text, a) & (_ALL >> np.uint64(64 - 8 * (b - a))))) * _GOLDEN
    return code ^ code >> np.uint64(32)


@_within
def _split_line(text, kinds, bits, p, feed, starts, stops, words):
    """Write where the words begin and end of the line that ends at `feed`, its first one at `p`.

    Returns (where the last one ends, words, pieces between white space, characters of the longest).
    """
    chunks, longest, end = _ZERO, _ZERO, p
    while p < feed:
        end = _next(bits, GAPS, p)
        size = end - p
        if size > PROSE_WORD_CHARACTERS:
            size -= _count(bits, CONTINUATIONS, p, end)
        longest = max(longest, size)
        chunks += 1
        if _window(bits, SPECIALS, p) & _low(min(end - p, _SEEN)) or end - p > _SEEN:
            words = _split_chunk(text, kinds, bits, p, end, starts, stops, words)
        else:
            starts[words], stops[words] = p, end
            words += 1
        p = _next_not(bits, SPACES, end)
    return end, words, chunks, longest


@_within
def _measure(text, kinds, bits, first, last, starts, stops, hashes, ends, row, stop_words, stop_slots, stop_factor):
    """Hash and count the words of a line; returns (letters that are words, sentences)."""
    letters, words, characters, alone, sentences, ended, seen = 0, 0, 0, 0, 0, 1, _ZERO
    for n in range(first, last):
        a, b = np.int64(starts[n]), np.int64(stops[n])
        code = _hash(text, a, b)
        size = b - a - _count(bits, CONTINUATIONS, a, b)
        letter = _count(bits, LETTER_BITS, a, b) > 0
        is_word = letter or _count(bits, DIGIT_BITS, a, b) > 0
        hashes[n], ends[n + 1] = code, ends[n] + size
        letters += letter
        words += is_word
        characters += size * is_word
        alone += is_word and kinds[a] == u.SOLO
        sentences += is_word and ended
        ended = 0 if is_word else ended | (size == 1 and _ENDS >> kinds[a] & 1)
        number = np.int64(stop_slots[(code * stop_factor) >> np.uint64(64 - STOP_BITS)])
        seen |= np.int64(stop_words[number] == code) << number
    row[ALPHABETIC] += letters
    row[SYMBOL_WORDS] += last - first - words
    row[WORD_CHARACTERS] += characters
    row[STOP_WORDS] |= seen
    return alone, sentences


@_inner
def _judge_line(text, kinds, a, b, characters, row):
    """Count what the line is whose visible part is [a, b)."""
    kind = kinds[_previous(kinds, b)]
    bullet = text[a] == 45 or (b - a > 2 and text[a] == 0xE2 and text[a + 1] == 0x80 and text[a + 2] == 0xA2)
    row[BULLET_LINES] += bullet  # "-" or U+2022
    row[ELLIPSIS_LINES] += kind == u.ELLIPSIS or _ends_with_dots(text, a, b)
    row[TERMINAL_LINES] += kind == u.PERIOD or kind == u.TERMINAL
    row[SHORT_LINES] += characters <= SHORT_LINE


@_inner
def _prose_line(text, kinds, a, b, row, sentences, has):
    """C4's judgement of a line: does it count as prose, and does it condemn the document?"""
    cut = _before_citation(text, a, b)
    while cut < b:
        b = cut
        cut = _before_citation(text, a, b)
    if b == a:
        return
    kind = kinds[_previous(kinds, b)]
    if (kind != u.PERIOD and kind != u.TERMINAL and kind != u.QUOTE) or _ends_with_dots(text, a, b):
        return
    phrases = _phrases_in(text, a, b) if has & _MAY_HAVE_PHRASES else 0
    if phrases & 1:
        row[PROSE_LOREM] += 1
        return
    if phrases & 2:
        return
    if phrases & _CURLY:
        row[PROSE_CURLY] += 1
    elif not phrases:
        row[PROSE_SENTENCES] += sentences


@_inner
def _before_citation(text, a, b):
    """Where a citation ([1], [], [edit], [citation needed]) that ends at `b` begins, or `b`."""
    if b == a or text[b - 1] != 93:
        return b
    for n in range(len(_CITATION_SIZES)):
        begin = b - _CITATION_SIZES[n]
        if begin >= a:
            same = True
            for q in range(_CITATION_SIZES[n]):
                same = same and text[begin + q] == _CITATION_BYTES[n, q]
            if same:
                return begin
    p = b - 2
    while p > a and 48 <= text[p] <= 57:
        p -= 1
    return p if p >= a and text[p] == 91 else b


@_inner
def _phrases_in(text, a, b):
    """Which of _PHRASES are in [a, b), in any case of ASCII, as bits; _CURLY if there is a curly bracket."""
    found = 0
    for p in range(max(a, 0), b):
        if not _RARE[text[p]]:
            continue
        if text[p] == 123:
            found |= _CURLY
        for n in range(len(_PHRASE_SIZES)):
            begin = p - _ANCHOR[n]
            if _PHRASE_BYTES[n, _ANCHOR[n]] == text[p] | 32 and begin >= a and begin + _PHRASE_SIZES[n] <= b:
                q = 0
                while q < _PHRASE_SIZES[n] and _lower(text[begin + q]) == _PHRASE_BYTES[n, q]:
                    q += 1
                found |= (q == _PHRASE_SIZES[n]) << n
    return found


@_inner
def _lower(byte):
    return byte | 32 if 65 <= byte <= 90 else byte


@_inner
def _ends_with_dots(text, a, b):
    return b - a >= 3 and text[b - 1] == 46 and text[b - 2] == 46 and text[b - 3] == 46


@_inner
def _previous(kinds, p):
    """Where the character before the byte `p` begins."""
    p -= 1
    while kinds[p] == u.CONTINUATION:
        p -= 1
    return p


@_inner
def _repeats(blocks, sizes, n, keys):
    """(how many of the n blocks came before, their characters)."""
    repeats, characters = 0, 0
    if n > 1:
        bits = _table_bits(n)
        keys[: 1 << bits] = 0
        for i in range(n):
            key = blocks[i] | _ONE
            slot = _find(keys, key, bits)
            if keys[slot]:
                repeats += 1
                characters += sizes[i]
            keys[slot] = key
    return repeats, characters


# --- words ---


@_inner
def _split_chunk(text, kinds, bits, a, b, starts, stops, n):
    """Split what stands between white space: punctuation in front and behind, a clitic, and the core."""
    front = a
    while front < b and (_SPLIT_OFF >> kinds[front] & 1 or _is_dots(text, front, b)):
        starts[n] = front
        front = _after_mark(kinds, front, b)
        stops[n] = front
        n += 1
    back = b
    while back > front:
        last = _previous(kinds, back)
        if not _SPLIT_OFF >> kinds[last] & 1 and not (kinds[last] == u.PERIOD and _splits_period(kinds, front, last)):
            break
        back = last
    core = _before_clitic(text, front, back)
    n = _split_core(text, kinds, bits, front, core, starts, stops, n)
    if core < back:
        starts[n], stops[n] = core, back
        n += 1
    while back < b:
        starts[n] = back
        back = _after_mark(kinds, back, b)
        stops[n] = back
        n += 1
    return n


@_within
def _split_core(text, kinds, bits, a, b, starts, stops, n):
    """Split the core [a, b) at its joints."""
    begin = p = a
    while p < b:
        ahead = np.int64(zeros_before(_window(bits, SPECIALS, p) | _ONE << np.uint64(_SEEN)))
        p += ahead
        if ahead == _SEEN or p >= b:
            continue
        kind = kinds[p]
        after = p + 1
        if kind == u.SOLO or kind == u.ICON:
            while after < b and (kinds[after] == u.CONTINUATION or kinds[after] == u.MARK):
                after += 1
            joint = True
        elif kind == u.ELLIPSIS or _is_dots(text, p, b):
            after = _after_mark(kinds, p, b)
            joint = True
        else:
            while after < b and (kinds[after] == u.CONTINUATION or (kinds[after] == kind and kind == u.HYPHEN)):
                after += 1
            joint = p > a and after < b and _joins(kind, kinds[_previous(kinds, p)], kinds[after])
        if not joint:
            p += 1
            continue
        if p > begin:
            starts[n], stops[n] = begin, p
            n += 1
        starts[n], stops[n] = p, after
        n += 1
        begin = p = after
    if begin < b:
        starts[n], stops[n] = begin, b
        n += 1
    return n


@_inner
def _joins(kind, left, right):
    """Does a word end at a character of `kind` between characters of the kinds `left` and `right`?"""
    if kind == u.HYPHEN or kind == u.DASH:
        return _ALNUM >> left & _LETTERS >> right & 1 or (left == u.DIGIT and right == u.DIGIT)
    if kind == u.COLON or kind == u.SLASH:
        return _ALNUM >> left & _LETTERS >> right & 1
    if kind == u.PERIOD:
        return left == u.LOWER and right == u.UPPER
    return kind == u.COMMA and _LETTERS >> left & _LETTERS >> right & 1


@_inner
def _is_dots(text, p, b):
    return p + 1 < b and text[p] == 46 and text[p + 1] == 46


@_inner
def _after_mark(kinds, p, b):
    """Where the punctuation that begins at `p` ends: after one character, or after a run of periods."""
    kind = kinds[p]
    p += 1
    while p < b and (kinds[p] == u.CONTINUATION or (kind == u.PERIOD and kinds[p] == u.PERIOD)):
        p += 1
    return p


@_inner
def _splits_period(kinds, a, p):
    """Is the period at `p` no part of what stands before it? It is part of one capital letter: "J." but not "USA."."""
    if p == a:
        return True
    before = _previous(kinds, p)
    if kinds[before] == u.UPPER:
        return before > a and kinds[_previous(kinds, before)] == u.UPPER
    return _BEFORE_PERIOD >> kinds[before] & 1 != 0


@_inner
def _before_clitic(text, a, b):
    """Where an English clitic ('s 'm 'd 're 've 'll n't, with ' or U+2019) that ends [a, b) begins, or `b`."""
    for letters in range(1, 3):
        end = b - letters
        begin = end - 1 if end > a and text[end - 1] == 39 else b
        if end >= a + 3 and text[end - 3] == 0xE2 and text[end - 2] == 0x80 and text[end - 1] == 0x99:
            begin = end - 3
        if begin > a and begin < b:
            one, two = text[end] | 32, text[b - 1] | 32
            if letters == 1:
                if one == 116 and begin - 1 > a and text[begin - 1] | 32 == 110:  # n't
                    return begin - 1
                if one == 115 or one == 109 or one == 100:
                    return begin
            elif (two == 101 and (one == 114 or one == 118)) or (one == 108 and two == 108):
                return begin
    return b


# --- repetition ---


@_inner
def _table_bits(n):
    """log2 of the slots of a hash table for n keys, at most half full."""
    bits = 3
    while 1 << bits < 2 * n:
        bits += 1
    return bits


@_within
def _find(keys, key, bits):
    """The slot where `key` is, or belongs (empty slots hold 0)."""
    slot = np.int64((key * _GOLDEN) >> np.uint64(64 - bits))
    while keys[slot] and keys[slot] != key:
        slot = (slot + 1) & ((1 << bits) - 1)
    return slot


@_inner
def _n_grams(n_words, row, numbers, hashes, ends, keys, values, tally):
    """Characters of the most frequent 2- to 4-gram, spaces included, and of all repeated 5- to 10-grams.

    Word i is the characters [ends[i], ends[i + 1]) of all words put together.
    """
    words, pairs = hashes[0], hashes[1]
    places, named, counts, firsts = numbers[2], numbers[3], numbers[4], numbers[5]
    left = max(n_words - 1, 0)
    for i in range(left):
        pairs[i], places[i] = (words[i] ^ (words[i + 1] * _GOLDEN)) | _ONE, i
    for n in range(2, min(n_words, 10) + 1):
        if n > 2:
            left = _lengthen(places, left, named, pairs)
        if left == 0 and n > 4:
            break
        left = _seen_twice(pairs, places, left, tally)
        known = _number(pairs, places, left, named, counts, firsts, keys, values)
        if n <= 4:
            row[TOP + n - 2] = _top(counts, known, firsts, ends, n)
        kept = _ZERO
        for j in range(left):
            places[kept] = places[j]
            kept += counts[named[places[j]]] > 1
        left = kept
        if n >= 5:
            row[REPEATED + n - 5] = _repeated(places, left, named, counts, ends, n)


@_inner
def _lengthen(places, left, named, pairs):
    """From the (n-1)-grams at `places` to the n-grams: the pairs of numbers they are; returns how many are left.

    A place is left if the next one is: else the n-gram does not occur twice.
    """
    kept = _ZERO
    for j in range(left - 1):
        place = places[j]
        pairs[kept] = np.uint64(named[place]) << np.uint64(32) | np.uint64(named[place + 1] + 1)
        places[kept] = place
        kept += places[j + 1] == place + 1
    return kept


@_inner
def _seen_twice(pairs, places, left, tally):
    """Keep the pairs that may occur twice: those alone in their slot of a tally cannot. Returns how many are left."""
    bits = _table_bits(left) + 2
    shift = np.uint64(64 - bits)
    tally[: 1 << bits] = 0
    for j in range(left):
        slot = (pairs[j] * _GOLDEN) >> shift
        tally[slot] = 1 + (tally[slot] > 0)
    kept = _ZERO
    for j in range(left):
        pair, place = pairs[j], places[j]
        pairs[kept], places[kept] = pair, place
        kept += tally[(pair * _GOLDEN) >> shift] > 1
    return kept


@_inner
def _number(pairs, places, left, named, counts, firsts, keys, values):
    """Number the pairs, equal ones alike, and write the numbers at their places; returns how many there are."""
    bits = _table_bits(left)
    keys[: 1 << bits] = 0
    known = _ZERO
    for j in range(left):
        slot = _find(keys, pairs[j], bits)
        new = keys[slot] == _NONE
        number = known if new else np.int64(values[slot])
        keys[slot], values[slot] = pairs[j], number
        named[places[j]] = number
        counts[number] = 1 if new else counts[number] + 1
        firsts[number] = places[j] if new else firsts[number]
        known += new
    return known


@_inner
def _top(counts, known, firsts, ends, n):
    """Characters of all occurrences of the most frequent n-gram, the earliest of those that tie."""
    first, most = 0, 1
    for number in range(known):
        if counts[number] > most or (counts[number] == most > 1 and firsts[number] < first):
            first, most = firsts[number], counts[number]
    return (ends[first + n] - ends[first] + n - 1) * most


@_inner
def _repeated(places, left, named, counts, ends, n):
    """Characters of the n-grams that came before, going from left to right; one found is stepped over as a whole."""
    characters, free = 0, 0
    for j in range(left):
        place, number = places[j], named[places[j]]
        if place >= free:
            if counts[number] < 0:
                characters += ends[place + n] - ends[place]
                free = place + n
            counts[number] = -abs(counts[number])
    return characters
