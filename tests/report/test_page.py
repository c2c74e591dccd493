"""The report opens anywhere, says the verdict first, shows what is there, and lets nothing in from outside."""

import json
import re
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from fake_run import SOURCES, fake_inputs

from midtrain.report import figures, series, words
from midtrain.report.page import write_report


@pytest.fixture(scope="module")
def inputs():
    return fake_inputs()


@pytest.fixture(scope="module")
def page(inputs, tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "report.html"
    write_report(inputs, out)
    return out


def own_parts(page):
    """The page without plotly's own script: (html, figures)."""
    text = page.read_text()
    data = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.S)[1]
    return re.sub(r"<script>.*?</script>", "", text, flags=re.S), json.loads(data)


def all_figures(inputs):
    names = series.source_names(inputs.arms)
    stages = next(iter(inputs.arms["ours"].values()))
    return [
        figures.forest(inputs.scores, "bits_per_byte"),
        figures.forest(inputs.scores, "exact_match"),
        figures.losses(inputs, names),
        figures.learning_rate(inputs),
        figures.gradient_norms(inputs),
        figures.throughput(inputs),
        figures.mixture(stages, names, "Mixture"),
    ]


def test_it_is_one_file_that_asks_the_network_for_nothing(page):
    html, _ = own_parts(page)
    assert page.stat().st_size < 6_000_000
    assert page.read_text().count("plotly.js v") == 1
    assert not re.search(r"""(src|href)\s*=\s*["'](?!#)""", html)
    assert "http" not in re.sub(r"http-equiv", "", html)
    assert "default-src 'none'" in html


def test_the_verdict_comes_first(page):
    html, _ = own_parts(page)
    assert html.index("Better than the parent and the control on bpb/code") < html.index("<h2")
    assert 'class="verdict good"' in html


def test_everything_a_reader_needs_is_on_it(page, inputs):
    html = unescape(own_parts(page)[0])
    for name in (*SOURCES, "exact duplicate", "PSF-2.0", "torch", "base as loaded", "midtrain run recipe.yaml"):
        assert name in html, name
    for word in ("better", "worse", "unranked", "kept"):
        assert f'class="word {word}"' in html
    assert "the loss rose 1.2 nats" in html  # a decision
    assert inputs.recipe in html
    assert "no space left" in html
    assert "What is 1" in html
    assert "padding" in html
    assert "19 min 30 s" in html  # three seeds of one stage
    assert "The peak is 2e-3, as the base had it." in html


def test_text_from_outside_is_never_markup(page):
    html, _ = own_parts(page)
    assert "alert(&#x27;no&#x27;)" in html
    assert "<script>alert" not in html
    assert "&lt;b&gt;" in html


def test_figures_are_valid_and_every_colour_has_a_light_and_a_dark_value(inputs):
    from plotly.graph_objects import Figure

    css = (Path(figures.__file__).parent / "style.css").read_text()
    for figure in all_figures(inputs):
        text = json.dumps(figure, allow_nan=False)
        for token in set(re.findall(r'"@([a-z0-9]+)(?:/[0-9.]+)?"', text)):
            assert css.count(f"--{token}: #") == 2, token
        painted = json.loads(re.sub(r'"@[^"]*"', '"#123456"', text))
        Figure(data=painted["data"], layout=painted["layout"])  # raises for a property that plotly does not know
        assert figure["title"]
        axes = [axis for name, axis in figure["layout"].items() if name.startswith("xaxis")]
        assert all(axis["title"]["text"] for axis in axes)


def test_seeds_are_averaged_though_they_counted_tokens_a_little_differently():
    """Padding differs between seeds, so their lines are not at the same tokens; one may lack entries."""
    [*thin, mean] = figures._seed_traces("ours", [([0, 10, 20], [1.0, 2.0, 3.0]), ([0, 20], [3.0, 5.0])])
    assert len(thin) == 2
    assert (mean["x"], mean["y"]) == ([0, 10, 20], [2.0, 3.0, 4.0])
    assert [trace["showlegend"] for trace in (*thin, mean)] == [False, False, True]


def test_one_learning_rate_is_drawn_once(inputs):
    assert [trace["name"] for trace in figures.learning_rate(inputs)["data"]] == ["all arms"]


def test_the_same_inputs_give_the_same_bytes(page, inputs, tmp_path):
    write_report(inputs, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_what_is_missing_is_left_out(tmp_path):
    bare = fake_inputs(control=False, seeds=(0,), with_target=False)
    bare = replace(bare, arms={}, documents={}, tokens={}, packing={}, items={}, parity={}, libraries={}, commands=[])
    write_report(replace(bare, excluded=[]), tmp_path / "bare.html")
    html, drawn = own_parts(tmp_path / "bare.html")
    assert re.findall(r'<h2 id="(\w+)"', html) == ["capabilities", "again"]
    assert len(drawn) == 2
    assert "No control was run" in html
    assert "One seed" in html


def test_the_headline_says_what_happened():
    def sentence(**how):
        found = words.headline(fake_inputs(**how).scores)
        return found.tone, found.sentence

    lost = {"code": -0.45, "docstrings": 0.3, "documentation": 0.0}
    assert sentence(shift=lost) == (
        "bad",
        "Better than the parent and the control on bpb/code; but bpb/docstrings lost more than the budget allows.",
    )
    tone, text = sentence(shift={"code": 0.0})
    assert (tone, "Target missed: worse than the control on bpb/code" in text) == ("bad", True)
    tone, text = sentence(shift={"code": -0.06})
    assert "not shown to be better than the control on bpb/code (only than the parent)" in text
    tone, text = sentence(with_target=False)
    assert text.startswith("Against the parent: better on ")
    unclear = fake_inputs().scores
    unclear = {**unclear, "guard": {**unclear["guard"], "verdict": "unclear", "unclear": ["bpb/prose"]}}
    assert words.headline(unclear).tone == "mixed"


def test_numbers_as_people_write_them():
    row = {"metric": "bits_per_byte", "ours": 1.8, "parent": 2.0, "vs_parent_interval": [-0.25, -0.15]}
    assert words.change(row, "parent") == "\u22120.200 (\u221210.0%)"
    assert words.interval(row, "parent") == "[\u22120.250, \u22120.150]"
    row = {"metric": "exact_match", "ours": 0.5, "parent": 0.25, "vs_parent_interval": [0.1, 0.4]}
    assert words.change(row, "parent") == "+25.0 points"
    assert words.value(0.255, "exact_match") == "25.5%"
    assert [words.duration(s) for s in (4.2, 200, 7500)] == ["4.2 s", "3 min 20 s", "2 h 05 min"]
