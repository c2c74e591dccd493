"""Documents to a token store: ours against Hugging Face `tokenizers` with every core.

Both read the same Parquet shards and write the same files (tokens, offsets, document table, digests, fsync) with the
same code; only the engine differs. The peer is `encode_batch_fast` (no offsets kept), all cores, the best of several
batch sizes, and special tokens inside a document read as text for both. It is slow, so it gets the first part of the
same documents, and what both have is compared byte for byte. Text: Python sources (the standard library, then the
installed packages), and the books when MIDTRAIN_DATA names a folder with `books.jsonl.gz`.

Goal, set before the first run: 30 times the peer's megabytes a second.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.harness import Result, arguments, finish, interleave, median
from midtrain.core.artifact import make_artifact
from midtrain.core.progress import be_quiet
from midtrain.documents.schema import SCHEMA
from midtrain.documents.shards import ShardWriter
from midtrain.documents.store import Documents
from midtrain.models.tokenizer import Tokenizer, train_tokenizer
from midtrain.tokens.build import build_store, write_store
from midtrain.tokens.encode import Encoder
from midtrain.tokens.store import TokenStore

GOAL = 30.0
_BATCH_BYTES = 8_000_000
_VOCABULARIES = (8192, 32768)


def texts() -> Iterator[tuple[str, str]]:
    """(source, text) of books, if there are any, then of every Python file, in a fixed order."""
    books = Path(os.environ.get("MIDTRAIN_DATA", "")) / "books.jsonl.gz"
    if books.is_file():
        with gzip.open(books, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield "books", json.loads(line)["text"]
    for name in ("stdlib", "purelib"):
        root = Path(sysconfig.get_path(name))
        for file in sorted(root.rglob("*.py")):
            if name == "stdlib" and "site-packages" in file.relative_to(root).parts:
                continue
            try:
                text = file.read_text(encoding="utf-8")
            except (UnicodeDecodeError, OSError):
                continue
            if text and not text.isspace() and "\0" not in text:
                yield "python", text


def write_documents(folder: Path, size: int) -> Documents:
    """Write documents of `size` bytes of text to `folder`, in the format of a documents artifact."""
    folder.mkdir()
    rows: list[dict[str, Any]] = []
    waiting = written = 0
    with ShardWriter(folder) as shards:
        for source, text in texts():
            data = text.encode()
            key = blake2b(data, digest_size=16).hexdigest()
            rows.append({"id": key, "text": text, "source": source, "group": key, "parents": [], "split": "train"})
            waiting += len(data)
            written += len(data)
            if waiting >= _BATCH_BYTES or written >= size:
                shards.write(pa.Table.from_pylist(rows, SCHEMA), waiting)
                rows, waiting = [], 0
            if written >= size:
                break
        if rows:
            shards.write(pa.Table.from_pylist(rows, SCHEMA), waiting)
    return Documents(folder)


def make_store(path: Path, build: Callable[[Any], None]) -> TokenStore:
    """One contestant's whole work: from documents on disk to a sealed token store."""
    shutil.rmtree(path, ignore_errors=True)
    with make_artifact(path, kind="tokens") as draft:
        build(draft)
    return TokenStore.open(path)


def best_batch(encoder: Encoder, sample: list[str]) -> int:
    """The batch size with which the peer is fastest on `sample`."""
    sizes = (32, 128, 1000)
    rates = {}
    for size in sizes:
        encoder.batch_documents = size
        start = time.perf_counter()
        encoder.encode(sample)
        rates[size] = time.perf_counter() - start
    return min(sizes, key=lambda size: rates[size])


def same_content(ours: TokenStore, peer: TokenStore) -> bool:
    """Whether the documents that both stores have are the same bytes."""
    shared = np.array_equal(ours.offsets[: peer.num_documents + 1], peer.offsets)
    return shared and ours.tokens[: peer.num_tokens].tobytes() == peer.tokens.tobytes()


def where_time_goes(documents: Documents, tokenizer: Tokenizer, store: TokenStore) -> dict[str, float]:
    """Seconds of each part of our work done alone: starting, reading, encoding, digesting what was written."""
    start = time.perf_counter()
    encoder = Encoder(tokenizer)
    started = time.perf_counter()
    tables = list(documents.tables("train", ["id", "text", "messages", "source", "group"]))
    read = time.perf_counter()
    for table in tables:
        encoder.encode_documents(table["text"], np.uint16)
    encoded = time.perf_counter()
    for name in ("tokens.bin", "offsets.npy"):
        blake2b((store.path / name).read_bytes()).digest()
    digested = time.perf_counter()
    return {
        "start_s": started - start,
        "read_s": read - started,
        "encode_s": encoded - read,
        "digest_s": digested - encoded,
    }


def contest(work: Path, tokenizer: Tokenizer, many: Documents, few: Documents, rounds: int) -> dict[str, Any]:
    """Time both contestants turn by turn with one tokenizer."""
    peer_encoder = Encoder(tokenizer, engine="tokenizers")
    sample = next(few.tables("train", ["text"]))["text"].to_pylist()
    peer_encoder.batch_documents = best_batch(peer_encoder, sample[:300])
    stores: dict[str, TokenStore] = {}

    def ours() -> None:
        stores["ours"] = make_store(work / "ours", lambda draft: build_store(many, tokenizer, draft))

    def peer() -> None:
        stores["peer"] = make_store(work / "peer", lambda draft: write_store(few, peer_encoder, draft))

    seconds = interleave({"ours": ours, "peer": peer}, rounds)
    megabytes = {name: store.facts["bytes"] / 1e6 for name, store in stores.items()}
    rates = {name: [megabytes[name] / one for one in seconds[name]] for name in stores}
    return {
        "rates": rates,
        "megabytes": megabytes,
        "batch": peer_encoder.batch_documents,
        "ratio": median([a / b for a, b in zip(rates["ours"], rates["peer"], strict=True)]),
        "fast": stores["ours"].facts["engine"] == "gigatoken",
        "equal": same_content(stores["ours"], stores["peer"]),
        "parts": where_time_goes(many, tokenizer, stores["ours"]),
    }


def main() -> None:
    """Run the benchmark; see --help."""
    options = arguments("tokenize_vs_tokenizers", "Documents to a token store, against Hugging Face tokenizers.")
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    be_quiet()
    size, part, rounds = (150_000_000, 6_000_000, 2) if options.quick else (250_000_000, 25_000_000, 3)
    result = Result("tokenize_vs_tokenizers", "text to a token store", "MB/s", peer_name="tokenizers encode_batch_fast")
    table: list[tuple[Any, ...]] = [
        ("vocabulary", "ours MB/s", "peer MB/s", "ratio", "ours MB", "peer MB", "ids equal")
    ]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        many, few = write_documents(work / "many", size), write_documents(work / "few", part)
        sample = [text for one in few.tables("train", ["text"]) for text in one["text"].to_pylist()]
        for vocabulary in _VOCABULARIES:
            tokenizer = train_tokenizer(iter(sample), vocabulary, work / f"tokenizer-{vocabulary}")
            found = contest(work, tokenizer, many, few, rounds)
            ours, peer = median(found["rates"]["ours"]), median(found["rates"]["peer"])
            sizes = (f"{found['megabytes']['ours']:.0f}", f"{found['megabytes']['peer']:.0f}")
            table.append((vocabulary, f"{ours:.1f}", f"{peer:.2f}", f"{found['ratio']:.1f}", *sizes, found["equal"]))
            for number, (a, b) in enumerate(zip(found["rates"]["ours"], found["rates"]["peer"], strict=True)):
                result.rows.append({"vocabulary": vocabulary, "round": number, "ours": a, "peer": b, "ratio": a / b})
            result.checks[f"ids_equal_{vocabulary}"] = found["equal"]
            result.checks[f"fast_engine_{vocabulary}"] = found["fast"]
            result.figures |= {f"ratio_{vocabulary}": found["ratio"], f"peer_batch_{vocabulary}": found["batch"]}
            result.figures |= {f"{name}_{vocabulary}": value for name, value in found["parts"].items()}
            if result.ratio is None or found["ratio"] < result.ratio:
                result.ours, result.peer, result.ratio = ours, peer, found["ratio"]
    result.checks["ids_equal"] = all(result.checks[f"ids_equal_{vocabulary}"] for vocabulary in _VOCABULARIES)
    result.checks["goal_30x"] = result.ratio is not None and result.ratio >= GOAL
    finish(result, table, options.quick, options.json)


if __name__ == "__main__":
    main()
