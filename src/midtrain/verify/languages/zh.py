"""Chinese (simplified). A number takes the noun's measure word: 5个苹果, 5支铅笔. Persons: 0 他, 1 她.

"unit" is the measure word alone. Measures (元, 天, 小时) stand right after the number.
"""

from __future__ import annotations

from midtrain.verify.languages.grammar import Language, Noun, Person, Wording
from midtrain.verify.languages.spelling import chinese

_WORDINGS = {
    "worded_shopping": Wording(
        (
            "{name}买了{a:thing}和{b:other}。每{thing:unit}{thing}{p:money}，每{other:unit}{other}{q:money}。",
            "商店里的{thing}每{thing:unit}{p:money}，{other}每{other:unit}{q:money}。{name}拿了{a:thing}和{b:other}。",
        ),
        ("{name}一共要付多少元？", "全部东西一共多少钱？"),
        (
            (
                "一{thing:unit}{thing}的价格是{p:money}，一{other:unit}{other}的价格是{q:money}。"
                "为了聚会，{name}需要{a:thing}和{b:other}。",
                "{name}要花多少钱？",
            ),
        ),
        ("{thing}的总价", "{other}的总价", "合计"),
    ),
    "worded_change": Wording(
        (
            "{name}带着{m:money}去买东西，买了{a:thing}，每{thing:unit}{p:money}。",
            "{name}有{m:money}，买了{a:thing}。每{thing:unit}{thing}{p:money}。",
        ),
        ("{name}还剩多少钱？", "还剩下多少元？"),
        (("一{thing:unit}{thing}卖{p:money}。{name}拿了{a:thing}，付给店员{m:money}。", "应该找回多少元？"),),
        ("{thing}的总价", "剩下的钱"),
    ),
    "worded_sharing": Wording(
        (
            "{name}有{n:thing}，给了{second}{e:thing}，把剩下的平均分给{c:child}。",
            "盒子里有{n:thing}。{name}拿出了{e:thing}。剩下的平均分给{c:child}。",
        ),
        ("每个孩子分到多少{thing:unit}{thing}？", "每个孩子可以得到多少{thing:unit}{thing}？"),
        (
            (
                "{name}和{second}一共收集了{n:thing}。两人自己留下{e:thing}，其余的全部平分给{c:child}。",
                "一个孩子得到的{thing}数量是多少？",
            ),
        ),
        ("剩下的{thing}", "每个孩子的{thing}"),
    ),
    "worded_ages": Wording(
        (
            "{name}今年{a:age}。{second}比{name}大{k:age}。",
            "{second}比{name}大{k:age}，{name}现在{a:age}。",
        ),
        ("{t:year}后，{name}和{second}的年龄之和是多少岁？", "再过{t:year}，{name}和{second}一共多少岁？"),
        (("{name}刚满{a:age}，而{second}比{name:他|她}大{k:age}。", "求{t:year}之后{name}与{second}年龄的总和。"),),
        ("{second}现在的年龄", "{t:year}后{name}的年龄", "{t:year}后{second}的年龄", "年龄之和"),
    ),
    "worded_travel": Wording(
        (
            "{name}先以每小时{v:#}千米的速度开车{t:hour}，再以每小时{w:#}千米的速度开车{u:hour}。",
            "一列火车以每小时{v:#}千米的速度行驶了{t:hour}，然后以每小时{w:#}千米的速度行驶了{u:hour}。",
        ),
        ("一共行驶了多少千米？", "全程是多少千米？"),
        (
            (
                "旅途的前{t:hour}，客车每小时行驶{v:#}千米；剩下的{u:hour}，每小时行驶{w:#}千米。",
                "客车总共走了多远（以千米计）？",
            ),
        ),
        ("第一段路程（千米）", "第二段路程（千米）", "总路程（千米）"),
    ),
    "worded_wages": Wording(
        (
            "{name}每小时挣{w:money}，每天工作{h:hour}，一共工作了{d:day}。之后，{name}花掉了{s:money}。",
            "在{d:day}里，{name}每天工作{h:hour}，每小时的工资是{w:money}。"
            "{name:他|她}用这笔钱买了一件{s:money}的礼物。",
        ),
        ("工资还剩多少元？", "{name}的工资还剩下多少钱？"),
        (
            (
                "工作一小时，{name}可以得到{w:money}。{name:他|她}干了{d:day}，每天{h:hour}，"
                "然后从工资里拿出{s:money}给{second}。",
                "{name}自己留下多少元？",
            ),
        ),
        ("一天的工资", "全部工资", "剩下的钱"),
    ),
    "worded_discount": Wording(
        (
            "一件外套{p:money}。今天降价{r:#}%。一所学校买了{n:coat}。",
            "商店把原价{p:money}的外套降价{r:#}%。{name}按新价格订了{n:coat}。",
        ),
        ("这些外套一共多少钱？", "总价是多少元？"),
        (("外套平时每件{p:money}，现在优惠{r:#}%。", "买{n:coat}要付多少元？"),),
        ("每件外套降价", "每件外套的新价格", "总价"),
    ),
    "worded_comparison": Wording(
        (
            "{name}有{a:thing}。{second}比{name}多{k:thing}。{third}的{thing}数量是{second}的{m:#}倍。",
            "{name}有{a:thing}，{second}比{name:他|她}多{k:#}{thing:unit}，{third}的{thing}是{second}的{m:#}倍。",
        ),
        ("三人一共有多少{thing:unit}{thing}？", "三个人总共有多少{thing:unit}{thing}？"),
        (
            (
                "{third}收集的{thing}是{second}的{m:#}倍，{second}收集的比{name}多{k:#}{thing:unit}。"
                "{name}收集了{a:thing}。",
                "三人收集的{thing}总数是多少？",
            ),
        ),
        ("{second}的{thing}", "{third}的{thing}", "合计"),
    ),
    "worded_reading": Wording(
        (
            "一本书有{n:page}。{name}每天看{a:page}，看了{d:day}。",
            "{name}正在看一本{n:page}的书，已经看了{d:day}，每天看{a:page}。",
        ),
        ("还剩多少页？", "{name}还要看多少页？"),
        (("{second}借给{name}一本{n:page}的书。{name}每天读{a:page}。", "{d:day}后还有多少页没有读？"),),
        ("看过的页数", "剩下的页数"),
    ),
    "worded_eggs": Wording(
        (
            "{name}家的母鸡每天下{e:egg}。家里每天吃{u:egg}。剩下的鸡蛋{name}拿到市场上卖，每个{p:money}。",
            "{name}每天收{e:egg}，留下{u:egg}自己用，其余的都卖掉。每个鸡蛋卖{p:money}。",
        ),
        ("{name}{d:day}能挣多少钱？", "{d:day}里，{name}一共收入多少元？"),
        (
            (
                "一个小农场的母鸡每天下{e:egg}。其中{u:egg}用来做糕点，其余的卖给一家商店，每个鸡蛋{p:money}。",
                "商店{d:day}要付多少元？",
            ),
        ),
        ("每天卖出的鸡蛋", "每天的收入", "总收入"),
    ),
}


def _nouns(text: str) -> tuple[Noun, ...]:
    """From "个苹果 ...": the measure word first."""
    return tuple(Noun({"": word[1:]}, classifier=word[0]) for word in text.split())


def _persons(names: str, gender: int) -> tuple[Person, ...]:
    return tuple(Person(name, gender) for name in names.split())


LANGUAGE = Language(
    code="zh",
    pattern="{number}{classifier}{noun}",
    price="¥{number}",
    cents=2,
    colon="：",
    gap="",
    spell=chinese,
    nouns={
        "age": Noun({"": "岁"}),
        "child": Noun({"": "孩子"}, classifier="个"),
        "coat": Noun({"": "外套"}, classifier="件"),
        "day": Noun({"": "天"}),
        "egg": Noun({"": "鸡蛋"}, classifier="个"),
        "friend": Noun({"": "朋友"}, classifier="个"),
        "hour": Noun({"": "小时"}),
        "minute": Noun({"": "分钟"}),
        "money": Noun({"": "元"}),
        "page": Noun({"": "页"}),
        "tree": Noun({"": "树"}, classifier="棵"),
        "year": Noun({"": "年"}),
    },
    things=_nouns("个苹果 支铅笔 本书 个皮球 个杯子 本笔记本 个梨 张卡片"),
    persons=(*_persons("小明 小华 小刚 小强 小军 小亮", 0), *_persons("小红 小丽 小芳 小美 小兰 小玲", 1)),
    distractors={
        "shop": ("这家商店开了{z:year}了。", "{second}在外面等了{z:minute}。"),
        "school": ("学校前面有{z:tree}。", "{second}走到学校要{z:minute}。"),
        "road": ("路边有{z:tree}。", "已经连续晴了{z:day}。"),
        "home": ("{second}有{z:friend}。", "房子前面有{z:tree}。"),
    },
    wordings=_WORDINGS,
)
