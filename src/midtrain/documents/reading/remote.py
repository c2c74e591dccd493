"""Files elsewhere: buckets, the Hugging Face Hub and web servers, read as they stream in.

Buckets are read by Arrow's own clients, the Hub by its library, a web server by one request for a file that is read
from its beginning to its end and one for each jump (Parquet jumps; that needs a server that answers ranges). What
tells that a remote file is still the same is its ETag (its content hash on the Hub), else its time of change, and its
size. Nothing waits for ever: connections time out in seconds, and an address that does not answer is one sentence.
"""

from __future__ import annotations

import fnmatch
import io
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from midtrain.core.errors import MidtrainError, UserError

CONNECT_S, REQUEST_S = 10, 30
_TRIES, _PAUSE_S = 3, 0.2
_MAGIC = "*?["


class _Final(OSError):
    """What asking again would not mend."""


@dataclass(frozen=True)
class RemoteFile:
    """One file elsewhere."""

    url: str
    name: str
    """Path below the entry that named it."""
    size: int
    token: str | int
    """What changes when its content does."""
    open: Callable[[], pa.NativeFile]


def list_remote(entry: str) -> tuple[list[RemoteFile], bool]:
    """(the files an address names: itself, those below it, or those that match it, sorted by path; is it a folder).

    Raises UserError when there is none, or the address does not answer.
    """
    with remote_errors(entry):
        if urlsplit(entry).scheme in ("http", "https"):
            return [_web_file(entry)], False
        return _stored_files(entry)


@contextmanager
def remote_errors(url: str) -> Iterator[None]:
    """Turn whatever a client says of an address (each has errors of its own) into one sentence."""
    try:
        yield
    except MidtrainError:
        raise
    except FileNotFoundError:
        raise UserError(f"{url} does not exist; correct `read`.") from None
    except Exception as error:
        words = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
        raise UserError(
            f"{url} cannot be read ({words}); check the address, your access to it and the network, or download the "
            "files and name their folder."
        ) from error


def _stored_files(entry: str) -> tuple[list[RemoteFile], bool]:
    """Files of a bucket or of the Hub."""
    store, path = _store(entry)
    prefix = entry[: entry.index("://") + 3]
    parts = path.split("/")
    fixed = next((i for i, part in enumerate(parts) if any(sign in part for sign in _MAGIC)), len(parts))
    root = "/".join(parts[:fixed])
    facts = store.get_file_info(root)
    if facts.type == pafs.FileType.NotFound:
        raise FileNotFoundError(entry)
    if facts.type == pafs.FileType.File:
        found = [facts]
        root = root.rpartition("/")[0]
    else:
        below = store.get_file_info(pafs.FileSelector(root, recursive=True))
        found = [file for file in below if file.type == pafs.FileType.File]
    if fixed < len(parts):
        found = [file for file in found if _matches(file.path.split("/"), parts)]
    found.sort(key=lambda file: file.path)
    files = [
        RemoteFile(
            url=prefix + file.path,
            name=file.path.removeprefix(root).lstrip("/"),
            size=file.size or 0,
            token=_token(store, file),
            open=_opener(store, file.path),
        )
        for file in found
    ]
    return files, facts.type == pafs.FileType.Directory and fixed == len(parts)


def _matches(path: list[str], pattern: list[str]) -> bool:
    """Whether a path matches a pattern part by part; ** stands for any number of folders."""
    if not pattern or not path:
        return not pattern and not path
    if pattern[0] == "**":
        return _matches(path, pattern[1:]) or _matches(path[1:], pattern)
    return fnmatch.fnmatchcase(path[0], pattern[0]) and _matches(path[1:], pattern[1:])


def _opener(store: pafs.FileSystem, path: str) -> Callable[[], pa.NativeFile]:
    return lambda: store.open_input_file(path)


def _token(store: pafs.FileSystem, file: pafs.FileInfo) -> str | int:
    """The content hash on the Hub, the ETag in a bucket, else the time of change."""
    if isinstance(store, pafs.PyFileSystem):
        facts = store.handler.fs.info(file.path)
        return str((facts.get("lfs") or {}).get("sha256") or facts.get("blob_id") or facts.get("oid") or "")
    if isinstance(store, pafs.LocalFileSystem | pafs.SubTreeFileSystem):
        return file.mtime_ns
    with store.open_input_stream(file.path) as stream:
        etag = (stream.metadata() or {}).get("ETag", "")
    return (etag.decode() if isinstance(etag, bytes) else etag) or file.mtime_ns


def _store(entry: str) -> tuple[pafs.FileSystem, str]:
    """The file system behind an address, and the path in it."""
    parts = urlsplit(entry)
    anonymous = parts.username == "anonymous"
    bucket = parts.netloc.rpartition("@")[2]
    path = f"{bucket}{unquote(parts.path)}".rstrip("/")
    if parts.scheme == "hf":
        from huggingface_hub import HfFileSystem

        return pafs.PyFileSystem(pafs.FSSpecHandler(HfFileSystem())), entry.partition("://")[2].rstrip("/")
    if parts.scheme == "gs":
        return pafs.GcsFileSystem(anonymous=anonymous, retry_time_limit=timedelta(seconds=CONNECT_S)), path
    options = dict(parse_qsl(parts.query))
    unknown = sorted(options.keys() - {"region", "endpoint_override", "scheme"})
    if unknown:
        raise UserError(f'{entry}: unknown option "{unknown[0]}"; known are region, endpoint_override and scheme.')
    options.setdefault("region", os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "")
    if not options["region"]:
        options["region"] = "us-east-1" if "endpoint_override" in options else pafs.resolve_s3_region(bucket)
    retry = pafs.AwsStandardS3RetryStrategy(max_attempts=_TRIES)
    store = pafs.S3FileSystem(
        anonymous=anonymous, connect_timeout=CONNECT_S, request_timeout=REQUEST_S, retry_strategy=retry, **options
    )
    return store, path


def _web_file(url: str) -> RemoteFile:
    with _request(url, 0) as answer:
        size = int(answer.headers.get("Content-Length") or -1)
        token = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
    name = unquote(urlsplit(url).path).rpartition("/")[2] or "index.html"
    return RemoteFile(url, name, size, token, lambda: pa.PythonFile(_WebFile(url, size, token), mode="r"))


def _request(url: str, start: int) -> HTTPResponse:
    """Ask a web server for a file from byte `start` on."""
    headers = {"User-Agent": "midtrain", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        answer: Any = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=CONNECT_S)
    except urllib.error.HTTPError as error:
        if error.code in (404, 410):
            raise FileNotFoundError(url) from None
        raise OSError(f"the server says {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise OSError(str(error.reason)) from None
    if start and answer.status != 206:
        answer.close()
        raise _Final("the server does not answer ranges")
    return answer


class _WebFile(io.RawIOBase):
    """A file on a web server that can be read on and jumped in; a broken connection is taken up where it broke."""

    def __init__(self, url: str, size: int, token: str):
        self._url, self._size, self._token = url, size, token
        self._place = 0
        self._answer: HTTPResponse | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._size >= 0

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        if place != self._place:
            self._hang_up()
            self._place = place
        return place

    def readinto(self, buffer: Any) -> int:
        for attempt in range(_TRIES):
            try:
                return self._read_on(memoryview(buffer))
            except (FileNotFoundError, _Final):
                raise
            except (OSError, HTTPException) as error:
                self._hang_up()
                if attempt == _TRIES - 1:
                    raise OSError(f"after {self._place:,} bytes: {error}") from error
                time.sleep(_PAUSE_S * 2**attempt)
        raise AssertionError

    def _read_on(self, buffer: memoryview) -> int:
        if self._place == self._size or not len(buffer):
            return 0
        if self._answer is None:
            self._answer = _request(self._url, self._place)
            token = self._answer.headers.get("ETag") or self._answer.headers.get("Last-Modified") or ""
            if token != self._token:
                raise _Final("the file changed while it was read")
        count = self._answer.readinto(buffer)
        if not count and self._size >= 0:
            raise OSError("the connection ended early")
        self._place += count
        return count

    def _hang_up(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def close(self) -> None:
        self._hang_up()
        super().close()
