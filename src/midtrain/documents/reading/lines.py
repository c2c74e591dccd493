"""The lines of a file, compressed or not, in a memory that does not depend on the file.

Arrow's streams are used because they notice a cut file (zstandard's and some gzip readers end quietly, and half a data
set trains as well as a whole one). A line ends at a newline byte only: U+2028 and carriage returns are text in JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from midtrain.core.errors import UserError
from midtrain.documents.reading.files import SourceFile
from midtrain.documents.reading.remote import remote_errors
from midtrain.documents.schema import MAX_ROW_BYTES

_BLOCK = 1 << 20
_BOM = b"\xef\xbb\xbf"


@contextmanager
def open_file(file: SourceFile) -> Iterator[pa.NativeFile]:
    """Open a file for reading, decompressed; what goes wrong with it becomes a UserError naming it."""
    with read_errors(file), file.open() as stored:
        if file.compression is None:
            yield stored
        else:
            with pa.CompressedInputStream(stored, file.compression) as stream:
                yield stream


@contextmanager
def read_errors(file: SourceFile) -> Iterator[None]:
    """Turn what libraries say of a damaged or unreadable file into a UserError."""
    if file.remote is not None:
        with remote_errors(file.remote.url):
            yield
        return
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{file.path} does not exist; it was there a moment ago: make it again.") from None
    except PermissionError:
        raise UserError(f"{file.path} may not be read; change its permissions or leave it out.") from None
    except (OSError, pa.ArrowException) as error:
        words = str(error).strip().split("\n")[0].rstrip(".")
        raise UserError(
            f"{file.path} is damaged or cut short ({words}); fetch or write it again, or leave it out."
        ) from error


def read_all(file: SourceFile) -> bytes | None:
    """A whole file, for one document; None when it is longer than a document may be."""
    with open_file(file) as stream:
        blocks, size = [], 0
        while block := stream.read(_BLOCK):
            blocks.append(block)
            size += len(block)
            if size > MAX_ROW_BYTES:
                return None
    return b"".join(blocks).removeprefix(_BOM)


def read_lines(file: SourceFile) -> Iterator[bytes | None]:
    """Every line without its newline, in order; None for a line that is longer than a row may be."""
    with open_file(file) as stream:
        pending: list[bytes] = []
        size, first = 0, True
        while block := stream.read(_BLOCK):
            if first:
                block, first = block.removeprefix(_BOM), False
            *whole, rest = block.split(b"\n")
            for line in whole:
                if size > MAX_ROW_BYTES:
                    yield None
                else:
                    yield b"".join([*pending, line]) if pending else line
                pending, size = [], 0
            size += len(rest)
            if size <= MAX_ROW_BYTES:
                pending.append(rest)
            else:
                pending.clear()
        if size:
            yield b"".join(pending) if size <= MAX_ROW_BYTES else None
