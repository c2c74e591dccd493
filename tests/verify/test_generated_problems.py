"""Every generated answer is computed again from the words of its prompt, without the generator's arithmetic."""

from __future__ import annotations

import itertools
import json
import re

import pytest

from midtrain.core.errors import UserError
from midtrain.models.tokenizer import train_tokenizer
from midtrain.verify.config import ProblemsConfig
from midtrain.verify.generate import SETS, generate
from midtrain.verify.generators.family import Digits
from midtrain.verify.judge import verify
from midtrain.verify.problem import to_document

FAMILIES = {family.name: family for family in SETS["primer"]}
HELD_OUT = {"predecessor", "largest_of_three", "middle_item"}


def numbers(prompt: str) -> list[int]:
    return [int(number) for number in re.findall(r"-?\b\d+", prompt)]


def list_span(prompt: str) -> re.Match:
    """The longest run of single letters: the list a prompt is about."""
    return max(re.finditer(r"(?<!\w)(?:[a-z] )+[a-z](?!\w)", prompt), key=lambda match: len(match[0]))


def letters(prompt: str) -> list[str]:
    return list_span(prompt)[0].split()


def asked_letter(prompt: str) -> str:
    """The single letter outside the list."""
    span = list_span(prompt)
    (letter,) = re.findall(r"\b[a-z]\b", prompt[: span.start()] + ";" + prompt[span.end() :])
    return letter


def next_term(terms: list[int]) -> int:
    """By differences: repeat until they are constant, then add up (works for any polynomial)."""
    rows = [terms]
    while len(set(rows[-1])) > 1:
        rows.append([b - a for a, b in itertools.pairwise(rows[-1])])
    return sum(row[-1] for row in rows)


def ordering(prompt: str) -> str:
    pairs = re.findall(r"(\w+) is \w+er than (\w+)", prompt)
    people = {name for pair in pairs for name in pair}
    top = re.search(r"tallest|oldest|fastest", prompt) is not None
    (answer,) = people - {pair[1 if top else 0] for pair in pairs}
    return answer


def syllogism(prompt: str) -> str:
    premises = dict(re.findall(r"All (\w+) are (\w+)\.", prompt))
    kinds = set(premises) | set(premises.values())
    question = re.sub(r"All \w+ are \w+\.", "", prompt)
    narrow, wide = (word for word in re.findall(r"\w+", question) if word in kinds)
    while narrow in premises and narrow != wide:
        narrow = premises[narrow]
    return "yes" if narrow == wide else "no"


def boolean(prompt: str) -> str:
    """Rewrite innermost parts until one value is left: 'not' binds tightest, then the operators from the left."""
    text = re.sub(r"Is this True or False\?", "", prompt)
    text = " ".join(re.findall(r"True|False|not|and|or|xor|[()]", text)).replace("( ", "(").replace(" )", ")")
    text = text.replace("not True", "F").replace("not False", "T").replace("True", "T").replace("False", "F")
    table = {"and": "TT", "or": "TT TF FT", "xor": "TF FT"}
    while len(text) > 1:
        text = re.sub(r"\((\w)\)", r"\1", text)
        text = re.sub(r"^(\(*)(\w) (and|or|xor) (\w)", lambda m: m[1] + "FT"[m[2] + m[4] in table[m[3]].split()], text)
    return {"T": "True", "F": "False"}[text]


def story(prompt: str) -> tuple[int, int, int]:
    """(had, gained, lost), by the verb before or after each number."""
    a, b, c = numbers(prompt)
    return (b, a, c) if " gives " in prompt and "had" in prompt else (a, b, c)


SOLVERS = {
    "successor": lambda p: len(range(numbers(p)[0] + 1)),
    "predecessor": lambda p: range(numbers(p)[0])[-1],
    "comparison": lambda p: sorted(numbers(p))[-1],
    "largest_of_three": lambda p: sorted(numbers(p))[-1],
    "addition": lambda p: sum(numbers(p)),
    "subtraction": lambda p: max(numbers(p)) - min(numbers(p)),
    "multiplication": lambda p: sum([numbers(p)[0]] * numbers(p)[1]),
    "modular": lambda p: (
        range(0, numbers(p)[0] + 1, numbers(p)[1]).__len__() * -numbers(p)[1] + numbers(p)[0] + numbers(p)[1]
    ),
    "next_term": lambda p: next_term(numbers(p)),
    "story_gain_and_loss": lambda p: sum(story(p)) - 2 * story(p)[2],
    "story_boxes": lambda p: sum([numbers(p)[1]] * numbers(p)[0]) - numbers(p)[2],
    "copy": lambda p: " ".join(letters(p)),
    "first_item": lambda p: letters(p)[0],
    "last_item": lambda p: letters(p)[-1],
    "middle_item": lambda p: letters(p)[(len(letters(p)) - 1) // 2],
    "reverse": lambda p: " ".join(letters(p)[::-1]),
    "sort_letters": lambda p: " ".join(sorted(letters(p))),
    "membership": lambda p: "yes" if asked_letter(p) in letters(p) else "no",
    "count_item": lambda p: "".join(letters(p)).count(asked_letter(p)),
    "ordering": ordering,
    "syllogism": syllogism,
    "boolean": boolean,
}


def draw(name: str, count: int = 120, **settings) -> list:
    settings = {"split": "evaluation" if name in HELD_OUT else "train", **settings}
    return list(generate(ProblemsConfig(families=[name], count=count, **settings)))


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_answers_are_right(name):
    problems = draw(name, 300) + draw(name, 90, split="evaluation", wording="held_out", seed=1)
    assert {problem.difficulty for problem in problems} == {1, 2, 3}
    for problem in problems:
        assert problem.gold == str(SOLVERS[name](problem.prompt)), problem.text()


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_problem_accepts_its_own_solution_and_no_other_answer(name):
    for problem in draw(name, 60):
        assert problem.steps
        assert problem.text().startswith(problem.prompt_text())
        assert len(problem.prompt_text()) < len(problem.text())
        assert verify(problem, problem.text().removeprefix(problem.prompt_text())).passed
        assert verify(problem, problem.messages()[1]["content"], form="chat").passed
        assert not verify(problem, f"Answer: {problem.gold}1").passed
        assert not verify(problem, problem.prompt, form="chat").passed, "repeating the question must not pay"


@pytest.mark.parametrize("name", ["addition", "subtraction", "multiplication", "modular", "story_boxes", "successor"])
def test_steps_are_true_equations(name):
    for problem in draw(name, 300):
        for step in problem.steps:
            sides = [side.split(",")[0] for side in step.split(" = ")]
            left, right = (sum_of_products(side) for side in sides)
            assert left == right, problem.text()


def sum_of_products(text: str) -> int:
    total = 0
    for sign, term in re.findall(r"(^|[+-] )([\d* ]+)", text.strip()):
        product = 1
        for factor in term.split("*"):
            product *= int(factor)
        total += -product if sign == "- " else product
    return total


def test_addition_is_worked_in_columns_with_carries():
    wanted = next(p for p in draw("addition", 2000, difficulty=[1]) if numbers(p.prompt) == [27, 35])
    assert wanted.steps == ("7 + 5 = 12, carry 1", "2 + 3 + 1 = 6")
    assert wanted.text().endswith("carry 1\n2 + 3 + 1 = 6\nAnswer: 62")


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - HELD_OUT))
def test_no_evaluation_operands_occur_in_training(name):
    """Over wordings, difficulties and seeds; a small family is compared whole."""
    train = {p.group for seed in (0, 1) for p in draw(name, 400, seed=seed)}
    evaluation = {p.group for seed in (0, 1) for p in draw(name, 200, split="evaluation", seed=seed)}
    assert not train & evaluation


def test_turned_around_operands_stay_on_one_side():
    train = {frozenset(numbers(p.prompt)) for p in draw("addition", 3000, difficulty=[1])}
    evaluation = {frozenset(numbers(p.prompt)) for p in draw("addition", 600, difficulty=[1], split="evaluation")}
    assert len(train) > 900
    assert not train & evaluation
    told = {tuple(re.findall(r"\w+", p.steps[0])) for p in draw("ordering", 1000, difficulty=[1])}
    asked = {tuple(re.findall(r"\w+", p.steps[0])) for p in draw("ordering", 300, difficulty=[1], split="evaluation")}
    assert not told & asked, "the same order of the same people, told or asked in another way, is the same problem"


def test_evaluation_gets_about_an_eighth():
    groups = [FAMILIES["comparison"].place((a, b)) for a in range(50) for b in range(a)]
    share = sum(split == "evaluation" for split, _ in groups) / len(groups)
    assert 0.09 < share < 0.16


def test_held_out_families_and_templates_are_never_trained_on():
    everything = list(generate(ProblemsConfig(families="primer", count=3000)))
    assert {p.family for p in everything} == set(FAMILIES) - HELD_OUT
    assert {p.family for p in generate(ProblemsConfig(count=66, split="evaluation"))} == set(FAMILIES)
    for name in HELD_OUT:
        with pytest.raises(UserError, match=f'"{name}" is held out'):
            generate(ProblemsConfig(families=[name], count=1))
    with pytest.raises(ValueError, match="for evaluation only"):
        ProblemsConfig(count=1, wording="held_out")
    for name, family in FAMILIES.items():
        assert not set(family.templates) & set(family.held_out_templates), name


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_number_of_a_family_names_another_problem(name):
    """`operands` reads the whole index and nothing else: the last index is used up, and no two agree."""
    family = FAMILIES[name]
    seen = set()
    for difficulty in (1, 2, 3):
        size = family.size(difficulty)
        digits = Digits(size - 1)
        family.operands(difficulty, digits)
        assert digits.left == 0
        over = Digits(size)
        family.operands(difficulty, over)
        assert over.left == 1, "size is not the product of the radices"
        operands = [family.operands(difficulty, Digits(i)) for i in range(0, size, max(1, size // 4000))]
        valid = [one for one in operands if one is not None]
        assert len(valid) > len(operands) / 3
        assert not seen.intersection(valid)
        assert len(set(valid)) == len(valid)
        seen.update(valid)


def test_generation_is_deterministic_distinct_and_stable_as_it_grows():
    config = ProblemsConfig(count=600, seed=5)
    first = list(generate(config))
    assert [p.id for p in first] == [p.id for p in generate(config)]
    assert len({p.id for p in first}) == len({p.prompt for p in first}) == 600
    assert [p.id for p in generate(ProblemsConfig(count=900, seed=5))][:600] == [p.id for p in first]
    other = [p.id for p in generate(ProblemsConfig(count=600, seed=6))]
    assert len(set(other) & {p.id for p in first}) < 300


def test_a_family_can_be_used_up_and_says_what_it_has():
    with pytest.raises(UserError, match=r'"multiplication" has ([\d,]+) distinct problems of difficulty 1') as caught:
        generate(ProblemsConfig(families=["multiplication"], count=100_000, difficulty=[1]))
    there_are = int(re.search(r"has ([\d,]+)", str(caught.value))[1].replace(",", ""))
    problems = draw("multiplication", there_are, difficulty=[1])
    assert len({p.prompt for p in problems}) == there_are
    rest = ProblemsConfig(families=["multiplication"], count=98 * 8 * 3 - there_are, difficulty=[1], split="evaluation")
    assert len({p.prompt for p in generate(rest)} | {p.prompt for p in problems}) == 98 * 8 * 3, "both sides are all"
    with pytest.raises(UserError, match="distinct problems"):
        generate(ProblemsConfig(families=["multiplication"], count=there_are + 1, difficulty=[1]))


def test_an_unknown_family_is_named_with_the_closest():
    with pytest.raises(UserError, match='Did you mean "addition"'):
        generate(ProblemsConfig(families=["adition"], count=1))


def test_without_steps_the_prompt_ends_with_the_marker():
    for problem in generate(ProblemsConfig(count=57, steps=False)):
        assert problem.text() == f"{problem.prompt}\nAnswer: {problem.gold}"
        assert problem.prompt_text() == f"{problem.prompt}\nAnswer:"
        assert verify(problem, f" {problem.gold}\n").passed


def test_the_prompts_tokens_are_a_prefix_of_the_texts_tokens(tmp_path):
    """Else the model is asked to go on from tokens that it never saw there."""
    problems = [p for steps in (True, False) for p in generate(ProblemsConfig(count=570, steps=steps))]
    tokenizer = train_tokenizer((p.text() for p in problems), 600, tmp_path)
    prompts = tokenizer.encode_pieces([p.prompt_text() for p in problems])
    texts = tokenizer.encode_pieces([p.text() for p in problems])
    for prompt, text in zip(prompts, texts, strict=True):
        assert text[: len(prompt)] == prompt


def test_yes_and_no_are_balanced():
    for name in ("membership", "syllogism"):
        yes = sum(p.gold == "yes" for p in draw(name, 900))
        assert 380 < yes < 520


def test_documents_keep_group_license_and_held_out_status():
    (train,) = draw("addition", 1)
    row = to_document(train)
    assert row["text"] == train.text()
    assert row["messages"] is None
    assert (row["group"], row["split"], row["license"], row["lang"]) == (train.group, "train", "CC0-1.0", "en")
    assert json.loads(row["meta"])["problem"] == train.id
    chat = to_document(train, form="chat")
    assert chat["text"] is None
    assert [m["role"] for m in chat["messages"]] == ["user", "assistant"]
    (evaluation,) = draw("addition", 1, split="evaluation")
    assert to_document(evaluation)["split"] == "heldout"
