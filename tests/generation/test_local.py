"""The local engine against transformers' own `generate`, one request at a time."""

from __future__ import annotations

import copy
import math
import random

import pytest
import torch
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

from midtrain.core.errors import UserError
from midtrain.generation.local import generate, plain_attention
from midtrain.generation.request import Request, Sampling
from midtrain.models.attention import NAME

VOCAB = 257
EOS = 256
TINY = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "initializer_range": 0.4,  # far from uniform, so that greedy choices are not ties
    "eos_token_id": None,
    "bos_token_id": None,
    "pad_token_id": None,
}
CONFIGS = {
    "llama": LlamaConfig(**TINY),
    "qwen3": Qwen3Config(**TINY),
    "sliding": MistralConfig(**TINY, sliding_window=8),
    "softcap": Gemma2Config(**TINY, attn_logit_softcapping=1.0, sliding_window=8, query_pre_attn_scalar=8),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    """Every byte is a token; id 256 ends a text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Backend(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<end>"])
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>", pad_token="<end>")


def make(kind: str, seed: int = 0):
    torch.manual_seed(seed)
    attention = "eager" if kind == "softcap" else "sdpa"
    return AutoModelForCausalLM.from_config(copy.deepcopy(CONFIGS[kind]), attn_implementation=attention).eval()


@pytest.fixture(scope="module")
def llama():
    return make("llama")


def prompts(count: int, seed: int = 0) -> list[list[int]]:
    rng = random.Random(seed)
    return [[rng.randrange(256) for _ in range(rng.randint(1, 40))] for _ in range(count)]


def reference(model, prompt: list[int], new: int, end: int | None = None) -> list[int]:
    """Greedy by transformers, alone in its batch."""
    ids = torch.tensor([prompt])
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=new,
        do_sample=False,
        eos_token_id=end,
        pad_token_id=0,
    )
    return out[0, len(prompt) :].tolist()


@pytest.mark.parametrize("kind", sorted(CONFIGS))
def test_greedy_equals_transformers(kind, tokenizer):
    model = make(kind)
    requests = [Request(token_ids=p, sampling=Sampling(max_tokens=4 + i % 8)) for i, p in enumerate(prompts(8))]
    expected = [reference(model, list(r.token_ids), r.sampling.max_tokens, end=EOS) for r in requests]
    for batch_tokens in (1, 150, 100_000):
        done = generate(model, tokenizer, requests, batch_tokens=batch_tokens)
        assert [list(completion.token_ids) for completion in done] == expected
        assert [completion.finish for completion in done] == [
            "stop" if row[-1] == EOS else "length" for row in expected
        ]
        assert [completion.request for completion in done] == list(range(8))


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_rows_that_end_leave_the_batch_and_the_others_go_on_unharmed(kind, tokenizer):
    model = make(kind, seed=1)
    given = prompts(12, seed=3)
    alone = [reference(model, prompt, 24) for prompt in given]
    firsts = [row[7] for row in alone]  # a token that some rows meet, at different steps
    end = max(set(firsts), key=lambda token: sum(token in row for row in alone))
    model.generation_config.eos_token_id = [end, EOS]
    done = generate(model, tokenizer, [Request(token_ids=p, sampling=Sampling(max_tokens=24)) for p in given])
    lengths = set()
    for row, completion in zip(alone, done, strict=True):
        ended = min(row.index(token) + 1 if token in row else 99 for token in (end, EOS))
        assert list(completion.token_ids) == row[:ended]
        assert completion.finish == ("stop" if ended < 99 else "length")
        lengths.add(len(completion.token_ids))
    assert len(lengths) > 2, "rows end at different steps, some not at all"


def test_logprobs_are_those_of_the_model_at_temperature_1(llama, tokenizer):
    sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=12, seed=4)
    requests = [Request(token_ids=p, sampling=sampling) for p in prompts(6)]
    for request, completion in zip(requests, generate(llama, tokenizer, requests), strict=True):
        whole = torch.tensor([[*request.token_ids, *completion.token_ids]])
        with torch.no_grad():
            logprobs = llama(whole).logits[0].log_softmax(-1)
        start = len(request.token_ids) - 1
        for step, (token, logprob) in enumerate(zip(completion.token_ids, completion.logprobs, strict=True)):
            assert logprob == pytest.approx(logprobs[start + step, token].item(), abs=2e-4)


def test_a_sampled_completion_depends_on_its_request_and_seed_alone(llama, tokenizer):
    sampling = Sampling(temperature=1.0, top_p=0.95, max_tokens=16, seed=7)
    requests = [Request(token_ids=p, sampling=sampling, n=3) for p in prompts(8)]
    together = generate(llama, tokenizer, requests)
    assert [(c.request, c.sample) for c in together] == [(i, j) for i in range(8) for j in range(3)]
    backwards = generate(llama, tokenizer, requests[::-1], batch_tokens=200)
    for completion in together:
        twin = backwards[(7 - completion.request) * 3 + completion.sample]
        assert twin.token_ids == completion.token_ids
    (alone,) = generate(llama, tokenizer, [Request(token_ids=requests[2].token_ids, sampling=sampling)])
    assert alone.token_ids == together[6].token_ids
    assert len({c.token_ids for c in together[6:9]}) == 3, "the samples of a request differ"
    other = [Request(token_ids=p, sampling=sampling.model_copy(update={"seed": 8})) for p in prompts(8)]
    assert all(
        a.token_ids != b.token_ids for a, b in zip(generate(llama, tokenizer, other), together[::3], strict=True)
    )


def test_one_prompt_sampled_often_follows_the_models_distribution(llama, tokenizer):
    prompt = prompts(1)[0]
    with torch.no_grad():
        probabilities = llama(torch.tensor([prompt])).logits[0, -1].softmax(-1)
    drawn = generate(
        llama, tokenizer, [Request(token_ids=prompt, sampling=Sampling(temperature=1.0, max_tokens=1), n=4000)]
    )
    counts = torch.bincount(torch.tensor([c.token_ids[0] for c in drawn]), minlength=VOCAB)
    for token in probabilities.topk(5).indices.tolist():
        p = probabilities[token].item()
        assert abs(counts[token].item() / 4000 - p) < 5 * math.sqrt(p * (1 - p) / 4000)


def test_greedy_and_sampled_rows_share_a_batch(llama, tokenizer):
    given = prompts(4)
    mixed = [
        Request(token_ids=p, sampling=Sampling(temperature=float(i % 2), max_tokens=8)) for i, p in enumerate(given)
    ]
    done = generate(llama, tokenizer, mixed)
    for i in (0, 2):
        assert list(done[i].token_ids) == reference(llama, given[i], 8, end=EOS)


def test_a_stop_text_ends_a_completion_and_is_cut_off(llama, tokenizer):
    prompt = "2 + 2"
    (free,) = generate(llama, tokenizer, [Request(prompt, sampling=Sampling(max_tokens=20))])
    assert list(free.token_ids) == reference(llama, tokenizer.encode(prompt), 20, end=EOS)
    stop = free.text[6:9]
    at = free.text.index(stop)
    requests = [Request(prompt, sampling=Sampling(max_tokens=20, stop=s)) for s in [(stop,), ("\0never", stop), ()]]
    cut, same, whole = generate(llama, tokenizer, requests)
    assert cut.text == same.text == free.text[:at]
    assert (cut.finish, cut.token_ids) == ("stop", free.token_ids[: len(cut.token_ids)])
    assert len(cut.token_ids) < len(free.token_ids)
    assert whole == free.__class__(free.text, free.token_ids, whole.logprobs, free.finish, 2, 0)


def test_a_stop_text_that_stands_in_the_prompt_does_not_stop(llama, tokenizer):
    (free,) = generate(llama, tokenizer, [Request("ab", sampling=Sampling(max_tokens=6))])
    (kept,) = generate(llama, tokenizer, [Request("ab", sampling=Sampling(max_tokens=6, stop=("ab",)))])
    assert "ab" not in free.text
    assert kept.token_ids == free.token_ids


def test_messages_are_rendered_with_the_chat_template(llama, tokenizer):
    tokenizer.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
    chat = Request(messages=[{"role": "user", "content": "hi"}], sampling=Sampling(max_tokens=6))
    text = Request("<user>hi<assistant>", sampling=Sampling(max_tokens=6))
    a, b = generate(llama, tokenizer, [chat, text])
    assert a.token_ids == b.token_ids


def test_the_model_is_left_as_it_was(tokenizer):
    model = make("llama")
    model.set_attn_implementation(NAME)
    model.train()
    with plain_attention(model):
        assert model.config._attn_implementation == "sdpa"
    with pytest.raises(IndexError):  # in the middle of the work: no such token
        generate(model, tokenizer, [Request(token_ids=[VOCAB])])
    assert (model.config._attn_implementation, model.training) == (NAME, True)
    expected = reference(make("llama"), [1, 2, 3], 6, end=EOS)
    (done,) = generate(model, tokenizer, [Request(token_ids=[1, 2, 3], sampling=Sampling(max_tokens=6))])
    assert list(done.token_ids) == expected
    assert (model.config._attn_implementation, model.training) == (NAME, True)


def test_a_completion_ends_where_the_context_does(llama, tokenizer):
    (done,) = generate(llama, tokenizer, [Request(token_ids=[5] * 120, sampling=Sampling(max_tokens=50))])
    assert len(done.token_ids) <= 8
    assert done.finish == "length"
    with pytest.raises(UserError, match="128 tokens fills the model's context of 128"):
        generate(llama, tokenizer, [Request(token_ids=[5] * 128)])


def test_an_empty_text_begins_with_what_ends_the_text_before(llama, tokenizer):
    a, b = generate(llama, tokenizer, [Request(""), Request(token_ids=[EOS])])
    assert a.token_ids == b.token_ids
    assert generate(llama, tokenizer, []) == []
    with pytest.raises(UserError, match="empty prompt"):
        generate(llama, tokenizer, [Request(token_ids=[])])


def test_a_broken_model_is_named(tokenizer):
    model = make("llama")
    with torch.no_grad():
        model.model.norm.weight.fill_(float("nan"))
    for temperature in (0.0, 1.0):
        with pytest.raises(UserError, match="not finite"):
            generate(model, tokenizer, [Request("a", sampling=Sampling(temperature=temperature))])


def test_a_request_has_one_prompt():
    with pytest.raises(UserError, match="given: prompt, token_ids"):
        Request("a", token_ids=[1])
    with pytest.raises(UserError, match="given: none"):
        Request()
    with pytest.raises(UserError, match="n = 0"):
        Request("a", n=0)
