"""Consecutive rows of one file: one by one as dicts, or all at once as columns where they are plain texts.

Nearly all rows of nearly all data sets are a usable text and a few labels. Whether that holds for a thousand rows is
asked of their Arrow columns at once, for next to nothing; if so they go on as columns. If one of them does not fit (a
chat, a null, bad bytes, a label that is no string), all thousand are read one by one, and the odd one is judged there:
so what is wrong with a row is decided in one place, and both ways give the same documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from midtrain.documents import schema
from midtrain.documents.schema import BadRow, Row
from midtrain.text.arrow import text_buffers


@dataclass(frozen=True)
class Rows:
    """Rows of one file, twice: `each()` yields them, `columns()` gives them as arrays.

    The columns are any of text, group, license, lang and meta (JSON text). `columns()` may raise what Arrow raises
    for values that make no column: then the rows are not plain.
    """

    each: Callable[[], Iterator[Row | BadRow]]
    columns: Callable[[], dict[str, pa.Array]]

    def plain(self) -> pa.RecordBatch | None:
        """The columns as strings when every row is a usable text with plain labels, else None."""
        try:
            strings = {name: as_strings(values) for name, values in self.columns().items()}
        except (pa.ArrowException, UnicodeError, OverflowError):
            return None
        texts = strings.get("text")
        if texts is None or None in strings.values() or not _usable(texts):
            return None
        labels = {name: _without_empty(values) for name, values in strings.items() if name != "text"}
        return pa.record_batch({"text": texts, **labels})


def one_by_one(items: Iterable[Row | BadRow | Rows]) -> Iterator[Row | BadRow]:
    """Every row by itself."""
    for item in items:
        if isinstance(item, Rows):
            yield from item.each()
        else:
            yield item


def as_strings(values: pa.Array) -> pa.Array | None:
    """A column of text of any Arrow type as string; None when it holds no text. Raises ArrowInvalid for bad UTF-8."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.dictionary_decode()
        kind = values.type
    known = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary)
    if not any(is_kind(kind) for is_kind in (*known, pa.types.is_large_binary, pa.types.is_null)):
        return None
    strings = values.cast(pa.string())
    strings.validate(full=True)
    return strings


def _usable(texts: pa.Array) -> bool:
    """Whether every text is one that `schema.encode_text` takes."""
    if texts.null_count or not len(texts):
        return False
    offsets_N1, data = text_buffers(texts)
    sizes_N = np.diff(offsets_N1)
    if sizes_N.min() == 0 or sizes_N.max() > schema.MAX_ROW_BYTES:
        return False
    data = data[offsets_N1[0] : offsets_N1[-1]]
    if data.min() == 0:
        return False
    first_N = data[offsets_N1[:-1] - offsets_N1[0]]
    printable_N = (first_N > 0x20) & (first_N < 0x7F)
    return not any(texts[int(i)].as_py().isspace() for i in np.flatnonzero(~printable_N))


def _without_empty(labels: pa.Array) -> pa.Array:
    """An empty label says nothing: null."""
    return pc.if_else(pc.equal(labels, ""), pa.scalar(None, pa.string()), labels)
