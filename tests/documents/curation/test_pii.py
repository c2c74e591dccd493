"""Personal data: what is found, what only looks like it, and that masking leaves nothing and breaks nothing."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from midtrain.documents.curation import pii_forms as forms
from midtrain.documents.curation.pii import REPLACEMENTS, count, find, mask
from midtrain.documents.curation.pii_config import KINDS, PiiConfig

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq3\nq83vDdQ9\n-----END RSA PRIVATE KEY-----"
RANDOM = "x7Kq2mPz9Lw4Rt8Vb3Nc"

PERSONAL = {
    "email": ["jane.doe@mail.uni-koeln.de", "o'neil+list@a-b.co.uk", "x_1@sub.domain.museum"],
    "ipv4": ["93.184.216.34", "8.8.200.4", "185.199.108.153"],
    "ipv6": ["2001:4860:4860::8888", "2a00:1450:4001:82a:0:0:0:200e"],
    "phone": [
        "+49 221 470 2224",
        "+44 (0)20 7946 0018",
        "(212) 736-5000",
        "212-736-5000",
        "+1 212 736 5000",
        "+4922147022",
    ],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "NO9386011117947"],
    "card": ["4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005", "3782 822463 10005"],
    "secret": ["AKIAIOSFODNN7QWERTYU", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", KEY, "hf_" + RANDOM * 2],
}

INNOCENT = [
    "user@example.com",
    "a@b.test",
    "git@github.com:torch/torch",
    "icon@2x.png",
    "@property",
    "x @ y.z",
    "a@b",
    "v1.22.33.44",
    "version 21.22.33.44",
    "Chrome/91.44.77.21",
    "1.2.3.4",
    "12.3.4.5.6",
    "300.1.1.1",
    "10.0.0.1",
    "192.0.2.77",
    "std::vector<a::b>",
    "12:34:56",
    "x[2001::5]",
    "aa:bb:cc:dd:ee:ff",
    "DE88 3704 0044 0532 0130 00",
    "XX89370400440532013000",
    "4111 1111 1111 1112",
    "1234567812345670",
    "0.4111111111111111",
    "2024-01-15 10:30:00",
    "1,234,567,890",
    "2 345 678 9012",
    "+1.23456789",
    "+12345678",
    "212-555-0123",
    "ISBN 978-3-16-148410-0",
    "3.14159265358979",
    "token = compute_hash256_of_value(x)",
    "sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "api_key = your_api_key_12345678",
    "password_reset_token_v2_expired",
    "sk-learn-pipeline-step-number-12",
    "550e8400-e29b-41d4-a716-446655440000",
    "-----BEGIN PUBLIC KEY-----\nMIIEpAIBAAKCAQEA7bq3\n-----END PUBLIC KEY-----",
]


def kinds_in(text):
    found = find(pa.array([text]))
    return [(KINDS[kind], text.encode()[a:b].decode()) for kind, a, b in zip(*found[1:], strict=True)]


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in PERSONAL.items() for value in values])
@pytest.mark.parametrize("frame", ["{}", "Write to: {}, please.", "\u00e4\u00f6 {}\nnext", "({})", '"{}"'])
def test_personal_data_is_found_to_the_byte(kind, value, frame):
    assert kinds_in(frame.format(value)) == [(kind, value)]


@pytest.mark.parametrize("text", INNOCENT)
def test_what_only_looks_like_it_is_left_alone(text):
    assert kinds_in(text) == []
    assert kinds_in(f"Then {text} was seen.") == []


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f'password = "{RANDOM}"', RANDOM),
        (f"export API_KEY={RANDOM}", RANDOM),
        (f"client_secret: {RANDOM}\n", RANDOM),
        ('"auth_key": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"', "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"),
    ],
)
def test_random_text_is_a_secret_where_it_is_named_so(text, secret):
    assert kinds_in(text) == [("secret", secret)]
    assert kinds_in(f"commit {secret} of the repository") == []


def test_a_national_number_needs_a_word_before_it():
    assert kinds_in("Tel.: 0221 470-2224") == [("phone", "0221 470-2224")]
    assert kinds_in("Room 0221 470-2224") == []


def test_private_addresses_count_when_asked():
    texts = pa.array(["10.0.0.1 and fe80:0:0:0:1::2 and 93.184.216.34"])
    assert [int(count(texts, reserved_ips=asked)["ipv4"][0]) for asked in (False, True)] == [1, 2]
    assert [int(count(texts, reserved_ips=asked)["ipv6"][0]) for asked in (False, True)] == [0, 1]


@pytest.mark.parametrize("form", [pa.string(), pa.large_string()])
def test_masking_replaces_every_piece_and_nothing_else(form):
    everything = " | ".join(value for values in PERSONAL.values() for value in values)
    texts = pa.array(["\u00e4 none", everything, "", "mail jane@web.de or joe@web.de"], form)
    for column in (texts, texts.slice(1), pa.chunked_array([texts.slice(1), texts.slice(0, 1)])):
        masked, counts = mask(column, KINDS)
        assert masked.type == pa.large_string()
        masked.validate(full=True)
        expected = " | ".join(REPLACEMENTS[kind].decode() for kind, values in PERSONAL.items() for _ in values)
        wanted = {
            everything: expected,
            "mail jane@web.de or joe@web.de": "mail email@example.com or email@example.com",
        }
        assert masked.to_pylist() == [wanted.get(text, text) for text in column.to_pylist()]
        for kind, values in PERSONAL.items():
            assert counts[kind].dtype == np.int32
            assert counts[kind].sum() == len(values) + (2 if kind == "email" else 0)
        assert not any(values.any() for values in count(masked).values())


def test_only_the_chosen_kinds_are_masked_and_all_are_counted():
    masked, counts = mask(pa.array(["jane@web.de, 93.184.216.34"]), ("ipv4",))
    assert masked.to_pylist() == ["jane@web.de, 192.0.2.1"]
    assert (int(counts["email"][0]), int(counts["ipv4"][0])) == (1, 1)


def test_many_places_do_not_fit_the_first_table():
    texts = pa.array(["a@b.de " * 3000])
    assert count(texts)["email"].tolist() == [3000]


def test_the_policy_names_its_kinds():
    config = PiiConfig(phone="drop", email="count")
    assert (config.kinds("drop"), config.kinds("count")) == (("phone",), ("email",))
    assert config.kinds("mask") == ("ipv4", "ipv6", "iban", "card", "secret")


def everywhere(text):
    """The forms asked at every place of a text: what the kernel must not miss."""
    window = text.encode()
    spans = [*forms.emails(window, 0), *forms.cards(window, 0), *forms.phones(window, 0), *forms.tokens(window, 0)]
    spans += [*forms.ipv4(window, 0, True), *forms.ipv6(window, 0, True)]
    for i in range(len(window)):
        if not window[i - 1 : i].isalnum() or i == 0:
            spans += forms.ibans(window, i)
        spans += forms.private_keys(window, i)
    kept = []
    for start, minus_end, kind in sorted((start, -end, KINDS.index(kind)) for kind, start, end in spans):
        if not kept or kept[-1][2] <= start:
            kept.append((kind, start, -minus_end))
    return kept


PIECES = [
    *(value for values in PERSONAL.values() for value in values),
    *INNOCENT,
    "tel",
    ": ",
    "0221 470 2224",
    "+",
    "@",
]


@given(
    st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(" \n,.;:/-=x0\u00e4")), max_size=6), st.text(max_size=5)
)
@settings(max_examples=300, deadline=None)
@example([("password_reset_token_v2_expired", "="), ("AKIAIOSFODNN7QWERTYU", "/"), ("212-736-5000", " ")], "")
def test_the_kernel_passes_over_nothing(pieces, tail):
    text = "".join(piece + separator for piece, separator in pieces) + tail
    column = pa.array(["before 1.", text, "@after.de"])
    found = find(column, reserved_ips=True)
    mine = [(kind, start, end) for row, kind, start, end in zip(*map(list, found), strict=True) if row == 1]
    assert mine == everywhere(text)
