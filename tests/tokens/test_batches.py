import os
import threading
import time

import numpy as np
import pytest

from midtrain.core.errors import UserError
from midtrain.tokens.batches import StageData
from midtrain.tokens.config import MixtureConfig
from midtrain.tokens.instances import Instances
from midtrain.tokens.mixture import Mixture, mixture_sources
from midtrain.tokens.packing import pack
from midtrain.tokens.prefetch import prefetch
from midtrain.tokens.runs import Runs
from midtrain.tokens.weights import Weights

CONTEXT, ROWS = 32, 6


class FakeStore:
    """A token store in memory; every token says which document and place it is."""

    def __init__(self, lengths, masked=False, digest="store"):
        self.offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self.tokens = np.concatenate([document * 100 + np.arange(n) for document, n in enumerate(lengths)])
        self.tokens = self.tokens.astype(np.uint16)
        self.mask = (np.arange(len(self.tokens)) % 3 > 0).astype(np.uint8) if masked else None
        self.digest = digest

    def document_ids(self, indices):
        return [f"id-{index}" for index in indices]


@pytest.fixture(scope="module")
def stage():
    generator = np.random.default_rng(0)
    stores = {"web": FakeStore(generator.integers(0, 90, 150)), "chat": FakeStore(generator.integers(1, 25, 90), True)}
    rows = {name: pack(np.diff(store.offsets), CONTEXT, seed=0) for name, store in stores.items()}
    config = MixtureConfig(weights={"web": 0.7, "chat": 0.3}, max_epochs=10)
    sources = mixture_sources(config, rows)
    mixture = Mixture(sources, Weights(config, list(rows)), num_positions=40 * ROWS, block=2 * ROWS, seed=5)
    return StageData(stores, rows, mixture, CONTEXT, ROWS)


def by_hand(stage, step):
    """The same batch from the ledger of the step, one token at a time."""
    ids = np.zeros((ROWS, CONTEXT), int)
    labels, positions = np.full((ROWS, CONTEXT), -100), np.zeros((ROWS, CONTEXT), int)
    source, lengths = np.full((ROWS, CONTEXT), -1), []
    documents = stage.documents(step)
    for row in range(ROWS):
        at = 0
        for piece in (one for one in documents if one["row"] == row):
            store = stage.stores[piece["source"]]
            document = int(piece["document"].removeprefix("id-"))
            begin, end = store.offsets[document], store.offsets[document + 1]
            for place in range(piece["length"]):
                token = begin + piece["start"] + place
                ids[row, at], positions[row, at] = store.tokens[token], place
                source[row, at] = stage.mixture.names.index(piece["source"])
                if token + 1 < end and (store.mask is None or store.mask[token + 1]):
                    labels[row, at] = store.tokens[token + 1]
                at += 1
            lengths.append(piece["length"])
        if at < CONTEXT:
            positions[row, at:] = np.arange(CONTEXT - at)
            lengths.append(CONTEXT - at)
    return ids, labels, positions, source, lengths


@pytest.mark.parametrize("step", [0, 7, 39])
def test_a_batch_is_what_the_ledger_says_token_by_token(stage, step):
    batch = stage.batch(step)
    ids, labels, positions, source, lengths = by_hand(stage, step)
    assert np.array_equal(batch.input_ids_BT, ids)
    assert np.array_equal(batch.labels_BT, labels)
    assert np.array_equal(batch.position_ids_BT, positions)
    assert np.array_equal(batch.source_BT, source)
    assert batch.lengths == lengths
    assert np.array_equal(batch.weight_BT, labels != -100)
    assert batch.num_targets == (labels != -100).sum() > 0
    assert batch.positions.tolist() == list(range(step * ROWS, (step + 1) * ROWS))
    assert [batch.input_ids_BT.dtype, batch.labels_BT.dtype, batch.position_ids_BT.dtype] == [np.int64] * 3
    assert [batch.cu_seqlens.dtype, batch.source_BT.dtype, batch.weight_BT.dtype] == [np.int32, np.int16, np.float32]


def test_boundaries_have_one_shape_in_every_step_and_end_at_every_row(stage):
    shapes = set()
    for step in range(stage.num_steps):
        batch = stage.batch(step)
        shapes.add(batch.cu_seqlens.shape)
        count = len(batch.lengths)
        assert batch.cu_seqlens[: count + 1].tolist() == [0, *np.cumsum(batch.lengths).tolist()]
        assert (batch.cu_seqlens[count:] == ROWS * CONTEXT).all()
        assert set(np.arange(1, ROWS + 1) * CONTEXT) <= set(batch.cu_seqlens.tolist())
        starts = batch.cu_seqlens[:count]
        assert (batch.position_ids_BT.reshape(-1)[starts] == 0).all()
        assert (batch.position_ids_BT == 0).sum() == count
    assert len(shapes) == 1


def test_no_token_of_one_epoch_is_lost_between_store_and_batches(stage):
    """Every target of the chat source is learned exactly once in its first epoch."""
    store, index = stage.stores["chat"], stage.mixture.names.index("chat")
    positions = np.arange(stage.mixture.num_positions)
    source, epoch, _ = stage.mixture.lookup(positions)
    assert epoch[source == index].max() > 0
    learned = []
    for step in range(stage.num_steps):
        batch = stage.batch(step)
        for row in np.flatnonzero((source == index)[batch.positions] & (epoch[batch.positions] == 0)):
            learned += batch.labels_BT[row][batch.labels_BT[row] != -100].tolist()
    first = np.zeros(len(store.tokens), bool)
    first[store.offsets[:-1]] = True  # a document's first token is nobody's target
    assert sorted(learned) == sorted(store.tokens[(store.mask == 1) & ~first].tolist())


@pytest.mark.parametrize("world", [2, 3, 6])
def test_the_union_over_ranks_is_the_same_for_every_world_size(stage, world):
    whole = stage.batch(3)
    ranks = [stage.batch(3, rank, world) for rank in range(world)]
    for rank, batch in enumerate(ranks):
        assert np.array_equal(batch.positions, whole.positions[rank::world])
        assert np.array_equal(batch.input_ids_BT, whole.input_ids_BT[rank::world])
        assert np.array_equal(batch.labels_BT, whole.labels_BT[rank::world])
    assert sum(batch.num_targets for batch in ranks) == whole.num_targets
    assert sum(sum(batch.lengths) for batch in ranks) == sum(whole.lengths)


def test_a_remix_changes_what_comes_and_not_what_was(stage):
    assert stage.next_block(5) == 3  # block 2 holds steps 4 and 5; step 5 is not over
    block = stage.next_block(6)
    remixed = stage.remix(block, Weights(MixtureConfig(weights={"web": 1.0}), stage.mixture.names))
    assert np.array_equal(remixed.batch(5).input_ids_BT, stage.batch(5).input_ids_BT)
    assert set(np.unique(remixed.batch(6).source_BT)) <= {-1, 0}
    assert remixed.digest != stage.digest
    assert stage.from_decisions(remixed.mixture.state).digest == remixed.digest


def test_batches_read_from_files_equal_those_from_memory(stage, tmp_path):
    stores, rows = {}, {}
    for name, store in stage.stores.items():
        stores[name] = FakeStore(np.diff(store.offsets))
        stores[name].mask = store.mask
        stage.instances[name].save(tmp_path / name)
        rows[name] = Instances.open(tmp_path / name)
        for field in ("tokens", "offsets", "mask"):
            if getattr(store, field) is not None:
                np.save(tmp_path / name / f"{field}.npy", getattr(store, field))
                setattr(stores[name], field, np.load(tmp_path / name / f"{field}.npy", mmap_mode="r"))
    mapped = StageData(stores, rows, stage.mixture, CONTEXT, ROWS)
    for step in range(stage.num_steps):
        ours, theirs = mapped.batch(step), stage.batch(step)
        assert np.array_equal(ours.input_ids_BT, theirs.input_ids_BT)
        assert np.array_equal(ours.labels_BT, theirs.labels_BT)
        assert np.array_equal(ours.cu_seqlens, theirs.cu_seqlens)


def test_a_file_cut_short_during_a_run_is_an_error_not_zeros(tmp_path):
    np.arange(5000, dtype=np.uint16).tofile(tmp_path / "tokens.bin")
    runs = Runs(np.memmap(tmp_path / "tokens.bin", np.uint16, "r"))
    assert runs.read(np.array([4990, 3]), np.array([2, 3])).tolist() == [4990, 4991, 3, 4, 5]
    os.truncate(tmp_path / "tokens.bin", 9981)
    with pytest.raises(OSError, match="shrank while it was read"):
        runs.read(np.array([4990]), np.array([2]))


def test_tables_that_do_not_belong_together_are_refused(stage):
    with pytest.raises(UserError, match="packed for a context of 32, not 64"):
        StageData(stage.stores, stage.instances, stage.mixture, 64, ROWS)
    swapped = {"web": stage.stores["chat"], "chat": stage.stores["web"]}
    with pytest.raises(UserError, match="other tokens than its store holds"):
        StageData(swapped, stage.instances, stage.mixture, CONTEXT, ROWS)


def test_prefetch_yields_the_same_batches_in_order(stage):
    made = list(prefetch(stage, 4, 12, rank=1, world=2, depth=3))
    for step, batch in zip(range(4, 12), made, strict=True):
        assert np.array_equal(batch.input_ids_BT, stage.batch(step, 1, 2).input_ids_BT)


class Failing:
    def __init__(self, stage):
        self.stage, self.asked = stage, []

    def batch(self, step, rank, world):
        self.asked.append(step)
        if step == 3:
            raise UserError("tokens.bin is gone.")
        return self.stage.batch(step, rank, world)


def test_prefetch_raises_an_error_at_its_step_and_stops_cleanly(stage):
    failing = Failing(stage)
    batches = prefetch(failing, 0, 10)
    assert [int(next(batches).positions[0]) // ROWS for _ in range(3)] == [0, 1, 2]
    with pytest.raises(UserError, match=r"tokens\.bin is gone"):
        next(batches)
    assert failing.asked == [0, 1, 2, 3]
    counting = Failing(stage)
    batches = prefetch(counting, 4, 40, depth=2)
    next(batches)
    time.sleep(0.3)
    assert len(counting.asked) <= 4  # one taken, two waiting, one in the hand
    batches.close()
    assert not any(thread.name == "prefetch" for thread in threading.enumerate())
