"""Documents in one row are as separate as documents in separate calls, for every architecture we name."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from midtrain.core.errors import UserError
from midtrain.models import attention
from midtrain.models.attention import NAME, DeferredMask, document_kwargs

COMMON = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
SLIDING = {"sliding_window": 5, "layer_types": ["sliding_attention", "full_attention"]}
ARCHITECTURES = {
    "llama": {},
    "qwen3": {"head_dim": 8},
    "olmo2": {},
    "olmo3": SLIDING,
    "gemma2": {"head_dim": 8, "query_pre_attn_scalar": 20, "attn_logit_softcapping": 2.0, **SLIDING},
    "gemma3_text": {"head_dim": 8, "query_pre_attn_scalar": 20, **SLIDING},
    "smollm3": {"no_rope_layers": [1, 0]},
    "phi3": {"sliding_window": 5},
}
LENGTHS = [9, 9, 6, 1, 17, 3, 3]
"""Two rows of 24 tokens: neighbours of equal length, a single token, one longer than three windows, padding."""
ROWS = 2
# fp32 rounding through two layers; a leak between documents or a window off by one moves logits by 1e-2 or more.
TOLERANCE = 1e-5


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build(kind: str, implementation: str = NAME, **extra):
    torch.manual_seed(0)
    config = CONFIG_MAPPING[kind](**{**COMMON, **ARCHITECTURES[kind], **extra})
    model = AutoModelForCausalLM.from_config(config, attn_implementation=implementation)
    with torch.no_grad():  # Larger weights than an initialisation's, so that attention is far from uniform.
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.15)
    return model.train()


def batch():
    torch.manual_seed(1)
    ids = torch.randint(3, 61, (ROWS, sum(LENGTHS) // ROWS))
    positions = torch.cat([torch.arange(n) for n in LENGTHS]).view(ROWS, -1)
    boundaries = [0, *torch.tensor(LENGTHS).cumsum(0).tolist(), 48, 48, 48]
    return ids, positions, document_kwargs(boundaries, LENGTHS)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_packed_documents_equal_documents_alone(kind):
    ours, plain = build(kind), build(kind, "eager")
    ids, positions, kwargs = batch()
    logits = ours(ids, position_ids=positions, use_cache=False, **kwargs).logits.flatten(0, 1)
    alone = torch.cat([plain(piece[None]).logits[0] for piece in ids.flatten().split(LENGTHS)])
    torch.testing.assert_close(logits, alone, rtol=0, atol=TOLERANCE * alone.abs().max().item())

    weight = torch.randn_like(logits)
    (logits * weight).sum().backward()
    (alone * weight).sum().backward()
    for (name, a), b in zip(ours.named_parameters(), plain.parameters(), strict=True):
        scale = float(b.grad.abs().max())
        torch.testing.assert_close(a.grad, b.grad, rtol=0, atol=TOLERANCE * scale + 1e-7, msg=lambda m, n=name: n + m)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_changed_document_leaves_the_others_bit_identical(kind):
    model = build(kind).eval()
    ids, positions, kwargs = batch()
    changed = ids.clone()
    changed[0, 9:18] = (changed[0, 9:18] + 7) % 58 + 3
    with torch.no_grad():
        before, after = (model(x, position_ids=positions, use_cache=False, **kwargs).logits for x in (ids, changed))
    same = torch.ones(ids.shape, dtype=torch.bool)
    same[0, 9:18] = False
    assert torch.equal(before[same], after[same])
    assert (before[~same] != after[~same]).any(-1).all()


@pytest.mark.parametrize("kind", ["llama", "olmo3", "gemma2"])
def test_without_documents_it_is_transformers_own_attention(kind):
    ours, plain = build(kind).eval(), build(kind, "eager").eval()
    ids, positions, _ = batch()
    padding = torch.ones_like(ids)
    padding[1, :7] = 0
    with torch.no_grad():
        for arguments in ({}, {"attention_mask": padding}, {"position_ids": positions, "use_cache": False}):
            a, b = ours(ids, **arguments).logits, plain(ids, **arguments).logits
            seen = padding.bool() if "attention_mask" in arguments else torch.ones_like(ids).bool()
            torch.testing.assert_close(a[seen], b[seen], rtol=0, atol=TOLERANCE * float(b.abs().max()))


@pytest.mark.parametrize("kind", ["llama", "olmo3", "gemma2"])
def test_generation_with_a_cache_is_right(kind):
    ours, plain = build(kind).eval(), build(kind, "eager").eval()
    ids = batch()[0][:, :8]
    padding = torch.ones_like(ids)
    padding[1, :3] = 0
    settings = {"max_new_tokens": 9, "do_sample": False, "eos_token_id": None, "attention_mask": padding}
    assert torch.equal(ours.generate(ids, **settings), plain.generate(ids, **settings))


def test_no_mask_is_built_when_documents_are_given(monkeypatch):
    def refuse(self):
        raise AssertionError("a T x T mask was built")

    monkeypatch.setattr(DeferredMask, "build", refuse)
    ids, positions, kwargs = batch()
    model = build("olmo3")
    model(ids, position_ids=positions, use_cache=False, **kwargs)
    with pytest.raises(AssertionError, match="was built"):
        model(ids, position_ids=positions, use_cache=False)


@pytest.mark.parametrize("size", [6, 10, 11, 64])
def test_windows_in_blocks_equal_one_band_mask(size):
    torch.manual_seed(size)
    query, key, value = (torch.randn(2, h, size, 4, dtype=torch.float64, requires_grad=True) for h in (4, 2, 2))
    inputs = (query, key, value)
    mask = attention._band(size, size, 5, torch.device("cpu"))
    blocks = attention._windowed(query, key, value, 5, 0.3, 0.0)
    whole = attention._sdpa(query, key, value, mask, 0.3, 0.0)
    torch.testing.assert_close(blocks, whole)
    weight = torch.randn_like(whole)
    for a, b in zip(
        torch.autograd.grad(blocks, inputs, weight), torch.autograd.grad(whole, inputs, weight), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_gradient_checkpointing_keeps_the_documents():
    ids, positions, kwargs = batch()
    gradients = []
    for checkpointing in (False, True):
        model = build("olmo3")
        if checkpointing:
            model.gradient_checkpointing_enable()
        model(ids, position_ids=positions, use_cache=False, **kwargs).logits.square().sum().backward()
        gradients.append(model.model.layers[0].self_attn.q_proj.weight.grad)
    torch.testing.assert_close(*gradients)


def test_misuse_is_said_in_a_sentence():
    ids, positions, kwargs = batch()
    model = build("llama")
    with pytest.raises(UserError, match="48 tokens but attention got 1 rows of 24 tokens"):
        model(ids[:1], position_ids=positions[:1], use_cache=False, **kwargs)
    heads = torch.zeros(2, 4, 24, 8)
    with pytest.raises(UserError, match="s_aux"):
        attention.document_attention(model, heads, heads, heads, None, s_aux=torch.zeros(4), **kwargs)
    with pytest.raises(UserError, match="both ways"):
        attention.document_attention(model, heads, heads, heads, None, is_causal=False, **kwargs)
    with pytest.raises(AssertionError, match="cumulative sum"):
        document_kwargs([0, 9, 20], [9, 9, 2])
    with pytest.raises(AssertionError, match="last value"):
        document_kwargs([0, 9, 20, 19], [9, 11])


def test_one_varlen_call_gets_the_documents_and_the_window(monkeypatch):
    calls = {}

    def varlen(query, key, value, cu_q, cu_k, max_q, max_k, **options):
        calls.update(options, longest=(max_q, max_k), shape=tuple(query.shape), boundaries=cu_q.tolist())
        return query

    class OnDevice(torch.Tensor):
        is_cuda = True

    monkeypatch.setattr(attention, "_VARLEN", varlen)
    kwargs = batch()[2]
    query = torch.randn(2, 4, 24, 8, dtype=torch.bfloat16).as_subclass(OnDevice)
    key = torch.randn(2, 2, 24, 8, dtype=torch.bfloat16)
    module = torch.nn.Module()
    out, _ = attention.document_attention(module, query, key, key, None, scaling=0.5, sliding_window=5, **kwargs)
    assert torch.equal(out, query.transpose(1, 2))
    assert calls == {
        "scale": 0.5,
        "window_size": (4, 0),
        "enable_gqa": True,
        "longest": (17, 17),
        "shape": (48, 4, 8),
        "boundaries": [0, 9, 18, 24, 25, 42, 45, 48, 48, 48, 48],
    }


@pytest.mark.skipif(torch.__version__ < (2, 12), reason="varlen_attn learned windows in PyTorch 2.12")
def test_this_torch_has_the_varlen_arguments_we_need():
    assert attention._VARLEN is not None


def test_loading_by_name_keeps_the_implementation(tmp_path):
    build("llama").save_pretrained(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation=NAME)
    assert model.config._attn_implementation == NAME
    assert NAME not in (tmp_path / "config.json").read_text()
    assert AutoConfig.from_pretrained(tmp_path)._attn_implementation != NAME
