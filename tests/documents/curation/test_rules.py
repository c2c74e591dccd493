"""Rules: the first that fails names the drop; thresholds move without touching the statistics; unknown is not bad."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.documents.curation.rules import decide, thresholds_from, with_derived
from midtrain.documents.curation.rules_config import RULE_SETS, RULES, RulesConfig
from midtrain.text.statistics import STATISTICS, statistics

PROSE = """The king of the old country went down to the sea with his three daughters and a small dog.
Nobody in the village could say why, and those who asked were told to mind their own business.
When it rained they sheltered beneath an upturned boat, sharing bread that had been baked for someone else.
"We have come to wait for a ship," said the youngest, "but it seems that ships no longer call here."
An hour passed, then another; gulls circled over dark water that smelled of tar and weed.
At last her father stood up, shook sand from his coat, and began to laugh as if nothing mattered."""
CONFIG = RulesConfig()


def reasons(texts, config=CONFIG, languages="en"):
    index, names = decide(statistics(pa.array(texts), stop_words=languages), config, languages)
    return [names[i] if i >= 0 else "" for i in index]


def test_prose_stays_and_each_kind_of_noise_goes_for_its_reason():
    code = PROSE + "\nfor example if (x) { return the value that was asked for.\n"
    texts = [PROSE, PROSE + "\n" + PROSE, "too short to say much", code, PROSE.replace(".", ""), PROSE.replace(" ", "")]
    assert reasons(texts) == ["", "duplicate_lines", "top_2_gram", "curly_brackets", "terminal_lines", "top_3_gram"]


def test_a_rule_can_be_moved_turned_off_or_left_out():
    text = ["Only nineteen words stand here, and the rules of old would have them go for that. So be it?"]
    assert reasons(text, RulesConfig(sets=("gopher_quality",))) == ["few_words"]
    assert reasons(text, RulesConfig(sets=("gopher_quality",), thresholds={"few_words": 19})) == [""]
    assert reasons(text, RulesConfig(sets=("gopher_quality",), without=("few_words",))) == [""]
    assert reasons(text, RulesConfig(sets=("c4",))) == ["few_sentences"]
    assert reasons(text, RulesConfig(sets=())) == [""]


def test_thresholds_of_a_language_win_and_leave_others_alone():
    config = RulesConfig(
        sets=("gopher_quality",),
        thresholds={"few_words": 3},
        languages={"de": {"few_words": 100}},
        without=("stop_words",),
    )
    text = "four words of text"
    assert reasons([text] * 3, config, ["de", "en", None]) == ["few_words", "", ""]
    assert reasons([text], config, "deu_Latn") == ["few_words"]


def test_a_language_without_stop_words_is_not_judged_by_them():
    text = "mi zuvo kalem ta " * 30
    config = RulesConfig(sets=("gopher_quality",))
    assert reasons([text], config, "en") == ["stop_words"]
    assert reasons([text], config, "xx") == [""]


def test_letters_that_are_words_are_not_too_short():
    text = (
        "\u4eba\u4eba\u751f\u800c\u81ea\u7531\u5728\u5c0a\u4e25\u548c\u6743\u5229\u4e0a\u4e00\u5f8b\u5e73\u7b49\u3002"
        * 4
    )
    config = RulesConfig(sets=("gopher_quality",))
    assert reasons([text], config, "zh") == [""]
    assert reasons([text], config, "en") == ["short_words"]


def test_a_share_equal_to_its_threshold_passes():
    columns = {name: np.zeros(1, kind) for name, (kind, _) in STATISTICS.items()}
    columns["duplicate_lines"] = np.array([3 / 10], dtype=np.float32)
    config = RulesConfig(sets=("gopher_repetition",))
    assert decide(columns, config)[0].tolist() == [-1]
    columns["duplicate_lines"] = np.nextafter(columns["duplicate_lines"], np.float32(1))
    assert decide(columns, config)[0].tolist() == [2]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_decisions_are_those_of_the_rules_asked_one_by_one(seed):
    random = np.random.default_rng(seed)
    columns = {
        name: (random.random(5) * (200 if kind is np.int32 else 0.5)).astype(kind)
        for name, (kind, _) in STATISTICS.items()
    }
    index, names = decide(pa.table(columns), CONFIG)
    rules = [rule for name in CONFIG.sets for rule in RULE_SETS[name]]
    assert names == [rule.name for rule in rules]
    for i in range(5):
        fails = [
            n
            for n, rule in enumerate(rules)
            for value, bound in [(columns[rule.statistic][i], columns[rule.statistic].dtype.type(rule.threshold))]
            if (value < bound if rule.at_least else value > bound)
        ]
        assert index[i] == (fails[0] if fails else -1)


def test_thresholds_from_good_texts_let_them_pass():
    texts = [f"{PROSE} {'x' * length}." for length in range(20)] * 5
    columns = statistics(pa.array(texts), stop_words="xx")
    config = RulesConfig(thresholds={"long_words": 2, "few_words": 1000})
    moved = thresholds_from(columns, config, tail=0.05)
    assert set(moved) == {"long_words", "few_words"}
    assert moved["few_words"] == columns["words"].min()
    index, _ = decide(columns, RulesConfig(thresholds=moved), "xx")
    assert 0.9 <= np.mean(index < 0) <= 1


def test_thresholds_are_derived_for_languages_that_have_none():
    words = np.concatenate([np.arange(100), np.arange(100), np.full(100, 10), np.full(100, 10), np.full(20, 10)])
    columns = {name: np.ones(len(words), kind) for name, (kind, _) in STATISTICS.items()}
    columns |= {"words": words.astype(np.int32), "stop_words": np.full(len(words), -1, np.int32)}
    languages = ["en"] * 100 + ["sw"] * 100 + ["de"] * 100 + ["zh"] * 100 + ["yo"] * 20
    rules = {"sets": ["gopher_quality"], "without": ["short_words", "hashes", "bullet_lines", "ellipsis_lines"]}
    rules |= {"without": [*rules["without"], "ellipses"], "languages": {"de": {"few_words": 20}}}
    config = parse(RulesConfig, rules | {"derive": {}}, "r")
    derived, told = with_derived(columns, config, languages)
    assert told == [{"language": "sw", "documents": 100, "thresholds": {"few_words": [50, 4.0]}}]
    failed = dict.fromkeys(("en", "sw", "de", "zh", "yo"), 0)
    for language, reason in zip(languages, decide(columns, derived, languages)[0], strict=True):
        failed[language] += reason >= 0
    assert failed == {"en": 50, "sw": 4, "de": 100, "zh": 100, "yo": 20}
    named = parse(RulesConfig, rules | {"derive": {"languages": ["de", "yo"], "documents": 1, "tail": 0.1}}, "r")
    derived, told = with_derived(columns, named, languages)
    assert [row["language"] for row in told] == ["de", "yo"]
    assert derived.languages == {"de": {"few_words": 20}, "yo": {"few_words": 10}}  # what a recipe names wins


def test_every_rule_names_its_statistic_and_source():
    assert all(rule.statistic in STATISTICS and rule.source for rule in RULES.values())
    assert len(RULES) == sum(map(len, RULE_SETS.values())), "names are unique"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"sets": ["gopher"]}, 'no set of rules is called "gopher".'),
        ({"without": ["few_word"]}, 'no rule is called "few_word". Did you mean "few_words"?'),
        ({"thresholds": {"topgram": 1}}, 'no rule is called "topgram"'),
        ({"languages": {"de": {"stop_word": 1}}}, 'Did you mean "stop_words"?'),
        ({"derive": {"languages": ["German"]}}, '"German" is no language code'),
        ({"derive": {"tail": 0}}, "derive.tail"),
    ],
)
def test_a_misspelt_name_is_told(data, says):
    with pytest.raises(UserError, match=r"^r\.yaml") as told:
        parse(RulesConfig, data, "r.yaml")
    assert says in str(told.value)


def test_punctuation_is_no_word_without_letters():
    """A novel's dialogue: three words in four tokens have a letter, every word has one."""
    text = ['"Oh, no," she said; "no, no!" ' * 30]
    gopher, datatrove = RulesConfig(sets=("gopher_quality",)), RulesConfig(sets=("datatrove",))
    few = {"without": ("stop_words", "short_words")}
    assert reasons(text, gopher.model_copy(update=few)) == [""]
    assert reasons(text, datatrove) == ["alphabetic_tokens"]
    assert reasons(["12 34 56 words " * 40], gopher.model_copy(update=few)) == ["alphabetic_words"]
