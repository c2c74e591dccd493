"""One pass over a column of UTF-8 texts: the counts behind Gopher's, C4's and FineWeb's rules.

Each document is walked three times while it lies in the cache: its characters get their kinds, its lines are split
into words, and its words are searched for repetition. Counts go to one row of int64 per document; `statistics.py`
makes shares of them. Everything the kernels call lives in this file, because numba's cache looks at no other.

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
_inner = njit(**_OPTIONS)
_within = njit(forceinline=True, **_OPTIONS)
_ZERO = np.int64(0)

# The state of the line at hand.
ENDED, SENTENCES, CHUNKS, LONGEST, SOLO_WORDS = range(5)

SHORT_LINE = 30  # characters; FineWeb (Penedo et al. 2024), section 3.5
PROSE_LINE_WORDS = 3  # C4 (Raffel et al. 2020), section 2.2
PROSE_WORD_CHARACTERS = 1000  # the same, in its code only
STOP_SLOTS = 256

_OFFSET = np.uint64(0xCBF29CE484222325)  # FNV-1a
_PRIME = np.uint64(0x100000001B3)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ONE = np.uint64(1)
_LETTERS = (1 << u.LOWER) | (1 << u.UPPER) | (1 << u.LETTER) | (1 << u.SOLO)
_ALNUM = _LETTERS | (1 << u.DIGIT)
_PLAIN = (_ALNUM & ~(1 << u.SOLO)) | (1 << u.MARK) | (1 << u.CONTINUATION)
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
_CODE = np.isin(np.arange(256), np.frombuffer(b"{}[]<>=;_|\\^~$@&*+/`", dtype=np.uint8))


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
def count_documents(data, offsets, kind_of, languages, stop_hashes, stop_bits, counts):
    """Fill `counts` int64 [N, len(COUNTS)], zeros before, for the N documents data[offsets[i]:offsets[i + 1]].

    `kind_of` is `unicode.kind_table()`; `languages` [N] is a row of the stop-word tables [L, STOP_SLOTS].
    """
    ascii, seen = np.zeros((2, 128), dtype=np.int64), np.zeros(u.KINDS, dtype=np.int64)
    for i in range(len(offsets) - 1):
        text, row = data[offsets[i] : offsets[i + 1]], counts[i]
        kinds = np.empty(len(text), dtype=np.uint8)
        _classify(text, kind_of, kinds, ascii, seen, row)
        if _has_ellipsis(text):
            row[ELLIPSES] += _ellipses(text)
        if ascii[0, 60]:
            row[MARKUP] = _markup(text, kinds)
        most = _most_words(seen)
        hashes, sizes = np.empty(most, dtype=np.uint64), np.empty(most, dtype=np.int32)
        language = languages[i]
        _lines(text, kinds, row, hashes, sizes, stop_hashes[language], stop_bits[language])
        _n_grams(hashes, sizes, row[WORDS], row)


@_inner
def _classify(text, kind_of, kinds, ascii, seen, row):
    """Write each character's kind at its first byte (0 at the others); count ASCII characters [2, 128] and kinds."""
    ascii[:] = 0
    seen[:] = 0
    p = 0
    while p < len(text):
        byte = text[p]
        if byte < 0x80:
            kinds[p] = kind_of[byte]
            ascii[p & 1, byte] += 1  # two counters, so that one need not wait for the other
            p += 1
            continue
        width = 2 + (byte >= 0xE0) + (byte >= 0xF0)
        point = np.int64(byte) & (0x7F >> width)
        for q in range(p + 1, p + width):
            point = point << 6 | (np.int64(text[q]) & 0x3F)
            kinds[q] = u.CONTINUATION
        kinds[p] = kind_of[point]
        seen[kinds[p]] += 1
        p += width
    for byte in range(128):
        ascii[0, byte] += ascii[1, byte]
        seen[kind_of[byte]] += ascii[0, byte]
        row[CODE] += ascii[0, byte] * _CODE[byte]
    row[CHARACTERS], row[HASHES], row[ELLIPSES] = seen.sum(), ascii[0, 35], seen[u.ELLIPSIS]
    row[DIGITS], row[UPPERS], row[NEWLINES] = seen[u.DIGIT], seen[u.UPPER], seen[u.NEWLINE]
    row[LETTERS] = seen[u.LOWER] + seen[u.UPPER] + seen[u.LETTER] + seen[u.SOLO]


@_inner
def _most_words(seen):
    """No text has more words: each begins after white space, or at or behind a character that is not plain."""
    most = 1 + seen[u.SPACE] + seen[u.NEWLINE]
    for kind in range(u.KINDS):
        if kind != u.SPACE and kind != u.NEWLINE and not _PLAIN >> kind & 1:
            most += 2 * seen[kind]
    return most


@_inner
def _has_ellipsis(text):
    found = False
    for p in range(len(text) - 2):  # without a way out, so that it is done for many bytes at once
        found |= (text[p] == 46) & (text[p + 1] == 46) & (text[p + 2] == 46)
    return found


@_inner
def _ellipses(text):
    """How often three periods stand in a row, without overlap."""
    found, dots = 0, 0
    for p in range(len(text)):
        dots = dots + 1 if text[p] == 46 else 0
        if dots == 3:
            found += 1
            dots = 0
    return found


@_inner
def _markup(text, kinds):
    """Characters in <tags>: from "<" and a letter, "/" or "!" to the next ">", if no other "<" comes before it."""
    found, inside = 0, 0
    for p in range(len(text)):
        if text[p] == 60:
            after = text[p + 1] if p + 1 < len(text) else 0
            inside = 1 if after == 33 or after == 47 or 97 <= (after | 32) <= 122 else 0
        elif inside:
            inside += kinds[p] != u.CONTINUATION
            if text[p] == 62:
                found += inside
                inside = 0
    return found


# --- lines ---


@_inner
def _lines(text, kinds, row, hashes, sizes, stop_hashes, stop_bits):
    """Split all lines into words, judge each, and count those (and the paragraphs) that came before."""
    most = row[NEWLINES] + 1
    lines, line_sizes = np.empty(most, dtype=np.uint64), np.empty(most, dtype=np.int64)
    paragraphs, paragraph_sizes = np.empty(most, dtype=np.uint64), np.empty(most, dtype=np.int64)
    state = np.zeros(5, dtype=np.int64)
    a, open_paragraph = _ZERO, False
    while a < len(text):
        begin, end, a, characters, code = _line(text, kinds, a, row, state, hashes, sizes, stop_hashes, stop_bits)
        if begin == end:
            open_paragraph = False
            continue
        _judge_line(text, kinds, begin, end, characters, row, state)
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
    row[LINE_REPEATS], row[LINE_CHARACTERS] = _repeats(lines, line_sizes, row[LINES])
    row[PARAGRAPH_REPEATS], row[PARAGRAPH_CHARACTERS] = _repeats(paragraphs, paragraph_sizes, row[PARAGRAPHS])


@_inner
def _line(text, kinds, p, row, state, hashes, sizes, stop_hashes, stop_bits):
    """Split the line that begins at `p` into words.

    Returns (where its first character that is no white space is, the end of the last one, where the next line begins,
    characters, hash of the whole line).
    """
    state[ENDED], state[SENTENCES], state[CHUNKS], state[LONGEST], state[SOLO_WORDS] = 1, 0, 0, 0, 0
    begin, end, characters, line = p, p, _ZERO, _OFFSET
    while p < len(text) and text[p] != 10:
        if kinds[p] == u.SPACE:
            if text[p] == 13 and (p + 1 == len(text) or text[p + 1] == 10):
                p += 1
                break
            characters += 1
            line = (line ^ text[p]) * _PRIME
            p += 1
            while p < len(text) and kinds[p] == u.CONTINUATION:
                line = (line ^ text[p]) * _PRIME
                p += 1
            continue
        chunk, code, size, mask = p, _OFFSET, _ZERO, _ZERO
        q = np.uint64(p)  # an unsigned index is not tried for being negative: this is the innermost loop
        while q < np.uint64(len(text)) and (kinds[q] > u.NEWLINE or kinds[q] == u.CONTINUATION):
            code = (code ^ text[q]) * _PRIME
            size += kinds[q] != u.CONTINUATION
            mask |= 1 << kinds[q]
            q += _ONE
        p = np.int64(q)
        begin = begin if state[CHUNKS] else chunk
        end = p
        characters += size
        line = (line ^ code) * _GOLDEN
        state[CHUNKS] += 1
        state[LONGEST] = max(state[LONGEST], size)
        if mask & ~_PLAIN and size > 1:
            _split_chunk(text, kinds, chunk, p, mask, row, state, hashes, sizes, stop_hashes, stop_bits)
        else:
            _keep_word(code, size, mask, row, state, hashes, sizes, stop_hashes, stop_bits)
    return begin, end, p + 1, characters, line


@_inner
def _judge_line(text, kinds, a, b, characters, row, state):
    """Count what the line is whose visible part is [a, b)."""
    kind = kinds[_previous(kinds, b)]
    bullet = text[a] == 45 or (b - a > 2 and text[a] == 0xE2 and text[a + 1] == 0x80 and text[a + 2] == 0xA2)
    row[BULLET_LINES] += bullet  # "-" or U+2022
    row[ELLIPSIS_LINES] += kind == u.ELLIPSIS or _ends_with_dots(text, a, b)
    row[TERMINAL_LINES] += kind == u.PERIOD or kind == u.TERMINAL
    row[SHORT_LINES] += characters <= SHORT_LINE
    if max(state[CHUNKS], state[SOLO_WORDS]) >= PROSE_LINE_WORDS and state[LONGEST] <= PROSE_WORD_CHARACTERS:
        _prose_line(text, kinds, a, b, row, state[SENTENCES])


@_inner
def _prose_line(text, kinds, a, b, row, sentences):
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
    phrases = _phrases_in(text, a, b)
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
def _repeats(blocks, sizes, n):
    """(how many of the n blocks came before, their characters)."""
    repeats, characters = 0, 0
    if n > 1:
        bits = _table_bits(n)
        keys = np.zeros(1 << bits, dtype=np.uint64)
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
def _split_chunk(text, kinds, a, b, mask, row, state, hashes, sizes, stop_hashes, stop_bits):
    """Split what stands between white space: punctuation in front and behind, a clitic, and the core."""
    front = a
    while front < b and (_SPLIT_OFF >> kinds[front] & 1 or _is_dots(text, front, b)):
        front = _after_mark(kinds, front, b)
    back = b
    while back > front:
        last = _previous(kinds, back)
        if not _SPLIT_OFF >> kinds[last] & 1 and not (kinds[last] == u.PERIOD and _splits_period(kinds, front, last)):
            break
        back = last
    core = _before_clitic(text, front, back) if mask >> u.QUOTE & 1 else back
    while a < b:
        if a < front:
            after = _after_mark(kinds, a, front)
        elif a < core:
            after = _core_word_end(text, kinds, a, front, core)
        elif a < back:
            after = back
        else:
            after = _after_mark(kinds, a, b)
        code, size, mask = _OFFSET, _ZERO, _ZERO
        for p in range(np.uint64(a), np.uint64(after)):
            code = (code ^ text[p]) * _PRIME
            size += kinds[p] != u.CONTINUATION
            mask |= 1 << kinds[p]
        _keep_word(code, size, mask, row, state, hashes, sizes, stop_hashes, stop_bits)
        a = after


@_inner
def _core_word_end(text, kinds, begin, a, b):
    """Where the word ends that begins at `begin` in the core [a, b): at or after the next joint."""
    for p in range(begin, b):
        kind = kinds[p]
        if _PLAIN >> kind & 1:
            continue
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
        if joint:
            return after if p == begin else p
    return b


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


@_within
def _keep_word(code, size, mask, row, state, hashes, sizes, stop_hashes, stop_bits):
    """Add a word of `size` characters, whose kinds are the bits of `mask`, and see whether a sentence begins."""
    n = row[WORDS]
    hashes[n], sizes[n] = code, size
    row[WORDS] = n + 1
    if mask & _ALNUM:
        state[SOLO_WORDS] += mask >> u.SOLO & 1
        row[WORD_CHARACTERS] += size
        row[ALPHABETIC] += mask & _LETTERS != 0
        slot = np.int64(code & np.uint64(STOP_SLOTS - 1))
        while stop_hashes[slot]:
            if stop_hashes[slot] == code:
                row[STOP_WORDS] |= stop_bits[slot]
            slot = (slot + 1) % STOP_SLOTS
        state[SENTENCES] += state[ENDED]
        state[ENDED] = 0
    else:
        row[SYMBOL_WORDS] += 1
        if size == 1 and mask & _ENDS:
            state[ENDED] = 1


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
def _n_grams(hashes, sizes, n_words, row):
    """Characters of the most frequent 2- to 4-gram, spaces included, and of all repeated 5- to 10-grams."""
    ends = np.zeros(n_words + 1, dtype=np.int64)
    for i in range(n_words):
        ends[i + 1] = ends[i] + sizes[i]
    pairs, places, left = _pairs_seen_twice(hashes, n_words)
    apart, numbers = places.copy(), np.empty(n_words, dtype=np.int32)
    counts, firsts = np.empty(left, dtype=np.int32), np.empty(left, dtype=np.int32)
    known, rest = _ZERO, left
    for n in range(2, min(n_words, 10) + 1):
        if n > 2:
            left, known, rest = _lengthen(places, left, numbers, known, counts, firsts, pairs, apart)
        if left == 0 and n > 4:
            break
        known = _number(pairs, apart, rest, numbers, known, counts, firsts)
        if n <= 4:
            row[TOP + n - 2] = _top(counts[:known], firsts, ends, n)
        kept = _ZERO
        for j in range(left):
            if counts[numbers[places[j]]] > 1:
                places[kept] = places[j]
                kept += 1
        left = kept
        if n >= 5:
            row[REPEATED + n - 5] = _repeated(places, left, numbers, counts, ends, n)


@_inner
def _pairs_seen_twice(hashes, n_words):
    """(keys, places, their number) of the 2-grams that may occur twice: those alone in their slot of a tally cannot."""
    most = max(n_words - 1, 0)
    pairs, places = np.empty(most, dtype=np.uint64), np.empty(most, dtype=np.int32)
    bits = _table_bits(most) + 1
    shift = np.uint64(64 - bits)
    tally = np.zeros(1 << bits, dtype=np.uint8)
    for i in range(most):
        pairs[i] = (hashes[i] ^ (hashes[i + 1] * _GOLDEN)) | _ONE
        slot = (pairs[i] * _GOLDEN) >> shift
        tally[slot] += tally[slot] < 2
    kept = _ZERO
    for i in range(most):
        if tally[(pairs[i] * _GOLDEN) >> shift] == 2:
            pairs[kept] = pairs[i]
            places[kept] = i
            kept += 1
    return pairs, places, kept


@_inner
def _lengthen(places, left, numbers, known, counts, firsts, pairs, apart):
    """From the numbers of (n-1)-grams at `places` to those of n-grams: most go on as the first of their kind did.

    Places whose next one is not left are given up. Returns (places left, n-grams numbered so far, places that go on
    otherwise): the last are in `apart`, with their pairs of (n-1)-gram numbers, for `_number`.
    """
    heads, nexts = np.full(known, -1, dtype=np.int32), np.empty(known, dtype=np.int32)
    kept, found, rest = _ZERO, _ZERO, _ZERO
    for j in range(left - 1):
        place = places[j]
        if places[j + 1] != place + 1:
            continue
        places[kept] = place
        kept += 1
        first, second = numbers[place], numbers[place + 1]
        if heads[first] < 0:
            heads[first], nexts[first] = found, second
            numbers[place], counts[found], firsts[found] = found, 1, place
            found += 1
        elif nexts[first] == second:
            numbers[place] = heads[first]
            counts[heads[first]] += 1
        else:
            pairs[rest] = np.uint64(first) << np.uint64(32) | np.uint64(second + 1)
            apart[rest] = place
            rest += 1
    return kept, found, rest


@_inner
def _number(pairs, apart, rest, numbers, known, counts, firsts):
    """Number the pairs from `known` on, equal ones alike, and write the numbers at their places; returns how many."""
    bits = _table_bits(rest)
    keys, values = np.zeros(1 << bits, dtype=np.uint64), np.empty(1 << bits, dtype=np.int32)
    for j in range(rest):
        slot = _find(keys, pairs[j], bits)
        if not keys[slot]:
            keys[slot], values[slot] = pairs[j], known
            counts[known], firsts[known] = 0, apart[j]
            known += 1
        numbers[apart[j]] = values[slot]
        counts[values[slot]] += 1
    return known


@_inner
def _top(counts, firsts, ends, n):
    """Characters of all occurrences of the most frequent n-gram, the earliest of those that tie."""
    first, most = 0, 1
    for number in range(len(counts)):
        if counts[number] > most or (counts[number] == most > 1 and firsts[number] < first):
            first, most = firsts[number], counts[number]
    return (ends[first + n] - ends[first] + n - 1) * most


@_inner
def _repeated(places, left, numbers, counts, ends, n):
    """Characters of the n-grams that came before, going from left to right; one found is stepped over as a whole."""
    characters, free = 0, 0
    for j in range(left):
        place, number = places[j], numbers[places[j]]
        if place >= free:
            if counts[number] < 0:
                characters += ends[place + n] - ends[place]
                free = place + n
            counts[number] = -abs(counts[number])
    return characters
