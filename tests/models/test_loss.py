"""The chunked loss and its gradients are those of plain cross-entropy plus z-loss, whatever the chunk and the mask."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from midtrain.models.loss import IGNORE, default_chunk, linear_cross_entropy


def example(seed, tokens=23, width=7, vocabulary=13, dtype=torch.float64, masked=0.4):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(tokens, width, generator=generator, dtype=dtype).requires_grad_()
    weight = torch.randn(vocabulary, width, generator=generator, dtype=dtype).requires_grad_()
    bias = torch.randn(vocabulary, generator=generator, dtype=dtype).requires_grad_()
    labels = torch.randint(0, vocabulary, (tokens,), generator=generator)
    weights = torch.rand(tokens, generator=generator) + 0.1
    labels[torch.rand(tokens, generator=generator) < masked / 2] = IGNORE
    weights[torch.rand(tokens, generator=generator) < masked / 2] = 0
    return hidden, weight, bias, labels, weights


def plain(hidden, weight, bias, labels, weights, z_loss, softcap, scale):
    """The same in full logits and autograd: (loss, nll, logsumexp)."""
    logits = F.linear(hidden, weight, bias)
    if scale is not None:
        logits = logits * scale
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    seen = (labels != IGNORE) & (weights != 0)
    nll = F.cross_entropy(logits, labels, reduction="none", ignore_index=IGNORE) * seen
    logsumexp = logits.logsumexp(-1) * seen
    loss = (weights.to(logits.dtype) * (nll + z_loss * logsumexp**2) * seen).sum()
    return loss, nll, logsumexp


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    tokens=st.integers(1, 40),
    chunk=st.integers(1, 50),
    masked=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    z_loss=st.sampled_from([0.0, 1e-2]),
    softcap=st.sampled_from([None, 3.0]),
    scale=st.sampled_from([None, 0.3]),
    with_bias=st.booleans(),
)
def test_equal_to_plain_cross_entropy(seed, tokens, chunk, masked, z_loss, softcap, scale, with_bias):
    hidden, weight, bias, labels, weights = example(seed, tokens=tokens, masked=masked)
    bias = bias if with_bias else None
    inputs = [x for x in (hidden, weight, bias) if x is not None]
    options = {"z_loss": z_loss, "logit_softcap": softcap, "logit_scale": scale, "chunk": chunk, "bias_V": bias}
    ours = linear_cross_entropy(hidden, weight, labels, weights, **options)
    expected = plain(hidden, weight, bias, labels, weights, z_loss, softcap, scale)
    torch.testing.assert_close(tuple(ours), expected)
    # A loss that is divided afterwards: the incoming slope must reach every gradient.
    ours_gradients = torch.autograd.grad(ours.loss / 7, inputs)
    for a, b in zip(ours_gradients, torch.autograd.grad(expected[0] / 7, inputs, materialize_grads=True), strict=True):
        torch.testing.assert_close(a, b)
    assert not ours.nll_N.requires_grad
    assert not ours.logsumexp_N.requires_grad


def test_nothing_is_computed_for_tokens_without_loss():
    hidden, weight, _, labels, weights = example(1)
    without = (labels == IGNORE) | (weights == 0)
    assert 0 < without.sum() < len(labels)
    poisoned = hidden.detach().clone()
    poisoned[without] = float("nan")
    poisoned.requires_grad_()
    out = linear_cross_entropy(poisoned, weight, labels, weights)
    out.loss.backward()
    assert torch.isfinite(weight.grad).all()
    assert (poisoned.grad[without] == 0).all()
    assert (out.nll_N[without] == 0).all()


def test_without_gradients_only_the_values_are_made():
    hidden, weight, _, labels, weights = example(2)
    with torch.no_grad():
        quiet = linear_cross_entropy(hidden, weight, labels, weights, z_loss=0.1, logit_softcap=2.0, chunk=5)
    loud = linear_cross_entropy(hidden, weight, labels, weights, z_loss=0.1, logit_softcap=2.0, chunk=5)
    assert not quiet.loss.requires_grad
    torch.testing.assert_close(tuple(quiet), tuple(x.detach() for x in loud))


@pytest.mark.parametrize("frozen", ["hidden", "weight"])
def test_a_frozen_part_gets_no_gradient(frozen):
    hidden, weight, _, labels, weights = example(3)
    (hidden if frozen == "hidden" else weight).requires_grad_(False)
    linear_cross_entropy(hidden, weight, labels, weights).loss.backward()
    assert (hidden.grad is None) == (frozen == "hidden")
    assert (weight.grad is None) == (frozen == "weight")


def test_half_precision_sums_in_float32():
    exact = example(4, tokens=600, width=16, vocabulary=50, dtype=torch.float32)
    half = [x.detach().bfloat16().requires_grad_() for x in exact[:2]]
    reference = [x.detach().float().requires_grad_() for x in half]
    out = linear_cross_entropy(*half, *exact[3:], chunk=32)
    expected = plain(*reference, None, *exact[3:], 0.0, None, None)
    assert out.loss.dtype == torch.float32
    torch.testing.assert_close(out.loss, expected[0], rtol=2e-3, atol=0)
    out.loss.backward()
    expected[0].backward()
    for a, b in zip(half, reference, strict=True):
        assert a.grad.dtype == torch.bfloat16
        assert (a.grad.float() - b.grad).norm() / b.grad.norm() < 5e-3


def test_autocast_multiplies_in_half_precision_and_keeps_float32_gradients():
    hidden, weight, _, labels, weights = example(5, tokens=300, dtype=torch.float32)
    exact = linear_cross_entropy(hidden, weight, labels, weights)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = linear_cross_entropy(hidden, weight, labels, weights, chunk=64)
    assert cast.loss.item() != exact.loss.item()
    torch.testing.assert_close(cast.loss, exact.loss, rtol=1e-2, atol=0)
    cast.loss.backward()
    assert weight.grad.dtype == hidden.grad.dtype == torch.float32


def test_extreme_logits_stay_finite():
    hidden = torch.tensor([[1e4, 0.0]], requires_grad=True)
    weight = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    out = linear_cross_entropy(hidden, weight, torch.tensor([1]), torch.ones(1))
    out.loss.backward()
    assert out.nll_N.item() == 2e4
    assert hidden.grad.tolist() == [[2.0, 0.0]]


def test_a_second_backward_is_refused():
    hidden, weight, _, labels, weights = example(6)
    loss = linear_cross_entropy(hidden, weight, labels, weights).loss
    loss.backward(retain_graph=True)
    with pytest.raises(AssertionError, match="once"):
        loss.backward()


@pytest.mark.parametrize("vocabulary", [256, 2048, 32768, 262144])
def test_the_default_chunk_bounds_memory(vocabulary):
    chunk = default_chunk(vocabulary)
    assert 256 <= chunk <= 512
    assert chunk == 256 or chunk * vocabulary <= 2**22
    assert default_chunk(vocabulary, "cuda") >= chunk
