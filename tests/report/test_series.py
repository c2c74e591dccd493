"""Journals become series: stages laid end to end, mixtures as planned and as read, long lines thinned."""

from midtrain.report import series
from midtrain.report.inputs import StageRecord


def entry(step, **fields):
    return {"kind": "metrics", "step": step, "tokens": step * 100, **fields}


FIRST = StageRecord(
    "stable",
    [
        {"kind": "event", "step": 0, "what": "start"},
        entry(1, loss=3.0, source_tokens={"a": 75, "b": 25}, source_loss={"a": 3.1}, clock={"mfu": 0.4}),
        entry(2, loss=2.0, source_tokens={"a": 25, "b": 75}, source_loss={"b": 2.2}, clock={"mfu": 0.2}),
    ],
    [{"at": 0.0, "weights": {"a": 1.0}}, {"at": 0.5, "weights": {"a": 0.25, "b": 0.75}}],
    curve="step",
)
SECOND = StageRecord("anneal", [entry(1, loss=1.0, source_tokens={"c": 100})], [{"at": 0.0, "weights": {"c": 2.0}}])


def test_stages_follow_each_other_on_the_axis_of_tokens():
    assert series.spans([FIRST, SECOND]) == [series.Span("stable", 0, 200), series.Span("anneal", 200, 300)]
    assert series.line([FIRST, SECOND], "loss") == ([100, 200, 300], [3.0, 2.0, 1.0])


def test_a_field_that_is_not_there_is_skipped():
    assert series.line([FIRST, SECOND], "source_loss", "b") == ([200], [2.2])
    assert series.line([FIRST], "clock", "mfu") == ([100, 200], [0.4, 0.2])
    assert series.line([SECOND], "clock", "mfu") == ([], [])


def test_the_mixture_as_it_was_read():
    x, shares = series.actual_mixture([FIRST, SECOND], ["a", "b", "c"])
    assert x == [0, 100, 200, 300]
    assert shares == {"a": [0.75, 0.75, 0.25, 0], "b": [0.25, 0.25, 0.75, 0], "c": [0, 0, 0, 1]}


def test_the_mixture_as_it_was_planned_holds_steps_and_normalises():
    x, shares = series.planned_mixture([FIRST, SECOND], ["a", "b", "c"])
    assert x == [0, 0, 0, 100, 100, 200, 200, 200, 300]
    assert shares["a"] == [1, 1, 1, 1, 0.25, 0.25, 0, 0, 0]
    assert shares["c"][-1] == 1


def test_long_lines_are_thinned_to_means():
    x, y = series.thin(list(range(10)), [float(i) for i in range(10)], most=5)
    assert x == [1, 3, 5, 7, 9]
    assert y == [0.5, 2.5, 4.5, 6.5, 8.5]
    assert series.thin([1.0], [2.0]) == ([1.0], [2.0])
    assert series.thin([], []) == ([], [])
    x, _ = series.thin(list(range(100_001)), [0.0] * 100_001)
    assert len(x) <= series.MOST_POINTS


def test_sources_and_notices_are_found_in_order():
    assert series.source_names({"ours": {0: [FIRST, SECOND]}}) == ["a", "b", "c"]
    assert [notice["what"] for notice in series.notices(FIRST)] == ["start"]
