"""Probabilities and expectations as reduced fractions: count what is possible and what is wanted."""

from __future__ import annotations

import math
from fractions import Fraction

from midtrain.verify.generators.domain import Domain, total
from midtrain.verify.generators.family import Posed

_FRACTION = " Give a fraction in lowest terms."


def _chance(wanted: int, possible: int) -> str:
    """The line that divides the wanted by the possible."""
    return f"P = {wanted} / {possible} = {Fraction(wanted, possible)}"


def _dice_sum(first: int, second: int, target: int) -> Posed:
    low, high = max(1, target - second), min(first, target - 1)
    wanted = high - low + 1
    steps = [
        f"{first} * {second} = {first * second}",
        f"first die from {low} to {high}: {high} - {low} + 1 = {wanted}",
        _chance(wanted, first * second),
    ]
    return Posed({"a": first, "b": second, "t": target}, str(Fraction(wanted, first * second)), tuple(steps))


def _urn(red: int, blue: int, k: int) -> Posed:
    """All of k balls drawn without putting back are red."""
    n, result, steps = red + blue, Fraction(1), [f"{red} + {blue} = {red + blue}"]
    for drawn in range(k):
        factor = Fraction(red - drawn, n - drawn)
        written = f"{red - drawn}/{n - drawn}"
        steps.append(f"draw {drawn + 1}: {result} * {written} = {result * factor}")
        result *= factor
    return Posed({"red": red, "blue": blue, "k": k}, str(result), tuple(steps))


def _one_of_each(red: int, blue: int) -> Posed:
    n = red + blue
    pairs = n * (n - 1) // 2
    steps = (
        f"{red} + {blue} = {n}",
        f"{n} * {n - 1} / 2 = {pairs}",
        f"{red} * {blue} = {red * blue}",
        _chance(red * blue, pairs),
    )
    return Posed({"red": red, "blue": blue}, str(Fraction(red * blue, pairs)), steps)


def _conditional(a: int, b: int, c: int, d: int) -> Posed:
    """Of those with the mark (a of one group, c of the other), how many are of the first group."""
    steps = (f"{a} + {c} = {a + c}", _chance(a, a + c))
    return Posed({"a": a, "b": a + b, "c": c, "d": c + d}, str(Fraction(a, a + c)), steps)


def _bayes(share: int, hit: int, miss: int) -> Posed:
    """P(ill | positive) with all rates in percent, counted in 10,000 people."""
    ill, well = share * hit, (100 - share) * miss
    steps = (
        f"of 10000 people {100 * share} are ill",
        f"{100 * share} * {hit} / 100 = {ill}",
        f"10000 - {100 * share} = {100 * (100 - share)}",
        f"{100 * (100 - share)} * {miss} / 100 = {well}",
        f"{ill} + {well} = {ill + well}",
        _chance(ill, ill + well),
    )
    return Posed({"share": share, "hit": hit, "miss": miss}, str(Fraction(ill, ill + well)), steps)


def _at_least_once(sides: int, throws: int, wanted: int) -> Posed:
    """At least one of `wanted` faces in some throws, by the complement."""
    miss = Fraction(sides - wanted, sides)
    none = miss**throws
    steps = [f"{sides} - {wanted} = {sides - wanted}"]
    steps.append(f"{sides - wanted} / {sides} = {miss}")
    steps += [f"({miss})^{throws} = {none}", f"1 - {none} = {1 - none}"]
    return Posed({"n": sides, "throws": throws, "k": wanted}, str(1 - none), tuple(steps))


def _expected_win(sides: int, wanted: int, prize: int, stake: int) -> Posed:
    mean = Fraction(wanted * prize, sides)
    steps = (
        f"{wanted}/{sides} * {prize} = {mean}",
        f"{mean} - {stake} = {mean - stake}",
    )
    fields = {"n": sides, "k": wanted, "prize": prize, "stake": stake}
    return Posed(fields, str(mean - stake), steps)


def _expected_value(*weights: int) -> Posed:
    """The mean of a spinner whose sectors 1, 2, ... have these sizes."""
    whole, weighted = sum(weights), sum(i * weight for i, weight in enumerate(weights, 1))
    products = [i * weight for i, weight in enumerate(weights, 1)]
    steps = (
        f"{total(weights)} = {whole}",
        *(f"{i} * {weight} = {i * weight}" for i, weight in enumerate(weights, 1)),
        f"{total(products)} = {weighted}",
        f"{weighted} / {whole} = {Fraction(weighted, whole)}",
    )
    sectors = ", ".join(f"{weight} with the number {i}" for i, weight in enumerate(weights, 1))
    return Posed({"sectors": sectors}, str(Fraction(weighted, whole)), steps)


def _independent(a: int, b: int, c: int, d: int) -> Posed:
    """Exactly one of two independent events of chances a/b and c/d."""
    p, q = Fraction(a, b), Fraction(c, d)
    one, other = p * (1 - q), (1 - p) * q
    steps = (
        f"1 - {q} = {1 - q}",
        f"{p} * {1 - q} = {one}",
        f"1 - {p} = {1 - p}",
        f"{1 - p} * {q} = {other}",
        f"{one} + {other} = {one + other}",
    )
    return Posed({"p": f"{a}/{b}", "q": f"{c}/{d}"}, str(one + other), steps)


def _successes(n: int, k: int, sides: int) -> Posed:
    """Exactly k hits in n trials of chance 1/sides."""
    ways, misses, possible = math.comb(n, k), (sides - 1) ** (n - k), sides**n
    steps = (
        f"{n} choose {k} is {ways}",
        f"{sides - 1}^{n - k} = {misses}",
        f"{ways} * {misses} = {ways * misses}",
        f"{sides}^{n} = {possible}",
        _chance(ways * misses, possible),
    )
    return Posed({"n": n, "k": k, "sides": sides}, str(Fraction(ways * misses, possible)), steps)


def _ask(*questions: str) -> tuple[str, ...]:
    return tuple(question + _FRACTION for question in questions)


_UNEVEN = [rate for rate in range(71, 100) if rate % 5]
_BALLS = (
    (range(2, 20), range(1, 20)),
    (range(20, 60), range(2, 60)),
    (range(60, 300), range(10, 300)),
)

FAMILIES = (
    Domain(
        (range(4, 13), range(4, 13), range(3, 24)),
        (range(13, 25), range(4, 25), range(5, 48)),
        (range(25, 101), range(20, 101), range(25, 200)),
        keep=lambda a, b, t: 2 <= t < a + b,
    ).family(
        "dice_sum",
        "the chance that two dice show a given sum",
        _dice_sum,
        _ask(
            "A fair die with {a} sides and one with {b} sides are thrown. What is the probability of the sum {t}?",
            "Two fair dice have {a} and {b} sides, numbered from 1. How likely is it that they add up to {t}?",
            "Throw a die with faces 1 to {a} and one with faces 1 to {b}. What is the chance that the sum is {t}?",
        ),
        _ask("Numbers are drawn fairly, one from 1 to {a} and one from 1 to {b}. How probable is the total {t}?"),
    ),
    Domain(
        (range(2, 30), range(1, 30), (2,)),
        (range(4, 30), range(3, 30), (3,)),
        (range(6, 30), range(3, 30), (4, 5)),
    ).family(
        "urn_draws",
        "the chance that all balls drawn are red, without putting back",
        _urn,
        _ask(
            "An urn holds {red} red and {blue} blue balls. {k} are drawn without putting back. "
            "What is the probability that all are red?",
            "{k} balls are taken at once from {red} red and {blue} blue ones. How likely is it that all are red?",
            "From a bag with {red} red and {blue} blue balls, {k} are drawn, none put back. "
            "What is the chance of red only?",
        ),
        _ask("Someone blindly picks {k} of {red} red and {blue} blue marbles. How probable is it to see no blue one?"),
    ),
    Domain(*_BALLS).family(
        "one_of_each",
        "the chance of two different colours in two draws (held out whole)",
        _one_of_each,
        _ask(
            "An urn holds {red} red and {blue} blue balls. Two are drawn together. "
            "What is the probability that they differ in colour?",
            "Two balls are taken at once from {red} red and {blue} blue ones. How likely is one of each colour?",
        ),
        _ask("Blindly take a pair from {red} red and {blue} blue socks. How probable is a pair of two colours?"),
        train=False,
    ),
    Domain((range(1, 20),) * 4, (range(10, 99), range(20, 99)) * 2, (range(100, 900), range(1, 900)) * 2).family(
        "conditional_table",
        "a conditional probability from counts in two groups",
        _conditional,
        _ask(
            "{a} of {b} women and {c} of {d} men in a club sing. A singer is drawn by lot. "
            "What is the probability that it is a woman?",
            "In a firm {a} of {b} engineers and {c} of {d} clerks cycle to work. One cyclist is chosen at random. "
            "How likely is it an engineer?",
            "{a} of {b} tulips and {c} of {d} roses are white. A white flower is picked at random. "
            "What is the chance that it is a tulip?",
        ),
        _ask("{a} of {b} old and {c} of {d} new lamps are broken. A broken lamp is found. How probable is an old one?"),
    ),
    Domain(
        (range(5, 55, 5), range(60, 100, 5), range(5, 45, 5)),
        (range(1, 50), _UNEVEN, range(1, 30)),
        (range(1, 50), _UNEVEN, range(30, 60)),
    ).family(
        "test_result",
        "how likely someone with a positive test is ill (Bayes' rule)",
        _bayes,
        _ask(
            "{share}% of people are ill. A test is positive for {hit}% of the ill and for {miss}% of the healthy. "
            "Someone tests positive. What is the probability that this person is ill?",
            "A test detects {hit}% of the ill and is wrongly positive for {miss}% of the healthy; {share}% are ill. "
            "How likely is a person with a positive test to be ill?",
            "An illness affects {share} in 100. The test is positive for {hit}% of them and {miss}% of the others. "
            "What is the chance of illness after a positive test?",
        ),
        _ask(
            "A filter flags {hit}% of spam and {miss}% of other mail; {share}% of all mail is spam. "
            "What share of the flagged mail is spam?"
        ),
    ),
    Domain(
        (range(4, 40), (2,), (1, 2, 3)),
        (range(4, 30), (3, 4), (1, 2, 3)),
        (range(5, 30), (5, 6), (1, 2, 3, 4)),
        keep=lambda sides, throws, wanted: math.gcd(sides, wanted) == 1,
    ).family(
        "at_least_once",
        "the chance of at least one hit in some throws, by the complement",
        _at_least_once,
        _ask(
            "A fair die with {n} sides has {k} winning faces. It is thrown {throws} times. "
            "What is the probability of at least one win?",
            "{k} of {n} equal sectors win on a wheel. How likely is at least one win in {throws} spins?",
            "A wheel with {n} equal sectors, {k} of them winning, is spun {throws} times. "
            "What is the chance to win at least once?",
        ),
        _ask("{k} in {n} tickets win, with a fresh box every time. How probable is a win or more in {throws} draws?"),
    ),
    Domain(
        (range(4, 13), range(1, 4), range(5, 41, 5), range(1, 6)),
        (range(13, 40), range(1, 8), range(10, 200), range(1, 20)),
        (range(40, 200), range(1, 40), range(200, 2000), range(5, 100)),
    ).family(
        "expected_win",
        "what a game wins or loses on average",
        _expected_win,
        tuple(
            one + " Give a whole number or a fraction in lowest terms, negative for a loss."
            for one in (
                "A ticket costs {stake} coin(s); {k} of {n} tickets win {prize} coins. "
                "What is the expected gain of buying one?",
                "A game costs {stake} coin(s) a round. With probability {k}/{n} it pays {prize} coins, else nothing. "
                "How much does a round gain on average?",
                "With {k} of {n} equally likely outcomes a player gets {prize} coins; playing costs {stake}. "
                "What is the mean gain?",
            )
        ),
        (
            "You pay {stake} and get {prize} back in {k} of {n} equally likely cases. Find the mean result of a round, "
            "as a whole number or a fraction in lowest terms, negative for a loss.",
        ),
    ),
    Domain((range(1, 20),) * 3, (range(1, 20),) * 4, (range(1, 20),) * 6).family(
        "expected_value",
        "the mean of a spinner with sectors of different sizes",
        _expected_value,
        tuple(
            one + " Give a whole number or a fraction in lowest terms."
            for one in (
                "A wheel has equal sectors: {sectors}. What is the expected value of a spin?",
                "An urn holds balls: {sectors}. One is drawn at random. What is the expected number?",
                "Cards are drawn fairly from a stack: {sectors}. Which number is drawn on average?",
            )
        ),
        ("Tickets in a box: {sectors}. Find the mean of a blind draw, whole or as a fraction in lowest terms.",),
    ),
    Domain(
        (range(1, 5), range(2, 8)) * 2,
        (range(5, 12), range(6, 20), range(1, 12), range(6, 20)),
        (range(12, 40), range(20, 60), range(1, 40), range(20, 60)),
        keep=lambda a, b, c, d: a < b and c < d and math.gcd(a, b) == math.gcd(c, d) == 1,
    ).family(
        "exactly_one",
        "the chance that exactly one of two independent events happens (held out whole)",
        _independent,
        _ask(
            "Two independent events have the probabilities {p} and {q}. How likely is it that exactly one happens?",
            "One archer hits with probability {p}, another with {q}, independently. "
            "What is the probability that exactly one of them hits?",
        ),
        _ask("One lamp is on with chance {p}, another, independent of it, with {q}. How probable is one lit lamp?"),
        canonical=lambda operands: tuple(sorted((operands[:2], operands[2:]))),
        train=False,
    ),
    Domain(
        ((3, 4), (1, 2), range(2, 200)),
        (range(5, 8), range(1, 5), range(2, 60)),
        (range(8, 11), range(1, 8), range(2, 30)),
    ).family(
        "successes",
        "the chance of exactly k hits in n trials (binomial distribution)",
        _successes,
        _ask(
            "A fair die with {sides} sides is thrown {n} times. How likely is it to show {k} one(s) in all?",
            "Each of {n} trials succeeds with probability 1/{sides}, on its own. "
            "How likely is it that the number of successes is {k}?",
            "With {n} independent tries, each a hit with chance 1/{sides}, what is the chance of a total of {k}?",
        ),
        _ask("One in {sides} parts is faulty, independently. How probable is it that of {n} parts {k} are faulty?"),
    ),
)
