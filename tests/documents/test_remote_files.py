"""Files elsewhere: a web server in a thread, a bucket that is a folder of this machine, and addresses that fail."""

import gzip
import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from midtrain.core.errors import UserError
from midtrain.documents.collect import source_identity
from midtrain.documents.config import SourceConfig
from midtrain.documents.reading import remote
from midtrain.documents.reading.read import read_rows

TEXTS = [f"text {i} \u00e4" for i in range(3000)]
LINES = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS).encode()


def texts(*read):
    return [row["text"] for row in read_rows(SourceConfig(read=list(read)))]


class Server:
    """A web server of `files` (path -> bytes) that may lack ranges, break off, or answer with another ETag."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.ranges, self.breaks, self.etags, self.requests = True, 0, ["one"], []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.answer(self)

            def log_message(self, *_):
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.httpd.server_port}"
        threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, request):
        data = self.files.get(request.path.partition("?")[0])
        if data is None:
            request.send_error(404)
            return
        asked = request.headers.get("Range")
        self.requests.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(data) - start))
        request.send_header("ETag", self.etags[0] if len(self.etags) == 1 else self.etags.pop(0))
        request.end_headers()
        end = len(data)
        if self.breaks and len(self.requests) > 1:
            self.breaks -= 1
            end = start + (len(data) - start) // 2
        with suppress(OSError):
            request.wfile.write(data[start:end])
        request.close_connection = True


@pytest.fixture
def server():
    server = Server()
    yield server
    server.httpd.shutdown()
    server.httpd.server_close()


@pytest.fixture
def parquet(tmp_path):
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "x.parquet", row_group_size=1000)
    return (tmp_path / "x.parquet").read_bytes()


def test_files_of_a_web_server(server, parquet):
    server.files = {"/a.jsonl": LINES, "/b.jsonl.gz": gzip.compress(LINES), "/c.parquet": parquet, "/d%20e.txt": b"d"}
    for name in ("a.jsonl", "b.jsonl.gz", "c.parquet", "a.jsonl?key=1"):
        assert texts(f"{server.url}/{name}") == TEXTS
    assert texts(f"{server.url}/d%20e.txt") == ["d"]


def test_a_file_read_in_order_is_asked_for_once(server):
    server.files = {"/a.jsonl": LINES}
    assert texts(f"{server.url}/a.jsonl") == TEXTS
    assert server.requests == [None, None]  # its facts, then all of it


def test_a_broken_connection_is_taken_up_where_it_broke(server):
    server.files, server.breaks = {"/a.jsonl": LINES}, 2
    assert texts(f"{server.url}/a.jsonl") == TEXTS
    assert server.requests[2] == f"bytes={len(LINES) // 2}-"


def test_what_a_web_server_does_is_one_sentence(server, parquet, monkeypatch):
    monkeypatch.setattr(remote, "_PAUSE_S", 0)
    server.files = {"/a.jsonl": LINES, "/c.parquet": parquet, "/bad.jsonl.gz": gzip.compress(LINES)[:-30]}
    with pytest.raises(UserError, match=r"nothing\.jsonl does not exist"):
        texts(f"{server.url}/nothing.jsonl")
    with pytest.raises(UserError, match=r"bad\.jsonl\.gz cannot be read \(.*download the files"):
        texts(f"{server.url}/bad.jsonl.gz")
    server.breaks = 100
    with pytest.raises(UserError, match=r"a\.jsonl cannot be read \(.*after [0-9,]+ bytes: the connection ended early"):
        texts(f"{server.url}/a.jsonl")
    server.breaks, server.etags = 0, ["one", "two"]
    with pytest.raises(UserError, match=r"a\.jsonl cannot be read \(.*changed while it was read"):
        texts(f"{server.url}/a.jsonl")
    server.ranges = False
    with pytest.raises(UserError, match=r"c\.parquet cannot be read \(.*does not answer ranges"):
        texts(f"{server.url}/c.parquet")


def test_an_address_without_a_server_does_not_hang():
    start = time.monotonic()
    with pytest.raises(UserError, match=r"cannot be read .*refused.*check the address"):
        texts("http://127.0.0.1:9/a.jsonl")
    assert time.monotonic() - start < 5


def test_the_identity_of_a_web_file_is_its_etag(server):
    server.files = {"/a.jsonl": LINES}
    config = SourceConfig(read=f"{server.url}/a.jsonl")
    first = source_identity(config)
    assert (first["files"], first["bytes"]) == (1, len(LINES))
    assert source_identity(config) == first
    server.etags = ["two"]
    assert source_identity(config)["digest"] != first["digest"]


class S3Handler(BaseHTTPRequestHandler):
    """As much of S3 as reading asks for: HEAD and GET of an object, and the listing of a prefix."""

    objects = {"web/a.jsonl": LINES, "web/b/c.jsonl": b'{"text": "c"}'}  # noqa: RUF012

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path, _, query = self.path.partition("?")
        name = path.removeprefix("/bucket").strip("/")
        if "list-type=2" in query:
            prefix = dict(parse_qsl(query)).get("prefix", "")
            keys = [key for key in self.objects if key.startswith(prefix)]
            found = "".join(
                f"<Contents><Key>{key}</Key><Size>{len(self.objects[key])}</Size>"
                "<LastModified>2024-01-01T00:00:00Z</LastModified></Contents>"
                for key in keys
            )
            facts = f"<Name>bucket</Name><KeyCount>{len(keys)}</KeyCount><IsTruncated>false</IsTruncated>"
            self.answer(200, f"<ListBucketResult>{facts}{found}</ListBucketResult>".encode())
        elif name in self.objects:
            asked = self.headers.get("Range")
            first, last = (int(n) for n in asked.removeprefix("bytes=").split("-")) if asked else (0, 1 << 40)
            self.answer(206 if asked else 200, self.objects[name][first : last + 1])
        else:
            self.answer(404, b"")

    def answer(self, status, data):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", '"etag"')
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_):
        pass


def test_a_bucket_over_its_own_protocol(monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), S3Handler)
    threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    options = f"endpoint_override=127.0.0.1:{httpd.server_port}&scheme=http"
    try:
        assert texts(f"s3://anonymous@bucket/web/a.jsonl?{options}") == TEXTS
        assert texts(f"s3://anonymous@bucket/web?{options}") == [*TEXTS, "c"]
        (file,), is_folder = remote.list_remote(f"s3://anonymous@bucket/web/a.jsonl?{options}")
        assert (file.size, file.token, file.url, is_folder) == (len(LINES), '"etag"', "s3://bucket/web/a.jsonl", False)
    finally:
        httpd.shutdown()
        httpd.server_close()


@pytest.fixture
def bucket(tmp_path, monkeypatch, parquet):
    """s3://bucket is a folder of this machine."""
    root = tmp_path / "store"
    for name, data in {
        "bucket/web/a.jsonl": LINES,
        "bucket/web/b/c.jsonl.gz": gzip.compress(b'{"text": "c"}'),
        "bucket/web/b/.hidden/x.jsonl": b'{"text": "no"}',
        "bucket/web/notes.json": b"{}",
        "bucket/web/README.md": b"# Card",
        "bucket/p.parquet": parquet,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    store = pafs.SubTreeFileSystem(str(root), pafs.LocalFileSystem())
    monkeypatch.setattr(remote, "_store", lambda entry: (store, entry.partition("://")[2].rstrip("/")))
    return root / "bucket"


def test_files_folders_and_globs_of_a_bucket(bucket):
    assert texts("s3://bucket/p.parquet") == TEXTS
    assert texts("s3://bucket/web") == ["# Card", *TEXTS, "c"]
    assert texts("s3://bucket/web/") == ["# Card", *TEXTS, "c"]
    assert texts("s3://bucket/**/*.gz") == ["c"]
    assert texts("s3://bucket/w*/*.jsonl", "s3://bucket/web") == [*TEXTS, "# Card", "c"]


def test_a_data_set_of_the_hub_is_without_its_card(monkeypatch, bucket):
    assert SourceConfig(read="hf://datasets/bucket/web")
    (bucket / "web" / "notes.json").unlink()
    (bucket.parent / "datasets").mkdir()
    bucket.rename(bucket.parent / "datasets" / "bucket")
    assert texts("hf://datasets/bucket/web") == [*TEXTS, "c"]


def test_what_a_bucket_lacks_is_named(bucket):
    with pytest.raises(UserError, match=r"s3://bucket/nothing does not exist"):
        texts("s3://bucket/nothing")
    with pytest.raises(UserError, match=r"s3://bucket/\*\.jsonl matches no file"):
        texts("s3://bucket/*.jsonl")


def test_names_below_the_address_decide_the_identity(bucket):
    first = source_identity(SourceConfig(read="s3://bucket/web"))
    (bucket / "web").rename(bucket / "moved")
    assert source_identity(SourceConfig(read="s3://bucket/moved")) == first
    (bucket / "moved" / "a.jsonl").write_bytes(LINES + LINES)
    assert source_identity(SourceConfig(read="s3://bucket/moved"))["digest"] != first["digest"]


def test_an_unknown_option_of_a_bucket_is_named():
    with pytest.raises(UserError, match='unknown option "regoin"; known are region'):
        texts("s3://bucket/a.jsonl?regoin=x")


@pytest.mark.parametrize("kind", ["stream", "file"])
def test_a_data_set_that_was_saved_to_disk(tmp_path, kind):
    folder = tmp_path / "saved" / "train"
    folder.mkdir(parents=True)
    table = pa.table({"text": pa.array(TEXTS, pa.large_string()), "other": range(3000)})
    for number, part in enumerate((table.slice(0, 1200), table.slice(1200))):
        with pa.OSFile(str(folder / f"data-{number:05d}-of-00002.arrow"), "wb") as sink:
            new = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
            with new(sink, table.schema) as writer:
                writer.write_table(part, max_chunksize=500)
    (folder / "state.json").write_text("{}")
    (folder / "cache-0123.arrow").write_bytes(b"left over")
    assert texts(str(tmp_path / "saved")) == TEXTS
    with pytest.raises(UserError, match='has no column "body"'):
        list(read_rows(SourceConfig(read=str(tmp_path / "saved"), columns={"text": "body"})))
    path = folder / "data-00001-of-00002.arrow"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UserError, match=r"00001-of-00002\.arrow is damaged or cut short"):
        texts(str(folder))
