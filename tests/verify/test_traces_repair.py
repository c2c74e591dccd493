"""Repairs of reasoning traces: they cut or close, they are verified, and they never make a wrong answer right."""

import pytest

from midtrain.verify.config import ProblemsConfig
from midtrain.verify.generate import generate
from midtrain.verify.judge import verify
from midtrain.verify.traces.config import Reason, TracesConfig
from midtrain.verify.traces.inspection import inspect
from midtrain.verify.traces.repair import repair, select, shortest_verified
from midtrain.verify.traces.trace import Trace
from midtrain.verify.verdict import Outcome, Verdict

STEPS = "Ann has 5 boxes of 8 pens, so 5 * 8 = 40 pens.\nShe gives 13 away, so 40 - 13 = 27 are left."
IDLE = "One could also have drawn a picture with a bar for every amount, in any order, and compared the bars. " * 3


def contains(answer):
    """A verifier that passes what has `answer` after its last marker or in its last box."""

    def judge(text):
        said = text.rpartition("Answer:")[2] if "Answer:" in text else text.rpartition("boxed{")[2].rstrip("}$.\n")
        return Verdict(Outcome.PASS if said.strip() == answer else Outcome.FAIL)

    return judge


def test_the_shortest_that_is_right_is_chosen():
    traces = [Trace("a long one that is right"), Trace("wrong"), Trace("right"), Trace("RIGHT"), Trace("")]
    outcomes = [Outcome.PASS, Outcome.FAIL, Outcome.PASS, Outcome.PASS, Outcome.INFRA_ERROR]
    assert shortest_verified(traces, [Verdict(outcome) for outcome in outcomes]) == 2
    assert shortest_verified(traces[1:2], [Verdict(Outcome.FAIL)]) is None
    assert shortest_verified([], []) is None


def test_thinking_on_is_cut_after_the_answer():
    before, after = f"<think>\n{STEPS}\nSo the answer is 27.", "\n</think>\n\nAnswer: 27"
    mended = repair(Trace(f"{before}\n{IDLE}{after}", gold="27"), contains("27"))
    assert mended == Trace(before + after, gold="27")


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        (f"<think>\n{STEPS}\n\nAnswer: 27", f"<think>\n{STEPS}\n</think>\n\nAnswer: 27"),
        (f"{STEPS}\n\nIt is $\\boxed{{27$.", f"{STEPS}\n\nIt is $\\boxed{{27}}$."),
        (f"Answer: 27\n```python\n{STEPS}", f"Answer: 27\n```python\n{STEPS}\n```"),
        (f"{STEPS}\n```python\n2\n\nAnswer: 27", f"{STEPS}\n```python\n2\n```\n\nAnswer: 27"),
        (f"{STEPS}\n<answer>27\nThat is all.", f"{STEPS}\n<answer>27</answer>\nThat is all."),
        (f"<think>\n{STEPS}\n</think>\n</think>\nAnswer: 27", f"<think>\n{STEPS}\n</think>\nAnswer: 27"),
    ],
    ids=["thought", "box", "fence", "fence before the answer", "answer", "closed twice"],
)
def test_what_is_open_is_closed(text, mended):
    trace = Trace(text)
    assert Reason.UNCLOSED in {defect.reason for defect in inspect(trace)}
    repaired = repair(trace, lambda text: Verdict(Outcome.PASS))
    assert repaired is not None
    assert repaired.text == mended


def test_a_base_model_that_goes_on_with_other_problems_is_cut():
    text = f"{STEPS}\nAnswer: 27\nWhat is 3 + 4?\nAnswer: 7\n"
    trace = Trace(text, gold="27")
    assert [defect.reason for defect in inspect(trace)] == [Reason.ANSWER_CHANGED]
    mended = repair(trace, contains("27"))
    assert mended is not None
    assert mended.text == f"{STEPS}\nAnswer: 27\n"


def test_no_repair_is_kept_that_the_verifier_does_not_pass():
    trace = Trace(f"<think>\n{STEPS}\nSo the answer is 27.\n{IDLE}\n</think>\n\nAnswer: 27", gold="27")
    for outcome in (Outcome.FAIL, Outcome.UNPARSEABLE, Outcome.TIMEOUT, Outcome.INFRA_ERROR):
        assert repair(trace, lambda text, outcome=outcome: Verdict(outcome)) is None


def test_what_cannot_be_mended_is_left():
    looped = Trace(f"<think>\n{'I go on and on. ' * 20}\n{STEPS}\n</think>\n\nAnswer: 27", gold="27")
    assert repair(looped, contains("27")) is None


def test_of_many_traces_the_shortest_clean_one_is_selected():
    clean = f"<think>\n{STEPS}\nThe answer is 27.\n</think>\n\nAnswer: 27"
    talking = "I am ChatGPT.\nAnswer: 27"
    wrong = "Answer: 3"
    traces = [Trace(text, gold="27") for text in (clean, talking, wrong)]
    chosen = select(traces, contains("27"))
    assert (chosen.trace, chosen.place, chosen.repaired) == (traces[0], 0, False)
    assert chosen.reasons == ("kept", Reason.IDENTITY, "fail")
    assert select(traces[1:], contains("27")).trace is None


def test_a_repaired_trace_is_selected_where_none_is_clean():
    open_thought = Trace(f"<think>\n{STEPS}\n\nAnswer: 27", gold="27")
    chosen = select([open_thought], contains("27"))
    assert chosen.repaired
    assert chosen.reasons == ("repaired",)
    assert chosen.trace is not None
    assert chosen.trace.text == f"<think>\n{STEPS}\n</think>\n\nAnswer: 27"


def test_length_counts_against_the_shortest_right_one():
    short = Trace(f"{STEPS}\nAnswer: 27", gold="27")
    long = Trace("\n".join(f"Amount {n} goes with {n * n}." for n in range(60)) + f"\n{STEPS}\nAnswer: 27", gold="27")
    assert select([long, short], contains("27")).reasons == (Reason.OVERLONG, "kept")
    assert select([long], contains("27")).reasons == ("kept",)
    lenient = TracesConfig(length_ratio=100)
    assert select([long, short], contains("27"), lenient).reasons == ("kept", "kept")


def test_repairs_of_generated_problems_pass_their_own_verifier():
    for problem in generate(ProblemsConfig(count=60, seed=5)):
        thought = f"<think>\n{problem.solution()}\nThe answer is {problem.gold}.\n{IDLE * 4}\n</think>\n\n"
        trace = Trace.of(problem, f"{thought}Answer: {problem.gold}")
        mended = repair(trace, lambda text, problem=problem: verify(problem, text, "chat"))
        assert mended is not None, trace.text
        assert len(mended.text) < len(trace.text)
        assert verify(problem, mended.text, "chat").passed
