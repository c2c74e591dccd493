"""What is asked of a generator and what it gives back.

A sampled completion is a function of the prompt, the sampling settings and the number of the sample alone, never of
what else was in the batch: its draws come from a counter under a key made of these. So a failed batch can be run again
in part, and a result can be reproduced from its request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from midtrain.core.config import Config
from midtrain.core.errors import UserError


class Sampling(Config):
    """How the next token is chosen and when to stop."""

    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """0 takes the likeliest token (greedy); 1 draws from the model's distribution; less is sharper."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Draw only from the likeliest tokens that together have this probability (nucleus sampling)."""
    max_tokens: Annotated[int, Field(ge=1)] = 128
    """The most tokens to generate; the model's context may end it sooner."""
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Texts that end the completion; it is cut before them."""
    seed: int = 0
    """Another seed draws another completion; greedy ones do not depend on it."""


@dataclass(frozen=True)
class Request:
    """One prompt (a text, token ids as they are, or chat messages) to be completed `n` times."""

    prompt: str | None = None
    token_ids: Sequence[int] | None = None
    messages: Sequence[Mapping[str, str]] | None = None
    sampling: Sampling = field(default_factory=Sampling)
    n: int = 1

    def __post_init__(self) -> None:
        given = [name for name in ("prompt", "token_ids", "messages") if getattr(self, name) is not None]
        if len(given) != 1:
            raise UserError(f"A request has a prompt, token_ids or messages (given: {', '.join(given) or 'none'}).")
        if self.n < 1:
            raise UserError(f"A request asks for n = {self.n} completions; ask for at least 1.")


@dataclass(frozen=True, slots=True)
class Completion:
    """One completion of a request."""

    text: str
    """The text of the tokens, without special tokens, cut before a stop text."""
    token_ids: tuple[int, ...]
    """What the model generated, with the token that ended it (end of sequence, or the last of a stop text)."""
    logprobs: tuple[float, ...]
    """The natural log-probability of each token at temperature 1 and top_p 1, whatever it was drawn at."""
    finish: Literal["stop", "length"]
    """"stop": the model ended it (or a stop text did); "length": the token budget or the context did."""
    request: int
    """The index of the request in the list given."""
    sample: int = 0
    """The number of the completion among the request's n."""
