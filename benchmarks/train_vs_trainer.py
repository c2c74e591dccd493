"""Our training loop against `transformers.Trainer`: the same model, documents, batches, optimizer and steps.

Both get the same packed rows, and in both a document sees only itself. Trainer's exact way to do that on a CPU is SDPA
with a block mask per row; transformers builds it from restarting `position_ids`. It gets the labels shifted (so that no
target at the end of a row is lost), the optimizer built by our own code (fused AdamW, the same groups), rows ready in
memory, no logging, no saving, and the micro-batch that suits it better: the whole batch, or 2,048 tokens with
accumulation, tried for each model and context first. Ours takes 2,048 tokens at a time. Losses are compared step by
step.

Time is that of the steps after the first, in rounds of ours and the peers turn by turn, every round from fresh weights
with another seed; the ratio is the median over rounds. Peak memory is measured in processes of their own: the highest
resident size while training, above that of the process with the model loaded and everything imported and warmed up.

    python -m benchmarks.train_vs_trainer [--quick] [--json FILE]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

from benchmarks.harness import Result, arguments, finish, median
from midtrain.core.progress import be_quiet
from midtrain.core.run import Journal, Run
from midtrain.models.attention import NAME as DOCUMENTS
from midtrain.models.flops import gemm_peak, step_flops
from midtrain.tokens.batches import StageData
from midtrain.tokens.config import MixtureConfig
from midtrain.tokens.mixture import Mixture, mixture_sources
from midtrain.tokens.packing import pack
from midtrain.tokens.weights import Weights
from midtrain.training.config import StageConfig
from midtrain.training.loop import train
from midtrain.training.optimizer import make_optimizer, select_trainable
from midtrain.training.telemetry import real_lengths

THREADS, VOCABULARY, BATCH_TOKENS, MICRO_TOKENS, RATE = 2, 4096, 8192, 2048, 1e-3
SIZES = {"1M": (128, 352, 4, 4), "3M": (192, 512, 6, 6), "7M": (256, 704, 8, 8)}
"""name -> hidden, intermediate, layers, heads (two heads share a key)."""
GOALS = {("eager", 512): 1.3, ("eager", 2048): 2.0, ("compiled", 512): 1.1, ("compiled", 2048): 1.1}
MEMORY_GOAL, LOSS_TOLERANCE = 0.6, 1e-4


@dataclass(frozen=True)
class Case:
    """One model at one context, for some steps."""

    size: str
    context: int
    steps: int

    @property
    def rows(self) -> int:
        return BATCH_TOKENS // self.context


class MemoryStore:
    """Documents of about 200 tokens (log-normal, some longer than a window) with words as frequent as in text."""

    def __init__(self, tokens: int):
        generator = np.random.default_rng(0)
        lengths = np.exp(generator.normal(4.8, 1.0, tokens // 100)).astype(np.int64).clip(8, 4096)
        self.offsets = np.concatenate([[0], np.cumsum(lengths)])
        self.tokens = (generator.zipf(1.3, self.offsets[-1]) % VOCABULARY).astype(np.uint16)
        self.mask, self.digest = None, "benchmark"

    def document_ids(self, indices: np.ndarray) -> list[str]:
        return [str(index) for index in indices]


def make_data(case: Case, seed: int) -> StageData:
    """The stage both train on."""
    store = MemoryStore(2 * case.steps * BATCH_TOKENS)
    rows = {"text": pack(np.diff(store.offsets), case.context, seed=seed)}
    config = MixtureConfig(weights={"text": 1.0}, max_epochs=100)
    mixture = Mixture(
        mixture_sources(config, rows),
        Weights(config, ["text"]),
        num_positions=case.steps * case.rows,
        block=case.rows,
        seed=seed,
    )
    return StageData({"text": store}, rows, mixture, case.context, case.rows)


def make_model(case: Case, seed: int, attention: str) -> Any:
    """A random Llama with a tied head; one seed gives one model."""
    hidden, intermediate, layers, heads = SIZES[case.size]
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        use_cache=False,
        attn_implementation=attention,
    )
    torch.manual_seed(seed)
    return LlamaForCausalLM(config)


def stage_config(case: Case) -> StageConfig:
    """The settings of both."""
    return StageConfig.model_validate(
        {
            "tokens": case.steps * BATCH_TOKENS,
            "context": case.context,
            "batch_tokens": BATCH_TOKENS,
            "micro_tokens": MICRO_TOKENS,
            "mixture": {"weights": {"text": 1.0}},
            "schedule": {"peak": RATE, "decay": {"share": 0.0}},
            "log_every": 1,
            "checkpoint_every": 10**6,
        }
    )


def train_ours(model: Any, data: StageData, case: Case, seed: int) -> tuple[list[float], float]:
    """(loss of every step, seconds per step after the first)."""
    with tempfile.TemporaryDirectory() as folder:
        with Run(Path(folder) / "run", kind="benchmark", version=1, asked={}, inputs={}) as run:
            train(model=model, data=data, config=stage_config(case), run=run, seed=seed)
        entries = Journal(Path(folder) / "run" / "journal.jsonl").read("metrics")
    seconds = entries[-1]["clock"]["seconds"] - entries[0]["clock"]["seconds"]
    return [entry["loss"] for entry in entries], seconds / max(case.steps - 1, 1)


class _Watch(TrainerCallback):
    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.ends.append(time.perf_counter())


class _Trainer(Trainer):
    """Trainer that keeps the loss of every step, which costs nothing on a CPU."""

    losses: list[torch.Tensor]

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.losses.append(loss)
        return loss


def rows_for_trainer(data: StageData) -> list[dict[str, torch.Tensor]]:
    """Every row of the stage as tensors; `shift_labels` are used as they are, `labels` only switch the loss on."""
    found = []
    for step in range(data.num_steps):
        batch = data.batch(step)
        for ids, labels, positions in zip(batch.input_ids_BT, batch.labels_BT, batch.position_ids_BT, strict=True):
            row = {"input_ids": ids, "labels": labels, "shift_labels": labels, "position_ids": positions}
            found.append({name: torch.from_numpy(array) for name, array in row.items()})
    return found


def train_theirs(
    model: Any, rows: list[dict[str, torch.Tensor]], case: Case, seed: int, at_once: int, compiled: bool
) -> tuple[list[float], float]:
    """(loss of every step, seconds per step after the first), `at_once` rows going through the model together."""
    watch, pieces = _Watch(), case.rows // at_once
    with tempfile.TemporaryDirectory() as folder:
        options = TrainingArguments(
            output_dir=folder,
            max_steps=case.steps,
            per_device_train_batch_size=at_once,
            gradient_accumulation_steps=pieces,
            max_grad_norm=1.0,
            lr_scheduler_type="constant",
            train_sampling_strategy="sequential",
            dataloader_pin_memory=False,
            logging_strategy="no",
            logging_nan_inf_filter=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            use_cpu=True,
            torch_compile=compiled,
            seed=seed,
        )
        settings = stage_config(case).optimizer
        optimizer = make_optimizer(model, select_trainable(model, ["*"]), settings)
        for group in optimizer.param_groups:
            group["lr"] = RATE
        constant = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
        trainer = _Trainer(
            model=model,
            args=options,
            train_dataset=rows,
            data_collator=lambda part: {name: torch.stack([row[name] for row in part]) for name in part[0]},
            optimizers=(optimizer, constant),
            callbacks=[watch],
        )
        trainer.losses = []
        trainer.train()
    losses = torch.stack(trainer.losses).reshape(case.steps, pieces).sum(1).tolist()
    return losses, (watch.ends[-1] - watch.ends[0]) / max(case.steps - 1, 1)


def contestants(names: list[str], case: Case, seed: int, at_once: int) -> dict[str, tuple[list[float], float]]:
    """One round: each contestant from the same fresh weights."""
    data, found = make_data(case, seed), {}
    rows = rows_for_trainer(data)
    for name in names:
        model = make_model(case, seed, DOCUMENTS if name == "ours" else "sdpa")
        if name == "ours":
            found[name] = train_ours(model, data, case, seed)
        else:
            found[name] = train_theirs(model, rows, case, seed, at_once, name == "compiled")
    return found


def peers_choice(case: Case) -> int:
    """How many rows at once suit Trainer best: all of the batch, or 2,048 tokens."""
    short = Case(case.size, case.context, 3)
    rows = rows_for_trainer(make_data(short, 0))
    times = {}
    for at_once in (case.rows, MICRO_TOKENS // case.context):
        times[at_once] = train_theirs(make_model(short, 0, "sdpa"), rows, short, 0, at_once, False)[1]
    return min(times, key=lambda at_once: times[at_once])


def measure_memory(name: str, size: str, context: int, at_once: int) -> int:
    """Bytes of the peak above the loaded model; run in a process of its own."""
    _prepare()
    warm = Case("1M", context, 1)
    contestants([name], warm, 1, 1)
    case = Case(size, context, 2)
    data = make_data(case, 0)
    rows = rows_for_trainer(data)
    model = make_model(case, 0, DOCUMENTS if name == "ours" else "sdpa")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = _status("VmRSS")
    if name == "ours":
        train_ours(model, data, case, 0)
    else:
        train_theirs(model, rows, case, 0, at_once, name == "compiled")
    return _status("VmHWM") - before


def _status(field: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def memory_of(name: str, case: Case, at_once: int) -> int:
    """`measure_memory` in a fresh process."""
    call = f"measure_memory({name!r}, {case.size!r}, {case.context}, {at_once})"
    code = f"from benchmarks.train_vs_trainer import measure_memory; print('bytes', {call})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(next(line for line in done.stdout.splitlines() if line.startswith("bytes ")).split()[1])


def measure(case: Case, peers: list[str], seeds: list[int]) -> list[dict[str, Any]]:
    """Rows of results: one per seed, and memory."""
    at_once = peers_choice(case)
    memory = {name: memory_of(name, case, at_once) for name in ["ours", *peers]}
    data = make_data(case, 0)
    model, batches = make_model(case, 0, "sdpa"), [data.batch(step) for step in range(4)]
    flops = median([step_flops(model, real_lengths(batch), batch.num_targets) for batch in batches])
    rows = []
    for seed in seeds:
        found = contestants(["ours", *peers], case, seed, at_once)
        ours, seconds = found.pop("ours")
        row: dict[str, Any] = {"size": case.size, "context": case.context, "seed": seed, "peer_rows_at_once": at_once}
        row["ours_seconds"], row["ours_of_gemm_peak"] = seconds, flops / seconds / gemm_peak()
        row["ours_memory"] = memory["ours"]
        for name, (losses, other) in found.items():
            apart = max(abs(a - b) / abs(b) for a, b in zip(ours, losses, strict=True))
            row |= {f"{name}_seconds": other, f"{name}_ratio": other / seconds, f"{name}_loss_apart": apart}
            row[f"{name}_memory_ratio"] = memory["ours"] / memory[name]
        rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
    return rows


def _prepare() -> None:
    torch.set_num_threads(THREADS)
    be_quiet()


def main() -> None:
    """Run all cases, print the table and the JSON line."""
    options = arguments("train_vs_trainer", __doc__ or "")
    _prepare()
    seeds = [0, 1] if options.quick else [0, 1, 2]
    sizes = {"1M": 5} if options.quick else {"1M": 10, "3M": 6, "7M": 4}
    peers = ["eager"] if options.quick else ["eager", "compiled"]
    rows: list[dict[str, Any]] = []
    for size, steps in sizes.items():
        for context in (512, 2048):
            rows += measure(Case(size, context, steps), peers, seeds)
    table: list[tuple[Any, ...]] = [
        ("model", "context", "peer", "ours s", "peer s", "ratio", "goal", "memory", "of peak")
    ]
    figures: dict[str, Any] = {"goals": {f"{peer}_{context}": goal for (peer, context), goal in GOALS.items()}}
    for size in sizes:
        for context in (512, 2048):
            case = [row for row in rows if (row["size"], row["context"]) == (size, context)]
            share = median([row["ours_of_gemm_peak"] for row in case])
            figures[f"{size}_{context}_of_gemm_peak"] = round(share, 3)
            for peer in peers:
                ratio = median([row[f"{peer}_ratio"] for row in case])
                memory = case[0][f"{peer}_memory_ratio"]
                figures |= {f"{size}_{context}_{peer}_ratio": round(ratio, 3)}
                figures |= {f"{size}_{context}_{peer}_memory_ratio": round(memory, 3)}
                times = [f"{median([row[f'{who}_seconds'] for row in case]):.3f}" for who in ("ours", peer)]
                goal = GOALS[peer, context]
                table.append((size, context, peer, *times, f"{ratio:.2f}", goal, f"{memory:.2f}", f"{share:.0%}"))
    apart = [row[f"{peer}_loss_apart"] for row in rows for peer in peers]
    memories = [row[f"{peer}_memory_ratio"] for row in rows for peer in peers]
    eager = [row["eager_ratio"] for row in rows]
    figures |= {"largest_loss_difference": max(apart), "gemm_peak": gemm_peak()}
    result = Result(
        benchmark="train_vs_trainer",
        metric="seconds per step",
        unit="s",
        ours=median([row["ours_seconds"] for row in rows]),
        peer=median([row["eager_seconds"] for row in rows]),
        peer_name="transformers.Trainer (eager)",
        ratio=median(eager),
        checks={"loss_equal": max(apart) <= LOSS_TOLERANCE, "memory": max(memories) <= MEMORY_GOAL},
        figures=figures,
        seeds=seeds,
        rows=rows,
    )
    finish(result, table, options.quick, options.json)


if __name__ == "__main__":
    main()
