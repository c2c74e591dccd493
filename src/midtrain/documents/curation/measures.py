"""What is measured of a document, from what a recipe asks: the annotators of one pass (see annotate.py).

license                  as it names it
lang, lang_confidence    the language it names itself (confidence 1), else the one identified
words, hashes, ...       the statistics that rules are asked of (text/statistics.py)
pii/email, ...           how much personal data of each kind
quality/NAME             each scorer's number
band_keys                what near-duplicates agree in (text/signatures.py), 8 bytes for each band
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from midtrain.documents.curation import pii
from midtrain.documents.curation.annotate import Annotator
from midtrain.documents.curation.attributes import Attributes
from midtrain.documents.curation.config import CurateConfig
from midtrain.documents.deduplication.config import NearConfig
from midtrain.documents.quality.languages import CONFIDENCE, LANGUAGE, language_columns
from midtrain.documents.quality.scorers import quality_columns
from midtrain.text.signatures import band_keys, minhash
from midtrain.text.statistics import statistics
from midtrain.text.stop_words import language_code

BAND_KEYS = "band_keys"
_CODE = re.compile("[a-z]{2,3}")


@dataclass(frozen=True)
class Measures:
    """What to measure; it can be pickled, and makes its annotators where they are used."""

    curate: CurateConfig
    near: NearConfig | None = None
    scorers: Path | None = None
    """The folder of the scorers' models."""

    def __call__(self) -> list[Annotator]:
        """The annotators, models loaded."""
        made: list[Annotator] = []
        if self.curate.licenses is not None:
            made.append(_license)
        if self.curate.languages is not None:
            made.append(partial(_language, language_columns(self.curate.languages)))
        if self.curate.rules is not None:
            made += [_statistics] if self.curate.languages is not None else [_named_language, _statistics]
        if self.curate.pii is not None:
            made.append(partial(_pii, self.curate.pii.reserved_ips))
        if self.scorers is not None:
            assert self.curate.quality is not None
            made.append(quality_columns(self.curate.quality, self.scorers))
        if self.near is not None:
            made.append(partial(_band_keys, self.near))
        return made


def read_band_keys(attributes: Attributes, bands: int) -> Iterator[np.ndarray]:
    """The band keys of all documents of a source, in order: uint64 [n, bands] at a time."""
    for table in attributes.tables([BAND_KEYS]):
        for chunk in table[BAND_KEYS].chunks:
            keys_NB = np.frombuffer(chunk.buffers()[1], dtype="<u8").reshape(-1, bands)
            yield keys_NB[chunk.offset : chunk.offset + len(chunk)]


def _license(_: pa.Array, known: Mapping[str, Any]) -> dict[str, Any]:
    return {"license": known["license"]}


def _language(find: Annotator, texts: pa.Array, known: Mapping[str, Any]) -> dict[str, Any]:
    """The language a document names itself (where the model knows it), else the one found."""
    found, named = find(texts, known), _named(known["lang"])
    codes = found[LANGUAGE].dictionary_decode().cast(pa.string())
    certain = pa.scalar(1.0, pa.float32())
    return {LANGUAGE: pc.coalesce(named, codes), CONFIDENCE: pc.if_else(pc.is_valid(named), certain, found[CONFIDENCE])}


def _named_language(_: pa.Array, known: Mapping[str, Any]) -> dict[str, Any]:
    """The language a document names itself, where none is identified; null is judged by what fits every language."""
    return {LANGUAGE: _named(known["lang"])}


def _named(languages: pa.Array) -> pa.Array:
    """The codes (ISO 639-1 where there is one) of languages as documents name them; null for what is no language."""
    coded = languages.dictionary_encode()
    codes = [code if _CODE.fullmatch(code) else None for code in map(language_code, coded.dictionary.to_pylist())]
    return pa.array(codes, pa.string()).take(coded.indices)


def _statistics(texts: pa.Array, known: Mapping[str, Any]) -> dict[str, Any]:
    return statistics(texts, stop_words=known[LANGUAGE].to_pylist())


def _pii(reserved_ips: bool, texts: pa.Array, _: Mapping[str, Any]) -> dict[str, Any]:
    return {f"pii/{kind}": counts_N for kind, counts_N in pii.count(texts, reserved_ips).items()}


def _band_keys(near: NearConfig, texts: pa.Array, _: Mapping[str, Any]) -> dict[str, Any]:
    keys_NB = np.ascontiguousarray(band_keys(minhash(texts, values=near.values, ngram=near.ngram), near.bands).T)
    width = pa.binary(8 * near.bands)
    return {BAND_KEYS: pa.FixedSizeBinaryArray.from_buffers(width, len(keys_NB), [None, pa.py_buffer(keys_NB)])}
