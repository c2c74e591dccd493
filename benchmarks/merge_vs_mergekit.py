"""Merging of sharded models in float32: the same numbers as mergekit, and what it takes in time and memory.

Three random models of a gigabyte (a fifth with --quick) in files of 250 MB: a base, and two that lie a tenth of its
size beside it, so that large tensors are merged along an arc and norms along a line. Each program merges them in a
process of its own, from imports done to the folder written, both turn by turn:

    linear   weights 0.7 and 0.3
    slerp    t = 0.4
    ties     weights 1.0 and 0.5, half of every change kept, lambda 0.8

Equal means: of every tensor, the largest difference is at most 1e-6 of the largest value. Two things need more words.
TIES cuts at the k-th largest change; where several are exactly that large mergekit keeps some of them and we keep all,
so these entries, found again here with a plain sort, may differ and are counted. SLERP: mergekit adds up norms and dot
product in float32, which is off by 1e-5 and more in a large tensor, so both are held against the formula in float64:
ours to 1e-6, and mergekit's result to 1e-4, so that it is the same formula.

Memory is the peak of the process above its state after the imports: all resident pages, mapped files included, as
that is what a container's limit sees; `own` leaves mapped files out.

Checks, set before the first run: equal_linear, equal_slerp, equal_ties; memory_one_shard (at most 1.3 times the largest
file, for every method); dare_repeatable (the same bytes twice). Needs mergekit 0.1.5 in .venv-mergekit; without it
the comparison is left out, and it says so.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import Result, arguments, finish, interleave, median
from midtrain.core.fingerprint import file_digest
from midtrain.models.load import architecture_config
from midtrain.models.locate import resolve_base
from midtrain.models.shards import StoredTensor, TensorLayout, open_weights, write_weights

PEERS = Path(__file__).parent / "peers"
PEER_PYTHON = Path(__file__).parent.parent / ".venv-mergekit" / "bin" / "python"
SHARD = 250_000_000
TOLERANCE, ROUNDED = 1e-6, 1e-4
DENSITY = 0.5
WHAT = "merge_vs_mergekit"


def main() -> None:
    options = arguments(WHAT, "Merging of sharded models against mergekit: equal numbers, time, memory.")
    with tempfile.TemporaryDirectory(prefix="merge-") as scratch:
        folder = Path(scratch)
        models = [make_model(folder / f"model{seed}", seed, options.quick) for seed in range(3)]
        rows, checks, figures = compare(models, folder, rounds=1 if options.quick else 3)
    speed = {name: figures.get(f"ties: seconds, {name}") for name in ("midtrain", "mergekit")}
    result = Result(
        WHAT, "a TIES merge of three models", "s", speed["midtrain"], speed["mergekit"], "mergekit 0.1.5",
        figures.get("ties: time ratio"), checks, figures, [0], rows,
    )  # fmt: skip
    finish(result, table(figures), options.quick, options.json)


def make_model(folder: Path, seed: int, quick: bool) -> str:
    """A random Llama in several files; 0 is the base, and the others lie beside it."""
    folder.mkdir()
    asset = resolve_base("asset://tiny-base")
    for file in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(asset / file, folder / file)
    fields = {
        "model_type": "llama", "vocab_size": 16384, "hidden_size": 1024, "intermediate_size": 2816,
        "num_hidden_layers": 3 if quick else 20, "num_attention_heads": 16, "num_key_value_heads": 4,
        "tie_word_embeddings": False, "architectures": ["LlamaForCausalLM"],
    }  # fmt: skip
    architecture_config(fields, None).save_pretrained(folder)
    files: dict[str, list[TensorLayout]] = {}
    room = 0
    layouts = tensors_of(fields)
    for layout in layouts:
        if room < layout.nbytes:
            room = SHARD
            files[f"{len(files)}"] = []
        room -= layout.nbytes
        files[f"{len(files) - 1}"].append(layout)
    named = {f"model-{int(n) + 1:05d}-of-{len(files):05d}.safetensors": inside for n, inside in files.items()}
    places = {layout.name: place for place, layout in enumerate(layouts)}

    def values(layout: TensorLayout) -> list[torch.Tensor]:
        def normal(which: int) -> torch.Tensor:
            generator = torch.Generator().manual_seed(1000 * places[layout.name] + which)
            return torch.randn(layout.elements, generator=generator)

        center = 1.0 if len(layout.shape) == 1 else 0.0
        return [center + 0.02 * normal(0) + (0.002 * normal(seed) if seed else 0.0)]

    write_weights(folder, named, values)  # type: ignore[arg-type]
    return str(folder)


def tensors_of(fields: dict[str, Any]) -> list[TensorLayout]:
    """The tensors of a Llama by the names of its files."""
    wide, inner, rows = fields["hidden_size"], fields["intermediate_size"], fields["vocab_size"]
    narrow = wide // fields["num_attention_heads"] * fields["num_key_value_heads"]
    layer = {
        "self_attn.q_proj": (wide, wide), "self_attn.k_proj": (narrow, wide), "self_attn.v_proj": (narrow, wide),
        "self_attn.o_proj": (wide, wide), "mlp.gate_proj": (inner, wide), "mlp.up_proj": (inner, wide),
        "mlp.down_proj": (wide, inner), "input_layernorm": (wide,), "post_attention_layernorm": (wide,),
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens": (rows, wide)}
    for number in range(fields["num_hidden_layers"]):
        shapes |= {f"model.layers.{number}.{name}": shape for name, shape in layer.items()}
    shapes |= {"model.norm": (wide,), "lm_head": (rows, wide)}
    return [TensorLayout(f"{name}.weight", torch.float32, shape) for name, shape in shapes.items()]


def merges(models: list[str]) -> dict[str, dict[str, Any]]:
    """The merges by name, in midtrain's words."""
    base, one, two = models
    weighted = [{"path": one, "weight": 0.7}, {"path": two, "weight": 0.3}]
    return {
        "linear": {"method": "linear", "models": weighted},
        "slerp": {"method": "slerp", "models": [{"path": one}, {"path": two}], "t": 0.4},
        "ties": {
            "method": "ties", "base": base, "density": DENSITY, "lambda": 0.8,
            "models": [{"path": one, "weight": 1.0}, {"path": two, "weight": 0.5}],
        },
    }  # fmt: skip


def compare(
    models: list[str], folder: Path, rounds: int
) -> tuple[list[dict[str, Any]], dict[str, bool], dict[str, Any]]:
    """Rows, checks and figures of all merges."""
    programs = {"midtrain": [sys.executable, str(PEERS / "merge_ours.py")]}
    if PEER_PYTHON.exists():
        programs["mergekit"] = [str(PEER_PYTHON), str(PEERS / "merge_mergekit.py")]
    else:
        print(f"{WHAT}: mergekit is left out, there is no .venv-mergekit.")
    largest = max(file.stat().st_size for file in Path(models[0]).glob("*.safetensors")) / 2**20
    rows: list[dict[str, Any]] = []
    figures: dict[str, Any] = {
        "model_mb": round(sum(file.stat().st_size for file in Path(models[0]).glob("*.safetensors")) / 2**20),
        "largest_shard_mb": round(largest),
        "largest_tensor_mb": round(max(tensor.nbytes for tensor in open_weights(Path(models[0])).values()) / 2**20),
    }
    checks: dict[str, bool] = {}
    for name, asked in merges(models).items():
        mine: list[dict[str, Any]] = []
        interleave(
            {program: runner(command, program, asked, folder, mine) for program, command in programs.items()}, rounds
        )
        rows += [{"merge": name, **row} for row in mine]
        for program in programs:
            for field in ("seconds", "all_mb", "own_mb"):
                found = [row[field] for row in mine if row["program"] == program]
                figures[f"{name}: {field}, {program}"] = round(median(found) if field == "seconds" else max(found), 2)
        if "mergekit" in programs:
            for what, field in (("time", "seconds"), ("memory", "all_mb"), ("own memory", "own_mb")):
                ours, theirs = (figures[f"{name}: {field}, {program}"] for program in ("midtrain", "mergekit"))
                figures[f"{name}: {what} ratio"] = round(theirs / max(ours, 0.1), 2)
            found = difference(folder / "midtrain", folder / "mergekit", models, asked)
            figures |= {f"{name}: {what}": value for what, value in found.items()}
            checks[f"equal_{name}"] = found["largest difference"] <= TOLERANCE and found.get("mergekit", 0.0) <= ROUNDED
    peaks = [figures[f"{name}: all_mb, midtrain"] for name in merges(models)]
    checks["memory_one_shard"] = max(peaks) <= 1.3 * largest
    checks["dare_repeatable"] = dare_repeats(programs["midtrain"], models, folder)
    return rows, checks, figures


def runner(
    command: list[str], program: str, asked: dict[str, Any], folder: Path, rows: list[dict[str, Any]]
) -> Callable[[], None]:
    """One merge in a process of its own; its measurements go to `rows`, its result to folder/program."""

    def run() -> None:
        shutil.rmtree(folder / program, ignore_errors=True)
        (folder / "asked.json").write_text(json.dumps(asked))
        arguments = [*command, str(folder / "asked.json"), str(folder / program), str(folder / "measured.json")]
        done = subprocess.run(arguments, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{program} failed:\n{done.stderr[-2000:]}")
        rows.append({"program": program, **json.loads((folder / "measured.json").read_text())})

    return run


def difference(ours: Path, theirs: Path, models: list[str], asked: dict[str, Any]) -> dict[str, Any]:
    """The largest difference of any entry, as a share of its tensor's largest value, from what it should be.

    That is mergekit's result, without entries that both may cut; for SLERP the formula in float64, from which
    `mergekit` is mergekit's own difference.
    """
    mine, other = open_weights(ours), open_weights(theirs)
    if mine.keys() != other.keys():
        return {"largest difference": float("inf"), "tensors named otherwise": sorted(mine.keys() ^ other.keys())}
    opened = [open_weights(Path(model)) for model in models]
    worst, rounded, cut = 0.0, 0.0, 0
    for name, tensor in mine.items():
        values, expected = whole(tensor), whole(other[name])
        if asked["method"] == "slerp":
            exact = arc(whole(opened[1][name]).double(), whole(opened[2][name]).double(), asked["t"])
            rounded = max(rounded, float(shares(expected, exact).max()))
            expected = exact
        share = shares(values, expected)
        if asked["method"] == "ties" and float(share.max()) > TOLERANCE:
            excused = at_the_cut(*(whole(model[name]) for model in opened))
            cut += int(((share > TOLERANCE) & excused).sum())
            share = torch.where(excused, 0.0, share)
        worst = max(worst, float(share.max()))
    more = {"slerp": {"mergekit": rounded}, "ties": {"entries cut otherwise": cut}}
    return {"largest difference": worst, **more.get(asked["method"], {})}


def whole(tensor: StoredTensor) -> torch.Tensor:
    """A stored tensor, flat."""
    return torch.cat(list(tensor.blocks()))


def shares(values: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """The differences as shares of the largest expected value."""
    return (values - expected).abs() / expected.abs().max()


def arc(start: torch.Tensor, end: torch.Tensor, t: float) -> torch.Tensor:
    """SLERP written out."""
    cosine = float(start @ end / (start.norm() * end.norm()))
    if abs(cosine) > 0.9995:
        return (1 - t) * start + t * end
    angle = math.acos(cosine)
    return (math.sin((1 - t) * angle) * start + math.sin(t * angle) * end) / math.sin(angle)


def at_the_cut(base: torch.Tensor, *models: torch.Tensor) -> torch.Tensor:
    """The entries whose change in some model is exactly as large as the smallest that is kept."""
    sizes = [(model - base).abs() for model in models]
    cuts = [size.sort(descending=True).values[int(DENSITY * len(size)) - 1] for size in sizes]
    return torch.stack([size == cut for size, cut in zip(sizes, cuts, strict=True)]).any(0)


def dare_repeats(command: list[str], models: list[str], folder: Path) -> bool:
    """Whether DARE writes the same bytes twice, in two processes."""
    asked = {"method": "dare_ties", "base": models[0], "models": [{"path": one} for one in models[1:]], "density": 0.3}
    digests = []
    for _ in range(2):
        runner(command, "midtrain", asked, folder, [])()
        digests.append([file_digest(file) for file in sorted((folder / "midtrain").glob("*.safetensors"))])
    return digests[0] == digests[1]


def table(figures: dict[str, Any]) -> list[tuple[Any, ...]]:
    """A line per merge."""
    columns = ("seconds", "all_mb", "own_mb")
    programs = [name for name in ("midtrain", "mergekit") if f"linear: seconds, {name}" in figures]
    lines: list[tuple[Any, ...]] = [
        ("", *(f"{program} {column}" for column in columns for program in programs), "difference")
    ]
    for name in ("linear", "slerp", "ties"):
        values = [figures[f"{name}: {column}, {program}"] for column in columns for program in programs]
        lines.append((name, *values, f"{figures.get(f'{name}: largest difference', float('nan')):.1e}"))
    return lines


if __name__ == "__main__":
    main()
