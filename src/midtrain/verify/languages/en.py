"""English. Genders: 0 masculine, 1 feminine (of persons)."""

from __future__ import annotations

from midtrain.verify.languages.grammar import Language, Noun, Person, Wording
from midtrain.verify.languages.spelling import english


def _nouns(text: str) -> tuple[Noun, ...]:
    return tuple(Noun({"": forms}) for forms in text.split())


def _persons(names: str, gender: int) -> tuple[Person, ...]:
    return tuple(Person(name, gender) for name in names.split())


_WORDINGS = {
    "worded_shopping": Wording(
        (
            "{name} buys {a:thing} and {b:other}. Each {thing} costs {p:money} and each {other} costs {q:money}.",
            "A shop sells {thing:pl} at {p:money} each and {other:pl} at {q:money} each. "
            "{name} takes {a:thing} and {b:other}.",
        ),
        ("How much does {name} pay in total?", "What does {name} have to pay for everything?"),
        (
            (
                "One {thing} costs {p:money}, and one {other} costs {q:money}. "
                "{name} needs {a:thing} and {b:other} for a party.",
                "How much money will {name} spend?",
            ),
        ),
        ("Cost of the {thing:pl}", "Cost of the {other:pl}", "Total"),
    ),
    "worded_change": Wording(
        (
            "{name} goes shopping with {m:money} and buys {a:thing} at {p:money} each.",
            "{name} has {m:money} and buys {a:thing}. Each {thing} costs {p:money}.",
        ),
        ("How much money does {name} have left?", "How much of this money is left over?"),
        (("One {thing} costs {p:money}. {name} takes {a:thing} and hands over {m:money}.", "What is the change?"),),
        ("Cost of the {thing:pl}", "Money left"),
    ),
    "worded_sharing": Wording(
        (
            "{name} has {n:thing}, gives {second} {e:thing} and shares the rest equally among {c:child}.",
            "There are {n:thing} in a box. {name} takes out {e:thing}. The rest is shared equally among {c:child}.",
        ),
        ("How many {thing:pl} does each child get?", "How many {thing:pl} are there for each child?"),
        (
            (
                "{name} and {second} collect {n:thing}. They keep {e:thing} for themselves "
                "and split all the others evenly between {c:child}.",
                "What is the number of {thing:pl} that one child receives?",
            ),
        ),
        ("{thing:pl} left to share", "{thing:pl} for each child"),
    ),
    "worded_ages": Wording(
        (
            "{name} is {a:year} old. {second} is {k:year} older than {name}.",
            "{second} is {k:year} older than {name}, who is {a:year} old now.",
        ),
        (
            "How old will {name} and {second} be together in {t:year}?",
            "What will be the sum of the ages of {name} and {second} in {t:year}?",
        ),
        (
            (
                "{name} has lived for {a:year}, and {second} is {k:year} older.",
                "Add up the ages that {name} and {second} will have {t:year} from now. What do you get?",
            ),
        ),
        ("{second} now", "{name} in {t:year}", "{second} in {t:year}", "Together"),
    ),
    "worded_travel": Wording(
        (
            "{name} drives for {t:hour} at {v:#} km/h and then for {u:hour} at {w:#} km/h.",
            "A train travels for {t:hour} at a speed of {v:#} km/h. After that it travels for {u:hour} at {w:#} km/h.",
        ),
        ("How many kilometres is that in total?", "How long is the whole journey in kilometres?"),
        (
            (
                "For the first {t:hour} of a trip a bus moves at {v:#} km/h, "
                "and for the remaining {u:hour} at {w:#} km/h.",
                "How far does the bus go altogether, in kilometres?",
            ),
        ),
        ("First part in km", "Second part in km", "Total in km"),
    ),
    "worded_wages": Wording(
        (
            "{name} earns {w:money} an hour and works {h:hour} a day for {d:day}. Then {name} spends {s:money}.",
            "For {d:day} {name} works {h:hour} a day and is paid {w:money} an hour. "
            "Afterwards {name} buys a present for {s:money}.",
        ),
        ("How much of the pay is left?", "How much of this money does {name} still have?"),
        (
            (
                "One hour of work brings {name} {w:money}. {name} works for {d:day}, {h:hour} each day, "
                "and gives {s:money} of the pay to {second}.",
                "How much does {name} keep?",
            ),
        ),
        ("Pay for one day", "Pay for all days", "Money left"),
    ),
    "worded_discount": Wording(
        (
            "A coat costs {p:money}. Today the price is reduced by {r:#}%. A school buys {n:coat}.",
            "A shop lowers the price of a coat from {p:money} by {r:#}%. {name} orders {n:coat} at the new price.",
        ),
        ("How much do the coats cost together?", "What is the total price?"),
        (
            (
                "There is a discount of {r:#}% on coats, which normally cost {p:money} each.",
                "How much must be paid for {n:coat} in the sale?",
            ),
        ),
        ("Discount on one coat", "New price of one coat", "Total price"),
    ),
    "worded_comparison": Wording(
        (
            "{name} has {a:thing}. {second} has {k:#} more {thing:pl} than {name}. "
            "{third} has {m:#} times as many {thing:pl} as {second}.",
            "{name} has {a:thing}, and {second} has {k:#} more than that. "
            "The number of {thing:pl} that {third} has is {m:#} times the number that {second} has.",
        ),
        ("How many {thing:pl} do the three of them have together?", "How many {thing:pl} are there in total?"),
        (
            (
                "{third} collects {m:#} times as many {thing:pl} as {second}, who collects {k:#} more than {name}. "
                "{name} collects {a:thing}.",
                "What is the total number of {thing:pl}?",
            ),
        ),
        ("{second}", "{third}", "Together"),
    ),
    "worded_reading": Wording(
        (
            "A book has {n:page}. {name} reads {a:page} a day for {d:day}.",
            "{name} is reading a book of {n:page}. For {d:day} {name} has read {a:page} every day.",
        ),
        ("How many pages are left?", "How many pages does {name} still have to read?"),
        (
            (
                "{second} lends {name} a book with {n:page}. {name} gets through {a:page} each day.",
                "How many pages remain after {d:day}?",
            ),
        ),
        ("Pages read", "Pages left"),
    ),
    "worded_eggs": Wording(
        (
            "The hens of {name} lay {e:egg} a day. The family eats {u:egg} every day. "
            "{name} sells the rest at the market for {p:money} per egg.",
            "Every day {name} collects {e:egg}, keeps {u:egg} for the kitchen and sells all the others. "
            "Each egg is sold for {p:money}.",
        ),
        ("How much money does {name} earn in {d:day}?", "How much does {name} take in over {d:day}?"),
        (
            (
                "A small farm gets {e:egg} from its hens each day. Of these, {u:egg} are used for baking, "
                "and the others go to a shop that pays {p:money} for each egg.",
                "How much money does the shop pay in {d:day}?",
            ),
        ),
        ("Eggs sold each day", "Money earned each day", "Money earned in total"),
    ),
}

LANGUAGE = Language(
    code="en",
    pattern="{number} {noun}",
    price="${number}",
    cents=2,
    spell=english,
    nouns={
        name: Noun({"": forms})
        for name, forms in {
            "child": "child|children",
            "coat": "coat|coats",
            "cousin": "cousin|cousins",
            "day": "day|days",
            "egg": "egg|eggs",
            "hour": "hour|hours",
            "minute": "minute|minutes",
            "money": "dollar|dollars",
            "page": "page|pages",
            "tree": "tree|trees",
            "year": "year|years",
        }.items()
    },
    things=_nouns(
        "apple|apples pencil|pencils book|books ball|balls cup|cups notebook|notebooks pear|pears card|cards"
    ),
    persons=(*_persons("Tom Peter James Oliver Henry Daniel", 0), *_persons("Anna Lucy Emma Grace Sarah Alice", 1)),
    distractors={
        "shop": ("The shop has been open for {z:year}.", "{second} waits outside for {z:minute}."),
        "school": ("There are {z:tree} in front of the school.", "{second} needs {z:minute} to get to school."),
        "road": ("Along the road stand {z:tree}.", "The sun has been shining for {z:day}."),
        "home": ("{second} has {z:cousin}.", "In front of the house stand {z:tree}."),
    },
    wordings=_WORDINGS,
)
