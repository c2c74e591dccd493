"""Measure one model: everything an `EvaluationConfig` asks for, as score rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from midtrain.evaluation.bits_per_byte import score_documents
from midtrain.evaluation.config import EvaluationConfig
from midtrain.evaluation.exact_match import ProblemScores, score_problems
from midtrain.evaluation.position import score_positions
from midtrain.evaluation.retrieval import score_retrieval
from midtrain.models.tokenizer import Tokenizer
from midtrain.tokens.store import TokenStore


def evaluate(
    model: Any,
    tokenizer: Tokenizer,
    stores: Mapping[str, TokenStore],
    config: EvaluationConfig,
    context: int,
    longest: int | None = None,
) -> ProblemScores:
    """All score rows of a model, and what could not be judged.

    `stores` are the held-out tokens of the measured sources by name; `context` is what the model sees at once where
    the config does not say, `longest` what it reads when losses are told apart by position.
    """
    scores = ProblemScores([], [])
    bits, positions = config.bits_per_byte, config.positions
    for source in config.measured(list(stores)):
        assert bits is not None
        store = stores[source]
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
    for source in config.positioned(list(stores)):
        assert positions is not None
        read = positions.context or longest or context
        scores.rows.extend(score_positions(model, tokenizer, stores[source], source, positions, read))
    for name, retrieval in config.retrieval.items():
        scores.rows.extend(score_retrieval(model, tokenizer, retrieval, name))
    return scores
