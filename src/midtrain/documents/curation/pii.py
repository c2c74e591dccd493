"""Personal data in text: e-mail and IP addresses, telephone numbers, bank accounts, payment cards, keys and tokens.

Text holds little of it, so most of the work is to pass over the rest quickly. One numba pass over Arrow's bytes finds
the few places that could hold something (an @ between words, many digits in a row, two capitals and two digits, a long
run of letters and digits); only there are regular expressions and checksums asked (pii_forms.py). Clean text costs
that pass alone.

    find    what there is: row, kind, first byte, last byte
    count   how much of each kind in each text
    mask    texts with each piece replaced by something of the same kind that belongs to nobody

What cannot be told from other numbers is left out on purpose: national telephone numbers without a word before them,
quads below 20.20.20.20 (version and section numbers look like that), hashes that are assigned to no secret's name.
Names and street addresses need a model, and are not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from midtrain.documents.curation import pii_forms as forms
from midtrain.documents.curation.pii_config import KINDS
from midtrain.text.arrow import text_buffers

REPLACEMENTS = {
    "email": b"email@example.com",
    "ipv4": b"192.0.2.1",
    "ipv6": b"2001:db8::1",
    "phone": b"555-0100",
    "iban": b"[IBAN]",
    "card": b"[card number]",
    "secret": b"[secret]",
}
"""RFC 2606, 5737 and 3849 reserve the addresses, and North America 555-0100, for documentation."""


class Found(NamedTuple):
    """M pieces of personal data in a column of texts, in order, none overlapping another."""

    row_M: np.ndarray
    kind_M: np.ndarray
    """An index into KINDS."""
    start_M: np.ndarray
    """First byte, counted from the first byte of its text."""
    end_M: np.ndarray
    """One past the last byte."""


def find(texts: pa.Array | pa.ChunkedArray, reserved_ips: bool = False) -> Found:
    """All personal data in a column of texts without nulls; private addresses only with `reserved_ips`."""
    offsets_N1, data = text_buffers(texts)
    places_M4 = _places(offsets_N1, data)
    found: set[tuple[int, int, int, int]] = set()
    for row, place, start, end in places_M4.tolist():
        begin, stop = int(offsets_N1[row]), int(offsets_N1[row + 1])
        if place == _RUN and end < stop and data[end] in b"/.":  # which join the runs of some keys
            more = _JOINED.match(data[end : min(end + _LONGEST_KEY, stop)].tobytes())
            end += more.end() if more else 0
        window_start = max(begin, start - _BEFORE)
        window = data[window_start : min(end + _AFTER, stop)].tobytes()
        shift = window_start - begin
        for kind, first, last in _look(place, window, start - window_start, reserved_ips):
            found.add((row, shift + first, -(shift + last), KINDS.index(kind)))
    return _without_overlaps(sorted(found))


def count(texts: pa.Array | pa.ChunkedArray, reserved_ips: bool = False) -> dict[str, np.ndarray]:
    """How many pieces of each of KINDS each text holds: int32 [N] by kind."""
    return _counts(find(texts, reserved_ips), len(texts))


def mask(
    texts: pa.Array | pa.ChunkedArray, kinds: Sequence[str], reserved_ips: bool = False
) -> tuple[pa.Array, dict[str, np.ndarray]]:
    """(texts as large_string [N] with every piece of `kinds` replaced, how many of each of KINDS there were)."""
    found = find(texts, reserved_ips)
    chosen_M = np.isin(found.kind_M, [KINDS.index(kind) for kind in kinds])
    offsets_N1, data = text_buffers(texts)
    counts = _counts(found, len(texts))
    if not chosen_M.any():
        return _large_strings(texts), counts
    chosen = Found(*(values[chosen_M] for values in found))
    replacements = [REPLACEMENTS[KINDS[kind]] for kind in chosen.kind_M]
    begin_M = offsets_N1[chosen.row_M]
    pieces: list[bytes | memoryview] = []
    at = int(offsets_N1[0])
    for first, last, new in zip(begin_M + chosen.start_M, begin_M + chosen.end_M, replacements, strict=True):
        pieces += [data[at:first].data, new]
        at = int(last)
    pieces.append(data[at : offsets_N1[-1]].data)
    longer_M = np.array([len(new) for new in replacements]) - (chosen.end_M - chosen.start_M)
    longer_N = np.bincount(chosen.row_M, weights=longer_M, minlength=len(texts)).astype(np.int64)
    new_offsets_N1 = offsets_N1 - offsets_N1[0]
    new_offsets_N1[1:] += np.cumsum(longer_N)
    buffers = pa.py_buffer(new_offsets_N1), pa.py_buffer(b"".join(pieces))
    return pa.LargeStringArray.from_buffers(len(texts), *buffers), counts


def _large_strings(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    return texts.cast(pa.large_string())


def _counts(found: Found, rows: int) -> dict[str, np.ndarray]:
    return {
        kind: np.bincount(found.row_M[found.kind_M == number], minlength=rows).astype(np.int32)
        for number, kind in enumerate(KINDS)
    }


def _without_overlaps(found: list[tuple[int, int, int, int]]) -> Found:
    """Of pieces that overlap, the one that begins first is kept, and of those the longest."""
    kept: list[tuple[int, int, int, int]] = []
    for row, start, minus_end, kind in found:
        if not kept or kept[-1][0] != row or kept[-1][3] <= start:
            kept.append((row, kind, start, -minus_end))
    kept_M4 = np.array(kept, dtype=np.int64).reshape(-1, 4)
    return Found(*kept_M4.T)


_DIGIT, _UPPER, _LOWER, _MARK = 1, 2, 4, 8
_ALNUM = _DIGIT | _UPPER | _LOWER
_AT, _NUMBER, _COLONS, _CAPITALS, _RUN, _DASHES = range(6)
"""What makes a place worth a look."""
_BEFORE, _AFTER = 64, 8
"""The bytes around a place that a form may look at."""
_LONGEST_KEY = 20_000
_JOINED = re.compile(rb"[\w+/=.\-]*")


def _look(place: int, window: bytes, first: int, reserved_ips: bool) -> Iterator[forms.Span]:
    if place == _AT:
        yield from forms.emails(window, first)
    elif place == _NUMBER:
        yield from forms.ipv4(window, first, reserved_ips)
        yield from forms.cards(window, first)
        yield from forms.phones(window, first)
    elif place == _COLONS:
        yield from forms.ipv6(window, first, reserved_ips)
    elif place == _CAPITALS:
        yield from forms.ibans(window, first)
    elif place == _RUN:
        yield from forms.tokens(window, first)
    else:
        yield from forms.private_keys(window, first)


def _byte_classes() -> np.ndarray:
    classes = np.zeros(256, dtype=np.uint8)
    classes[48:58], classes[65:91], classes[97:123] = _DIGIT, _UPPER, _LOWER
    classes[[45, 95, 43, 61]] = _MARK  # - _ + =
    return classes


_CLASSES = _byte_classes()


def _places(offsets_N1: np.ndarray, data: np.ndarray) -> np.ndarray:
    """Where personal data could be: int64 [M, 4] of row, kind of place, first byte, one past the last, in `data`."""
    places_M4 = np.empty((1024, 4), np.int64)
    while (count := _note_places(offsets_N1, data, _CLASSES, places_M4)) > len(places_M4):
        places_M4 = np.empty((count, 4), np.int64)
    return places_M4[:count]


@njit(cache=True, nogil=True)
def _note_places(offsets_N1: np.ndarray, data: np.ndarray, classes: np.ndarray, places_M4: np.ndarray) -> int:
    """Fill `places_M4` as far as it goes; returns how many places there are."""
    count = 0
    for row in range(len(offsets_N1) - 1):
        begin, stop = offsets_N1[row], offsets_N1[row + 1]
        run, seen = begin, 0
        number_end = colon_end = begin
        for i in range(begin, stop + 1):
            byte = data[i] if i < stop else 32
            kind = classes[byte]
            place, start, end = -1, i, i
            if kind == _DIGIT:
                before = classes[data[i - 1]] if i > begin else 0
                if i >= number_end and not before & _ALNUM:
                    number_end, digits, dots = _number(data, i, stop)
                    known = byte == 48 or (i > begin and data[i - 1] == 43)
                    if digits >= 10 or (digits >= 8 and known) or (digits >= 4 and dots >= 3):
                        place, end = _NUMBER, number_end
                elif before == _DIGIT and i - begin >= 3 and classes[data[i - 2]] == _UPPER:
                    alone = i - 3 == begin or not classes[data[i - 4]] & _ALNUM
                    if alone and classes[data[i - 3]] == _UPPER and stop - i >= 11:
                        place, start, end = _CAPITALS, i - 3, min(stop, i + 39)
            elif byte == 45 and i + 10 < stop and data[i + 1] == 45 and data[i + 5] == 66 and data[i + 6] == 69:
                place, end = _DASHES, min(stop, i + _LONGEST_KEY)
            if kind:
                seen |= kind
            else:
                if i - run >= 16 and seen & _DIGIT and seen & (_UPPER | _LOWER):
                    if count < len(places_M4):
                        places_M4[count] = (row, _RUN, run, i)
                    count += 1
                run, seen = i + 1, 0
                if byte == 64 and i < stop - 3 and classes[data[i + 1]] & _ALNUM:
                    start = _name_start(data, begin, i, classes)
                    if start < i:
                        place, end = _AT, min(stop, i + 255)
                elif byte == 58 and i >= colon_end:
                    start, colon_end, colons = _colons(data, begin, i, stop)
                    if colons >= 3 and colon_end - start >= 6:
                        place, end = _COLONS, colon_end
            if place >= 0:
                if count < len(places_M4):
                    places_M4[count] = (row, place, start, end)
                count += 1
    return count


@njit(cache=True, nogil=True)
def _number(data: np.ndarray, i: int, stop: int) -> tuple[int, int, int]:
    """(end, digits, dots) of a number that begins at `i`, with up to two separators between its digits."""
    end, digits, dots = i, 0, 0
    while i < stop and i - end < 3:
        byte = data[i]
        if 48 <= byte <= 57:
            digits += 1
            end = i + 1
        elif byte == 46:
            dots += 1
        elif byte != 32 and byte != 45 and byte != 40 and byte != 41 and byte != 47:
            break
        i += 1
    return end, digits, dots


@njit(cache=True, nogil=True)
def _colons(data: np.ndarray, begin: int, i: int, stop: int) -> tuple[int, int, int]:
    """(start, end, colons) of the hexadecimal digits and colons around the colon at `i`."""
    start, colons = i, 0
    while start > begin and i - start < 4 and _is_hex(data[start - 1]):
        start -= 1
    while i < stop and (data[i] == 58 or _is_hex(data[i])):
        colons += data[i] == 58
        i += 1
    return start, i, colons


@njit(cache=True, nogil=True)
def _is_hex(byte: int) -> bool:
    return 48 <= byte <= 57 or 65 <= byte <= 70 or 97 <= byte <= 102


@njit(cache=True, nogil=True)
def _name_start(data: np.ndarray, begin: int, i: int, classes: np.ndarray) -> int:
    """Where the name before the @ at `i` begins: letters, digits and - _ + = . % '."""
    start = i
    while start > begin and i - start < 64:
        byte = data[start - 1]
        if not (classes[byte] or byte == 46 or byte == 37 or byte == 39):
            break
        start -= 1
    return start
