"""Heuristic rules against datatrove and plain Python: Gopher repetition and quality, FineWeb, C4, Parquet to Parquet.

Every contestant reads, measures, filters and writes in a process of its own on one core; then ours runs on all cores,
a process for each. The peers are slow, so they get the first few megabytes of the same documents. A rate on one core is
per second of processor time, threads and all, so that a busy machine disturbs it less; on all cores it is per second.

Whether the work is the same is seen twice. `equals_reference`: each statistic of each document is that of a plain
Python implementation. `agrees_with_datatrove`: the decisions of each set of rules are datatrove's for 98 % of real
texts; every document they differ on is listed with the numbers, and belongs to one of these classes:

  words       datatrove splits words with spaCy, whose lists of exceptions (abbreviations, units, web addresses, and
              emoticons such as the "):" of every Python function) we do not have; a share near its threshold falls on
              the other side
  sentences   "Mr." and "e.g." are exceptions there and end a sentence here
  quotes      C4's lines may end in any quotation mark here, only in " and ' there
  lines       a line of white space is blank here, a line there; a carriage return is part of a line there only
  numbers     a repeated run of words is compared as words here, as letters without the spaces there
  spaces      white space at the end of a line hides its punctuation from datatrove's FineWeb filter. We do not follow
              it, and measure apart from it: texts are compared without it (figure `agreement_as_written` with it)

`product` is another thing, timed beside: all that `midtrain curate` does on one core, from languages and personal data
to near-duplicates and evaluation items. It gets documents that come once only, or most would be dropped unmeasured.

Goals, set before the first run: 300 times datatrove and 10 times plain Python on one core; 25 MB/s.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.data import data_folder, read_jsonl
from benchmarks.harness import Result, arguments, finish, median
from benchmarks.peers.python_rules import statistics_of
from benchmarks.tokenize_vs_tokenizers import texts as machine_texts
from midtrain.documents.curation.rules import decide
from midtrain.documents.curation.rules_config import RULES, RulesConfig
from midtrain.text.statistics import statistics
from midtrain.text.stop_words import STOP_WORDS

GOAL, GOAL_PYTHON, GOAL_RATE, AGREEMENT = 300, 10, 25, 0.98
_HERE = Path(__file__).parent
_PEER_PYTHON = _HERE.parent / ".venv-peers" / "bin" / "python"
_REAL = ("speeches", "movie_reviews", "books", "the_algorithms_python", "gsm8k_train")
_WORDS = "words: spaCy's exceptions (abbreviations, units, web addresses, emoticons)"
_SETS = {"gopher_quality": ("gopher_quality", "datatrove")}
_LIKE_DATATROVE = RulesConfig(without=("alphabetic_words",))  # datatrove counts punctuation as words there
_CLASSES = {
    "few_sentences": "sentences: abbreviations, or quotes: lines that end in other quotation marks",
    "too_few_sentences": "sentences: abbreviations, or quotes: lines that end in other quotation marks",
    "line_punct_ratio": "spaces: white space at the end of lines",
    "dup_line_frac": "lines: blank lines that hold white space",
    "dup_line_char_frac": "lines: blank lines that hold white space",
    "duplicate_lines": "lines: blank lines that hold white space",
    "duplicate_line_characters": "lines: blank lines that hold white space",
    "dup_para_frac": "lines: blank lines that hold white space",
    "duplicate_paragraphs": "lines: blank lines that hold white space",
}


def start(name: str, out: Path, files: list[Path], core: int) -> subprocess.Popen[bytes]:
    """Start a contestant on `files` (all of one folder, for datatrove) on one core; it writes its times to `out`."""
    if name == "datatrove":
        command = [
            str(_PEER_PYTHON),
            str(_HERE / "peers" / "datatrove_rules.py"),
            "time",
            str(files[0].parent),
            str(out),
        ]
    else:
        command = [sys.executable, "-m", "benchmarks.peers.rules_ours", name, str(out), *map(str, files)]
    return subprocess.Popen(
        command,
        cwd=_HERE.parent,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        env={**os.environ, "OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def run(name: str, parts: list[list[Path]], cores: list[int]) -> tuple[float, float]:
    """Have a contestant do every part, each on its core at once: (seconds until all is done, seconds of processor)."""
    with tempfile.TemporaryDirectory() as folder:
        outs = [Path(folder, f"{number}.json") for number in range(len(parts))]
        started = [start(name, out, files, core) for out, files, core in zip(outs, parts, cores, strict=True)]
        for process in started:
            _, errors = process.communicate()
            if process.returncode:
                raise RuntimeError(f"{name} failed:\n{errors.decode()[-3000:]}")
        found = [json.loads(out.read_text()) for out in outs]
        return max(one["seconds"] for one in found), sum(one["cpu_seconds"] for one in found)


def real_texts(count: int, longest: int = 20_000) -> list[str]:
    """Pieces of at most `longest` characters, shuffled: of `count` each of speeches, reviews, novels, code and word
    problems where they lie on this machine, and of a quarter as many of its Python files."""
    folder = data_folder()
    found = [text for _, text in islice(machine_texts(), count // 4)]
    for name in _REAL if folder else ():
        rows = islice(read_jsonl(folder / f"{name}.jsonl.gz"), count)
        found += [row.get("text") or f"{row['question']}\n{row['answer']}" for row in rows]
    pieces = [text[at : at + longest] for text in found for at in range(0, len(text), longest)]
    Random(0).shuffle(pieces)
    return pieces


def write_parquet(folder: Path, texts: list[str], size: int, files: int) -> list[Path]:
    """Write about `size` characters of `texts`, again from the first where they run out, to `files` files.

    No rule looks at another document, so a text that comes twice is twice the work.
    """
    folder.mkdir()
    paths = [folder / f"{number}.parquet" for number in range(files)]
    endless = cycle(texts)
    for path in paths:
        with pq.ParquetWriter(path, pa.schema([("text", pa.string())])) as writer:
            written = 0
            while written < size // files:
                some = list(islice(endless, 1000 if size > 10_000_000 else 100))
                written += sum(map(len, some))
                writer.write_table(pa.table({"text": some}))
    return paths


def peer_decisions(texts: list[str]) -> list[dict[str, str]]:
    """What datatrove says of each text: by set of rules, why it goes, or ""."""
    with tempfile.TemporaryDirectory() as folder:
        ids = [str(number) for number in range(len(texts))]
        pq.write_table(pa.table({"id": ids, "text": texts}), Path(folder, "texts.parquet"))
        out = Path(folder, "decisions.json")
        script = str(_HERE / "peers" / "datatrove_rules.py")
        subprocess.run([str(_PEER_PYTHON), script, "decide", folder, str(out)], check=True, capture_output=True)
        found = json.loads(out.read_text())
        return [found[number] for number in ids]


def agreement(texts: list[str]) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """(share of texts decided alike, by set of rules and in `all`; the texts that are not, with the numbers)."""
    peers, columns = peer_decisions(texts), statistics(pa.array(texts, pa.large_string()))
    ours_all, peer_all = np.ones(len(texts), dtype=bool), np.ones(len(texts), dtype=bool)
    shares, apart = {}, []
    for name in RulesConfig().sets:
        index, reasons = decide(columns, _LIKE_DATATROVE.model_copy(update={"sets": _SETS.get(name, (name,))}))
        kept, peer_kept = index < 0, np.array([not verdict[name] for verdict in peers])
        ours_all, peer_all = ours_all & kept, peer_all & peer_kept
        shares[name] = float(np.mean(kept == peer_kept))
        for i in np.flatnonzero(kept != peer_kept).tolist():
            mine, theirs = reasons[index[i]] if index[i] >= 0 else "", peers[i][name]
            row = {"set": name, "ours": mine, "datatrove": theirs, "class": _CLASSES.get(mine or theirs, _WORDS)}
            if mine:
                row |= {"value": float(columns[RULES[mine].statistic][i]), "threshold": RULES[mine].threshold}
            apart.append(row)
    shares["all"] = float(np.mean(ours_all == peer_all))
    return shares, apart


def equals_reference(texts: list[str]) -> bool:
    """Whether every statistic of every text is that of plain Python."""
    found = statistics(pa.array(texts, pa.large_string()))
    for i, text in enumerate(texts):
        for name, value in statistics_of(text, STOP_WORDS["en"]).items():
            if found[name][i] != found[name].dtype.type(value):
                print(f"{name}: {found[name][i]} is not {value} for {text[:80]!r}", file=sys.stderr)
                return False
    return True


def time_all(work: Path, sizes: tuple[int, int, int], rounds: int, peers: list[str], result: Result) -> None:
    """Time all contestants, turn by turn, on one core and ours on all; adds a row per round."""
    cores = sorted(os.sched_getaffinity(0))
    texts = real_texts(2000)
    parts = len(cores) * max(4 // len(cores), 1)
    files = {
        name: write_parquet(work / name, texts, size, parts if name == "large" else 1)
        for name, size in zip(("large", "middle", "small"), sizes, strict=True)
    }
    files["once"] = write_parquet(work / "once", texts, 3 * sum(map(len, texts)) // 4, 1)
    size = {name: sum(pq.read_table(path)["text"].nbytes for path in paths) for name, paths in files.items()}
    given = {"ours": "large", "product": "once", "python": "middle", "datatrove": "small"}
    for number in range(rounds):
        row: dict[str, Any] = {"round": number}
        for name in ["ours", "product", "python", *peers]:
            elapsed, processor = run(name, [files[given[name]]], cores[-1:])
            row |= {name: size[given[name]] / 1e6 / processor, f"{name}_elapsed": size[given[name]] / 1e6 / elapsed}
        shares = [files["large"][i :: len(cores)] for i in range(len(cores))]
        row["ours_all_cores"] = size["large"] / 1e6 / run("ours", shares, cores)[0]
        result.rows.append(row)


def main() -> None:
    """Run the benchmark; see --help."""
    options = arguments("curate_vs_datatrove", "Heuristic rules against datatrove and plain Python.")
    sizes, rounds, count = (
        ((40_000_000, 4_000_000, 1_000_000), 1, 40) if options.quick else ((200_000_000, 20_000_000, 5_000_000), 3, 300)
    )
    peers = ["datatrove"] if _PEER_PYTHON.exists() else []
    result = Result("curate_vs_datatrove", "Parquet to Parquet", "MB/s of processor time", seeds=[0])
    with tempfile.TemporaryDirectory() as work:
        time_all(Path(work), sizes, rounds, peers, result)
    as_written = real_texts(count)
    texts = [re.sub(r"[^\S\n]+$", "", text, flags=re.MULTILINE) for text in as_written]
    rates = {name: median([row[name] for row in result.rows]) for name in result.rows[0] if name != "round"}
    cores = len(os.sched_getaffinity(0))
    python_ratio = median([row["ours"] / row["python"] for row in result.rows])
    scaling = median([row["ours_all_cores"] / row["ours_elapsed"] for row in result.rows])
    result.ours = rates["ours"]
    result.checks = {
        "equals_reference": equals_reference(texts),
        "scales_with_cores": scaling >= 0.8 * cores,
        "goal_10x_python": python_ratio >= GOAL_PYTHON,
        "goal_25_mb_s": rates["ours"] >= GOAL_RATE,
    }
    result.figures = {"rates": rates, "ratio_python": python_ratio, "scaling": scaling, "texts": len(texts)}
    if peers:
        compare(texts, as_written, rates, result)
    else:
        print(f"no peer: {_PEER_PYTHON.parent.parent} is missing; datatrove is left out", file=sys.stderr)
    table = [("what", "MB/s"), *((name, f"{rate:.2f}") for name, rate in rates.items())]
    finish(result, table, options.quick, options.json)


def compare(texts: list[str], as_written: list[str], rates: dict[str, float], result: Result) -> None:
    """Add datatrove's part to the result: the ratio, how often it decides alike and where it does not."""
    shares, apart = agreement(texts)
    result.peer_name, result.peer = "datatrove", rates["datatrove"]
    result.ratio = median([row["ours"] / row["datatrove"] for row in result.rows])
    result.checks |= {"agrees_with_datatrove": min(shares.values()) >= AGREEMENT, "goal_300x": result.ratio >= GOAL}
    result.figures |= {
        "agreement": shares,
        "agreement_as_written": agreement(as_written)[0],
        "classes": dict(Counter(row["class"] for row in apart)),
        "apart": apart,
    }


if __name__ == "__main__":
    main()
