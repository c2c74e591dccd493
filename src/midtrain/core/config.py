"""The base of every config: frozen, keyword-only, strict, and polite when something is misspelt.

A component's config stands above what it builds, in the same room; `recipe/` only composes them. The sentence
under a field is its help and its description in the JSON schema. `parse` is the only door: it turns pydantic's
report into one sentence a person can act on.
"""

from __future__ import annotations

import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    WithJsonSchema,
    model_serializer,
)

from midtrain.core.errors import UserError, did_you_mean

_SUFFIX = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}


class Config(BaseModel):
    """A frozen component config: an unknown key is an error, and a field's docstring is its help."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    later: ClassVar[frozenset[str]] = frozenset()
    """Fields that came after recipes were run. At their default they are left out of what is dumped, so a recipe that
    does not use them keeps its fingerprints, and its finished steps."""

    @model_serializer(mode="wrap")
    def _without_unused_later_fields(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped = serialize(self)
        for name in self.later & dumped.keys():
            if getattr(self, name) == type(self).model_fields[name].get_default(call_default_factory=True):
                del dumped[name]
        return dumped


def parse_size(value: Any) -> Any:
    """Read `300M`, `10B`, `64k`, `1.5k` or a whole number as an integer (decimal units: 64k is 64,000).

    Raises ValueError when the size is not a whole, non-negative number. Powers of two are written out: 65536.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("is not a size; write a whole number or one with a suffix, such as 300M or 10B")
    if isinstance(value, int):
        size: float = value
    elif isinstance(value, float):
        size = value
    else:
        match = re.fullmatch(r"\s*([0-9][0-9_]*\.?[0-9]*(?:[eE][0-9]+)?)\s*([kKmMbBtT]?)\s*", value)
        if not match:
            raise ValueError(f'"{value}" is not a size; write a whole number or one with k, M, B or T, such as 300M')
        size = float(match[1].replace("_", "")) * _SUFFIX[match[2].lower()]
        size = round(size, 6)
    if size < 0 or not math.isfinite(size) or size != int(size):
        raise ValueError(f"{value!r} is not a whole number of units")
    return value if isinstance(value, int) else int(size)


def format_size(number: float) -> str:
    """Write a count for people: 950, 1.5k, 300M, 10B (three significant digits)."""
    for suffix, unit in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= unit * 0.9995:
            return f"{number / unit:.3g}{suffix}"
    return f"{number:.3g}" if number != int(number) else str(int(number))


Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9._]+[kKmMbBtT]?$"}]}
    ),
]
"""A count that may be written with a suffix: 300M, 10B, 64k."""

C = TypeVar("C", bound=BaseModel)


def parse(kind: type[C], data: Any, where: str) -> C:
    """Build a config of `kind` from plain data, or raise a `UserError` naming the field, the value and the mend.

    `where` says where the data came from (a file, `--set`), and begins the sentence.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise UserError(_sentence(kind, error, where)) from error


def _sentence(kind: type[BaseModel], error: ValidationError, where: str) -> str:
    problems = _closest_alternatives(list(error.errors(include_url=False)))
    unknown = [p for p in problems if p["type"] == "extra_forbidden"]
    first = unknown[0] if unknown else max(problems, key=lambda p: len(p["loc"]))
    dotted = ".".join(str(part) for part in first["loc"] if not _is_union_tag(part))
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        return f'{where}: unknown key "{dotted}".{did_you_mean(key, _fields_at(kind, first["loc"][:-1]))}'
    if first["type"] == "missing":
        return f'{where}: "{dotted}" is missing; add it.'
    message = first["msg"].removeprefix("Value error, ")
    value = first.get("input")
    shown = "" if isinstance(value, (Mapping, BaseModel)) or str(value) in message else f" (it is {value!r})"
    sentence = f"{where}: {dotted}: {message}{shown}" if dotted else f"{where}: {message}{shown}"
    return sentence if sentence.endswith((".", "?", "!")) else sentence + "."


def _closest_alternatives(problems: list[Any]) -> list[Any]:
    """Of each union's alternatives keep the one with the fewest errors: that is the one the person meant."""
    counts: dict[tuple[Any, ...], dict[Any, int]] = {}
    for problem in problems:
        loc = problem["loc"]
        for depth, part in enumerate(loc):
            if _is_union_tag(part):
                alternatives = counts.setdefault(loc[:depth], {})
                alternatives[part] = alternatives.get(part, 0) + 1
    meant = {prefix: min(alternatives, key=lambda tag: alternatives[tag]) for prefix, alternatives in counts.items()}
    return [
        problem
        for problem in problems
        if all(meant.get(problem["loc"][:depth], part) == part for depth, part in enumerate(problem["loc"]))
    ]


def _is_union_tag(part: Any) -> bool:
    return isinstance(part, str) and (part.endswith("Config") or "[" in part or part in ("int", "float", "str"))


def _fields_at(kind: Any, loc: tuple[Any, ...]) -> list[str]:
    """The field names of the config reached by walking `loc` from `kind` (through dicts, lists and unions)."""
    kinds = [kind]
    for part in loc:
        following: list[Any] = []
        for one in _models(kinds):
            if isinstance(one, type) and issubclass(one, BaseModel) and part in one.model_fields:
                following.append(one.model_fields[part].annotation)
            elif isinstance(one, type) and one.__name__ == part:
                following.append(one)
        for one in kinds:
            origin = typing.get_origin(one)
            if origin in (dict, Mapping):
                following.append(typing.get_args(one)[1])
            elif origin in (list, tuple):
                following.append(typing.get_args(one)[0])
        kinds = _flatten(following) or kinds
    return [name for one in _models(kinds) if issubclass(one, BaseModel) for name in one.model_fields]


def _flatten(kinds: list[Any]) -> list[Any]:
    flat: list[Any] = []
    for one in kinds:
        origin = typing.get_origin(one)
        if origin is Annotated:
            flat += _flatten([typing.get_args(one)[0]])
        elif origin is typing.Union or isinstance(one, types.UnionType):
            flat += _flatten([a for a in typing.get_args(one) if a is not type(None)])
        else:
            flat.append(one)
    return flat


def _models(kinds: list[Any]) -> list[Any]:
    return [one for one in _flatten(kinds) if isinstance(one, type) and issubclass(one, BaseModel)]
