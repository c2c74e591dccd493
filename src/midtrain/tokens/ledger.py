"""The ledger: which documents a stage has read, and what it left, exactly and without having written anything down.

What a stage has read of a source is one number (Mixture.counts_at), so the instances of the running epoch that were
read are the first so many of its order, and their pieces name the documents. A later stage that keeps the data
position packs the rest anew, for its own context, as an *opening* that is read before the next whole epoch: over
both stages every token is read once before any is read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from midtrain.tokens.instances import PIECE, Instances, join
from midtrain.tokens.mixture import Mixture
from midtrain.tokens.packing import pack_spans


@dataclass(frozen=True)
class Consumed:
    """What was read of a source: all of the epochs before `epoch`, and of it the rows `instances` (sorted)."""

    epoch: int
    instances: np.ndarray
    in_opening: bool
    """Whether the running epoch is the one that began in an earlier stage."""


@dataclass(frozen=True)
class Leftover:
    """What is left to read of a source in running epoch `epoch`: runs of tokens, PIECE [N], by document and start."""

    epoch: int
    spans: np.ndarray


def consumed(mixture: Mixture, upto_position: int) -> dict[str, Consumed]:
    """What the positions before `upto_position` have read of each source."""
    found = {}
    for index, count in enumerate(mixture.counts_at(upto_position)):
        source = mixture.sources[index]
        in_opening = count < source.opening_instances
        into_whole = count - source.opening_instances
        whole = 0 if in_opening else into_whole // max(source.num_instances, 1)
        first = source.first_epoch + (source.opening_instances > 0 and not in_opening)
        begun = 0 if in_opening else source.opening_instances + whole * source.num_instances
        read = np.arange(begun, count)
        _, instances = mixture.place(np.full(len(read), index), read)
        found[source.name] = Consumed(int(first + whole), np.sort(instances), bool(in_opening))
    return found


def unconsumed_documents(
    instances: Mapping[str, Instances], mixture: Mixture, upto_position: int
) -> dict[str, Leftover]:
    """What is left of each source's running epoch after the positions before `upto_position`.

    Adjacent pieces of a document are joined, so that it is cut anew for the next context. At the end of an epoch
    nothing is left of it: the leftover is empty and names the epoch that begins.
    """
    found = {}
    for name, read in consumed(mixture, upto_position).items():
        rows = instances[name]
        left = np.ones(rows.num_instances, dtype=bool)
        left[rows.opening :] = not read.in_opening
        left[: rows.opening] = read.in_opening
        left[read.instances] = False
        if not read.in_opening and len(read.instances) == 0:
            left[:] = False
        found[name] = Leftover(read.epoch, _joined(rows.pieces[np.repeat(left, np.diff(rows.instance_offsets))]))
    return found


def continue_instances(
    leftover: Leftover, whole: Instances, *, seed: int, attribute: np.ndarray | None = None, group: int = 8192
) -> Instances:
    """The rows of a stage that goes on where another stopped: what was left first, then whole epochs.

    `whole` is the source packed for the new stage's context; `attribute` and `group` as in `packing.pack`.
    """
    opening = pack_spans(leftover.spans, whole.facts["context"], seed=seed, attribute=attribute, group=group)
    return join(opening, whole, leftover.epoch)


def _joined(pieces: np.ndarray) -> np.ndarray:
    """Sort pieces by document and start, and join those that touch."""
    if len(pieces) == 0:
        return np.zeros(0, PIECE)
    pieces = pieces[np.lexsort((pieces["start"], pieces["document"]))]
    ends = pieces["start"].astype(np.int64) + pieces["length"]
    touches = (pieces["document"][1:] == pieces["document"][:-1]) & (pieces["start"][1:] == ends[:-1])
    begins = np.flatnonzero(np.concatenate([[True], ~touches]))
    spans = pieces[begins]
    spans["length"] = np.add.reduceat(pieces["length"].astype(np.int64), begins)
    return spans
