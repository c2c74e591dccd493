"""Every language of the worded problems by its code."""

from __future__ import annotations

from midtrain.verify.languages import bn, de, en, es, fr, ru, sw, zh
from midtrain.verify.languages.grammar import Language

LANGUAGES: dict[str, Language] = {one.LANGUAGE.code: one.LANGUAGE for one in (en, bn, de, es, fr, ru, sw, zh)}
