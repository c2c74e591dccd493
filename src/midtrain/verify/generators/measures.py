"""Dates, the time of day, units and money: the arithmetic of mixed radices, step by step.

A conversion is judged as a bare number: read with its unit, the question itself would be a right answer.
"""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

from midtrain.verify.generators.domain import Domain, decimal, measured
from midtrain.verify.generators.family import Posed

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_FIRST = date(1900, 1, 1).toordinal()


def _long(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _weekday_after(today: int, days: int) -> Posed:
    there = (today + days) % 7
    steps = (
        f"{days} = {days // 7} * 7 + {days % 7}",
        f"{days % 7} day{'s' * (days % 7 != 1)} after {_WEEKDAYS[today]} is {_WEEKDAYS[there]}",
    )
    fields = {"today": _WEEKDAYS[today], "days": days}
    return Posed(fields, _WEEKDAYS[there], steps, {"options": list(_WEEKDAYS)})


def _month_ends(start: date, end: date) -> list[tuple[str, int]]:
    """The days from `start` to `end`, cut at the ends of months: what each part is called, and its days."""
    parts, there = [], start
    while (there.year, there.month) != (end.year, end.month):
        following = date(there.year + there.month // 12, there.month % 12 + 1, 1)
        name = f"to the end of {_MONTHS[there.month - 1]}" if there == start else f"{_MONTHS[there.month - 1]}"
        last = following - timedelta(1)
        parts.append((name, (last - there).days + (there != start)))
        there = following
    return [*parts, (f"to {end.day} {_MONTHS[end.month - 1]}", (end - there).days + (there != start))]


def _running(parts: list[tuple[str, int]]) -> list[str]:
    """The lines that add up parts one by one."""
    lines, so_far = [f"{parts[0][0]}: {parts[0][1]}"], parts[0][1]
    for name, days in parts[1:]:
        lines.append(f"{name}: {so_far} + {days} = {so_far + days}")
        so_far += days
    return lines


def _days_between(start: int, days: int) -> Posed:
    first, last = date.fromordinal(_FIRST + start), date.fromordinal(_FIRST + start + days)
    return Posed({"first": _long(first), "last": _long(last)}, str(days), tuple(_running(_month_ends(first, last))))


def _date_after(start: int, days: int) -> Posed:
    """Whole months are taken off the days until what is left stays within a month."""
    first, last = date.fromordinal(_FIRST + start), date.fromordinal(_FIRST + start + days)
    steps, left, there = [], days, first
    while (there.year, there.month) != (last.year, last.month):
        following = date(there.year + there.month // 12, there.month % 12 + 1, 1)
        steps.append(
            f"to 1 {_MONTHS[following.month - 1]} {following.year}: {left} - {(following - there).days} = "
            f"{left - (following - there).days}"
        )
        left -= (following - there).days
        there = following
    steps.append(f"day {there.day} + {left} = {last.day}")
    return Posed({"first": _long(first), "days": days}, last.isoformat(), tuple(steps))


def _weekday_of(day: int) -> Posed:
    """From the day of the year and the leap years before it (Gauss)."""
    when = date.fromordinal(_FIRST + day)
    before = when.year - 1
    in_year = when.timetuple().tm_yday
    leaps = before // 4 - before // 100 + before // 400
    whole = before + leaps + in_year
    steps = (
        f"days of {when.year} up to it: {in_year}",
        f"leap years before {when.year}: {before // 4} - {before // 100} + {before // 400} = {leaps}",
        f"{before} + {leaps} + {in_year} = {whole}",
        f"{whole} = {whole // 7} * 7 + {whole % 7}, where 1 is Monday and 0 Sunday",
    )
    return Posed({"day": _long(when)}, _WEEKDAYS[when.weekday()], steps, {"options": list(_WEEKDAYS)})


def _clock(minutes: int) -> str:
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"


def _elapsed(start: int, length: int) -> Posed:
    end = start + length
    steps = [f"{start // 60} * 60 + {start % 60} = {start}", f"{end // 60 % 24} * 60 + {end % 60} = {end % 1440}"]
    if end >= 1440:
        steps.append(f"{end % 1440} + 1440 = {end}")
    steps.append(f"{end} - {start} = {length}")
    return measured({"start": _clock(start), "end": _clock(end)}, length, "min", steps)


def _time_after(start: int, length: int) -> Posed:
    end = start + length
    steps = [
        f"{start // 60} * 60 + {start % 60} = {start}",
        f"{length // 60} * 60 + {length % 60} = {length}",
        f"{start} + {length} = {end}",
        f"{end} = {end // 60} * 60 + {end % 60}",
    ]
    if end >= 1440:
        steps.append(f"{end // 60} - 24 = {end // 60 - 24}")
    fields = {"start": _clock(start), "hours": length // 60, "minutes": length % 60}
    return Posed(fields, _clock(end), tuple(steps))


def _seconds(hours: int, minutes: int, seconds: int) -> Posed:
    whole = 3600 * hours + 60 * minutes + seconds
    steps = (
        f"{hours} * 3600 = {3600 * hours}",
        f"{minutes} * 60 = {60 * minutes}",
        f"{3600 * hours} + {60 * minutes} + {seconds} = {whole}",
    )
    return Posed({"h": hours, "m": minutes, "s": seconds}, str(whole), steps)


_UNITS = {
    "km": ("m", 1000),
    "m": ("cm", 100),
    "cm": ("mm", 10),
    "kg": ("g", 1000),
    "t": ("kg", 1000),
    "L": ("mL", 1000),
    "h": ("min", 60),
    "min": ("s", 60),
    "m^2": ("cm^2", 10_000),
    "km^2": ("m^2", 1_000_000),
    "m^3": ("L", 1000),
    "ft": ("in", 12),
    "lb": ("oz", 16),
    "week": ("days", 7),
}
"""A unit, a smaller one, and how many of those it holds."""


def _to_smaller(unit: str, tenths: int) -> Posed:
    small, factor = _UNITS[unit]
    value = Fraction(tenths, 10)
    steps = (f"1 {unit} = {factor} {small}", f"{decimal(value)} * {factor} = {decimal(value * factor)}")
    return Posed({"a": f"{decimal(value)} {unit}", "unit": small}, decimal(value * factor), steps)


def _to_larger(unit: str, tenths: int) -> Posed:
    small, factor = _UNITS[unit]
    value = Fraction(tenths, 10)
    steps = (f"1 {unit} = {factor} {small}", f"{decimal(value * factor)} / {factor} = {decimal(value)}")
    return Posed({"a": f"{decimal(value * factor)} {small}", "unit": unit}, decimal(value), steps)


_PRICED = ("notebooks", "pencils", "sandwiches", "bottles", "tickets", "plants", "bulbs", "candles")


def _euros(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _change(count: int, cents: int, paid: int) -> Posed:
    cost = count * cents
    left = 100 * paid - cost
    steps = (
        f"{count} * {_euros(cents)} = {_euros(cost)}",
        f"{paid} - {_euros(cost)} = {_euros(left)}",
    )
    fields = {"n": count, "things": _PRICED[cents % len(_PRICED)], "price": _euros(cents), "paid": paid}
    return Posed(fields, _euros(left), steps)


_COINS = (200, 100, 50, 20, 10, 5, 2, 1)


def _coins(cents: int) -> Posed:
    """The fewest euro coins: always the largest that fits, which is optimal for these coins."""
    steps, left, number = [], cents, 0
    for coin in _COINS:
        if left >= coin:
            steps.append(f"{left} = {left // coin} * {coin} + {left % coin}")
            number += left // coin
            left %= coin
    counts = [line.split(" = ")[1].split(" *")[0] for line in steps]
    if len(counts) > 1:
        steps.append(f"{' + '.join(counts)} = {number}")
    return Posed({"a": cents}, str(number), tuple(steps))


def _unit_price(first: int, grams: int, second: int, other: int) -> Posed:
    """Which of two packs costs less per gram, compared crosswise."""
    left, right = first * other, second * grams
    sign = "<" if left < right else ">"
    steps = (f"A: {first} * {other} = {left}", f"B: {second} * {grams} = {right}", f"{left} {sign} {right}")
    fields = {"a": first, "g": grams, "b": second, "k": other}
    return Posed(fields, "A" if left < right else "B", steps, {"options": ["A", "B"]})


_SIMPLE, _MIDDLE, _HARD = ("km", "m", "cm", "kg", "h"), ("t", "L", "min", "m^3", "ft", "week"), ("m^2", "km^2", "lb")
_CONVERTED = Domain(
    (_SIMPLE, range(2, 1000)),
    (_MIDDLE, range(2, 5000)),
    (_HARD, range(2, 20_000)),
    keep=lambda unit, tenths: unit != "week" or tenths % 10 == 0,
)
_DATES = range(73_000)  # 1900 to 2099

FAMILIES = (
    Domain((range(7), range(8, 100)), (range(7), range(100, 1000)), (range(7), range(1000, 100_000))).family(
        "weekday_after",
        "the day of the week after some days",
        _weekday_after,
        (
            "Today is {today}. What day of the week is it in {days} days?",
            "It is {today}. Which day of the week comes {days} days later?",
            "{days} days after a {today}, what day of the week is it?",
        ),
        ("A festival lasts {days} days from now, a {today}, to its end. On which day of the week does that fall?",),
        verifier="choice",
    ),
    Domain((_DATES, range(2, 32)), (_DATES, range(32, 100)), (_DATES, range(100, 400))).family(
        "days_between",
        "the days between two dates",
        _days_between,
        (
            "How many days are there from {first} to {last}?",
            "How many days after {first} is {last}?",
            "Count the days from {first} to {last}, without the first day.",
        ),
        ("A clock was wound on {first} and stopped on {last}. How many days later was that?",),
    ),
    Domain((_DATES, range(2, 32)), (_DATES, range(32, 100)), (_DATES, range(100, 400))).family(
        "date_after",
        "the date after some days",
        _date_after,
        (
            "Which date is {days} days after {first}? Write it as YYYY-MM-DD.",
            "What is the date (YYYY-MM-DD) {days} days after {first}?",
            "Add {days} days to {first} and give the date as YYYY-MM-DD.",
        ),
        ("Something bought on {first} is guaranteed for {days} days. On what date does this end, as YYYY-MM-DD?",),
        verifier="exact",
    ),
    Domain((range(36_524, 40_177),), (range(25_567, 36_524),), (range(25_567),)).family(
        "weekday_of_date",
        "the day of the week of a date (held out whole)",
        _weekday_of,
        ("On which day of the week was or will be {day}?", "What day of the week is {day}?"),
        ("Someone was born on {day}. Which day of the week is that?",),
        verifier="choice",
        train=False,
    ),
    Domain((range(1440), range(5, 60)), (range(1440), range(60, 300)), (range(1440), range(300, 1440))).family(
        "elapsed_time",
        "the minutes between two times of day",
        _elapsed,
        (
            "How many minutes is it from {start} to {end}?",
            "A train leaves at {start} and arrives at {end}, less than a day later. How many minutes does it take?",
            "Work begins at {start} and ends at {end}. How many minutes is that?",
        ),
        ("The lamp is on from {start} until {end} comes next. For how many minutes?",),
    ),
    Domain((range(1440), range(5, 60)), (range(1440), range(60, 300)), (range(1440), range(300, 1440))).family(
        "time_after",
        "the time of day after hours and minutes",
        _time_after,
        (
            "It is {start}. What time is it {hours} h {minutes} min later (HH:MM, 24 hours)?",
            "A film of {hours} h {minutes} min begins at {start}. When does it end, as HH:MM on a 24-hour clock?",
            "Add {hours} h {minutes} min to {start} and write the time as HH:MM (24-hour clock).",
        ),
        ("Bread put in at {start} bakes {hours} h {minutes} min. What does the 24-hour clock (HH:MM) say then?",),
        verifier="exact",
    ),
    Domain(
        (range(1, 6), range(1, 60), (0,)),
        (range(1, 6), range(1, 60), range(1, 60)),
        (range(6, 100), range(1, 60), range(1, 60)),
    ).family(
        "to_seconds",
        "hours, minutes and seconds in seconds",
        _seconds,
        (
            "How many seconds are {h} hour(s), {m} minute(s) and {s} second(s)?",
            "Convert {h} h {m} min {s} s to seconds.",
            "What is {h} hour(s) {m} minute(s) {s} second(s) in seconds?",
        ),
        ("A record stands at {h} h {m} min {s} s. What is it in seconds alone?",),
    ),
    _CONVERTED.family(
        "to_smaller_unit",
        "a quantity in a smaller unit",
        _to_smaller,
        ("How many {unit} are {a}?", "Convert {a} to {unit}.", "What is {a} in {unit}?"),
        ("Express {a} with the unit {unit}.",),
    ),
    _CONVERTED.family(
        "to_larger_unit",
        "a quantity in a larger unit",
        _to_larger,
        ("How many {unit} are {a}?", "Convert {a} to {unit}.", "What is {a} in {unit}?"),
        ("Express {a} with the unit {unit}.",),
    ),
    Domain(
        (range(2, 6), range(20, 400, 10), (5, 10, 20)),
        (range(6, 12), range(25, 999, 5), (10, 20, 50, 100)),
        (range(12, 60), range(19, 999), (100, 200, 500)),
        keep=lambda n, cents, paid: n * cents < 100 * paid,
    ).family(
        "change_in_cents",
        "the change after buying several of one thing, to the cent",
        _change,
        (
            "{n} {things} at {price} euros each are paid with {paid} euros. How much is the change, in euros?",
            "Someone buys {n} {things} for {price} each and gives {paid}. How much comes back?",
            "What is the change from {paid} dollars for {n} {things} at {price} dollars apiece?",
        ),
        ("Of {paid} crowns, {n} {things} at {price} crowns are bought. What remains in the purse?",),
    ),
    Domain((range(3, 1000),), (range(1000, 5000),), (range(5000, 50_000),)).family(
        "fewest_coins",
        "the least number of coins for an amount (held out whole)",
        _coins,
        (
            "What is the least number of coins (1, 2, 5, 10, 20, 50, 100, 200 cents) that make {a} cents?",
            "Pay {a} cents with as few coins of 1, 2, 5, 10, 20, 50, 100 and 200 cents as you can. How many is that?",
        ),
        ("A machine gives {a} cents in coins of 200, 100, 50, 20, 10, 5, 2 and 1, as few as possible. Count them.",),
        train=False,
    ),
    Domain(
        (range(2, 20), range(100, 1000, 100)) * 2,
        (range(2, 40), range(110, 1000, 20)) * 2,
        (range(40, 900), range(101, 3000)) * 2,
        keep=lambda a, g, b, k: a * k != b * g and g != k,
    ).family(
        "cheaper_pack",
        "which of two packs costs less for its weight",
        _unit_price,
        (
            "Pack A costs {a} euros for {g} g, pack B {b} euros for {k} g. Which is cheaper by weight, A or B?",
            "A: {g} g for {a} dollars. B: {k} g for {b} dollars. Which gives more for the money, A or B?",
            "Is A ({a} for {g} g) or B ({b} for {k} g) the better price per gram?",
        ),
        ("One jar, A, holds {g} g and costs {a}; another, B, holds {k} g and costs {b}. Which costs less a gram?",),
        verifier="choice",
    ),
)
