"""Four and eight times the context of a small base: every RoPE method, as it stands and after a few steps.

The base is made here, 128 positions, from documentation and from lessons that name codes and say them again, so that it
knows what retrieval is within its own length. Each method then stretches it to 512 and 1,024 tokens:

    none      the positions go on, the frequencies stay (theta as it was)
    pi, ntk, abf, yarn    worked out by `rope.method` from the base and the context
    longrope  factors from `models.rope_search`, by the loss of a few long training documents

zero-shot and after `steps` of training on documents and lessons of the new length, once per seed. Measured with the
steps of a recipe: bits per byte by position, passkey and four keys at the old and the new length, and bits per byte
at the old context. The checks name yarn at four times, which was fixed before anything was measured:

    frequencies_equal_transformers  the formulas of every method give the frequencies plain transformers builds
    retrieval_beyond_old_context    the interval of yarn minus the base on the passkey at 512 tokens lies above zero
    short_loss_kept                 the interval excludes that the old context's loss rose by more than `MARGIN`

    python -m benchmarks.context_extension [--quick] [--json FILE]
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
from transformers import AutoModelForCausalLM

from benchmarks.harness import Result, arguments, finish
from midtrain.core.config import parse
from midtrain.core.progress import be_quiet
from midtrain.evaluation.bits_per_byte import nats_of
from midtrain.evaluation.config import RetrievalConfig
from midtrain.evaluation.retrieval import hide
from midtrain.evaluation.scores import Capability, capabilities, read_scores
from midtrain.evaluation.statistics import Comparison, compare
from midtrain.models.config import RopeConfig
from midtrain.models.export import export
from midtrain.models.load import load_model, quiet_transformers
from midtrain.models.rope_frequencies import rotation
from midtrain.models.rope_search import search_factors, start_factors
from midtrain.models.tokenizer import Tokenizer
from midtrain.recipe.graph import build_graph
from midtrain.recipe.schema import RecipeConfig
from midtrain.tokens.store import TokenStore

OLD, HEAD_DIM, THETA = 128, 24, 10_000.0
MARGIN = 0.02
"""The old context's bits per byte may rise by this share and still count as kept."""
SHORT, PASSKEY, DIGITS = "bpb/text", "retrieval/passkey@512", 2
METHODS = ["none", "pi", "ntk", "abf", "yarn", "longrope"]
ARCHITECTURE = {
    "model_type": "llama",
    "hidden_size": 96,
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": HEAD_DIM,
    "max_position_embeddings": OLD,
    "tie_word_embeddings": True,
}


@dataclass(frozen=True)
class Size:
    """How much is trained and measured."""

    base_tokens: int
    steps: int
    factors: list[int]
    methods: list[str]
    seeds: list[int]
    items: int
    trials: int


FULL = Size(3_000_000, 8, [4, 8], METHODS, [0, 1, 2], 20, 16)
QUICK = Size(400_000, 3, [4], ["none", "yarn"], [0, 1, 2], 8, 4)


def lesson(number: int, sentences: int, keys: int, rounds: int) -> str:
    """Codes among filler, then all of them again `rounds` times in other orders; no lesson is an evaluated text."""
    config = RetrievalConfig(lengths=[64], keys=keys, digits=DIGITS, seed=1)
    body = hide(number, sentences, config).prompt.rsplit(" The code of the", 1)[0]
    pairs = re.findall(r"The code of the (\w+ \w+) is (\d+)\.", body)
    draw = random.Random(number)
    again = [pair for _ in range(rounds) for pair in draw.sample(pairs, len(pairs))]
    return " ".join([body, *(f"The code of the {name} is {code}." for name, code in again)])


def write_lessons(folder: Path, size: Size) -> None:
    """Short lessons for the base, dense in answers; longer ones for each new context."""
    draw = random.Random(0)
    count = size.base_tokens // 120
    kinds = {"short": [lesson(n, draw.randint(0, 4), draw.choice([1, 2, 3]), 3) for n in range(count)]}
    for factor in size.factors:
        sentences = 10 * factor  # about nine tokens each
        kinds[f"long{factor}"] = [
            lesson(10**6 + n, draw.randint(sentences // 2, sentences), 4, 2) for n in range(size.steps * 40)
        ]
    for kind, texts in kinds.items():
        (folder / f"{kind}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


def recipe(size: Size, folder: Path, base: dict[str, Any], stage: dict[str, Any], seed: int) -> RecipeConfig:
    """A recipe with one stage; what is read and measured is the same for all."""
    kinds = ["short", *(f"long{factor}" for factor in size.factors)]
    keys = {"count": size.items, "digits": DIGITS}
    data = {
        "name": "context-extension",
        "base": base,
        "seeds": [seed],
        "holdout": {"share": 0.1},
        "sources": {
            "text": {"read": "python://documentation", "limit": {"bytes": "2M"}},
            **{kind: {"read": str(folder / f"{kind}.jsonl")} for kind in kinds},
        },
        "stages": {"train": stage},
        "evaluation": {
            "bits_per_byte": {"sources": ["text"], "documents": 40, "context": OLD},
            "positions": {"sources": ["text"], "documents": 12, "context": OLD * max(size.factors), "buckets": 4},
            "retrieval": {
                "passkey": {**keys, "lengths": [OLD, *(OLD * factor for factor in size.factors)]},
                "four": {**keys, "keys": 4, "lengths": [OLD, *(OLD * factor for factor in size.factors)]},
            },
        },
        "guard": {"budgets": {}},
    }
    return parse(RecipeConfig, data, "benchmark")


def stage(tokens: int, context: int, batch: int, lessons: str, peak: float, rope: Any = None) -> dict[str, Any]:
    """Half documentation, half lessons, a linear decay to zero after a short warmup."""
    return {
        "tokens": tokens,
        "context": context,
        "batch_tokens": batch,
        "mixture": {"weights": {"text": 0.4, lessons: 0.6}, "max_epochs": 100},
        "schedule": {"peak": peak, "warmup": 0.05, "decay": {"shape": "linear", "share": 0.9}},
        "rope": rope,
        "carry": {"moments": "reset", "step_counters": "reset"},
    }


class Bench:
    """A folder in which everything is made once."""

    def __init__(self, size: Size, folder: Path):
        self.size, self.folder, self.start = size, folder, time.monotonic()
        write_lessons(folder, size)
        tokenizer = {"train": {"vocab_size": 1024, "sources": ["text", "short"]}}
        first = stage(size.base_tokens, OLD, 4096, "short", 4e-3)
        made = build_graph(
            recipe(size, folder, {"architecture": ARCHITECTURE, "tokenizer": tokenizer}, first, 0), folder / "run"
        ).run("export")
        self.base = made["export/ours/seed-0"].path / "model"
        self.tokenizer = Tokenizer.load(self.base)
        self.text = TokenStore.open(made["tokens/text"].path)
        self.tell("made the base")

    def tell(self, what: str) -> None:
        """A line for the person who waits."""
        print(f"{time.monotonic() - self.start:6.0f} s  {what}", file=sys.stderr, flush=True)

    def rope(self, method: str, factor: int) -> RopeConfig:
        """The change of one method; longrope's factors are searched."""
        if method == "none":
            return RopeConfig(theta=THETA)
        if method == "longrope":
            return RopeConfig(method="longrope", factors=self.search(factor))
        return RopeConfig(method=method)  # type: ignore[arg-type]

    def search(self, factor: int) -> list[float]:
        """LongRoPE's factors by the loss of the ends of four long training documents."""
        context = OLD * factor
        long = np.flatnonzero(self.text.lengths >= context)[:4]
        pieces = [np.asarray(self.text.document(int(index)))[:context] for index in long]

        def loss(factors: list[float]) -> float:
            model = load_model(self.base, context=context, rope=RopeConfig(method="longrope", factors=factors))
            return float(np.mean([nats[OLD:].mean() for nats in nats_of(model, pieces, context)]))

        starts = list(start_factors(THETA, HEAD_DIM, OLD, factor).values())
        return search_factors(loss, starts, factor, trials=self.size.trials, seed=0)[0]

    def score(self, base: Path, plan: dict[str, Any], seed: int, step: str) -> dict[str, Capability]:
        """The scores of the model in `base` (evaluate/parent), or of what the stage `plan` makes of it."""
        asked = recipe(self.size, self.folder, {"path": str(base)}, plan, seed)
        made = build_graph(asked, self.folder / "run").run(step)
        return capabilities(read_scores(made[step].path / "items.parquet"))

    def stretched(self, rope: RopeConfig, name: str, factor: int) -> tuple[Path, bool]:
        """The base with new positions and nothing trained; whether its frequencies are those of the formula."""
        context, folder = OLD * factor, self.folder / f"stretched-{name}-{factor}"
        export(load_model(self.base, context=context, rope=rope), self.tokenizer, folder)
        with quiet_transformers():
            plain = AutoModelForCausalLM.from_pretrained(folder)
        rotary = plain.model.rotary_emb
        expected = rotation(plain.config.rope_parameters, HEAD_DIM, context)
        same = np.allclose(rotary.inv_freq.numpy(), expected.inverse_P, rtol=1e-5, atol=0)
        return folder, bool(same and abs(rotary.attention_scaling - expected.attention_scale) < 1e-9)


Found = dict[tuple[str, int, str], list[dict[str, Capability]]]
"""(method, factor, "zero-shot" or "trained") -> capabilities, one per seed."""


def measure(bench: Bench) -> tuple[Found, bool, list[dict[str, Any]]]:
    """All scores, whether all frequencies are right, a row for each model."""
    size = bench.size
    found: Found = {}
    right = True
    for factor in size.factors:
        context = OLD * factor
        for method in size.methods:
            rope = bench.rope(method, factor)
            folder, same = bench.stretched(rope, method, factor)
            right &= same
            plain = stage(size.steps * 8192, context, 8192, f"long{factor}", 1e-3)
            found[method, factor, "zero-shot"] = [bench.score(folder, plain, 0, "evaluate/parent")]
            plan = plain | {"rope": rope.model_dump(mode="json")}
            found[method, factor, "trained"] = [
                bench.score(bench.base, plan, seed, f"evaluate/ours/seed-{seed}") for seed in size.seeds
            ]
            bench.tell(f"{method} x {factor}")
    rows = [
        {"method": method, "factor": factor, "moment": moment, "seed": seed, **{n: c.value for n, c in one.items()}}
        for (method, factor, moment), each in found.items()
        for seed, one in enumerate(each)
    ]
    return found, right, rows


def against(ours: list[dict[str, Capability]], base: dict[str, Capability], name: str) -> Comparison:
    """Ours minus the base on one capability, paired over items, seeds resampled."""
    first = base[name]
    assert all(one[name].items == first.items for one in ours), "not the same items"
    values = np.stack([one[name].value_I for one in ours])
    lower = first.metric == "bits_per_byte"
    return compare(values, {"base": first.value_I[None]}, first.weight_I, lower_is_better=lower)["base"]


def main() -> None:
    """Make the base, stretch it in every way, print the table and the JSON line."""
    options = arguments("context_extension", __doc__ or "")
    be_quiet()
    size = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(size, Path(temporary))
        found, right, rows = measure(bench)
    names = list(found["none", size.factors[0], "zero-shot"][0])
    table: list[tuple[Any, ...]] = [("method", "times", "moment", *names)]
    figures: dict[str, Any] = {"base_tokens": size.base_tokens, "steps": size.steps, "margin": MARGIN}
    for (method, factor, moment), each in found.items():
        values = [float(np.mean([one[name].value for one in each])) for name in names]
        table.append((method, factor, moment, *(f"{value:.3f}" for value in values)))
        figures |= {f"{method} x{factor} {moment} {n}": round(v, 4) for n, v in zip(names, values, strict=True)}
    # With the frequencies unchanged, the stretched base is the base itself.
    base, ours = found["none", 4, "zero-shot"][0], found["yarn", 4, "trained"]
    retrieval, short = against(ours, base, PASSKEY), against(ours, base, SHORT)
    figures |= {"passkey at 512, yarn - base": [retrieval.difference, *retrieval.interval]}
    figures |= {"old context's bpb, yarn - base": [short.difference, *short.interval]}
    result = Result(
        benchmark="context_extension",
        metric="passkey found at four times the old context, yarn after training (higher is better)",
        unit="share",
        ours=float(np.mean([one[PASSKEY].value for one in ours])),
        peer=base[PASSKEY].value,
        peer_name="the base, its frequencies unchanged",
        checks={
            "frequencies_equal_transformers": right,
            "retrieval_beyond_old_context": retrieval.low > 0,
            "short_loss_kept": short.high <= MARGIN * base[SHORT].value,
        },
        figures=figures,
        seeds=size.seeds,
        rows=rows,
    )
    finish(result, table, options.quick, options.json)


if __name__ == "__main__":
    main()
