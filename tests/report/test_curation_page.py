"""What curation did is on the page: the funnel adds up, thresholds are ranked by what they took, nothing gets in."""

import json
import re
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from fake_curation import fake_curation, fake_page_inputs, histogram, problems, web
from fake_run import fake_inputs

from midtrain.core.artifact import Artifact
from midtrain.core.config import parse
from midtrain.recipe.report_inputs import curation_inputs
from midtrain.recipe.schema import DocumentsConfig
from midtrain.report import curation_figures, figures, words
from midtrain.report.curation_figures import beyond
from midtrain.report.curation_tables import sample_columns, used_steps
from midtrain.report.funnel import STEPS, curation_headline, funnel, total
from midtrain.report.inputs import Curation, CurationRecord
from midtrain.report.page import write_curation_page, write_report


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    out = tmp_path_factory.mktemp("curation") / "page.html"
    write_curation_page(out, fake_page_inputs())
    return out


def own_html(page):
    """The page without scripts."""
    return re.sub(r"<script.*?</script>", "", page.read_text(), flags=re.S)


def test_every_row_is_in_the_funnel_once():
    found = funnel(web())
    assert found.lost == {"read": 100, "filter": 300, "near": 60, "contamination": 39, "rewritten": 1}
    assert found.rows == found.documents + sum(found.lost.values())
    assert found.lost_bytes == {"read": 0, "filter": 30_000, "near": 6_000, "contamination": 4_000, "rewritten": 1_000}
    assert found.bytes_in == found.bytes + sum(found.lost_bytes.values())
    assert found.reasons[:3] == [
        ("read", "duplicate", 90, None),
        ("read", "missing text", 10, None),
        ("filter", "rule: short", 180, 20_000),
    ]
    assert "rule: never" not in [reason for _, reason, _, _ in found.reasons]


def test_funnels_add_up_over_sources():
    both = total([funnel(web()), funnel(problems())])
    assert (both.rows, both.documents, both.bytes_in, both.bytes) == (1200, 700, 100_000, 59_000)
    assert both.lost == funnel(web()).lost


def test_steps_that_were_not_asked_for_are_not_shown():
    only = Curation(records={"sums": problems()}, contamination=fake_curation().contamination)
    assert used_steps({"sums": funnel(problems())}, only) == ["contamination"]
    assert used_steps({"web": funnel(web())}, fake_curation()) == list(STEPS)


def test_the_headline_says_what_is_left_and_why_the_rest_went():
    found = curation_headline(fake_curation())
    assert (found.tone, found.sentence) == (
        "plain", "700 of 1,200 rows are left as documents: 59 kB of 100 kB of text.",
    )  # fmt: skip
    assert found.details == [
        "web: 500 of 1,000 (50.0%) are left; the most frequent reason to go: rule: short (180).",
        "sums: 200 of 200 (100.0%) are left; nothing went.",
        "Contamination: 41 matches with the 230 evaluation items, in sums <b>hard</b>; 39 documents went for it.",
    ]
    clean = {"counts": {"items": 5, "matches": 0}, "facts": {"audit": [], "unsought": {}}}
    assert curation_headline(replace(fake_curation(), contamination=clean)).details[-1] == (
        "Contamination: none of the 5 evaluation items was found."
    )
    many = Curation({f"s{i}": problems() for i in range(9)})
    assert curation_headline(many).details[-1] == "3 more sources are in the table below."


@pytest.mark.parametrize(
    ("limits", "dropped", "expected"),
    [
        ({"at_most": 2.0}, (1, 2, 10, 20), 30),
        ({"at_most": 2.5}, (1, 2, 10, 20), 25),  # half of the bin that the threshold parts
        ({"at_most": 4.0}, (1, 2, 10, 20), 20),  # the outermost bin holds what is outside of it
        ({"at_most": 0.0}, (9, 2, 1, 0), 3),  # most stand exactly at the threshold
        ({"at_least": 1.0}, (5, 2, 1, 0), 5),
        ({"at_least": 0.0}, (5, 2, 1, 0), 5),
        ({"at_least": 1.0, "at_most": 3.0}, (5, 2, 1, 4), 9),
        ({}, (5, 2, 1, 4), 0),
    ],
)
def test_what_is_beyond_a_threshold(limits, dropped, expected):
    assert beyond(histogram("x", dropped=dropped, **limits)) == expected


def test_the_thresholds_that_took_most_come_first_and_scores_are_always_there():
    record = web()
    more = [histogram(f"h{i:02}", at_most=3.0, dropped=(0, 0, 0, 100 - i)) for i in range(20)]
    facts = {**record.filter["facts"], "histograms": [*record.filter["facts"]["histograms"], *more]}
    many = replace(record, filter={**record.filter, "facts": facts})
    titles = [figure["title"] for figure in curation_figures.distributions({"web": many})]
    assert titles == [f"web: h{i:02}" for i in range(12)]
    few = {**facts, "histograms": [histogram("idle", at_most=2, dropped=(9, 0, 0, 0)), histogram("quality/likes")]}
    shown = curation_figures.distributions({"web": replace(record, filter={**record.filter, "facts": few})})
    assert [figure["title"] for figure in shown] == ["web: quality/likes"]


def test_figures_are_valid_and_their_colours_are_known():
    from plotly.graph_objects import Figure

    css = (Path(figures.__file__).parent / "style.css").read_text()
    records = fake_curation().records
    drawn = curation_figures.distributions(records) + curation_figures.sweeps(records)
    assert [figure["title"] for figure in drawn] == ["web: many", "web: few", "web: likes"]
    for figure in drawn:
        text = json.dumps(figure, allow_nan=False)
        for token in set(re.findall(r'"@([a-z0-9]+)(?:/[0-9.]+)?"', text)):
            assert css.count(f"--{token}: #") == 2, token
        painted = json.loads(re.sub(r'"@[^"]*"', '"#123456"', text))
        Figure(data=painted["data"], layout=painted["layout"])
    assert [shape["x0"] for shape in drawn[0]["layout"]["shapes"]] == [2.0]
    assert "asked: at most 2" in json.dumps(drawn[0])


def test_the_page_says_everything(page):
    html = own_html(page)
    text = unescape(html)
    assert re.findall(r'<h2 id="([\w-]+)"', html) == [
        "funnel", "distributions", "languages", "scorers", "duplicates", "contamination", "read-them", "trust", "again",
    ]  # fmt: skip
    for told in ("nothing left after cutting and masking", "near-duplicate of a document in web", "email masked 5",
                 "repeated passages cut 8 (640 B)", "4 others", "l13", "0.873", "88.0%", "11 documents, 1 kept",
                 "Jaccard 0.86", "not found", "riddles 4", "midtrain curate web-only.yaml", "0.1.0"):  # fmt: skip
        assert told in text, told
    assert "card masked" not in text
    assert html.index("700 of 1,200 rows") < html.index("<h2")


def test_it_asks_the_network_for_nothing_and_no_text_is_markup(page):
    html = own_html(page)
    assert not re.search(r"""(src|href)\s*=\s*["'](?!#)""", html)
    assert "default-src 'none'" in html
    assert "alert(&#x27;no&#x27;)" in html
    assert "alert('no')" not in page.read_text()
    assert "<b>hard" not in page.read_text()


def test_bars_never_pass_their_whole(page):
    for bar in re.findall(r'<div class="bar".*?</div>', own_html(page)):
        assert sum(float(width) for width in re.findall(r"width:([\d.]+)%", bar)) <= 100.05


def test_samples_show_each_reason_before_any_twice():
    html = sample_columns(web(), funnel(web()))
    ids = re.findall(r"<code>(\w+)</code>", html)
    assert ids[0] == "k1"
    assert ids[1:6] == ["d00", "d10", "d20", "d30", "d40"]
    assert len(ids) == 13


def test_the_report_of_a_run_has_a_section_about_it(tmp_path):
    inputs = fake_inputs(seeds=(0,))
    name = next(iter(inputs.documents))
    write_report(replace(inputs, curation=Curation({name: web()})), tmp_path / "with.html")
    html = own_html(tmp_path / "with.html")
    assert '<h2 id="curation">' in html
    assert "<h3>Languages</h3>" in html
    assert "<h3>Near-duplicates</h3>" not in html  # it was not asked for
    assert "after curation" in html
    write_report(inputs, tmp_path / "without.html")
    without = own_html(tmp_path / "without.html")
    assert 'id="curation"' not in without
    assert "after curation" not in without


def test_a_page_without_figures_carries_no_plotly(tmp_path):
    write_curation_page(tmp_path / "page.html", fake_page_inputs(Curation({"sums": problems()})))
    assert (tmp_path / "page.html").stat().st_size < 50_000
    assert re.findall(r'<h2 id="([\w-]+)"', own_html(tmp_path / "page.html")) == ["funnel", "trust", "again"]


def test_the_same_inputs_give_the_same_bytes(page, tmp_path):
    write_curation_page(tmp_path / "again.html", fake_page_inputs())
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_manifests_are_gathered_by_the_names_of_the_steps():
    names = ("documents/a", "filter/a", "scorers/a", "curated/a", "documents/b", "curated/b", "duplicates")
    made = {name: Artifact(Path("none"), {"facts": {"of": name}}) for name in names}
    recipe = parse(DocumentsConfig, {"name": "c", "sources": {"a": {"read": "x"}, "b": {"read": "y"}}}, "a test")
    found = curation_inputs(recipe, made)
    manifests = {name: one.manifest for name, one in made.items()}
    assert found.curation == Curation(
        records={
            "a": CurationRecord(
                manifests["documents/a"], manifests["curated/a"], manifests["filter/a"], {"of": "scorers/a"}
            ),
            "b": CurationRecord(manifests["documents/b"], manifests["curated/b"]),
        },
        duplicates=manifests["duplicates"],
    )
    assert (found.name, found.commands) == ("c", ["midtrain curate c.yaml"])


def test_bytes_as_people_write_them():
    assert [words.size(n) for n in (0, 950, 3_012_027, 1_200_000_000, None)] == [
        "0 B", "950 B", "3.01 MB", "1.2 GB", "\u2013",
    ]  # fmt: skip
