"""Measure one model: everything an `EvaluationConfig` asks for, as score rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from midtrain.evaluation.bits_per_byte import score_documents
from midtrain.evaluation.config import EvaluationConfig
from midtrain.evaluation.exact_match import ProblemScores, score_problems
from midtrain.models.tokenizer import Tokenizer
from midtrain.tokens.store import TokenStore


def evaluate(
    model: Any,
    tokenizer: Tokenizer,
    stores: Mapping[str, TokenStore],
    config: EvaluationConfig,
    context: int,
) -> ProblemScores:
    """All score rows of a model, and what could not be judged.

    `stores` are the held-out tokens of the measured sources by name; `context` is what the model sees at once where
    the config does not say.
    """
    scores = ProblemScores([], [])
    bits = config.bits_per_byte
    for source, store in stores.items():
        assert bits is not None, "held-out tokens and nothing to measure on them"
        scores.rows.extend(
            score_documents(
                model,
                tokenizer,
                store,
                f"bpb/{source}",
                context=bits.context or context,
                limit_documents=bits.documents,
                limit_windows=bits.windows,
                batch_tokens=bits.batch_tokens,
            )
        )
    for name, problems in config.problems.items():
        found = score_problems(model, tokenizer, problems, f"problems/{name}")
        scores.rows.extend(found.rows)
        scores.excluded.extend(found.excluded)
    return scores
