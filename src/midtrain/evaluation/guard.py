"""The verdict of a run: what got better, what was lost, and whether that is inside what was allowed beforehand.

Three models are compared on the same items. The *parent* is the model that was given. The *control* had the same
stages, tokens and learning rate on the old data. *Ours* is the result. Better than the parent alone proves little: a
learning rate going to zero lowers every loss, whatever the data. So a target names the control too.

The guard asks, per capability with a budget, how much worse than the parent ours is, relative to the parent:

- broken: the worsening exceeds the budget, and the interval says that ours is really worse than the parent;
- kept: even the interval's bad end is inside the budget;
- unclear: the items and seeds measured cannot tell. More of them can.

Only broken is a failure. Unclear is said aloud, with the number that it could be.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pyarrow as pa

from midtrain.core.errors import UserError
from midtrain.evaluation.config import GuardConfig, TargetConfig, require_measured
from midtrain.evaluation.scores import LOWER_IS_BETTER, Capability, capabilities
from midtrain.evaluation.statistics import RESAMPLES, Comparison, compare


def judge(
    parent: pa.Table,
    control: Mapping[int, pa.Table],
    ours: Mapping[int, pa.Table],
    guard: GuardConfig,
    target: TargetConfig | None = None,
    *,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Everything a run came to, as plain data (the content of scores.json).

    `control` and `ours` are seed -> scores table; `control` may be empty. Raises UserError when the scores do not
    fit together, or when the target or a budget names nothing that was measured.
    """
    assert ours, "nothing to judge"
    sides = {
        "parent": [capabilities(parent)],
        "control": [capabilities(table) for table in control.values()],
        "ours": [capabilities(table) for table in ours.values()],
    }
    names = _common_names(sides)
    try:
        require_measured(names, guard, target)
    except ValueError as error:
        raise UserError(str(error)) from None
    rows, comparisons = {}, {}
    for name in names:
        rows[name], comparisons[name] = _judge_capability(
            {side: [one[name] for one in found] for side, found in sides.items()},
            paired=list(control) == list(ours),
            confidence=guard.confidence,
            resamples=resamples,
        )
    return {
        "capabilities": rows,
        "target": _judge_target(target, rows, comparisons) if target else None,
        "guard": _judge_guard(guard, rows, comparisons),
        "seeds": list(ours),
        "seed_noise": "measured" if len(ours) > 1 else "not measured",
    }


def _common_names(sides: Mapping[str, list[dict[str, Capability]]]) -> list[str]:
    names = list(sides["parent"][0])
    for side, found in sides.items():
        for one in found:
            if one.keys() != set(names):
                odd = sorted(one.keys() ^ set(names))[0]
                raise UserError(f'The scores of the {side} and of the parent differ in "{odd}"; evaluate both again.')
    return names


def _judge_capability(
    found: Mapping[str, list[Capability]], *, paired: bool, confidence: float, resamples: int
) -> tuple[dict[str, Any], dict[str, Comparison]]:
    """One row of scores.json and its comparisons by name of the other model."""
    parent = found["parent"][0]
    common = _common_items([one for side in found.values() for one in side])
    sides = {side: np.stack([_values(one, common) for one in each]) for side, each in found.items() if each}
    weight_I = _values(parent, common, weights=True)
    compared = compare(
        sides["ours"],
        {side: value_SI for side, value_SI in sides.items() if side != "ours"},
        weight_I,
        lower_is_better=LOWER_IS_BETTER[parent.metric],
        paired_seeds=["control"] if paired and "control" in sides else [],
        pseudo_items=parent.metric == "exact_match",
        confidence=confidence,
        resamples=resamples,
    )
    row: dict[str, Any] = {"metric": parent.metric, "n": len(common)}
    for side in ("parent", "control", "ours"):
        row[side] = float((sides[side] @ weight_I).mean() / weight_I.sum()) if side in sides else None
    row["stderr"] = compared["parent"].stderr
    row["minimum_detectable_effect"] = compared["parent"].minimum_detectable_effect
    for other in ("parent", "control"):
        row[f"vs_{other}"] = compared[other].verdict if other in compared else None
        row[f"vs_{other}_interval"] = compared[other].interval if other in compared else None
    row["per_seed"] = {
        side: [float(value) for value in sides[side] @ weight_I / weight_I.sum()]
        for side in ("control", "ours")
        if side in sides
    }
    row["left_out"] = max(len(one.items) for each in found.values() for one in each) - len(common)
    return row, compared


def _common_items(found: list[Capability]) -> list[str]:
    """The items that every model has, in the first one's order (an item a checker failed on is left out of all)."""
    everywhere = set(found[0].items).intersection(*(one.items for one in found[1:]))
    if not everywhere:
        raise UserError(f'The models were scored on different items of "{found[0].name}"; evaluate all of them again.')
    return [item for item in found[0].items if item in everywhere]


def _values(capability: Capability, items: list[str], weights: bool = False) -> np.ndarray:
    column = capability.weight_I if weights else capability.value_I
    if items == capability.items:
        return column
    position = {item: i for i, item in enumerate(capability.items)}
    return column[[position[item] for item in items]]


def _judge_target(
    target: TargetConfig, rows: Mapping[str, Any], comparisons: Mapping[str, Mapping[str, Comparison]]
) -> dict[str, Any]:
    against = {}
    for other in target.better_than:
        found = comparisons[target.capability].get(other)
        if found is None:
            raise UserError(f"target.better_than names the {other}, but there is no {other}; add control.weights.")
        against[other] = {"difference": found.difference, "interval": found.interval, "verdict": found.verdict}
    reached = all(one["verdict"] == "better" for one in against.values())
    return {
        "capability": target.capability,
        "better_than": list(target.better_than),
        "against": against,
        "reached": reached,
        "verdict": "reached" if reached else "missed",
    }


def _judge_guard(
    guard: GuardConfig, rows: Mapping[str, Any], comparisons: Mapping[str, Mapping[str, Comparison]]
) -> dict[str, Any]:
    judged = {}
    for name, row in rows.items():
        budget = _budget(guard, name)
        if budget is not None:
            judged[name] = _judge_budget(budget, row, comparisons[name]["parent"])
    groups = {word: [name for name, one in judged.items() if one["verdict"] == word] for word in _GUARD_WORDS}
    overall = next((word for word in _GUARD_WORDS if groups[word]), "unguarded")
    return {"verdict": overall, **groups, "confidence": guard.confidence, "capabilities": judged}


_GUARD_WORDS = ("broken", "unclear", "kept")


def _budget(guard: GuardConfig, name: str) -> float | None:
    if name in guard.budgets:
        return guard.budgets[name]
    return next((budget for pattern, budget in guard.budgets.items() if fnmatchcase(name, pattern)), None)


def _judge_budget(budget: float, row: Mapping[str, Any], against: Comparison) -> dict[str, Any]:
    """Relative worsening (positive is worse) at the estimate and at the interval's bad end."""
    lower_is_better = LOWER_IS_BETTER[row["metric"]]
    worsening = against.difference if lower_is_better else -against.difference
    bad_end = against.high if lower_is_better else -against.low
    if row["parent"] > 0:
        worsening, bad_end = worsening / row["parent"], bad_end / row["parent"]
        if worsening > budget and against.verdict == "worse":
            verdict = "broken"
        else:
            verdict = "kept" if bad_end <= budget else "unclear"
    else:  # nothing right (or nothing to compress) in the parent: there is nothing to lose in a share of right answers
        worsening, bad_end, verdict = 0.0, 0.0, "kept"
    return {"budget": budget, "worsening": worsening, "could_be": bad_end, "verdict": verdict}
