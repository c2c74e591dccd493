"""Every verifier by the name a problem gives it. Importing this loads none of them."""

from __future__ import annotations

from midtrain.core.errors import UserError, did_you_mean
from midtrain.verify.verifiers.protocol import Verifier

_ALL = (
    Verifier("exact", "basic:exact", "the same characters, up to the amount of white space"),
    Verifier("number", "basic:number", "the same value, compared exactly as a fraction"),
    Verifier("choice", "basic:choice", "one of the options, first in the answer and the only one"),
    Verifier(
        "math",
        "equivalence:full",
        "the same value, set, tuple, interval, solution or equation, however it is written in LaTeX",
        reads="completion",
        runs="child",
        quick="equivalence:quick",
    ),
)

VERIFIERS: dict[str, Verifier] = {verifier.name: verifier for verifier in _ALL}
"""Every verifier by name."""


def find(name: str, where: str) -> Verifier:
    """The verifier called `name`; UserError, beginning with `where`, when there is none."""
    verifier = VERIFIERS.get(name)
    if verifier is None:
        raise UserError(f'{where} names the verifier "{name}".{did_you_mean(name, VERIFIERS)}')
    return verifier
