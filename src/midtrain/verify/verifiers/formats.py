"""Verifiers of form: JSON that fits a schema, and text that keeps rules ("three lines", "in German", "no commas").

Patterns belong to the problem but run on what a model wrote, and a pattern can take for ever; so both run in a child.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from midtrain.verify.verdict import Outcome
from midtrain.verify.verifiers.protocol import PASSED, Judgement

_FENCED = re.compile(r"\s*```(?:json)?[ \t]*\n(.*?)\n[ \t]*```\s*", re.DOTALL)
_KINDS: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and value % 1 == 0,
}
_SIZES: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda value, bound: not _KINDS["number"](value) or value >= bound,
    "maximum": lambda value, bound: not _KINDS["number"](value) or value <= bound,
    "minLength": lambda value, bound: not isinstance(value, str) or len(value) >= bound,
    "maxLength": lambda value, bound: not isinstance(value, str) or len(value) <= bound,
    "minItems": lambda value, bound: not isinstance(value, list) or len(value) >= bound,
    "maxItems": lambda value, bound: not isinstance(value, list) or len(value) <= bound,
    "pattern": lambda value, bound: not isinstance(value, str) or re.search(bound, value) is not None,
    "enum": lambda value, bound: any(_equal(value, one) for one in bound),
    "const": lambda value, bound: _equal(value, bound),
}
_INSIDE = ("type", "required", "properties", "additionalProperties", "items")


class _Misfit(Exception):
    """Where a value does not fit the schema, and what it breaks."""


def json_value(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement:
    """JSON (RFC 8259), alone or in one fence, that fits `schema` and, where gold is not empty, equals it.

    `schema` is a JSON Schema of these words: type, enum, const, required, properties, additionalProperties, items,
    minimum, maximum, minLength, maxLength, minItems, maxItems, pattern. Raises ValueError for any other.
    """
    fenced = _FENCED.fullmatch(answer)
    try:
        value = json.loads(
            fenced[1] if fenced else answer, object_pairs_hook=_no_duplicates, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        return Judgement(Outcome.UNPARSEABLE, "not JSON")
    try:
        _fit(value, arguments.get("schema", {}), "$")
        same = not gold or _equal(value, json.loads(gold))
    except _Misfit as error:
        where, word = error.args
        return Judgement(Outcome.FAIL, f"breaks {word}", {"at": where})
    except RecursionError:
        return Judgement(Outcome.UNPARSEABLE, "too deeply nested")
    return PASSED if same else Judgement(Outcome.FAIL, "another value")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _equal(one: Any, other: Any) -> bool:
    """Equality of JSON values: 1 is 1.0 but not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def _fit(value: Any, schema: Mapping[str, Any], where: str) -> None:
    unknown = set(schema) - set(_SIZES) - set(_INSIDE)
    if unknown:
        raise ValueError(f"the schema uses {sorted(unknown)}, which is not checked here")
    kinds = schema.get("type", list(_KINDS))
    if not any(_KINDS[kind](value) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        raise _Misfit(where, "type")
    for word, fits in _SIZES.items():
        if word in schema and not fits(value, schema[word]):
            raise _Misfit(where, word)
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        if not set(schema.get("required", ())) <= set(value):
            raise _Misfit(where, "required")
        extra = schema.get("additionalProperties", True)
        for name, inside in value.items():
            if name not in properties and extra is False:
                raise _Misfit(where, "additionalProperties")
            _fit(inside, properties.get(name, extra if isinstance(extra, Mapping) else {}), f"{where}.{name}")
    if isinstance(value, list) and "items" in schema:
        for place, inside in enumerate(value):
            _fit(inside, schema["items"], f"{where}[{place}]")


def keeps_rules(answer: str, gold: str, arguments: Mapping[str, Any]) -> Judgement:
    """Every rule among the arguments is kept; `details` names those that are broken.

    lines, words, characters: a number or {"at_least": n, "at_most": n}; matches: a pattern for the whole text;
    contains, lacks: lists of texts; starts, ends: a text; case: "lower" or "upper"; script: such as "Latin";
    language: a code such as "de". Raises ValueError for another rule, and where there is none.
    """
    rules = dict(arguments)
    if not rules or set(rules) - set(_RULES):
        raise ValueError(f"rules are some of {sorted(_RULES)}, not {sorted(rules)}")
    text = answer.strip()
    if not text:
        return Judgement(Outcome.UNPARSEABLE, "no answer")
    broken = sorted(name for name, rule in rules.items() if not _RULES[name](text, rule))
    return Judgement(Outcome.FAIL, f"breaks {broken[0]}", {"broken": broken}) if broken else PASSED


def _counted(number: int, rule: int | Mapping[str, int]) -> bool:
    if isinstance(rule, int):
        return number == rule
    if not rule or set(rule) - {"at_least", "at_most"}:
        raise ValueError(f'a count is a number or {{"at_least": n, "at_most": n}}, not {rule}')
    return rule.get("at_least", 0) <= number <= rule.get("at_most", number)


def _in_script(text: str, script: str) -> bool:
    """Whether every letter's Unicode name begins with the script's ("LATIN SMALL LETTER A")."""
    letters = [c for c in text if c.isalpha()]
    return bool(letters) and all(unicodedata.name(c, "").startswith(script.upper()) for c in letters)


def _in_language(text: str, language: str) -> bool:
    import pyarrow as pa

    from midtrain.text.language import identify  # compiled kernels: seconds to load

    found, _ = identify(pa.array([text.encode("utf-8", "replace").decode()], type=pa.large_string()))
    return bool(found[0].as_py() == language)


_RULES: dict[str, Callable[[str, Any], bool]] = {
    "lines": lambda text, rule: _counted(sum(bool(line.strip()) for line in text.splitlines()), rule),
    "words": lambda text, rule: _counted(len(text.split()), rule),
    "characters": lambda text, rule: _counted(len(text), rule),
    "matches": lambda text, rule: re.fullmatch(rule, text, re.DOTALL) is not None,
    "contains": lambda text, rule: all(part in text for part in rule),
    "lacks": lambda text, rule: not any(part in text for part in rule),
    "starts": lambda text, rule: text.startswith(rule),
    "ends": lambda text, rule: text.endswith(rule),
    "case": lambda text, rule: text == {"lower": text.lower(), "upper": text.upper()}[rule],
    "script": _in_script,
    "language": _in_language,
}
