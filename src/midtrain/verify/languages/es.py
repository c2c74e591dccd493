"""Spanish, as in Spain. Genders: 0 masculine, 1 feminine. No name begins with I, before which "y" would be "e"."""

from __future__ import annotations

from midtrain.verify.languages.grammar import Language, Noun, Person, Wording
from midtrain.verify.languages.spelling import spanish

_MANY = "¿{thing:Cuántos|Cuántas} {thing:pl}"
_WORDINGS = {
    "worded_shopping": Wording(
        (
            "{name} compra {a:thing} y {b:other}. Cada {thing} cuesta {p:money} y cada {other} cuesta {q:money}.",
            "Una tienda vende {thing:pl} a {p:money} cada {thing:uno|una} y {other:pl} a {q:money} "
            "cada {other:uno|una}. {name} se lleva {a:thing} y {b:other}.",
        ),
        ("¿Cuánto paga {name} en total?", "¿Cuánto cuesta todo?"),
        (
            (
                "{thing:Un|Una} {thing} cuesta {p:money} y {other:un|una} {other} cuesta {q:money}. "
                "{name} necesita {a:thing} y {b:other} para una fiesta.",
                "¿Cuánto dinero gasta {name}?",
            ),
        ),
        ("Precio de {thing:los|las} {thing:pl}", "Precio de {other:los|las} {other:pl}", "Total"),
    ),
    "worded_change": Wording(
        (
            "{name} va de compras con {m:money} y compra {a:thing} a {p:money} cada {thing:uno|una}.",
            "{name} tiene {m:money} y compra {a:thing}. Cada {thing} cuesta {p:money}.",
        ),
        ("¿Cuánto dinero le queda a {name}?", "¿Cuánto queda de ese dinero?"),
        (
            (
                "{thing:Un|Una} {thing} cuesta {p:money}. {name} toma {a:thing} y entrega {m:money} en la caja.",
                "¿Cuánto dinero le devuelven a {name}?",
            ),
        ),
        ("Precio de {thing:los|las} {thing:pl}", "Dinero que queda"),
    ),
    "worded_sharing": Wording(
        (
            "{name} tiene {n:thing}, le da {e:thing} a {second} y reparte el resto por igual entre {c:child}.",
            "En una caja hay {n:thing}. {name} saca {e:thing}. El resto se reparte por igual entre {c:child}.",
        ),
        (f"{_MANY} recibe cada niño?", f"{_MANY} hay para cada niño?"),
        (
            (
                "{name} y {second} juntan {n:thing}. Se quedan con {e:thing} y reparten "
                "{thing:todos los demás|todas las demás} en partes iguales entre {c:child}.",
                "¿Cuál es el número de {thing:pl} que le corresponde a un niño?",
            ),
        ),
        ("{thing:pl} para repartir", "{thing:pl} para cada niño"),
    ),
    "worded_ages": Wording(
        (
            "{name} tiene {a:year}. {second} tiene {k:year} más que {name}.",
            "{second} tiene {k:year} más que {name}, que ahora tiene {a:year}.",
        ),
        (
            "¿Cuánto sumarán las edades de {name} y {second} dentro de {t:year}?",
            "¿Cuál será la suma de las edades de {name} y {second} dentro de {t:year}?",
        ),
        (
            (
                "{name} cumple hoy {a:year}, y {second} tiene {k:year} más.",
                "Calcula el total de las edades de {name} y {second} dentro de {t:year}.",
            ),
        ),
        ("{second} ahora", "{name} dentro de {t:year}", "{second} dentro de {t:year}", "Total"),
    ),
    "worded_travel": Wording(
        (
            "{name} conduce durante {t:hour} a {v:#}~km/h y luego durante {u:hour} a {w:#}~km/h.",
            "Un tren viaja durante {t:hour} a una velocidad de {v:#}~km/h. "
            "Después viaja durante {u:hour} a {w:#}~km/h.",
        ),
        ("¿Cuántos kilómetros son en total?", "¿Cuántos kilómetros mide todo el recorrido?"),
        (
            (
                "Un autobús hace un viaje en dos etapas: {t:hour} a {v:#}~km/h y después {u:hour} a {w:#}~km/h.",
                "¿Qué distancia recorre el autobús, en kilómetros?",
            ),
        ),
        ("Primera parte en km", "Segunda parte en km", "Total en km"),
    ),
    "worded_wages": Wording(
        (
            "{name} gana {w:money} por hora y trabaja {h:hour} al día durante {d:day}. Después gasta {s:money}.",
            "Durante {d:day}, {name} trabaja {h:hour} al día y cobra {w:money} por hora. "
            "Con ese dinero compra un regalo de {s:money}.",
        ),
        ("¿Cuánto queda del sueldo?", "¿Cuánto dinero del sueldo le queda a {name}?"),
        (
            (
                "Por una hora de trabajo, {name} recibe {w:money}. Trabaja {d:day}, {h:hour} cada día, "
                "y le da {s:money} de su sueldo a {second}.",
                "¿Con cuánto dinero se queda {name}?",
            ),
        ),
        ("Sueldo de un día", "Sueldo de todos los días", "Dinero que queda"),
    ),
    "worded_discount": Wording(
        (
            "Un abrigo cuesta {p:money}. Hoy el precio baja un {r:#}~%. Una escuela compra {n:coat}.",
            "Una tienda rebaja un {r:#}~% el precio de un abrigo que costaba {p:money}. "
            "{name} encarga {n:coat} al nuevo precio.",
        ),
        ("¿Cuánto cuestan los abrigos en total?", "¿Cuál es el precio total?"),
        (
            (
                "Los abrigos, que suelen costar {p:money} cada uno, tienen hoy un descuento del {r:#}~%.",
                "¿Cuánto hay que pagar por {n:coat}?",
            ),
        ),
        ("Descuento en un abrigo", "Nuevo precio de un abrigo", "Precio total"),
    ),
    "worded_comparison": Wording(
        (
            "{name} tiene {a:thing}. {second} tiene {k:thing} más que {name}. "
            "{third} tiene {m:#} veces {thing:tantos|tantas} {thing:pl} como {second}.",
            "{name} tiene {a:thing}, y {second} tiene {k:#} más. "
            "El número de {thing:pl} de {third} es {m:#} veces el de {second}.",
        ),
        (f"{_MANY} tienen en total?", f"{_MANY} hay en total?"),
        (
            (
                "{third} reúne {m:#} veces {thing:tantos|tantas} {thing:pl} como {second}, "
                "y {second} reúne {k:thing} más que {name}. {name} reúne {a:thing}.",
                "¿Cuál es el número total de {thing:pl}?",
            ),
        ),
        ("{second}", "{third}", "Total"),
    ),
    "worded_reading": Wording(
        (
            "Un libro tiene {n:page}. {name} lee {a:page} al día durante {d:day}.",
            "{name} está leyendo un libro de {n:page}. Durante {d:day} ha leído {a:page} cada día.",
        ),
        ("¿Cuántas páginas quedan?", "¿Cuántas páginas le faltan a {name} por leer?"),
        (
            (
                "{second} le presta a {name} un libro de {n:page}. {name} avanza {a:page} cada día.",
                "¿Cuántas páginas faltan después de {d:day}?",
            ),
        ),
        ("Páginas leídas", "Páginas que quedan"),
    ),
    "worded_eggs": Wording(
        (
            "Las gallinas de {name} ponen {e:egg} al día. La familia come {u:egg} cada día. "
            "{name} vende el resto en el mercado a {p:money} por huevo.",
            "Cada día, {name} recoge {e:egg}, guarda {u:egg} para la cocina y vende todos los demás. "
            "Cada huevo se vende a {p:money}.",
        ),
        ("¿Cuánto dinero gana {name} en {d:day}?", "¿Cuánto ingresa {name} en {d:day}?"),
        (
            (
                "Una granja pequeña obtiene {e:egg} al día de sus gallinas. Usa {u:egg} para hacer pasteles "
                "y entrega los demás a una tienda que paga {p:money} por cada huevo.",
                "¿Cuánto dinero paga la tienda en {d:day}?",
            ),
        ),
        ("Huevos vendidos al día", "Dinero ganado al día", "Dinero ganado en total"),
    ),
}


def _persons(names: str, gender: int) -> tuple[Person, ...]:
    return tuple(Person(name, gender) for name in names.split())


LANGUAGE = Language(
    code="es",
    pattern="{number} {noun}",
    price="{number}~€",
    cents=2,
    spell=spanish,
    nouns={
        "child": Noun({"": "niño|niños"}, 0),
        "coat": Noun({"": "abrigo|abrigos"}, 0),
        "cousin": Noun({"": "primo|primos"}, 0),
        "day": Noun({"": "día|días"}, 0),
        "egg": Noun({"": "huevo|huevos"}, 0),
        "hour": Noun({"": "hora|horas"}, 1),
        "minute": Noun({"": "minuto|minutos"}, 0),
        "money": Noun({"": "euro|euros"}, 0),
        "page": Noun({"": "página|páginas"}, 1),
        "tree": Noun({"": "árbol|árboles"}, 0),
        "year": Noun({"": "año|años"}, 0),
    },
    things=tuple(
        Noun({"": forms}, gender)
        for forms, gender in {
            "libro|libros": 0,
            "lápiz|lápices": 0,
            "cuaderno|cuadernos": 0,
            "globo|globos": 0,
            "manzana|manzanas": 1,
            "naranja|naranjas": 1,
            "taza|tazas": 1,
            "pelota|pelotas": 1,
        }.items()
    ),
    persons=(*_persons("Pablo Carlos Luis Miguel Diego Javier", 0), *_persons("Ana Marta Lucía Carmen Elena Sofía", 1)),
    distractors={
        "shop": ("La tienda existe desde hace {z:year}.", "{second} espera fuera durante {z:minute}."),
        "school": ("Delante de la escuela hay {z:tree}.", "{second} tarda {z:minute} en llegar a la escuela."),
        "road": ("Junto a la carretera hay {z:tree}.", "Hace {z:day} que brilla el sol."),
        "home": ("{second} tiene {z:cousin}.", "Delante de la casa hay {z:tree}."),
    },
    wordings=_WORDINGS,
)
