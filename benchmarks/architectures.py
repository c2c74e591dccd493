"""Every family people mid-train goes the whole way: load, keep documents apart, train, export, reload as a stranger.

Small random models of seven families are saved as transformers would find them, loaded with document attention,
trained for two steps on packed documents (some longer than the sliding window), exported, and read again by plain
transformers. There is no peer: plain transformers is the judge of every step.

    python -m benchmarks.architectures [--quick] [--json FILE]
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from benchmarks.harness import Result, arguments, finish
from midtrain.models.attention import document_kwargs
from midtrain.models.export import export
from midtrain.models.head import output_head
from midtrain.models.load import init_model, load_model, quiet_transformers
from midtrain.models.loss import linear_cross_entropy
from midtrain.models.parity import check_export, check_load
from midtrain.models.tokenizer import Tokenizer, train_tokenizer

WINDOW = 24
LENGTHS = (61, 9, 26, 32)
"""The documents of one batch of two rows of 64 tokens, laid end to end; three are longer than the window."""
_SHARED = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
_ALTERNATING = ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"]
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama", "num_hidden_layers": 2, "tie_word_embeddings": True},
    "qwen3": {"model_type": "qwen3", "num_hidden_layers": 2, "head_dim": 32, "tie_word_embeddings": True},
    "olmo2": {"model_type": "olmo2", "num_hidden_layers": 2},
    "olmo3": {"model_type": "olmo3", "num_hidden_layers": 4, "layer_types": _ALTERNATING, "sliding_window": WINDOW},
    "gemma3": {
        "model_type": "gemma3_text",
        "num_hidden_layers": 4,
        "head_dim": 32,
        "query_pre_attn_scalar": 32,
        "layer_types": _ALTERNATING,
        "sliding_window": WINDOW,
        "final_logit_softcapping": 20.0,
    },
    "smollm3": {"model_type": "smollm3", "num_hidden_layers": 4, "no_rope_layer_interval": 4},
    "phi3": {"model_type": "phi3", "num_hidden_layers": 2, "sliding_window": WINDOW},
}
"""Small configs with what is peculiar to each: grouped heads, QK norms, windows, layers without RoPE, a softcap."""


def exercise(family: str, seed: int, tokenizer: Tokenizer, folder: Path) -> dict[str, float]:
    """Take one family the whole way in `folder`; returns the measured differences, all of which should be tiny.

    {"load", "export": logits against plain transformers; "leak": change of a document when its neighbour changes;
    "loss": the packed loss against the documents alone; "learned": fall of the loss in two steps}.
    """
    start = export(init_model(_SHARED | FAMILIES[family], tokenizer, seed), tokenizer, folder / "base")
    model = load_model(start)
    generator = torch.Generator().manual_seed(seed)
    documents = [torch.randint(tokenizer.vocab_size, (n,), generator=generator) for n in LENGTHS]
    figures = {"load": check_load(model, start)["logits"], "leak": _leak(model, documents)}
    figures["loss"] = _loss_difference(model, documents, start)
    figures["learned"] = _two_steps(model, documents)
    end = export(model, tokenizer, folder / "trained")
    figures["export"] = max(
        check_export(end, model, tokenizer)["logits"],
        _loss_difference(model, documents, end),  # documents longer than the window, too
    )
    return figures


def passed(figures: dict[str, float]) -> bool:
    """Whether a family may be called supported."""
    tight = all(figures[name] < 1e-5 for name in ("load", "loss", "export"))
    return tight and figures["leak"] == 0.0 and figures["learned"] > 0.0


def _hidden(model: PreTrainedModel, documents: list[torch.Tensor]) -> torch.Tensor:
    """Hidden states [N, D] of the documents packed in two rows."""
    cu_seqlens = np.concatenate(([0], np.cumsum(LENGTHS)))
    positions = torch.cat([torch.arange(n) for n in LENGTHS])
    return model.base_model(
        input_ids=torch.cat(documents).view(2, -1),
        position_ids=positions.view(2, -1),
        use_cache=False,
        attention_mask=None,
        **document_kwargs(cu_seqlens, LENGTHS),
    ).last_hidden_state.flatten(0, 1)


def _labels(documents: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([torch.cat((ids[1:], torch.tensor([-100]))) for ids in documents])


def _loss(model: PreTrainedModel, documents: list[torch.Tensor]) -> torch.Tensor:
    labels = _labels(documents)
    weights = (labels != -100).float()
    out = linear_cross_entropy(
        _hidden(model, documents), labels_N=labels, weights_N=weights / weights.sum(), **output_head(model)
    )
    return out.loss


def _leak(model: PreTrainedModel, documents: list[torch.Tensor]) -> float:
    """The largest change of any document's hidden states when another one's tokens all change."""
    worst = 0.0
    with torch.no_grad():
        before = _hidden(model, documents).split(LENGTHS)
        for changed in range(len(documents)):
            other = [ids.flip(0).roll(1) if i == changed else ids for i, ids in enumerate(documents)]
            after = _hidden(model, other).split(LENGTHS)
            assert not torch.equal(before[changed], after[changed])
            differences = [float((a - b).abs().max()) for a, b in zip(before, after, strict=True)]
            worst = max(worst, *(difference for i, difference in enumerate(differences) if i != changed))
    return worst


def _loss_difference(model: PreTrainedModel, documents: list[torch.Tensor], folder: Path) -> float:
    """The packed loss of `model` against the mean over plain transformers reading each document of `folder` alone."""
    with quiet_transformers():
        plain = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    with torch.no_grad():
        total = sum(
            nn.functional.cross_entropy(plain(input_ids=ids[None]).logits[0, :-1], ids[1:], reduction="sum")
            for ids in documents
        )
        return abs(float(_loss(model, documents) - total / sum(n - 1 for n in LENGTHS)))


def _two_steps(model: PreTrainedModel, documents: list[torch.Tensor]) -> float:
    """The fall of the loss in two steps of AdamW; every parameter must have had a gradient."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(2):
        loss = _loss(model, documents)
        loss.backward()
        idle = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
        assert not idle, f"no gradient reached {idle}"
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    model.eval()
    with torch.no_grad():
        return losses[0] - float(_loss(model, documents))


def small_tokenizer(folder: Path) -> Tokenizer:
    """A tokenizer of a few hundred ids, learned from this file."""
    return train_tokenizer(Path(__file__).read_text().split("\n\n"), 384, folder / "tokenizer")


def main() -> None:
    """Run every family and print what was measured."""
    options = arguments("architectures", __doc__ or "")
    seeds = [0] if options.quick else [0, 1, 2]
    result = Result("architectures", metric="families that go the whole way", unit="families", seeds=seeds)
    table: list[tuple[Any, ...]] = [("family", "seed", "load", "leak", "loss", "export", "learned", "passed")]
    with tempfile.TemporaryDirectory() as temporary:
        tokenizer = small_tokenizer(Path(temporary))
        for family in FAMILIES:
            for seed in seeds:
                figures = exercise(family, seed, tokenizer, Path(temporary) / f"{family}-{seed}")
                ok = passed(figures)
                result.checks[family] = result.checks.get(family, True) and ok
                result.rows.append({"family": family, "seed": seed, **figures})
                shown = [f"{figures[name]:.1e}" for name in table[0][2:-1]]
                table.append((family, seed, *shown, ok))
    for name in ("load", "leak", "loss", "export"):
        result.figures[f"largest {name} difference"] = max(row[name] for row in result.rows)
    result.ours = sum(result.checks.values())
    finish(result, table, options.quick, options.json)


if __name__ == "__main__":
    main()
