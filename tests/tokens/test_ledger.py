import numpy as np
import pytest

from midtrain.tokens.config import MixtureConfig
from midtrain.tokens.ledger import consumed, continue_instances, unconsumed_documents
from midtrain.tokens.mixture import Mixture, mixture_sources
from midtrain.tokens.packing import pack
from midtrain.tokens.weights import Weights

SEED = 3


def lengths(name):
    return np.random.default_rng(len(name)).integers(0, 200, 300)


def stage(rows, weights, num_positions, **options):
    config = MixtureConfig(weights=weights, **options)
    sources = mixture_sources(config, rows)
    return Mixture(sources, Weights(config, list(rows)), num_positions=num_positions, block=24, seed=SEED)


def times_read(rows, mixture, upto, name, times):
    """Add to `times` (list of arrays by document) how often each token of source `name` is read before `upto`."""
    source, _, instance = mixture.lookup(np.arange(upto))
    pieces, _ = rows[name].gather(instance[source == mixture.names.index(name)])
    for document, start, length in pieces.tolist():
        times[document][start : start + length] += 1
    return times


def unread(name):
    return [np.zeros(length, int) for length in lengths(name)]


def spread(times):
    flat = np.concatenate(times)
    return int(flat.min()), int(flat.max())


@pytest.mark.parametrize("upto", [0, 1, 100, 250, 333, 600])
def test_consumed_names_the_rows_of_the_running_epoch(upto):
    rows = {name: pack(lengths(name), 128, seed=SEED) for name in ("aa", "bbb")}
    mixture = stage(rows, {"aa": 0.5, "bbb": 0.5}, 600)
    source, epoch, instance = mixture.lookup(np.arange(upto))
    for index, (name, read) in enumerate(consumed(mixture, upto).items()):
        own = source == index
        whole = rows[name].num_instances
        assert read.epoch == own.sum() // whole
        assert read.instances.tolist() == sorted(instance[own & (epoch == read.epoch)].tolist())


@pytest.mark.parametrize("upto", [0, 37, 130, 240])
@pytest.mark.parametrize("context", [64, 128, 512])
def test_two_stages_read_everything_once_before_anything_twice(upto, context):
    first = {name: pack(lengths(name), 128, seed=SEED) for name in ("aa", "bbb")}
    one = stage(first, {"aa": 0.6, "bbb": 0.4}, 240)
    left = unconsumed_documents(first, one, upto)
    second = {
        name: continue_instances(left[name], pack(lengths(name), context, seed=SEED), seed=SEED) for name in first
    }
    two = stage(second, {"aa": 0.5, "bbb": 0.5}, 1800 * 64 // context, max_epochs=20)
    for index, name in enumerate(first):
        times = times_read(first, one, upto, name, unread(name))
        before = spread(times)
        assert before[0] == left[name].epoch
        assert before[1] <= before[0] + 1
        # When the opening has been read, every token has been read equally often.
        source, _, _ = two.lookup(np.arange(two.num_positions))
        opening = second[name].opening
        opened = int(np.flatnonzero(source == index)[opening - 1]) + 1 if opening else 0
        after = spread(times_read(second, two, opened, name, times))
        expected = left[name].epoch + (opening > 0)
        assert after == (expected, expected)


def test_a_third_stage_goes_on_from_inside_the_second():
    first = {"aa": pack(lengths("aa"), 128, seed=SEED)}
    one = stage(first, {"aa": 1.0}, 50)
    whole = pack(lengths("aa"), 256, seed=SEED)
    second = {"aa": continue_instances(unconsumed_documents(first, one, 50)["aa"], whole, seed=SEED)}
    two = stage(second, {"aa": 1.0}, 40)
    assert second["aa"].opening > 40  # stage two ends inside the epoch that stage one began
    third = {"aa": continue_instances(unconsumed_documents(second, two, 40)["aa"], whole, seed=SEED)}
    three = stage(third, {"aa": 1.0}, third["aa"].opening)
    times = times_read(first, one, 50, "aa", unread("aa"))
    times = times_read(second, two, 40, "aa", times)
    assert spread(times)[1] == 1
    assert spread(times_read(third, three, three.num_positions, "aa", times)) == (1, 1)


def test_epochs_are_counted_across_stages():
    first = {"aa": pack(lengths("aa"), 128, seed=SEED)}
    one = stage(first, {"aa": 1.0}, 100)
    share = 100 / first["aa"].num_instances
    left = unconsumed_documents(first, one, 100)["aa"]
    rows = {"aa": continue_instances(left, pack(lengths("aa"), 128, seed=SEED), seed=SEED)}
    opening, whole = rows["aa"].opening, rows["aa"].num_instances - rows["aa"].opening
    two = stage(rows, {"aa": 1.0}, opening + whole)
    assert two.epochs(0)["aa"] == pytest.approx(share, abs=0.01)
    assert two.epochs(opening)["aa"] == 1
    assert two.epochs()["aa"] == 2
    _, epoch, _ = two.lookup(np.arange(two.num_positions))
    assert epoch.tolist() == [0] * opening + [1] * whole


def test_leftover_pieces_of_a_document_are_joined():
    rows = {"aa": pack(np.array([1000, 30]), 100, seed=SEED)}
    mixture = stage(rows, {"aa": 1.0}, rows["aa"].num_instances)
    spans = unconsumed_documents(rows, mixture, 1)["aa"].spans
    assert len(spans) <= 3  # at most two runs of the long document around the row that was read
    assert spans["length"].sum() in (930, 1000)
    assert unconsumed_documents(rows, mixture, 0)["aa"].spans.tolist() == []
    ended = unconsumed_documents(rows, mixture, mixture.num_positions)["aa"]
    assert ended.epoch == 1
    assert len(ended.spans) == 0
