"""Is the difference real? Paired bootstrap over items and seeds, with intervals that keep their promise.

Two models are compared on the same items, so what makes an item hard cancels (pairing), and the difference of two
ratios sum(v * w) / sum(w) is resampled, not the two values. Noise comes from two places and both are drawn:

- items: the documents or problems are a sample; each replicate draws I of I items with replacement, the same draw for
  every model and seed;
- seeds: another order of the data gives another model; each replicate draws S of S seeds with replacement. Arms with
  the same seeds draw the same ones (they share their noise). The parent is one given model and has no seed noise.

Three corrections keep the plain percentile interval honest at the sizes met here (measured in the tests):

- S resampled seeds show only (S - 1)/S of their variance (Davison & Hinkley 1997, section 2.7), so the seeds'
  deviations are stretched by sqrt(S / (S - 1));
- a spread estimated from 3 seeds is itself uncertain, so the interval is stretched about the estimate: the item and
  the seed variance each count with the t quantile of their own degrees of freedom. That is 2.2 for three seeds and 6.5
  for two when seeds are the only noise, and near 1 when they do not matter. (One quantile with Satterthwaite's degrees
  of freedom covered only 85 % with two seeds: when they agree by chance, it forgets that they are two.)
- right/wrong items get one pseudo-item won and one lost (Bonett & Price 2012, Laplace-adjusted paired interval), so
  that 4 wins of 30 against none is not called certain.

With one seed the interval covers item noise only, and `seeds` says so. Verdicts are per capability and not corrected
for their number: a guard is a promise about each capability by itself, and correcting would make it deaf. With k
capabilities that did not change, expect k/20 false verdicts at 95 %. Items of one group (a package, a book) resemble
each other; the interval speaks of more items like these, not of new groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Literal

import numpy as np

RESAMPLES = 4000
"""Replicates per capability: the ends of a 95 % interval move by about 2 % of its width between random streams."""
MINIMUM_ITEMS = 5
"""Fewer items than this are never ranked."""
POWER = 0.8
"""The chance with which a difference of the minimum detectable effect is found."""
_CHUNK_NUMBERS = 4_000_000

Verdict = Literal["better", "worse", "unranked"]


@dataclass(frozen=True)
class Comparison:
    """Ours minus another model on one capability, in the metric's units."""

    difference: float
    low: float
    high: float
    stderr: float
    minimum_detectable_effect: float
    verdict: Verdict
    items: int
    seeds: int
    """How many runs of ours the seed noise was measured from; 1 means that it was not measured."""

    @property
    def interval(self) -> list[float]:
        """[low, high]."""
        return [self.low, self.high]


def compare(
    ours_SI: np.ndarray,
    others: Mapping[str, np.ndarray],
    weight_I: np.ndarray,
    *,
    lower_is_better: bool,
    paired_seeds: Sequence[str] = (),
    pseudo_items: bool = False,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Comparison]:
    """Compare ours with each of `others` on the same items.

    `ours_SI` holds one row per seed, `others` name -> [seeds of that model, I], `weight_I` the items' weights (all
    positive). Models named in `paired_seeds` have the same seeds in the same order as ours. `pseudo_items` is for
    right/wrong values. The result is the same for the same arguments on any machine with this NumPy.
    """
    items = ours_SI.shape[1]
    assert items == len(weight_I) > 0
    assert (weight_I > 0).all()
    sides = {"ours": ours_SI, **{f"other {name}": value for name, value in others.items()}}
    estimates = {name: value_SI @ weight_I / weight_I.sum() for name, value_SI in sides.items()}
    drawn_items = _with_pseudo_items(sides, weight_I) if pseudo_items else (sides, weight_I)
    rng = np.random.default_rng(seed)
    replicates = _replicate_items(*drawn_items, resamples, rng)
    ours_draw_RS = _seed_draws(ours_SI.shape[0], resamples, rng)
    ours_R = _resample_seeds(replicates["ours"], ours_draw_RS)
    compared = {}
    for name, other_SI in others.items():
        paired = name in paired_seeds
        assert not paired or other_SI.shape == ours_SI.shape
        draw_RS = ours_draw_RS if paired else _seed_draws(other_SI.shape[0], resamples, rng)
        difference_R = ours_R - _resample_seeds(replicates[f"other {name}"], draw_RS)
        stretch = _stretch(
            estimates["ours"], estimates[f"other {name}"], paired, difference_R, items, (1 + confidence) / 2
        )
        difference = float(estimates["ours"].mean() - estimates[f"other {name}"].mean())
        compared[name] = _conclude(difference, difference_R, stretch, items, len(ours_SI), lower_is_better, confidence)
    return compared


def _with_pseudo_items(
    sides: Mapping[str, np.ndarray], weight_I: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Add one item that only ours gets right and one that only the others do, each of mean weight."""
    padded = {}
    for name, value_SI in sides.items():
        pseudo = [1.0, 0.0] if name == "ours" else [0.0, 1.0]
        padded[name] = np.concatenate([value_SI, np.tile(pseudo, (len(value_SI), 1))], axis=1)
    return padded, np.concatenate([weight_I, np.full(2, weight_I.mean())])


def _replicate_items(
    sides: Mapping[str, np.ndarray], weight_I: np.ndarray, resamples: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The ratio of every side and seed under resampled items: {side: [R, S]}; memory is bounded by chunks."""
    items = len(weight_I)
    chunk = max(1, _CHUNK_NUMBERS // items)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in sides}
    for start in range(0, resamples, chunk):
        count = min(chunk, resamples - start)
        drawn_RI = rng.multinomial(items, np.full(items, 1 / items), size=count) * weight_I
        total_R = drawn_RI.sum(axis=1, keepdims=True)
        for name, value_SI in sides.items():
            parts[name].append(drawn_RI @ value_SI.T / total_R)
    return {name: np.concatenate(part) for name, part in parts.items()}


def _seed_draws(seeds: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each seed is drawn in each replicate, as shares: [R, S]."""
    return rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples) / seeds


def _resample_seeds(ratio_RS: np.ndarray, draw_RS: np.ndarray) -> np.ndarray:
    """The mean over drawn seeds, their deviations stretched to the unbiased variance: [R]."""
    seeds = ratio_RS.shape[1]
    mean_R1 = ratio_RS.mean(axis=1, keepdims=True)
    stretch = np.sqrt(seeds / (seeds - 1)) if seeds > 1 else 1.0
    return mean_R1[:, 0] + stretch * ((ratio_RS - mean_R1) * draw_RS).sum(axis=1)


def _stretch(
    ours_S: np.ndarray, other_S: np.ndarray, paired: bool, difference_R: np.ndarray, items: int, probability: float
) -> float:
    """How much wider than normal the interval must be: each variance with its own t quantile, added in quadrature."""
    rows = [ours_S - other_S] if paired else [ours_S, other_S]
    seed_parts = [(row.var(ddof=1) / len(row), len(row) - 1) for row in rows if len(row) > 1]
    item_variance = max(difference_R.var(ddof=1) - sum(part for part, _ in seed_parts), 0.0)
    parts = [*seed_parts, (item_variance, max(items - 1, 1))]
    total = sum(part for part, _ in parts)
    if total <= 0:
        return 1.0
    widened = sum(part * t_quantile(probability, freedom) ** 2 for part, freedom in parts)
    return float(np.sqrt(widened / total)) / NormalDist().inv_cdf(probability)


def _conclude(
    difference: float,
    difference_R: np.ndarray,
    stretch: float,
    items: int,
    seeds: int,
    lower_is_better: bool,
    confidence: float,
) -> Comparison:
    """Interval, standard error, minimum detectable effect and verdict from replicates of one difference."""
    tail = (1 - confidence) / 2
    ends = np.quantile(difference_R, [tail, 1 - tail])
    center = difference_R.mean()
    low, high = center + (ends - center) * stretch
    # Pseudo-items pull the center toward zero; the interval must still hold what was measured.
    low, high = min(float(low), difference), max(float(high), difference)
    stderr = float(difference_R.std(ddof=1))
    verdict: Verdict = "unranked"
    if items >= MINIMUM_ITEMS and (low > 0 or high < 0):
        verdict = "better" if (high < 0) == lower_is_better else "worse"
    detectable = (NormalDist().inv_cdf(1 - tail) + NormalDist().inv_cdf(POWER)) * stretch * stderr
    return Comparison(difference, low, high, stderr, detectable, verdict, items, seeds)


@lru_cache(maxsize=256)
def t_quantile(probability: float, freedom: float) -> float:
    """The quantile of Student's t, to three digits.

    With X = sqrt(freedom) * tan(angle), the angle has a density proportional to cos(angle) ** (freedom - 1), which is
    summed on a grid; above 1000 degrees of freedom the normal quantile is as good.
    """
    if freedom > 1000:
        return NormalDist().inv_cdf(probability)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 40_001)[1:-1]
    cumulative = np.cumsum(np.cos(angle) ** (freedom - 1))
    middle = (cumulative - (cumulative - np.concatenate([[0.0], cumulative[:-1]])) / 2) / cumulative[-1]
    return float(np.sqrt(freedom) * np.tan(np.interp(probability, middle, angle)))
