"""The model card: the README.md beside an exported model, from the same artifacts as the report.

What a person must know before using the model: what it was made from, what became better and what worse (with the
intervals), on which data, under which licenses, and the recipe that makes it again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from midtrain.report import words
from midtrain.report.inputs import ReportInputs

_LICENSES = 8  # named for each source; the rest is counted


def model_card(inputs: ReportInputs, base: str, arm: str, seed: int) -> str:
    """The card of the model that `arm` gave with `seed`, as Markdown with the Hub's front matter."""
    found = words.headline(inputs.scores)
    front = {"base_model": base, "library_name": "transformers", "tags": ["midtrain"]}
    lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in front.items()), "---", f"# {inputs.name}", ""]
    lines += [inputs.description, ""] if inputs.description else []
    what = "The result" if arm == "ours" else "The control (the same stages on the old mixture)"
    lines += [f"{what} of mid-training {base}, seed {seed}. {found.sentence}", ""]
    lines += [f"- {detail}" for detail in found.details]
    lines += ["", "## What was measured", "", *_capabilities(inputs.scores)]
    lines += ["", "## Stages", "", *_stages(inputs, arm, seed), "", "## Data", "", *_data(inputs)]
    lines += ["", "## The recipe", "", "```yaml", inputs.recipe.rstrip(), "```", ""]
    lines += [f"Made with {', '.join(f'{name} {version}' for name, version in inputs.libraries.items())}."]
    return "\n".join(lines) + "\n"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return [line(head), "|" + "---|" * len(head), *(line(row) for row in rows)]


def _capabilities(scores: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, row in scores["capabilities"].items():
        values = [words.value(row[side], row["metric"]) for side in ("parent", "control", "ours")]
        against = [
            f"{row[f'vs_{other}']} {words.interval(row, other)}" if row.get(f"vs_{other}") else "\u2013"
            for other in ("parent", "control")
        ]
        rows.append([name, row["metric"].replace("_", " "), f"{row['n']:,}", *values, *against])
    head = ["capability", "metric", "items", "parent", "control", "ours", "against parent", "against control"]
    note = "Means over the recipe's seeds; intervals are of the difference, over items and seeds."
    return [*_table(head, rows), "", note]


def _stages(inputs: ReportInputs, arm: str, seed: int) -> list[str]:
    rows = []
    for stage in inputs.arms[arm][seed]:
        last = stage.planned[-1]["weights"] if stage.planned else {}
        mixture = ", ".join(f"{name} {words.share(weight)}" for name, weight in last.items())
        rows.append([stage.name, words.count(stage.facts.get("tokens")), str(stage.facts.get("steps", "")), mixture])
    return _table(["stage", "tokens", "steps", "mixture at its end"], rows)


def _data(inputs: ReportInputs) -> list[str]:
    rows = []
    for name, manifest in inputs.documents.items():
        licenses = sorted(manifest["facts"].get("licenses", {}).items(), key=lambda item: -item[1])
        named = ", ".join(f"{license} ({count:,})" for license, count in licenses[:_LICENSES])
        more = f" and {len(licenses) - _LICENSES} more" if len(licenses) > _LICENSES else ""
        tokens = inputs.tokens.get(name, {}).get("counts", {}).get("tokens")
        rows.append([name, f"{manifest['counts']['documents']:,}", words.count(tokens), named + more])
    head = ["source", "documents read", "training tokens", "licenses (documents)"]
    return _table(head, rows)
