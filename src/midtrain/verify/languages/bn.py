"""Bengali. What is counted has a classifier on its number: 5টি বই, 4 জন শিশু; measures (টাকা, দিন, ঘণ্টা) have none.

Nouns do not change with the number; "gen" and "loc" are their genitive and locative. Persons have a genitive too; the
objective is written in the templates ({second}কে). There is no gender.
"""

from __future__ import annotations

from midtrain.verify.languages.grammar import Language, Noun, Person, Wording
from midtrain.verify.languages.spelling import bengali

_WORDINGS = {
    "worded_shopping": Wording(
        (
            "{name} {a:thing} ও {b:other} কিনল। প্রতিটি {thing:gen} দাম {p:money} এবং প্রতিটি {other:gen} দাম {q:money}।",
            "একটি দোকানে প্রতিটি {thing} {p:money} দরে এবং প্রতিটি {other} {q:money} দরে বিক্রি হয়। "
            "{name} {a:thing} ও {b:other} নিল।",
        ),
        ("{name} মোট কত টাকা দিল?", "সবকিছুর মোট দাম কত টাকা?"),
        (
            (
                "একটি {thing:gen} দাম {p:money}, আর একটি {other:gen} দাম {q:money}। "
                "অনুষ্ঠানের জন্য {name:gen} {a:thing} ও {b:other} দরকার।",
                "{name:gen} কত টাকা খরচ হবে?",
            ),
        ),
        ("{thing:gen} মোট দাম", "{other:gen} মোট দাম", "সর্বমোট"),
    ),
    "worded_change": Wording(
        (
            "{name} {m:money} নিয়ে দোকানে গেল এবং প্রতিটি {p:money} দরে {a:thing} কিনল।",
            "{name:gen} কাছে {m:money} ছিল। সে {a:thing} কিনল। প্রতিটি {thing:gen} দাম {p:money}।",
        ),
        ("{name:gen} কাছে কত টাকা রইল?", "কেনার পর কত টাকা অবশিষ্ট রইল?"),
        (
            (
                "একটি {thing:gen} দাম {p:money}। {name} {a:thing} নিয়ে দোকানদারকে {m:money} দিল।",
                "{name} কত টাকা ফেরত পাবে?",
            ),
        ),
        ("{thing:gen} মোট দাম", "অবশিষ্ট টাকা"),
    ),
    "worded_sharing": Wording(
        (
            "{name:gen} কাছে {n:thing} ছিল। সে {second}কে {e:thing} দিল এবং বাকিগুলি {c:child.gen} মধ্যে "
            "সমানভাবে ভাগ করে দিল।",
            "একটি বাক্সে {n:thing} আছে। {name} {e:thing} বের করে নিল। বাকিগুলি {c:child.gen} মধ্যে সমানভাবে ভাগ করা হলো।",
        ),
        ("প্রত্যেক শিশু কতটি {thing} পেল?", "প্রত্যেক শিশু কয়টি করে {thing} পেয়েছে?"),
        (
            (
                "{name} ও {second} {n:thing} জোগাড় করল। তারা নিজেদের জন্য {e:thing} রেখে "
                "বাকি সবগুলি {c:child.gen} মধ্যে সমান ভাগে ভাগ করে দিল।",
                "একজন শিশু কতগুলি {thing} পেয়েছে?",
            ),
        ),
        ("বাকি {thing}", "প্রত্যেক শিশুর ভাগ"),
    ),
    "worded_ages": Wording(
        (
            "{name:gen} বয়স {a:year}। {second} {name:gen} চেয়ে {k:year.gen} বড়।",
            "{second} {name:gen} চেয়ে {k:year.gen} বড়। এখন {name:gen} বয়স {a:year}।",
        ),
        (
            "{t:year} পরে {name} ও {second:gen} মোট বয়স কত হবে?",
            "{t:year} পরে {name:gen} বয়স ও {second:gen} বয়সের যোগফল কত বছর হবে?",
        ),
        (
            (
                "আজ {name:gen} বয়স {a:year} পূর্ণ হলো, আর {second} তার চেয়ে {k:year.gen} বড়।",
                "এখন থেকে {t:year} পরে {name} ও {second:gen} বয়সের সমষ্টি নির্ণয় করো।",
            ),
        ),
        ("এখন {second:gen} বয়স", "{t:year} পরে {name:gen} বয়স", "{t:year} পরে {second:gen} বয়স", "মোট"),
    ),
    "worded_travel": Wording(
        (
            "{name} {t:hour} ধরে ঘণ্টায় {v:#} কিলোমিটার বেগে এবং তারপর {u:hour} ধরে ঘণ্টায় {w:#} কিলোমিটার বেগে গাড়ি চালাল।",
            "একটি ট্রেন {t:hour} ধরে ঘণ্টায় {v:#} কিলোমিটার বেগে চলল। "
            "তারপর ট্রেনটি {u:hour} ধরে ঘণ্টায় {w:#} কিলোমিটার বেগে চলল।",
        ),
        ("মোট কত কিলোমিটার পথ অতিক্রম করা হলো?", "পুরো যাত্রাপথ কত কিলোমিটার?"),
        (
            (
                "একটি বাস যাত্রার প্রথম {t:hour} চলে ঘণ্টায় {v:#} কিলোমিটার বেগে, "
                "আর বাকি {u:hour} চলে ঘণ্টায় {w:#} কিলোমিটার বেগে।",
                "বাসটি মোট কত কিলোমিটার যায়?",
            ),
        ),
        ("প্রথম অংশ (কিমি)", "দ্বিতীয় অংশ (কিমি)", "মোট (কিমি)"),
    ),
    "worded_wages": Wording(
        (
            "{name} ঘণ্টায় {w:money} আয় করে এবং {d:day} ধরে প্রতিদিন {h:hour} কাজ করে। তারপর সে {s:money} খরচ করে।",
            "{name} {d:day} ধরে প্রতিদিন {h:hour} কাজ করল এবং প্রতি ঘণ্টার জন্য {w:money} পেল। "
            "সেই টাকা থেকে সে {s:money} দিয়ে একটি উপহার কিনল।",
        ),
        ("আয়ের কত টাকা বাকি রইল?", "{name:gen} আয় থেকে কত টাকা অবশিষ্ট রইল?"),
        (
            (
                "এক ঘণ্টা কাজ করলে {name} {w:money} পায়। সে মোট {d:day}, প্রতিদিন {h:hour} করে কাজ করে "
                "এবং আয় থেকে {second}কে {s:money} দেয়।",
                "{name:gen} কাছে কত টাকা থাকে?",
            ),
        ),
        ("এক দিনের আয়", "সব দিনের আয়", "অবশিষ্ট টাকা"),
    ),
    "worded_discount": Wording(
        (
            "একটি জামার দাম {p:money}। আজ দাম {r:#}% কমানো হয়েছে। একটি স্কুল {n:coat} কিনল।",
            "একটি দোকানে জামার দাম ছিল {p:money}। দোকানটি সেই দাম {r:#}% কমাল। {name} নতুন দামে {n:coat} কিনল।",
        ),
        ("সব জামার মোট দাম কত টাকা?", "মোট কত টাকা দিতে হবে?"),
        (
            (
                "যে জামার দাম সাধারণত {p:money}, তার উপর এখন {r:#}% ছাড় চলছে।",
                "{n:coat} কিনতে কত টাকা লাগবে?",
            ),
        ),
        ("একটি জামার ছাড়", "একটি জামার নতুন দাম", "মোট দাম"),
    ),
    "worded_comparison": Wording(
        (
            "{name:gen} কাছে {a:thing} আছে। {second:gen} কাছে {name:gen} চেয়ে {k:thing} বেশি আছে। "
            "{third:gen} কাছে {second:gen} {m:#} গুণ {thing} আছে।",
            "{name:gen} {a:thing} আছে, আর {second:gen} আছে তার চেয়ে {k:#}টি বেশি। "
            "{third:gen} {thing:gen} সংখ্যা {second:gen} {thing:gen} সংখ্যার {m:#} গুণ।",
        ),
        ("তিনজনের কাছে মোট কতটি {thing} আছে?", "তিনজনের সব মিলিয়ে কতটি {thing} আছে?"),
        (
            (
                "{third} {second:gen} {m:#} গুণ {thing} সংগ্রহ করল, আর {second} {name:gen} চেয়ে {k:thing} বেশি "
                "সংগ্রহ করল। {name} {a:thing} সংগ্রহ করল।",
                "তারা মোট কতগুলি {thing} সংগ্রহ করল?",
            ),
        ),
        ("{second}", "{third}", "মোট"),
    ),
    "worded_reading": Wording(
        (
            "একটি বইয়ে {n:page} আছে। {name} {d:day} ধরে প্রতিদিন {a:page} পড়ল।",
            "{name} {n:page.gen} একটি বই পড়ছে। {d:day} ধরে সে প্রতিদিন {a:page} পড়েছে।",
        ),
        ("আর কত পৃষ্ঠা বাকি আছে?", "{name:gen} আর কত পৃষ্ঠা পড়তে হবে?"),
        (
            (
                "{second} {name}কে {n:page.gen} একটি বই ধার দিল। {name} প্রতিদিন {a:page} করে পড়ে।",
                "{d:day} পরে কত পৃষ্ঠা বাকি থাকবে?",
            ),
        ),
        ("পড়া পৃষ্ঠা", "বাকি পৃষ্ঠা"),
    ),
    "worded_eggs": Wording(
        (
            "{name:gen} মুরগিগুলি প্রতিদিন {e:egg} পাড়ে। পরিবারটি প্রতিদিন {u:egg} খায়। "
            "{name} বাকি ডিমগুলি বাজারে প্রতিটি {p:money} দরে বিক্রি করে।",
            "প্রতিদিন {name} {e:egg} সংগ্রহ করে, রান্নার জন্য {u:egg} রাখে এবং বাকি সব বিক্রি করে। "
            "প্রতিটি ডিম {p:money} দরে বিক্রি হয়।",
        ),
        ("{d:day.loc} {name} কত টাকা আয় করে?", "{name} {d:day.loc} মোট কত টাকা পায়?"),
        (
            (
                "একটি ছোট খামার মুরগি থেকে প্রতিদিন {e:egg} পায়। এর মধ্যে {u:egg} কেক বানাতে লাগে, "
                "আর বাকিগুলি একটি দোকান প্রতিটি {p:money} দরে কিনে নেয়।",
                "দোকানটি {d:day.loc} মোট কত টাকা দেয়?",
            ),
        ),
        ("প্রতিদিন বিক্রি হওয়া ডিম", "প্রতিদিনের আয়", "মোট আয়"),
    ),
}


def _thing(noun: str, genitive: str) -> Noun:
    return Noun({"": noun, "gen": genitive}, classifier="টি")


def _persons(declined: str) -> tuple[Person, ...]:
    """From "রিনা রিনার, ..."."""
    pairs = (pair.split() for pair in declined.split(", "))
    return tuple(Person(name, 0, {"gen": genitive}) for name, genitive in pairs)


LANGUAGE = Language(
    code="bn",
    pattern="{number}{classifier} {noun}",
    price="৳{number}",
    cents=0,
    spell=bengali,
    spelled_cases=("", "gen", "loc"),
    nouns={
        "child": Noun({"": "শিশু", "gen": "শিশুর"}, classifier=" জন"),
        "coat": _thing("জামা", "জামার"),
        "day": Noun({"": "দিন", "loc": "দিনে"}),
        "egg": _thing("ডিম", "ডিমের"),
        "friend": Noun({"": "বন্ধু", "gen": "বন্ধুর"}, classifier=" জন"),
        "hour": Noun({"": "ঘণ্টা"}),
        "minute": Noun({"": "মিনিট"}),
        "money": Noun({"": "টাকা"}),
        "page": Noun({"": "পৃষ্ঠা", "gen": "পৃষ্ঠার"}),
        "tree": _thing("গাছ", "গাছের"),
        "year": Noun({"": "বছর", "gen": "বছরের"}),
    },
    things=(
        _thing("বই", "বইয়ের"),
        _thing("কলম", "কলমের"),
        _thing("খাতা", "খাতার"),
        _thing("পেনসিল", "পেনসিলের"),
        _thing("আপেল", "আপেলের"),
        _thing("কমলা", "কমলার"),
        _thing("বল", "বলের"),
        _thing("কাপ", "কাপের"),
    ),
    persons=(
        *_persons("রহিম রহিমের, করিম করিমের, সুমন সুমনের, জামাল জামালের, অনিক অনিকের, রাজু রাজুর"),
        *_persons("রিনা রিনার, মিতা মিতার, আয়েশা আয়েশার, ফাতেমা ফাতেমার, তানিয়া তানিয়ার, নাদিয়া নাদিয়ার"),
    ),
    distractors={
        "shop": ("দোকানটি {z:year} ধরে চলছে।", "{second} বাইরে {z:minute} অপেক্ষা করল।"),
        "school": ("স্কুলের সামনে {z:tree} আছে।", "{second:gen} স্কুলে যেতে {z:minute} লাগে।"),
        "road": ("রাস্তার পাশে {z:tree} আছে।", "{z:day} ধরে রোদ উঠছে।"),
        "home": ("{second:gen} {z:friend} আছে।", "বাড়ির সামনে {z:tree} আছে।"),
    },
    wordings=_WORDINGS,
)
