"""Instances: the packed rows of one source for one context, as three plain tables.

    pieces            [P]    document, start, length       a run of tokens of one document
    instance_offsets  [I+1]  instance i = pieces[offsets[i]:offsets[i+1]], together at most one context long
    facts                    what packing did: tokens, share split, share padded, dropped (always 0)

Everything is a NumPy file that is memory-mapped when opened, so a source of any size costs nothing until it is read.
An instances table may begin with rows packed from what an earlier stage left unread of its running epoch (the
*opening*); they are read once, before the first whole epoch (see ledger.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from midtrain.core.artifact import write_atomically
from midtrain.core.errors import UserError, disk_errors
from midtrain.core.fingerprint import fingerprint
from midtrain.tokens.runs import Runs

PIECE = np.dtype([("document", np.uint32), ("start", np.uint32), ("length", np.uint32)])
"""Tokens [start, start + length) of a document, given by its row in the token store."""


@dataclass(frozen=True)
class Instances:
    """Packed rows. `facts` holds context, documents, tokens, instances, most_pieces, digest and the shares."""

    pieces: np.ndarray
    instance_offsets: np.ndarray
    facts: dict[str, Any]

    @property
    def num_instances(self) -> int:
        """Rows, those of the opening included."""
        return len(self.instance_offsets) - 1

    @property
    def opening(self) -> int:
        """How many rows at the beginning belong to the opening."""
        return self.facts.get("opening_instances", 0)

    @property
    def digest(self) -> str:
        """A name for the exact tables."""
        return self.facts["digest"]

    def gather(self, instances_R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pieces of some rows in order, PIECE [N], and for each the index into `instances_R` it belongs to [N]."""
        bounds_R2 = self._files[1].read(np.asarray(instances_R), np.full(len(instances_R), 2)).reshape(-1, 2)
        counts_R = bounds_R2[:, 1] - bounds_R2[:, 0]
        return self._files[0].read(bounds_R2[:, 0], counts_R), np.repeat(np.arange(len(counts_R)), counts_R)

    @cached_property
    def _files(self) -> tuple[Runs, Runs]:
        return Runs(self.pieces), Runs(self.instance_offsets)

    def save(self, path: Path | str) -> None:
        """Write pieces.npy, instance_offsets.npy and facts.json into the folder `path`."""
        path = Path(path)
        with disk_errors(path):
            path.mkdir(parents=True, exist_ok=True)
            np.save(path / "pieces.npy", self.pieces)
            np.save(path / "instance_offsets.npy", self.instance_offsets)
            write_atomically(path / "facts.json", json.dumps(self.facts, indent=1))

    @classmethod
    def open(cls, path: Path | str) -> Instances:
        """Memory-map what `save` wrote; UserError when it is missing or damaged."""
        path = Path(path)
        try:
            pieces = np.load(path / "pieces.npy", mmap_mode="r")
            offsets = np.load(path / "instance_offsets.npy", mmap_mode="r")
            facts = json.loads((path / "facts.json").read_text())
            if pieces.dtype != PIECE or len(offsets) != facts["instances"] + 1 or offsets[-1] != len(pieces):
                raise ValueError("tables do not belong together")
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{path} does not hold packed instances ({error}); pack its tokens again.") from None
        return cls(pieces, offsets, facts)


def join(opening: Instances, whole: Instances, epoch: int) -> Instances:
    """Put the rows left of running epoch `epoch` (counted from 0) before the rows of the whole source.

    The opening is read first and once; epoch + 1 and later read `whole`. An empty opening means that `epoch` is
    about to begin.
    """
    assert opening.facts["context"] == whole.facts["context"]
    assert not opening.opening
    assert not whole.opening
    facts = {
        **whole.facts,
        "instances": opening.num_instances + whole.num_instances,
        "most_pieces": max(opening.facts["most_pieces"], whole.facts["most_pieces"]),
        "opening_instances": opening.num_instances,
        "opening_tokens": opening.facts["tokens"],
        "opening_epoch": epoch,
        "digest": fingerprint([opening.digest, whole.digest, epoch]),
    }
    offsets = np.concatenate([opening.instance_offsets, len(opening.pieces) + whole.instance_offsets[1:]])
    return Instances(np.concatenate([opening.pieces, whole.pieces]), offsets, facts)
