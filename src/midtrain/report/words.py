"""Numbers and verdicts in words: what the top of a report says, and how figures are written everywhere on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from midtrain.core.config import format_size

MINUS = "\u2212"


@dataclass(frozen=True)
class Headline:
    """The verdict of a run for a person: a tone ("good", "mixed", "bad"), one sentence, and what it rests on."""

    tone: str
    sentence: str
    details: list[str]


def headline(scores: Mapping[str, Any]) -> Headline:
    """The verdict first: the target, then retention, then the numbers of both."""
    target, guard = scores.get("target"), scores["guard"]
    claim = _target_claim(target) if target else _overall_claim(scores["capabilities"])
    retention = {
        "kept": "retention is inside the budget",
        "broken": f"but {listed(guard['broken'])} lost more than the budget allows",
        "unclear": f"whether {listed(guard['unclear'])} stayed inside the budget is not shown",
    }.get(guard["verdict"])
    tone = "good"
    if guard["verdict"] == "unclear":
        tone = "mixed"
    if guard["verdict"] == "broken" or (target and not target["reached"]):
        tone = "bad"
    details = [_target_detail(scores, other) for other in target["better_than"]] if target else []
    details += [_guard_detail(name, one) for name, one in guard["capabilities"].items() if one["verdict"] != "kept"]
    kept = [(one["could_be"], name) for name, one in guard["capabilities"].items() if one["verdict"] == "kept"]
    if kept:
        could_be, name = max(kept)
        budget = guard["capabilities"][name]["budget"]
        if could_be > 0:
            text = f"could be up to {could_be:.1%} worse than the parent, of {budget:.1%} allowed"
        else:
            text = "is better than the parent even at the bad end of its interval"
        details.append(f"Kept: {len(kept)} of {len(guard['capabilities'])} budgets. The closest call: {name} {text}.")
    details += _caveats(scores)
    return Headline(tone, f"{claim}; {retention}." if retention else f"{claim}.", details)


def _target_claim(target: Mapping[str, Any]) -> str:
    won = [other for other, one in target["against"].items() if one["verdict"] == "better"]
    lost = [other for other in target["against"] if other not in won]
    if not lost:
        return f"Better than the {listed(won, ' and the ')} on {target['capability']}"
    words = {other: target["against"][other]["verdict"] for other in lost}
    worse = [other for other in lost if words[other] == "worse"]
    if worse:
        return f"Target missed: worse than the {listed(worse, ' and the ')} on {target['capability']}"
    claim = f"Target missed: not shown to be better than the {listed(lost, ' or the ')} on {target['capability']}"
    return f"{claim} (only than the {listed(won)})" if won else claim


def _overall_claim(rows: Mapping[str, Any]) -> str:
    counts = {word: sum(row["vs_parent"] == word for row in rows.values()) for word in ("better", "worse", "unranked")}
    return (
        f"Against the parent: better on {counts['better']}, worse on {counts['worse']}, "
        f"not told apart on {counts['unranked']} of {len(rows)} capabilities"
    )


def _target_detail(scores: Mapping[str, Any], other: str) -> str:
    name = scores["target"]["capability"]
    row = scores["capabilities"][name]
    verdict = scores["target"]["against"][other]["verdict"]
    return (
        f"{name} against the {other}: {value(row[other], row['metric'])} \u2192 {value(row['ours'], row['metric'])}, "
        f"{change(row, other)}, interval {interval(row, other)}: {verdict}."
    )


def _guard_detail(name: str, one: Mapping[str, Any]) -> str:
    if one["verdict"] == "broken":
        return f"{name} is {one['worsening']:.1%} worse than the parent; {one['budget']:.1%} was allowed."
    side = f"{one['worsening']:.1%} worse" if one["worsening"] > 0 else f"{-one['worsening']:.1%} better"
    return (
        f"{name} measured {side} than the parent and could be {one['could_be']:.1%} worse; {one['budget']:.1%} is "
        "allowed. More items or seeds would tell."
    )


def _caveats(scores: Mapping[str, Any]) -> list[str]:
    found = []
    if all(row["control"] is None for row in scores["capabilities"].values()):
        found.append("No control was run, so a gain may come from the lower learning rate and not from the data.")
    if scores.get("seed_noise") == "not measured":
        found.append("One seed: the intervals cover the noise of items, not that of seeds.")
    return found


def merge_sentence(scores: Mapping[str, Any]) -> str:
    """What a merge came to, from its scores, in a sentence."""
    rows = scores["capabilities"]
    words = {word: [name for name, row in rows.items() if row["vs_unmerged"] == word] for word in ("better", "worse")}
    said = [f"{word} than unmerged in {', '.join(names)}" for word, names in words.items() if names]
    alpha = (scores["choice"] or {}).get("alpha")
    how = scores["method"] if alpha is None else f"{scores['method']} with alpha {alpha:g}"
    return f"merged ({how}): {'; '.join(said) or 'not told apart from unmerged'}; guard {scores['guard']['verdict']}."


def value(number: float | None, metric: str) -> str:
    """A capability's value: bits per byte to three decimals, a share of right answers in percent."""
    if number is None:
        return "\u2013"
    return f"{number:.1%}" if metric == "exact_match" else f"{number:.3f}"


def difference(number: float, metric: str) -> str:
    """A difference of two values, with its sign; points for shares."""
    text = f"{100 * number:+.1f}" if metric == "exact_match" else f"{number:+.3f}"
    return text.replace("-", MINUS)


def change(row: Mapping[str, Any], other: str) -> str:
    """Ours minus another; relative to the other's too for bits per byte."""
    number = row["ours"] - row[other]
    if row["metric"] == "exact_match":
        return f"{difference(number, row['metric'])} points"
    relative = f"{number / row[other]:+.1%}".replace("-", MINUS) if row[other] else ""
    return f"{difference(number, row['metric'])} ({relative})" if relative else difference(number, row["metric"])


def interval(row: Mapping[str, Any], other: str) -> str:
    """The interval of ours minus another."""
    low, high = row[f"vs_{other}_interval"]
    return f"[{difference(low, row['metric'])}, {difference(high, row['metric'])}]"


def count(number: float | None) -> str:
    """A count for people; a dash when it is not known."""
    return "\u2013" if number is None else format_size(number)


def size(number: float | None) -> str:
    """Bytes for people, in powers of ten: 950 B, 3.01 MB, 1.2 GB."""
    text = count(number)
    if number is None:
        return text
    unit = {"k": "kB", "M": "MB", "B": "GB", "T": "TB"}.get(text[-1])
    return f"{text[:-1]} {unit}" if unit else f"{text} B"


def share(number: float | None) -> str:
    """A share in percent."""
    return "\u2013" if number is None else f"{number:.1%}"


def duration(seconds: float | None) -> str:
    """Seconds as 45 s, 3 min 20 s or 2 h 05 min."""
    if seconds is None:
        return "\u2013"
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.3g} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def listed(names: Sequence[str], joiner: str = " and ") -> str:
    """Names as people list them: a, b and c."""
    return joiner.join(names) if len(names) < 3 else ", ".join(names[:-1]) + joiner + names[-1]
