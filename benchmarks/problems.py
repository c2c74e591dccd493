"""Generated problems: how many a minute, whether every answer is true, and how far their words are from people's.

**Rates**, one core, problems a minute: arithmetic with its scratchpad (made), puzzles (made, and their answer proved
the only one by Z3), programs (made, and run against their hidden tests in the sandbox).

**Truth.** Every answer is found again in a way that shares no code with the generator, the strongest that a family
has: `evaluated` (the numbers of the prompt put into the operation by Python), `substituted` (the answer put into the
prompt's equation), `z3` (the clues force the answer, and can hold), `executed` (the reference program passes the
hidden tests), `told` (worded problems: each step holds, and works only with numbers that the story tells, in figures
or words, or that an earlier step found), `steps` (another author's checker finds no false line, and the last line's
number is the answer). What none can judge (orders of letters, dates) is counted as `tests only`.

**Wrong steps** keep the steps before the first error word for word, differ at it, and go on without a second error.

**Words**, per language, of 250 worded problems against the 250 of MGSM in that language (and English also against
GSM8K): distinct 1-, 2- and 3-grams and the gzip ratio, beside those of the real questions; the area under the curve of
a linear classifier of hashed word pairs that is to tell the two apart (0.5: it cannot; cross-validated), and the
squared distance of the mean embeddings (MMD, linear kernel, unbiased). Templates are told apart by any classifier, so
the first says whether there is anything to learn from, the second how much; MGSM's English against GSM8K, people
against people, gives the scale. A number counts as one word. Needs the folder of texts and tasks (benchmarks/data.py).

Checks, set before the first run: no answer and no step is false, no group, wording or held-out family is on both sides
of the split, every first error is where it is said to be; and the floors of the rates (100,000, 5,000 and 1,500).
"""

from __future__ import annotations

import math
import random
import re
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import z3

from benchmarks.data import data_folder, read_jsonl
from benchmarks.harness import Result, arguments, finish
from midtrain.verify.claims import claim_of
from midtrain.verify.config import ProblemsConfig
from midtrain.verify.generate import SETS, families, generate
from midtrain.verify.languages.grammar import Noun
from midtrain.verify.languages.numbers import figures
from midtrain.verify.languages.registry import LANGUAGES
from midtrain.verify.pool import Pool
from midtrain.verify.problem import Problem
from midtrain.verify.verifiers.steps import judged_lines
from midtrain.verify.wrong_steps import corrupt

_FLOORS = {"arithmetic": 100_000, "z3": 5_000, "executed": 1_500}
_ARITHMETIC = ["addition", "subtraction", "multiplication", "modular", "signed_addition", "long_multiplication"]
_TEXTS = 250
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:/\d+)?")
_UNKNOWN = re.compile(r"(?<![a-z])[a-z](?![a-z])")  # a letter in a line of algebra
_CONTEXT = z3.Context()


def main() -> None:
    options = arguments("problems", "Generated problems: rates, truth, disjoint splits, wrong steps, words.")
    seeds = [1] if options.quick else [1, 2, 3]
    with Pool(workers=1) as pool:
        rates = measure_rates(pool, options.quick)
        ways, false = reprove(pool, seeds, 2 if options.quick else 20)
    overlaps = find_overlaps(1_000 if options.quick else 4_000)
    errors, misplaced = check_wrong_steps(seeds, 300 if options.quick else 2_000)
    folder = data_folder()
    words = compare_words(folder) if folder else {}
    checks = {
        "all_true": not false,
        "families_disjoint": not overlaps,
        "first_errors_right": not misplaced,
        **{f"{name}_rate": rates[name] >= floor for name, floor in _FLOORS.items()},
    }
    examples = {"false": false[:5], "overlaps": overlaps[:5], "misplaced": misplaced[:5]}
    figures_ = {"per_minute": rates, "proved": ways, "wrong_steps": errors, "words": words, **examples}
    result = Result(
        "problems", "arithmetic problems a minute, one core", "1/min", rates["arithmetic"], checks=checks,
        figures=figures_, seeds=seeds,
    )  # fmt: skip
    finish(result, table(rates, ways, errors, words), options.quick, options.json)


def measure_rates(pool: Pool, quick: bool) -> dict[str, float]:
    """Problems a minute of each kind, made and (all but arithmetic) judged."""
    names = {
        kind: [family.name for family in SETS[kind] if "train" in family.splits] for kind in ("puzzles", "programs")
    }

    def prove(problem: Problem) -> bool:
        return forced(problem.arguments["smt"], problem.arguments["claim"])

    def execute(problem: Problem) -> bool:
        return pool.check(claim_of(problem, problem.gold, form="chat")).passed

    next(filter(execute, generate(ProblemsConfig(families=names["programs"], count=1, seed=9))))  # the sandbox starts
    return {
        "arithmetic": per_minute(_ARITHMETIC, 20_000 if quick else 36_000, lambda problem: True, time.process_time),
        "z3": per_minute(names["puzzles"], 300 if quick else 3_000, prove, time.process_time),
        "executed": per_minute(names["programs"], 100 if quick else 1_000, execute, time.perf_counter),
    }


def per_minute(names: list[str], count: int, judge: Callable[[Problem], bool], clock: Callable[[], float]) -> float:
    """How many problems a minute are made and judged right, by the processor's clock or, for children, the wall's."""
    start = clock()
    right = sum(judge(problem) for problem in generate(ProblemsConfig(families=names, count=count)))
    return round(60 * right / (clock() - start))


def forced(text: str, claim: str) -> bool:
    """Whether SMT-LIB assertions can hold, and only with `claim`: two questions to Z3 itself, not to our verifier."""
    # The plain solver is the fastest for orders and truth, three times slower than the one for integers at remainders.
    solver = z3.SolverFor("QF_LIA", ctx=_CONTEXT) if "(mod " in text else z3.SimpleSolver(ctx=_CONTEXT)
    solver.add(z3.parse_smt2_string(text, ctx=_CONTEXT))
    declared = "\n".join(line for line in text.splitlines() if line.startswith("(declare"))
    claimed = z3.And(*z3.parse_smt2_string(f"{declared}\n(assert {claim})", ctx=_CONTEXT))
    return solver.check() == z3.sat and solver.check(z3.Not(claimed)) == z3.unsat


def reprove(pool: Pool, seeds: list[int], each: int) -> tuple[dict[str, int], list[str]]:
    """How many problems were proved in each way, `each` of every family, difficulty and language; the false ones."""
    ways: Counter[str] = Counter()
    false = []
    for family in families().values():
        split = "train" if "train" in family.splits else "evaluation"
        for seed in seeds:
            asked = {"families": [family.name], "languages": list(family.langs), "split": split, "seed": seed}
            for problem in generate(ProblemsConfig(count=3 * each * len(family.langs), **asked)):
                way, true = proof(problem, pool)
                ways[way] += 1
                if not true:
                    false.append(f"{way}: {problem.text()}")
    return dict(ways.most_common()), false


def proof(problem: Problem, pool: Pool) -> tuple[str, bool]:
    """The way in which the answer can be found again, and whether that gives it."""
    if "smt" in problem.arguments:
        return "z3", forced(problem.arguments["smt"], problem.arguments["claim"])
    if problem.verifier == "code":
        return "executed", pool.check(claim_of(problem, problem.gold, form="chat")).passed
    if problem.family in _OPERATIONS:
        numbers = [Fraction(one) for one in _NUMBER.findall(problem.prompt)]
        return "evaluated", _OPERATIONS[problem.family](numbers) == Fraction(problem.gold)
    if problem.family in ("linear_equation", "linear_both_sides", "linear_brackets", "linear_rational"):
        return "substituted", substituted(problem)
    if problem.family.startswith("worded_"):
        return "told", told(problem)
    numeric = [step for step in problem.steps if not _UNKNOWN.search(step)]
    judged = list(judged_lines(numeric))
    if True not in judged and False not in judged:
        return "tests only", True
    last = numeric[max(place for place, found in enumerate(judged) if found is not None)]
    numbers_of_gold = _NUMBER.findall(problem.gold)
    stated = all(number.lstrip("-") in last for number in numbers_of_gold) or not numbers_of_gold
    return ("steps", False not in judged) if stated else ("tests only", False not in judged)


def _natural(first: Fraction, second: Fraction) -> tuple[int, int]:
    return int(first), int(second)


_OPERATIONS: dict[str, Callable[[list[Fraction]], Fraction | int]] = {
    "successor": lambda n: n[0] + 1,
    "predecessor": lambda n: n[0] - 1,
    "comparison": max,
    "largest_of_three": max,
    "addition": sum,
    "subtraction": lambda n: max(n) - min(n),
    "multiplication": math.prod,
    "modular": lambda n: n[0] % n[1],
    "long_multiplication": math.prod,
    "gcd": lambda n: math.gcd(*_natural(*n[:2])),
    "lcm": lambda n: math.lcm(*_natural(*n[:2])),
    "power": lambda n: n[0] ** int(n[1]),
    "mean": lambda n: sum(n) / len(n),
    "decimal_addition": sum,
    "decimal_multiplication": math.prod,
    "percent_of": lambda n: n[0] * n[1] / 100,
}


def substituted(problem: Problem) -> bool:
    """Whether the prompt's equation holds with the answer in the place of x."""
    left, right = re.search(r"([-+*/()\dx ]*x[-+*/()\dx ]*|[-+*/()\d ]+) = ([-+*/()\dx ]+)", problem.prompt).groups()
    return all_equal(left, right, Fraction(problem.gold))


def all_equal(left: str, right: str, x: Fraction) -> bool:
    """Two sides written with numbers, x and the four signs, compared exactly."""
    values = []
    for side in (left, right):
        python = re.sub(r"(?<=[\dx)])\s*(?=[x(])", "*", side.strip())
        values.append(eval(re.sub(r"\d+", r"Fraction(\g<0>)", python), {"Fraction": Fraction, "x": x}))
    return values[0] == values[1]


def told(problem: Problem) -> bool:
    """Whether each step of a worded problem holds and works only with numbers told or found before."""
    found: set[int] = set()
    for step in problem.steps:
        left, right = re.search(r"([\d */+-]+) = (\d+)$", step).groups()
        if not all_equal(left, right, Fraction(0)):
            return False
        used = {int(number) for number in re.findall(r"\d+", left)} - found - {100}
        if not all(is_told(number, problem) for number in used):
            return False
        found.add(int(right))
    return int(problem.gold) == int(right)


def is_told(number: int, problem: Problem) -> bool:
    """Whether the prompt tells a number, in figures or in words of any gender."""
    language = LANGUAGES[problem.lang]
    written = {figures(number, problem.lang)}
    if number <= 9_999:
        nouns = [Noun({"": "", "acc": ""}, gender) for gender in range(5)]
        genders = nouns[: 5 if problem.lang == "sw" else 3]
        written |= {language.spell(number, noun, case) for noun in genders for case in ("", "acc")}
    return any(re.search(rf"(?<!\d){re.escape(one)}(?!\d)", problem.prompt) for one in written)


def find_overlaps(count: int) -> list[str]:
    """What stands on both sides of the split: groups, prompts, held-out families and held-out wordings."""
    everything = {"families": "all", "languages": list(LANGUAGES), "count": count}
    train = [p for seed in (1, 2) for p in generate(ProblemsConfig(**everything, seed=seed))]
    evaluation = [p for seed in (1, 2) for p in generate(ProblemsConfig(**everything, seed=seed, split="evaluation"))]
    overlaps = [f"group {group}" for group in {p.group for p in train} & {p.group for p in evaluation}]
    overlaps += [f"prompt {prompt}" for prompt in {p.prompt for p in train} & {p.prompt for p in evaluation}]
    for family in families().values():
        if "train" not in family.splits and any(p.family == family.name for p in train):
            overlaps.append(f"family {family.name}")
        for lang in family.langs:
            spoken = family.in_language(lang)
            overlaps += [f"wording {one}" for one in set(spoken.templates) & set(spoken.held_out_templates)]
    return overlaps


def check_wrong_steps(seeds: list[int], count: int) -> tuple[dict[str, int], list[str]]:
    """How many wrong variants of each kind there are, and those whose first error is not where it is said to be."""
    kinds: Counter[str] = Counter()
    misplaced = []
    for seed in seeds:
        for problem in generate(ProblemsConfig(families="all", count=count, seed=seed)):
            wrong = corrupt(problem, seed)
            if wrong is None:
                kinds["none"] += 1
                continue
            kinds[wrong.kind] += 1
            first = wrong.first_error
            kept = tuple(wrong.steps[:first]) == problem.steps[:first] and wrong.steps[first] != problem.steps[first]
            judged = list(judged_lines(["" if _UNKNOWN.search(step) else step for step in wrong.steps]))
            if not kept or False in judged[:first] or False in judged[first + 1 :]:
                misplaced.append(f"{wrong.kind} at {first}: {wrong.steps} of {problem.steps}")
    return dict(kinds.most_common()), misplaced


def compare_words(folder: Any) -> dict[str, dict[str, Any]]:
    """Per language, what the words of worded problems are like beside those of MGSM."""
    theirs: dict[str, list[str]] = {}
    for row in read_jsonl(folder / "mgsm.jsonl.gz"):
        theirs.setdefault(row["lang"], []).append(row["question"])
    names = [family.name for family in SETS["worded"]]
    rows = {}
    for lang in LANGUAGES:
        ours = [p.prompt for p in generate(ProblemsConfig(families=names, languages=[lang], count=_TEXTS))]
        rows[lang] = {"ours": variety(ours, lang)}
        if lang in theirs:
            rows[lang] |= {"mgsm": variety(theirs[lang], lang), **distance(ours, theirs[lang], lang)}
    people = [row["question"] for row in read_jsonl(folder / "gsm8k_train.jsonl.gz")]
    people = random.Random(0).sample(people, _TEXTS)
    english = [p.prompt for p in generate(ProblemsConfig(families=names, count=_TEXTS))]
    rows["en, GSM8K"] = {"ours": rows["en"]["ours"], "mgsm": variety(people, "en"), **distance(english, people, "en")}
    rows["MGSM, GSM8K"] = {
        "ours": variety(theirs["en"], "en"), "mgsm": variety(people, "en"), **distance(theirs["en"], people, "en")
    }  # fmt: skip
    return rows


def words_of(text: str, lang: str) -> list[str]:
    """Lower-case words, characters in Chinese; a number is one word."""
    text = re.sub(r"\d+(?:[.,\s]\d+)*", " 0 ", text.lower())
    return re.findall(r"[^\W\d]|0" if lang == "zh" else r"[\w\u0980-\u09ff]+", text)


def variety(texts: list[str], lang: str) -> dict[str, float]:
    """Shares of distinct n-grams among all, and bytes over compressed bytes."""
    found: dict[str, float] = {}
    for n in (1, 2, 3):
        grams = [gram for text in texts for gram in ngrams(words_of(text, lang), n)]
        found[f"distinct_{n}"] = round(len(set(grams)) / len(grams), 3)
    data = "\n".join(texts).encode()
    return {**found, "gzip": round(len(data) / len(zlib.compress(data, 9)), 2)}


def ngrams(words: list[str], n: int) -> Iterator[tuple[str, ...]]:
    return zip(*(words[i:] for i in range(n)), strict=False)


def distance(ours: list[str], theirs: list[str], lang: str) -> dict[str, float]:
    """The classifier's area under the curve, and the squared distance of the means."""
    features = np.array([embedding(text, lang) for text in (*ours, *theirs)])
    label = np.array([1.0] * len(ours) + [0.0] * len(theirs))
    scores = np.empty(len(label))
    fold = np.random.default_rng(0).permutation(len(label)) % 5
    for held in range(5):
        weights = logistic(features[fold != held], label[fold != held])
        scores[fold == held] = features[fold == held] @ weights
    order = np.argsort(np.argsort(scores))
    ones = label == 1
    wins = order[ones].sum() - ones.sum() * (ones.sum() - 1) / 2
    return {"auc": round(float(wins / (ones.sum() * (~ones).sum())), 3), "mmd": round(mmd(features, ones), 4)}


def embedding(text: str, lang: str, width: int = 4096) -> np.ndarray:
    """Hashed counts of words and pairs of words, of length 1."""
    words = words_of(text, lang)
    vector = np.zeros(width)
    for gram in (*ngrams(words, 1), *ngrams(words, 2)):
        vector[zlib.crc32(" ".join(gram).encode()) % width] += 1
    return vector / max(1e-9, float(np.linalg.norm(vector)))


def logistic(features: np.ndarray, label: np.ndarray, rounds: int = 200) -> np.ndarray:
    """Weights of a regularised logistic regression by gradient descent."""
    weights = np.zeros(features.shape[1])
    for _ in range(rounds):
        chance = 1 / (1 + np.exp(-features @ weights))
        weights += 4.0 * (features.T @ (label - chance) / len(label) - 1e-4 * weights)
    return weights


def mmd(features: np.ndarray, ones: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy with the linear kernel (Gretton et al. 2012, equation 3)."""
    one, other = features[ones], features[~ones]

    def within(rows: np.ndarray) -> float:
        total = rows.sum(0)
        return float((total @ total - (rows * rows).sum()) / (len(rows) * (len(rows) - 1)))

    return within(one) + within(other) - 2 * float(one.mean(0) @ other.mean(0))


def table(
    rates: dict[str, float], ways: dict[str, int], errors: dict[str, int], words: dict[str, dict[str, Any]]
) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = [("what", "ours", "floor or theirs", "auc", "mmd")]
    rows += [(f"{name} a minute", f"{rate:,.0f}", f"{_FLOORS[name]:,}", "", "") for name, rate in rates.items()]
    rows += [(f"proved: {way}", count, "", "", "") for way, count in ways.items()]
    rows += [(f"wrong step: {kind}", count, "", "", "") for kind, count in errors.items()]
    for lang, row in words.items():
        theirs = row.get("mgsm", {})
        rows.append(
            (f"{lang} distinct-1/2/3, gzip", values(row["ours"]), values(theirs), row.get("auc"), row.get("mmd"))
        )
    return rows


def values(found: dict[str, float]) -> str:
    return " ".join(f"{value:g}" for value in found.values())


if __name__ == "__main__":
    main()
