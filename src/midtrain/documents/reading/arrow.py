"""Arrow IPC files, as the `datasets` library keeps them on disk (save_to_disk): streams, or files with a footer.

A saved data set is a folder of data-00000-of-00012.arrow (one folder for each split), so it is read like any folder.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from midtrain.documents.config import SourceConfig
from midtrain.documents.reading.columns import Columns
from midtrain.documents.reading.files import SourceFile
from midtrain.documents.reading.lines import open_file
from midtrain.documents.reading.parquet import rows_of_batch
from midtrain.documents.rows import Rows
from midtrain.documents.schema import BadRow, Row

_FILE_MAGIC = b"ARROW1"
_BYTES_AT_ONCE = 8 << 20


def read_arrow(file: SourceFile, config: SourceConfig) -> Iterator[Row | BadRow | Rows]:
    """The rows of an Arrow IPC file."""
    columns = Columns(config, file)
    number = 0
    with open_file(file) as stream:
        for whole in _batches(stream):
            if not number:
                columns.look(whole.schema.names)
                columns.demand()
            wanted = whole.select(columns.wanted)
            count = max(_BYTES_AT_ONCE * len(wanted) // max(wanted.nbytes, 1), 1)
            for start in range(0, len(wanted), count):
                batch = wanted.slice(start, count)
                yield rows_of_batch(batch, columns, number)
                number += len(batch)


def _batches(stream: pa.NativeFile) -> Iterator[pa.RecordBatch]:
    """The record batches of a stream, or of a file (told by its first bytes), which may be read from its end."""
    start = stream.read(len(_FILE_MAGIC))
    stream.seek(0)
    if start == _FILE_MAGIC:
        with pa.ipc.open_file(stream) as file:
            for index in range(file.num_record_batches):
                yield file.get_batch(index)
    else:
        with pa.ipc.open_stream(stream) as batches:
            yield from batches
