"""Russian. Genders: 0 masculine, 1 feminine, 2 neuter. Persons decline: gen, dat.

Forms beside numbers stand in three categories (одна книга, две книги, пять книг), in the nominative and, where a verb
governs them, the accusative ("acc"). "pl" is the genitive plural, as after "сколько". Nothing counted is animate where
an accusative is asked. Oblique cases (dat, ins) have figures only, since numerals decline too.
"""

from __future__ import annotations

from midtrain.verify.languages.grammar import Language, Noun, Person, Wording
from midtrain.verify.languages.spelling import russian

_ONE = "{thing:Один|Одна|Одно} {thing}"
_WORDINGS = {
    "worded_shopping": Wording(
        (
            "{name} {name:купил|купила} {a:thing.acc} и {b:other.acc}. "
            "{thing:Каждый|Каждая|Каждое} {thing} стоит {p:money.acc}, "
            "а {other:каждый|каждая|каждое} {other}~— {q:money.acc}.",
            "В магазине {thing:один|одна|одно} {thing} стоит {p:money.acc}, "
            "а {other:один|одна|одно} {other}~— {q:money.acc}. "
            "{name} {name:взял|взяла} {a:thing.acc} и {b:other.acc}.",
        ),
        ("Сколько всего {name:заплатил|заплатила} {name}?", "Сколько стоит вся покупка?"),
        (
            (
                f"{_ONE} стоит {{p:money.acc}}, {{other:один|одна|одно}} {{other}}~— {{q:money.acc}}. "
                "{name} {name:решил|решила} купить для праздника {a:thing.acc} и {b:other.acc}.",
                "Сколько денег потратит {name}?",
            ),
        ),
        ("Стоимость {thing:pl}", "Стоимость {other:pl}", "Всего"),
    ),
    "worded_change": Wording(
        (
            "У {name:gen} было {m:money}. {name} {name:купил|купила} {a:thing.acc}. "
            "{thing:Каждый|Каждая|Каждое} {thing} стоит {p:money.acc}.",
            f"{_ONE} стоит {{p:money.acc}}. {{name}} {{name:пришёл|пришла}} в магазин, имея {{m:money.acc}}, "
            "и {name:взял|взяла} {a:thing.acc}.",
        ),
        ("Сколько денег осталось у {name:gen}?", "Сколько рублей осталось после покупки?"),
        (
            (
                "{name} {name:купил|купила} {a:thing.acc} и {name:дал|дала} кассиру {m:money.acc}. "
                "Цена одной штуки~— {p:money}.",
                "Сколько рублей сдачи {name:должен|должна} получить {name}?",
            ),
        ),
        ("Стоимость {thing:pl}", "Осталось"),
    ),
    "worded_sharing": Wording(
        (
            "У {name:gen} {n:thing}. {name} {name:отдал|отдала} {second:dat} {e:thing.acc}, "
            "а остальные {name:разделил|разделила} поровну между {c:child.ins}.",
            "В коробке {n:thing}. {name} {name:вынул|вынула} {e:thing.acc}. "
            "Остальные разделили поровну между {c:child.ins}.",
        ),
        ("Сколько {thing:pl} получит каждый ребёнок?", "Сколько {thing:pl} достанется каждому ребёнку?"),
        (
            (
                "{name} и {second} собрали {n:thing.acc}. Они оставили себе {e:thing.acc}, "
                "а все остальные раздали поровну {c:child.dat}.",
                "Сколько {thing:pl} досталось одному ребёнку?",
            ),
        ),
        ("Осталось {thing:pl}", "Каждому ребёнку"),
    ),
    "worded_ages": Wording(
        (
            "{name:dat} {a:year}. {second} старше {name:gen} на {k:year}.",
            "{second} старше {name:gen} на {k:year}, а {name:dat} сейчас {a:year}.",
        ),
        (
            "Сколько лет будет {name:dat} и {second:dat} вместе через {t:year}?",
            "Чему будет равна сумма возрастов {name:gen} и {second:gen} через {t:year}?",
        ),
        (
            (
                "Сейчас {name:dat} {a:year}, а {second} на {k:year} старше.",
                "Найдите, сколько лет вместе исполнится {name:dat} и {second:dat} через {t:year}.",
            ),
        ),
        ("{second} сейчас", "{name} через {t:year}", "{second} через {t:year}", "Вместе"),
    ),
    "worded_travel": Wording(
        (
            "{name} {name:ехал|ехала} {t:hour} со скоростью {v:#}~км/ч, а потом {u:hour} со скоростью {w:#}~км/ч.",
            "Поезд шёл {t:hour} со скоростью {v:#}~км/ч. Затем он шёл {u:hour} со скоростью {w:#}~км/ч.",
        ),
        ("Сколько километров составляет весь путь?", "Чему равна длина всего пути в километрах?"),
        (
            (
                "Сначала автобус {t:hour} едет со скоростью {v:#}~км/ч, "
                "а оставшееся время, {u:hour},~— со скоростью {w:#}~км/ч.",
                "Сколько километров проедет автобус?",
            ),
        ),
        ("Первая часть в км", "Вторая часть в км", "Всего в км"),
    ),
    "worded_wages": Wording(
        (
            "{name} {name:работал|работала} {d:day} по {h:hour} в день и {name:получал|получала} {w:money.acc} в час. "
            "Потом {name} {name:потратил|потратила} {s:money.acc}.",
            "За час работы {name} {name:получал|получала} {w:money.acc}. {name:Он|Она} "
            "{name:проработал|проработала} {d:day} по {h:hour} и на эти деньги {name:купил|купила} "
            "подарок за {s:money.acc}.",
        ),
        ("Сколько рублей осталось от заработка?", "Сколько заработанных денег осталось у {name:gen}?"),
        (
            (
                "{name} {name:трудился|трудилась} {d:day}, каждый день {h:hour}, за {w:money.acc} в час, "
                "и {name:отдал|отдала} {second:dat} {s:money.acc} из заработка.",
                "Сколько рублей {name} {name:оставил|оставила} себе?",
            ),
        ),
        ("Заработок за день", "Заработок за все дни", "Осталось"),
    ),
    "worded_discount": Wording(
        (
            "Куртка стоит {p:money.acc}. Сегодня цена снижена на {r:#}~%. Школа купила {n:coat.acc}.",
            "Магазин снизил цену куртки, которая стоила {p:money.acc}, на {r:#}~%. "
            "{name} {name:заказал|заказала} {n:coat.acc} по новой цене.",
        ),
        ("Сколько стоят все куртки вместе?", "Чему равна общая стоимость?"),
        (
            (
                "Обычная цена куртки~— {p:money}, но сейчас на неё скидка {r:#}~%.",
                "Сколько надо заплатить за {n:coat.acc}?",
            ),
        ),
        ("Скидка на одну куртку", "Новая цена куртки", "Общая стоимость"),
    ),
    "worded_comparison": Wording(
        (
            "У {name:gen} {a:thing}. У {second:gen} на {k:thing.acc} больше, чем у {name:gen}. "
            "У {third:gen} в {m:time} больше {thing:pl}, чем у {second:gen}.",
            "У {name:gen} {a:thing}, а у {second:gen} на {k:#} больше. "
            "Число {thing:pl} у {third:gen} в {m:time} больше, чем у {second:gen}.",
        ),
        ("Сколько {thing:pl} у них всего?", "Сколько {thing:pl} у всех троих вместе?"),
        (
            (
                "{third} {third:собрал|собрала} в {m:time} больше {thing:pl}, чем {second}, "
                "а {second}~— на {k:thing.acc} больше, чем {name}. {name} {name:собрал|собрала} {a:thing.acc}.",
                "Сколько {thing:pl} они собрали втроём?",
            ),
        ),
        ("{second}", "{third}", "Вместе"),
    ),
    "worded_reading": Wording(
        (
            "В книге {n:page}. {name} {name:читал|читала} {d:day} и каждый день "
            "{name:прочитывал|прочитывала} {a:page.acc}.",
            "{name} читает книгу, в которой {n:page}. Каждый день {name:он|она} прочитывает {a:page.acc}, "
            "и так {d:day} подряд.",
        ),
        ("Сколько страниц осталось?", "Сколько страниц {name:dat} ещё надо прочитать?"),
        (
            (
                "{second} {second:дал|дала} {name:dat} книгу, в которой {n:page}. {name} читает {a:page.acc} в день.",
                "Сколько страниц останется через {d:day}?",
            ),
        ),
        ("Прочитано страниц", "Осталось страниц"),
    ),
    "worded_eggs": Wording(
        (
            "Куры {name:gen} несут {e:egg} в день. Семья съедает {u:egg} в день. "
            "Остальные {name} продаёт на рынке, и каждое стоит {p:money.acc}.",
            "Каждый день {name} собирает {e:egg}, {u:egg} оставляет себе, а остальные продаёт. "
            "За одно яйцо {name:ему|ей} платят {p:money.acc}.",
        ),
        ("Сколько денег {name} получит за {d:day}?", "Сколько рублей заработает {name} за {d:day}?"),
        (
            (
                "Маленькая ферма получает от своих кур {e:egg} в день. На выпечку она тратит {u:egg} в день, "
                "а остальные отдаёт магазину, который платит {p:money.acc} за яйцо.",
                "Сколько денег заплатит магазин за {d:day}?",
            ),
        ),
        ("Продано яиц за день", "Выручка за день", "Выручка всего"),
    ),
}


def _noun(forms: str, gender: int, **cases: str) -> Noun:
    """A noun; the accusative is as the nominative unless given."""
    return Noun({"": forms, "acc": forms, **cases}, gender)


def _persons(declined: str, gender: int) -> tuple[Person, ...]:
    """From "Анна Анны Анне, ..."."""
    names = (cases.split() for cases in declined.split(", "))
    return tuple(Person(name, gender, {"gen": genitive, "dat": dative}) for name, genitive, dative in names)


LANGUAGE = Language(
    code="ru",
    pattern="{number} {noun}",
    price="{number}~₽",
    cents=0,
    spell=russian,
    nouns={
        "child": _noun("ребёнок|ребёнка|детей", 0, dat="ребёнку|детям|детям", ins="ребёнком|детьми|детьми"),
        "coat": _noun("куртка|куртки|курток", 1, acc="куртку|куртки|курток"),
        "cousin": _noun("двоюродный брат|двоюродных брата|двоюродных братьев", 0),
        "day": _noun("день|дня|дней", 0),
        "egg": _noun("яйцо|яйца|яиц", 2),
        "hour": _noun("час|часа|часов", 0),
        "minute": _noun("минута|минуты|минут", 1, acc="минуту|минуты|минут"),
        "money": _noun("рубль|рубля|рублей", 0),
        "page": _noun("страница|страницы|страниц", 1, acc="страницу|страницы|страниц"),
        "time": _noun("раз|раза|раз", 0),
        "tree": _noun("дерево|дерева|деревьев", 2),
        "year": _noun("год|года|лет", 0),
    },
    things=(
        _noun("карандаш|карандаша|карандашей", 0),
        _noun("мяч|мяча|мячей", 0),
        _noun("книга|книги|книг", 1, acc="книгу|книги|книг"),
        _noun("чашка|чашки|чашек", 1, acc="чашку|чашки|чашек"),
        _noun("тетрадь|тетради|тетрадей", 1),
        _noun("груша|груши|груш", 1, acc="грушу|груши|груш"),
        _noun("открытка|открытки|открыток", 1, acc="открытку|открытки|открыток"),
        _noun("яблоко|яблока|яблок", 2),
    ),
    persons=(
        *_persons("Иван Ивана Ивану, Пётр Петра Петру, Антон Антона Антону, Сергей Сергея Сергею", 0),
        *_persons("Олег Олега Олегу, Максим Максима Максиму", 0),
        *_persons("Анна Анны Анне, Вера Веры Вере, Ольга Ольги Ольге, Елена Елены Елене", 1),
        *_persons("Дарья Дарьи Дарье, Нина Нины Нине", 1),
    ),
    distractors={
        "shop": ("Магазин работает уже {z:year}.", "{second} ждёт снаружи {z:minute.acc}."),
        "school": ("Перед школой {z:tree}.", "Дорога до школы занимает у {second:gen} {z:minute.acc}."),
        "road": ("У дороги {z:tree}.", "Уже {z:day} светит солнце."),
        "home": ("У {second:gen} {z:cousin}.", "Перед домом {z:tree}."),
    },
    wordings=_WORDINGS,
)
