"""Economics that reduces to formulas: interest, margins, break-even, markets, elasticity, taxes, exchange."""

from __future__ import annotations

from fractions import Fraction

from midtrain.verify.generators.domain import Domain, decimal, measured, term
from midtrain.verify.generators.family import Posed


def _simple_interest(principal: int, rate: int, years: int) -> Posed:
    """I = P r t"""
    yearly = Fraction(principal * rate, 100)
    steps = (
        f"{principal} * {rate} / 100 = {decimal(yearly)}",
        f"{decimal(yearly)} * {years} = {decimal(yearly * years)}",
    )
    return Posed({"p": principal, "r": rate, "t": years}, decimal(yearly * years), steps)


def _compound_interest(principal: int, rate: int, years: int) -> Posed:
    """A = P (1 + r)^t, year by year"""
    value, steps = Fraction(principal), []
    for year in range(1, years + 1):
        interest = value * rate / 100
        steps.append(f"year {year}: {decimal(value)} * {rate} / 100 = {decimal(interest)}")
        steps.append(f"{decimal(value)} + {decimal(interest)} = {decimal(value + interest)}")
        value += interest
    return Posed({"p": principal, "r": rate, "t": years}, decimal(value), tuple(steps))


def _margin(cost: int, percent: int) -> Posed:
    """The profit as a percentage of the price; cost and price are made so that it is whole."""
    price, cost = cost * 100, cost * (100 - percent)
    steps = (
        f"{price} - {cost} = {price - cost}",
        f"{price - cost} / {price} = {decimal(Fraction(percent, 100))}",
        f"{decimal(Fraction(percent, 100))} * 100 = {percent}",
    )
    return measured({"cost": cost, "price": price}, percent, "%", steps)


def _markup(cost: int, percent: int) -> Posed:
    added = Fraction(cost * percent, 100)
    steps = (
        f"{cost} * {percent} / 100 = {decimal(added)}",
        f"{cost} + {decimal(added)} = {decimal(cost + added)}",
    )
    return Posed({"cost": cost, "r": percent}, decimal(cost + added), steps)


def _break_even(fixed: int, cost: int, gain: int) -> Posed:
    """The first number of pieces whose contribution covers the fixed costs."""
    price, pieces = cost + gain, -(-fixed // gain)
    steps = [f"{price} - {cost} = {gain}"]
    if fixed % gain:
        steps += [f"{fixed} = {fixed // gain} * {gain} + {fixed % gain}", f"{fixed // gain} + 1 = {pieces}"]
    else:
        steps += [f"{fixed} / {gain} = {pieces}"]
    return Posed({"fixed": fixed, "cost": cost, "price": price}, str(pieces), tuple(steps))


def _equilibrium(slope: int, rise: int, price: int, start: int) -> Posed:
    """Demand a - slope p meets supply start + rise p at the whole price `price`."""
    quantity = start + rise * price
    top = quantity + slope * price
    steps = (
        f"{top} - {slope}p = {start} + {rise}p",
        f"{slope} + {rise} = {slope + rise}",
        f"{top} - {term(start)} = {top - start}",
        f"p = {top - start} / {slope + rise} = {price}",
        f"{top} - {slope} * {price} = {quantity}",
    )
    fields = {"demand": f"{top} - {slope}p", "supply": f"{start} + {rise}p"}
    return Posed(fields, str(quantity), steps)


def _elasticity(top: int, slope: int, price: int) -> Posed:
    """dQ/dP * P/Q for Q = top - slope P"""
    quantity = top - slope * price
    result = Fraction(-slope * price, quantity)
    steps = (
        f"{top} - {slope} * {price} = {quantity}",
        f"{-slope} * {price} / {quantity} = {result}",
    )
    return Posed({"top": top, "slope": slope, "price": price}, str(result), steps)


def _arc_elasticity(before: int, after: int, low: int, high: int) -> Posed:
    """The midpoint formula: relative change of quantity over relative change of price."""
    quantity = Fraction(after - before, before + after)
    price = Fraction(high - low, low + high)
    steps = (
        f"({after} - {before}) / ({after} + {before}) = {quantity}",
        f"({high} - {low}) / ({high} + {low}) = {price}",
        f"({quantity}) / ({price}) = {quantity / price}",
    )
    fields = {"before": before, "after": after, "low": low, "high": high}
    return Posed(fields, str(quantity / price), steps)


def _income_tax(free: int, first: int, low: int, high: int, income: int) -> Posed:
    """Nothing up to `free`, `low` percent on the next `first`, `high` percent on the rest; all in hundreds."""
    bound = free + first
    lower = min(income, bound) - free
    steps = [f"{100 * min(income, bound)} - {100 * free} = {100 * lower}"]
    steps.append(f"{100 * lower} * {low} / 100 = {lower * low}")
    tax = lower * low
    if income > bound:
        upper = income - bound
        steps.append(f"{100 * income} - {100 * bound} = {100 * upper}")
        steps.append(f"{100 * upper} * {high} / 100 = {upper * high}")
        steps.append(f"{tax} + {upper * high} = {tax + upper * high}")
        tax += upper * high
    fields = {"free": 100 * free, "bound": 100 * bound, "low": low, "high": high, "income": 100 * income}
    return Posed(fields, str(tax), tuple(steps))


def _exchange(amount: int, rate: int, fee: int) -> Posed:
    """Money changed at a rate in hundredths, after a fee."""
    left = amount - fee
    got = Fraction(left * rate, 100)
    steps = (f"{amount} - {fee} = {left}", f"{left} * {decimal(Fraction(rate, 100))} = {decimal(got)}")
    return Posed({"a": amount, "rate": decimal(Fraction(rate, 100)), "fee": fee}, decimal(got), steps)


def _present_value(payment: int, doublings: int, years: int) -> Posed:
    """A payment in the future, discounted at 25 % or 100 % a year, so that the result terminates."""
    factor = Fraction(5, 4) if doublings == 25 else Fraction(2)
    value, steps = Fraction(payment), []
    for _ in range(years):
        steps.append(f"{decimal(value)} / {decimal(factor)} = {decimal(value / factor)}")
        value /= factor
    return Posed({"a": payment, "r": doublings, "t": years}, decimal(value), tuple(steps))


def _real_growth(share: int, first: int, second: int) -> Posed:
    """A price index: the weighted mean of two price relatives, with the base at 100."""
    left, right = Fraction(share * (100 + first), 100), Fraction((100 - share) * (100 + second), 100)
    steps = (
        f"{share} * {100 + first} / 100 = {decimal(left)}",
        f"100 - {share} = {100 - share}",
        f"{100 - share} * {100 + second} / 100 = {decimal(right)}",
        f"{decimal(left)} + {decimal(right)} = {decimal(left + right)}",
    )
    return Posed({"share": share, "a": first, "b": second}, decimal(left + right), steps)


def _opportunity(a: int, b: int, c: int, d: int) -> Posed:
    """Who gives up less cloth for a unit of wine: a and c units of cloth or b and d of wine a day."""
    first, second = Fraction(a, b), Fraction(c, d)
    sign = "<" if first < second else ">"
    steps = (
        f"A gives up {a} / {b} = {first} cloth for one wine",
        f"B gives up {c} / {d} = {second} cloth for one wine",
        f"{first} {sign} {second}",
    )
    fields = {"a": a, "b": b, "c": c, "d": d}
    return Posed(fields, "A" if first < second else "B", steps, {"options": ["A", "B"]})


FAMILIES = (
    Domain(
        (range(100, 1001, 50), range(1, 11), range(1, 6)),
        (range(1050, 9001, 50), range(1, 16), range(2, 13)),
        (range(9010, 90_001, 10), range(1, 20), range(5, 31)),
    ).family(
        "simple_interest",
        "the simple interest over some years",
        _simple_interest,
        (
            "How much simple interest do {p} euros bear at {r}% a year in {t} year(s)?",
            "{p} dollars are lent at {r}% simple interest a year for {t} year(s). How many dollars does that earn?",
            "Find the simple interest on {p} at {r}% per year over {t} year(s).",
        ),
        ("Without interest on interest, what do {p} crowns at {r} percent a year earn in {t} year(s), in crowns?",),
    ),
    Domain(
        (range(100, 2001, 10), (5, 10, 20, 50), (2,)),
        (range(2100, 20_001, 100), range(1, 21), (2, 3)),
        (range(1000, 90_001, 1000), range(1, 26), (4,)),
    ).family(
        "compound_interest",
        "what an amount grows to with compound interest, exactly",
        _compound_interest,
        (
            "{p} euros earn {r}% a year, compounded yearly. How many euros are there after {t} year(s), unrounded?",
            "What do {p} dollars grow to in {t} year(s) at {r}% compound interest? Do not round.",
            "Find the exact value of {p} after {t} year(s) of {r}% growth a year.",
        ),
        ("Each year {r} percent is added to the amount. What has become of {p} crowns after {t} year(s), unrounded?",),
    ),
    Domain((range(1, 60), range(5, 61, 5)), (range(60, 200), range(1, 100, 3)), (range(200, 900), range(1, 99))).family(
        "profit_margin",
        "the profit as a percentage of the price",
        _margin,
        (
            "Something costs {cost} to make and sells for {price}. What percentage of the price is profit?",
            "Costs are {cost}, the price is {price}. What is the profit margin in percent of the price?",
            "A shop buys at {cost} and sells at {price}. Find its margin in percent of the selling price.",
        ),
        ("Of a price of {price}, {cost} covers the cost. How many percent of the price are left as gain?",),
    ),
    Domain(
        (range(10, 200), (10, 20, 25, 50, 100)),
        (range(200, 2000), range(5, 96, 5)),
        (range(2000, 90_000), range(1, 200)),
    ).family(
        "markup",
        "a price from the cost and the markup",
        _markup,
        (
            "A shop buys a thing for {cost} and adds {r}%. What is its price?",
            "The cost is {cost} and the markup {r}% of the cost. Find the price.",
            "What is the selling price at a cost of {cost} and a markup of {r}%?",
        ),
        ("Sold at {r} percent above its cost of {cost}, what does an article bring?",),
    ),
    Domain(
        (range(20, 400, 10), range(1, 10), range(2, 10)),
        (range(500, 5000, 50), range(3, 40), range(3, 40)),
        (range(5000, 99_000, 100), range(11, 200), range(11, 200)),
    ).family(
        "break_even",
        "how many pieces must be sold to cover all costs",
        _break_even,
        (
            "Fixed costs are {fixed}; a piece costs {cost} to make and sells for {price}. "
            "How many pieces must be sold to make no loss?",
            "A stall pays {fixed} rent. Each cake costs {cost} and brings {price}. "
            "What is the smallest number of cakes that covers all costs?",
            "Find the least number of units without a loss: fixed costs {fixed}, unit cost {cost}, price {price}.",
        ),
        ("Selling at {price} what costs {cost}, after paying {fixed} once: from how many sales on is nothing lost?",),
    ),
    Domain(
        (range(1, 6), range(1, 6), range(2, 13), range(10)),
        (range(2, 16), range(1, 16), range(13, 40), range(2, 60)),
        (range(5, 40), range(2, 40), range(41, 300), range(20, 300)),
    ).family(
        "market_equilibrium",
        "the quantity at which demand meets supply",
        _equilibrium,
        (
            "Demand is Q = {demand} and supply is Q = {supply}. What is the equilibrium quantity?",
            "At the price p buyers want {demand} units and sellers offer {supply}. How many are traded in balance?",
            "Demand: {demand}. Supply: {supply}. Find the quantity at which they are equal.",
        ),
        ("People buy {demand} loaves at the price p, bakers bake {supply}. How many loaves are sold when both agree?",),
    ),
    Domain(
        (range(20, 60), range(1, 5), range(2, 10)),
        (range(60, 400), range(2, 12), range(5, 30)),
        (range(400, 5000), range(3, 40), range(10, 120)),
        keep=lambda top, slope, price: top > slope * price,
    ).family(
        "price_elasticity",
        "the price elasticity of demand at a point",
        _elasticity,
        (
            "Demand is Q = {top} - {slope}P. What is the price elasticity (dQ/dP * P/Q) at P = {price}? "
            "Give a reduced fraction with its sign.",
            "For Q = {top} - {slope}P find the point elasticity at P = {price}, as a reduced signed fraction.",
            "Q = {top} - {slope}P. Compute dQ/dP * P/Q at P = {price} as a reduced fraction with its sign.",
        ),
        (
            "At the price {price}, by what multiple of a relative price change does Q = {top} - {slope}P change? "
            "Give the signed elasticity as a reduced fraction.",
        ),
    ),
    Domain(
        (range(20, 60, 2), range(10, 40, 2), range(2, 8), range(8, 14)),
        (range(60, 300, 5), range(20, 200, 5), range(5, 40), range(10, 60)),
        (range(300, 2000, 10), range(100, 1500, 10), range(20, 200), range(50, 300)),
        keep=lambda before, after, low, high: before > after and high > low,
    ).family(
        "arc_elasticity",
        "the price elasticity between two points by midpoints (held out whole)",
        _arc_elasticity,
        (
            "When the price rises from {low} to {high}, sales fall from {before} to {after}. "
            "What is the midpoint price elasticity, as a reduced signed fraction?",
            "Price {low} to {high}, quantity {before} to {after}: find the arc elasticity by the midpoint formula "
            "as a reduced signed fraction.",
        ),
        (
            "Sales of {before} at the price {low} become {after} at {high}. "
            "Relate the changes to the midpoints and give the elasticity as a signed fraction in lowest terms.",
        ),
        train=False,
    ),
    Domain(
        (range(50, 101, 10), range(50, 201, 10), (10, 20), (30, 40), range(60, 300, 10)),
        (range(60, 150), range(100, 301, 10), range(5, 21), range(22, 40), range(151, 500)),
        (range(150, 300), range(100, 500), range(5, 21), range(22, 50), range(501, 3000)),
        keep=lambda free, first, low, high, income: income > free,
    ).family(
        "income_tax",
        "a tax that rises by brackets",
        _income_tax,
        (
            "Income up to {free} is free of tax, from there to {bound} it is taxed at {low}%, and above at {high}%. "
            "How much tax is due on {income}?",
            "A tax takes nothing of the first {free}, {low}% of what lies between {free} and {bound}, "
            "and {high}% of the rest. What is the tax on {income}?",
            "Brackets: 0% to {free}, {low}% to {bound}, {high}% beyond. Find the tax on an income of {income}.",
        ),
        (
            "Someone earns {income}. {low} percent are due on the part between {free} and {bound}, "
            "{high} percent on any part above. How much goes to the state?",
        ),
    ),
    Domain(
        (range(20, 400, 10), range(105, 200, 5), range(1, 6)),
        (range(400, 4000, 10), range(101, 400), range(2, 20)),
        (range(4000, 90_000, 25), range(401, 9999), range(5, 99)),
    ).family(
        "exchange",
        "money changed at a rate, after a fee",
        _exchange,
        (
            "One euro is {rate} francs. Of {a} euros a fee of {fee} euro(s) is kept and the rest is changed. "
            "How many francs is that?",
            "A bank keeps {fee} of {a} pounds and changes the rest at {rate} dollars a pound. How many dollars?",
            "Change {a} at a rate of {rate} after a fee of {fee} has been taken off. What is paid out?",
        ),
        ("At {rate} crowns for a mark, what are {a} marks less {fee} mark(s) of commission, in crowns?",),
    ),
    Domain(
        (range(100, 4000, 4), (25, 100), (1, 2)),
        (range(4000, 20_000, 8), (25, 100), (3, 4)),
        (range(20_000, 90_000, 16), (25, 100), (5, 6)),
    ).family(
        "present_value",
        "what a later payment is worth today, exactly",
        _present_value,
        (
            "What is the present value of {a}, due in {t} year(s), at {r}% a year? Do not round.",
            "{a} will be paid in {t} year(s). Discounted at {r}% a year, what is it worth now, exactly?",
            "Discount {a} by {r}% a year over {t} year(s) and give the exact result.",
        ),
        ("How much, growing by {r} percent a year, becomes {a} in {t} year(s)? Give every digit.",),
    ),
    Domain(
        (range(10, 100, 10), range(0, 51, 5), range(0, 51, 5)),
        (range(5, 100, 5), range(51, 100), range(1, 100)),
        (range(1, 100), range(100, 250), range(1, 250)),
        keep=lambda share, a, b: a != b,
    ).family(
        "price_index",
        "a price index from weights and price changes",
        _real_growth,
        (
            "Food is {share}% of all spending and becomes {a}% dearer, everything else {b}%. "
            "What is the price index if it was 100 before?",
            "A basket has the weight {share}% on rent (up {a}%) and the rest on goods (up {b}%). "
            "The index was 100; what is it now?",
            "From a base of 100, with weight {share}% on a rise of {a}% and the rest on one of {b}%, find the index.",
        ),
        ("{share} percent of a budget of 100 rise by {a} percent, the remainder by {b}. What does it become?",),
    ),
    Domain(
        (range(2, 10),) * 4,
        (range(10, 60), range(2, 60)) * 2,
        (range(60, 900), range(5, 900)) * 2,
        lambda a, b, c, d: a * d != b * c,
    ).family(
        "comparative_advantage",
        "who gives up less of one good for another (held out whole)",
        _opportunity,
        (
            "In a day country A makes {a} cloth or {b} wine, country B {c} cloth or {d} wine. "
            "Which has the comparative advantage in wine, A or B?",
            "A can produce {a} cloth or {b} wine a day, B {c} cloth or {d} wine. "
            "Who gives up less cloth for one wine, A or B?",
        ),
        (
            "With the same work A gets {a} cloth or {b} wine and B {c} cloth or {d} wine. "
            "If each should do what it gives up least for, who makes the wine, A or B?",
        ),
        verifier="choice",
        train=False,
    ),
)
