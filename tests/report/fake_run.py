"""A made-up run that looks like a real one: two stages, three seeds, a control, four sources, a spike."""

import math
import random

import numpy as np
import pyarrow as pa

from midtrain.evaluation.config import GuardConfig, TargetConfig
from midtrain.evaluation.guard import judge
from midtrain.evaluation.scores import SCHEMA, score_row
from midtrain.report.inputs import ReportInputs, StageRecord

SOURCES = ("code", "docstrings", "documentation", "problems")
OLD = {"docstrings": 0.8, "documentation": 0.2}
STEPS, BATCH = 300, 8192
FACTS = {
    "steps": STEPS,
    "tokens": STEPS * BATCH,
    "seconds": 390.0,
    "tokens_per_second": 6300.0,
    "mfu": 0.41,
    "goodput": 0.97,
    "carried": ["The moments come from the base.", "The peak is 2e-3, as the base had it."],
}


def scores_table(shift, right, seed):
    """Scores of one model: bits per byte moved by `shift`, a share `right` of problems solved."""
    rng, hard = np.random.default_rng(seed), np.random.default_rng(0)
    rows = []
    for name in SOURCES[:3]:
        for i in range(150):
            value = hard.uniform(1.2, 3.2) + shift.get(name, 0) + rng.normal(0, 0.05)
            rows.append(score_row(f"bpb/{name}", f"{name}{i}", value, hard.integers(200, 9000), "bits_per_byte", {}))
    for i in range(80):
        solved = hard.uniform() < right + rng.normal(0, 0.03)
        a, b = 11 + i, 3 * i % 40
        settings = {"prompt": f"What is {a} + {b}?\n", "outcome": "pass" if solved else "fail"}
        said = f"{a} + {b} = {a + b}\nAnswer: {a + b}" if solved else f"the <b>{a}</b> of the {b} and the self.{a}"
        rows.append(
            score_row("problems/addition", f"p{i}", solved, 1, "exact_match", settings, said, str(a + b))
        )  # fmt: skip
        rows.append(
            score_row(
                "problems/addition (bpb)", f"p{i}", hard.uniform(1, 2) + shift.get("add", 0), 20, "bits_per_byte", {}
            )
        )
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def weights_at(points, share):
    """Linear between points."""
    names = dict.fromkeys(name for point in points for name in point["weights"])
    ats = [point["at"] for point in points]
    return {name: float(np.interp(share, ats, [point["weights"].get(name, 0) for point in points])) for name in names}


def journal(arm, seed, stage, points, level):
    """A stage's journal, with noise, a spike and a decision."""
    rng = random.Random(f"{arm}{seed}{stage}")
    entries = [{"kind": "event", "step": 0, "what": "start", "sentences": [], "clock": {"time": 1000.0}}]
    for step in range(5, STEPS + 1, 5):
        share = step / STEPS
        weights = weights_at(points, share)
        draw = {name: int(5 * BATCH * weight * rng.uniform(0.9, 1.1)) for name, weight in weights.items() if weight > 0}
        drop = {"code": 1.0, "problems": 1.6}
        losses = {
            name: level + 0.2 * SOURCES.index(name) + drop.get(name, 0.15) * math.exp(-3 * share) + rng.gauss(0, 0.03)
            for name in draw
        }
        spike = 1.2 if (arm, seed, step) == ("ours", 1, 150) else 0.0
        entries.append(
            {
                "kind": "metrics",
                "step": step,
                "tokens": step * BATCH,
                "loss": sum(losses.values()) / len(losses) + spike,
                "source_loss": losses,
                "source_tokens": draw,
                "learning_rate": 2e-3 * (1 - math.sqrt(share)) if stage == "anneal" else 2e-3,
                "gradient_norm": 0.8 + abs(rng.gauss(0, 0.1)) + 6 * spike,
                "clock": {
                    "time": 1000.0 + step * 1.3,
                    "tokens_per_second": 6300 + rng.gauss(0, 250),
                    "mfu": 0.41 + rng.gauss(0, 0.01),
                    "goodput": 0.97,
                },
            }
        )
        if spike:
            entries.append(
                {"kind": "decision", "step": step, "from_block": 12, "change": {"skip": [151]},
                 "reason": "the loss rose 1.2 nats above its median: the batch is skipped", "clock": {"time": 1195.0}}
            )  # fmt: skip
    return entries


def arms(control=True, seeds=(0, 1, 2)):
    """Both arms, each with a stable and an anneal stage."""
    mixtures = {
        "ours": {
            "stable": [{"at": 0.0, "weights": OLD}, {"at": 1.0, "weights": {**OLD, "docstrings": 0.6, "code": 0.2}}],
            "anneal": [
                {"at": 0.0, "weights": {"code": 0.3, "docstrings": 0.4, "documentation": 0.2, "problems": 0.1}},
                {"at": 1.0, "weights": {"code": 0.45, "docstrings": 0.2, "documentation": 0.1, "problems": 0.25}},
            ],
        },
        "control": {"stable": [{"at": 0.0, "weights": OLD}], "anneal": [{"at": 0.0, "weights": OLD}]},
    }
    found = {}
    for arm in ("ours", "control") if control else ("ours",):
        found[arm] = {
            seed: [
                StageRecord(stage, journal(arm, seed, stage, points, 2.6 - 0.2 * i), points, facts=FACTS)
                for i, (stage, points) in enumerate(mixtures[arm].items())
            ]
            for seed in seeds
        }
    return found


def documents():
    """Manifests of four sources."""
    found = {}
    for i, name in enumerate(SOURCES):
        rows = 40_000 + 13_337 * i
        found[name] = {
            "counts": {"rows_in": rows, "documents": rows - 420, "heldout": rows // 50, "groups": 180 + i},
            "drops": {"exact duplicate": 400, "shorter than 40 characters": 20},
            "samples": {"dropped: shorter than 40 characters": ["x = 1", "<script>alert('no')</script>"]},
            "facts": {"licenses": {"PSF-2.0": 900, "MIT": 30_000}},
        }
    return found


def fake_inputs(shift=None, right=(0.05, 0.06, 0.55), control=True, seeds=(0, 1, 2), with_target=True):
    """Report inputs of a whole run; `shift` is ours against the parent in bits per byte, by source."""
    ours_shift = shift or {"code": -0.45, "docstrings": -0.03, "documentation": 0.005, "add": -0.6}
    control_shift = {"code": -0.06, "docstrings": -0.05, "documentation": -0.04, "add": -0.02}
    tables = {
        "parent": scores_table({}, right[0], 1),
        "control": scores_table(control_shift, right[1], 2),
        "ours": scores_table(ours_shift, right[2], 3),
    }
    scores = judge(
        tables["parent"],
        {seed: scores_table(control_shift, right[1], 10 + seed) for seed in seeds} if control else {},
        {seed: scores_table(ours_shift, right[2], 20 + seed) for seed in seeds},
        GuardConfig(budgets={"bpb/doc*": 0.02}),
        TargetConfig(capability="bpb/code", better_than=["parent", "control"] if control else ["parent"])
        if with_target
        else None,
        resamples=500,
    )
    if not control:
        del tables["control"]
    manifests = documents()
    return ReportInputs(
        name="quickstart",
        description="Teach the small base code and sums without losing prose.",
        recipe="name: quickstart\nseeds: [0, 1, 2]\nbase: {path: asset://tiny-base}\n",
        scores=scores,
        arms=arms(control, seeds),
        documents=manifests,
        tokens={
            name: {"counts": {"tokens": 4_000_000 + 90_000 * i, "bytes_per_token": 3.1 + i / 10}}
            for i, name in enumerate(SOURCES)
        },
        packing={
            f"{name}, context 512": {
                "documents": 39_000,
                "instances": 8_000,
                "padded_share": 0.012,
                "split_share": 0.08,
                "dropped": 0,
            }
            for name in SOURCES
        },
        items=tables,
        parity={
            "base as loaded": {"logits": 3.1e-7, "inv_freq": 0.0, "tied": 1.0},
            "ours, exported": {"logits": 2.2e-7, "inv_freq": 0.0, "tied": 1.0},
        },
        libraries={"midtrain": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0"},
        commands=["midtrain run recipe.yaml --out runs/quickstart"],
        excluded=[{"model": "ours", "capability": "problems/addition", "item": "p79", "cause": "no space left"}],
    )
