"""Talk of oneself: which model is writing, who made it, how far its knowledge goes.

A base model that is trained on it answers as another model (Olmo 3, appendix A.7, leaves such traces out). What the
question itself says is not counted, nor what stands in quotation marks: a story may have a robot in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from midtrain.verify.traces.config import Reason
from midtrain.verify.traces.phrases import expression
from midtrain.verify.traces.trace import Defect, Trace

_MAKERS = (
    "openai|anthropic|google(?: deepmind)?|deepmind|deepseek|alibaba(?: cloud)?|meta(?: ai)?|mistral(?: ai)?|xai"
    "|moonshot(?: ai)?|zhipu(?: ai)?|microsoft|nvidia|cohere|bytedance|baidu|tencent"
)
_NAMES = r"chat ?gpt|gpt-?\d\w*|claude|gemini|qwen\w*|qwq|deepseek(?:-r1|-v3)?|llama|mistral|grok|kimi|glm|copilot|bard"
_AI = r"(?:large )?language model|ai (?:language )?model|(?:ai|virtual) assistant|artificial intelligence|chatbot|llm"
_MADE = "developed|created|trained|made|built|designed"

IDENTITY = {
    "en": (
        rf"as an? (?:{_AI}|ai)(?=[,.\s])(?! (?:engineer|researcher|company|startup))",
        rf"i(?:'m| am) (?:just )?an? (?:{_AI}|ai(?=[,.\s]))",
        rf"i(?:'m| am) (?:{_NAMES})\b",
        rf"my name is (?:{_NAMES})\b",
        rf"i (?:was|am|have been) (?:\w+ )?(?:{_MADE}) by (?:{_MAKERS}|researchers)",
        rf"(?:model|assistant|ai) (?:{_MADE}) by (?:{_MAKERS})",
        r"my (?:knowledge|training)(?: data)?(?:'s)? (?:cut[- ]?off|ends|only goes|is limited|extends|was last)",
        r"knowledge cut[- ]?off",
        r"as of my (?:last|latest|most recent) (?:update|training|knowledge)",
        r"my training data",
        r"i (?:do not|don't|cannot|can't) (?:have access to|access|browse) (?:real[- ]time|the internet|current|up-to)",
        r"openai'?s? (?:policy|policies|guidelines|content)",
    ),
    "de": (
        r"als (?:ki|künstliche intelligenz|ki-modell|sprachmodell|ki-sprachmodell|ki-assistent)\b",
        r"ich bin ein(?:e)? (?:ki\b|ki-\w+|sprachmodell|künstliche intelligenz)",
        rf"ich (?:wurde|bin) von (?:{_MAKERS}) (?:entwickelt|trainiert|erstellt)",
        rf"ich bin (?:{_NAMES})\b",
        r"mein(?:e|es)? (?:wissensstand|wissens|trainingsdaten)",
    ),
    "es": (
        r"como (?:una? )?(?:ia|inteligencia artificial|modelo de lenguaje|asistente de ia)\b",
        r"soy una? (?:ia\b|inteligencia artificial|modelo de lenguaje|asistente (?:virtual|de ia))",
        rf"(?:fui|he sido) (?:desarrollad|cread|entrenad)[oa] por (?:{_MAKERS})",
        rf"soy (?:{_NAMES})\b",
        r"mis datos de entrenamiento",
        r"mi conocimiento (?:se limita|llega|termina)",
        "fecha de corte de mi",
    ),
    "fr": (
        r"en tant qu(?:e |')(?:ia|intelligence artificielle|modèle de langage|assistant (?:ia|virtuel))\b",
        r"je suis une? (?:ia\b|intelligence artificielle|modèle de langage|assistant (?:ia|virtuel))",
        rf"j'ai été (?:développ|cré|entraîn)ée? par (?:{_MAKERS})",
        rf"je suis (?:{_NAMES})\b",
        r"mes données d'entraînement",
        r"mes connaissances (?:s'arrêtent|vont|sont limitées)",
    ),
    "ru": (
        r"как (?:ии\b|языковая модель|искусственный интеллект)",
        r"я (?:— |- |– )?(?:языковая модель|искусственный интеллект)",
        r"меня (?:разработал|создал)\w*",
        r"мои (?:знания ограничены|данные обучения)",
    ),
    "zh": (
        "(?:作为|我是)(?:一个|一款|一名)?(?:ai|人工智能|大?语言模型|大模型)",
        rf"我是(?:由)?(?:{_NAMES}|{_MAKERS}|通义千问|文心一言)",
        "我的(?:知识|训练数据)(?:截止|截至|更新)",
    ),
    "sw": (
        r"kama (?:modeli|mfano) (?:ya|wa) lugha",
        r"mimi ni (?:modeli|mfano|programu) (?:ya|wa) (?:lugha|akili)",
        r"kama akili (?:bandia|mnemba)",
        rf"nili(?:tengenezwa|undwa|funzwa) na (?:{_MAKERS})",
    ),
    "bn": (
        "(?:একটি|একজন) (?:ভাষা মডেল|কৃত্রিম বুদ্ধিমত্তা|এআই)",
        "আমার (?:প্রশিক্ষণ ডেটা|জ্ঞানের সীমা)",
    ),
}
"""A model speaking of itself."""


@cache
def _phrases(lang: str) -> re.Pattern[str] | None:
    return expression(IDENTITY, lang)


def identity(trace: Trace) -> Iterator[Defect]:
    """The model speaks of itself; the score is how often."""
    phrases, asked = _phrases(trace.lang), trace.prompt.lower()
    found = [match for match in phrases.finditer(trace.lowered) if match[0] not in asked] if phrases else []
    if found:
        yield Defect(Reason.IDENTITY, len(found), *found[0].span(), "phrases in which the model speaks of itself")
