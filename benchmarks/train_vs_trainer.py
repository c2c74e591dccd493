"""Our training loop against `transformers.Trainer`: the same model, documents, batches, optimizer and steps.

Both get the same packed rows, and in both a document sees only itself. Trainer's exact way to do that on a CPU is SDPA
with a block mask per row; transformers builds it from restarting `position_ids`. It gets the labels shifted (so that no
target at the end of a row is lost), the optimizer built by our own code (fused AdamW, the same groups), rows ready in
memory, no logging, no saving, and the micro-batch that suits it better: the whole batch, or 2,048 tokens with
accumulation, tried for each model and context first (--quick: the latter). Ours takes 2,048
tokens at a time, or 1,024. Losses are compared step by step.

Every contestant is a process of its own and they take turns step by step, so that a busy machine slows both alike: the
ratio is the median over steps (the first left out) and seeds of peer's seconds / our seconds. Peak memory is that of
the same processes: the highest resident size while training, above that with the model loaded and everything imported
and warmed up.

    python -m benchmarks.train_vs_trainer [--quick] [--json FILE]
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
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

THREADS, VOCABULARY, BATCH_TOKENS, PEER_MICRO_TOKENS, RATE = 2, 4096, 8192, 2048, 1e-3
SIZES = {"1M": (128, 352, 4, 4), "3M": (192, 512, 6, 6), "7M": (256, 704, 8, 8)}
"""name -> hidden, intermediate, layers, heads (two heads share a key)."""
MICRO_TOKENS = {"1M": 2048, "3M": 2048, "7M": 1024}
"""Tokens that ours takes at once: where two cores are fastest; above 3M less is as fast, and a third smaller."""
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
            "micro_tokens": max(MICRO_TOKENS[case.size], case.context),
            "mixture": {"weights": {"text": 1.0}},
            "schedule": {"peak": RATE, "decay": {"share": 0.0}},
            "log_every": 1,
            "checkpoint_every": 10**6,
        }
    )


class _TurnRun(Run):
    """A run that gives the turn away after every step, where the loop asks whether to stop."""

    give_turn: Callable[[], None]

    def stop_requested(self) -> bool:
        self.give_turn()
        return False


def train_ours(model: Any, data: StageData, case: Case, seed: int, give_turn: Callable[[], None]) -> list[float]:
    """The loss of every step."""
    with tempfile.TemporaryDirectory() as folder:
        with _TurnRun(Path(folder) / "run", kind="benchmark", version=1, asked={}, inputs={}) as run:
            run.give_turn = give_turn
            train(model=model, data=data, config=stage_config(case), run=run, seed=seed)
        return [entry["loss"] for entry in Journal(Path(folder) / "run" / "journal.jsonl").read("metrics")]


class _TurnCallback(TrainerCallback):
    def __init__(self, give_turn: Callable[[], None]) -> None:
        self._give_turn = give_turn

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._give_turn()


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
    model: Any, data: StageData, case: Case, seed: int, give_turn: Callable[[], None], at_once: int, compiled: bool
) -> list[float]:
    """The loss of every step, `at_once` rows going through the model together."""
    rows, pieces = rows_for_trainer(data), case.rows // at_once
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
            callbacks=[_TurnCallback(give_turn)],
        )
        trainer.losses = []
        trainer.train()
    return torch.stack(trainer.losses).reshape(case.steps, pieces).sum(1).tolist()


@dataclass(frozen=True)
class Contestant:
    """Who trains: "ours", or Trainer "eager" or "compiled" with so many rows at once."""

    name: str
    at_once: int = 0

    def train(self, model: Any, data: StageData, case: Case, seed: int, give_turn: Callable[[], None]) -> list[float]:
        """The loss of every step; `give_turn` is called after each."""
        if self.name == "ours":
            return train_ours(model, data, case, seed, give_turn)
        return train_theirs(model, data, case, seed, give_turn, self.at_once, self.name == "compiled")

    def model(self, case: Case, seed: int) -> Any:
        """Fresh weights."""
        return make_model(case, seed, DOCUMENTS if self.name == "ours" else "sdpa")


def contest(connection: Connection, contestant: Contestant, case: Case, seed: int) -> None:
    """A contestant's process: waits for its turn before every step, and reports the losses and the peak at the end."""
    _prepare()
    warm = Case("1M", case.context, 1)
    warm_up = Contestant("eager" if contestant.name == "compiled" else contestant.name, 1)
    warm_up.train(warm_up.model(warm, 1), make_data(warm, 1), warm, 1, lambda: None)
    data, model = make_data(case, seed), contestant.model(case, seed)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = _status("VmRSS")

    def give_turn() -> None:
        connection.send("done")
        connection.recv()

    connection.send("ready")
    connection.recv()
    losses = contestant.train(model, data, case, seed, give_turn)
    connection.send((losses, _status("VmHWM") - before))


def _status(field: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


@dataclass(frozen=True)
class Performance:
    """What a contestant did in one round."""

    losses: list[float]
    seconds: list[float]
    """Of every step after the first."""
    memory: int


def play(contestants: list[Contestant], case: Case, seed: int) -> list[Performance]:
    """One round: every contestant from the same fresh weights, turn by turn."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for contestant in contestants:
        here, there = context.Pipe()
        processes.append(context.Process(target=contest, args=(there, contestant, case, seed)))
        processes[-1].start()
        there.close()
        here.recv()
        pipes.append(here)
    seconds: list[list[float]] = [[] for _ in contestants]
    for _ in range(case.steps):
        for pipe, times in zip(pipes, seconds, strict=True):
            start = time.perf_counter()
            pipe.send("go")
            pipe.recv()
            times.append(time.perf_counter() - start)
    found = []
    for pipe, process, times in zip(pipes, processes, seconds, strict=True):
        pipe.send("go")
        losses, memory = pipe.recv()
        process.join()
        found.append(Performance(losses, times[1:], memory))
    return found


def peers_choice(case: Case) -> int:
    """How many rows at once suit Trainer best: all of the batch, or 2,048 tokens."""
    options = [Contestant("eager", rows) for rows in (case.rows, PEER_MICRO_TOKENS // case.context)]
    performances = play(options, Case(case.size, case.context, 4), 0)
    best = min(zip(performances, options, strict=True), key=lambda pair: median(pair[0].seconds))
    return best[1].at_once


def measure(case: Case, peers: list[str], seeds: list[int], at_once: int) -> list[dict[str, Any]]:
    """One row of results per seed."""
    model, data, rows = make_model(case, 0, "sdpa"), make_data(case, 0), []
    batches = [data.batch(step) for step in range(4)]
    flops = median([step_flops(model, real_lengths(batch), batch.num_targets) for batch in batches])
    for seed in seeds:
        ours, *others = play([Contestant("ours"), *(Contestant(name, at_once) for name in peers)], case, seed)
        row: dict[str, Any] = {"size": case.size, "context": case.context, "seed": seed, "peer_rows_at_once": at_once}
        row |= {"ours_seconds": median(ours.seconds), "ours_memory": ours.memory}
        row["ours_of_gemm_peak"] = flops / row["ours_seconds"] / gemm_peak()
        for name, other in zip(peers, others, strict=True):
            row[f"{name}_seconds"] = median(other.seconds)
            row[f"{name}_ratio"] = median([b / a for a, b in zip(ours.seconds, other.seconds, strict=True)])
            row[f"{name}_loss_apart"] = max(abs(a - b) / abs(b) for a, b in zip(ours.losses, other.losses, strict=True))
            row[f"{name}_memory_ratio"] = ours.memory / other.memory
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
            case = Case(size, context, steps)
            at_once = PEER_MICRO_TOKENS // context if options.quick else peers_choice(case)
            rows += measure(case, peers, seeds, at_once)
    table: list[tuple[Any, ...]] = [
        ("model", "context", "peer", "ours s", "peer s", "ratio", "goal", "memory", "of peak")
    ]
    figures: dict[str, Any] = {"goals": {f"{peer}_{context}": goal for (peer, context), goal in GOALS.items()}}
    for size in sizes:
        for context in (512, 2048):
            own = [row for row in rows if (row["size"], row["context"]) == (size, context)]
            share = median([row["ours_of_gemm_peak"] for row in own])
            figures[f"{size}_{context}_of_gemm_peak"] = round(share, 3)
            for peer in peers:
                ratio = median([row[f"{peer}_ratio"] for row in own])
                memory = median([row[f"{peer}_memory_ratio"] for row in own])
                figures |= {f"{size}_{context}_{peer}_ratio": round(ratio, 3)}
                figures |= {f"{size}_{context}_{peer}_memory_ratio": round(memory, 3)}
                times = [f"{median([row[f'{who}_seconds'] for row in own]):.3f}" for who in ("ours", peer)]
                goal = GOALS[peer, context]
                table.append((size, context, peer, *times, f"{ratio:.2f}", goal, f"{memory:.2f}", f"{share:.0%}"))
    apart = [row[f"{peer}_loss_apart"] for row in rows for peer in peers]
    memories = [row["eager_memory_ratio"] for row in rows]  # compiling counts into the compiled peak
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
