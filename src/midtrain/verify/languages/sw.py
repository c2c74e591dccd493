"""Swahili. The number stands after the noun and agrees with its class, and so do "how many", "left", "all", "other".

Classes, as the place in every choice: 0 M-WA (people), 1 M-MI (mpira, mipira), 2 JI-MA (yai, mayai), 3 KI-VI (kitabu,
vitabu), 4 N (kalamu, kalamu; also kurasa, whose singular has a class of its own, never used here).
"""

from __future__ import annotations

from midtrain.verify.languages.grammar import Language, Noun, Person, Wording
from midtrain.verify.languages.spelling import swahili

CLASSES = ("M-WA", "M-MI", "JI-MA", "KI-VI", "N")
_ONE = "{thing:mmoja|mmoja|moja|kimoja|moja}"
_COSTS = "{thing:anagharimu|unagharimu|linagharimu|kinagharimu|inagharimu}"
_HOW_MANY = "{thing:wangapi|mingapi|mangapi|vingapi|ngapi}"
_LEFT = "{thing:waliobaki|iliyobaki|yaliyobaki|vilivyobaki|zilizobaki}"
_LEFT_FIRST = "{thing:Waliobaki|Iliyobaki|Yaliyobaki|Vilivyobaki|Zilizobaki}"
_ARE_SHARED = "{thing:wanagawanywa|inagawanywa|yanagawanywa|vinagawanywa|zinagawanywa}"
_ALL_OTHERS = "{thing:wengine wote|mingine yote|mengine yote|vingine vyote|nyingine zote}"
_WORDINGS = {
    "worded_shopping": Wording(
        (
            "{name} ananunua {a:thing} na {b:other}. Bei ya kila {thing} ni {p:money} "
            "na bei ya kila {other} ni {q:money}.",
            "Duka linauza kila {thing} kwa {p:money} na kila {other} kwa {q:money}. "
            "{name} anachukua {a:thing} na {b:other}.",
        ),
        ("{name} analipa jumla ya shilingi ngapi?", "Gharama ya vitu vyote ni shilingi ngapi?"),
        (
            (
                f"Kila {{thing}} {_COSTS} {{p:money}}, na bei ya {{other}} "
                "{other:mmoja|mmoja|moja|kimoja|moja} ni {q:money}. "
                "{name} anahitaji {a:thing} na {b:other} kwa ajili ya sherehe.",
                "{name} atatumia pesa ngapi?",
            ),
        ),
        ("Bei ya {thing:pl}", "Bei ya {other:pl}", "Jumla"),
    ),
    "worded_change": Wording(
        (
            f"{{name}} anaenda dukani akiwa na {{m:money}} na ananunua {{a:thing}} kwa {{p:money}} kila {_ONE}.",
            "{name} ana {m:money} na ananunua {a:thing}. Bei ya kila {thing} ni {p:money}.",
        ),
        ("{name} anabaki na shilingi ngapi?", "Ni shilingi ngapi zinabaki?"),
        (
            (
                f"Kila {{thing}} {_COSTS} {{p:money}}. {{name}} anachukua {{a:thing}} na kumpa muuzaji {{m:money}}.",
                "{name} anarudishiwa shilingi ngapi?",
            ),
        ),
        ("Bei ya {thing:pl}", "Shilingi zinazobaki"),
    ),
    "worded_sharing": Wording(
        (
            "{name} ana {n:thing}. Anampa {second} {e:thing}, kisha anawagawia {c:child} {thing:pl} "
            f"{_LEFT} kwa usawa.",
            "Kuna {n:thing} katika sanduku. {name} anatoa {e:thing}. "
            f"{_LEFT_FIRST} {_ARE_SHARED} kwa usawa kati ya {{c:child}}.",
        ),
        (f"Kila mtoto anapata {{thing:pl}} {_HOW_MANY}?", f"Kila mtoto atapewa {{thing:pl}} {_HOW_MANY}?"),
        (
            (
                "{name} na {second} wanakusanya {n:thing}. Wanabaki na {e:thing} na kugawa {thing:pl} "
                f"{_ALL_OTHERS} kwa usawa kati ya {{c:child}}.",
                f"Mtoto mmoja anapokea {{thing:pl}} {_HOW_MANY}?",
            ),
        ),
        (f"{{thing:pl}} {_LEFT}", "{thing:pl} kwa kila mtoto"),
    ),
    "worded_ages": Wording(
        (
            "{name} ana umri wa {a:year}. {second} ni mkubwa kuliko {name} kwa {k:year}.",
            "{second} amemzidi {name} umri kwa {k:year}. Sasa {name} ana umri wa {a:year}.",
        ),
        (
            "Baada ya {t:year}, jumla ya umri wa {name} na {second} itakuwa miaka mingapi?",
            "Umri wa {name} na {second} kwa pamoja utakuwa miaka mingapi baada ya {t:year}?",
        ),
        (
            (
                "Leo {name} anatimiza {a:year}, na {second} ana {k:year} zaidi.",
                "Tafuta jumla ya umri wa {name} na umri wa {second} baada ya {t:year}.",
            ),
        ),
        ("{second} sasa", "{name} baada ya {t:year}", "{second} baada ya {t:year}", "Jumla"),
    ),
    "worded_travel": Wording(
        (
            "{name} anaendesha gari kwa {t:hour} kwa kasi ya kilomita {v:#} kwa saa, "
            "kisha kwa {u:hour} kwa kasi ya kilomita {w:#} kwa saa.",
            "Treni inasafiri kwa {t:hour} kwa kasi ya kilomita {v:#} kwa saa. "
            "Baadaye inasafiri kwa {u:hour} kwa kasi ya kilomita {w:#} kwa saa.",
        ),
        ("Jumla ya umbali ni kilomita ngapi?", "Safari nzima ina urefu wa kilomita ngapi?"),
        (
            (
                "Katika {t:hour} za kwanza za safari, basi linakwenda kwa kasi ya kilomita {v:#} kwa saa, "
                "na katika {u:hour} zilizobaki kwa kasi ya kilomita {w:#} kwa saa.",
                "Basi linasafiri umbali wa kilomita ngapi kwa jumla?",
            ),
        ),
        ("Sehemu ya kwanza kwa km", "Sehemu ya pili kwa km", "Jumla kwa km"),
    ),
    "worded_wages": Wording(
        (
            "{name} analipwa {w:money} kwa saa na anafanya kazi {h:hour} kwa siku kwa muda wa {d:day}. "
            "Kisha anatumia {s:money}.",
            "Kwa muda wa {d:day}, {name} anafanya kazi {h:hour} kila siku na anapata {w:money} kwa saa. "
            "Kutoka kwenye malipo hayo ananunua zawadi ya {s:money}.",
        ),
        ("Ni shilingi ngapi za malipo zinabaki?", "{name} anabaki na shilingi ngapi za malipo yake?"),
        (
            (
                "Saa moja ya kazi inamletea {name} {w:money}. {name} anafanya kazi kwa {d:day}, {h:hour} kila siku, "
                "na anampa {second} {s:money} kutoka kwenye malipo yake.",
                "{name} anabakiza shilingi ngapi?",
            ),
        ),
        ("Malipo ya siku moja", "Malipo ya siku zote", "Shilingi zinazobaki"),
    ),
    "worded_discount": Wording(
        (
            "Koti moja linagharimu {p:money}. Leo bei imepunguzwa kwa asilimia {r:#}. Shule inanunua {n:coat}.",
            "Bei ya koti ilikuwa {p:money}. Duka limeipunguza kwa asilimia {r:#}. "
            "{name} anaagiza {n:coat} kwa bei mpya.",
        ),
        ("Makoti yote yanagharimu shilingi ngapi?", "Bei ya jumla ni shilingi ngapi?"),
        (
            (
                "Kuna punguzo la asilimia {r:#} kwa makoti, ambayo kwa kawaida yanagharimu {p:money} kila moja.",
                "Ni shilingi ngapi zinapaswa kulipwa kwa {n:coat}?",
            ),
        ),
        ("Punguzo la koti moja", "Bei mpya ya koti moja", "Bei ya jumla"),
    ),
    "worded_comparison": Wording(
        (
            "{name} ana {a:thing}. {second} ana {k:thing} zaidi ya {name}. "
            "{third} ana {thing:pl} mara {m:#} ya idadi aliyonayo {second}.",
            "{name} ana {a:thing}, na {second} anamzidi kwa {k:thing}. {third} ana {thing:pl} mara {m:#} ya {second}.",
        ),
        (f"Wote watatu wana jumla ya {{thing:pl}} {_HOW_MANY}?", f"Kwa pamoja wana {{thing:pl}} {_HOW_MANY}?"),
        (
            (
                "{third} anakusanya {thing:pl} mara {m:#} ya idadi anayokusanya {second}, "
                "na {second} anakusanya {k:thing} zaidi ya {name}. {name} anakusanya {a:thing}.",
                "Idadi ya jumla ya {thing:pl} ni ngapi?",
            ),
        ),
        ("{second}", "{third}", "Jumla"),
    ),
    "worded_reading": Wording(
        (
            "Kitabu kina {n:page}. {name} anasoma {a:page} kwa siku kwa muda wa {d:day}.",
            "{name} anasoma kitabu chenye {n:page}. Kwa muda wa {d:day} amesoma {a:page} kila siku.",
        ),
        ("Ni kurasa ngapi zimebaki?", "{name} amebakiza kurasa ngapi?"),
        (
            (
                "{second} anamwazima {name} kitabu chenye {n:page}. {name} anasoma {a:page} kila siku.",
                "Baada ya {d:day}, kurasa ngapi zitabaki?",
            ),
        ),
        ("Kurasa zilizosomwa", "Kurasa zilizobaki"),
    ),
    "worded_eggs": Wording(
        (
            "Kuku wa {name} hutaga {e:egg} kila siku. Familia hula {u:egg} kila siku. "
            "{name} huuza yaliyobaki sokoni kwa {p:money} kila yai.",
            "Kila siku {name} hukusanya {e:egg}, huweka {u:egg} kwa ajili ya jikoni na huuza mengine yote. "
            "Kila yai huuzwa kwa {p:money}.",
        ),
        ("{name} hupata shilingi ngapi kwa {d:day}?", "Baada ya {d:day}, {name} atakuwa amepata pesa ngapi?"),
        (
            (
                "Shamba dogo hupata {e:egg} kutoka kwa kuku kila siku. Kati ya hayo, {u:egg} hutumika kuokea keki, "
                "na mengine hupelekwa kwa duka linalolipa {p:money} kwa kila yai.",
                "Duka hulipa shilingi ngapi kwa {d:day}?",
            ),
        ),
        ("Mayai yanayouzwa kila siku", "Mapato ya kila siku", "Mapato ya jumla"),
    ),
}


def _persons(names: str, gender: int) -> tuple[Person, ...]:
    return tuple(Person(name, gender) for name in names.split())


LANGUAGE = Language(
    code="sw",
    pattern="{noun} {number}",
    price="KSh~{number}",
    cents=0,
    spell=swahili,
    nouns={
        "child": Noun({"": "mtoto|watoto"}, 0),
        "coat": Noun({"": "koti|makoti"}, 2),
        "day": Noun({"": "siku"}, 4),
        "egg": Noun({"": "yai|mayai"}, 2),
        "friend": Noun({"": "rafiki|marafiki"}, 0),
        "hour": Noun({"": "saa"}, 4),
        "minute": Noun({"": "dakika"}, 4),
        "money": Noun({"": "shilingi"}, 4),
        "page": Noun({"": "ukurasa|kurasa"}, 4),
        "tree": Noun({"": "mti|miti"}, 1),
        "year": Noun({"": "mwaka|miaka"}, 1),
    },
    things=(
        Noun({"": "mpira|mipira"}, 1),
        Noun({"": "mkate|mikate"}, 1),
        Noun({"": "chungwa|machungwa"}, 2),
        Noun({"": "daftari|madaftari"}, 2),
        Noun({"": "kitabu|vitabu"}, 3),
        Noun({"": "kikombe|vikombe"}, 3),
        Noun({"": "kalamu"}, 4),
        Noun({"": "penseli"}, 4),
    ),
    persons=(
        *_persons("Juma Baraka Hamisi Rashidi Musa Daudi", 0),
        *_persons("Asha Amina Neema Fatuma Rehema Halima", 1),
    ),
    distractors={
        "shop": ("Duka lilifunguliwa {z:year} iliyopita.", "{second} anasubiri nje kwa {z:minute}."),
        "school": ("Kuna {z:tree} mbele ya shule.", "{second} hutumia {z:minute} kufika shuleni."),
        "road": ("Kuna {z:tree} kando ya barabara.", "Jua limewaka kwa {z:day}."),
        "home": ("{second} ana {z:friend}.", "Kuna {z:tree} mbele ya nyumba."),
    },
    wordings=_WORDINGS,
)
