"""Retrieval from a long context: a code hidden among plain sentences, to be said again at the end.

With one key this is the passkey test (arXiv:2305.16300); with more, the multi-key needle test of RULER
(arXiv:2404.06654): every other code is a distractor of the same form, so it does not help to remember that there was
a number. What is hidden and asked is text drawn from a seed, the same for every model; the tokenizer only says how
many filler sentences fit into the length.

The answer counts as right when it is what greedy decoding gives: every token of it is the likeliest after the ones
before, which one forward pass tells. `(bpb)` is the bits per byte of the answer, which moves long before. No model is
refused for its positions: a parent is measured beyond them, which is what "before" means.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from midtrain.core.errors import UserError
from midtrain.core.permutation import derive_key
from midtrain.core.progress import progress
from midtrain.evaluation.bits_per_byte import hidden_states
from midtrain.evaluation.config import RetrievalConfig
from midtrain.evaluation.scores import score_row
from midtrain.models.head import head_logits, output_head
from midtrain.models.tokenizer import Tokenizer

_OPENING = "Remember every code in this text."
_FIRST = ("amber", "quiet", "silver", "narrow", "early", "copper", "gentle", "hollow", "crimson", "northern")
_SECOND = ("falcon", "harbor", "lantern", "meadow", "engine", "orchard", "bridge", "violin", "glacier", "market")
_NAMES = tuple(f"{first} {second}" for first in _FIRST for second in _SECOND)
_FILLER = (
    "The road goes on past the mill.",
    "A light wind came up from the river.",
    "They sat down and waited for the bus.",
    "The shop on the corner sells bread and milk.",
    "Most of the windows were open that day.",
    "Someone had left a coat on the chair.",
    "The rain stopped before the evening.",
    "He read the letter twice and put it away.",
    "The garden was full of old trees.",
    "There was nothing new in the paper.",
    "She walked home by the longer way.",
    "The dog slept in the shade of the wall.",
)


@dataclass(frozen=True)
class Hidden:
    """One task: a text that ends with a question, and the answer."""

    name: str
    prompt: str
    answer: str
    depth: float
    """Where the code that is asked for stands: 0 at the beginning, 1 at the end."""


def hide(number: int, sentences: int, config: RetrievalConfig) -> Hidden:
    """Task `number` with this many filler sentences; a pure function of its arguments.

    The code asked for stands at evenly spread depths, task after task; the others stand anywhere.
    """
    draw = random.Random(derive_key(config.seed, "retrieval", number))
    names = draw.sample(_NAMES, config.keys)
    codes = [f"{draw.randrange(10**config.digits):0{config.digits}d}" for _ in names]
    depth = (number % config.depths + 0.5) / config.depths
    depths = [depth, *(draw.random() for _ in names[1:])]
    lines = [draw.choice(_FILLER) for _ in range(sentences)]
    needles = [f"The code of the {name} is {code}." for name, code in zip(names, codes, strict=True)]
    for place, needle in sorted(zip(depths, needles, strict=True), reverse=True):
        lines.insert(int(place * sentences), needle)
    prompt = f"{_OPENING} {' '.join(lines)} The code of the {names[0]} is"
    return Hidden(f"{number}@{depth:.2f}", prompt, f" {codes[0]}", depth)


def fit(number: int, length: int, config: RetrievalConfig, tokenizer: Tokenizer) -> tuple[Hidden, np.ndarray, int]:
    """The longest version of task `number` within `length` tokens: (task, its ids with the answer, answer tokens).

    Raises UserError when not even the codes alone fit.
    """
    bare, ids, answer = _encode(hide(number, 0, config), tokenizer)
    if len(ids) > length:
        raise UserError(
            f"retrieval: {config.keys} codes take {len(ids)} tokens, more than the length {length}; lengthen it."
        )
    low, high = 0, length  # a sentence has at least one token
    best = (bare, ids, answer)
    while low + 1 < high:
        middle = (low + high) // 2
        found = _encode(hide(number, middle, config), tokenizer)
        if len(found[1]) <= length:
            low, best = middle, found
        else:
            high = middle
    return best


def _encode(task: Hidden, tokenizer: Tokenizer) -> tuple[Hidden, np.ndarray, int]:
    prompt, answer = tokenizer.encode_pieces([task.prompt, task.answer])
    return task, np.array([*tokenizer.prefix, *prompt, *answer]), len(answer)


def documents(config: RetrievalConfig, count: int, length: int, tokenizer: Tokenizer) -> Iterator[str]:
    """Texts of the same kind to train on, answer included; give another seed than the one that is evaluated."""
    for number in range(count):
        task, _, _ = fit(number, length, config, tokenizer)
        yield f"{task.prompt}{task.answer}."


@torch.no_grad()
def score_retrieval(model: Any, tokenizer: Tokenizer, config: RetrievalConfig, name: str) -> list[dict[str, Any]]:
    """Two score rows per task and length: right or not, and the bits per byte of the answer."""
    rows = []
    training = model.training
    model.eval()
    total = config.count * sum(config.lengths)
    with progress(f"retrieval {name}", total, "tokens") as bar:
        for length in config.lengths:
            for number in range(config.count):
                task, ids_T, answered = fit(number, length, config, tokenizer)
                right, bits = _answer(model, ids_T, answered)
                settings = {"length": length, "tokens": len(ids_T), "keys": config.keys, "depth": task.depth}
                capability, size = f"retrieval/{name}@{length}", len(task.answer.encode())
                rows.append(score_row(capability, task.name, right, 1, "exact_match", settings, None, task.answer))
                rows.append(score_row(f"{capability} (bpb)", task.name, bits / size, size, "bits_per_byte", settings))
                bar.advance(length)
    model.train(training)
    return rows


def _answer(model: Any, ids_T: np.ndarray, answered: int) -> tuple[bool, float]:
    """Whether greedy decoding gives the last `answered` ids, and their bits."""
    hidden_TD = hidden_states(model, [ids_T])[-answered:]
    logits_AV = head_logits(output_head(model), hidden_TD).double().cpu()
    if not torch.isfinite(logits_AV).all():
        raise UserError("The model gives NaN on a long text; its weights are broken.")
    wanted_A = torch.from_numpy(ids_T[-answered:].astype(np.int64))
    nats = -torch.log_softmax(logits_AV, dim=-1).gather(1, wanted_A[:, None]).sum()
    return bool((logits_AV.argmax(dim=-1) == wanted_A).all()), float(nats) / math.log(2)
