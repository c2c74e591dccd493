"""Units on a Ray cluster: the same bytes, the same errors, and one sentence for what a cluster lacks."""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from midtrain.core.errors import UserError
from midtrain.core.parallel import configure, map_units
from tests.helpers.deaths import die_until


def write_number(number: int, folder: Path) -> int:
    """A unit: a file of many bytes that depend on the number."""
    (folder / "number.bin").write_bytes(bytes(range(number % 7 + 1)) * 1000)
    return number


def fail(number: int, folder: Path) -> None:
    raise UserError(f"shard {number} is damaged; download it again.")


def units(count: int) -> list[tuple[str, int]]:
    return [(f"unit-{number}", number) for number in range(count)]


def contents(work: Path) -> dict[str, bytes]:
    return {str(path.relative_to(work)): path.read_bytes() for path in sorted(work.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def cluster():
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray = pytest.importorskip("ray", reason="Ray is an extra")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


def test_ray_makes_the_same_bytes_though_a_worker_dies(cluster, tmp_path):
    local = list(map_units(write_number, units(5), work=tmp_path / "local", label="numbers", workers=1))
    with configure(ray=cluster):
        paths = list(map_units(partial(die_until, 2, write_number), units(5), work=tmp_path / "ray", label="numbers"))
    assert [path.name for path in paths] == [path.name for path in local]
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    assert (tmp_path / "deaths").read_text() == "xxx"


def test_ray_names_the_unit_that_kills_its_workers_and_brings_errors_home(cluster, tmp_path):
    with pytest.raises(UserError, match=r"numbers: the worker of unit-2 died 3 times"):
        list(
            map_units(
                partial(die_until, 99, write_number), units(5), work=tmp_path / "work", label="numbers", ray=cluster
            )
        )
    with pytest.raises(UserError, match=r"^shard \d is damaged; download it again\.$"):
        list(map_units(fail, units(3), work=tmp_path / "fails", label="numbers", ray=cluster))
    assert not list((tmp_path / "fails").iterdir())


@pytest.mark.parametrize(
    ("address", "why"), [("127.0.0.1:9", "refused"), ("nowhere", "host:port"), ("host:port", "invalid literal")]
)
def test_no_cluster_is_one_sentence_at_once(monkeypatch, tmp_path, address, why):
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: False))
    before, start = signal.getsignal(signal.SIGTERM), time.monotonic()
    with pytest.raises(UserError, match=rf"no usable Ray cluster at {address} \(.*{why}"):
        list(map_units(write_number, units(2), work=tmp_path, label="numbers", ray=address))
    assert time.monotonic() - start < 5
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_cluster_without_our_files_or_our_package_is_told(monkeypatch, tmp_path):
    class RayError(Exception):
        pass

    def get(reference):
        if reference is None:
            raise RayError("No module named 'midtrain'\nand more")

    answers = iter(["made elsewhere", None])
    fake = SimpleNamespace(
        is_initialized=lambda: True,
        cluster_resources=lambda: {"CPU": 1.0},
        remote=lambda **options: lambda function: SimpleNamespace(remote=lambda pickled: next(answers)),
        wait=lambda references, num_returns: (references[:1], references[1:]),
        get=get,
        cancel=lambda reference, force: None,
        exceptions=SimpleNamespace(
            WorkerCrashedError=KeyError, NodeDiedError=KeyError, OutOfMemoryError=KeyError, RayError=RayError
        ),
    )
    monkeypatch.setitem(sys.modules, "ray", fake)
    with pytest.raises(UserError, match=r"must see this folder under the same path \(a shared file system\)"):
        list(map_units(write_number, units(1), work=tmp_path, label="numbers", ray="auto"))
    with pytest.raises(UserError, match=r"could not run unit-0 \(No module named 'midtrain'\); every machine"):
        list(map_units(write_number, units(1), work=tmp_path, label="numbers", ray="auto"))


def test_ray_that_is_not_installed_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r'pip install "midtrain\[ray\]"'):
        list(map_units(write_number, units(2), work=tmp_path, label="numbers", ray="auto"))
