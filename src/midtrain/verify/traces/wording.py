"""How a trace is worded: doubt without end, and words of other languages.

A switch is told by its letters where the scripts differ. Between languages of one script it is told by sentence: by
the frequent little words of another language and none of the trace's own, confirmed by the language model of
`text.language` (which is loaded only when there is such a sentence). Formulas, code, quotations, what stands in
brackets, and scripts that the question itself uses are not switching.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from midtrain.text.stop_words import STOP_WORDS
from midtrain.verify.traces.config import Reason, TracesConfig
from midtrain.verify.traces.phrases import hedges
from midtrain.verify.traces.trace import Defect, Trace, blank

_RANGES = {
    "Han": "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3005-\u3007",
    "Kana": "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f",
    "Hangul": "\uac00-\ud7af\u1100-\u11ff\u3130-\u318f",
    "Cyrillic": "\u0400-\u052f",
    "Arabic": "\u0600-\u065f\u066e-\u06d3\u06fa-\u06ff\u0750-\u077f",
    "Hebrew": "\u05d0-\u05ea",
    "Devanagari": "\u0900-\u0963\u0970-\u097f",
    "Bengali": "\u0980-\u09e5\u09f0-\u09ff",
    "Thai": "\u0e00-\u0e3a\u0e40-\u0e4e",
    "Tamil": "\u0b80-\u0be5",
    "Telugu": "\u0c00-\u0c65",
    "Ethiopic": "\u1200-\u137f",
    "Georgian": "\u10a0-\u10ff",
    "Armenian": "\u0530-\u058f",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
}  # fmt: skip
"""Letters by script; what is in none of them counts as Latin."""
_OWN = {
    "zh": "Han", "yue": "Han", "ja": "Han Kana", "ko": "Hangul Han", "ru": "Cyrillic", "uk": "Cyrillic",
    "bg": "Cyrillic", "sr": "Cyrillic", "mk": "Cyrillic", "kk": "Cyrillic", "ar": "Arabic", "fa": "Arabic",
    "ur": "Arabic", "he": "Hebrew", "hi": "Devanagari", "mr": "Devanagari", "ne": "Devanagari", "bn": "Bengali",
    "as": "Bengali", "th": "Thai", "ta": "Tamil", "te": "Telugu", "am": "Ethiopic", "ka": "Georgian",
    "hy": "Armenian", "el": "Greek",
}  # fmt: skip
_LETTERS = "".join(_RANGES.values())
_FOREIGN = re.compile(rf"[{_LETTERS}]+(?: ?[{_LETTERS}]+)*")
_SCRIPTS = {name: re.compile(f"[{letters}]") for name, letters in _RANGES.items()}
_BRACKETED = re.compile(
    r"\([^()\n]{1,200}\)|\uff08[^\uff08\uff09\n]{1,200}\uff09|\*\*[^*\n]{1,100}\*\*|\*[^*\s][^*\n]{0,100}\*"
)
_LATIN_WORDS = re.compile(r"(?<![\w-])[A-Za-z][a-z]+(?:[ ,]+[a-z]{2,}){2,}(?![\w-])")
_CJK_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_SENTENCE = re.compile(r"[^.!?\n]{30,}(?:[.!?]|\n|$)")
_WORD = re.compile(r"[^\W\d_]+")
_MORE_ENGLISH = (
    "is are was were he she it they his her their in on for from by as at so if or each how an do no me us we go"
)
_SURE = 0.9  # py3langid's probability of a sentence of six words and more
_FEWEST_WORDS, _FEWEST_STOPS = 6, 2


def hedging(trace: Trace, config: TracesConfig) -> Iterator[Defect]:
    """Markers of doubt and changes of course in 100 words, over what the trace thinks."""
    markers = hedges(trace.lang)
    if markers is None:
        return
    start, end = trace.reasoning
    found = [match.span() for match in markers.finditer(trace.lowered, start, end)]
    if len(found) <= config.fewest_hedges:
        return
    written = trace.lowered[start:end]
    characters = len(_CJK_WORD.findall(written)) if trace.lang in ("zh", "ja") else 0
    words = characters // 2 + len(_CJK_WORD.sub(" ", written).split() if characters else written.split())
    rate = 100 * len(found) / max(words, 1)
    if rate > config.hedges:
        yield Defect(Reason.HEDGING, round(rate, 2), found[0][0], found[-1][1], "markers of doubt in 100 words")


def mixing(trace: Trace, config: TracesConfig) -> Iterator[Defect]:
    """Letters of other scripts as a share, and switches of language, within a sentence or by the sentence."""
    native = set(_OWN.get(trace.lang, "").split())
    aside = blank(_BRACKETED, trace.prose) if native or _FOREIGN.search(trace.prose) else trace.prose
    switches = _foreign_runs(trace, aside, native)
    if switches:
        letters = sum(map(len, _WORD.findall(trace.prose)))
        share = sum(end - start for start, end in switches) / max(letters, 1)
        if share > config.foreign_characters:
            note = "of the letters are of another script"
            yield Defect(Reason.LANGUAGE_MIXING, round(share, 3), *switches[0], note)
            return
    if native and trace.lang != "el":
        prompt = trace.prompt.lower()
        switches += [m.span() for m in _LATIN_WORDS.finditer(aside) if m[0].lower() not in prompt]
    elif trace.lang in STOP_WORDS:
        switches += _foreign_sentences(trace)
    if len(switches) > config.switches:
        note = "passages in another language"
        yield Defect(Reason.LANGUAGE_MIXING, len(switches), *min(switches), note)


def _foreign_runs(trace: Trace, text: str, native: set[str]) -> list[tuple[int, int]]:
    """Where words of scripts stand in `text` that neither the trace's language nor its question uses."""
    runs = []
    familiar: dict[str, bool] = {}
    for match in _FOREIGN.finditer(text):
        name = next(name for name, letters in _SCRIPTS.items() if letters.match(match[0]))
        if name not in familiar:  # a question's alpha does not make Greek words expected
            asked = name != "Greek" and _SCRIPTS[name].search(trace.prompt) is not None
            familiar[name] = name in native or asked
        least = 1 if name in ("Han", "Kana", "Hangul") else 3  # single letters of other scripts are symbols
        if not familiar[name] and match.end() - match.start() >= least:
            runs.append(match.span())
    return runs


def _foreign_sentences(trace: Trace) -> list[tuple[int, int]]:
    """Sentences in another language of the same script."""
    own, others = _little_words(trace.lang)
    suspects = []
    if len(others.intersection(trace.lowered.split())) < _FEWEST_STOPS:
        return []
    for sentence in _SENTENCE.finditer(trace.lowered):
        words = _WORD.findall(sentence[0])
        known = set(words)
        theirs = known & others
        if len(theirs) >= _FEWEST_STOPS and len(words) >= _FEWEST_WORDS and len(known & own) < len(theirs):
            suspects.append(sentence.span())
    if not suspects:
        return []
    import pyarrow as pa

    from midtrain.text.language import identify

    texts = pa.array([trace.prose[start:end].strip() for start, end in suspects], type=pa.large_string())
    codes, confidence = identify(texts)
    return [
        span
        for span, code, sure in zip(suspects, codes.to_pylist(), confidence.tolist(), strict=True)
        if code != trace.lang and code in STOP_WORDS and sure >= _SURE
    ]


@cache
def _little_words(lang: str) -> tuple[set[str], set[str]]:
    """(the frequent words of `lang`, those of the other languages without any of its own)."""
    own = set(STOP_WORDS[lang]) | set(_MORE_ENGLISH.split() if lang == "en" else ())
    every = {word for words in STOP_WORDS.values() for word in words if len(word) > 1}
    return own, every - own
