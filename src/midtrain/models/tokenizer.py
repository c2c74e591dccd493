"""The tokenizer of a base: text to ids, exactly as the base was trained, and how to train one for a new base.

What a tokenizer puts around a text (a beginning-of-sequence id, an end) is found by asking it, not by knowing
families: a probe text is encoded with and without special tokens. A document must end, or the model never learns to
stop; so when the tokenizer has an end-of-sequence id and does not add it itself, it is appended here. These are the
only control tokens of a document: the characters "<|endoftext|>" inside its text are text (see `special.py`).

A trained tokenizer is a byte-level BPE (no text is unknown) whose digits stand one by one, so that numbers are read
and computed alike. Its chat template writes turns in ordinary words ("Question:", "Answer:") and ends an answer with
the end-of-text token, which every document of the pretraining also ended with: no token enters a chat that the base
has never been trained on. An embedding that was never trained is noise, and noise in a prompt takes scores to zero.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from midtrain.core.errors import UserError
from midtrain.core.progress import say
from midtrain.models.locate import resolve_base
from midtrain.models.special import control_tokens, text_backend

_PROBE = "a probe"
END_OF_TEXT = "<|endoftext|>"
SPECIAL_TOKENS = (END_OF_TEXT, "<|im_start|>", "<|im_end|>")
"""The end of a document, and two that are set aside for who post-trains the model later."""

_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Words with the sign before them, single digits, runs of signs, line ends, spaces: the split Qwen2 uses."""

CHAT_TEMPLATE = """\
{%- for message in messages -%}
{%- if message.role == 'system' -%}
{{- message.content + '\\n\\n' -}}
{%- elif message.role == 'user' -%}
{{- 'Question:\\n' + message.content + '\\n\\n' -}}
{%- elif message.role == 'assistant' -%}
{{- 'Answer:\\n' -}}{%- generation -%}{{- message.content + eos_token -}}{%- endgeneration -%}
{%- if not loop.last -%}{{- '\\n\\n' -}}{%- endif -%}
{%- else -%}
{{- raise_exception('the role "' + message.role + '" is not system, user or assistant') -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- 'Answer:\\n' -}}{%- endif -%}
"""


@dataclass(frozen=True)
class Tokenizer:
    """A fast tokenizer and the facts the rest of midtrain needs of it. Make one with `load` or `of`."""

    hf: PreTrainedTokenizerFast
    prefix: tuple[int, ...]
    """Ids before every document, added by the tokenizer itself."""
    suffix: tuple[int, ...]
    """Ids after every document: the tokenizer's own, and the end-of-sequence id when it does not add it."""
    vocab_size: int
    """Largest id plus one: the least number of embedding rows."""
    digest: str
    """32 hex digits of what decides ids: two tokenizers with one digest encode every text alike."""

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """The tokenizer in a folder, Hub id or asset; raises UserError when there is none or it is not a fast one."""
        folder = resolve_base(path)
        if not any(folder.glob("tokenizer*")):
            raise UserError(f"{folder} has no tokenizer (no tokenizer.json); add the tokenizer's files to it.")
        # tokenizer.json is what the base was trained with. AutoTokenizer would read it through the class that
        # tokenizer_config.json names, and some classes (GPT2Tokenizer, GPTNeoXTokenizer) put their own split in place
        # of the file's: other ids, and no word about it.
        literal = (folder / "tokenizer.json").exists()
        kind: Any = PreTrainedTokenizerFast if literal else AutoTokenizer
        try:
            hf = kind.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        except Exception as error:  # tokenizers raises bare Exceptions for a damaged file
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UserError(f"The tokenizer in {folder} cannot be read ({first}); fetch its files again.") from error
        if not isinstance(hf, PreTrainedTokenizerFast):
            raise UserError(f"The tokenizer in {folder} is a slow one; convert it to tokenizer.json first.")
        return cls.of(hf)

    @classmethod
    def of(cls, hf: PreTrainedTokenizerFast) -> Tokenizer:
        """Ask a transformers tokenizer for its facts; truncation and padding it may have been saved with are off."""
        backend = hf.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        prefix, suffix = _around(backend)
        eos = hf.eos_token_id
        if isinstance(eos, int) and (not suffix or suffix[-1] != eos):
            suffix = (*suffix, eos)
        vocab_size = max(backend.get_vocab(with_added_tokens=True).values()) + 1
        return cls(hf, prefix, suffix, vocab_size, _digest(backend, prefix, suffix))

    @property
    def bos_id(self) -> int | None:
        """The id that begins a sequence, if there is one."""
        return self.hf.bos_token_id

    @property
    def eos_id(self) -> int | None:
        """The id that ends a document, if there is one."""
        return self.hf.eos_token_id

    @property
    def pad_id(self) -> int:
        """The id to fill rows with: its own, else the end of sequence, else 0 (padding never has a loss)."""
        for found in (self.hf.pad_token_id, self.hf.eos_token_id):
            if found is not None:
                return found
        return 0

    @cached_property
    def text_backend(self) -> Backend:
        """The tokenizer to which special tokens inside a text are text."""
        return text_backend(self.hf.backend_tokenizer)

    @cached_property
    def control_tokens(self) -> dict[str, int]:
        """The spelling and the id of every special token."""
        return control_tokens(self.hf.backend_tokenizer)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of whole documents, prefix and suffix included: the reference every faster way must equal.

        The only control tokens are those of the prefix and the suffix, whatever the texts hold.
        """
        prefix, suffix = list(self.prefix), list(self.suffix)
        return [prefix + ids + suffix for ids in self.encode_pieces(texts)]

    def encode_pieces(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of texts with nothing around them and no control token in them."""
        encodings = self.text_backend.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens written out."""
        return str(self.hf.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _around(backend: Backend) -> tuple[tuple[int, ...], tuple[int, ...]]:
    bare = backend.encode(_PROBE, add_special_tokens=False).ids
    full = backend.encode(_PROBE, add_special_tokens=True).ids
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == bare:
            return tuple(full[:start]), tuple(full[start + len(bare) :])
    raise UserError("The tokenizer changes a text when it adds its special tokens; midtrain cannot use it.")


def _digest(backend: Backend, prefix: tuple[int, ...], suffix: tuple[int, ...]) -> str:
    """Over the normalizer, splits, vocabulary and merges; what only decodes, pads or wraps is left out."""
    content = json.loads(backend.to_str())
    deciding = {key: content[key] for key in ("added_tokens", "normalizer", "pre_tokenizer", "model")}
    text = json.dumps([deciding, prefix, suffix], sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, out: Path | str, special_tokens: Sequence[str] = SPECIAL_TOKENS
) -> Tokenizer:
    """Train a byte-level BPE on `texts` and save it as a transformers folder at `out`; the first special token is EOS.

    The same texts in the same order give the same tokenizer. Raises UserError when `vocab_size` cannot hold the 256
    bytes and the special tokens.
    """
    least = 256 + len(special_tokens)
    if vocab_size < least:
        raise UserError(
            f"vocab_size {vocab_size} is too small; 256 bytes and {len(special_tokens)} special tokens "
            f"need at least {least}."
        )
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(special_tokens),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(_batched(texts), trainer)
    if backend.get_vocab_size() < vocab_size:
        say(f"The tokenizer has {backend.get_vocab_size()} ids, not {vocab_size}: the texts repeat nothing more.")
    end = special_tokens[0]
    hf = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token=end, pad_token=end, clean_up_tokenization_spaces=False
    )
    hf.chat_template = CHAT_TEMPLATE
    hf.save_pretrained(out)
    return Tokenizer.load(out)


def _batched(texts: Iterable[str], size: int = 1000) -> Iterator[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch
