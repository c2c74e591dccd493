"""How verdicts, families and problems look on a terminal. Text in, text out: nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from midtrain.core.terminal import render
from midtrain.verify.check_file import Tally
from midtrain.verify.generators.family import Family
from midtrain.verify.problem import Problem

_STYLE = {"pass": "green", "fail": "red", "unparseable": "yellow", "timeout": "yellow", "infra_error": "bold red"}


def tally_text(tally: Tally, out: str | None) -> str:
    """The share of right answers and a table of causes."""
    facts = tally.to_json()
    share = f"{100 * facts['share']:.1f} %" if tally.judged else "none"
    head = f"{facts['passed']:,} of {tally.judged:,} judged answers are right ({share})"
    lost = tally.answers - tally.judged
    if lost:
        head += f"; {lost:,} could not be judged, which says nothing of them"
    table = Table("verifier", "outcome", "cause", "answers", box=None, pad_edge=False, header_style="dim")
    table.columns[3].justify = "right"
    for row in facts["causes"]:
        outcome = Text(row["outcome"], _STYLE[row["outcome"]])
        table.add_row(row["verifier"], outcome, Text(row["cause"]), f"{row['answers']:,}")
    places = ", ".join(f"{name} ({count:,})" for name, count in facts["isolation"].items())
    tail = [Text(f"judged {places}", "dim")] + ([Text(f"verdicts  {out}")] if out else [])
    return render(Group(Text(head, "bold"), Text(""), table, Text(""), *tail))


def families_text(families: Iterable[Family]) -> str:
    """Every family: what it is, its verifier, its languages, and whether it is trained on."""
    table = Table("family", "verifier", "languages", "splits", "what", box=None, pad_edge=False, header_style="dim")
    for family in families:
        splits = "both" if "train" in family.splits else "evaluation"
        table.add_row(family.name, family.verifier, " ".join(family.langs), splits, Text(family.description))
    return render(table)


def problems_text(problems: Sequence[Problem]) -> str:
    """Problems as they are trained on, one after another."""
    parts: list[Rule | Text] = []
    for problem in problems:
        title = f"{problem.family}, difficulty {problem.difficulty}, {problem.lang}, {problem.verifier}"
        parts += [Rule(title, style="dim", characters="-"), Text(problem.text()), Text("")]
    return render(Group(*parts))
