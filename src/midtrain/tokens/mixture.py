"""The mixture: a pure function from a position in a stage to (source, epoch, instance).

    position --> (block, place in it) --> (source, running count) --> (epoch, instance)
                 keyed shuffle            cumulative quotas           keyed permutation

The stage's positions (rows of batches) are cut into blocks. In each block every source gets a whole number of rows
(quotas.py), and a shuffle keyed by (seed, block) says which places are whose. A source's rows are counted in the
order of their places, so what has been read of a source is always one number k, at any position. Count k is epoch
k // rows and the (k % rows)-th instance of an order that is a permutation keyed by (seed, source name, epoch), or as
packed for a source read by attribute. Nothing is iterated, buffered or replayed: position 10^8 costs what position 0
costs, and neither the number of readers nor other sources' names or order change what a position is.

Weights are shares of tokens. A row of source s holds `instance_tokens` real tokens on average (rows are padded by
different amounts), so its share of rows is proportional to weight / instance_tokens. Weights that change over time are
taken at the centre of each block. A remix changes the weights from a block on: earlier blocks stay as they are, and
every source goes on counting, so nothing is lost and nothing repeated; rounding begins anew there, at most one row off.

A source may begin with an opening: rows left over from a stage before (ledger.py). It is read first.
Rows of two contexts in one stage would be sources of their own, whose instances are groups of rows of equal tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from midtrain.core.errors import UserError, did_you_mean
from midtrain.core.fingerprint import fingerprint
from midtrain.core.permutation import Permutation, derive_key, permute_each, shuffled
from midtrain.tokens.config import MixtureConfig
from midtrain.tokens.instances import Instances
from midtrain.tokens.quotas import cumulative_quotas
from midtrain.tokens.weights import Weights

_LEAST_BLOCK = 64
_MOST_BLOCKS = 8192
DEFAULT_MAX_EPOCHS = 4.0


@dataclass(frozen=True, kw_only=True)
class MixtureSource:
    """What the mixture knows of a source: how many rows, how full, how often and in which order they may be read."""

    name: str
    num_instances: int
    """Rows of one whole epoch."""
    instance_tokens: float
    """Mean real tokens (without padding) of a row."""
    max_epochs: float = DEFAULT_MAX_EPOCHS
    """How often a document may be read, the stages before included."""
    ordered: bool = False
    """Read in the packed order (by attribute) instead of shuffled anew each epoch."""
    opening_instances: int = 0
    """Rows left of a running epoch, read once before the first whole epoch; numbered before the others."""
    opening_share: float = 0.0
    """The opening's tokens as a share of the source's."""
    first_epoch: int = 0
    """The epoch that is running when the stage begins."""


def mixture_sources(config: MixtureConfig, instances: Mapping[str, Instances]) -> list[MixtureSource]:
    """The sources of a stage from its config and packed rows; UserError for options that name an unknown source."""
    for field in ("max_epochs", "order"):
        named = getattr(config, field)
        for name in named if isinstance(named, dict) else ():
            if name not in instances:
                raise UserError(f'mixture.{field}: there is no source "{name}".{did_you_mean(name, instances)}')
    sources = []
    for name, rows in instances.items():
        caps, facts = config.max_epochs, rows.facts
        whole = rows.num_instances - rows.opening
        sources.append(
            MixtureSource(
                name=name,
                num_instances=whole,
                instance_tokens=facts["tokens"] / max(whole, 1),
                max_epochs=caps.get(name, DEFAULT_MAX_EPOCHS) if isinstance(caps, dict) else caps,
                ordered=name in config.order,
                opening_instances=rows.opening,
                opening_share=facts.get("opening_tokens", 0) / max(facts["tokens"], 1),
                first_epoch=facts.get("opening_epoch", 0),
            )
        )
    return sources


def block_size(batch_sequences: int, num_positions: int) -> int:
    """Rows per block: a whole number of batches, at least 64 rows, at most 8,192 blocks in the stage.

    So every batch of 64 rows or more holds its exact shares in a run of up to 8,192 steps; small batches share a
    block; and the table of cumulative quotas stays under 4 MB for 50 sources whatever the length.
    """
    least = max(_LEAST_BLOCK, -(-num_positions // _MOST_BLOCKS))
    return batch_sequences * -(-least // batch_sequences)


class Mixture:
    """The order of a stage of `num_positions` rows; immutable, safe to share between threads."""

    def __init__(
        self,
        sources: Sequence[MixtureSource],
        weights: Weights,
        *,
        num_positions: int,
        block: int,
        seed: int,
        remixes: Sequence[tuple[int, Weights]] = (),
    ):
        """`remixes` are (from_block, weights) in rising order, see `remix`.

        Raises UserError when a source without rows has a weight, or a source would be read more often than its cap.
        """
        assert num_positions > 0
        assert block > 0
        assert all(weights.sources == tuple(s.name for s in sources) for _, weights in [(0, weights), *remixes])
        self.sources, self.seed = tuple(sources), seed
        self.num_positions, self.block = num_positions, block
        self.num_blocks = -(-num_positions // block)
        self._weights, self._remixes = weights, tuple(remixes)
        self.counts_NS = self._quotas()
        self._check_caps()
        self._block = lru_cache(maxsize=16)(self._make_block)
        self._order = lru_cache(maxsize=4096)(self._make_order)

    @property
    def names(self) -> tuple[str, ...]:
        """Source names; a source index is a place in it."""
        return tuple(source.name for source in self.sources)

    def lookup(self, positions: np.ndarray | Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(source index, epoch, instance) of each position, int64 [N] each."""
        positions = np.asarray(positions, dtype=np.int64)
        assert positions.size == 0 or (positions.min() >= 0 and positions.max() < self.num_positions)
        found_3N = np.empty((3, len(positions)), dtype=np.int64)
        blocks = positions // self.block
        for block in np.unique(blocks):
            here = np.flatnonzero(blocks == block)
            found_3N[:, here] = self._block(int(block))[:, positions[here] - block * self.block]
        return found_3N[0], found_3N[1], found_3N[2]

    def place(self, source: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(epoch, instance) of the `count`-th row (from 0) read of each source index, int64 [N] each."""
        opening = np.array([s.opening_instances for s in self.sources])[source]
        rows = np.array([max(s.num_instances, 1) for s in self.sources])[source]
        first = np.array([s.first_epoch for s in self.sources])[source]
        in_opening = count < opening
        whole, rest = np.divmod(np.where(in_opening, 0, count - opening), rows)
        epoch = np.where(in_opening, first, first + (opening > 0) + whole)
        instance = np.where(in_opening, count, opening + rest)
        shuffled = np.flatnonzero(~np.array([s.ordered for s in self.sources])[source])
        if shuffled.size:
            ids = 2 * (epoch * len(self.sources) + source) + in_opening
            distinct, which = np.unique(ids[shuffled], return_inverse=True)
            orders = [self._order(*divmod(one // 2, len(self.sources)), one % 2) for one in distinct.tolist()]
            base = np.where(in_opening, 0, opening)[shuffled]
            instance[shuffled] = base + permute_each(orders, which, instance[shuffled] - base)
        return epoch, instance

    def counts_at(self, position: int) -> np.ndarray:
        """How many rows of each source come before `position`, int64 [S]. That is all there is to a data state."""
        assert 0 <= position <= self.num_positions
        if position == self.num_positions:
            return self.counts_NS[-1].copy()
        block, places = divmod(position, self.block)
        counts = self.counts_NS[block].copy()
        if places:
            counts += np.bincount(self._block(block)[0][:places], minlength=len(counts))
        return counts

    def epochs(self, position: int | None = None) -> dict[str, float]:
        """How often each source's tokens have been read by `position` (the end when None), stages before included."""
        counts = self.counts_at(self.num_positions if position is None else position)
        return {source.name: _epochs(source, int(count)) for source, count in zip(self.sources, counts, strict=True)}

    def remix(self, from_block: int, weights: Weights) -> Mixture:
        """The mixture that equals this one before `from_block` and has `weights` from there on.

        Shares of time in `weights` are of the whole stage. A remix at or before an earlier one replaces it.
        Raises UserError when a source would exceed its cap.
        """
        assert 0 <= from_block <= self.num_blocks
        kept = [(block, earlier) for block, earlier in self._remixes if block < from_block]
        return Mixture(
            self.sources,
            self._weights,
            num_positions=self.num_positions,
            block=self.block,
            seed=self.seed,
            remixes=[*kept, (from_block, weights)],
        )

    @property
    def state(self) -> list[dict[str, Any]]:
        """The remixes as decisions: [{from_block, change}], plain data that `from_decisions` reads back."""
        return [{"from_block": block, "change": weights.plain} for block, weights in self._remixes]

    def from_decisions(self, decisions: Sequence[Mapping[str, Any]]) -> Mixture:
        """This mixture with a run's decisions applied in order; decisions that change no weights are passed over."""
        mixture = self
        for decision in decisions:
            change = {
                key: decision["change"][key] for key in ("weights", "curve", "points") if key in decision["change"]
            }
            if change:
                weights = Weights(MixtureConfig.model_validate(change), self.names, "remix")
                mixture = mixture.remix(decision["from_block"], weights)
        return mixture

    @property
    def digest(self) -> str:
        """A name for the whole order: equal digests read equal rows at every position."""
        return fingerprint(
            {
                "sources": [asdict(source) for source in self.sources],
                "weights": self._weights.plain,
                "remixes": self.state,
                "num_positions": self.num_positions,
                "block": self.block,
                "seed": self.seed,
            }
        )

    def _quotas(self) -> np.ndarray:
        """Rows of each source before each block, int64 [blocks + 1, S]."""
        starts_N = np.arange(self.num_blocks) * self.block
        sizes_N = np.minimum(self.block, self.num_positions - starts_N)
        centres_N = (starts_N + sizes_N / 2) / self.num_positions
        tokens_S = np.array([source.instance_tokens for source in self.sources])
        counts = np.zeros((self.num_blocks + 1, len(self.sources)), dtype=np.int64)
        segments = [(0, self._weights), *self._remixes]
        ends = [block for block, _ in segments[1:]] + [self.num_blocks]
        for (begin, weights), end in zip(segments, ends, strict=True):
            if end == begin:
                continue
            weights_NS = weights.weights_at(centres_N[begin:end])
            for s, source in enumerate(self.sources):
                if weights_NS[:, s].any() and not source.num_instances:
                    raise UserError(f'mixture: source "{source.name}" has a weight but no tokens; leave it out.')
            rows_NS = np.divide(weights_NS, tokens_S, out=np.zeros_like(weights_NS), where=weights_NS > 0)
            shares_NS = rows_NS / rows_NS.sum(axis=1, keepdims=True)
            counts[begin : end + 1] = cumulative_quotas(shares_NS, sizes_N[begin:end], counts[begin])
        return counts

    def _check_caps(self) -> None:
        for source, epochs in zip(self.sources, self.epochs().values(), strict=True):
            if epochs > source.max_epochs + 1e-9:
                lower = source.max_epochs / epochs
                raise UserError(
                    f'mixture: source "{source.name}" would be read {epochs:.2f} times, over its max_epochs of '
                    f"{source.max_epochs:g}; lower its weight (to {lower:.2g} of what it is), raise max_epochs, "
                    f"add documents, or train on fewer tokens."
                )

    def _make_block(self, block: int) -> np.ndarray:
        """(source index, epoch, instance) of every place of a block, int64 [3, K]."""
        size = min(self.block, self.num_positions - block * self.block)
        quotas_S = self.counts_NS[block + 1] - self.counts_NS[block]
        slots = shuffled(size, derive_key(self.seed, "block", block))
        source_K = np.searchsorted(np.cumsum(quotas_S), slots, side="right")
        by_source = np.argsort(source_K, kind="stable")
        count_K = np.empty(size, dtype=np.int64)
        count_K[by_source] = np.arange(size) + np.repeat(
            self.counts_NS[block] - (np.cumsum(quotas_S) - quotas_S), quotas_S
        )
        return np.stack([source_K, *self.place(source_K, count_K)])

    def _make_order(self, epoch: int, source: int, opening: int) -> Permutation:
        rows = self.sources[source].opening_instances if opening else self.sources[source].num_instances
        return Permutation(rows, derive_key(self.seed, "instances", self.sources[source].name, epoch))


def _epochs(source: MixtureSource, count: int) -> float:
    """Passes over a source's tokens after reading `count` rows in this stage, stages before included."""
    if not source.opening_instances:
        return source.first_epoch + count / max(source.num_instances, 1)
    if count < source.opening_instances:
        return source.first_epoch + 1 - source.opening_share * (1 - count / source.opening_instances)
    return source.first_epoch + 1 + (count - source.opening_instances) / max(source.num_instances, 1)
