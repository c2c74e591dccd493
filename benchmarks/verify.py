"""Verdicts on real answers and on hostile ones: how often they are right, and how fast.

    GSM8K        every gold answer judged against itself, and with one digit changed, by `number` and by `math`
    HumanEval    every canonical solution judged by its hidden tests, and changed so that it returns something else
    pairs        hundreds of hard pairs in LaTeX with known truth (benchmarks/latex_pairs.py), by `math`
    hostile      10 MB, null bytes, right-to-left text, towers of powers, nesting: what the longest verdict takes

The peers are math-verify as it is usually called, in the process, with its own alarm; and the same in a new process for
each check, which is the other way to survive a hang. Rates are of one core: for integers (where ours needs no algebra)
and for hard LaTeX, without the seconds in which libraries load. Pairs of the kind "policy", on whose truth people
differ, are counted apart.

Checks: gold_all_pass, perturbed_all_fail, false_accepts_closed (no pair that differs passes, nor any hostile answer),
no_hang (no verdict takes longer than its verifier's limit and the restart of a child), infra_never_fail (a verifier
that breaks gives no wrong answers). GSM8K and HumanEval need the folder of tasks (see benchmarks/data.py).
"""

from __future__ import annotations

import ast
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.data import data_folder, read_jsonl
from benchmarks.harness import Result, arguments, finish, interleave, median
from benchmarks.latex_pairs import PAIRS, Pair
from midtrain.verify.claims import Claim
from midtrain.verify.pool import Pool
from midtrain.verify.verdict import Outcome, Verdict
from midtrain.verify.verifiers.registry import find

_SLACK = 15.0  # seconds that killing a child and starting another may take on a busy machine
_HOSTILE = {
    "10 MB of digits": "1" * 10_000_000,
    "10 MB of boxes": r"\boxed{" * 1_428_571,
    "10 MB of LaTeX": r"\frac{1}{2}+" * 833_333,
    "null bytes": "1\x002",
    "right-to-left text": "\u202e21\u202c",
    "lone surrogate": "\ud800",
    "tower of powers": "9^{9^{9^9}}",
    "tower in brackets": "((9^{99})^{99})^{9999}",
    "huge factorial": "100000000!",
    "factorial of a sum": r"(10^{8}+x)!",
    "huge binomial": r"\binom{99999}{44444}",
    "deep nesting": "(" * 5000 + "1" + ")" * 5000,
    "nested roots": r"\sqrt{1+" * 22 + "x" + "}" * 22,
    "slow to compute": r"\sin(10^{999}) + \zeta(\frac{1}{3})^{\Gamma(\sqrt{x^{99}})}",
    "a sum of many": "+".join(f"\\sqrt{{{n}}}" for n in range(2, 180)),
}


def main() -> None:
    options = arguments("verify", "Verdicts on real and on hostile answers: accuracy, rates and the longest wait.")
    rows, figures, checks = [], dict[str, Any](), dict[str, bool]()
    with Pool(workers=1) as pool:
        pool.check(_claim("math", r"\sqrt8", r"2\sqrt2"))  # the libraries are loaded before anything is timed
        tasks = list(_tasks(options.quick))
        for name, right, wrong in tasks:
            rows.append(_gold_and_wrong(pool, name, right, wrong))
        pairs, judged = _pairs(pool)
        hostile = _hostile(pool)
        rates = _rates(pool, options.quick)
        infra = _breaking(pool)
    plain = _plain_math_verify(PAIRS)
    figures |= _accuracy("ours", pairs) | _accuracy("math-verify", plain) | rates | hostile
    for row in rows:
        figures |= {f"{row['set']}: {key}": value for key, value in row.items() if key != "set"}
    checks["gold_all_pass"] = all(row["right passed"] == row["right"] for row in rows)
    checks["perturbed_all_fail"] = all(row["wrong failed"] == row["wrong"] for row in rows)
    checks["false_accepts_closed"] = not figures["ours: false accepts"] and not hostile["hostile answers passed"]
    limit = find("math", "the benchmark").seconds + _SLACK
    checks["no_hang"] = max(hostile["longest hostile verdict, s"], *(v.seconds for v in judged)) < limit
    checks["infra_never_fail"] = infra
    result = Result(
        "verify", "hard LaTeX, one core", "checks/s", rates["checks/s, hard LaTeX: ours"],
        rates["checks/s, hard LaTeX: math-verify in process"], "math-verify in process",
        rates["checks/s, hard LaTeX: ours"] / rates["checks/s, hard LaTeX: math-verify in process"],
        checks, figures, [1], rows,
    )  # fmt: skip
    finish(result, [(name, value) for name, value in figures.items()], options.quick, options.json)


def _claim(verifier: str, answer: str, gold: str, **more: Any) -> Claim:
    return Claim(find(verifier, "the benchmark"), answer, gold, more)


def _tasks(quick: bool) -> Iterable[tuple[str, list[Claim], list[Claim]]]:
    """(name, claims that are right, claims that are wrong) of each set of tasks that is here."""
    folder = data_folder()
    if folder is None:
        print("verify: GSM8K and HumanEval are left out, there is no folder of tasks (MIDTRAIN_DATA).")
        return
    golds = [row["answer"].split("####")[1].strip() for row in read_jsonl(folder / "gsm8k_test.jsonl.gz")]
    golds = [gold.replace(",", "") for gold in golds[:: 10 if quick else 1]]
    random_ = random.Random(1)
    for verifier in ("number", "math"):
        right = [_claim(verifier, f"{int(gold):,}" if gold.lstrip("-").isdigit() else gold, gold) for gold in golds]
        wrong = [_claim(verifier, _perturbed(gold, random_), gold) for gold in golds]
        yield f"GSM8K, {verifier}", right, wrong
    problems = list(read_jsonl(folder / "human_eval.jsonl.gz"))[:: 8 if quick else 1]
    yield "HumanEval, code", *_programs(problems)


def _perturbed(number: str, random_: random.Random) -> str:
    """The number with one digit changed."""
    places = [place for place, c in enumerate(number) if c.isdigit()]
    place = random_.choice(places)
    digit = random_.choice([c for c in "123456789" if c != number[place]])
    return number[:place] + digit + number[place + 1 :]


def _programs(problems: list[dict[str, Any]]) -> tuple[list[Claim], list[Claim]]:
    right, wrong = [], []
    for row in problems:
        more = {"entry_point": row["entry_point"], "check": row["test"], "prefix": row["prompt"]}
        mutated = _mutated(row["prompt"] + row["canonical_solution"], row["entry_point"])
        right.append(_claim("code", row["canonical_solution"], "", **more))
        wrong.append(_claim("code", mutated, "", **more))
    return right, wrong


def _mutated(program: str, entry_point: str) -> str:
    """The program with every value that its function returns put into a list."""
    tree = ast.parse(program)
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.name == entry_point:
            for node in ast.walk(function):
                if isinstance(node, ast.Return):
                    node.value = ast.List([node.value or ast.Constant(None)], ast.Load())
    return ast.unparse(ast.fix_missing_locations(tree))


def _gold_and_wrong(pool: Pool, name: str, right: list[Claim], wrong: list[Claim]) -> dict[str, Any]:
    passed = sum(verdict.passed for verdict in pool.check_all(right))
    failed = sum(verdict.judged and not verdict.passed for verdict in pool.check_all(wrong))
    return {"set": name, "right": len(right), "right passed": passed, "wrong": len(wrong), "wrong failed": failed}


def _pairs(pool: Pool) -> tuple[list[tuple[Pair, bool]], list[Verdict]]:
    judged = [pool.check(_claim("math", pair.answer, pair.gold)) for pair in PAIRS]
    return [(pair, verdict.passed) for pair, verdict in zip(PAIRS, judged, strict=True)], judged


def _accuracy(who: str, found: list[tuple[Pair, bool]]) -> dict[str, Any]:
    """Right verdicts, false accepts and false rejects, the kind "policy" left out; and each kind by itself."""
    undisputed = [(pair, passed) for pair, passed in found if pair.kind != "policy"]
    by_kind = defaultdict(list)
    for pair, passed in found:
        by_kind[pair.kind].append(pair.same == passed)
    figures: dict[str, Any] = {
        f"{who}: pairs": len(undisputed),
        f"{who}: accuracy": round(sum(pair.same == passed for pair, passed in undisputed) / len(undisputed), 4),
        f"{who}: false accepts": sum(passed and not pair.same for pair, passed in undisputed),
        f"{who}: false rejects": sum(pair.same and not passed for pair, passed in undisputed),
    }
    return figures | {f"{who}: right, {kind}": f"{sum(right)}/{len(right)}" for kind, right in by_kind.items()}


def _plain_math_verify(pairs: list[Pair]) -> list[tuple[Pair, bool]]:
    return [(pair, _plain(pair.gold, pair.answer)) for pair in pairs]


def _plain(gold: str, answer: str) -> bool:
    """math-verify as its documentation shows it; what it raises is no pass."""
    from math_verify import parse, verify

    try:
        return bool(verify(parse(f"${gold}$"), parse(answer if "boxed" in answer or "$" in answer else f"${answer}$")))
    except Exception:  # a peer that raises has not passed the answer
        return False


def _hostile(pool: Pool) -> dict[str, Any]:
    longest, which, passed, broke = 0.0, "", 0, 0
    for name, answer in _HOSTILE.items():
        start = time.perf_counter()
        verdict = pool.check(_claim("math", answer, r"\sqrt{2}"))
        seconds = time.perf_counter() - start
        passed, broke = passed + verdict.passed, broke + (verdict.outcome is Outcome.INFRA_ERROR)
        if seconds > longest:
            longest, which = seconds, name
    return {
        "hostile answers": len(_HOSTILE), "hostile answers passed": passed,
        "hostile answers that broke the check": broke,
        "longest hostile verdict, s": round(longest, 2), "longest hostile verdict is of": which,
    }  # fmt: skip


def _rates(pool: Pool, quick: bool) -> dict[str, Any]:
    """Checks a second on one core, ours and the peers' turn by turn."""
    integers = [(str(n * 37), str(n * 37 + n % 2)) for n in range(60 if quick else 300)]
    hard = [(p.gold, p.answer) for p in PAIRS if p.kind in ("constant", "expression", "equation")][:: 6 if quick else 2]
    _plain("1", "2")

    def ours(pairs: list[tuple[str, str]]) -> Callable[[], None]:
        def work() -> None:
            with_new_keys = str(time.perf_counter())  # remembered verdicts would be timed otherwise
            for gold, answer in pairs:
                pool.check(_claim("math", answer, gold, run=with_new_keys))

        return work

    times = interleave(
        {
            "integers: ours": ours(integers),
            "integers: math-verify in process": lambda: [_plain(g, a) for g, a in integers],
            "hard LaTeX: ours": ours(hard),
            "hard LaTeX: math-verify in process": lambda: [_plain(g, a) for g, a in hard],
            "hard LaTeX: math-verify, a process each": lambda: [_in_new_process(g, a) for g, a in hard[:3]],
        },
        2 if quick else 5,
    )
    counts = {"integers": len(integers), "hard LaTeX": len(hard)}
    return {
        f"checks/s, {name}": round((3 if "each" in name else counts[name.split(":")[0]]) / median(seconds), 2)
        for name, seconds in times.items()
    }


def _in_new_process(gold: str, answer: str) -> None:
    code = "import sys; from math_verify import parse, verify; verify(parse(sys.argv[1]), parse(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", code, f"${gold}$", f"${answer}$"], capture_output=True, check=False)


def _breaking(pool: Pool) -> bool:
    """Whether golds that cannot be read and a child that is killed while judging give INFRA_ERROR, never FAIL."""
    broken = [pool.check(_claim("math", "5", gold)) for gold in (r"\frac{1}{", "", "(", r"\boxed{")]
    broken.append(pool.check(_claim("number", "5", "five")))
    broken.append(pool.check(_claim("smt", "sat", "sat", smt="(assert (= nobody 1))")))
    broken.append(pool.check(_claim("json", "{}", "{}", schema={"oneOf": []})))
    return all(verdict.outcome is Outcome.INFRA_ERROR and not verdict.judged for verdict in broken)


if __name__ == "__main__":
    main()
