"""One step: the loss and gradients of plain transformers on the same documents, however the batch is cut."""

import copy

import numpy as np
import pytest
import torch

from midtrain.training.step import forward_backward, micro_batches, normaliser


def gradients(model):
    found = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    return found


def by_plain_transformers(model, batch, z_loss):
    """Each document alone through eager attention; one sum over all tokens, divided once."""
    plain = copy.deepcopy(model)
    plain.set_attn_implementation("eager")
    loss, weights = 0.0, 0.0
    ids, labels = torch.from_numpy(batch.input_ids_BT).flatten(), torch.from_numpy(batch.labels_BT).flatten()
    for begin, length in zip(np.cumsum([0, *batch.lengths[:-1]]), batch.lengths, strict=True):
        part = slice(begin, begin + length)
        known = labels[part] != -100
        if known.any():
            logits = plain(ids[part][None]).logits[0][known]
            loss = loss + torch.nn.functional.cross_entropy(logits, labels[part][known], reduction="sum")
            loss = loss + z_loss * logits.logsumexp(-1).square().sum()
            weights += int(known.sum())
    (loss / weights).backward()
    return float(loss.detach() / weights), gradients(plain)


@pytest.mark.parametrize("micro", [1, 2, 3, 4])
def test_loss_and_gradients_are_those_of_the_documents_alone_however_the_batch_is_cut(workshop, micro):
    model, batch = workshop.model(layers=2), workshop.data(4).batch(1)
    expected, wanted = by_plain_transformers(model, batch, z_loss=1e-2)
    sums = forward_backward(model, batch, micro_sequences=micro, num_sources=2, z_loss=1e-2)
    found = gradients(model)
    z = 1e-2 * float(sums.z) / normaliser(batch)
    assert float(sums.loss) + z == pytest.approx(expected, rel=1e-6)
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_cutting_a_batch_keeps_every_document_and_one_shape(workshop):
    batch = workshop.data(8).batch(3)
    parts = list(micro_batches(batch, 3))
    assert [len(part.positions) for part in parts] == [3, 1]
    assert [length for part in parts for length in part.lengths] == batch.lengths
    assert np.array_equal(np.concatenate([part.input_ids_BT for part in parts]), batch.input_ids_BT)
    for part in parts:
        ends = np.cumsum(part.lengths)
        assert part.cu_seqlens[0] == 0
        assert part.cu_seqlens[1 : len(ends) + 1].tolist() == ends.tolist()
        assert (part.cu_seqlens[len(ends) + 1 :] == part.input_ids_BT.size).all()
    same_rows = [len(next(iter(micro_batches(workshop.data(8).batch(step), 2))).cu_seqlens) for step in range(8)]
    assert len(set(same_rows)) == 1


def test_losses_by_source_add_up(workshop):
    batch = workshop.data(4).batch(0)
    sums = forward_backward(workshop.model(), batch, micro_sequences=2, num_sources=2)
    for source in (0, 1):
        assert float(sums.weight_S[source]) == batch.weight_BT[batch.source_BT == source].sum()
    assert float(sums.loss) == pytest.approx(float(sums.nll_S.sum()) / batch.num_targets)


def test_a_batch_without_targets_has_no_gradient(workshop):
    batch = workshop.data(4).batch(0)
    batch.labels_BT[:], batch.weight_BT[:] = -100, 0
    model = workshop.model()
    sums = forward_backward(model, batch, micro_sequences=4, num_sources=2)
    assert float(sums.loss) == 0
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())
