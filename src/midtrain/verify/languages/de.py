"""German. Genders: 0 der, 1 die, 2 das. The dative plural has a form of its own; numerals from two on have one."""

from __future__ import annotations

from midtrain.verify.languages.grammar import Language, Noun, Person, Wording
from midtrain.verify.languages.spelling import german

_JEDER = "{thing:Jeder|Jede|Jedes} {thing}"
_EIN = "{thing:Ein|Eine|Ein} {thing}"
_WORDINGS = {
    "worded_shopping": Wording(
        (
            f"{{name}} kauft {{a:thing}} und {{b:other}}. {_JEDER} kostet {{p:money}}, "
            "und {other:jeder|jede|jedes} {other} kostet {q:money}.",
            "Ein Laden verkauft {thing:pl} für je {p:money} und {other:pl} für je {q:money}. "
            "{name} nimmt {a:thing} und {b:other}.",
        ),
        ("Wie viel bezahlt {name} insgesamt?", "Wie viel kostet alles zusammen?"),
        (
            (
                f"{_EIN} kostet {{p:money}}, und {{other:ein|eine|ein}} {{other}} kostet {{q:money}}. "
                "{name} braucht {a:thing} und {b:other} für ein Fest.",
                "Wie viel Geld gibt {name} aus?",
            ),
        ),
        ("Preis für die {thing:pl}", "Preis für die {other:pl}", "Zusammen"),
    ),
    "worded_change": Wording(
        (
            "{name} geht mit {m:money} einkaufen und kauft {a:thing} für je {p:money}.",
            f"{{name}} hat {{m:money}} und kauft {{a:thing}}. {_JEDER} kostet {{p:money}}.",
        ),
        ("Wie viel Geld hat {name} danach noch?", "Wie viel Geld bleibt davon übrig?"),
        (
            (
                f"{_EIN} kostet {{p:money}}. {{name}} nimmt {{a:thing}} und gibt an der Kasse {{m:money}}.",
                "Wie viel Wechselgeld bekommt {name} zurück?",
            ),
        ),
        ("Preis für die {thing:pl}", "Rest"),
    ),
    "worded_sharing": Wording(
        (
            "{name} hat {n:thing}, gibt {second} {e:thing} und verteilt den Rest gleichmäßig an {c:child}.",
            "In einer Kiste sind {n:thing}. {name} nimmt {e:thing} heraus. "
            "Der Rest wird gleichmäßig an {c:child} verteilt.",
        ),
        ("Wie viele {thing:pl} bekommt jedes Kind?", "Wie viele {thing:pl} sind das für jedes Kind?"),
        (
            (
                "{name} und {second} sammeln {n:thing}. Sie behalten {e:thing} für sich "
                "und teilen alle anderen gerecht unter {c:child.dat} auf.",
                "Wie viele {thing:pl} erhält ein einzelnes Kind?",
            ),
        ),
        ("{thing:pl} zum Verteilen", "{thing:pl} für jedes Kind"),
    ),
    "worded_ages": Wording(
        (
            "{name} ist {a:year} alt. {second} ist {k:year} älter als {name}.",
            "{second} ist {k:year} älter als {name}, und {name} ist jetzt {a:year} alt.",
        ),
        (
            "Wie alt sind {name} und {second} zusammen in {t:year.dat}?",
            "Wie viele Jahre zählen {name} und {second} in {t:year.dat} zusammen?",
        ),
        (
            (
                "{name} lebt seit {a:year.dat}, und {second} ist {k:year} älter.",
                "Rechne aus, wie alt {name} und {second} zusammen in {t:year.dat} sein werden.",
            ),
        ),
        ("{second} jetzt", "{name} in {t:year.dat}", "{second} in {t:year.dat}", "Zusammen"),
    ),
    "worded_travel": Wording(
        (
            "{name} fährt {t:hour} lang mit {v:#}~km/h und danach {u:hour} lang mit {w:#}~km/h.",
            "Ein Zug fährt {t:hour} lang mit einer Geschwindigkeit von {v:#}~km/h. "
            "Danach fährt er {u:hour} lang mit {w:#}~km/h.",
        ),
        ("Wie viele Kilometer sind das insgesamt?", "Wie lang ist die ganze Strecke in Kilometern?"),
        (
            (
                "In den ersten {t:hour.dat} einer Reise fährt ein Bus {v:#}~km/h schnell, "
                "in den übrigen {u:hour.dat} {w:#}~km/h.",
                "Wie viele Kilometer legt der Bus zurück?",
            ),
        ),
        ("Erster Teil in km", "Zweiter Teil in km", "Insgesamt in km"),
    ),
    "worded_wages": Wording(
        (
            "{name} verdient {w:money} pro Stunde und arbeitet {d:day} lang {h:hour} am Tag. "
            "Danach gibt {name} {s:money} aus.",
            "{name} arbeitet {d:day} lang jeden Tag {h:hour} und bekommt {w:money} pro Stunde. "
            "Von dem Lohn kauft {name} ein Geschenk für {s:money}.",
        ),
        ("Wie viel vom Lohn bleibt übrig?", "Wie viel Geld ist danach noch vom Lohn da?"),
        (
            (
                "Eine Stunde Arbeit bringt {name} {w:money} ein. {name} arbeitet {d:day} zu je {h:hour.dat} "
                "und gibt {second} {s:money} von dem Lohn.",
                "Wie viel behält {name}?",
            ),
        ),
        ("Lohn für einen Tag", "Lohn für alle Tage", "Rest"),
    ),
    "worded_discount": Wording(
        (
            "Ein Mantel kostet {p:money}. Heute wird der Preis um {r:#}~% gesenkt. Eine Schule kauft {n:coat}.",
            "Ein Laden senkt den Preis für einen Mantel, der {p:money} kostete, um {r:#}~%. "
            "{name} bestellt {n:coat} zum neuen Preis.",
        ),
        ("Wie viel kosten die Mäntel zusammen?", "Wie hoch ist der Gesamtpreis?"),
        (
            (
                "Auf Mäntel, die sonst je {p:money} kosten, gibt es {r:#}~% Rabatt.",
                "Wie viel muss man jetzt für {n:coat} bezahlen?",
            ),
        ),
        ("Rabatt auf einen Mantel", "Neuer Preis für einen Mantel", "Gesamtpreis"),
    ),
    "worded_comparison": Wording(
        (
            "{name} hat {a:thing}. {second} hat {k:thing} mehr als {name}. "
            "{third} hat {m:#}-mal so viele {thing:pl} wie {second}.",
            "{name} hat {a:thing}, und {second} hat {k:#} mehr. "
            "Die Zahl der {thing:pl} von {third} ist {m:#}-mal so groß wie die von {second}.",
        ),
        ("Wie viele {thing:pl} haben alle drei zusammen?", "Wie viele {thing:pl} sind das insgesamt?"),
        (
            (
                "{third} sammelt {m:#}-mal so viele {thing:pl} wie {second}, "
                "und {second} sammelt {k:thing} mehr als {name}. {name} sammelt {a:thing}.",
                "Wie viele {thing:pl} sammeln die drei zusammen?",
            ),
        ),
        ("{second}", "{third}", "Zusammen"),
    ),
    "worded_reading": Wording(
        (
            "Ein Buch hat {n:page}. {name} liest {d:day} lang jeden Tag {a:page}.",
            "{name} liest ein Buch mit {n:page} und hat {d:day} lang jeden Tag {a:page} geschafft.",
        ),
        ("Wie viele Seiten bleiben übrig?", "Wie viele Seiten muss {name} noch lesen?"),
        (
            (
                "{second} leiht {name} ein Buch mit {n:page}. {name} kommt jeden Tag {a:page} weiter.",
                "Wie viele Seiten sind nach {d:day.dat} noch ungelesen?",
            ),
        ),
        ("Gelesene Seiten", "Übrige Seiten"),
    ),
    "worded_eggs": Wording(
        (
            "Die Hühner von {name} legen jeden Tag {e:egg}. Die Familie isst täglich {u:egg}. "
            "Den Rest verkauft {name} auf dem Markt für {p:money} pro Ei.",
            "{name} sammelt jeden Tag {e:egg} ein, behält {u:egg} für die Küche und verkauft alle anderen. "
            "Jedes Ei wird für {p:money} verkauft.",
        ),
        ("Wie viel Geld nimmt {name} in {d:day.dat} ein?", "Wie viel verdient {name} damit in {d:day.dat}?"),
        (
            (
                "Ein kleiner Hof bekommt von seinen Hühnern täglich {e:egg}. Davon werden {u:egg} zum Backen "
                "gebraucht, die anderen gehen an einen Laden, der {p:money} für jedes Ei zahlt.",
                "Wie viel Geld zahlt der Laden in {d:day.dat}?",
            ),
        ),
        ("Verkaufte Eier pro Tag", "Einnahmen pro Tag", "Einnahmen insgesamt"),
    ),
}


def _persons(names: str, gender: int) -> tuple[Person, ...]:
    return tuple(Person(name, gender) for name in names.split())


LANGUAGE = Language(
    code="de",
    pattern="{number} {noun}",
    price="{number}~€",
    cents=2,
    spell=german,
    spelled_cases=("", "dat"),
    nouns={
        "child": Noun({"": "Kind|Kinder", "dat": "Kind|Kindern"}, 2),
        "coat": Noun({"": "Mantel|Mäntel"}, 0),
        "cousin": Noun({"": "Cousine|Cousinen"}, 1),
        "day": Noun({"": "Tag|Tage", "dat": "Tag|Tagen"}, 0),
        "egg": Noun({"": "Ei|Eier"}, 2),
        "hour": Noun({"": "Stunde|Stunden", "dat": "Stunde|Stunden"}, 1),
        "minute": Noun({"": "Minute|Minuten"}, 1),
        "money": Noun({"": "Euro"}, 0),
        "page": Noun({"": "Seite|Seiten"}, 1),
        "tree": Noun({"": "Baum|Bäume"}, 0),
        "year": Noun({"": "Jahr|Jahre", "dat": "Jahr|Jahren"}, 2),
    },
    things=tuple(
        Noun({"": forms}, gender)
        for forms, gender in {
            "Apfel|Äpfel": 0,
            "Bleistift|Bleistifte": 0,
            "Ball|Bälle": 0,
            "Tasse|Tassen": 1,
            "Birne|Birnen": 1,
            "Karte|Karten": 1,
            "Buch|Bücher": 2,
            "Heft|Hefte": 2,
        }.items()
    ),
    persons=(*_persons("Paul Jonas Felix Lukas Max Stefan", 0), *_persons("Anna Lena Marie Sophie Julia Laura", 1)),
    distractors={
        "shop": ("Den Laden gibt es seit {z:year.dat}.", "{second} wartet {z:minute} vor der Tür."),
        "school": ("Vor der Schule stehen {z:tree}.", "{second} braucht {z:minute} bis zur Schule."),
        "road": ("An der Straße stehen {z:tree}.", "Seit {z:day.dat} scheint die Sonne."),
        "home": ("{second} hat {z:cousin}.", "Vor dem Haus stehen {z:tree}."),
    },
    wordings=_WORDINGS,
)
