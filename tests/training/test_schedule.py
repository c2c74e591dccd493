import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.training.config import ScheduleConfig, StageConfig
from midtrain.training.schedule import learning_rate, phases, rate_text, resolve_peak


def rates(num_steps=10, peak=2.0, **fields):
    config = ScheduleConfig(peak=peak, **fields)
    return [learning_rate(config, peak, step, num_steps) for step in range(num_steps + 1)]


def decay(shape, share=0.5, **more):
    return {"shape": shape, "share": share, **more}


def test_warmup_by_steps_and_by_share_reaches_the_peak_and_wastes_no_step():
    expected = [0.5, 1.0, 1.5, 2.0, 2.0, 2.0]
    assert rates(warmup=4, decay=decay("linear", 0.0))[:6] == expected
    assert rates(warmup=0.4, decay=decay("linear", 0.0))[:6] == expected


def test_linear_decay_by_hand():
    assert rates(decay=decay("linear")) == pytest.approx([2, 2, 2, 2, 2, 2, 1.6, 1.2, 0.8, 0.4, 0])
    assert rates(decay=decay("linear"), final=0.5) == pytest.approx([2, 2, 2, 2, 2, 2, 1.8, 1.6, 1.4, 1.2, 1])


def test_cosine_and_one_minus_sqrt_by_hand():
    # cos(pi / 2) = 0 at the middle, cos(pi / 3) = 1/2 at a third; sqrt(1/4) = 1/2, sqrt(4/9) = 2/3.
    cosine = rates(6, decay=decay("cosine", 1.0))
    assert cosine == pytest.approx([2, 1 + math.sqrt(3) / 2, 1.5, 1, 0.5, 1 - math.sqrt(3) / 2, 0])
    root = rates(36, decay=decay("1-sqrt", 1.0))
    assert [root[i] for i in (0, 4, 9, 16, 36)] == pytest.approx([2, 4 / 3, 1, 2 / 3, 0])


def test_exponential_halves_and_stays_above_the_final():
    assert rates(decay=decay("exponential", 0.4, half=0.5)) == pytest.approx([2] * 7 + [2 / 2**0.5, 1, 1 / 2**0.5, 0.5])
    assert rates(decay=decay("exponential", 0.4, half=0.25), final=0.3)[-3:] == pytest.approx([0.6, 0.6, 0.6])


def test_power_follows_the_law_from_the_end_of_the_warmup():
    # (step / 4)^-0.5: step 4 -> 1, step 16 -> 1/2.
    found = rates(20, warmup=4, decay=decay("power", 1.0, power=-0.5))
    assert found[3] == found[4] == 2
    assert found[16] == pytest.approx(1.0)


def test_warmup_then_decay_takes_all_that_is_left():
    assert rates(8, warmup=2, decay=decay("linear", 1.0)) == pytest.approx([1, 2, 2, 10 / 6, 8 / 6, 1, 4 / 6, 2 / 6, 0])


def test_the_last_step_of_an_anneal_to_zero_still_learns():
    assert rates(10, decay=decay("linear", 1.0))[9] == pytest.approx(0.2)
    assert rates(10, decay=decay("1-sqrt", 1.0))[9] == pytest.approx(2 * (1 - math.sqrt(0.9)))


@given(
    st.integers(1, 300),
    st.floats(0, 0.99),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(["constant", "linear", "cosine", "1-sqrt", "exponential", "power"]),
)
def test_every_schedule_climbs_then_falls_between_final_and_peak(num_steps, warmup, share, final, shape):
    if share < 1 and warmup + share > 1:
        warmup = 1 - share
    config = ScheduleConfig(peak=1.0, warmup=warmup, decay=decay(shape, share), final=final)
    found = [learning_rate(config, 1.0, step, num_steps) for step in range(num_steps + 1)]
    climb, fall = phases(config, num_steps)
    assert climb + fall <= num_steps
    assert all(a <= b for a, b in itertools.pairwise(found[:climb]))
    rest = found[climb:]
    assert all(a >= b - 1e-12 for a, b in itertools.pairwise(rest))
    assert all(0 < rate <= 1 + 1e-12 for rate in found[:-1])
    assert min(rest) >= final - 1e-12


def test_the_peak_is_inherited_and_said():
    config = ScheduleConfig()
    assert resolve_peak(config, 3e-3, 1500, "the base's training state") == (
        3e-3,
        "Inherited learning rate 3e-3 from the base's training state (step 1500).",
    )
    peak, sentence = resolve_peak(ScheduleConfig(peak=1e-3), 3e-3, 1500, "the base's training state")
    assert peak == 1e-3
    assert sentence == "Learning rate 1e-3, not the 3e-3 of the base's training state (step 1500)."
    assert resolve_peak(ScheduleConfig(peak=1e-3), None, None, "the base") == (1e-3, None)


@pytest.mark.parametrize("stopped_at", [None, 0.0])
def test_nothing_to_inherit_is_an_error_that_names_the_field(stopped_at):
    with pytest.raises(UserError, match=r"set schedule\.peak"):
        resolve_peak(ScheduleConfig(), stopped_at, 10, "the stage before")


def test_rates_read_as_people_write_them():
    assert [rate_text(r) for r in (3e-3, 1.25e-4, 1e-5, 0.0, 0.01)] == ["3e-3", "1.25e-4", "1e-5", "0", "1e-2"]


STAGE = {"tokens": "64k", "context": 128, "batch_tokens": 1280, "mixture": {"weights": {"a": 1.0}}}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"batch_tokens": 1300}, "whole number of 128-token rows; 1280 would be"),
        ({"micro_tokens": 100}, "whole number of 128-token rows; 128 would be"),
        ({"tokens": 1000}, "less than one batch"),
        ({"schedule": {"warmup": 50}}, "warmup is 50 steps, but the stage has 50"),
        ({"schedule": {"warmup": 1.5}}, "whole number of steps"),
        ({"schedule": {"warmup": 0.5, "decay": {"share": 0.6}}}, "more than the whole stage"),
        ({"schedule": {"peak": -1.0}}, 'learning rate above 0 (such as 3e-4), or "inherit"'),
        ({"schedule": {"decay": {"shape": "cosin"}}}, "cosine"),
        ({"optimizer": {"beta": [0.9, 0.95]}}, 'Did you mean "betas"'),
        ({"optimizer": {"betas": [0.9, 1.0]}}, "below 1"),
        ({"trainable": []}, "trainable"),
    ],
)
def test_a_wrong_stage_is_refused_with_the_mend(fields, sentence):
    with pytest.raises(UserError) as caught:
        parse(StageConfig, {**STAGE, **fields}, "recipe.yaml")
    assert sentence in str(caught.value)


def test_the_counts_of_a_stage():
    stage = StageConfig.model_validate(STAGE)
    assert (stage.num_steps, stage.batch_sequences, stage.micro_sequences) == (50, 10, 10)
    assert StageConfig.model_validate({**STAGE, "micro_tokens": 256}).micro_sequences == 2
    wide = {"tokens": "1M", "context": 2048, "batch_tokens": 65536, "mixture": {"weights": {"a": 1.0}}}
    assert StageConfig.model_validate(wide).micro_sequences == 2
