"""Packing: every document of a source into windows of one context, nothing lost and little padded.

Documents longer than the window are cut into whole windows and a remainder; whole windows are rows of their own.
What is left is fitted by best-fit decreasing (Johnson 1973): longest first, each into the fullest row that still has
room. Fitting everything at once would need all lengths in memory and would order a source by length, so it is done
inside groups of neighbours in the reading order (`group` pieces, and never less than 256 windows of tokens: then the
last, half-empty row of a group costs less than 0.4 %). The reading order is shuffled by key, or rises by an attribute;
then a group is a bucket of like documents and the rows come bucket by bucket.

Concatenating and cutting wastes nothing but splits nearly every document; cropping to fit loses a third of the tokens
at 2k. Here only documents longer than the window are split, no token is dropped, and padding is reported.

Finding the fullest row with room is a look-up in a binary tree over free space (0 to context), so the cost is
O(log context) per document whatever the group; the kernel is compiled by numba and releases the GIL.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numba import njit

from midtrain.core.permutation import Permutation, derive_key
from midtrain.tokens.instances import PIECE, Instances

_LEAST_WINDOWS = 256
_CHUNK = 1 << 20
"""Documents expanded into pieces at a time; part of the definition of the order, so not an option."""


def pack(
    lengths: np.ndarray, context: int, *, seed: int, attribute: np.ndarray | None = None, group: int = 8192
) -> Instances:
    """Pack documents of `lengths` tokens (int [D]) into rows of `context` tokens.

    `attribute` (number per document [D]) keeps the rows in its rising order, bucket by bucket; otherwise documents
    are fitted in an order shuffled by `seed`. Documents without tokens take no room.
    """
    spans = np.zeros(len(lengths), PIECE)
    spans["document"] = np.arange(len(lengths), dtype=np.uint32)
    spans["length"] = lengths
    return pack_spans(spans, context, seed=seed, attribute=attribute, group=group)


def pack_spans(
    spans: np.ndarray, context: int, *, seed: int, attribute: np.ndarray | None = None, group: int = 8192
) -> Instances:
    """Pack runs of tokens (PIECE [D]), such as what an earlier stage left unread; see `pack`."""
    order = _reading_order(spans, seed, attribute)
    key = np.uint64(derive_key(seed, "rows"))
    lengths = spans["length"].astype(np.int64)
    pieces = np.empty(int((-(-lengths // context)).sum()), PIECE)
    counts: list[np.ndarray] = []
    digest = hashlib.blake2b(digest_size=16)
    done = 0
    for low in range(0, len(spans), _CHUNK):
        cut_spans = cut(spans[order(np.arange(low, min(low + _CHUNK, len(spans))))], context)
        arranged, pieces_in = _pack_groups(
            cut_spans["length"].astype(np.int64), context, group, _LEAST_WINDOWS * context, key + np.uint64(low)
        )
        pieces[done : done + len(cut_spans)] = cut_spans[arranged]
        counts.append(pieces_in.copy())
        digest.update(pieces[done : done + len(cut_spans)].tobytes())
        digest.update(pieces_in.tobytes())
        done += len(cut_spans)
    counts_I = np.concatenate(counts) if counts else np.zeros(0, np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts_I, dtype=np.int64)])
    tokens = int(lengths.sum())
    capacity = max(len(counts_I) * context, 1)
    facts = {
        "context": context,
        "documents": int((lengths > 0).sum()),
        "tokens": tokens,
        "instances": len(counts_I),
        "most_pieces": int(counts_I.max(initial=0)),
        "split_documents": int((lengths > context).sum()),
        "split_share": float(lengths[lengths > context].sum() / max(tokens, 1)),
        "padded_share": float(1 - tokens / capacity),
        "dropped": 0,
        "digest": digest.hexdigest(),
    }
    return Instances(pieces, offsets, facts)


def _reading_order(spans: np.ndarray, seed: int, attribute: np.ndarray | None):
    """A function from places to spans: shuffled, or by attribute with ties shuffled."""
    if len(spans) == 0:
        return lambda places: places
    shuffled = Permutation(len(spans), derive_key(seed, "packing"))
    if attribute is None:
        return shuffled
    ties = np.asarray(shuffled(np.arange(len(spans))))
    by_attribute = np.lexsort((ties, np.asarray(attribute)[spans["document"]]))
    return lambda places: by_attribute[places]


def cut(spans: np.ndarray, context: int) -> np.ndarray:
    """Cut spans into pieces of at most `context` tokens, in order; empty spans vanish."""
    lengths = spans["length"].astype(np.int64)
    parts = -(-lengths // context)
    pieces = np.repeat(spans, parts)
    part = np.arange(len(pieces)) - np.repeat(np.cumsum(parts) - parts, parts)
    skipped = part * context
    pieces["start"] += skipped.astype(np.uint32)
    pieces["length"] = np.minimum(np.repeat(lengths, parts) - skipped, context)
    return pieces


@njit(cache=True, nogil=True)
def _pack_groups(lengths, context, group, least_tokens, key):
    """Arrange pieces (lengths int64 [P], each <= context) into rows, group by group.

    Returns (arranged, counts): row i is the next counts[i] entries of arranged, which are indices of pieces. A group
    ends when it has both `group` pieces and `least_tokens` tokens. The rows of a group come in a keyed random order.
    """
    arranged = np.empty(len(lengths), np.int64)
    counts = np.empty(len(lengths), np.int64)
    leaves = 1
    while leaves <= context:
        leaves *= 2
    tree = np.zeros(2 * leaves, np.uint8)  # leaf f is set when some row has exactly f tokens free
    newest = np.full(context + 1, -1, np.int64)  # newest row with that much free; older ones through `older`
    rows, low = 0, 0
    while low < len(lengths):
        high, tokens = low, 0
        while high < len(lengths) and (high - low < group or tokens < least_tokens):
            tokens += lengths[high]
            high += 1
        row_of, num_rows = _best_fit(lengths[low:high], context, leaves, tree, newest)
        _write_rows(row_of, num_rows, low, rows, arranged, counts, key)
        rows += num_rows
        low = high
    return arranged, counts[:rows]


@njit(cache=True, nogil=True)
def _best_fit(lengths, context, leaves, tree, newest):
    """Best-fit decreasing of one group; returns the row of every piece and the number of rows. Leaves `tree` empty."""
    row_of = np.empty(len(lengths), np.int64)
    older = np.empty(len(lengths), np.int64)
    free = np.empty(len(lengths), np.int64)
    num_rows = 0
    for piece in _longest_first(lengths, context):
        length = lengths[piece]
        room = _least_room(tree, leaves, length) if length < context else -1
        if room < 0:
            row, room = num_rows, context
            num_rows += 1
        else:
            row = newest[room]
            newest[room] = older[row]
            if newest[room] < 0:
                _clear(tree, leaves, room)
        row_of[piece] = row
        room -= length
        free[row] = room
        if room > 0:
            older[row] = newest[room]
            newest[room] = row
            _set(tree, leaves, room)
    for row in range(num_rows):
        if free[row] > 0 and newest[free[row]] >= 0:
            newest[free[row]] = -1
            _clear(tree, leaves, free[row])
    return row_of, num_rows


@njit(cache=True, nogil=True)
def _longest_first(lengths, context):
    """The indices of `lengths` from longest to shortest, equal ones in order (a counting sort)."""
    place = np.zeros(context + 2, np.int64)  # place[context - n] = how many are longer than n
    for length in lengths:
        place[context - length + 1] += 1
    for longer in range(context + 1):
        place[longer + 1] += place[longer]
    order = np.empty(len(lengths), np.int64)
    for piece in range(len(lengths)):
        longer = context - lengths[piece]
        order[place[longer]] = piece
        place[longer] += 1
    return order


@njit(cache=True, nogil=True)
def _write_rows(row_of, num_rows, first_piece, first_row, arranged, counts, key):
    """Write one group's rows in a random order keyed by `key` and the group's first piece (Fisher-Yates)."""
    place_of = np.arange(num_rows)
    state = key ^ (np.uint64(first_piece) * np.uint64(0x9E3779B97F4A7C15))
    for last in range(num_rows - 1, 0, -1):
        state += np.uint64(0x9E3779B97F4A7C15)  # SplitMix64
        mixed = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        other = np.int64((mixed ^ (mixed >> np.uint64(31))) % np.uint64(last + 1))
        place_of[last], place_of[other] = place_of[other], place_of[last]
    sizes = np.zeros(num_rows + 1, np.int64)
    for row in row_of:
        sizes[place_of[row] + 1] += 1
    for place in range(num_rows):
        counts[first_row + place] = sizes[place + 1]
        sizes[place + 1] += sizes[place]  # now where the next row begins
    for piece in range(len(row_of)):
        place = place_of[row_of[piece]]
        arranged[first_piece + sizes[place]] = first_piece + piece
        sizes[place] += 1


@njit(cache=True, nogil=True)
def _least_room(tree, leaves, length):
    """The smallest free space >= length that some row has, or -1."""
    node = leaves + length
    if tree[node]:
        return length
    while node > 1:
        if node % 2 == 0 and tree[node + 1]:
            node += 1
            while node < leaves:
                node = 2 * node if tree[2 * node] else 2 * node + 1
            return node - leaves
        node //= 2
    return -1


@njit(cache=True, nogil=True)
def _set(tree, leaves, room):
    node = leaves + room
    while node >= 1 and not tree[node]:
        tree[node] = 1
        node //= 2


@njit(cache=True, nogil=True)
def _clear(tree, leaves, room):
    node = leaves + room
    tree[node] = 0
    node //= 2
    while node >= 1 and not (tree[2 * node] or tree[2 * node + 1]):
        tree[node] = 0
        node //= 2
