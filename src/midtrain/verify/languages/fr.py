"""French. Genders: 0 masculine, 1 feminine. The form "de" elides before a vowel (de livres, d'oranges).

The names begin with consonants, so that nothing elides before them.
"""

from __future__ import annotations

from midtrain.verify.languages.grammar import Language, Noun, Person, Wording
from midtrain.verify.languages.spelling import french

_WORDINGS = {
    "worded_shopping": Wording(
        (
            "{name} achète {a:thing} et {b:other}. Chaque {thing} coûte {p:money} et chaque {other} coûte {q:money}.",
            "Un magasin vend des {thing:pl} à {p:money} pièce et des {other:pl} à {q:money} pièce. "
            "{name} prend {a:thing} et {b:other}.",
        ),
        ("Combien paie {name} en tout~?", "Combien coûte le tout~?"),
        (
            (
                "{thing:Un|Une} {thing} coûte {p:money} et {other:un|une} {other} coûte {q:money}. "
                "{name} a besoin de {a:thing} et de {b:other} pour une fête.",
                "Combien d'argent {name} va-t-{name:il|elle} dépenser~?",
            ),
        ),
        ("Prix des {thing:pl}", "Prix des {other:pl}", "Total"),
    ),
    "worded_change": Wording(
        (
            "{name} part faire des achats avec {m:money} et achète {a:thing} à {p:money} pièce.",
            "{name} a {m:money} et achète {a:thing}. Chaque {thing} coûte {p:money}.",
        ),
        ("Combien d'argent reste-t-il~?", "Combien reste-t-il de cet argent~?"),
        (
            (
                "{thing:Un|Une} {thing} coûte {p:money}. {name} prend {a:thing} et donne {m:money} à la caisse.",
                "Combien d'argent rend-on à {name}~?",
            ),
        ),
        ("Prix des {thing:pl}", "Argent qui reste"),
    ),
    "worded_sharing": Wording(
        (
            "{name} a {n:thing}, donne {e:thing} à {second} et partage le reste à parts égales entre {c:child}.",
            "Il y a {n:thing} dans une boîte. {name} retire {e:thing}. "
            "Le reste est partagé à parts égales entre {c:child}.",
        ),
        ("Combien {thing:de} chaque enfant reçoit-il~?", "Combien {thing:de} y a-t-il pour chaque enfant~?"),
        (
            (
                "{name} rassemble {n:thing}, garde {e:thing} et répartit "
                "{thing:tous les autres|toutes les autres} équitablement entre {c:child}.",
                "Quel est le nombre {thing:de} qu'un enfant reçoit~?",
            ),
        ),
        ("{thing:pl} à partager", "{thing:pl} par enfant"),
    ),
    "worded_ages": Wording(
        (
            "{name} a {a:year}. {second} a {k:year} de plus que {name}.",
            "{second} a {k:year} de plus que {name}, qui a {a:year} aujourd'hui.",
        ),
        (
            "Quelle sera la somme des âges de {name} et de {second} dans {t:year}~?",
            "Dans {t:year}, à combien d'années s'élèvera le total des âges de {name} et de {second}~?",
        ),
        (
            (
                "{name} fête aujourd'hui ses {a:year}, et {second} a {k:year} de plus.",
                "Calculez combien les âges de {name} et de {second} feront ensemble dans {t:year}.",
            ),
        ),
        ("{second} maintenant", "{name} dans {t:year}", "{second} dans {t:year}", "Total"),
    ),
    "worded_travel": Wording(
        (
            "{name} roule pendant {t:hour} à {v:#}~km/h, puis pendant {u:hour} à {w:#}~km/h.",
            "Un train roule pendant {t:hour} à la vitesse de {v:#}~km/h. "
            "Ensuite, il roule pendant {u:hour} à {w:#}~km/h.",
        ),
        ("Combien de kilomètres cela fait-il en tout~?", "Quelle est la longueur totale du trajet en kilomètres~?"),
        (
            (
                "Un autocar fait un voyage en deux étapes~: {t:hour} à {v:#}~km/h, puis {u:hour} à {w:#}~km/h.",
                "Quelle distance l'autocar parcourt-il, en kilomètres~?",
            ),
        ),
        ("Première partie en km", "Deuxième partie en km", "Total en km"),
    ),
    "worded_wages": Wording(
        (
            "{name} gagne {w:money} de l'heure et travaille {h:hour} par jour pendant {d:day}. "
            "Ensuite, {name} dépense {s:money}.",
            "Pendant {d:day}, {name} travaille {h:hour} par jour et reçoit {w:money} de l'heure. "
            "Avec cet argent, {name} achète un cadeau à {s:money}.",
        ),
        ("Combien reste-t-il du salaire~?", "Combien d'argent reste-t-il à {name} sur son salaire~?"),
        (
            (
                "Une heure de travail rapporte {w:money} à {name}. {name} travaille {d:day}, à raison de {h:hour} "
                "par jour, et donne {s:money} de son salaire à {second}.",
                "Combien {name} garde-t-{name:il|elle}~?",
            ),
        ),
        ("Salaire d'une journée", "Salaire de toutes les journées", "Argent qui reste"),
    ),
    "worded_discount": Wording(
        (
            "Un manteau coûte {p:money}. Aujourd'hui, le prix baisse de {r:#}~%. Une école achète {n:coat}.",
            "Un magasin baisse de {r:#}~% le prix d'un manteau, qui était de {p:money}. "
            "{name} commande {n:coat} au nouveau prix.",
        ),
        ("Combien coûtent les manteaux en tout~?", "Quel est le prix total~?"),
        (
            (
                "Les manteaux, qui coûtent d'habitude {p:money} pièce, sont vendus avec {r:#}~% de réduction.",
                "Combien faut-il payer pour {n:coat}~?",
            ),
        ),
        ("Réduction sur un manteau", "Nouveau prix d'un manteau", "Prix total"),
    ),
    "worded_comparison": Wording(
        (
            "{name} a {a:thing}. {second} a {k:thing} de plus que {name}. "
            "{third} a {m:#} fois plus {thing:de} que {second}.",
            "{name} a {a:thing}, et {second} en a {k:#} de plus. "
            "Le nombre {thing:de} de {third} est égal à {m:#} fois celui de {second}.",
        ),
        ("Combien {thing:de} ces trois enfants ont-ils ensemble~?", "Combien {thing:de} y a-t-il en tout~?"),
        (
            (
                "{third} possède {m:#} fois plus {thing:de} que {second}, qui en possède {k:#} de plus que {name}. "
                "{name} possède {a:thing}.",
                "Quel est le nombre total {thing:de}~?",
            ),
        ),
        ("{second}", "{third}", "Total"),
    ),
    "worded_reading": Wording(
        (
            "Un livre compte {n:page}. {name} lit {a:page} par jour pendant {d:day}.",
            "{name} lit un livre de {n:page}. Pendant {d:day}, {name} a lu {a:page} chaque jour.",
        ),
        ("Combien de pages reste-t-il~?", "Combien de pages {name} doit-{name:il|elle} encore lire~?"),
        (
            (
                "{second} prête à {name} un livre de {n:page}. {name} avance de {a:page} par jour.",
                "Combien de pages restera-t-il après {d:day}~?",
            ),
        ),
        ("Pages lues", "Pages qui restent"),
    ),
    "worded_eggs": Wording(
        (
            "Les poules de {name} pondent {e:egg} par jour. La famille mange {u:egg} chaque jour. "
            "{name} vend le reste au marché à {p:money} l'œuf.",
            "Chaque jour, {name} ramasse {e:egg}, garde {u:egg} pour la cuisine et vend tous les autres. "
            "Chaque œuf est vendu {p:money}.",
        ),
        (
            "Combien d'argent {name} gagne-t-{name:il|elle} en {d:day}~?",
            "Combien {name} encaisse-t-{name:il|elle} en {d:day}~?",
        ),
        (
            (
                "Une petite ferme obtient {e:egg} par jour de ses poules. Elle utilise {u:egg} pour les gâteaux "
                "et livre les autres à un magasin qui paie {p:money} par œuf.",
                "Combien d'argent le magasin paie-t-il en {d:day}~?",
            ),
        ),
        ("Œufs vendus par jour", "Gain par jour", "Gain total"),
    ),
}


def _noun(forms: str, gender: int) -> Noun:
    elided = "|".join(f"d'{form}" if form[0] in "aeiouœ" else f"de {form}" for form in forms.split("|"))
    return Noun({"": forms, "de": elided}, gender)


def _persons(names: str, gender: int) -> tuple[Person, ...]:
    return tuple(Person(name, gender) for name in names.split())


LANGUAGE = Language(
    code="fr",
    pattern="{number} {noun}",
    price="{number}~€",
    cents=2,
    colon="~: ",
    spell=french,
    nouns={
        "child": _noun("enfant|enfants", 0),
        "coat": _noun("manteau|manteaux", 0),
        "cousin": _noun("cousin|cousins", 0),
        "day": _noun("jour|jours", 0),
        "egg": _noun("œuf|œufs", 0),
        "hour": _noun("heure|heures", 1),
        "minute": _noun("minute|minutes", 1),
        "money": _noun("euro|euros", 0),
        "page": _noun("page|pages", 1),
        "tree": _noun("arbre|arbres", 0),
        "year": _noun("an|ans", 0),
    },
    things=tuple(
        _noun(forms, gender)
        for forms, gender in {
            "livre|livres": 0,
            "crayon|crayons": 0,
            "cahier|cahiers": 0,
            "ballon|ballons": 0,
            "pomme|pommes": 1,
            "orange|oranges": 1,
            "tasse|tasses": 1,
            "carte|cartes": 1,
        }.items()
    ),
    persons=(
        *_persons("Paul Lucas Nicolas Thomas Pierre Louis", 0),
        *_persons("Marie Julie Claire Sophie Camille Lucie", 1),
    ),
    distractors={
        "shop": ("Le magasin existe depuis {z:year}.", "{second} attend dehors pendant {z:minute}."),
        "school": ("Il y a {z:tree} devant l'école.", "{second} met {z:minute} pour aller à l'école."),
        "road": ("Il y a {z:tree} au bord de la route.", "Le soleil brille depuis {z:day}."),
        "home": ("{second} a {z:cousin}.", "Il y a {z:tree} devant la maison."),
    },
    wordings=_WORDINGS,
)
