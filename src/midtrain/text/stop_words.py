"""Frequent little words by language: running text has them, lists of keywords and machine noise do not.

English is the list of Gopher (Rae et al. 2021, appendix A1.1); the idea of one list per language is FineWeb-2's
(Penedo et al. 2025). A word counts as it is written here, so lists hold lower case. A language that has no list here
is unknown, not bad: its documents are never judged by stop words.

Codes are ISO 639-1 ("en"); ISO 639-3 ("eng"), tags with a script or region ("eng_Latn", "pt-BR") are understood.
"""

from __future__ import annotations

import re

_LISTS = {
    "en eng": "the be to of and that have with",
    "de deu": "der die und in den von zu das mit sich des auf ist im dem nicht ein eine",
    "fr fra": "de la le et les des en un une du que est pour qui dans par sur pas",
    "es spa": "de la que el en y los del las por un para con una su al es no",
    "pt por": "de que e do da em um para com uma os no se na por as dos",
    "it ita": "di e il la che in un per del una con non i della si le da",
    "nl nld": "de het een en van in is dat op te zijn met voor niet aan er",
    "sv swe": "och att det i som en av den med till har inte om ett",
    "da dan": "og i at det en den til er som af med ikke der et",
    "no nob nor nno nb nn": "og i at det en er som til av med ikke den et har",
    "fi fin": "ja on ei se hän että oli joka kuin mutta tai ovat sekä",
    "pl pol": "i w na z do nie to jest o że się jak od po przez",
    "cs ces": "a v na se je že s z o do to i za pro jako",
    "ro ron": "de la și în a cu pe care un o nu din este să mai",
    "hu hun": "a az és hogy nem is egy ez meg van de el csak vagy",
    "tr tur": "ve bir bu da de için ile olarak çok daha ne gibi olan her",
    "el ell": "και το η ο του της να με για τα την που από των είναι",
    "ru rus": "и в не на с что по как к из от это за для у",
    "uk ukr": "і в не на з що до та як за від для про у це",
    "bg bul": "на и в за да се от с не по е че са като",
    "ar ara arb": "في من على إلى أن عن التي هذا هذه الذي مع لا ما كان",
    "he heb": "של את על לא הוא עם זה כי היא גם או כל אם",
    "fa fas pes": "و در به از که این را با است برای آن های تا",
    "hi hin": "के में की है का और से को पर ने कि यह भी एक",
    "bn ben": "এই ও করে থেকে এবং না একটি তার জন্য হয় যে সে",
    "ur urd": "کے میں کی ہے اور سے کا کو پر نے کہ یہ بھی",
    "ta tam": "ஒரு என்று மற்றும் இந்த என அந்த இது தான் உள்ள ஆகிய",
    "te tel": "ఈ మరియు ఒక ఆ అని లో కు నుండి ఉన్న కూడా",
    "id ind ms": "yang dan di untuk dengan dari ini itu pada dalam adalah tidak akan oleh",
    "vi vie": "và của là có các một những trong được cho không với người này",
    "tl tgl fil": "ang ng sa na mga at ay ito hindi para si kung may",
    "sw swa swh": "na ya wa kwa ni katika za la cha kila kama au hii haki",
    "am amh": "እና ነው ላይ ውስጥ ወደ ግን ነበር ይህ እንደ ሁሉ ወይም ያለው",
    "yo yor": "ti ni àti sí tí ní ó kan fún láti pẹ̀lú gbogbo tàbí",
    "ha hau": "da na ta a ya ba ko cikin wannan kuma domin don wani kowa",
    "zu zul": "futhi noma ukuthi kanye ngoba kodwa nge uma ngokuthi wonke umuntu unelungelo",
    "eu eus": "eta da ez bat du dira izan ere zen den baina edo",
    "cy cym": "y yn a i o ar ac yr mae gan am ei nid bod",
    "zh zho cmn": "的 是 了 在 有 不 和 人 我 这 这 为 也",
    "ja jpn": "の に は を た が で と し て も",
    "ko kor": "이 그 및 수 있는 것은 것이 있다 또는 하는 대한 그리고",
    "th tha": "ที่ มี นี้ ก็ ผู้ สิ่ ซึ่",
}
STOP_WORDS: dict[str, tuple[str, ...]] = {}
"""The stop words of a language by its ISO 639-1 code."""
_CODES: dict[str, str] = {"lao": "lo", "khm": "km", "mya": "my", "bod": "bo", "iii": "ii", "mal": "ml", "kal": "kl"}
for _codes, _words in _LISTS.items():
    _first, *_others = _codes.split()
    STOP_WORDS[_first] = tuple(dict.fromkeys(_words.split()))
    _CODES |= dict.fromkeys((_first, *_others), _first)


def language_code(language: str | None) -> str:
    """The ISO 639-1 code of a language that is known here, else the code as it is ("" for None)."""
    first = re.split(r"[-_]", (language or "").strip().lower())[0]
    return _CODES.get(first, first)
