"""What kind of character is it? One byte per code point, so that a kernel asks once and never calls Python.

The kinds are those that decide where a word, a sentence or a line ends, no more. The table is made from the
`unicodedata` of the running Python in some 0.1 s, once per process; `VERSION` belongs in the fingerprint of whatever
is computed with it, because a later Unicode knows more letters.

Scripts written without spaces (Chinese, Japanese, Yi, Thai, Lao, Khmer, Burmese) have no words without a dictionary.
Their letters are SOLO: each is a word of its own, with the marks that follow it. A rule about the length of words must
not be asked of such a language (documents/curation/rules_config.py). The dots between syllables in Tibetan and between
words in Ethiopic are spaces.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np

VERSION = unicodedata.unidata_version

CONTINUATION = 0  # a byte inside a character
SPACE = 1  # any white space but the line feed
NEWLINE = 2
LOWER, UPPER, LETTER, SOLO = 3, 4, 5, 6  # letters: with case, without, of a script without spaces
DIGIT = 7  # decimal digits and other numerals
MARK = 8  # combining marks and invisible joiners: part of what stands before
PERIOD = 9
TERMINAL = 10  # other characters that end a sentence
ELLIPSIS = 11
QUOTE = 12
COMMA = 13
COLON = 14  # : < > = and the like: split off, and between letters too
SLASH = 15  # a joint between letters that is not split off
HYPHEN = 16  # hyphens, + and ^: the same, between digits too
DASH = 17  # longer dashes and *: as a hyphen, and split off
PUNCTUATION = 18  # everything else that is split off: brackets, currency, # % & _ ...
ICON = 19  # pictures: always a word of its own
SYMBOL = 20  # what stays where it stands (| @, controls, private use)
KINDS = 21

_LISTED = {
    SPACE: "\u0f0b\u1361\u200b",
    NEWLINE: "\n",
    MARK: "\u200c\u200d\u2060\ufeff\xad",
    PERIOD: ".",
    TERMINAL: (
        "!?\u203c\u203d\u2047\u2048\u2049\u2e2e\u2e3c\u3002\uff01\uff0e\uff1f\uff61\ufe52\ufe56\ufe57"  # general, CJK
        "\u0589\u061d\u061e\u061f\u06d4\u0700\u0701\u0702\u07f9"  # Armenian, Arabic, Syriac, N'Ko
        "\u0964\u0965\u104a\u104b\u0f0d\u0f0e\u17d4\u17d5\uaaf0\ua8ce\ua8cf"  # Indic, Burmese, Tibetan, Khmer
        "\u1362\u1367\u1368\u166e\u1803\u1809\u1c7e\u1c7f\ua4ff\ua60e\ua60f\ua6f3\ua6f7"  # Ethiopic, Canadian, Vai ...
    ),
    ELLIPSIS: "\u2026",
    QUOTE: "\"'`\xb4\xab\xbb\u2018\u2019\u201a\u201c\u201d\u201e\u2039\u203a"
    + "".join(map(chr, range(0x3008, 0x3010))),
    COMMA: ",",
    COLON: ":<>=",
    SLASH: "/",
    HYPHEN: "-~+^\u2010\u2011",
    DASH: "*\u2013\u2014\u2015",
    SYMBOL: "\\|@",
}
_SOLO = (
    (0x0E01, 0x0E4F), (0x0E81, 0x0EE0), (0x1000, 0x1040), (0x1050, 0x1090), (0x1780, 0x17B4),  # Thai ... Khmer
    (0x3005, 0x3008), (0x3041, 0x3100), (0x31F0, 0x3200), (0xFF66, 0xFFA0),  # kana
    (0x3400, 0x4DC0), (0x4E00, 0xA490), (0xF900, 0xFB00), (0x20000, 0x32400),  # Han, Yi
)  # fmt: skip
_CATEGORIES = {"M": MARK, "N": DIGIT, "P": PUNCTUATION, "Sc": PUNCTUATION, "So": ICON}


@lru_cache(maxsize=1)
def kind_table() -> np.ndarray:
    """uint8 [0x110000]: the kind of every code point."""
    kinds = np.full(0x110000, SYMBOL, dtype=np.uint8)
    points = np.concatenate([np.arange(0xD800), np.arange(0xE000, 0x32400), np.arange(0xE0100, 0xE01F0)])
    text = points.astype(np.uint32).view("<U1")
    alphabetic = np.char.isalpha(text)
    kinds[points[alphabetic]] = LETTER
    kinds[points[np.char.islower(text) & alphabetic]] = LOWER
    upper = (np.char.isupper(text) | np.char.istitle(text)) & alphabetic
    kinds[points[upper]] = UPPER
    for first, after in _SOLO:
        kinds[first:after][kinds[first:after] == LETTER] = SOLO
    for point in points[~alphabetic]:
        category = unicodedata.category(chr(point))
        kind = _CATEGORIES.get(category) or _CATEGORIES.get(category[0])
        if kind is not None:
            kinds[point] = kind
    kinds[points[np.char.isspace(text)]] = SPACE
    for kind, characters in _LISTED.items():
        kinds[[ord(character) for character in characters]] = kind
    kinds.flags.writeable = False
    return kinds
