"""Number words from 0 to 9,999, agreeing with what is counted.

What agrees differs: Spanish and Russian numerals have gender (veintiuna, две), Russian ones an accusative (одну
тысячу), Swahili ones the class of the noun in 1-5 and 8 (vitabu viwili, machungwa mawili), Chinese has another "two"
before a measure word (两个). Bengali has a word of its own for every number up to 99. A spelling of a language takes
(number, noun, case); a number alone, as in counting, has the noun ALONE.
"""

from __future__ import annotations

from midtrain.verify.languages.grammar import Noun
from midtrain.verify.languages.numbers import plural

ALONE = Noun({"": "", "acc": ""})
"""Nothing is counted: the number as it is said alone, masculine in the languages with gender."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_EN = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_EN_TENS = _words(". . twenty thirty forty fifty sixty seventy eighty ninety")


def english(number: int, noun: Noun = ALONE, case: str = "") -> str:
    """British usage: "one thousand two hundred and five"."""
    if number < 20:
        return _EN[number]
    if number < 100:
        ten, one = divmod(number, 10)
        return _EN_TENS[ten] + (f"-{_EN[one]}" if one else "")
    if number < 1000:
        hundred, rest = divmod(number, 100)
        return f"{_EN[hundred]} hundred" + (f" and {english(rest)}" if rest else "")
    thousand, rest = divmod(number, 1000)
    joint = " and " if rest < 100 else " "
    return f"{english(thousand)} thousand" + (f"{joint}{english(rest)}" if rest else "")


_DE = _words(
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn"
)
_DE_TENS = _words(". . zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig")


def german(number: int, noun: Noun = ALONE, case: str = "") -> str:
    """One word: "eintausendzweihundertfünf"."""
    if number < 20:
        return _DE[number]
    if number < 100:
        ten, one = divmod(number, 10)
        return (f"{'ein' if one == 1 else _DE[one]}und" if one else "") + _DE_TENS[ten]
    size, name = (100, "hundert") if number < 1000 else (1000, "tausend")
    many, rest = divmod(number, size)
    return ("ein" if many == 1 else _DE[many]) + name + (german(rest) if rest else "")


_FR = _words(
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit "
    "dix-neuf"
)
_FR_TENS = _words(". . vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt")


def french(number: int, noun: Noun = ALONE, case: str = "") -> str:
    """Traditional spelling, as in France: "quatre-vingt-onze", "vingt et une pommes", "deux cents"."""
    if number < 100:
        words = _french_below_100(number)
        return f"{words}e" if noun.gender == 1 and words.endswith("un") else words
    if number < 1000:
        hundred, rest = divmod(number, 100)
        words = "cent" if hundred == 1 else f"{_FR[hundred]} cent{'' if rest else 's'}"
    else:
        thousand, rest = divmod(number, 1000)
        words = "mille" if thousand == 1 else f"{_FR[thousand]} mille"
    return f"{words} {french(rest, noun)}" if rest else words


def _french_below_100(number: int) -> str:
    if number < 20:
        return _FR[number]
    ten = number // 10
    one = number - (10 * ten - (10 if ten in (7, 9) else 0))  # 71 is sixty and eleven
    if not one:
        return _FR_TENS[ten] + ("s" if ten == 8 else "")
    return _FR_TENS[ten] + (" et " if one in (1, 11) and ten < 8 else "-") + _FR[one]


_ES = _words(
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete "
    "dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete "
    "veintiocho veintinueve"
)
_ES_TENS = _words(". . . treinta cuarenta cincuenta sesenta setenta ochenta noventa")
_ES_HUNDREDS = _words(
    ". ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos"
)


def spanish(number: int, noun: Noun = ALONE, case: str = "") -> str:
    """ "treinta y un libros", "doscientas manzanas"; alone "treinta y uno"."""
    if number == 1 and noun is not ALONE:
        return "una" if noun.gender else "un"
    if number == 21 and noun is not ALONE:
        return "veintiuna" if noun.gender else "veintiún"
    if number < 30:
        return _ES[number]
    if number < 100:
        ten, one = divmod(number, 10)
        return _ES_TENS[ten] + (f" y {spanish(one, noun)}" if one else "")
    if number == 100:
        return "cien"
    if number < 1000:
        hundred, rest = divmod(number, 100)
        words = _ES_HUNDREDS[hundred]
        if noun.gender and hundred > 1:
            words = f"{words[:-2]}as"
    else:
        thousand, rest = divmod(number, 1000)
        words = "mil" if thousand == 1 else f"{_ES[thousand]} mil"
    return f"{words} {spanish(rest, noun)}" if rest else words


_RU = _words(
    "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать четырнадцать "
    "пятнадцать шестнадцать семнадцать восемнадцать девятнадцать"
)
_RU_TENS = _words(". . двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто")
_RU_HUNDREDS = _words(". сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот")
_RU_THOUSAND = Noun({"": "тысяча|тысячи|тысяч", "acc": "тысячу|тысячи|тысяч"}, gender=1)


def russian(number: int, noun: Noun = ALONE, case: str = "") -> str:
    """Nominative or accusative ("acc") beside inanimate nouns: "двадцать одна книга", "двадцать одну книгу"."""
    words = []
    thousand, rest = divmod(number, 1000)
    if thousand:
        form = _RU_THOUSAND.forms[case].split("|")[("one", "few", "many").index(plural(thousand, "ru"))]
        words.append(f"{russian(thousand, _RU_THOUSAND, case)} {form}")
    if rest >= 100:
        words.append(_RU_HUNDREDS[rest // 100])
    rest %= 100
    if rest >= 20:
        words.append(_RU_TENS[rest // 10])
        rest %= 10
    if rest == 1:
        words.append(("один", "одну" if case == "acc" else "одна", "одно")[noun.gender])
    elif rest == 2 and noun.gender == 1:
        words.append("две")
    elif rest or not number:
        words.append(_RU[rest])
    return " ".join(words)


_SW = _words("sifuri moja mbili tatu nne tano sita saba nane tisa")
_SW_TENS = _words(". kumi ishirini thelathini arobaini hamsini sitini sabini themanini tisini")
_SW_STEMS = {2: "wili", 3: "tatu", 4: "nne", 5: "tano", 8: "nane"}
_SW_PREFIXES = ("wa", "mi", "ma", "vi")
_SW_ONES = ("mmoja", "mmoja", "moja", "kimoja")


def swahili(number: int, noun: Noun = ALONE, case: str = "") -> str:
    """The last digit agrees with the noun's class: "vitabu ishirini na viwili"; classes as in `sw.CLASSES`.

    The classes before the last (M-WA, M-MI, JI-MA, KI-VI) have prefixes of their own; N has the numbers as counted.
    """
    thousand, rest = divmod(number, 1000)
    parts = [f"elfu {_SW[thousand]}"] if thousand else []
    hundred, rest = divmod(rest, 100)
    parts += [f"mia {_SW[hundred]}"] if hundred else []
    ten, one = divmod(rest, 10)
    parts += [_SW_TENS[ten]] if ten else []
    agrees = noun is not ALONE and noun.gender < len(_SW_PREFIXES)
    if one == 1 and agrees:
        parts.append(_SW_ONES[noun.gender])
    elif one in _SW_STEMS and agrees:
        parts.append(_SW_PREFIXES[noun.gender] + _SW_STEMS[one])
    elif one or not parts:
        parts.append(_SW[one])
    return parts[0] if len(parts) == 1 else f"{' '.join(parts[:-1])} na {parts[-1]}"


_ZH = "零一二三四五六七八九"


def chinese(number: int, noun: Noun = ALONE, case: str = "") -> str:
    """ "一百零五", "一百一十二"; two of something is 两, and so are two hundreds and thousands."""
    if number < 10:
        return "两" if number == 2 and noun is not ALONE else _ZH[number]
    if number < 20:
        return f"十{_ZH[number - 10] if number > 10 else ''}"
    text, empty = "", False
    for size, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, size)
        if digit:
            word = "两" if digit == 2 and size >= 100 else _ZH[digit]
            text += ("零" if empty else "") + word + name
            empty = False
        else:
            empty = bool(text)
    return text


_BN = _words(
    "শূন্য এক দুই তিন চার পাঁচ ছয় সাত আট নয় দশ এগারো বারো তেরো চৌদ্দ পনেরো ষোলো সতেরো আঠারো উনিশ "
    "বিশ একুশ বাইশ তেইশ চব্বিশ পঁচিশ ছাব্বিশ সাতাশ আটাশ ঊনত্রিশ "
    "ত্রিশ একত্রিশ বত্রিশ তেত্রিশ চৌত্রিশ পঁয়ত্রিশ ছত্রিশ সাঁইত্রিশ আটত্রিশ ঊনচল্লিশ "
    "চল্লিশ একচল্লিশ বিয়াল্লিশ তেতাল্লিশ চুয়াল্লিশ পঁয়তাল্লিশ ছেচল্লিশ সাতচল্লিশ আটচল্লিশ ঊনপঞ্চাশ "
    "পঞ্চাশ একান্ন বায়ান্ন তিপ্পান্ন চুয়ান্ন পঞ্চান্ন ছাপ্পান্ন সাতান্ন আটান্ন ঊনষাট "
    "ষাট একষট্টি বাষট্টি তেষট্টি চৌষট্টি পঁয়ষট্টি ছেষট্টি সাতষট্টি আটষট্টি ঊনসত্তর "
    "সত্তর একাত্তর বাহাত্তর তিয়াত্তর চুয়াত্তর পঁচাত্তর ছিয়াত্তর সাতাত্তর আটাত্তর ঊনআশি "
    "আশি একাশি বিরাশি তিরাশি চুরাশি পঁচাশি ছিয়াশি সাতাশি অষ্টাশি ঊননব্বই "
    "নব্বই একানব্বই বিরানব্বই তিরানব্বই চুরানব্বই পঁচানব্বই ছিয়ানব্বই সাতানব্বই আটানব্বই নিরানব্বই"
)


def bengali(number: int, noun: Noun = ALONE, case: str = "") -> str:
    """ "এক হাজার দুইশো পাঁচ"."""
    thousand, rest = divmod(number, 1000)
    words = [f"{_BN[thousand]} হাজার"] if thousand else []
    hundred, rest = divmod(rest, 100)
    words += [f"{_BN[hundred]}শো"] if hundred else []
    words += [_BN[rest]] if rest or not words else []
    return " ".join(words)
