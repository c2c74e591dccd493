"""Merging as arithmetic: soups, arcs, and what was learned added to a base. Everything is float32 and elementwise.

    linear            sum w_i theta_i / sum w_i, a soup (Wortsman et al. 2022, arXiv:2203.05482)
    slerp             from one model to the other along the arc between them (Shoemake 1985), tensor by tensor
    task arithmetic   base + lambda * sum w_i d_i with d_i = theta_i - base (Ilharco et al. 2023, arXiv:2212.04089)
    TIES              keep each d_i's largest entries, elect a sign for each entry by the weighted sum, average what
                      agrees with it (Yadav et al. 2023, arXiv:2306.01708)
    DARE              keep a random share p of each d_i and divide it by p, which keeps its expectation; then add, or
                      elect and average (Yu et al. 2024, arXiv:2311.03099)

All but two numbers are elementwise, so a tensor can be merged block by block, and is: slerp first needs the angle, TIES
the size of the smallest change that is kept, and both are found in a pass of their own in constant memory.

Where this differs from mergekit: DARE is rescaled by 1/p as in its paper (mergekit matches the L1 norm of what is left,
which depends on the draw); its draws are keyed by seed, tensor and model, so they do not change with another model in
the list, the order of tensors or the number of threads; dare_ties averages what agrees (mergekit adds it up unless told
to normalize). TIES keeps every entry as large as the k-th (mergekit cuts among equals as its sort falls). Both trim
tensor by tensor, where the paper cuts a whole model's changes at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch

from midtrain.core.permutation import derive_key
from midtrain.models.merge_config import MergeConfig

_PARALLEL = 0.9995
"""Above this cosine an arc is a line to float32, and dividing by its sine is not safe."""

Blocks = Callable[[], Iterable[torch.Tensor]]
"""Reads one tensor of one model from its beginning: flat blocks in order, of equal lengths for every model."""


def linear(tensors: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """The weighted average, float32, of tensors of one shape; the weights need not sum to 1 (but not to 0)."""
    return weighted_sum(tensors, [weight / math.fsum(weights) for weight in weights])


def weighted_sum(tensors: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """sum w_i x_i in float32, in a new tensor."""
    total = tensors[0].float() * weights[0]
    for tensor, weight in zip(tensors[1:], weights[1:], strict=True):
        total += tensor.float() * weight
    return total


def slerp(start: torch.Tensor, end: torch.Tensor, t: float) -> torch.Tensor:
    """The tensor at share `t` of the arc from `start` to `end`, float32; of the line where they are nearly parallel."""
    dot, start_norm, end_norm = _angle([(start.flatten(), end.flatten())])
    return weighted_sum([start, end], slerp_weights(dot, start_norm, end_norm, t))


def slerp_weights(dot: float, start_norm: float, end_norm: float, t: float) -> tuple[float, float]:
    """The factors of both ends: sin((1-t) a) / sin a and sin(t a) / sin a with the angle a between them.

    1 - t and t when the two are parallel or opposite to within 0.9995, or one is zero and has no direction.
    """
    size = start_norm * end_norm
    cosine = dot / size if size > 0 else 1.0
    if abs(cosine) > _PARALLEL:
        return 1 - t, t
    angle = math.acos(cosine)
    return math.sin((1 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)


def _angle(pairs: Iterable[tuple[torch.Tensor, ...]]) -> tuple[float, float, float]:
    """Dot product and both norms over blocks of two flat tensors, in float64."""
    dot = start_square = end_square = 0.0
    for start, end in pairs:
        start, end = start.double(), end.double()
        dot += float(start @ end)
        start_square += float(start @ start)
        end_square += float(end @ end)
    return dot, math.sqrt(start_square), math.sqrt(end_square)


def kept_entries(elements: int, density: float) -> int:
    """How many entries of a tensor a share `density` is: rounded down, and at least one."""
    return max(1, int(density * elements))


def trim_threshold(deltas: Blocks, keep: int) -> float:
    """The size of the `keep`-th largest entry of a float32 tensor, exactly, from two passes over its blocks.

    The bits of a float that is not negative, read as an integer, are ordered as the floats are. So a histogram of the
    upper sixteen finds the bin it is in, and one of the lower sixteen within that bin finds it: 256 KiB for any size.
    """

    def place(histogram: torch.Tensor, rank: int) -> tuple[int, int]:
        """The highest value with at least `rank` entries at or above it, and the rank within it."""
        above = histogram.flip(0).cumsum(0)
        position = int(torch.searchsorted(above, rank))
        before = int(above[position - 1]) if position else 0
        return len(histogram) - 1 - position, rank - before

    def histogram(values: Iterable[torch.Tensor], bins: int) -> torch.Tensor:
        counts = torch.zeros(bins, dtype=torch.int64)
        for value in values:
            counts += torch.bincount(value, minlength=bins)
        return counts

    def bits() -> Iterator[torch.Tensor]:
        return (delta.abs().view(torch.int32) for delta in deltas())

    upper, rank = place(histogram((one >> 16 for one in bits()), 1 << 15), keep)
    lower, _ = place(histogram((one[one >> 16 == upper] & 0xFFFF for one in bits()), 1 << 16), rank)
    return float(torch.tensor(upper << 16 | lower, dtype=torch.int32).view(torch.float32))


def trim(delta: torch.Tensor, threshold: float) -> torch.Tensor:
    """The entries of at least `threshold` in size; the others 0."""
    return torch.where(delta.abs() >= threshold, delta, 0.0)


def drop_and_rescale(delta: torch.Tensor, density: float, draws: np.random.Generator) -> torch.Tensor:
    """Keep each entry with probability `density`, divided by it; the others 0. Takes one draw an entry."""
    kept = torch.from_numpy(draws.random(delta.numel(), dtype=np.float32) < density).view_as(delta)
    return torch.where(kept, delta / density, 0.0)


def draws_of(seed: int, name: str, model: int) -> np.random.Generator:
    """The draws for one tensor of the `model`-th model: the same whatever else is merged, and in blocks or whole."""
    return np.random.Generator(np.random.Philox(key=derive_key("dare", seed, name, model)))


def elect(deltas: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """TIES' disjoint mean, float32: the sign with the larger weighted sum, and the weighted mean of what agrees.

    Where the sum is 0 the sign is plus; an entry that is 0 agrees with none, and where none agrees the mean is 0.
    """
    plus = weighted_sum(deltas, weights) >= 0
    total, shares = torch.zeros_like(plus, dtype=torch.float32), torch.zeros_like(plus, dtype=torch.float32)
    for delta, weight in zip(deltas, weights, strict=True):
        agrees = ((delta > 0) == plus) & (delta != 0)
        total += delta.float() * agrees * weight
        shares += agrees * weight
    return total / torch.where(shares == 0, 1.0, shares)


def merge_tensor(
    config: MergeConfig, name: str, elements: int, models: Sequence[Blocks], base: Blocks | None
) -> Iterator[torch.Tensor]:
    """The merge of one tensor `name` of every model in float32, block by block.

    `base` is what the task methods count changes from; the others do not read it.
    """
    if config.method == "linear":
        for blocks in _together(models):
            yield linear(blocks, config.weights)
    elif config.method == "slerp":
        assert config.t is not None
        factors = slerp_weights(*_angle(_together(models)), config.t)
        for blocks in _together(models):
            yield weighted_sum(blocks, factors)
    else:
        assert base is not None
        thin = _thinning(config, name, elements, models, base)
        join = elect if config.method in ("ties", "dare_ties") else weighted_sum
        for old, *new in _together([base, *models]):
            deltas = [one(delta) for one, delta in zip(thin, _changes(old, new), strict=True)]
            yield old.float() + config.lambda_ * join(deltas, config.weights)


def _thinning(
    config: MergeConfig, name: str, elements: int, models: Sequence[Blocks], base: Blocks
) -> list[Callable[[torch.Tensor], torch.Tensor]]:
    """For each model, what is done to its change before the changes are joined."""
    density = config.density
    if config.method == "task_arithmetic" or density == 1:
        return [lambda delta: delta] * len(models)
    if config.method == "ties":
        keep = kept_entries(elements, density)

        def deltas(model: Blocks) -> Iterator[torch.Tensor]:
            return (_changes(old, [new])[0] for old, new in _together([base, model]))

        cuts = [trim_threshold(lambda model=model: deltas(model), keep) for model in models]  # type: ignore[misc]
        return [lambda delta, cut=cut: trim(delta, cut) for cut in cuts]  # type: ignore[misc]
    draws = [draws_of(config.seed, name, number) for number in range(len(models))]
    return [lambda delta, own=own: drop_and_rescale(delta, density, own) for own in draws]  # type: ignore[misc]


def _changes(old: torch.Tensor, new: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return [one.float() - old.float() for one in new]


def _together(models: Sequence[Blocks]) -> Iterator[tuple[torch.Tensor, ...]]:
    return zip(*(blocks() for blocks in models), strict=True)
