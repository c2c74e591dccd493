"""Which models to merge, and how far: choices made by a score, and checked where they were not made.

Whatever is chosen by a score is flattered by it: the best of ten equal candidates looks better than they are. So a
choice is made on one part of the evaluation and judged on another (`confirm`), and what does not hold there is not
done. Scores are callbacks, higher is better: what a candidate is made of is the caller's affair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Members = tuple[int, ...]


@dataclass(frozen=True)
class Soup:
    """What a greedy soup came to."""

    members: Members
    """The models to average: what was chosen if it was confirmed, else the best single one."""
    chosen: Members
    """The models chosen by the score."""
    scores: dict[Members, float]
    """Every candidate that was scored, in order."""
    confirmed: bool
    """Whether the chosen ones do better than the best single one where the choice was not made."""


def greedy_soup(count: int, score: Callable[[Members], float], confirm: Callable[[Members], float]) -> Soup:
    """The greedy soup of models 0 to `count` - 1 (Wortsman et al. 2022, arXiv:2203.05482, recipe 1), confirmed.

    Models join in the order of their own scores, and stay when the average with them scores no worse than without.
    `score` and `confirm` get the members of an average (sorted) and answer on different items; `score` is asked
    2 * count - 1 times at most, `confirm` twice.
    """
    scores: dict[Members, float] = {}

    def scored(members: Members) -> float:
        if members not in scores:
            scores[members] = score(members)
        return scores[members]

    order = sorted(range(count), key=lambda one: -scored((one,)))
    best: Members = (order[0],)
    chosen = best
    for one in order[1:]:
        together = tuple(sorted((*chosen, one)))
        if scored(together) >= scored(chosen):
            chosen = together
    confirmed = chosen == best or confirm(chosen) >= confirm(best)
    return Soup(chosen if confirmed else best, chosen, scores, confirmed)


@dataclass(frozen=True)
class Attempt:
    """A merge at one alpha, measured."""

    alpha: float
    """The share of the other model; 0 is the model as it is."""
    guard: Literal["kept", "unclear", "broken", "unguarded"]
    """Whether it loses more than it may."""
    score: float
    """What it is for; higher is better."""


def choose_repair(attempts: Sequence[Attempt]) -> Attempt | None:
    """Of the attempts that do not break the guard the one with the best score (the smallest alpha of equals), or None.

    A repair merge takes back a little of the model before (SmolLM3 took 0.1, OLMo 3 swept it): what was lost comes
    back sooner than what was gained goes.
    """
    whole = [one for one in attempts if one.guard != "broken"]
    return max(whole, key=lambda one: (one.score, -one.alpha), default=None)
