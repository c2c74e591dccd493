"""Planted evaluation items in real text: what overlap with its answer finds, against 13-gram matching.

Items of GSM8K, MGSM and HumanEval are planted between the paragraphs of clean documents (speeches, books, reviews,
Python files), one a document, in six ways:

    verbatim      question and worked answer
    reformatted   Markdown, LaTeX dollars, other quotes, case and line breaks, the answer under a heading
    short answer  the question and only its final answer, in a sentence
    translated    GSM8K's questions in ten languages (MGSM); sought with and without MGSM among the items
    edited        every twelfth word replaced
    swapped       every number is another number: a new problem, not contamination, so that dropping it is an error
                  (it is reported as near)

The clean documents, and the training problems of GSM8K (written by the same people to the same pattern: the hardest
innocents there are), count false positives. Both detectors read the same words in one kernel, so the peer too survives
a change of format; the peer's answers are checked against sets of 13-word tuples in plain Python, which is also the
slow contestant of the timing. What 13 words cannot see: short questions, and that other numbers make another problem.

Checks, set before the first run: recall of verbatim and reformatted items at least 0.98, false positives under 1 in 100
of all innocents, and 13-gram answers equal to plain Python's.
Needs the folder of texts and tasks (see benchmarks/data.py); without it nothing can be planted, and it says so.
"""

from __future__ import annotations

import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.data import data_folder, read_jsonl
from benchmarks.harness import Result, arguments, finish, interleave, median
from midtrain.documents.decontamination.config import DecontaminateConfig, ItemsConfig
from midtrain.documents.decontamination.index import Index
from midtrain.documents.decontamination.items import Item, read_items
from midtrain.documents.decontamination.scan import scan
from midtrain.text.ngrams import word_hashes

_PIECE = 4000
_RECALL, _FALSE = 0.98, 0.01
Plant = Callable[[Item, random.Random], str | None]


def main() -> None:
    options = arguments("decontaminate", "Evaluation items planted in real text: recall and false positives.")
    folder = data_folder()
    if folder is None:
        print("decontaminate: skipped, there is no folder of texts and tasks (MIDTRAIN_DATA).")
        return
    seeds = [1] if options.quick else [1, 2, 3]
    items = load_items(folder)
    detectors = {
        "overlap": Index.build(items, DecontaminateConfig()),
        "ngram13": Index.build(items, DecontaminateConfig(mode="ngram13")),
        "overlap without MGSM": Index.build([i for i in items if i.benchmark != "mgsm"], DecontaminateConfig()),
    }
    innocents = {"text": clean_documents(folder), "gsm8k_train": training_problems(folder)}
    rows = [row for seed in seeds for row in planted(items, innocents["text"], detectors, seed, options.quick)]
    false = {name: false_positives(index, innocents) for name, index in detectors.items()}
    speed = speeds(detectors, innocents, items, options.quick)
    checks, figures = judge(rows, false, speed)
    result = Result(
        "decontaminate", "scanned text, one core", "MB/s", speed["overlap"], speed["python"], "13-gram sets in Python",
        speed["overlap"] / speed["python"], checks, figures, seeds, rows,
    )  # fmt: skip
    finish(result, table(figures), options.quick, options.json)


def load_items(folder: Path) -> list[Item]:
    """The items of the three benchmarks."""
    configs = [
        ItemsConfig(read=str(folder / "gsm8k_test.jsonl.gz")),
        ItemsConfig(read=str(folder / "mgsm.jsonl.gz")),
        ItemsConfig(
            read=str(folder / "human_eval.jsonl.gz"), question="prompt", answer="canonical_solution", id="task_id"
        ),
    ]
    return [item for config in configs for item in read_items(config)]


def clean_documents(folder: Path) -> list[str]:
    """Real text in documents of about 4 kB, cut between paragraphs."""
    documents = []
    for name in ("speeches", "books", "movie_reviews", "the_algorithms_python"):
        for row in read_jsonl(folder / f"{name}.jsonl.gz"):
            piece, size = [], 0
            for paragraph in row["text"].split("\n"):
                piece.append(paragraph)
                size += len(paragraph)
                if size >= _PIECE:
                    documents.append("\n".join(piece))
                    piece, size = [], 0
            documents.append("\n".join(piece))
    return [document for document in documents if document.strip()]


def training_problems(folder: Path) -> list[str]:
    """GSM8K's training problems with their answers."""
    return [f"{row['question']}\n{row['answer']}" for row in read_jsonl(folder / "gsm8k_train.jsonl.gz")]


def verbatim(item: Item, _: random.Random) -> str:
    return f"{item.question}\n{item.answer}"


def reformatted(item: Item, rng: random.Random) -> str:
    question, answer = item.question, str(item.answer)
    if item.benchmark == "human_eval":
        question = question.replace('"""', "'''").replace("    ", "\t")
        return f"## Task\n\n```python\n{question}\n```\n\n### Solution\n\n```python\n{answer}\n```"
    question = re.sub(r"\$?(\d+(?:,\d{3})*(?:\.\d+)?)", lambda m: f"\\${m[1].replace(',', '')}$", question)
    question = question.replace("'", "\u2019").replace('"', "\u201c").replace(". ", ".\n\n")
    words = question.split(" ")
    for place in rng.sample(range(len(words)), max(1, len(words) // 8)):
        words[place] = rng.choice([f"**{words[place]}**", words[place].upper(), f"_{words[place]}_"])
    return f"**Problem.** {'  '.join(words)}\n\n**Solution.**\n\n> " + answer.replace("\n", "\n> ")


def short_answer(item: Item, _: random.Random) -> str | None:
    return None if item.benchmark == "human_eval" else f"{item.question} The answer is {str(item.final).strip()}."


def translated(item: Item, _: random.Random) -> str | None:
    known = item.benchmark == "mgsm" and not item.id.startswith("mgsm/en")
    return f"{item.question}\n{item.answer}" if known else None


def edited(item: Item, rng: random.Random) -> str:
    words = re.split(r"(\s+)", item.question)
    for place in range(2 * rng.randrange(12), len(words), 24):
        words[place] = "rather"
    return "".join(words) + f"\n{item.answer}"


def swapped(item: Item, rng: random.Random) -> str | None:
    """Other numbers, the same ones for the same ones, of as many digits; None for a question without any."""
    others: dict[str, str] = {}

    def other(match: re.Match[str]) -> str:
        number = match[0]
        while others.setdefault(number, number) == number:
            others[number] = str(rng.randrange(10 ** (len(number) - 1), 10 ** len(number)) + 1)
        return others[number]

    question = re.sub(r"\d+", other, item.question)
    return f"{question}\n{re.sub(r'[0-9]+', other, str(item.answer))}" if others else None


PLANTS: dict[str, Plant] = {
    "verbatim": verbatim,
    "reformatted": reformatted,
    "short answer": short_answer,
    "translated": translated,
    "edited": edited,
    "swapped": swapped,
}


def planted(
    items: list[Item], clean: list[str], detectors: dict[str, Index], seed: int, quick: bool
) -> Iterator[dict[str, Any]]:
    """A row per way of planting, benchmark and detector: how many were planted, dropped, and found as near."""
    rng = random.Random(seed)
    by_benchmark = defaultdict(list)
    for item in items:
        by_benchmark[item.benchmark].append(item)
    for way, plant in PLANTS.items():
        for benchmark, theirs in by_benchmark.items():
            chosen = rng.sample(theirs, min(len(theirs), 60 if quick else 300))
            pairs = [(item, text) for item in chosen if (text := plant(item, rng))]
            if not pairs:
                continue
            texts = pa.array([plant_in(rng.choice(clean), text, rng) for _, text in pairs], type=pa.large_string())
            for name, index in detectors.items():
                if name == "overlap without MGSM" and way != "translated":
                    continue  # it asks one question only: is a translation found by the original?
                kinds = found_kinds(index, texts, [item for item, _ in pairs])
                dropped = sum(bool(k & set(DecontaminateConfig().drop)) for k in kinds)
                near = sum(k == {"near"} for k in kinds)
                yield {
                    "seed": seed, "way": way, "benchmark": benchmark, "detector": name, "planted": len(pairs),
                    "dropped": dropped, "near": near,
                }  # fmt: skip


def plant_in(document: str, text: str, rng: random.Random) -> str:
    """`text` as a paragraph of its own somewhere in `document`."""
    paragraphs = document.split("\n")
    paragraphs.insert(rng.randrange(len(paragraphs) + 1), f"\n{text}\n")
    return "\n".join(paragraphs)


def found_kinds(index: Index, texts: pa.Array, items: list[Item]) -> list[set[str]]:
    """For each text, the kinds of match with any item (a translation's twin in another benchmark counts too)."""
    kinds: list[set[str]] = [set() for _ in items]
    for match in scan(index, texts).to_pylist():
        kinds[match["row"]].add(match["kind"])
    return kinds


def false_positives(index: Index, innocents: dict[str, list[str]]) -> dict[str, float]:
    """The share of each set of innocent documents that would be dropped."""
    drop = set(DecontaminateConfig().drop)
    shares = {}
    for name, texts in innocents.items():
        matches = scan(index, pa.array(texts, type=pa.large_string())).to_pylist()
        shares[name] = len({m["row"] for m in matches if m["kind"] in drop}) / len(texts)
    everything = sum(shares[name] * len(texts) for name, texts in innocents.items())
    return {**shares, "all": everything / sum(map(len, innocents.values()))}


def python_ngram13(items: list[Item]) -> Callable[[pa.Array], list[int]]:
    """13-gram matching as it is usually written, over the same words: a set of tuples, and a loop over documents."""

    def windows(column: pa.Array) -> Iterator[set[tuple[int, ...]]]:
        words = word_hashes(column)
        for first, last in zip(words.offsets_N1[:-1], words.offsets_N1[1:], strict=True):
            mine = words.hashes_W[first:last].tolist()
            yield {tuple(mine[i : i + 13]) for i in range(len(mine) - 12)}

    parts = [part for item in items for part in (item.question, item.answer, item.passage) if part]
    known = set().union(*windows(pa.array(parts, type=pa.large_string())))
    return lambda texts: [row for row, mine in enumerate(windows(texts)) if not known.isdisjoint(mine)]


def speeds(
    detectors: dict[str, Index], innocents: dict[str, list[str]], items: list[Item], quick: bool
) -> dict[str, Any]:
    """MB/s of every detector on one core, and whether plain Python's 13-gram answers are the same."""
    texts = pa.array([text for some in innocents.values() for text in some], type=pa.large_string())
    few = texts.slice(len(texts) - len(texts) // 8)
    python = python_ngram13(items)
    mine = sorted(set(scan(detectors["ngram13"], few)["row"].to_pylist()))
    same = mine == python(few)
    large = pa.concat_arrays([texts] * (1 if quick else 4))
    work: dict[str, Callable[[], Any]] = {
        name: lambda index=detectors[name]: scan(index, large)  # type: ignore[misc]
        for name in ("overlap", "ngram13")
    }
    work["python"] = lambda: python(few)
    times = interleave(work, 3 if quick else 7)
    size = {"overlap": large.nbytes, "ngram13": large.nbytes, "python": few.nbytes}
    start = time.perf_counter()
    Index.build(items, DecontaminateConfig())
    speed: dict[str, Any] = {name: size[name] / 1e6 / median(seconds) for name, seconds in times.items()}
    return {**speed, "same": same, "build_seconds": time.perf_counter() - start, "megabytes": large.nbytes / 1e6}


def judge(
    rows: list[dict[str, Any]], false: dict[str, dict[str, float]], speed: dict[str, Any]
) -> tuple[dict[str, bool], dict[str, Any]]:
    """The checks and the figures."""
    figures: dict[str, Any] = {}
    for detector in false:
        for way in PLANTS:
            mine = [row for row in rows if row["detector"] == detector and row["way"] == way]
            count = sum(row["planted"] for row in mine)
            if not count:
                continue
            figures[f"{detector}: {way}, dropped"] = round(sum(row["dropped"] for row in mine) / count, 4)
            figures[f"{detector}: {way}, near"] = round(sum(row["near"] for row in mine) / count, 4)
        for name, share in false[detector].items():
            figures[f"{detector}: false positives, {name}"] = round(share, 5)
    figures |= {f"MB/s: {name}": round(speed[name], 1) for name in ("overlap", "ngram13", "python")}
    figures |= {"index_build_seconds": round(speed["build_seconds"], 2), "megabytes": round(speed["megabytes"])}
    checks = {
        "recall_verbatim": figures["overlap: verbatim, dropped"] >= _RECALL,
        "recall_reformatted": figures["overlap: reformatted, dropped"] >= _RECALL,
        "false_positives_under_1_percent": false["overlap"]["all"] < _FALSE,
        "ngram13_equals_python": bool(speed["same"]),
    }
    return checks, figures


def table(figures: dict[str, Any]) -> list[tuple[Any, ...]]:
    """A line per way of planting and set of innocents, a column per detector."""
    names = ("overlap", "ngram13", "overlap without MGSM")

    def line(title: str, what: str, form: str) -> tuple[Any, ...]:
        values = [figures.get(f"{name}: {what}") for name in names]
        return title, *("" if value is None else format(value, form) for value in values)

    lines: list[tuple[Any, ...]] = [("", *names)]
    for way in PLANTS:
        lines.append(line(way, f"{way}, dropped", ".1%"))
        if way in ("edited", "swapped"):
            lines.append(line("  reported as near", f"{way}, near", ".1%"))
    lines += [line(f"false positives, {some}", f"false positives, {some}", ".2%") for some in ("text", "gsm8k_train")]
    lines.append(("MB/s", *(figures[f"MB/s: {name}"] for name in names[:2]), ""))
    return lines


if __name__ == "__main__":
    main()
