"""What a recipe says about the curation of a source: which checks; what is not named is not done.

They are asked in the order license, language, rules, personal data, quality. Of what stays after that and after
duplicates and contamination, lines go and personal data is masked."""

from __future__ import annotations

from typing import ClassVar, Literal

from midtrain.core.config import Config
from midtrain.documents.curation.licenses_config import LicenseConfig
from midtrain.documents.curation.pii_config import PiiConfig
from midtrain.documents.curation.rules_config import RulesConfig
from midtrain.documents.quality.config import LanguageConfig, QualityConfig


class CurateConfig(Config):
    """What is measured of the documents of a source, and which of them stay."""

    later: ClassVar[frozenset[str]] = frozenset({"lines"})

    licenses: LicenseConfig | None = None
    """Which licenses may be trained on; null asks nothing."""
    languages: LanguageConfig | None = LanguageConfig()
    """Which languages stay; all are counted. Null identifies none."""
    rules: RulesConfig | None = None
    """Heuristic rules on the statistics of a text (Gopher, C4, FineWeb); null applies none."""
    lines: Literal["c4"] | None = None
    """c4: lines that are no sentences go from the documents that stay (Raffel et al. 2020, section 2.2); for web pages.
    Null leaves texts whole, and chats are always left so."""
    pii: PiiConfig | None = None
    """Personal data: counted, masked or a reason to drop; null does not look for it."""
    quality: QualityConfig | None = None
    """Quality scorers, and what is kept by them; null scores nothing."""
