"""How near is near enough: nothing, unless the problem says so."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any


def within(given: Fraction, wanted: Fraction, tolerance: Mapping[str, Any] | None) -> bool:
    """Whether `given` is `wanted` within {"absolute": x} or {"relative": x} (of `wanted`), compared exactly.

    With both, either suffices. Raises ValueError for a tolerance of another form.
    """
    if given == wanted:
        return True
    if tolerance is None:
        return False
    if not tolerance or not set(tolerance) <= {"absolute", "relative"}:
        raise ValueError(f'a tolerance is {{"absolute": x}} or {{"relative": x}}, not {dict(tolerance)}')
    distance = abs(given - wanted)
    absolute, relative = tolerance.get("absolute", 0), tolerance.get("relative", 0)
    return distance <= Fraction(str(absolute)) or distance <= Fraction(str(relative)) * abs(wanted)
