"""Reasoning traces: each defect is found where it stands, and what only looks like one is left alone."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.verify.config import ProblemsConfig
from midtrain.verify.generate import generate
from midtrain.verify.traces.config import Reason, TracesConfig
from midtrain.verify.traces.inspection import decide, inspect
from midtrain.verify.traces.phrases import CHECKS, HEDGES, STATED, checks, hedges
from midtrain.verify.traces.trace import Defect, Trace

STEPS = "Ann has 5 boxes of 8 pens, so 5 * 8 = 40 pens.\nShe gives 13 away, so 40 - 13 = 27 are left."


def reasons(text, lang="en", prompt="", gold=None, **more):
    return [defect.reason.value for defect in inspect(Trace(text, lang, prompt, gold), **more)]


def thinking(thought, summary="Answer: 27"):
    return f"<think>\n{thought}\n</think>\n\n{summary}"


CLEAN = {
    "a worked solution": ("en", f"{STEPS}\nAnswer: 27", "27"),
    "a thought and a box": ("en", thinking(STEPS, "There are $\\boxed{27}$ left."), "27"),
    "one check of the answer": (
        "en",
        thinking(f"{STEPS}\nSo the answer is 27.\nLet me check: 27 + 13 = 40. Yes."),
        "27",
    ),
    "a correction before the answer is found": (
        "en",
        thinking(f"So the answer is 28. Wait, 40 - 13 is 27.\n{STEPS}\nThe answer is 27."),
        "27",
    ),
    "a thought that the prompt opened": ("en", f"{STEPS}\n</think>\n\nAnswer: 27", "27"),
    "sums of money beside formulas": (
        "en",
        "It is $5 a box, so $x$ boxes cost $5x$ and US$ 25 buys $x = 5$.\nIt was $$60 once.\nAnswer: 5",
        "5",
    ),
    "all kinds of formulas, closed": (
        "en",
        "\\[ a = b \\\\[2pt] c \\]\n\\begin{align}a&=b\\\\c&=d\\end{align}\n$$\\frac{1}{2}$$\n\\(x\\)\nAnswer: 2",
        "2",
    ),
    "code with anything in it": (
        "en",
        "Run `a[$x = <think>`:\n\n```sh\n$x = \\begin{a} \\boxed{\n<|im_end|>\n"
        + "echo again and again\n" * 40
        + "```\nAnswer: 2",
        "2",
    ),
    "people who wait and maybe leave": (
        "en",
        "They wait 5 minutes. Then they wait 3 more. Maybe they leave, and wait, all in all, 8 minutes.\nAnswer: 8",
        "8",
    ),
    "a quoted robot": ("en", 'The robot said "As an AI language model, I am ChatGPT" 2 times.\nAnswer: 2', "2"),
    "a profession": ("en", "As an AI engineer she earns 2 times as much.\nAnswer: 2", "2"),
    "a hypothetical answer": (
        "en",
        thinking("If the answer is 5, then 5 > 6, which is false.\nThe answer is 27."),
        "27",
    ),
    "a correct answer": ("en", thinking(f"{STEPS}\nThe answer is 27.\nSo the answer is correct."), "27"),
    "another spelling of a number": ("en", thinking("The answer is 1,234.50.", "Answer: $1234.5"), None),
    "a fraction in the summary": ("en", thinking("The answer is \\frac{3}{4}.", "Answer: 3/4"), "3/4"),
    "a scratchpad of digits": ("en", thinking("6 + 9 = 15, carry 1\n3 + 0 + 1 = 4"), None),
    "fourteen ones": ("en", "1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 = 14\nAnswer: 14", "14"),
    "headings": ("en", "\n".join(f"Next number:\nit is {n}." for n in range(12)) + "\nAnswer: 11", "11"),
    "a cycle": ("en", "red, blue, red, blue, red, blue, red, blue, red\nAnswer: red", "red"),
    "names and loans of other languages": (
        "en",
        "Jos\u00e9 M\u00fcller of S\u00e3o Paulo eats cr\u00e8me in the caf\u00e9 de la Paix.\nAnswer: 1",
        "1",
    ),
    "Greek letters": ("en", "Let \u03b1 and \u03b2 be the roots, \u03b1\u03b2 = 6, \u0394 = 25.\nAnswer: 6", "6"),
    "quoted Chinese": ("en", "The word \u201c\u4f60\u597d\u201d (\u4f60\u597d) means hello.\nAnswer: hello", "hello"),
    "German": ("de", "Anna hat 3 kg \u00c4pfel und kauft 4 kg dazu, also hat sie 7 kg.\nAntwort: 7", "7"),
    "Chinese with names and units": (
        "zh",
        "\u5c0f\u660e\u7528 Python \u548c GPT \u7b97\u51fa 8 km/h\uff0csin x = 0.5\u3002\n\u7b54\u6848\uff1a8",
        "8",
    ),
    "Swahili": ("sw", "Juma ana machungwa 3 na ananunua 4 zaidi, kwa hiyo ana 3 + 4 = 7.\nJibu: 7", "7"),
    "Bengali": (
        "bn",
        "\u09b0\u09b9\u09bf\u09ae\u09c7\u09b0 3\u099f\u09bf \u0986\u09ae \u0986\u099b\u09c7\u0964\n"
        "\u0989\u09a4\u09cd\u09a4\u09b0: 3",
        "3",
    ),
    "a function": ("en", "def f(x):\n    return x + 1\n\nfor i in range(3):\n    print(f(i))", None),
    "nothing": ("en", "", None),
}


@pytest.mark.parametrize("name", CLEAN)
def test_clean_traces_are_left_alone(name):
    lang, text, gold = CLEAN[name]
    assert reasons(text, lang, gold=gold) == []


IDLE = "One could also have drawn a picture with a bar for every amount, in any order, and compared the bars. " * 3
DEFECTS = {
    "a thought that never ends": ("truncated", "en", f"<think>\n{STEPS}\nThen we"),
    "a sentence that stops": ("truncated", "en", "First we add 5 and 6. That is 11. Then we take the"),
    "a thought and nothing else": ("truncated", "en", f"<think>\n{STEPS}\n</think>\n"),
    "a control token": ("garbled", "en", f"{STEPS}<|im_end|>\nAnswer: 27"),
    "another turn": ("garbled", "en", f"{STEPS}\nAnswer: 27\nUser: And now?"),
    "a twice-encoded letter": ("garbled", "en", "The caf\u00c3\u00a9 sells 27.\nAnswer: 27"),
    "an empty thought": ("empty thinking", "en", "<think>\n\n</think>\n\nAnswer: 27"),
    "another answer than the thought's": (
        "inconsistent",
        "en",
        thinking(f"{STEPS}\nSo the answer is 27.", "Answer: 28"),
    ),
    "an answer from nowhere": ("inconsistent", "en", thinking(STEPS, "Answer: 31")),
    "another option": ("inconsistent", "en", thinking("It is odd. The answer is no.", "Answer: yes")),
    "the same in German": ("inconsistent", "de", thinking("Die Antwort lautet 7.", "Antwort: 8")),
    "the same in Chinese": (
        "inconsistent",
        "zh",
        thinking("\u6240\u4ee5\u7b54\u6848\u662f7\u3002", "\u7b54\u6848\uff1a8"),
    ),
    "the same in Swahili": ("inconsistent", "sw", thinking("Kwa hiyo jibu ni 7.", "Jibu: 8")),
    "a sentence four times": ("repetition", "en", thinking("Now we add up all of them.\n" * 4 + STEPS)),
    "a sentence now and then": (
        "repetition",
        "en",
        thinking("\n".join(f"I must go on here.\nx = {n}" for n in range(10))),
    ),
    "a loop without an end": ("repetition", "en", thinking(STEPS + " and so on" * 12)),
    "a loop of Chinese": ("repetition", "zh", thinking("\u6211\u4eec\u7ee7\u7eed" * 12, "\u7b54\u6848\uff1a8")),
    "a phrase fifty times": (
        "repetition",
        "en",
        thinking(" ".join(f"we have to look at number {n} and {n * n};" for n in range(50))),
    ),
    "Chinese in a sentence": ("language mixing", "en", "So the total \u56e0\u6b64 is 8.\nAnswer: 8"),
    "a Chinese sentence": (
        "language mixing",
        "en",
        f"{STEPS}\n\u6240\u4ee5\u7b54\u6848\u662f\u4e8c\u5341\u4e03\u3002\nAnswer: 27",
    ),
    "English in Chinese": (
        "language mixing",
        "zh",
        "\u82f9\u679c\u67095\u4e2a\uff0cso we need to add 3\u3002\n\u7b54\u6848\uff1a8",
    ),
    "a French sentence": (
        "language mixing",
        "en",
        f"{STEPS}\nIl faut maintenant ajouter le nombre de pommes qui restent dans le panier.\nAnswer: 27",
    ),
    "a German writer who goes on in English": (
        "language mixing",
        "de",
        "Anna hat 3 \u00c4pfel. Then she buys four more of them at the market and so she has seven in all.\nAntwort: 7",
    ),
    "a model's name": ("identity", "en", f"I am ChatGPT, so I go on.\n{STEPS}\nAnswer: 27"),
    "a cutoff": ("identity", "en", f"My knowledge cutoff is 2023.\n{STEPS}\nAnswer: 27"),
    "a French model": ("identity", "fr", "En tant que mod\u00e8le de langage, je compte 3 + 4 = 7.\nR\u00e9ponse : 7"),
    "found and left": (
        "answer changed",
        "en",
        thinking(f"{STEPS}\nThe answer is 27.\nNo.\nThe answer is 3.\nThe answer is 27."),
    ),
    "four tries": ("guessing", "en", thinking("".join(f"The answer is {n}.\nNo.\n" for n in (3, 4, 5, 27)))),
    "a box": ("unclosed", "en", f"{STEPS}\nThe answer is $\\boxed{{27$."),
    "a formula": ("unclosed", "en", f"{STEPS}\nThe root is $\\sqrt{{2}} and no more.\n\nAnswer: 27"),
    "a fence": ("unclosed", "en", f"{STEPS}\n```python\nprint(27)\n\nAnswer: 27"),
    "a forgotten tag": ("unclosed", "en", f"<think>\n{STEPS}\n\nAnswer: 27"),
    "an environment": ("unclosed", "en", f"{STEPS}\n\\begin{{align}} a &= b\n\nAnswer: 27"),
    "thinking on": ("overthinking", "en", thinking(f"{STEPS}\nSo the answer is 27.\n{IDLE}")),
    "checking thrice": (
        "reverification",
        "en",
        thinking(f"{STEPS}\nSo the answer is 27." + "\nLet me double-check. 40 - 13 = 27, which is what we had." * 3),
    ),
    "doubting": (
        "hedging",
        "en",
        thinking(
            f"Hmm, maybe 5. Wait, no. I'm not sure. Perhaps 6?\n{STEPS}\nHold on. Is that right? Hmm. Let me think."
        ),
    ),
    "doubting in German": (
        "hedging",
        "de",
        thinking(
            "Hmm, vielleicht 5. Warte, das stimmt nicht. Vielleicht doch 6. Hmm. Ich wei\u00df nicht.", "Antwort: 7"
        ),
    ),
    "doubting in Bengali": (
        "hedging",
        "bn",
        thinking(
            "\u09b9\u09c1\u09ae, \u09b9\u09df\u09a4\u09cb 5\u0964 " * 3 + "\u09b9\u09af\u09bc\u09a4\u09cb 6\u0964",
            "\u0989\u09a4\u09cd\u09a4\u09b0: 7",
        ),
    ),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_found(name):
    reason, lang, text = DEFECTS[name]
    assert reason in reasons(text, lang)


def test_places_are_characters_of_the_text():
    text = thinking(
        f"{STEPS}\nSo `x` \u56e0\u6b64 is $y$.\nI am ChatGPT.\nThe answer is 27.", "$\\boxed{27}$ \\boxed{3"
    )
    found = {defect.reason: text[defect.start : defect.end] for defect in inspect(Trace(text))}
    assert found == {
        Reason.LANGUAGE_MIXING: "\u56e0\u6b64",
        Reason.IDENTITY: "I am ChatGPT",
        Reason.UNCLOSED: "\\boxed{",
    }
    looped = thinking(f"{STEPS}{' and so on' * 30} until the end.")
    (defect,) = inspect(Trace(looped))
    assert looped[defect.start : defect.end].split() == ["and", "so", "on"] * 30
    assert defect.score == 30


def test_the_engine_knows_that_the_budget_ended_a_trace():
    whole = Trace(f"{STEPS}\nAnswer: 27")
    cut = Trace(f"{STEPS}\nAnswer: 27", truncated=True)
    assert inspect(whole) == []
    assert [defect.reason for defect in inspect(cut)] == [Reason.TRUNCATED]


def test_scripts_of_the_question_are_no_switch():
    text = "The word \u4f60\u597d stands for hello here.\nAnswer: hello"
    assert reasons(text) == ["language mixing"]
    assert reasons(text, prompt="What does \u4f60\u597d mean?") == []


def test_without_a_gold_answer_the_one_given_is_the_one_found():
    text = thinking("The answer is 3.\nNo.\nThe answer is 4.", "Answer: 4")
    assert reasons(text) == []
    assert reasons(text, gold="3") == ["answer changed"]


def test_length_is_judged_by_the_shortest_verified_solution():
    text = thinking(f"{STEPS}\n" + "\n".join(f"Amount {n} goes with {n * n}." for n in range(60)))
    assert reasons(text) == []
    assert reasons(text, shortest=f"{STEPS}\nAnswer: 27") == ["overlong"]
    assert reasons(text, shortest=text[: len(text) // 2]) == []


def test_what_another_defect_explains_is_not_reported_twice():
    assert reasons(f"<think>\n{STEPS}\nThen $x = \\frac{{1}}") == ["truncated"]


def test_a_decision_names_the_gravest_defect_that_counts():
    hedging = Defect(Reason.HEDGING, 5.0, 0, 1, "")
    looped = Defect(Reason.REPETITION, 12, 0, 1, "")
    assert decide([]) == (True, None)
    assert decide([hedging, looped]) == (False, Reason.REPETITION)
    assert decide([hedging, looped], TracesConfig(drop=(Reason.HEDGING,))) == (False, Reason.HEDGING)
    assert decide([looped], TracesConfig(drop=(Reason.HEDGING,))).keep


def test_thresholds_can_be_moved():
    twice = thinking(f"{STEPS}\nSo the answer is 27." + "\nLet me double-check. 40 - 13 = 27, as we had before." * 2)
    assert reasons(twice) == ["reverification"]
    assert reasons(twice, config=TracesConfig(rechecks=2)) == []
    with pytest.raises(UserError, match="hedge"):
        parse(TracesConfig, {"hedge": 1}, "recipe")


def test_a_conversation_is_a_trace():
    messages = [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": "Answer: 27"}]
    assert Trace.of_messages(messages) == Trace("Answer: 27", prompt="How many?")
    messages[1]["reasoning_content"] = STEPS
    trace = Trace.of_messages(messages, gold="27")
    assert trace.thought is not None
    assert trace.text[slice(*trace.thought)].strip() == STEPS
    with pytest.raises(UserError, match="assistant"):
        Trace.of_messages(messages[:1])


def test_generated_solutions_are_clean():
    for problem in generate(ProblemsConfig(count=200, seed=3)):
        for text in (problem.solution(), f"<think>\n{problem.solution()}\n</think>\n\n{problem.solution()}"):
            assert inspect(Trace.of(problem, text)) == [], text


@pytest.mark.parametrize("lang", sorted(HEDGES))
def test_every_language_has_lists_that_read(lang):
    assert hedges(lang) is not None
    assert checks(lang) is not None
    assert lang in CHECKS
    assert lang in STATED
    assert hedges(lang).search("hmm, it is 5")  # English is read along


def test_doubt_is_told_from_waiting():
    assert hedges("en").search("wait, it is 5")
    assert not hedges("en").search("they waited, and still wait for the well to fill")


@given(st.text(alphabet="ab 1$\\{}[]()<>/`\n.?\u4e2d\u0130\u2019\ud7af\x00think", max_size=300))
def test_any_text_is_inspected_and_places_lie_in_it(text):
    for defect in inspect(Trace(text, gold="1"), shortest="a"):
        assert 0 <= defect.start <= defect.end <= len(text)
        assert defect.note


@pytest.mark.parametrize(
    "unit", ["$", "\\boxed{", "<think>", "`", "answer is ", '"', "wait, ", "\\begin{a}", "1/", "**"]
)
def test_no_text_takes_long(unit):
    rng = random.Random(1)
    start = time.process_time()
    inspect(Trace("".join(unit + rng.choice(["", " ", "\n", "x"]) for _ in range(2000))))
    assert time.process_time() - start < 5
