"""The log line, honest counts, and clocks that know a stall from learning."""

import time

import numpy as np
import torch

from midtrain.training.step import StepSums
from midtrain.training.telemetry import Clock, Meter, log_line, real_lengths, time_text


def sums(nll, weight, z=0.0):
    return StepSums(*(torch.tensor(part, dtype=torch.float64) for part in (nll, weight, z)))


def test_the_one_good_log_line():
    metrics = {
        "loss": 3.2141,
        "learning_rate": 1.2e-3,
        "gradient_norm": 0.812,
        "source_loss": {"code": 2.911, "problems": 1.02},
    }
    clock = {"tokens_per_second": 9812.0, "mfu": 0.4312}
    assert log_line(120, 400, metrics, clock, 41.2) == (
        "step 120/400  loss 3.214  lr 1.2e-3  grad 0.81  9.81k tok/s  mfu 43%  code 2.91 problems 1.02  0:41 left"
    )
    assert [time_text(seconds) for seconds in (0, 59.6, 725, 11220)] == ["0:00", "1:00", "12:05", "3:07:00"]


def test_padding_is_neither_a_token_nor_work(workshop):
    batch = workshop.data(4).batch(0)
    lengths = real_lengths(batch)
    real = int((batch.source_BT >= 0).sum())
    assert sum(lengths) == real < batch.source_BT.size
    meter = Meter(("low", "high"), torch.device("cpu"))
    meter.add(sums([1.0, 1.0], [1.0, 1.0]), batch, 7.0)
    assert meter.tokens == real
    assert meter.targets == int(np.count_nonzero(batch.labels_BT != -100))


def test_window_means_are_weighted_by_target_and_begin_anew(workshop):
    batch = workshop.data(4).batch(0)
    meter = Meter(("low", "high"), torch.device("cpu"))
    meter.add(sums([30.0, 1.0], [10.0, 1.0], z=22.0), batch, 1.0)
    meter.add(sums([6.0, 0.0], [1.0, 0.0]), batch, 1.0)
    seen = meter.window()
    assert seen["loss"] == 37 / 12
    assert seen["source_loss"] == {"low": 36 / 11, "high": 1.0}
    assert seen["z"] == 22 / 12
    meter.add(sums([2.0, 0.0], [1.0, 0.0]), batch, 1.0)
    again = meter.window()
    assert again["source_loss"] == {"low": 2.0}
    assert sum(again["source_tokens"].values()) * 3 == again["tokens"] == sum(again["mixture"].values())
    assert meter.window() == {}


def test_a_meter_goes_on_from_a_checkpoint_in_the_middle_of_a_window(workshop):
    batch = workshop.data(4).batch(0)
    straight = Meter(("low", "high"), torch.device("cpu"))
    straight.add(sums([3.0, 0.1], [1.0, 1.0]), batch, 1.0)
    resumed = Meter(("low", "high"), torch.device("cpu"), straight.state())
    for meter in (straight, resumed):
        meter.add(sums([0.2, 0.7], [1.0, 2.0]), batch, 1.0)
    assert resumed.window() == straight.window()


def test_goodput_is_what_was_not_stalled():
    clock = Clock({"seconds": 10.0, "stalled": 4.0})
    with clock.stall():
        time.sleep(0.05)
    assert 4.05 <= clock.seconds - clock.learning < 5
    assert 0.5 < clock.goodput <= 0.6
    saved = clock.state()
    assert saved["seconds"] >= 10.05
