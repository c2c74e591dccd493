"""What a recipe says about a source of documents, and about what is held out.

A source is a few lines of YAML: where to read, which column is what, under which license. Everything a person can get
wrong here is told when the recipe is parsed; what only the files can tell (an unknown column, a cut file) is told by
the readers, in one sentence that names the file.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from midtrain.core.config import Config, Size
from midtrain.documents.curation.config import CurateConfig
from midtrain.documents.reading.python_address import SCHEME, parse_address
from midtrain.documents.reading.remote_address import check_address, is_remote

Positive = Annotated[Size, Field(gt=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class ColumnsConfig(Config):
    """Which column of the files is what; without `text` and `messages`, the columns of those names are taken."""

    text: str | None = None
    """The column of plain text."""
    html: str | None = None
    """The column of HTML pages, of which the main text is taken (needs the extra `web`)."""
    messages: str | None = None
    """The column of chat messages: a list of {role, content}."""
    id: str | None = None
    """The column with the row's own name; it is kept in `meta` (a document's id is always the hash of its content)."""
    group: str | None = None
    """The column that names what a row belongs to (a book, a repository); one group is never split by the hold-out."""
    license: str | None = None
    """The column with the row's license."""
    lang: str | None = None
    """The column with the row's language."""


class LimitConfig(Config):
    """Where to stop reading: at the first document that reaches either number."""

    documents: Positive | None = None
    """Stop after this many documents."""
    bytes: Positive | None = None
    """Stop when this many bytes of UTF-8 text are reached."""


class SourceConfig(Config):
    """One source of documents."""

    read: str | list[str]
    """A file, a folder (read with all its subfolders), a glob, an address (s3://, gs://, hf://datasets/ORG/NAME,
    https://, python://), or a list of these."""
    format: Literal["auto", "parquet", "jsonl", "text", "html", "warc", "arrow"] = "auto"
    """How files are read; auto goes by their suffix, text and html make one document of each file."""
    columns: ColumnsConfig = ColumnsConfig()
    """Which column of Parquet and JSONL files is what."""
    license: str | None = None
    """The license of rows that name none themselves."""
    lang: str | None = None
    """The language of rows that name none themselves."""
    group: Literal["document", "file"] = "document"
    """What is held out together where no group is named: each document alone, or whole files."""
    limit: LimitConfig = LimitConfig()
    """Where to stop reading."""
    max_bad_rows: Share = 0.01
    """The share of rows that may be unusable (invalid JSON or UTF-8, no text) before the source is refused."""
    min_characters: Annotated[int, Field(ge=0)] = 0
    """Documents with fewer characters are left out, and counted."""
    curate: CurateConfig | None = None
    """How this source is curated; instead of the recipe's own `curate`."""

    @field_validator("read")
    @classmethod
    def _known_addresses(cls, read: str | list[str]) -> str | list[str]:
        entries = [read] if isinstance(read, str) else read
        if not entries or not all(entry.strip() for entry in entries):
            raise ValueError("name at least one file, folder, glob or python:// address")
        for entry in entries:
            if entry.startswith(SCHEME):
                parse_address(entry)
            elif is_remote(entry):
                check_address(entry)
        return read

    @property
    def entries(self) -> list[str]:
        """`read` as a list."""
        return [self.read] if isinstance(self.read, str) else list(self.read)


class HoldoutConfig(Config):
    """Which documents are kept from training, to measure on."""

    share: Share = 0.02
    """The share of groups held out of every source."""
    salt: str = "midtrain"
    """Mixed into the hash that decides; keep it for the life of a model, or held-out text enters training."""
