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
        reads="solution",
        runs="child",
        quick="equivalence:quick",
    ),
    Verifier("set", "collections:unordered", "the same numbers or words, in any order"),
    Verifier("list", "collections:ordered", "the same numbers or words, in the same order"),
    Verifier("interval", "collections:interval", "the same set of numbers, as intervals or inequalities"),
    Verifier("json", "formats:json_value", "JSON that fits a schema", reads="completion", runs="child"),
    Verifier(
        "format", "formats:keeps_rules", "text that keeps rules of form", reads="completion", runs="child", seconds=30.0
    ),
    Verifier("smt", "smt:smt", "a status, model or value that Z3 agrees with", runs="child", seconds=20.0),
    Verifier(
        "code", "code:code", "a program that passes hidden tests", reads="completion", runs="sandbox", seconds=120.0
    ),
    Verifier(
        "steps",
        "steps:steps",
        "every step of the solution holds, and its answer is right",
        reads="solution",
        runs="child",
    ),
    Verifier(
        "proof",
        "proof:proof",
        "a proof that Lean or Coq accepts",
        reads="completion",
        runs="sandbox",
        seconds=60.0,
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
