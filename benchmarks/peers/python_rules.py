"""The same statistics in plain Python: one pass over the words, the standard library only.

It is what the kernels are tested against, value for value, and the contestant "fused pure Python" of
`curate_vs_datatrove`. It follows the definitions in `midtrain/text/statistics_kernel.py` by other means: regular
expressions, sets and Counters of strings instead of bytes and hash tables. A word's split is remembered, so that common
chunks are split once.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

from midtrain.text import unicode as u
from midtrain.text.unicode import kind_table

_KINDS = kind_table()
_CITATION = re.compile(r"(\[[0-9]*\]|\[edit\]|\[citation needed\])\Z")
_CLITIC = re.compile("(?:n['\u2019]t|['\u2019](?:s|m|d|re|ve|ll))\\Z", re.IGNORECASE | re.ASCII)
_POLICIES = ("privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies", "terms of use")
_TAG = re.compile(r"<[A-Za-z/!][^<>]*>")
_CODE = str.maketrans("", "", "{}[]<>=;_|\\^~$@&*+/`")
_LOWER_ASCII = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_SPLIT_OFF = {u.TERMINAL, u.ELLIPSIS, u.QUOTE, u.COMMA, u.COLON, u.DASH, u.PUNCTUATION, u.ICON}
_LETTERS = {u.LOWER, u.UPPER, u.LETTER, u.SOLO}
_ENDS = {u.PERIOD, u.TERMINAL}


@lru_cache(maxsize=0x110000)
def kind(character: str) -> int:
    """The kind of a character."""
    return int(_KINDS[ord(character)])


@lru_cache(maxsize=1 << 18)
def split_chunk(chunk: str) -> list[tuple[str, bool, bool]]:
    """The words of what stands between white space, each with (is no punctuation, has a letter)."""
    return [(word, _is_word(word), any(kind(c) in _LETTERS for c in word)) for word in _pieces(chunk)]


def _is_word(word: str) -> bool:
    return any(kind(c) in _LETTERS or kind(c) == u.DIGIT for c in word)


def _pieces(chunk: str) -> list[str]:
    if len(chunk) == 1:
        return [chunk]
    front = 0
    while front < len(chunk):
        dots = re.match(r"\.{2,}", chunk[front:])
        if not dots and kind(chunk[front]) not in _SPLIT_OFF:
            break
        front += len(dots[0]) if dots else 1
    back = len(chunk)
    while back > front and (
        kind(chunk[back - 1]) in _SPLIT_OFF or (chunk[back - 1] == "." and _period_is_apart(chunk[front : back - 1]))
    ):
        back -= 1
    core = chunk[front:back]
    clitic = _CLITIC.search(core)
    tail = core[clitic.start() :] if clitic and clitic.start() else ""
    core = core[: len(core) - len(tail)]
    return [*_marks(chunk[:front]), *_core_words(core), *([tail] if tail else []), *_marks(chunk[back:])]


def _marks(text: str) -> list[str]:
    return re.findall(r"\.+|[^.]", text, re.DOTALL)


def _period_is_apart(before: str) -> bool:
    if not before:
        return True
    if kind(before[-1]) == u.UPPER:
        return len(before) > 1 and kind(before[-2]) == u.UPPER
    return kind(before[-1]) not in (u.SPACE, u.NEWLINE, u.SLASH)


def _core_words(core: str) -> list[str]:
    words: list[str] = []
    begin = at = 0
    while at < len(core):
        after = _joint_end(core, at)
        if after > at:
            words += [piece for piece in (core[begin:at], core[at:after]) if piece]
            begin = at = after
        else:
            at += 1
    return words + ([core[begin:]] if begin < len(core) else [])


def _joint_end(core: str, at: int) -> int:
    """Where the joint at `at` ends, or `at` if there is none."""
    one = kind(core[at])
    if one in (u.SOLO, u.ICON):
        after = at + 1
        while after < len(core) and kind(core[after]) == u.MARK:
            after += 1
        return after
    if one == u.ELLIPSIS:
        return at + 1
    dots = re.match(r"\.{2,}", core[at:])
    if dots:
        return at + len(dots[0])
    after = at + 1
    while one == u.HYPHEN and after < len(core) and kind(core[after]) == u.HYPHEN:
        after += 1
    if at == 0 or after == len(core):
        return at
    left, right = kind(core[at - 1]), kind(core[after])
    before_letter = (left in _LETTERS or left == u.DIGIT) and right in _LETTERS
    joined = {
        u.HYPHEN: before_letter or left == right == u.DIGIT,
        u.DASH: before_letter or left == right == u.DIGIT,
        u.COLON: before_letter,
        u.SLASH: before_letter,
        u.PERIOD: left == u.LOWER and right == u.UPPER,
        u.COMMA: before_letter and left != u.DIGIT,
    }
    return after if joined.get(one) else at


def statistics_of(text: str, stop_words: tuple[str, ...] | None) -> dict[str, float]:
    """Every statistic but `compression`, by the names of `midtrain.text.statistics.STATISTICS`."""
    facts: Counter[str] = Counter()
    words: list[str] = []
    n_symbols = word_characters = alphabetic = 0
    lines: list[str] = []
    paragraphs: list[list[str]] = [[]]
    for raw in text.split("\n"):
        line = raw.removesuffix("\r")
        chunks = _chunks(line)
        if not chunks:
            paragraphs.append([])
            continue
        lines.append(line)
        paragraphs[-1].append(line)
        sentences, ended, letters_alone = 0, True, 0
        for chunk in chunks:
            for word, is_word, has_letter in split_chunk(chunk):
                words.append(word)
                if is_word:
                    letters_alone += kind(word[0]) == u.SOLO
                    word_characters += len(word)
                    alphabetic += has_letter
                    sentences += ended
                    ended = False
                else:
                    n_symbols += 1
                    ended = ended or (len(word) == 1 and kind(word) in _ENDS)
        facts["short_lines"] += len(line) <= 30
        _judge_line(line, chunks, max(letters_alone, len(chunks)), sentences, facts)
    n_words, n_lines, characters = len(words), max(len(lines), 1), max(len(text), 1)
    newlines = text.count("\n")
    blocks = ["\n".join(paragraph) for paragraph in paragraphs if paragraph]
    repeated_lines, line_characters = _repeats(lines)
    repeated_blocks, block_characters = _repeats(blocks)
    letters = sum(map(str.isalpha, text))
    return {
        "characters": len(text),
        "words": n_words - n_symbols,
        "mean_word_length": word_characters / max(n_words - n_symbols, 1),
        "lines": len(lines),
        "paragraphs": len(blocks),
        "stop_words": -1 if stop_words is None else len(set(stop_words) & set(words)),
        "hashes": text.count("#") / max(n_words, 1),
        "ellipses": (text.count("...") + text.count("\u2026")) / max(n_words, 1),
        "alphabetic_words": alphabetic / max(n_words - n_symbols, 1),
        "alphabetic_tokens": alphabetic / max(n_words, 1),
        **{name: facts[name] / n_lines for name in ("bullet_lines", "ellipsis_lines", "terminal_lines", "short_lines")},
        "newlines": newlines / max(n_words, 1),
        "duplicate_lines": repeated_lines / n_lines,
        "duplicate_line_characters": line_characters / max(len(text) - newlines, 1),
        "duplicate_paragraphs": repeated_blocks / max(len(blocks), 1),
        "duplicate_paragraph_characters": block_characters / characters,
        **{f"top_{n}_gram": _top(words, n) / characters for n in range(2, 5)},
        **{f"duplicate_{n}_grams": _repeated(words, n) / characters for n in range(5, 11)},
        **{f"prose_{name}": facts[name] for name in ("sentences", "curly_brackets", "lorem_ipsum")},
        "digits": sum(unicodedata.category(c)[0] == "N" and not c.isalpha() for c in text) / characters,
        "upper_case": sum((c.isupper() or c.istitle()) and c.isalpha() for c in text) / max(letters, 1),
        "code": (len(text) - len(text.translate(_CODE))) / characters,
        "markup": sum(map(len, _TAG.findall(text))) / characters,
    }


def _chunks(line: str) -> list[str]:
    return re.sub("[\u200b\u0f0b\u1361]", " ", line).split()


def _judge_line(line: str, chunks: list[str], n_words: int, sentences: int, facts: Counter[str]) -> None:
    line = line[line.index(chunks[0]) : line.rindex(chunks[-1]) + len(chunks[-1])]
    facts["bullet_lines"] += line.startswith(("-", "\u2022"))
    facts["ellipsis_lines"] += line.endswith(("...", "\u2026"))
    facts["terminal_lines"] += kind(line[-1]) in _ENDS
    if n_words < 3 or max(map(len, chunks)) > 1000:
        return
    while citation := _CITATION.search(line):
        line = line[: citation.start()]
    if not line or line.endswith("...") or not (kind(line[-1]) in _ENDS or kind(line[-1]) == u.QUOTE):
        return
    low = line.translate(_LOWER_ASCII)
    if "lorem ipsum" in low:
        facts["lorem_ipsum"] += 1
    elif "javascript" in low:
        pass
    elif "{" in line:
        facts["curly_brackets"] += 1
    elif not any(policy in low for policy in _POLICIES):
        facts["sentences"] += sentences


def _repeats(blocks: list[str]) -> tuple[int, int]:
    seen: set[str] = set()
    repeats = characters = 0
    for block in blocks:
        if block in seen:
            repeats += 1
            characters += len(block)
        seen.add(block)
    return repeats, characters


def _top(words: list[str], n: int) -> int:
    grams = Counter(zip(*(words[i:] for i in range(n)), strict=False))
    if not grams:
        return 0
    gram, count = grams.most_common(1)[0]
    return (sum(map(len, gram)) + n - 1) * count


def _repeated(words: list[str], n: int) -> int:
    grams = list(zip(*(words[i:] for i in range(n)), strict=False))
    if len(set(grams)) == len(grams):
        return 0
    seen: set[tuple[str, ...]] = set()
    characters = at = 0
    while at < len(grams):
        if grams[at] in seen:
            characters += sum(map(len, grams[at]))
            at += n
        else:
            seen.add(grams[at])
            at += 1
    return characters
