"""Values as data: what goes to a program and comes back is None, bool, int, float, complex, str, bytes, list, tuple,
set, frozenset and dict, in JSON, and is rebuilt from these types alone.

An object that says it equals everything, or whose `__eq__` stops the test, cannot cross: its class stays behind. A
subclass of a plain type crosses as what it is a subclass of (a Counter as a dict), since that is all it holds.

None, bool, int, finite float and str are themselves; everything else is a list that begins with its kind:

    ["list", 1, 2]   ["tuple", ...]   ["set", ...]   ["frozenset", ...]   ["dict", key, value, key, value ...]
    ["int", hex]  beyond 15 digits    ["float", "inf"]    ["complex", "real", "imaginary"]    ["bytes", hex]
    ["str", hex of UTF-8 with surrogates]  for text that is not Unicode
"""

from __future__ import annotations

import json
import math
from typing import Any

_EXACT = 10**15
_MANY = 1000


class NotPlain(ValueError):
    """A value that is not made of plain data, or bytes that do not say one."""


def dumps(value: Any) -> bytes:
    """The bytes of `value`; NotPlain names the first type that is not plain."""
    try:
        return json.dumps(encode(value), ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode()
    except RecursionError:
        raise NotPlain("nested too deeply") from None


def loads(data: bytes) -> Any:
    """The value of the bytes, whoever wrote them; NotPlain where they say none."""
    try:
        return decode(json.loads(data))
    except RecursionError:
        raise NotPlain("nested too deeply") from None
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        raise NotPlain(f"not plain data: {type(error).__name__}") from None


def encode(value: Any) -> Any:
    """`value` as JSON, as the table above says."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, int):
        value = int.__index__(value)
        return value if -_EXACT < value < _EXACT else ["int", hex(value)]
    if isinstance(value, float):
        value = float.__float__(value)
        return value if math.isfinite(value) else ["float", repr(value)]
    if isinstance(value, str):
        value = str.__str__(value)
        return ["str", value.encode("utf-8", "surrogatepass").hex()] if _has_surrogate(value) else value
    if isinstance(value, complex):
        return ["complex", repr(value.real), repr(value.imag)]
    if isinstance(value, (bytes, bytearray)):
        return ["bytes", bytes(value).hex()]
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return [kind.__name__, *[encode(item) for item in kind.__iter__(value)]]  # type: ignore[arg-type]
    if isinstance(value, dict):
        return ["dict", *[encode(item) for pair in dict.items(value) for item in pair]]
    raise NotPlain(f"{type(value).__name__} is not plain data")


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def decode(data: Any) -> Any:
    """The value that JSON data stands for; raises ValueError or TypeError for anything else."""
    if data is None or isinstance(data, (bool, int, float, str)):
        return data
    if not isinstance(data, list) or not data:
        raise ValueError("no kind")
    kind, *rest = data
    if kind in ("list", "tuple"):
        items = [decode(item) for item in rest]
        return items if kind == "list" else tuple(items)
    if kind in ("set", "frozenset"):
        members = _spread([decode(item) for item in rest])
        return set(members) if kind == "set" else frozenset(members)
    if kind == "dict":
        if len(rest) % 2:
            raise ValueError("a key without a value")
        return dict(zip(_spread([decode(key) for key in rest[::2]]), map(decode, rest[1::2]), strict=True))
    return _scalar(kind, *rest)


def _scalar(kind: str, text: str, second: str = "") -> Any:
    if kind == "int":
        return int(text, 16)
    if kind == "float":
        return float(text)
    if kind == "complex":
        return complex(float(text), float(second))
    if kind == "bytes":
        return bytes.fromhex(text)
    if kind == "str":
        return bytes.fromhex(text).decode("utf-8", "surrogatepass")
    raise ValueError("unknown kind")


def _spread(keys: list[Any]) -> list[Any]:
    """The keys, unless so many share a hash that building a set of them would take the square of their number."""
    if len(keys) > _MANY and 2 * len({hash(key) for key in keys}) < len(keys):
        raise ValueError("keys made to collide")
    return keys


def same(left: Any, right: Any, absolute: float = 0.0, relative: float = 0.0) -> bool:
    """Whether two plain values are equal: kinds too (True is not 1, a list is no tuple), but 2 is 2.0.

    Numbers within `absolute`, or within `relative` times the right one's size, are equal; not inside sets and keys.
    NaN is NaN.
    """
    numbers = (int, float, complex)
    if type(left) in numbers and type(right) in numbers:
        return _same_numbers(left, right, absolute, relative)
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(
            same(one, other, absolute, relative) for one, other in zip(left, right, strict=True)
        )
    if isinstance(left, dict):
        return _exact_keys(left) == _exact_keys(right) and all(
            same(value, right[key], absolute, relative) for key, value in left.items()
        )
    if isinstance(left, (set, frozenset)):
        return _exact_keys(left) == _exact_keys(right)
    return bool(left == right)


def _same_numbers(left: complex, right: complex, absolute: float, relative: float) -> bool:
    if left == right or (left != left and right != right):
        return True
    try:
        return abs(left - right) <= max(absolute, relative * abs(right)) and math.isfinite(abs(left - right))
    except OverflowError:  # an int that no float holds
        return False


def _exact_keys(keys: Any) -> set[tuple[bool, Any]]:
    """Keys that tell True from 1, as `==` does not."""
    return {(isinstance(key, bool), key) for key in keys}
