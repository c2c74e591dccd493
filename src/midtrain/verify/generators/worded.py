"""Word problems in eight languages: the same families everywhere, each told in the grammar of its language.

A family is its arithmetic: operands, the values that follow from them and one equation per step. A language gives the
sentences (`languages/`), a label for each step, names and things. Which numbers are asked of is decided here, and so is
the side of the split, by the operands alone, in whatever order: a problem held out in one language is held out in all,
and neither its translation nor the one with its two purchases turned around is ever trained on.

From the second difficulty on, a sentence that has nothing to do with the question may stand before it, with a number of
its own. A quarter of the problems tell their numbers in words, another quarter prices with a currency's symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import prod

from midtrain.verify.generators.family import Digits, Family, Operands, Posed
from midtrain.verify.languages.grammar import Language, Noun, Quantity, Style, unbreak
from midtrain.verify.languages.registry import LANGUAGES

_STYLES: tuple[Style, ...] = ("figures", "words", "figures", "prices")
Values = Mapping[str, int]
"""The numbers of a problem by name: operands, and what follows from them."""


@dataclass(frozen=True, kw_only=True)
class WordedFamily(Family):
    """A family told in several languages. As it stands it speaks English; `in_language` gives it in another."""

    langs: tuple[str, ...] = tuple(LANGUAGES)

    def in_language(self, lang: str) -> Family:
        """The same family, split and numbers, with the templates and sentences of `lang`."""
        return _spoken(self, lang)


@cache
def _spoken(family: WordedFamily, lang: str) -> Family:
    language = LANGUAGES[lang]
    wording, gap = language.wordings[family.name], language.gap
    return replace(
        family,
        templates=tuple(unbreak(f"{tell}{{extra}}{gap}{ask}") for tell in wording.tell for ask in wording.ask),
        held_out_templates=tuple(unbreak(f"{tell}{{extra}}{gap}{ask}") for tell, ask in wording.held_out),
        pose=lambda operands, digits: _pose(_SUMS[family.name], language, operands, digits),
    )


@dataclass(frozen=True)
class _Sum:
    """The arithmetic of a family."""

    name: str
    description: str
    scene: str
    """Where it happens, which says what a sentence beside the point may speak of."""
    ranges: tuple[tuple[range, ...], ...]
    """By difficulty: the values each digit of a problem's number chooses from."""
    values: Callable[..., dict[str, int] | None]
    """(chosen values) -> every number by its name, the answer as `answer`; None where there is no such problem."""
    equations: tuple[str, ...]

    def operands(self, difficulty: int, digits: Digits) -> Operands | None:
        """(difficulty, chosen values...); None too where the answer is a number of the story, which could be copied."""
        chosen = tuple(digits.choose(choices) for choices in self.ranges[difficulty - 1])
        values = self.values(*chosen)
        if values is None or list(values.values()).count(values["answer"]) > 1:
            return None
        return (difficulty, *chosen)

    def family(self) -> WordedFamily:
        sizes = [prod(map(len, ranges)) for ranges in self.ranges]
        blank = WordedFamily(
            name=self.name,
            description=self.description,
            verifier="number",
            templates=(),
            held_out_templates=(),
            sizes=(sizes[0], sizes[1], sizes[2]),
            operands=self.operands,
            pose=lambda operands, digits: _pose(self, LANGUAGES["en"], operands, digits),
            canonical=lambda operands: tuple(sorted(operands[1:])),
        )
        english = blank.in_language("en")
        return replace(blank, templates=english.templates, held_out_templates=english.held_out_templates)


def _pose(sum_: _Sum, language: Language, operands: Operands, digits: Digits) -> Posed:
    difficulty, *chosen = operands
    values = sum_.values(*chosen)
    assert values is not None
    style = digits.choose(_STYLES)
    thing, other = digits.arrange(language.things, 2)
    first, second, third = digits.arrange(language.persons, 3)
    distractors = language.distractors[sum_.scene]
    told = {"name": first, "second": second, "third": third, "thing": thing, "other": other}
    bound: dict[str, Noun] = {"thing": thing, "other": other}
    fields = {**told, **{name: Quantity(value, language, style, bound) for name, value in values.items()}}
    extra = ""
    if difficulty > 1 and digits.below(2):
        stray = digits.between(2, 12)
        stray += stray == values["answer"]
        z = Quantity(stray, language, style, bound)
        extra = language.gap + digits.choose(distractors).format(**fields, z=z)
    labels = language.wordings[sum_.name].steps
    steps = []
    for label, equation in zip(labels, sum_.equations, strict=True):
        line = f"{label.format(**fields)}{unbreak(language.colon)}{equation.format(**values)}"
        steps.append(line[0].upper() + line[1:])
    return Posed({**fields, "extra": extra}, str(values["answer"]), tuple(steps))


def _shopping(a: int, b: int, p: int, q: int) -> dict[str, int] | None:
    named = {"a": a, "b": b, "p": p, "q": q, "x": a * p, "y": b * q, "answer": a * p + b * q}
    return named if p != q else None


def _change(a: int, p: int, m: int) -> dict[str, int] | None:
    return {"a": a, "p": p, "m": m, "x": a * p, "answer": m - a * p} if m > a * p else None


def _sharing(c: int, each: int, e: int) -> dict[str, int]:
    return {"c": c, "e": e, "n": c * each + e, "x": c * each, "answer": each}


def _ages(a: int, k: int, t: int) -> dict[str, int]:
    return {"a": a, "k": k, "t": t, "b": a + k, "x": a + t, "y": a + k + t, "answer": 2 * a + k + 2 * t}


def _travel(t: int, v: int, u: int, w: int) -> dict[str, int] | None:
    named = {"t": t, "v": v, "u": u, "w": w, "x": t * v, "y": u * w, "answer": t * v + u * w}
    return named if v != w else None


def _wages(w: int, h: int, d: int, s: int) -> dict[str, int] | None:
    named = {"w": w, "h": h, "d": d, "s": s, "x": w * h, "y": w * h * d, "answer": w * h * d - s}
    return named if s < w * h * d else None


def _discount(p: int, r: int, n: int) -> dict[str, int] | None:
    if p * r % 100:
        return None
    less = p * r // 100
    return {"p": p, "r": r, "n": n, "x": less, "y": p - less, "answer": (p - less) * n}


def _comparison(a: int, k: int, m: int) -> dict[str, int]:
    return {"a": a, "k": k, "m": m, "b": a + k, "x": m * (a + k), "answer": a + (a + k) + m * (a + k)}


def _reading(n: int, a: int, d: int) -> dict[str, int] | None:
    return {"n": n, "a": a, "d": d, "x": a * d, "answer": n - a * d} if n > a * d else None


def _eggs(e: int, u: int, p: int, d: int) -> dict[str, int] | None:
    named = {"e": e, "u": u, "p": p, "d": d, "x": e - u, "y": (e - u) * p, "answer": (e - u) * p * d}
    return named if e - u > 1 else None


_SMALL, _TENS = range(2, 10), range(11, 100)
_SUMS = {
    one.name: one
    for one in (
        _Sum(
            "worded_shopping",
            "two kinds of things at their prices: what is paid in all",
            "shop",
            (
                (_SMALL, _SMALL, range(2, 13), range(2, 13)),
                (range(10, 40), range(2, 40), range(3, 30), range(3, 30)),
                (range(40, 200), range(10, 200), range(11, 90), range(11, 90)),
            ),
            _shopping,
            ("{a} * {p} = {x}", "{b} * {q} = {y}", "{x} + {y} = {answer}"),
        ),
        _Sum(
            "worded_change",
            "the money that comes back after buying",
            "shop",
            (
                (_SMALL, range(2, 11), range(20, 101, 10)),
                (range(10, 30), range(3, 30), range(100, 1001, 50)),
                (range(30, 100), range(11, 100), range(1000, 10_001, 100)),
            ),
            _change,
            ("{a} * {p} = {x}", "{m} - {x} = {answer}"),
        ),
        _Sum(
            "worded_sharing",
            "some are given away, the rest is shared equally",
            "school",
            (
                (_SMALL, _SMALL, range(2, 21)),
                (_SMALL, range(10, 60), range(11, 80)),
                (range(10, 40), range(11, 100), range(20, 300)),
            ),
            _sharing,
            ("{n} - {e} = {x}", "{x} / {c} = {answer}"),
        ),
        _Sum(
            "worded_ages",
            "how old two people will be together",
            "home",
            (
                (range(4, 15), _SMALL, _SMALL),
                (range(15, 40), range(2, 20), range(2, 20)),
                (range(40, 60), _SMALL, range(2, 30)),
            ),
            _ages,
            ("{a} + {k} = {b}", "{a} + {t} = {x}", "{b} + {t} = {y}", "{x} + {y} = {answer}"),
        ),
        _Sum(
            "worded_travel",
            "a way in two parts at two speeds",
            "road",
            (
                (range(2, 6), range(20, 71, 10), range(2, 6), range(20, 71, 10)),
                (range(2, 10), range(35, 111, 5), range(2, 10), range(35, 111, 5)),
                (range(10, 24), range(36, 120), range(2, 20), range(36, 120)),
            ),
            _travel,
            ("{t} * {v} = {x}", "{u} * {w} = {y}", "{x} + {y} = {answer}"),
        ),
        _Sum(
            "worded_wages",
            "pay per hour over some days, and what is left of it",
            "home",
            (
                (range(5, 13), range(2, 6), range(2, 6), range(5, 41, 5)),
                (range(13, 40), range(3, 10), range(2, 21), range(50, 301, 10)),
                (range(40, 100), range(3, 10), range(10, 60), range(111, 1000)),
            ),
            _wages,
            ("{w} * {h} = {x}", "{x} * {d} = {y}", "{y} - {s} = {answer}"),
        ),
        _Sum(
            "worded_discount",
            "several of one thing at a price lowered by a percentage",
            "shop",
            (
                (range(20, 201, 10), (10, 20, 50), range(2, 7)),  # type: ignore[arg-type]
                (range(20, 501, 5), range(5, 81, 5), range(7, 25)),
                (range(100, 2000, 25), range(4, 97, 4), range(25, 100)),
            ),
            _discount,
            ("{p} * {r} / 100 = {x}", "{p} - {x} = {y}", "{y} * {n} = {answer}"),
        ),
        _Sum(
            "worded_comparison",
            "k more than the first, m times as many as the second: all together",
            "school",
            (
                (range(2, 16), _SMALL, range(2, 5)),
                (range(16, 70), range(5, 50), range(2, 8)),
                (range(70, 500), range(21, 200), range(3, 13)),
            ),
            _comparison,
            ("{a} + {k} = {b}", "{m} * {b} = {x}", "{a} + {b} + {x} = {answer}"),
        ),
        _Sum(
            "worded_reading",
            "the pages of a book that are left after some days",
            "home",
            (
                (range(20, 100), range(3, 10), _SMALL),
                (range(100, 400), range(10, 30), _SMALL),
                (range(400, 1200), range(21, 60), range(6, 20)),
            ),
            _reading,
            ("{a} * {d} = {x}", "{n} - {x} = {answer}"),
        ),
        _Sum(
            "worded_eggs",
            "eggs laid, eaten and sold every day: what is earned",
            "home",
            (
                (range(6, 20), range(2, 6), range(2, 5), range(2, 8)),
                (range(20, 80), range(3, 20), range(2, 6), range(2, 15)),
                (range(80, 300), range(5, 60), range(3, 10), range(8, 31)),
            ),
            _eggs,
            ("{e} - {u} = {x}", "{x} * {p} = {y}", "{y} * {d} = {answer}"),
        ),
    )
}

FAMILIES = tuple(one.family() for one in _SUMS.values())
