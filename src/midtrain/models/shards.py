"""Safetensors read and written in blocks, so that memory does not grow with the model.

A safetensors file is eight bytes of length, a JSON header (name -> dtype, shape, place), and the tensors' bytes one
after another. So a tensor can be read a block at a time from its place, and a file can be written from front to back
once the shapes are known. The usual way (a memory map, then whole tensors) keeps every page it has touched: the whole
model, in the end, of each model that is read. Here it is some blocks of a megabyte, whatever the model.

That a file is whole and its header right is checked once, by the safetensors library itself, when a folder is opened.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from midtrain.core.errors import UserError
from midtrain.models.load import check_weight_files

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
BLOCK = 1 << 18
"""Elements read at a time."""

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""The dtypes of the format that are numbers, by its names for them (8-bit floats are quantized weights)."""
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class TensorLayout:
    """What a tensor is, without its values."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """The number of its values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes it takes in a file."""
        return self.elements * self.dtype.itemsize


@dataclass(frozen=True)
class StoredTensor(TensorLayout):
    """A tensor in a file."""

    file: Path
    begin: int
    """The place of its first byte in the file."""

    def blocks(self, size: int = BLOCK) -> Iterator[torch.Tensor]:
        """Its values in order, flat, `size` at a time (the last block is shorter), in the dtype they are stored in.

        Each block has memory of its own. Raises UserError when the file has become shorter since it was opened.
        """
        with open(self.file, "rb") as file:
            file.seek(self.begin)
            for start in range(0, self.elements, size):
                wanted = min(size, self.elements - start) * self.dtype.itemsize
                block = np.fromfile(file, np.uint8, wanted)
                if len(block) != wanted:
                    raise UserError(f"{self.file} was cut short while it was read; fetch it again.")
                yield torch.from_numpy(block).view(self.dtype)


def open_weights(folder: Path) -> dict[str, StoredTensor]:
    """The tensors of a model folder by name, in the order of its files and places.

    Raises UserError when a file is missing or damaged, lacks a tensor that the index promises, or holds a dtype that
    is not in DTYPES.
    """
    files = check_weight_files(folder)
    tensors = {tensor.name: tensor for file in files for tensor in _stored(file)}
    index = folder / INDEX
    if index.exists():
        for name, file_name in json.loads(index.read_text())["weight_map"].items():
            if name not in tensors or tensors[name].file.name != file_name:
                raise UserError(f"{index} says that {name} is in {file_name}, which it is not; fetch both again.")
    return tensors


def _stored(file: Path) -> list[StoredTensor]:
    with open(file, "rb") as handle:
        (length,) = struct.unpack("<Q", handle.read(8))
        header = json.loads(handle.read(length))
    header.pop("__metadata__", None)
    found = []
    for name, facts in header.items():
        if facts["dtype"] not in DTYPES:
            raise UserError(f"{file}: {name} is stored as {facts['dtype']}, a quantized format; use plain weights.")
        place = 8 + length + facts["data_offsets"][0]
        found.append(StoredTensor(name, DTYPES[facts["dtype"]], tuple(facts["shape"]), file, place))
    return sorted(found, key=lambda tensor: tensor.begin)


def write_file(
    path: Path, layouts: Iterable[TensorLayout], values: Callable[[TensorLayout], Iterable[torch.Tensor]]
) -> None:
    """Write one safetensors file front to back; `values` gives a tensor's flat blocks in order, in its dtype.

    Tensors lie in the order of falling item size, so that each begins at a multiple of its own.
    """
    ordered = sorted(layouts, key=lambda layout: -layout.dtype.itemsize)
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    place = 0
    for layout in ordered:
        header[layout.name] = {
            "dtype": _NAMES[layout.dtype],
            "shape": list(layout.shape),
            "data_offsets": [place, place + layout.nbytes],
        }
        place += layout.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for layout in ordered:
            written = 0
            for block in values(layout):
                assert block.dtype == layout.dtype, f"{layout.name}: {block.dtype} is not {layout.dtype}"
                written += file.write(block.contiguous().view(torch.uint8).numpy().data)
            assert written == layout.nbytes, f"{layout.name}: {written} bytes, not {layout.nbytes}"
        file.flush()
        os.fsync(file.fileno())


def write_weights(
    folder: Path,
    files: dict[str, Sequence[TensorLayout]],
    values: Callable[[TensorLayout], Iterable[torch.Tensor]],
) -> None:
    """Write `files` (name -> the tensors in it) into `folder`, and an index where transformers wants one."""
    for name, layouts in files.items():
        write_file(folder / name, layouts, values)
    if list(files) != [WEIGHTS]:
        every = [(layout, name) for name, layouts in files.items() for layout in layouts]
        index = {
            "metadata": {"total_size": sum(layout.nbytes for layout, _ in every)},
            "weight_map": {layout.name: name for layout, name in sorted(every, key=lambda pair: pair[0].name)},
        }
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n")
