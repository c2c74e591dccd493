"""What doubt, checking, an answer and a model's talk of itself sound like, language by language.

The lists hold what is said while thinking and hardly ever while explaining. "Wait" is doubt before a comma and a verb
in "they wait", so such words are listed with what follows. Regular expressions over lower-case text; a space stands
for any white space. A language without lists is not judged by them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

_STOP = r"(?=[,.!?;:…—–]|\s+(?:-|no\b|but|actually|maybe|let me|i |that|is |if |so |what|did|does|do )|$)"

HEDGES = {
    "en": (
        rf"wait{_STOP}",
        "wait a (?:minute|second|moment|sec)",
        "hold on",
        "hmm+",
        "hm+",
        "uh+",
        "um+",
        "er+m",
        "oops",
        "ugh",
        "maybe",
        "perhaps",
        "alternatively",
        "actually,? no",
        r"actually,",
        r"on second thought",
        r"on the other hand,",
        "or is it",
        "or maybe",
        "not sure",
        "i'?m (?:a bit |getting |so |really |still )?(?:confused|stuck|lost)",
        "this is confusing",
        "(?:that|this) (?:doesn'?t|does not|can'?t|cannot) (?:seem |be |look |make |sound )?(?:right|correct|sense)",
        "i (?:might|may|could) (?:be|have) (?:wrong|mistaken|missed|made|confus\\w+|mis\\w+)",
        "i don'?t know",
        "i (?:guess|suppose|wonder)",
        "let me (?:think|try|re-?think|reconsider|see|start over|back ?track)",
        "let'?s (?:try (?:another|again|a different)|re-?think|reconsider|start over)",
        "another (?:way|approach|thought)",
        "what if",
        "could it be",
        "is that right",
        "that seems (?:off|odd|strange|wrong|too)",
        "i'?m overthinking",
        "going (?:in|around in) circles",
        "scratch that",
        "no,? that'?s (?:wrong|not right)",
        "well,",
    ),
    "de": (
        r"wart(?:e|et|en sie)(?: mal| kurz)?(?=[,.!…-])",
        "moment(?: mal)?(?=[,.!…-])",
        "hmm+",
        "hm+",
        "(?:ä|oe)hm?",
        "vielleicht",
        "möglicherweise",
        "ich bin (?:mir )?nicht (?:ganz )?sicher",
        "alternativ",
        "andererseits",
        "oder doch",
        "(?:das|irgendetwas) (?:stimmt|passt) (?:so )?nicht",
        "das kann nicht (?:sein|stimmen)",
        "ich weiß (?:es )?nicht",
        "nein, doch",
        "lass mich (?:noch(?: ?mal| einmal) )?(?:überlegen|nachdenken)",
        "noch(?: ?mal| einmal) von vorne?",
        "ich bin (?:etwas )?verwirrt",
        "eigentlich,",
    ),
    "es": (
        r"esper[ae](?: un (?:momento|segundo|minuto))?(?=[,.!…-])",
        "un momento(?=[,.!…-])",
        "hmm+",
        "mmm+",
        "eh(?=[,.…])",
        "quizás?",
        "tal vez",
        "a lo mejor",
        "no estoy segur[oa]",
        "alternativamente",
        "por otro lado",
        "no sé",
        "eso no (?:es|parece|puede ser) (?:correcto|así|posible|cierto)",
        "eso no puede ser",
        "estoy confundid[oa]",
        "déjame (?:pensar|intentar|reconsiderar|ver)",
        "déjeme (?:pensar|ver)",
        "otra (?:forma|manera) de verlo",
        "empecemos de nuevo",
        "o será que",
    ),
    "fr": (
        r"attend(?:s|ez)(?=[,.!…-])",
        "un instant(?=[,.!…-])",
        "une (?:seconde|minute)(?=[,.!…-])",
        "hmm+",
        "euh+",
        "peut-être",
        "je ne suis pas (?:tout à fait )?sûr[e]?",
        "je ne sais pas",
        "(?:ça|cela) ne (?:semble|paraît|peut) pas (?:être )?(?:correct|juste|possible|bon)?",
        "alternativement",
        "d'un autre côté",
        "ou (?:alors|bien) peut",
        "je suis (?:un peu )?(?:perdu|confus)e?",
        "laisse[zs]?-moi (?:réfléchir|voir|essayer|repenser)",
        "voyons voir",
        "en fait, non",
        "reprenons depuis",
    ),
    "ru": (
        "подожди(?:те)?",
        "погоди(?:те)?",
        "стоп(?=[,.!…-])",
        "хм+",
        "может быть",
        "возможно(?=,)",
        "наверное?",
        "я не уверена?",
        "не уверен",
        "я не знаю",
        "с другой стороны",
        "или всё? ?же",
        "это неверно",
        "(?:дайте|давай(?:те)?) (?:подумаю|подумаем)",
        "я запутал(?:ся|ась)",
    ),
    "zh": (
        "等等",
        "等一下",
        "嗯+",
        "唔",
        "也许",
        "或许",
        "可能是我",
        "不确定",
        "不对",
        "不太对",
        "我不知道",
        "让我再?想",
        "再想想",
        "换个思路",
        "另一种(?:方法|思路|可能)",
        "有点乱",
        "我搞混",
        "是不是有问题",
        "难道",
    ),
    "sw": (
        "subiri(?=[,.!…-])",
        "ngoja(?: kidogo)?(?=[,.!…-])",
        "hmm+",
        "labda",
        "pengine",
        "huenda",
        "sina uhakika",
        "sijui",
        "nimechanganyikiwa",
        "hapana, (?:hiyo )?si sahihi",
        "hebu ni(?:fikiri|fikirie|jaribu)",
        "kwa upande mwingine",
    ),
    "bn": (
        "অপেক্ষা কর",
        "দাঁড়া(?:ও|ন)",
        "এক মিনিট",
        "হুম+",
        "হয়তো",
        "সম্ভবত",
        "নিশ্চিত নই",
        "আমি জানি না",
        "এটা ঠিক নয়",
        "আবার ভাবি",
        "অন্যভাবে ভাব",
    ),
}
"""Doubt, hesitation and a change of course."""

CHECKS = {
    "en": (
        r"(?:double|triple|re)[- ]?(?:check|verif(?:y|ied)|calculat|comput|count)\w*",
        r"(?:check|verify|confirm|count|compute|do|go (?:through|over)) (?:\w+ ){0,3}(?:again|once more|one more time)",
        r"(?:let me|let'?s|i'?ll|i should|to) (?:just |quickly |also )?(?:verify|check|confirm|make sure)",
        "to be (?:extra |absolutely |completely )?(?:safe|sure|certain)",
        "sanity check",
    ),
    "de": (
        r"(?:überprüfe|prüfe|kontrolliere|rechne)\w* (?:\w+ ){0,4}(?:noch ?mal\w*|noch ?einmal|erneut|nach)",
        r"(?:noch ?mal\w*|noch einmal|erneut) (?:\w+ ){0,3}(?:überprüfen|prüfen|nachrechnen|rechnen|kontrollieren)",
        r"(?:lass(?:t|en sie)?) (?:mich|uns) (?:\w+ ){0,4}(?:überprüfen|prüfen|nachrechnen|kontrollieren)",
        "um sicher ?zu ?gehen",
        "zur (?:sicherheit|kontrolle)",
    ),
    "es": (
        r"(?:verifi|revis|comprob|comprueb|calcul)\w* (?:\w+ ){0,3}(?:de nuevo|otra vez|una vez más|nuevamente)",
        r"(?:déjame|vamos a|voy a) (?:verificar|comprobar|revisar)",
        "(?:verifiquemos|comprobemos|revisemos)",
        "para estar segur[oa]s?",
        "volv\\w+ a (?:verificar|comprobar|revisar|calcular)",
    ),
    "fr": (
        r"(?:vérifi|revérifi|recalcul)\w* (?:\w+ ){0,3}(?:encore|à nouveau|une (?:nouvelle|dernière|autre) fois)",
        "(?:revérifi|recalcul)\\w+",
        r"(?:laisse[zs]?-moi|je vais|il faut) (?:\w+ )?(?:vérifier|contrôler)",
        "vérifions",
        "pour être sûr(?:e|s)?",
    ),
    "ru": (
        r"(?:проверю|проверим|проверить) (?:\w+ ){0,3}(?:ещ[ёе] раз|снова)",
        r"(?:ещ[ёе] раз|снова) (?:\w+ ){0,2}провер\w+",
        r"перепровер\w+",
        r"пересчита\w+",
        r"(?:давай(?:те)?|надо) провер\w+",
    ),
    "zh": (
        "(?:再次?|重新|再来)(?:检查|验证|核对|确认|计算|算|验算)",
        "(?:让我|我来|我们来)(?:检查|验证|核对|验算)",
        "检查一遍",
        "验算一下",
    ),
    "sw": (
        r"ni(?:hakikish|kagu|angali|hakiki|hesabu)\w* (?:\w+ ){0,2}tena",
        "hebu ni(?:hakikishe|kague|hakiki)",
        r"(?:hakikish|kagu|angali|hesabu|tuhakikish|tuangali)\w* (?:\w+ ){0,2}(?:tena|mara nyingine)",
        "ili kuwa na uhakika",
    ),
    "bn": (
        "(?:আবার|আরেকবার|পুনরায়) (?:যাচাই|পরীক্ষা|হিসাব|গণনা|দেখি)",
        "যাচাই কর(?:ি|া যাক)",
    ),
}
"""Checking what was already worked out."""

STATED = {
    "en": r"answer(?: to (?:the|this) (?:question|problem))? (?:is|must be|should be|would be|will be|comes out to)"
    r"(?: therefore| thus| then| indeed| still| again| just| simply| actually)?:?",
    "de": r"antwort (?:ist|lautet|muss)(?: also| daher| somit)?:?",
    "es": r"respuesta(?: final| correcta)? (?:es|sería|debe ser)(?: entonces)?:?",
    "fr": r"réponse(?: finale| correcte)? (?:est|serait|doit être)(?: donc)?\s?:?",
    "ru": r"ответ(?: равен| будет)?\s?[:—–-]?",
    "zh": "答案(?:就|应该|应)?(?:是|为|等于)[：:]?",
    "sw": r"jibu(?: la mwisho| sahihi| letu)? (?:ni|litakuwa|linapaswa kuwa):?",
    "bn": "উত্তর(?:টি|টা)? (?:হলো?|হচ্ছে|হবে):?",
}
"""What stands before an answer within a sentence."""

_DOTTED = {"য়": "(?:য়|য়)", "ড়": "(?:ড়|ড়)"}  # two spellings in use


@cache
def hedges(lang: str) -> re.Pattern[str] | None:
    """HEDGES of a language as one expression; None where there are none."""
    return expression(HEDGES, lang)


@cache
def checks(lang: str) -> re.Pattern[str] | None:
    """CHECKS of a language as one expression; None where there are none."""
    return expression(CHECKS, lang)


def expression(table: Mapping[str, tuple[str, ...]], lang: str) -> re.Pattern[str] | None:
    """The phrases of `table` in `lang` and in English, in which models think unasked; None for a language without."""
    if lang not in table:
        return None
    glued = lang in ("zh", "bn")  # no spaces, or vowel signs that are no letters: words have no edges
    own = _joined(table[lang], glued)
    return re.compile(own if lang == "en" else f"{own}|{_joined(table['en'], False)}")


def _joined(phrases: tuple[str, ...], glued: bool) -> str:
    """One expression; looking at the first letter before trying any phrase makes it three times as fast."""
    initials = "".join(sorted(set().union(*map(_initials, phrases))))
    joined = "|".join(re.sub(r" (?!\?)", r"\\s+", phrase) for phrase in phrases)
    for spelling, both in _DOTTED.items():
        joined = joined.replace(spelling, both)
    return f"(?=[{initials}])(?:{joined})" if glued else rf"\b(?=[{initials}])(?:{joined})(?!\w)"


def _initials(phrase: str) -> set[str]:
    """The letters `phrase` can begin with: its first, or those of the alternatives it begins with."""
    if not phrase.startswith("(?:"):
        return {phrase[0]}
    initials, depth = set(), 0
    for place, sign in enumerate(phrase):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if depth == 0:
            assert phrase[place + 1 : place + 2] != "?", f"{phrase} may begin with what follows its first group"
            break
        if depth == 1 and sign in "(|":
            initials.add(phrase[place + 3 if sign == "(" else place + 1])
    assert all(map(str.isalpha, initials)), phrase
    return initials
