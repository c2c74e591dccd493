"""Loops and repeats: what a model falls into when it has lost its way.

Three signs, by the thresholds of Olmo 3 (appendix A.7): a sentence or line that comes back ten times, or four times
back to back; six words that come back fifty times; and a loop, the same words round and round, whatever its
punctuation. Loops are found without trying periods: each run of four words looks back to where it last stood, and in
a loop all look back equally far. Words are hashes in an array, so all of it is a few sorts over a text.

Code is left out (it repeats by nature). What has no letter (rows of numbers, rules of tables) is a loop from the
highest threshold on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from midtrain.verify.traces.config import Reason, TracesConfig
from midtrain.verify.traces.trace import Defect, Trace

_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")  # Thai, Japanese, Chinese: a word a letter
_SPACED_OR_NOT = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]|[^\s\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]+")
_SENTENCES = re.compile(r"[^.!?\u3002\uff01\uff1f\u0964\n]+")
_SHORTEST = 10  # characters of a sentence; "Yes" and "So x = 2" may come often
_PHRASE, _LOOK_BACK, _LONG_UNIT = 6, 4, 8
_FACTORS = np.random.default_rng(6).integers(1, 2**63, 16, dtype=np.uint64) | np.uint64(1)


def repetition(trace: Trace, config: TracesConfig) -> Iterator[Defect]:
    """The worst repeat of each sign, the first that is found; the score is how often."""
    found = _sentences(trace, config) or _words(trace, config)
    if found:
        count, start, end, what = found
        yield Defect(Reason.REPETITION, count, start, end, f"times {what}")


def _sentences(trace: Trace, config: TracesConfig) -> tuple[int, int, int, str] | None:
    places = [match.span() for match in _SENTENCES.finditer(trace.plain)]
    sentences = [trace.plain[start:end].strip().lower() for start, end in places]
    kept = [i for i, sentence in enumerate(sentences) if len(sentence) >= _SHORTEST and _is_prose(sentence)]
    if not kept or len(kept) < config.sentences_in_a_row:
        return None
    counts = Counter(sentences[i] for i in kept)
    worst, times = counts.most_common(1)[0]
    if times >= config.sentence_repeats:
        first = next(i for i in kept if sentences[i] == worst)
        return times, *places[first], "one sentence or line"
    if times < config.sentences_in_a_row:
        return None
    begin = 0
    for k in range(1, len(kept) + 1):
        if k == len(kept) or sentences[kept[k]] != sentences[kept[begin]]:
            if k - begin >= config.sentences_in_a_row:
                return k - begin, places[kept[begin]][0], places[kept[k - 1]][1], "one sentence or line in a row"
            begin = k
    return None


def _is_prose(sentence: str) -> bool:
    """Not a row of numbers or a rule, and not a heading or a speaker's name ("Step:", "ANTONY:"), which come back."""
    return sentence[-1] != ":" and any(map(str.isalpha, sentence))


def _words(trace: Trace, config: TracesConfig) -> tuple[int, int, int, str] | None:
    words = _SPACED_OR_NOT.findall(trace.plain) if _UNSPACED.search(trace.plain) else trace.plain.split()
    if len(words) < config.loop_repeats:
        return None
    hashes_W = np.fromiter(map(hash, words), np.int64, len(words)).view(np.uint64)
    found = _returning(hashes_W, words, config)
    if not found:
        return None
    count, first, last, what = found
    places = [match.span() for match in _SPACED_OR_NOT.finditer(trace.plain)]
    return count, places[first][0], places[last][1], what


def _phrase(hashes_W: np.ndarray, words: list[str], config: TracesConfig) -> tuple[int, int, int, str] | None:
    """(times, first word, last word) of the six words that come back most often, when that is too often."""
    _, firsts, counts = np.unique(_runs(hashes_W, _PHRASE), return_index=True, return_counts=True)
    for i in np.argsort(-counts):
        if counts[i] < config.phrase_repeats:
            break
        first = int(firsts[i])
        if sum(map(_has_letter, words[first : first + _PHRASE])) > 1:
            return int(counts[i]), first, first + _PHRASE - 1, f"the same {_PHRASE} words"
    return None


def _has_letter(word: str) -> bool:
    return any(map(str.isalpha, word))


def _runs(hashes_W: np.ndarray, n: int) -> np.ndarray:
    """A hash of the n words that begin at each place."""
    count = max(len(hashes_W) - n + 1, 0)
    mixed = np.zeros(count, np.uint64)
    for k in range(n):
        mixed = (mixed ^ hashes_W[k : k + count]) * _FACTORS[k]
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _returning(hashes_W: np.ndarray, words: list[str], config: TracesConfig) -> tuple[int, int, int, str] | None:
    """(count, first word, last word, of what) of a loop or else of a phrase that comes back too often."""
    runs = _runs(hashes_W, _LOOK_BACK)
    order = np.argsort(runs, kind="stable")
    same = runs[order[1:]] == runs[order[:-1]]
    if same.sum() < config.loop_repeats - _LOOK_BACK:  # the shortest loop has as many
        return None
    back = np.zeros(len(runs), np.int64)
    back[order[1:][same]] = order[1:][same] - order[:-1][same]
    often = config.phrase_repeats - 1
    phrases = len(runs) > often and bool((runs[order[often:]] == runs[order[:-often]]).any())
    return _loop(back, words, config) or (_phrase(hashes_W, words, config) if phrases else None)


def _loop(back: np.ndarray, words: list[str], config: TracesConfig) -> tuple[int, int, int, str] | None:
    """The last loop that has too many rounds; `back` says how far back the four words at each place last stood.

    A run of r places that all look back p words is a unit of p words said r / p + 1 times or more.
    """
    edges = np.flatnonzero(np.diff(back, prepend=-1, append=-1))
    starts, ends = edges[:-1], edges[1:]
    periods = back[starts]
    lengths = ends - starts + _LOOK_BACK - 1
    rounds = np.where(periods > 0, lengths // np.maximum(periods, 1) + 1, 0)
    needed = np.where(periods >= _LONG_UNIT, config.sentences_in_a_row, config.loop_repeats)
    for i in np.flatnonzero(rounds >= needed)[::-1]:
        first, last = int(starts[i] - periods[i]), int(ends[i]) + _LOOK_BACK - 2
        lettered = any(map(_has_letter, words[first : first + int(periods[i])]))
        if lettered or rounds[i] >= config.phrase_repeats:
            return int(rounds[i]), first, last, "the same words in a loop"
    return None
