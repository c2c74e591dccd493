"""Licenses: the spellings people use, and what the gate lets through."""

import pyarrow as pa
import pytest

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.documents.curation.licenses import decide
from midtrain.documents.curation.licenses_config import LicenseConfig
from midtrain.documents.curation.spdx import KNOWN, normalise

SPELLINGS = {
    "MIT": ["mit", "MIT License", "The MIT License (MIT)", "License :: OSI Approved :: MIT License", "Expat"],
    "Apache-2.0": [
        "apache-2.0",
        "Apache License, Version 2.0",
        "Apache 2",
        "Apache Software License",
        "https://www.apache.org/licenses/LICENSE-2.0.txt",
    ],
    "BSD-3-Clause": ["bsd-3-clause", "BSD License", "BSD 3-Clause License", "New BSD"],
    "BSD-2-Clause": ["BSD-2-Clause", "Simplified BSD"],
    "GPL-3.0-only": ["gpl-3.0", "GPLv3", "GNU General Public License v3", "GPL-3.0-only"],
    "GPL-2.0-or-later": ["GPL-2.0+", "GPLv2 or later", "GNU General Public License version 2 or later"],
    "GPL-1.0-or-later": ["GPL", "GNU General Public License (GPL)"],
    "LGPL-2.1-only": ["lgpl-2.1", "GNU Lesser General Public License v2.1"],
    "AGPL-3.0-only": ["agpl-3.0", "GNU Affero General Public License v3.0"],
    "CC-BY-4.0": ["cc-by-4.0", "CC BY 4.0", "Creative Commons Attribution 4.0 International"],
    "CC-BY-SA-3.0": ["cc-by-sa-3.0", "https://creativecommons.org/licenses/by-sa/3.0/"],
    "CC-BY-NC-SA-4.0": ["CC-BY-NC-SA-4.0", "Creative Commons Attribution-NonCommercial-ShareAlike 4.0"],
    "CC-BY-NC": ["cc-by-nc"],
    "CC0-1.0": ["CC0", "cc0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/", "Creative Commons Zero"],
    "LicenseRef-Public-Domain": ["Public domain", "public-domain", "public domain (US)"],
    "MPL-2.0": ["mpl-2.0", "Mozilla Public License 2.0 (MPL 2.0)"],
    "ODC-By-1.0": ["odc-by"],
    "MIT OR Apache-2.0": ["MIT OR Apache-2.0", "(MIT OR apache-2.0)"],
    "Apache-2.0 AND MIT": ['["mit", "apache-2.0"]'],
    "LicenseRef-House": ["LicenseRef-House"],
}
UNKNOWN = [None, "", "other", "unknown", "Some license", '["mit", "house rules"]', "MIT OR mine", "[", "NOASSERTION"]


@pytest.mark.parametrize(("spdx", "text"), [(spdx, text) for spdx, texts in SPELLINGS.items() for text in texts])
def test_spellings_have_one_identifier(spdx, text):
    assert normalise(text) == spdx


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_is_not_recognised_is_unknown(text):
    assert normalise(text) is None


def test_identifiers_are_their_own_name():
    for name in KNOWN:
        assert normalise(name) == normalise(name.lower() if "Ref" not in name else name) == name


def stays(texts, **config):
    reason_N, reasons = decide(pa.array(texts, pa.string()), parse(LicenseConfig, config, "recipe"))
    return [None if index < 0 else reasons[index] for index in reason_N]


def test_the_gate_says_why():
    texts = ["mit", "GPLv3", "Apache 2", None, "house rules", "mit", "CC-BY-NC-4.0"]
    assert stays(texts) == [None] * 7
    assert stays(texts, unknown="drop")[3:5] == ["license unknown"] * 2
    assert stays(texts, deny=["GPL-*", "CC-BY-NC*"]) == [
        None,
        "license denied: GPL-3.0-only",
        *[None] * 4,
        "license denied: CC-BY-NC-4.0",
    ]
    assert stays(texts, allow=["MIT", "apache 2.0"], unknown="drop") == [
        None,
        "license not allowed: GPL-3.0-only",
        None,
        "license unknown",
        "license unknown",
        None,
        "license not allowed: CC-BY-NC-4.0",
    ]


def test_alternatives_need_one_and_lists_need_all():
    gate = {"allow": ["MIT", "BSD-*"], "deny": ["BSD-4*"]}
    assert stays(
        ["MIT OR GPL-3.0-only", '["mit", "bsd"]', '["mit", "gpl-3.0"]', "BSD-4-Clause OR GPL-2.0"], **gate
    ) == [
        None,
        None,
        "license not allowed: GPL-3.0-only",
        "license denied: BSD-4-Clause",
    ]


def test_a_column_of_nulls_or_of_nothing():
    assert stays([None, None], unknown="drop") == ["license unknown"] * 2
    assert stays([]) == []


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [(["Apach-2.0"], 'Did you mean "Apache-2.0"'), (["qqq"], "LicenseRef-NAME"), ([" "], "empty")],
)
def test_a_misspelt_license_is_told_when_the_recipe_is_parsed(patterns, expected):
    with pytest.raises(UserError, match=expected):
        parse(LicenseConfig, {"allow": patterns}, "recipe")
