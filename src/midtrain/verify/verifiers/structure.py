"""The structure of an answer: a value, a set, a tuple, an interval, a solution, an equation, a matrix.

    2x+3            value           x=1, y=2        list of named values
    \\{1,2\\}, 1,2    set, list       2x-y=3          equation
    (1,2), [0,1)    bracket         1<x<=2          named x: bracket (1,2]
    x=5             named x: 5      1/2=0.5         chain
    \\text{yes}      words           (0,1)\\cup[2,3)  union of brackets

Taking the structure apart before anything is computed is what closes the false accepts of comparing expressions as they
come: part of a set is not the set, "x = 7 = 101" claims 7 as well as 101, a tuple has an order and a list has none. A
pair in round brackets is a point or an open interval, whichever the gold answer means, written the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from midtrain.verify.verifiers.latex import NoAnswer

MOST_ITEMS = 64
_NAME = re.compile(r"(?:\\[A-Za-z]+|[A-Za-z])(?:_(?:\{\w+\}|\w))?'*(?:\s*\(\s*[A-Za-z](?:\s*,\s*[A-Za-z])*\s*\))?")
_NOT_NAMES = ("\\frac", "\\sqrt", "\\pi", "\\infty", "\\emptyset", "e", "i")
_TUPLE_OF_NAMES = re.compile(r"\(\s*[A-Za-z](?:_\w)?(?:\s*,\s*[A-Za-z](?:_\w)?)+\s*\)")
_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
_UNIT = re.compile(r"(.*?[0-9})])\s*\\text\s*\{([^{}]*)\}(?:\s*\^\s*\{?([0-9])\}?)?")
_DEGREES = re.compile(r"([-+0-9.,/\s]+|-?\\frac\s*\{[^{}]*\}\s*\{[^{}]*\})\s*\^\s*\{?\s*\\circ\s*\}?")
_MATRIX = re.compile(r"\\begin\{[pbB]?matrix\}(.*)\\end\{[pbB]?matrix\}", re.DOTALL)
_INEQUALITY = re.compile(r"<=|>=|<|>")
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Node:
    """One part: `kind` as above; `text` a value, a name, the two brackets or an inequality sign; its `items`."""

    kind: str
    text: str = ""
    items: tuple[Node, ...] = ()
    unit: str = ""


def parse(text: str) -> Node:
    """The structure of `text`, which is in the spelling of `latex.plain`. Raises NoAnswer."""
    text = text.strip()
    if not text or text == "\\":
        raise NoAnswer("no answer")
    for sign, several in ((r"\or", _alternatives), (r"\cup", _union)):
        parts = split(text, sign)
        if len(parts) > 1:
            return several([parse(part) for part in parts])
    if not _is_number_with_commas(text):
        parts = split(text, ",")
        if len(parts) > 1:
            return _listed([parse(part) for part in parts])
    return _relation(text)


def _alternatives(parts: list[Node]) -> Node:
    inside = [part.items[0] if part.kind == "named" else part for part in parts]
    if all(part.kind in ("bracket", "union") for part in inside):
        return _union(parts)
    return _listed(parts)


def _union(parts: list[Node]) -> Node:
    names = {part.text if part.kind == "named" else "" for part in parts}
    inside = tuple(part.items[0] if part.kind == "named" else part for part in parts)
    if len(names) > 1:
        raise NoAnswer("a union over several variables")
    union = Node("union", items=inside)
    name = names.pop()
    return Node("named", name, (union,)) if name else union


def _listed(parts: list[Node]) -> Node:
    if len(parts) > MOST_ITEMS:
        raise NoAnswer("too many items")
    first = parts[0]
    if first.kind == "named" and all(part.kind == "value" for part in parts[1:]):  # x = 1, 2
        parts = [first, *(Node("named", first.text, (part,)) for part in parts[1:])]
    return Node("list", items=tuple(parts))


def _relation(text: str) -> Node:
    """Inequalities, `x in ...`, and chains of equalities."""
    inequalities = list(_top_level(text, _INEQUALITY))
    if inequalities:
        return _inequality(text, inequalities)
    parts = split(text, r"\in")
    if len(parts) == 2 and _is_name(parts[0]):
        return Node("named", _squeezed(parts[0]), (parse(parts[1]),))
    members = [part.strip() for part in split(text, "=")]
    if len(members) > 2 and not all(members[1:]):
        raise NoAnswer("an equality without a side")
    if members[0] == "" and len(members) > 1:  # "= 5"
        members = members[1:]
    if len(members) == 1:
        return _whole(members[0])
    if _is_name(members[0]) or _TUPLE_OF_NAMES.fullmatch(members[0]):
        return Node("named", _squeezed(members[0]), (_chain(members[1:]),))
    if len(members) == 2 and any(re.search(r"(?<![A-Za-z\\])[A-DF-HJ-Za-df-hj-z](?![A-Za-z])", m) for m in members):
        return Node("equation", "=", (_whole(members[0]), _whole(members[1])))
    return _chain(members)


def _chain(members: list[str]) -> Node:
    nodes = [_whole(member) for member in members]
    return nodes[0] if len(nodes) == 1 else Node("chain", items=tuple(nodes))


def _inequality(text: str, signs: list[tuple[int, int]]) -> Node:
    places = [0, *(end for _, end in signs)], [*(start for start, _ in signs), len(text)]
    sides = [text[start:end].strip() for start, end in zip(*places, strict=True)]
    signs_ = [text[start:end] for start, end in signs]
    if not all(sides) or len(sides) > 3 or any("=" in side for side in sides):
        raise NoAnswer("an inequality of no known form")
    if len(sides) == 3:
        if signs_[0][0] != signs_[1][0] or not _is_name(sides[1]):
            raise NoAnswer("an inequality of no known form")
        if signs_[0][0] == ">":
            sides, signs_ = sides[::-1], [_FLIPPED[sign] for sign in signs_[::-1]]
        return _interval(sides[1], signs_[0], _whole(sides[0]), signs_[1], _whole(sides[2]))
    (left, right), sign = sides, signs_[0]
    if _is_name(right) and not _is_name(left):
        left, right, sign = right, left, _FLIPPED[sign]
    if not _is_name(left):
        if sign[0] == ">":
            left, right, sign = right, left, _FLIPPED[sign]
        return Node("inequality", sign, (_whole(left), _whole(right)))
    if sign[0] == "<":
        return _interval(left, "<", Node("value", r"-\infty"), sign, _whole(right))
    return _interval(left, _FLIPPED[sign], _whole(right), "<", Node("value", r"\infty"))


def _interval(name: str, low_sign: str, low: Node, high_sign: str, high: Node) -> Node:
    brackets = ("[" if low_sign == "<=" else "(") + ("]" if high_sign == "<=" else ")")
    return Node("named", _squeezed(name), (Node("bracket", brackets, (low, high)),))


def _whole(text: str) -> Node:
    """A set, a bracket, a matrix, a plus-minus pair, words, or a value with its unit."""
    text = text.strip()
    if not text:
        raise NoAnswer("an equality without a side")
    if text == r"\emptyset" or re.fullmatch(r"\\?\{\s*\\?\}", text):
        return Node("set")
    if text.startswith(r"\{") and text.endswith(r"\}") and encloses(text[1:]):
        return _set(text[2:-2])
    if text[0] == "{" and encloses(text):  # a group of LaTeX, or a set as Python writes it
        return _set(text[1:-1]) if len(split(text[1:-1], ",")) > 1 else _whole(text[1:-1])
    if text[0] in "([" and encloses(text):
        parts = split(text[1:-1], ",")
        if len(parts) > 1:
            if len(parts) > MOST_ITEMS:
                raise NoAnswer("too many items")
            return Node("bracket", text[0] + text[-1], tuple(_whole(part) for part in parts))
        if text[0] + text[-1] == "()":
            return parse(text[1:-1])
    if match := _MATRIX.fullmatch(text):
        return _matrix(match[1])
    if r"\mp" in text or text.count(r"\pm") > 1:
        raise NoAnswer("several plus-minus signs")
    if r"\pm" in text:
        return Node("set", items=(_value(text.replace(r"\pm", "+")), _value(text.replace(r"\pm", "-"))))
    return _value(text)


def _set(inside: str) -> Node:
    builder = re.split(r":|\\mid(?![A-Za-z])|\|", inside, maxsplit=1)
    if len(builder) == 2 and _is_name(re.split(r"\\in(?![A-Za-z])", builder[0])[0]):
        return parse(builder[1])
    parts = split(inside, ",")
    if len(parts) > MOST_ITEMS:
        raise NoAnswer("too many items")
    return Node("set", items=tuple(_whole(part) for part in parts))


def _matrix(inside: str) -> Node:
    rows = [row.split("&") for row in re.split(r"\\\\", inside) if row.strip()]
    if len({len(row) for row in rows}) != 1 or len(rows) * len(rows[0]) > MOST_ITEMS:
        raise NoAnswer("a matrix of no known form")
    return Node("matrix", f"{len(rows)}x{len(rows[0])}", tuple(_value(cell) for row in rows for cell in row))


def _value(text: str) -> Node:
    text = text.strip().lstrip("+").strip()
    text = re.sub(r"^-\s+", "-", text)
    if not text:
        raise NoAnswer("an item is missing")
    if match := _DEGREES.fullmatch(text):
        return Node("value", match[1], unit="degree")
    if match := _UNIT.fullmatch(text):
        if re.search("[0-9]", match[2]):
            raise NoAnswer("two numbers side by side")
        return Node("value", match[1].strip(), unit=_squeezed(match[2]).casefold().rstrip(".") + (match[3] or ""))
    words = _TEXT.sub(r" \1 ", text)
    if (words != text and not re.search(r"[\\^_{}0-9]", words)) or re.fullmatch(
        r"[^\W\d_]{3,}(?:[\s-]+[^\W\d_]+)*", text
    ):
        return Node("words", " ".join(re.sub(r"[().]", " ", words).casefold().split()))
    return Node("value", text)


def _is_number_with_commas(text: str) -> bool:
    return re.fullmatch(
        r"(?:[A-Za-z]\s*=)?\s*[-+]?[0-9]{1,3}(?:,[0-9]{3})+(?![0-9]).*", text
    ) is not None and not re.search(r",(?![0-9]{3}(?![0-9]))", text)


def _is_name(text: str) -> bool:
    text = text.strip()
    return _NAME.fullmatch(text) is not None and text not in _NOT_NAMES


def encloses(text: str) -> bool:
    """Whether the first bracket of `text` is closed by its last character."""
    depths = list(_depths(text))
    return depths[-1] == 0 and all(depth > 0 for depth in depths[:-1])


def _depths(text: str) -> Iterator[int]:
    depth = 0
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        yield depth
    if depth:
        raise NoAnswer("unbalanced brackets")


def _top_level(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    depths = [0, *_depths(text)]
    inside = [match.span() for match in re.finditer(r"\\begin\{.*?\\end\{[a-zA-Z]*\}", text, re.DOTALL)]
    for match in pattern.finditer(text):
        if depths[match.start()] == 0 and not any(start <= match.start() < end for start, end in inside):
            yield match.span()


def split(text: str, sign: str) -> list[str]:
    """`text` cut at every `sign` outside all brackets."""
    word = r"(?![A-Za-z])" if sign[0] == "\\" else ""
    parts, last = [], 0
    for start, end in _top_level(text, re.compile(re.escape(sign) + word)):
        parts.append(text[last:start])
        last = end
    return [*parts, text[last:]]


def _squeezed(text: str) -> str:
    return "".join(text.split())
