"""Other people's dashboards, fed from the journal: TensorBoard, trackio, Weights & Biases, MLflow.

The journal is the truth, and a tracker reads it: after every line it is sent what it has not had. How far it got is
kept in a small file of its own, so a run that is killed and goes on (whose journal is cut back and written again, line
for line the same) sends no point twice, and one that a tracker missed is made up for at the next line.

A tracker is a comfort. That its package is missing is said before training begins; whatever it raises later is said
once, and it is left alone until the next start. Everything is local by default: no tracker needs a network.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from midtrain.core.artifact import write_atomically
from midtrain.core.errors import UserError
from midtrain.core.fingerprint import fingerprint
from midtrain.core.progress import say
from midtrain.core.run import Journal

_SENT = "sent.json"


class Tracker(Protocol):
    """One open dashboard."""

    def send(self, step: int, values: Mapping[str, float], seconds: float) -> None:
        """Numbers by name at a step; `seconds` is the time of the journal's line since 1970."""

    def close(self) -> None:
        """Write out what is left."""


def _package(name: str, install: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"trackers: {install} cannot be imported ({error}); `pip install {install}`, or leave it out."
        ) from None


class _TensorBoard:
    def __init__(self, folder: Path, name: str):
        _package("tensorboard", "tensorboard")
        self._writer = importlib.import_module("torch.utils.tensorboard").SummaryWriter(str(folder))

    def send(self, step: int, values: Mapping[str, float], seconds: float) -> None:
        for key, value in values.items():
            self._writer.add_scalar(key, value, step, walltime=seconds)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _Trackio:
    def __init__(self, folder: Path, name: str):
        project, _, run = name.partition("/")
        self._run = _package("trackio", "trackio").init(project=project, name=run or project, resume="allow")

    def send(self, step: int, values: Mapping[str, float], seconds: float) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


class _Wandb:
    def __init__(self, folder: Path, name: str):
        project, _, run = name.partition("/")
        self._run = _package("wandb", "wandb").init(
            project=project,
            name=run or project,
            id=fingerprint([str(folder), name])[:16],
            resume="allow",
            dir=str(folder),
            mode="offline",
        )

    def send(self, step: int, values: Mapping[str, float], seconds: float) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


class _MLflow:
    def __init__(self, folder: Path, name: str):
        self._mlflow = _package("mlflow", "mlflow")
        project, _, run = name.partition("/")
        self._client = self._mlflow.MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
        known = self._client.get_experiment_by_name(project)
        experiment = known.experiment_id if known else self._client.create_experiment(project)
        earlier = self._client.search_runs([experiment], filter_string=f"tags.midtrain = '{fingerprint(name)[:16]}'")
        if earlier:
            self._id = earlier[0].info.run_id
        else:
            tags = {"midtrain": fingerprint(name)[:16]}
            self._id = self._client.create_run(experiment, run_name=run or project, tags=tags).info.run_id

    def send(self, step: int, values: Mapping[str, float], seconds: float) -> None:
        metric = self._mlflow.entities.Metric
        batch = [metric(key, value, int(seconds * 1000), step) for key, value in values.items()]
        self._client.log_batch(self._id, metrics=batch)

    def close(self) -> None:
        self._client.set_terminated(self._id)


KINDS: dict[str, Callable[[Path, str], Tracker]] = {
    "tensorboard": _TensorBoard,
    "trackio": _Trackio,
    "wandb": _Wandb,
    "mlflow": _MLflow,
}


def numbers(entry: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a journal's metrics entry by name, one level of nesting as `source_loss/code`."""
    found: dict[str, float] = {}
    for key, value in entry.items():
        if key in ("kind", "step", "time"):
            continue
        if isinstance(value, Mapping):
            prefix = "" if key == "clock" else f"{key}/"
            found |= {f"{prefix}{name}": inner for name, inner in numbers(value).items()}
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[key] = float(value)
    return found


class Trackers:
    """The trackers of one run."""

    def __init__(self, kinds: Sequence[str], journal: Journal, folder: Path, name: str):
        """Open them under `folder`/KIND; `name` is PROJECT/RUN. Raises UserError when a package is missing."""
        self._journal = journal
        self._open: dict[str, tuple[Tracker, Path]] = {}
        self._sent: dict[str, int] = {}
        self._read = 0
        for kind in kinds:
            place = folder / kind
            place.mkdir(parents=True, exist_ok=True)
            try:
                self._open[kind] = (KINDS[kind](place, name), place / _SENT)
                self._sent[kind] = self._last_sent(place / _SENT)
            except UserError:
                raise
            except Exception as error:
                self._give_up(kind, error)

    @staticmethod
    def _last_sent(file: Path) -> int:
        try:
            return int(json.loads(file.read_text())["step"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return 0

    def follow(self) -> None:
        """Send every metrics entry that is new; what a tracker raises ends it and nothing else."""
        entries = self._new_entries() if self._open else []
        for kind, (tracker, file) in list(self._open.items()):
            unsent = [entry for entry in entries if entry["step"] > self._sent[kind]]
            try:
                if unsent:
                    self._sent[kind] = unsent[-1]["step"]
                    write_atomically(
                        file, json.dumps({"step": self._sent[kind]})
                    )  # first: killed now, none comes twice
                for entry in unsent:
                    tracker.send(entry["step"], numbers(entry), entry["clock"]["time"])
            except Exception as error:
                self._give_up(kind, error)

    def _new_entries(self) -> list[dict[str, Any]]:
        """The metrics in the journal's whole lines since the last call."""
        with open(self._journal.path, "rb") as file:
            file.seek(self._read)
            lines = file.read().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        self._read += sum(map(len, whole))
        return [json.loads(line) for line in whole if line.startswith(b'{"kind": "metrics"')]

    def close(self) -> None:
        """Close what is open."""
        for kind, (tracker, _) in list(self._open.items()):
            try:
                tracker.close()
            except Exception as error:
                self._give_up(kind, error)
        self._open = {}

    def _give_up(self, kind: str, error: Exception) -> None:
        self._open.pop(kind, None)
        say(f"The tracker {kind} fails ({type(error).__name__}: {error}); training goes on without it.")
