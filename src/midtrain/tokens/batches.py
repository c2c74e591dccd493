"""Batches: the rows of a step, assembled from token stores, packed instances and the mixture.

Row r of step n is mixture position n * batch_sequences + r. A rank takes rows rank, rank + world, ..., so the union
over ranks is the same global batch for every world size, and any step can be made at any time by anyone.

Shape legend: B = rows of this rank, T = context, R = rows of one source, N = pieces, M = tokens of one source.

A piece (document, start, length) gives inputs tokens[start : start + length] and, as labels, the tokens one further
of the same document, so a document cut into pieces loses no target. Labels are -100 after a document's last token,
where the store's loss mask says that the target is not to be learned, and in padding. Documents are told apart by
`cu_seqlens` and by positions that restart; what is left of a row is a segment of its own. Tokens are read piece by
piece (runs.py), the rest is vectorised over the pieces of a source: 16k tokens take a millisecond or two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from midtrain.core.errors import UserError
from midtrain.core.fingerprint import fingerprint
from midtrain.tokens.instances import Instances
from midtrain.tokens.mixture import Mixture
from midtrain.tokens.runs import Runs
from midtrain.tokens.weights import Weights

NO_LOSS = -100


class Tokens(Protocol):
    """What a batch reads of a token store (see store.py)."""

    tokens: np.ndarray
    offsets: np.ndarray
    mask: np.ndarray | None

    @property
    def digest(self) -> str: ...

    def document_ids(self, indices: np.ndarray) -> list[str]: ...


@dataclass(frozen=True)
class Batch:
    """The rows of one rank in one step, as NumPy arrays."""

    input_ids_BT: np.ndarray
    """int64; 0 in padding."""
    labels_BT: np.ndarray
    """int64; the next token, or -100 where there is nothing to learn."""
    position_ids_BT: np.ndarray
    """int64; from 0 in every piece, and in the padding of a row."""
    cu_seqlens: np.ndarray
    """int32; where segments begin and end in the flattened rows, of the same length in every step (B*T repeated)."""
    lengths: list[int]
    """Tokens of each segment in order, padding segments included; sums to B*T."""
    source_BT: np.ndarray
    """int16; index into the mixture's source names, -1 in padding."""
    weight_BT: np.ndarray
    """float32; loss weight, 0 where the label is -100."""
    positions: np.ndarray
    """int64 [B]; mixture position of each row."""

    @property
    def num_targets(self) -> int:
        """How many tokens are learned."""
        return int(np.count_nonzero(self.weight_BT))


class StageData:
    """All batches of a stage, by step."""

    def __init__(
        self,
        stores: Mapping[str, Tokens],
        instances: Mapping[str, Instances],
        mixture: Mixture,
        context: int,
        batch_sequences: int,
        quarantine: Sequence[Mapping[str, Any]] = (),
    ):
        """`stores` and `instances` by source name; `quarantine` are a run's decisions that name documents (see
        `from_decisions`). Raises UserError when they do not belong together."""
        self.quarantine = [{"step": made["step"], "documents": made["change"]["quarantine"]} for made in quarantine]
        self._decisions = tuple(quarantine)
        self.stores, self.instances, self.mixture = stores, instances, mixture
        self.context, self.batch_sequences = context, batch_sequences
        for name in mixture.names:
            facts, store = instances[name].facts, stores[name]
            if facts["context"] != context:
                raise UserError(
                    f'source "{name}" is packed for a context of {facts["context"]}, not {context}; pack it.'
                )
            if facts.get("store_tokens", facts["tokens"]) != int(store.offsets[-1]):
                raise UserError(f'source "{name}" was packed from other tokens than its store holds; pack it again.')
        self._columns = {name: _Columns(stores[name]) for name in mixture.names}
        self._most_segments = 1 + max(instances[name].facts["most_pieces"] for name in mixture.names)

    @property
    def num_steps(self) -> int:
        """Whole batches in the stage."""
        return self.mixture.num_positions // self.batch_sequences

    @property
    def digest(self) -> str:
        """A name for every batch of the stage: tokens, packing, order, weights and remixes."""
        tables = {name: [self.stores[name].digest, self.instances[name].digest] for name in self.mixture.names}
        silenced = [self.quarantine] if self.quarantine else []
        return fingerprint([self.mixture.digest, tables, self.context, self.batch_sequences, *silenced])

    def remix(self, from_block: int, weights: Weights) -> StageData:
        """The same stage with other weights from a block on; see `Mixture.remix` and `next_block`."""
        return self._with(self.mixture.remix(from_block, weights), self._decisions)

    def from_decisions(self, decisions: list[dict[str, Any]]) -> StageData:
        """The same stage with a run's decisions applied: remixes, and documents that are quarantined.

        From the decision's step on, a quarantined document is still in its rows, but no token of it has loss: rows,
        order and counts stay what they are.
        """
        named = [made for made in decisions if made["change"].get("quarantine")]
        return self._with(self.mixture.from_decisions(decisions), (*self._decisions, *named))

    def next_block(self, step: int) -> int:
        """The first block that touches no step before `step`: the earliest from which a remix may still count."""
        return -(-step * self.batch_sequences // self.mixture.block)

    def batch(self, step: int, rank: int = 0, world: int = 1) -> Batch:
        """The rows of `rank` out of `world` in step `step`."""
        assert 0 <= step < self.num_steps
        assert 0 <= rank < world <= self.batch_sequences
        positions = step * self.batch_sequences + np.arange(rank, self.batch_sequences, world)
        source_B, _, instance_B = self.mixture.lookup(positions)
        rows = _Rows(len(positions), self.context)
        for source in np.unique(source_B):
            name = self.mixture.names[source]
            own_R = np.flatnonzero(source_B == source)
            pieces, row_N = self.instances[name].gather(instance_B[own_R])
            rows.fill(self._columns[name], int(source), pieces, own_R[row_N], self._silenced(name, step))
        cu_seqlens, lengths = rows.segments(self._most_segments)
        shape = (len(positions), self.context)
        return Batch(
            input_ids_BT=rows.ids.reshape(shape),
            labels_BT=rows.labels.reshape(shape),
            position_ids_BT=rows.position_ids.reshape(shape),
            cu_seqlens=cu_seqlens,
            lengths=lengths,
            source_BT=rows.source.reshape(shape),
            weight_BT=(rows.labels != NO_LOSS).astype(np.float32).reshape(shape),
            positions=positions,
        )

    def documents(self, step: int) -> list[dict[str, Any]]:
        """What is in a step: {row, source, document (id), start, length, epoch} of every piece, row by row."""
        return [{key: value for key, value in piece.items() if key != "index"} for piece in self.pieces(step)]

    def pieces(self, step: int) -> list[dict[str, Any]]:
        """As `documents`, and each document's place in its store (`index`); in a row, pieces follow one another."""
        assert 0 <= step < self.num_steps
        positions = step * self.batch_sequences + np.arange(self.batch_sequences)
        found = []
        for row, (source, epoch, instance) in enumerate(zip(*self.mixture.lookup(positions), strict=True)):
            name = self.mixture.names[source]
            pieces, _ = self.instances[name].gather(np.array([instance]))
            indices = pieces["document"].astype(np.int64)
            found += [
                {
                    "row": row,
                    "source": name,
                    "document": id_,
                    "start": int(piece["start"]),
                    "length": int(piece["length"]),
                    "epoch": int(epoch),
                    "index": int(index),
                }
                for id_, index, piece in zip(self.stores[name].document_ids(indices), indices, pieces, strict=True)
            ]
        return found

    def _silenced(self, source: str, step: int) -> list[int]:
        """The documents of a source (their places in its store) that have no loss in a step."""
        made = [one["documents"].get(source, {}) for one in self.quarantine if one["step"] <= step]
        return sorted({index for documents in made for index in documents.values()})

    def _with(self, mixture: Mixture, decisions: Sequence[Mapping[str, Any]]) -> StageData:
        return StageData(self.stores, self.instances, mixture, self.context, self.batch_sequences, decisions)


class _Columns:
    """A store's files as runs."""

    def __init__(self, store: Tokens):
        self.tokens, self.offsets = Runs(store.tokens), Runs(store.offsets)
        self.mask = None if store.mask is None else Runs(store.mask)


class _Rows:
    """Flat columns of B * T tokens, filled source by source."""

    def __init__(self, rows: int, context: int):
        self.rows, self.context = rows, context
        self.ids = np.zeros(rows * context, np.int64)
        self.labels = np.full(rows * context, NO_LOSS, np.int64)
        self.position_ids = np.tile(np.arange(context), rows)
        self.source = np.full(rows * context, -1, np.int16)
        self._used = np.zeros(rows, np.int64)
        self._ends: list[np.ndarray] = []

    def fill(
        self, store: _Columns, source: int, pieces: np.ndarray, row_N: np.ndarray, silenced: Sequence[int]
    ) -> None:
        """Write pieces (PIECE [N]) into the rows `row_N`, one after the other from each row's beginning.

        `row_N` is grouped by row, and no row is filled twice; the documents in `silenced` get no labels.
        """
        length_N = pieces["length"].astype(np.int64)
        bounds_N2 = store.offsets.read(pieces["document"].astype(np.int64), np.full(len(pieces), 2)).reshape(-1, 2)
        from_N = bounds_N2[:, 0] + pieces["start"]
        at_end_N = from_N + length_N == bounds_N2[:, 1]
        begin_N = np.cumsum(length_N) - length_N
        used = np.bincount(row_N, length_N, minlength=self.rows).astype(np.int64)
        first_N = np.concatenate([[True], row_N[1:] != row_N[:-1]])
        at_N = row_N * self.context + begin_N - begin_N[first_N][np.cumsum(first_N) - 1]

        # A piece is read with its last target, the token after it, unless the document ends there.
        read_N = length_N + ~at_end_N
        tokens = store.tokens.read(from_N, read_N)
        flat_M = np.arange(int(length_N.sum()))
        at_M = flat_M + np.repeat(at_N - begin_N, length_N)
        from_M = flat_M + np.repeat(np.cumsum(read_N) - read_N - begin_N, length_N)
        self.ids[at_M] = tokens.take(from_M)
        self.position_ids[at_M] = flat_M - np.repeat(begin_N, length_N)
        self.source[at_M] = source
        from_M += 1
        target_M = tokens.take(from_M, mode="clip").astype(np.int64)
        target_M[(begin_N + length_N - 1)[at_end_N]] = NO_LOSS
        if store.mask is not None:
            target_M[store.mask.read(from_N, read_N).take(from_M, mode="clip") == 0] = NO_LOSS
        if silenced:
            target_M[np.repeat(np.isin(pieces["document"], silenced), length_N)] = NO_LOSS
        self.labels[at_M] = target_M
        self._used += used
        self._ends.append(at_N + length_N)

    def segments(self, most_per_row: int) -> tuple[np.ndarray, list[int]]:
        """(cu_seqlens int32 [B * most_per_row + 1], lengths): pieces and the padding of each row, in order."""
        total = self.rows * self.context
        short = np.flatnonzero(self._used < self.context)
        for row in short:
            begin = row * self.context + self._used[row]
            self.position_ids[begin : (row + 1) * self.context] -= self._used[row]
        ends = np.sort(np.concatenate([*self._ends, (short + 1) * self.context]))
        cu_seqlens = np.full(self.rows * most_per_row + 1, total, np.int32)
        cu_seqlens[0] = 0
        cu_seqlens[1 : len(ends) + 1] = ends
        return cu_seqlens, np.diff(ends, prepend=0).tolist()
