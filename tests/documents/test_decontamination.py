"""Evaluation items in documents: what is found, what is told apart, and what is left alone."""

import math
import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.documents.decontamination.config import DecontaminateConfig
from midtrain.documents.decontamination.index import Index
from midtrain.documents.decontamination.items import Item, items_of
from midtrain.documents.decontamination.scan import scan

TRAIN = (
    "A freight train leaves the coast at 6 in the morning and travels at 45 miles an hour toward the capital. Two "
    "hours later an express leaves the same station at 60 miles an hour. After how many hours on the way does the "
    "express overtake the freight train, if neither of them ever stops to rest?"
)
SOLUTION = (
    "The freight train is 90 miles ahead when the express starts. It gains 15 miles an hour, so 90/15 = 6.\n#### 6"
)
BAKER = (
    "Marta bakes 24 loaves every day and sells them for $3 each at the market. Flour costs her $12 a day. How much "
    "profit does Marta make in a week of 7 days?"
)
PASSAGE = (
    "The lighthouse at Orlen was built of red sandstone by two brothers who had never seen the sea. For ninety winters "
    "it burned whale oil, then paraffin, then nothing at all, until a retired watchmaker bought the tower for the "
    "price of its lamp and lit it again on the first evening of spring."
)
ITEMS = [
    Item("train", "school", TRAIN, SOLUTION),
    Item("baker", "school", BAKER, "Sales are 24*3 = 72 a day, profit 60 a day, so 420.\n#### 420"),
    Item("sum", "sums", "What is 27 + 35?", "62"),
    Item("lamp", "reading", "What did the watchmaker pay for the old tower, according to the story you have read?",
         "the price of its lamp", PASSAGE),
]  # fmt: skip
BEFORE = "This week we look at older puzzles that readers sent in, as every month since the spring.\n\n"
AFTER = "\n\nNext week there will be a crossword and a letter about the garden in the old town."
INDEX = Index.build(ITEMS, DecontaminateConfig())


def found(text, index=INDEX):
    return [(m["item"], m["kind"]) for m in scan(index, pa.array([text])).to_pylist()]


def test_question_with_answer_and_alone():
    assert found(BEFORE + TRAIN + "\n" + SOLUTION + AFTER) == [("train", "answered")]
    assert found(BEFORE + TRAIN + AFTER) == [("train", "question")]
    assert found(BEFORE + AFTER) == []


def test_the_span_is_the_question_in_bytes():
    text = "\u00dcbungen \U0001f600: " + TRAIN + AFTER
    (match,) = scan(INDEX, pa.array(["none", text]).slice(1)).to_pylist()
    said = text.encode()[match["start"] : match["end"]].decode()
    assert said == TRAIN.rstrip("?")
    assert (match["row"], match["score"], match["numbers"], match["part"]) == (0, 1.0, 1.0, "question")


@pytest.mark.parametrize(
    "dress",
    [
        str.upper,
        lambda t: t.replace(" ", "\n"),
        lambda t: t.replace("$3", "\\$3").replace("Marta", "**Marta**").replace("24", "$24$"),
        lambda t: t.replace(".", " ;").replace("?", "").replace("Marta", "_Marta_"),
        lambda t: t.replace(" ", "\u00a0").replace("bakes", "ba\u00adkes"),
    ],
)
def test_a_change_of_format_hides_nothing(dress):
    assert found(BEFORE + dress(BAKER) + " It is 420." + AFTER) == [("baker", "answered")]


def test_other_numbers_are_near_but_no_contamination():
    swapped = BAKER.replace("24", "31").replace("$3", "$5").replace("$12", "$20").replace("7", "6")
    (match,) = scan(INDEX, pa.array([BEFORE + swapped + " It is 420." + AFTER])).to_pylist()
    assert (match["item"], match["kind"], match["score"], match["numbers"]) == ("baker", "near", 1.0, 0.0)
    solved = swapped + " Marta bakes 24 loaves every day and sells them for $3 each."  # numbers beyond the question
    assert found(solved) == [("baker", "near")]
    exchanged = BAKER.replace("24", "x").replace("12", "24").replace("x", "12")  # the same numbers, in other places
    assert found(exchanged) == [("baker", "near")]


def test_an_edited_copy_is_near_and_contamination_with_its_whole_solution():
    edited = (
        TRAIN.replace("leaves the coast", "sets off").replace("an express", "a bus").replace("stops to rest", "stop")
    )
    assert found(edited) == [("train", "near")]
    assert found(edited + " The answer is 6.") == [("train", "near")]
    assert found(edited + "\n" + SOLUTION) == [("train", "answered")]
    assert found(TRAIN[: len(TRAIN) // 2]) == []


def test_short_questions_need_their_answer_and_every_word():
    assert found("Now: what is 27 + 35? Think. Answer: 62") == [("sum", "answered")]
    assert found("Now: what is 27 + 35? Nobody knows.") == [("sum", "short")]
    assert found("Now: what is 27 + 36? Answer: 62, or what is 127 + 35? 62") == []
    assert found("what is 27 35") == [("sum", "short")]


def test_a_passage_is_a_kind_of_its_own_and_part_of_it_is_nothing():
    assert found(PASSAGE) == [("lamp", "passage")]
    assert found(PASSAGE[: int(len(PASSAGE) * 0.75)]) == []
    assert found(PASSAGE + " " + ITEMS[3].question + " The price of its lamp.") == [
        ("lamp", "passage"),
        ("lamp", "answered"),
    ]


def test_an_answer_before_the_question_or_far_away_is_none():
    assert found("62. " + BEFORE + "What is 27 + 35?") == [("sum", "short")]
    assert found("What is 27 + 35? " + "and so on " * 50 + "62") == [("sum", "short")]


def test_each_copy_is_a_match_and_matches_come_in_order():
    filler = "nothing to see here today "
    matches = scan(INDEX, pa.array(["", BAKER + filler * 5 + TRAIN + filler * 5 + BAKER, TRAIN])).to_pylist()
    assert [(m["row"], m["item"]) for m in matches] == [(1, "baker"), (1, "train"), (1, "baker"), (2, "train")]


def test_more_matches_than_expected_all_come():
    assert len(scan(INDEX, pa.array([BAKER] * 1500))) == 1500


def test_what_all_items_share_weighs_little():
    shared = (
        "In the following exercise please read the text carefully and choose the one best answer of the four below: "
    )
    own = ["which river crosses the old town of Prague", "which planet has the largest number of known moons"]
    own += [f"which of the {w} letters stands {w} times in word number {i}" for i, w in enumerate("abcdefgh")]
    index = Index.build([Item(str(i), "b", shared + q) for i, q in enumerate(own)], DecontaminateConfig())
    assert found(shared + "who painted the ceiling of the chapel in Rome", index) == []
    assert found(shared + own[0], index)[0] == ("0", "question")


def test_an_answer_in_full_counts_by_its_weight():
    worked = "first we divide the coat into seven parts and then we paint every second part in green or blue"
    index = Index.build([Item("a", "b", TRAIN, worked)], DecontaminateConfig())
    assert found(TRAIN + " Well, " + worked, index) == [("a", "answered")]
    (half,) = scan(index, pa.array([TRAIN + " Well, " + worked[:48]])).to_pylist()
    assert half["kind"] == "question"
    assert 0.2 < half["answer"] < 0.6


def test_scripts_without_spaces():
    question = (
        "\u73cd\u59ae\u7279\u7684\u9e2d\u5b50\u6bcf\u5929\u4e0b16\u4e2a\u86cb\u5979"
        + "\u6bcf\u5929\u65e9\u4e0a\u5403\u6389\u4e09\u4e2a"
    )
    index = Index.build([Item("zh", "m", question, "18")], DecontaminateConfig())
    assert found("\u4eca\u5929" + question + "\u300218", index) == [("zh", "answered")]
    assert found(question.replace("16", "61"), index) == [("zh", "near")]


def test_ngram13_takes_any_common_window():
    index = Index.build(ITEMS, DecontaminateConfig(mode="ngram13"))
    thirteen = " ".join(TRAIN.split()[5:18])
    assert found(BEFORE + thirteen + AFTER, index) == [("train", "ngram")]
    assert found(BEFORE + " ".join(TRAIN.split()[5:17]) + AFTER, index) == []
    assert index.unsought == {"sums": 2, "reading": 1}  # short questions and short answers


def reference(questions, text, n=5):
    """[(item, score, first word, one past the last)] of clusters, window by window."""

    def masked(words):
        words = ["#" if word[0].isdigit() else word for word in words]
        return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]

    def subsequence(a, b):
        if not a or not b:
            return 0
        return subsequence(a[1:], b[1:]) + 1 if a[0] == b[0] else max(subsequence(a[1:], b), subsequence(a, b[1:]))

    telling = [{w for w in masked(q) if sum(x != "#" for x in w) > 1} for q in questions]
    weight = {w: math.log1p(len(questions) / sum(w in t for t in telling)) for t in telling for w in t}
    windows, clusters = masked(text), []
    for item, mine in enumerate(telling):
        places, parts = masked(questions[item]), []
        for i in (i for i, w in enumerate(windows) if w in mine):
            ahead = places.index(windows[i]) - places.index(windows[parts[-1][-1]]) if parts else 0
            if not parts or i - parts[-1][-1] > 2 * n + 1 + max(0, ahead):
                parts.append([])
            parts[-1].append(i)
        for part in parts:
            hits = [i for k, i in enumerate(part) if windows[i] not in [windows[j] for j in part[:k]]]
            begin, end = hits[0], hits[-1] + n
            score = sum(weight[w] for w in {windows[i] for i in hits}) / sum(weight[w] for w in mine)
            asked = [w for w in questions[item] if w[0].isdigit()]
            reach = begin - places.index(windows[begin])  # where the whole question would stand
            beyond = hits[-1] + len(questions[item]) - places.index(windows[hits[-1]])
            said = [w for w in text[max(reach, 0) : max(end, beyond)] if w[0].isdigit()]
            agree = subsequence(asked, said) / (len(asked) or 1)
            assume(abs(score - 0.5) > 1e-6)  # on the threshold the last bit of a sum would decide
            clusters += [(item, score, agree if asked else 1.0, begin, end)] if score > 0.5 else []
    return sorted(clusters, key=lambda c: (c[3], c[0]))


@st.composite
def corpora(draw):
    """Questions of words and numbers, and a text in which pieces of them stand among other words."""
    words = st.sampled_from(["ab", "cd", "ef", "gh", "ij", "1", "2"])
    questions = draw(st.lists(st.lists(words, min_size=12, max_size=16), min_size=1, max_size=3))
    text = []
    for _ in range(draw(st.integers(1, 4))):
        question = list(draw(st.sampled_from(questions)))
        for _ in range(draw(st.integers(0, 2))):
            question[draw(st.integers(0, len(question) - 1))] = draw(words)
        text += question[draw(st.integers(0, 4)) :] + ["zz"] * draw(st.integers(0, 20))
    return questions, text


@settings(max_examples=150, deadline=None)
@given(corpora())
@example(([["ab"] * 12], ["ab"] * 13))
def test_clusters_are_the_references(corpus):
    questions, text = corpus
    index = Index.build([Item(str(i), "b", " ".join(q)) for i, q in enumerate(questions)], DecontaminateConfig())
    assume((index.total_E > 0).all())  # a question of numbers has no telling window, and is sought word for word
    place = np.cumsum([0] + [len(word) + 1 for word in text])
    expected = [(i, score, agree, place[a], place[b] - 1) for i, score, agree, a, b in reference(questions, text)]
    mine = scan(index, pa.array([" ".join(text)])).to_pylist()
    assert [(int(m["item"]), m["start"], m["end"]) for m in mine] == [(i, a, b) for i, _, _, a, b in expected]
    assert [m["score"] for m in mine] == pytest.approx([score for _, score, _, _, _ in expected])
    assert [m["numbers"] for m in mine] == pytest.approx([agree for _, _, agree, _, _ in expected])


def test_an_index_travels_and_says_what_it_cannot_find():
    index = Index.build([Item("x", "tiny", "Why not?", "So"), *ITEMS], DecontaminateConfig())
    assert index.unsought == {"tiny": 1}
    copy = pickle.loads(pickle.dumps(index))
    texts = pa.array([BEFORE + TRAIN, "what is 27 35 62"])
    assert scan(copy, texts).equals(scan(index, texts))


def test_no_items_and_no_texts():
    assert found(TRAIN, Index.build([], DecontaminateConfig())) == []
    assert len(scan(INDEX, pa.array([], type=pa.large_string()))) == 0


def test_problems_become_items():
    rows = [{"question": "What is 1 + 2?", "answer": "3", "passage": None}, {"question": "q", "id": "own"}]
    first, second = items_of(rows, "sums")
    assert first == Item("sums/1", "sums", "What is 1 + 2?", "3")
    assert second.id == "own"
    with pytest.raises(UserError, match='sums, item 1 has no question in "question"'):
        items_of([{"question": " "}], "sums")


def test_config_says_what_is_wrong():
    with pytest.raises(UserError, match="must be at least ngram"):
        parse(DecontaminateConfig, {"short_item_words": 4}, "recipe.yaml")
    with pytest.raises(UserError, match="names no items"):
        parse(DecontaminateConfig, {"against": []}, "recipe.yaml")
    config = parse(DecontaminateConfig, {"against": ["evaluation", {"read": "a/gsm8k_test.jsonl.gz"}]}, "r")
    assert config.against[1].name == "gsm8k_test"
