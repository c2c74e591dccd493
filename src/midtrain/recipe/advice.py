"""Advice on a longer context, before anything is spent: what a stage's rotation does, and what would do.

A pair of dimensions that turned at least once in the length the base was trained at has shown the model every angle.
A slower one has not: at a longer context it reaches angles nobody has trained, unless it is slowed. That share of
unseen pairs is what a method must bring to zero. How far a theta reaches at all is bounded too: under 0.0424 L^1.628
a model no longer tells a near token from a far one over L tokens (arXiv:2405.14591). A base whose theta reaches well
beyond the length it was trained at was made with extension in mind.

Only the config is read, so this costs nothing whatever the size of the model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from midtrain.core.config import format_size
from midtrain.core.errors import UserError
from midtrain.training.config import StageConfig

_REACHES_FURTHER = 2.0
"""A base was made with extension in mind when its theta reaches this many times its trained length."""


@dataclass(frozen=True)
class ContextAdvice:
    """What a stage does to the positions; plain data for --json."""

    trained: int
    """Tokens the base was trained at, before any scaling it has."""
    context: int
    theta: tuple[float, float]
    """Before and after."""
    wavelength: tuple[float, float]
    """Tokens in which the slowest pair turns once, before and after."""
    pairs: int
    unturned: int
    """Pairs that never turned once in the trained length."""
    unseen: tuple[int, int]
    """Of these, how many meet angles that were never trained: with the base's own rotation, and with the stage's."""
    attention_scale: float
    reach: int
    """The length that the base's theta bounds (arXiv:2405.14591)."""
    suggested_theta: float
    """At which as many pairs turn once as did before (arXiv:2310.05209)."""
    lines: list[str]
    """All of it in words."""


def advise(config: Any, stages: Mapping[str, StageConfig]) -> dict[str, ContextAdvice]:
    """Advice for every stage that changes the rotation or the context, by stage name.

    Raises UserError naming the stage when the architecture does not take its rope.
    """
    from midtrain.models.rope import apply_rope

    found: dict[str, ContextAdvice] = {}
    context, rope = config.max_position_embeddings, None
    for name, stage in stages.items():
        if stage.rope is None and stage.context <= context:
            continue
        context, rope = max(context, stage.context), stage.rope or rope
        try:
            changed = apply_rope(config, rope, context if context > config.max_position_embeddings else stage.context)
        except UserError as error:
            raise UserError(f"stages.{name}: {error}") from None
        advice = _compare(config, changed, context)
        if advice is not None:
            found[name] = advice
    return found


def suggest(config: Any, context: int) -> str:
    """What to write for a stage with a `context` beyond the positions of a base."""
    from midtrain.models.rope_frequencies import critical_theta

    theta = _theta(config)
    if theta is None:
        return "theta: 500000"
    return f"method: yarn, or theta: {_round(critical_theta(theta, config.max_position_embeddings, context)):.0f}"


def _theta(config: Any) -> float | None:
    from midtrain.models.rope import full_parameters

    parameters = getattr(config, "rope_parameters", None) and full_parameters(config)
    return float(parameters["rope_theta"]) if parameters and "rope_theta" in parameters else None


def _compare(before: Any, after: Any, context: int) -> ContextAdvice | None:
    """The two rotations; None for a kind of rotation whose formula is not known here."""
    from midtrain.models.rope import full_parameters, rotary_dimensions
    from midtrain.models.rope_frequencies import KNOWN, ORIGINAL, critical_theta, rotation

    old, new = full_parameters(before), full_parameters(after)
    if not {old.get("rope_type", "default"), new.get("rope_type", "default")} <= set(KNOWN):
        return None
    positions, dimensions = before.max_position_embeddings, rotary_dimensions(before)
    was, now = rotation(old, dimensions, positions), rotation(new, dimensions, after.max_position_embeddings)
    seen_P = positions * was.inverse_P
    unturned_P = seen_P < 2 * math.pi

    def unseen(inverse_P: np.ndarray) -> int:
        return int((unturned_P & (context * inverse_P > seen_P * (1 + 1e-6))).sum())

    theta = float(old["rope_theta"])
    facts: dict[str, Any] = {
        "trained": int(old.get(ORIGINAL) or positions),
        "context": context,
        "theta": (theta, float(new["rope_theta"])),
        "wavelength": (float(was.wavelength_P[-1]), float(now.wavelength_P[-1])),
        "pairs": len(seen_P),
        "unturned": int(unturned_P.sum()),
        "unseen": (unseen(was.inverse_P), unseen(now.inverse_P)),
        "attention_scale": now.attention_scale,
        "reach": int((theta / 0.0424) ** (1 / 1.628)),
        "suggested_theta": _round(critical_theta(theta, positions, max(context, positions))),
    }
    return ContextAdvice(**facts, lines=_lines(facts, positions, old, new))


def _lines(facts: Mapping[str, Any], positions: int, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    context, theta, waves, unseen = (facts[key] for key in ("context", "theta", "wavelength", "unseen"))
    kind = new.get("rope_type", "default")
    how = f"theta {theta[0]:g} to {theta[1]:g}" if theta[0] != theta[1] else f"theta stays {theta[0]:g}"
    if kind != old.get("rope_type", "default") or new.get("factor") != old.get("factor"):
        how += f", {kind}" + (f" by {new['factor']:g}" if new.get("factor") else "")
    if facts["attention_scale"] != 1:
        how += f", attention x {facts['attention_scale'] ** 2:.2f}"
    lines = [
        f"positions {positions} to {max(context, positions)}: {how}; the slowest of {facts['pairs']} pairs turns once "
        f"in {format_size(round(waves[0]))} tokens, then in {format_size(round(waves[1]))}",
        f"{facts['unturned']} pairs never turned once in {positions} tokens; {unseen[0]} of them meet unseen angles at "
        f"{context} with the base's rotation, {unseen[1]} with this one"
        + (f" (theta: {facts['suggested_theta']:.0f} or method: yarn would leave fewer)" if unseen[1] else ""),
    ]
    if old.get("rope_type", "default") != "default":
        lines.append(f"the base was stretched before, from {facts['trained']} tokens ({old['rope_type']})")
    elif facts["reach"] >= _REACHES_FURTHER * positions:
        lines.append(f"the base was made with a longer context in mind: its theta reaches {facts['reach']} tokens")
    else:
        lines.append(f"the base was made for its own length: its theta reaches {facts['reach']} tokens")
    return lines


def _round(theta: float) -> float:
    """Two leading digits, as people write it."""
    scale = 10 ** (math.floor(math.log10(theta)) - 1)
    return round(theta / scale) * scale
