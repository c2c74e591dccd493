"""The items as an index that documents are scanned against: windows of words, their weights, and who has them.

An *entry* is a text that is sought whole: the question of an item, or its passage. Long entries are found by their
windows of n words, in which every number counts as the same word: so a problem with other numbers is found too, and
what the numbers say is asked afterwards. A window weighs log(1 + entries / entries that have it): the words that all
items of a benchmark share ("how much money does she have") weigh little, and a share of weight is a share of what
makes the item itself (decon's idea). Windows with fewer than two words that are no numbers, and those that more than
a thousand entries have, tell nothing and are left out.

Short entries have too few windows for a share to mean anything. They are found word for word: by the window of three
words that fewest of them have, and a comparison around it. Entries under three words are not sought; `unsought` counts
them.

Legend: E entries, G distinct windows, P postings (window, entry), S short entries, A anchors, W words of all entries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from midtrain.documents.decontamination.config import DecontaminateConfig
from midtrain.documents.decontamination.items import Item
from midtrain.text.ngrams import Words, ngram_hashes, word_hashes

QUESTION, PASSAGE, ANSWER = 0, 1, 2
PARTS = ("question", "passage", "answer")
NUMBER = np.uint64(0x9DDFEA08EB382D69)
"""The hash that every number has where numbers count as the same word."""
ANCHOR = 3
"""Words in the window by which a short entry is found."""
_SHORT_THRESHOLD_WORDS, _FULL_THRESHOLD_WORDS = 20, 50
_COMMON = 1000


class Lookup(NamedTuple):
    """Sorted distinct hashes with their postings, behind a bit per hash that answers most questions with no."""

    bits: np.ndarray
    """uint8: bit h % (8 * len) is set for every hash h; at least 16 bits per hash, a power of two."""
    keys: np.ndarray
    """uint64 [G], rising."""
    offsets: np.ndarray
    """int64 [G + 1]: key g has the postings offsets[g] to offsets[g + 1]."""
    entries: np.ndarray
    """int32 [P]: the entry of a posting."""
    places: np.ndarray
    """int32 [P]: the word of the entry at which the window begins (the first place, if it has it twice)."""


class Texts(NamedTuple):
    """The words of a text per entry; entry e has the words offsets[e] to offsets[e + 1]."""

    hashes: np.ndarray
    """uint64 [W]; odd ones are numbers."""
    offsets: np.ndarray
    """int64 [E + 1]."""


class Index(NamedTuple):
    """Everything a scan needs, as plain arrays: it can be pickled, and mapped over processes."""

    items: list[Item]
    item_E: np.ndarray
    """int32: the item of the entry."""
    part_E: np.ndarray
    """int8: QUESTION, PASSAGE or ANSWER."""
    entries: Texts
    """The words of the entries."""
    total_E: np.ndarray
    """float64: the weight of all windows of the entry; 0 for short entries."""
    threshold_E: np.ndarray
    """float64: the share of weight at which it is found."""
    weight_G: np.ndarray
    """float64: the weight of a window."""
    windows: Lookup
    anchors: Lookup
    finals: Texts
    """The final answer of each entry's item; no words for passages and items without an answer."""
    answer_windows: Texts
    """Per entry the sorted distinct window hashes of its item's answer."""
    answer_weights: np.ndarray
    """float64, beside `answer_windows.hashes`."""
    ngram: int
    whole: bool
    """True for mode overlap; False when one common window is a match."""
    unsought: dict[str, int]
    """Entries that are too short to be sought, per benchmark."""

    @staticmethod
    def build(items: Sequence[Item], config: DecontaminateConfig) -> Index:
        """The index of `items`; an item may stand in it more than once, under several benchmarks."""
        return _build(list(items), config)


def texts_of(texts: Sequence[str]) -> Texts:
    """The words of texts."""
    words = word_hashes(pa.array(texts, type=pa.large_string()))
    return Texts(words.hashes_W, words.offsets_N1)


def _build(items: list[Item], config: DecontaminateConfig) -> Index:
    whole = config.mode == "overlap"
    n = config.ngram if whole else 13
    parts = [(i, QUESTION, item.question) for i, item in enumerate(items)]
    parts += [(i, PASSAGE, item.passage) for i, item in enumerate(items) if item.passage]
    if not whole:
        parts += [(i, ANSWER, item.answer) for i, item in enumerate(items) if item.answer]
    item_E = np.array([i for i, _, _ in parts], dtype=np.int32)
    part_E = np.array([part for _, part, _ in parts], dtype=np.int8)
    entries = texts_of([text for _, _, text in parts])
    length_E = np.diff(entries.offsets)
    long_E = length_E >= (max(config.short_item_words, n) if whole else n)
    windows, weight_G = _windows(entries, long_E, n, mask=whole)
    total_E = np.zeros(len(parts))
    np.add.at(total_E, windows.entries, np.repeat(weight_G, np.diff(windows.offsets)))
    short_E = (total_E == 0) & (length_E >= ANCHOR) if whole else np.zeros(len(parts), dtype=bool)
    lost = Counter(items[item_E[e]].benchmark for e in np.flatnonzero((total_E == 0) & ~short_E))
    short = np.clip((_FULL_THRESHOLD_WORDS - length_E) / (_FULL_THRESHOLD_WORDS - _SHORT_THRESHOLD_WORDS), 0, 1)
    threshold_E = config.threshold + (1 - config.threshold) * short - 1e-9 if whole else np.zeros(len(parts))
    answers = [items[i].answer or "" if part == QUESTION else "" for i, part, _ in parts]
    finals = [items[i].final or "" if part == QUESTION else "" for i, part, _ in parts]
    answer_windows, answer_weights = _answers(texts_of(answers), n)
    return Index(
        items, item_E, part_E, entries, total_E, threshold_E, weight_G, windows, _anchors(entries, short_E),
        texts_of(finals), answer_windows, answer_weights, n, whole, dict(lost),
    )  # fmt: skip


def _pairs(texts: Texts, chosen_E: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(hash, entry, first place) of the distinct windows of n words of each chosen entry, by rising hash and entry."""
    hashes, offsets = ngram_hashes(Words(texts.hashes, texts.offsets, texts.hashes, texts.hashes), n)
    counts_E = np.diff(offsets)
    entry = np.repeat(np.arange(len(counts_E), dtype=np.int32), counts_E)
    place = (np.arange(len(hashes)) - np.repeat(offsets[:-1], counts_E)).astype(np.int32)
    kept = chosen_E[entry]
    hashes, entry, place = hashes[kept], entry[kept], place[kept]
    order = np.lexsort((place, entry, hashes))
    hashes, entry, place = hashes[order], entry[order], place[order]
    first = np.ones(len(hashes), dtype=bool)
    first[1:] = (hashes[1:] != hashes[:-1]) | (entry[1:] != entry[:-1])
    return hashes[first], entry[first], place[first]


def _windows(texts: Texts, long_E: np.ndarray, n: int, mask: bool) -> tuple[Lookup, np.ndarray]:
    """The windows of the long entries and their weights, numbers counting as one word with `mask`."""
    number_W = (texts.hashes & np.uint64(1)).astype(bool)
    hashes_W = np.where(number_W, NUMBER, texts.hashes) if mask else texts.hashes
    hashes, entry, place = _pairs(Texts(hashes_W, texts.offsets), long_E, n)
    if mask:
        before = np.concatenate([[0], np.cumsum(~number_W)])
        at = texts.offsets[entry] + place
        kept = before[at + n] - before[at] >= 2
        hashes, entry, place = hashes[kept], entry[kept], place[kept]
    keys, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    if mask:
        kept = counts[inverse] <= _COMMON
        hashes, entry, place = hashes[kept], entry[kept], place[kept]
        keys, counts = keys[counts <= _COMMON], counts[counts <= _COMMON]
    return _lookup(keys, counts, entry, place), np.log1p(len(long_E) / counts)


def _anchors(texts: Texts, short_E: np.ndarray) -> Lookup:
    """For each short entry, its window of ANCHOR words that fewest short entries have."""
    hashes, entry, place = _pairs(texts, short_E, ANCHOR)
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    order = np.lexsort((place, counts[inverse], entry))
    first = np.ones(len(order), dtype=bool)
    first[1:] = entry[order][1:] != entry[order][:-1]
    chosen = np.sort(order[first])  # hashes rise again
    keys, counts = np.unique(hashes[chosen], return_counts=True)
    return _lookup(keys, counts, entry[chosen], place[chosen])


def _answers(answers: Texts, n: int) -> tuple[Texts, np.ndarray]:
    """The windows of n words of the answers that have so many, and their weights among answers."""
    hashes, entry, _ = _pairs(answers, np.diff(answers.offsets) >= n, n)
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    weights = np.log1p((len(answers.offsets) - 1) / counts[inverse]) if len(hashes) else np.zeros(0)
    order = np.lexsort((hashes, entry))
    offsets = np.searchsorted(entry[order], np.arange(len(answers.offsets)))
    return Texts(hashes[order], offsets.astype(np.int64)), weights[order]


def _lookup(keys: np.ndarray, counts: np.ndarray, entry: np.ndarray, place: np.ndarray) -> Lookup:
    size = 1 << max(10, int(np.ceil(np.log2(max(len(keys), 1) * 16))))
    bits = np.zeros(size, dtype=bool)
    bits[(keys % np.uint64(size)).astype(np.int64)] = True
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Lookup(np.packbits(bits, bitorder="little"), keys, offsets, entry, place)
