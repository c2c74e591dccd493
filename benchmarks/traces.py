"""Defects planted in correct reasoning traces: how many are found, how many clean traces are accused, what is mended.

Clean traces are GSM8K's worked solutions (where the folder of texts and tasks is there) and the solutions of generated
problems, each in one of four forms: plain with a marked answer, a thought with a boxed or a marked answer, and a
thought that checks itself once. Each defect is planted in several ways models show it. One author wrote the plants and
the detector, so what models come up with next may be found less often than this.

Recall is over the traces with a defect planted; precision over everything that was accused of it: clean traces and
traces in which another defect was planted. What a plant brings along by its nature (whoever checks eight times has
also thought on for too long) counts for neither. The Universal Declaration of Human Rights in eight languages, which
is prose of that language and nothing else, must be free of mixing.

Checks, set before the first run: recall at least 0.95 and precision at least 0.98 for each defect, at most 1 % of clean
traces accused of anything, and every repaired trace verified.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from benchmarks.data import data_folder, read_jsonl
from benchmarks.harness import Result, arguments, finish
from midtrain.verify.config import ProblemsConfig
from midtrain.verify.generate import generate
from midtrain.verify.judge import verify
from midtrain.verify.problem import Problem
from midtrain.verify.traces.config import Reason
from midtrain.verify.traces.inspection import inspect
from midtrain.verify.traces.repair import repair
from midtrain.verify.traces.trace import Trace

_RECALL, _PRECISION, _CLEAN = 0.95, 0.98, 0.01


class Case(NamedTuple):
    """A correct solution: its problem, its steps, and the trace made of them."""

    problem: Problem
    steps: list[str]
    trace: Trace


class Planted(NamedTuple):
    """A trace with a defect, and what else that defect is bound to show."""

    trace: Trace
    also: frozenset[Reason] = frozenset()
    shortest: str | None = None


def main() -> None:
    options = arguments("traces", "Defects planted in correct reasoning traces: precision, recall, repair and speed.")
    seeds = [1] if options.quick else [1, 2, 3]
    rows, cases = [], []
    for seed in seeds:
        cases = list(clean_cases(random.Random(seed), 400 if options.quick else 4000))
        rows += measure(cases, seed)
    figures = {"clean traces": len(cases), **summary(rows), **prose(), **speed(cases), **mended(cases[:400])}
    reasons = [reason for reason in Reason if f"recall: {reason}" in figures]
    checks = {
        "every_defect_planted": len(reasons) == len(Reason),
        "recall_per_defect": all(figures[f"recall: {reason}"] >= _RECALL for reason in reasons),
        "precision_per_defect": all(figures[f"precision: {reason}"] >= _PRECISION for reason in reasons),
        "clean_untouched": figures["clean accused"] <= _CLEAN,
        "prose_untouched": figures["prose accused of mixing"] == 0,
        "repairs_verified": figures["repairs that fail verification"] == 0,
    }
    table = [("defect", "recall", "precision")]
    table += [(reason.value, figures[f"recall: {reason}"], figures[f"precision: {reason}"]) for reason in reasons]
    result = Result("traces", "traces inspected, one core", "MB/s", ours=figures["MB/s: 8 kB"], checks=checks)
    finish(replace(result, figures=figures, seeds=seeds, rows=rows), table, options.quick, options.json)


def clean_cases(rng: random.Random, count: int) -> Iterator[Case]:
    """Half GSM8K, half generated problems (all generated without the folder), in four forms by turns."""
    problems = list(gsm8k(rng, count // 2))
    config = ProblemsConfig(count=count - len(problems), seed=rng.randrange(1000))
    problems += [problem for problem in generate(config) if problem.steps]
    for number, problem in enumerate(problems):
        text = form(problem, number % 4)
        yield Case(problem, list(problem.steps), Trace.of(problem, text))


def gsm8k(rng: random.Random, count: int) -> Iterator[Problem]:
    """GSM8K's training problems, without their calculator notes."""
    folder = data_folder()
    rows = list(read_jsonl(folder / "gsm8k_train.jsonl.gz")) if folder else []
    for row in rng.sample(rows, min(count, len(rows))):
        worked, gold = re.sub(r"<<[^>]*>>", "", row["answer"]).split("\n#### ")
        gold = gold.replace(",", "").strip()
        parts = {"question": row["question"], "answer": gold, "passage": None}
        yield Problem(
            row["question"], gold, "number", {}, parts, "gsm8k", 1, "train", row["id"], tuple(worked.split("\n"))
        )


def form(problem: Problem, kind: int) -> str:
    """The solution as one of four kinds of trace."""
    steps, gold = "\n".join(problem.steps), problem.gold
    if kind == 0:
        return f"{steps}\nAnswer: {gold}\n"
    if kind == 1:
        return f"<think>\n{steps}\nSo the answer is {gold}.\n</think>\n\n{steps}\n\nAnswer: {gold}"
    if kind == 2:
        thought = f"<think>\n{steps}\n\nThat gives {gold}.\n</think>"
        return f"{thought}\n\nHere is the solution.\n\n{steps}\n\n$\\boxed{{{gold}}}$"
    check = f"Let me check this.\n{problem.steps[-1]}\nYes, that works."
    return f"<think>\n{steps}\n{check}\nThe answer is {gold}.\n</think>\n\nAnswer: {gold}"


def another(problem: Problem, rng: random.Random) -> str:
    """An answer of the same kind that is not right."""
    gold = problem.gold
    if re.fullmatch(r"-?\d+", gold):
        return str(int(gold) + rng.choice([-7, -2, 3, 10, 45]))
    options = [option for option in problem.arguments.get("options", ()) if option.casefold() != gold.casefold()]
    if options:
        return str(rng.choice(options))
    parts = gold.split(" ")
    letters = "abcdefghijklmnopqrstuvwxyz"
    if len(set(parts)) > 1:
        return " ".join([*parts[1:], parts[0]])
    if len(gold) == 1:
        return rng.choice([letter for letter in letters if letter != gold])
    return {"True": "False", "False": "True"}.get(gold, str(rng.randrange(3000, 9000)))


def with_thought(case: Case, thought: list[str], gold: str | None = None) -> Trace:
    """A trace that thinks `thought` and then answers."""
    text = "<think>\n" + "\n".join(thought) + f"\n</think>\n\nAnswer: {gold or case.problem.gold}"
    return Trace.of(case.problem, text)


def cut_off(case: Case, rng: random.Random) -> Planted:
    kind = rng.randrange(3)
    if kind == 0:  # the budget ended it, and the engine says so
        return Planted(replace(case.trace, text=case.trace.text[: rng.randrange(20, 60)], truncated=True))
    if kind == 1:  # a thought that never ends
        thought = "<think>\n" + " ".join(case.steps)
        return Planted(Trace.of(case.problem, thought[: max(20, int(len(thought) * rng.uniform(0.4, 0.95)))]))
    words = ("We begin with what is given. " + " ".join(case.steps) + " From this it follows that the total of").split(
        " "
    )
    return Planted(Trace.of(case.problem, " ".join(words)))


def garble(case: Case, rng: random.Random) -> Planted:
    junk = rng.choice(
        ["<|im_end|>", "<|endoftext|>", "\ufffd\ufffd", "\nUser: And the next one?", "</s>", "[/INST]", "\x00"]
    )
    steps = list(case.steps)
    steps.insert(rng.randrange(len(steps) + 1), f"So far so good. {junk}")
    return Planted(with_thought(case, steps))


def think_nothing(case: Case, rng: random.Random) -> Planted:
    empty = rng.choice(["", "\n", "\n\n", " ... ", "\n---\n"])
    return Planted(Trace.of(case.problem, f"<think>{empty}</think>\n\n{case.problem.solution()}"))


def contradict(case: Case, rng: random.Random) -> Planted:
    wrong = another(case.problem, rng)
    if rng.random() < 0.5:
        thought = [*case.steps, f"The answer is {case.problem.gold}."]
        return Planted(with_thought(case, thought, gold=wrong))
    thought = [*case.steps, rng.choice(["So the final answer is", "Therefore the answer must be"]) + f" {wrong}."]
    return Planted(with_thought(case, thought))


def loop(case: Case, rng: random.Random) -> Planted:
    kind, steps = rng.randrange(4), list(case.steps)
    place = rng.randrange(len(steps) + 1)
    if kind == 0:
        sentence = rng.choice(["We need to look at the total number of items here.", "I have to add them all up now."])
        steps[place:place] = [sentence] * rng.randrange(5, 40)
    elif kind == 1:
        steps[place:place] = [
            " ".join([rng.choice(["and then again", "so we get", "plus more"])] * rng.randrange(12, 80))
        ]
    elif kind == 2:
        unit = "now take the first number from the list and compare it to the second one, "
        steps[place:place] = [unit * rng.randrange(5, 30)]
    else:
        steps = [
            step for _ in range(rng.randrange(11, 14)) for step in [*case.steps, "This is what was asked for here."]
        ]
    return Planted(with_thought(case, steps))


FOREIGN = [
    "\u6240\u4ee5",  # zh: so
    "\u56e0\u6b64\u603b\u6570\u662f",  # zh: therefore the total is
    "\u6211\u4eec\u9700\u8981\u8ba1\u7b97",  # zh: we need to calculate
    "\u0441\u043b\u0435\u0434\u043e\u0432\u0430\u0442\u0435\u043b\u044c\u043d\u043e",  # ru: consequently
    "\u0443 \u043d\u0435\u0433\u043e \u043e\u0441\u0442\u0430\u043b\u043e\u0441\u044c",  # ru: he had left
    "\uadf8\ub798\uc11c",  # ko: so
    "\u3057\u305f\u304c\u3063\u3066",  # ja: therefore
    "\u0644\u0630\u0644\u0643",  # ar: therefore
    "\u0907\u0938\u0932\u093f\u090f",  # hi: therefore
]
SENTENCES = [
    "Das ist die Anzahl der \u00c4pfel, die er am Ende des Tages noch in seinem Korb hat.",
    "Por lo tanto, el n\u00famero total de las manzanas que tiene en la cesta es el doble.",
    "Il faut maintenant ajouter le nombre de pommes qui restent dans le panier de la voisine.",
    "Quindi il numero totale delle mele che sono nel cesto non \u00e8 ancora il risultato della somma.",
    "We moeten nu het aantal appels dat in de mand zit bij het totaal van de ochtend optellen.",
]


def mix(case: Case, rng: random.Random) -> Planted:
    steps = list(case.steps)
    place = rng.randrange(len(steps))
    if rng.random() < 0.5:
        steps.insert(place, rng.choice(SENTENCES))
    else:
        words = ("Then we go on with " + steps[place]).split(" ")
        words.insert(rng.randrange(1, min(len(words), 5)), rng.choice(FOREIGN))
        steps[place] = " ".join(words)
    return Planted(with_thought(case, steps))


TALK = [
    "As an AI language model, I can only work with the numbers given.", "I am ChatGPT, so I will go step by step.",
    "I was trained by OpenAI to be helpful.", "My knowledge cutoff is 2023, but this needs no facts.",
    "I'm Claude, and I will solve this.", "As a large language model I cannot see the picture.",
    "As of my last update in September 2021, prices were different.", "I am an AI assistant created by Alibaba Cloud.",
    "My training data does not include that.", "I\u2019m DeepSeek-R1, an AI assistant.",
]  # fmt: skip


def talk_of_itself(case: Case, rng: random.Random) -> Planted:
    steps = list(case.steps)
    steps.insert(rng.randrange(len(steps) + 1), rng.choice(TALK))
    return Planted(with_thought(case, steps))


def change(case: Case, rng: random.Random) -> Planted:
    gold, wrong = case.problem.gold, another(case.problem, rng)
    turn = rng.choice(["No, I misread the question.", "But that cannot be it.", "Hold on, that was too quick."])
    thought = [*case.steps, f"So the answer is {gold}.", turn, f"The answer should be {wrong}."]
    if rng.random() < 0.5:
        thought += ["That was wrong after all.", f"The answer is {gold}."]
        return Planted(with_thought(case, thought), frozenset({Reason.REVERIFICATION}))
    return Planted(with_thought(case, thought, gold=wrong))


def guess(case: Case, rng: random.Random) -> Planted:
    tries = rng.sample(range(10_000, 99_999), rng.randrange(4, 7))
    thought = [line for number in tries for line in (f"The answer is {number}.", "That does not fit what is given.")]
    thought = [*thought, *case.steps, f"So the answer is {case.problem.gold}."]
    return Planted(with_thought(case, thought))


def leave_open(case: Case, rng: random.Random) -> Planted:
    gold, steps = case.problem.gold, "\n".join(case.steps)
    text = rng.choice(
        [
            f"<think>\n{steps}\n\nAnswer: {gold}",
            f"{steps}\nThis can be written as $\\frac{{1}}{{2}} + x as a sum.\n\nAnswer: {gold}",
            f"{steps}\n```python\nprint({len(steps)})\n\nAnswer: {gold}",
            f"{steps}\n\nThe answer is $\\boxed{{{gold}$.",
            f"<think>\n{steps}\nWe use \\[ a + b = c here.\n</think>\n\nAnswer: {gold}",
            f"<think>\n{steps}\n</think>\n</think>\n\nAnswer: {gold}",
            f"<think>\n{steps}\n</think>\n\n<answer>{gold}\n\nAnswer: {gold}",
            f"{steps}\n\\begin{{align}} a &= b \\\\ c &= d\n\nAnswer: {gold}",
        ]
    )
    return Planted(Trace.of(case.problem, text))


def think_on(case: Case, rng: random.Random) -> Planted:
    """The answer first, then everything once more and in between remarks that lead nowhere."""
    gold = case.problem.gold
    idle = [
        "The question could also have been asked the other way round, with the total given.",
        "In that case one of the amounts would be missing, and it would have to be found by subtraction.",
        "It is interesting that the numbers are so small, since larger ones would have needed more steps.",
        "One could also draw a picture of it, with a bar for each of the amounts that are named.",
        "The order in which the amounts are taken makes no difference for a sum.",
        "A table would do as well, with one row for each step and one column for each amount.",
    ]
    tail = rng.sample(idle, 4) + case.steps * 2
    return Planted(with_thought(case, [*case.steps, f"So the answer is {gold}.", *tail]))


RECHECKS = [
    "Let me double-check that.", "Let me verify the sum once more.", "I should check this again.",
    "To be sure, let me recalculate everything.", "Let me go through the steps one more time.", "Let's re-check.",
    "Just to make sure, I will verify it again.", "Let me recount.",
]  # fmt: skip


def check_again(case: Case, rng: random.Random) -> Planted:
    gold, thought = case.problem.gold, [*case.steps, f"So the answer is {case.problem.gold}."]
    for number, remark in enumerate(rng.sample(RECHECKS, rng.randrange(4, 7)), 2):
        thought += [
            remark,
            *(f"({number}) {step}" for step in case.steps[-2:]),
            "It comes out as before.",
        ]
    return Planted(with_thought(case, [*thought, f"Yes, {gold}."]), frozenset({Reason.OVERTHINKING, Reason.HEDGING}))


DOUBTS = [
    "Hmm, I'm not sure about this.", "Wait, is that right?", "Maybe I should read it differently.", "Hmm.",
    "Perhaps it is the other amount that matters.", "Wait, no.", "Actually, that might not be what is meant.",
    "But wait, what about the first one?", "I'm confused now.", "Alternatively, one could start from the end.",
    "That doesn't seem right.", "Oh, hold on.", "Let me think.", "I wonder if this even works.", "Let me start over.",
    "Or is it the second number?", "Ugh, I don't know.",
]  # fmt: skip


def doubt(case: Case, rng: random.Random) -> Planted:
    thought = []
    for step in case.steps:
        thought += [*rng.sample(DOUBTS, 2 + len(step) // 60), step]
    thought += rng.sample(DOUBTS, 6)
    return Planted(with_thought(case, thought))


def stretch(case: Case, rng: random.Random) -> Planted:
    shortest = case.problem.solution()
    kinds = [
        "In step {} we take the amount {} and write it down.",
        "Amount {} goes with {}.",
        "{} comes before {} here.",
    ]
    filler = [rng.choice(kinds).format(n + 1, n * 7 % 13) for n in range(400)]
    thought = [*filler[: max(40, 8 * len(shortest) // 20)], *case.steps]
    return Planted(with_thought(case, thought), shortest=shortest)


PLANTS: dict[Reason, Callable[[Case, random.Random], Planted]] = {
    Reason.TRUNCATED: cut_off,
    Reason.GARBLED: garble,
    Reason.EMPTY_THINKING: think_nothing,
    Reason.INCONSISTENT: contradict,
    Reason.REPETITION: loop,
    Reason.LANGUAGE_MIXING: mix,
    Reason.IDENTITY: talk_of_itself,
    Reason.ANSWER_CHANGED: change,
    Reason.GUESSING: guess,
    Reason.UNCLOSED: leave_open,
    Reason.OVERTHINKING: think_on,
    Reason.REVERIFICATION: check_again,
    Reason.HEDGING: doubt,
    Reason.OVERLONG: stretch,
}


def measure(cases: list[Case], seed: int) -> Iterator[dict[str, Any]]:
    """A row for the clean traces and one for each defect planted in them, with how often each reason was given."""
    rng = random.Random(seed)
    counts = Counter(defect.reason for case in cases for defect in inspect(case.trace))
    accused = sum(bool(inspect(case.trace)) for case in cases)
    yield {"seed": seed, "planted": "", "traces": len(cases), "accused": accused, "reasons": counts}
    for reason, plant in PLANTS.items():
        counts = Counter()
        chosen = rng.sample(cases, min(len(cases), 400))
        for case in chosen:
            planted = plant(case, rng)
            found = {defect.reason for defect in inspect(planted.trace, shortest=planted.shortest)}
            counts.update(found - planted.also)
        yield {"seed": seed, "planted": reason, "traces": len(chosen), "reasons": counts}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Recall and precision of each defect and the share of clean traces accused."""
    figures: dict[str, Any] = {}
    for reason in PLANTS:
        mine = [row for row in rows if row["planted"] == reason]
        right = sum(row["reasons"][reason] for row in mine)
        named = sum(row["reasons"][reason] for row in rows)
        figures[f"recall: {reason}"] = round(right / sum(row["traces"] for row in mine), 4)
        figures[f"precision: {reason}"] = round(right / max(named, 1), 4)
    clean = [row for row in rows if not row["planted"]]
    figures["clean accused"] = round(sum(row["accused"] for row in clean) / sum(row["traces"] for row in clean), 5)
    return figures


UDHR = {
    "en": "eng",
    "de": "deu",
    "es": "spa",
    "fr": "fra",
    "ru": "rus",
    "zh": "cmn_hans",
    "sw": "swh",
    "bn": "ben",
}


def prose() -> dict[str, Any]:
    """How often prose in each of eight languages is accused of mixing languages."""
    folder, accused, paragraphs = data_folder(), 0, 0
    rows = read_jsonl(folder / "udhr.jsonl.gz") if folder else ()
    texts = {row["id"].removeprefix("udhr/"): row["text"] for row in rows}
    for lang, code in UDHR.items():
        for paragraph in texts.get(code, "").split("\n"):
            paragraphs += bool(paragraph.strip())
            accused += any(d.reason is Reason.LANGUAGE_MIXING for d in inspect(Trace(paragraph, lang)))
    return {"prose paragraphs": paragraphs, "prose accused of mixing": accused}


def speed(cases: list[Case]) -> dict[str, Any]:
    """MB/s of traces of some 8 kB (many solutions in one thought) and traces of some 500 bytes a second."""
    steps = [step for case in cases for step in case.steps]
    size = max(1, int(8000 * len(steps) / sum(map(len, steps))))
    long = [with_thought(cases[0], steps[i : i + size]) for i in range(0, min(len(steps), 100 * size), size)]
    figures = {}
    for name, traces in (("8 kB", long), ("as they are", [case.trace for case in cases])):
        fresh = [replace(trace) for trace in traces]
        start = time.process_time()
        for trace in fresh:
            inspect(trace)
        seconds = time.process_time() - start
        figures[f"MB/s: {name}"] = round(sum(len(trace.text.encode()) for trace in traces) / 1e6 / seconds, 2)
        figures[f"traces/s: {name}"] = round(len(traces) / seconds)
    return figures


def mended(cases: list[Case]) -> dict[str, Any]:
    """The share of traces that think on, check again or leave something open that a repair makes clean."""
    rng = random.Random(5)
    figures: dict[str, Any] = {}
    failed = 0
    for reason in (Reason.OVERTHINKING, Reason.REVERIFICATION, Reason.UNCLOSED):
        done = 0
        for case in cases:
            planted = PLANTS[reason](case, rng).trace
            repaired = repair(planted, lambda text, problem=case.problem: verify(problem, text, "chat"))  # type: ignore[misc]
            done += repaired is not None
            failed += repaired is not None and not verify(case.problem, repaired.text, "chat").passed
        figures[f"repaired: {reason}"] = round(done / len(cases), 4)
    return {**figures, "repairs that fail verification": failed}


if __name__ == "__main__":
    main()
