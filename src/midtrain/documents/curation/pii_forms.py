"""What each kind of personal data looks like: given a few bytes around a place that could hold some, is it there?

A form is a function (window, first) -> spans: it looks at the bytes `window` of one text for what begins at `first` or
later and yields (kind, start, end) within the window. Speed matters little here, precision does: checksums, known
prefixes, what stands before and after.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Iterator

Span = tuple[str, int, int]

_EMAIL = re.compile(
    rb"(?<![\w.+%-])[A-Za-z0-9][\w.+%'-]{0,63}@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+([A-Za-z]{2,24}))"
    rb"(?![\w-])"
)
_NOBODYS = re.compile(
    rb"(?:.*\.)?(?:example\.(?:com|org|net)|(?:\w[\w-]*\.)*(?:example|invalid|test|localhost|local))", re.I
)
_NOT_A_DOMAIN = frozenset(b"png jpg jpeg gif svg webp css js py md txt json html xml pdf so".split())


def emails(window: bytes, first: int) -> Iterator[Span]:
    """name@host.domain, but not git@host, icon@2x.png or what is reserved for examples."""
    for match in _EMAIL.finditer(window, max(first - 1, 0)):
        if match[2].lower() in _NOT_A_DOMAIN or match[0].startswith(b"git@") or _NOBODYS.fullmatch(match[1]):
            continue
        yield "email", *match.span()


_OCTET = rb"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rb"(?<![\w.\-])" + _OCTET + rb"(?:\." + _OCTET + rb"){3}(?![\w\-]|\.\w)")
_VERSION = re.compile(rb"(?:\bv|\bver|version|release|revision|section|[A-Za-z]/)[\s:.=#(]*$", re.I)
_LIKE_A_VERSION = 20


def ipv4(window: bytes, first: int, reserved: bool) -> Iterator[Span]:
    """Dotted quads that are neither versions nor section numbers; private ones only with `reserved`."""
    for match in _IPV4.finditer(window, first):
        address = ipaddress.IPv4Address(match[0].decode())
        small = all(part < _LIKE_A_VERSION for part in address.packed)
        public = address.is_global and not address.is_multicast
        wanted = not small if public else reserved
        if wanted and not _VERSION.search(window[: match.start()]):
            yield "ipv4", *match.span()


_IPV6 = re.compile(rb"(?<![\w:.])[0-9A-Fa-f:]{6,39}(?![\w:])")


def ipv6(window: bytes, first: int, reserved: bool) -> Iterator[Span]:
    """Addresses with at least three colons; those that are not global unicast (2000::/3) only with `reserved`."""
    for match in _IPV6.finditer(window, max(first - 1, 0)):
        try:
            address = ipaddress.IPv6Address(match[0].decode())
        except ValueError:
            continue
        public = address.packed[0] >> 5 == 1 and address.is_global
        if match[0].count(b":") >= 3 and (public or reserved):
            yield "ipv6", *match.span()


_CARD = re.compile(
    rb"(?<![\w.\-])(?:\d{4}([ \-])\d{4}\1\d{4}\1\d{1,7}|3\d{3}([ \-])\d{6}\2\d{4,5}|\d{13,19})(?![\w\-]|\.\d)"
)
_ISSUERS = re.compile(
    rb"4\d{15}(?:\d{3})?|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    rb"|6(?:011|4[4-9]\d|5\d\d)\d{12,15}|35(?:2[89]|[3-8]\d)\d{12,15}|3(?:0[0-5]|[689]\d)\d{11,16}|62\d{14,17}"
)
"""Visa, Mastercard, American Express, Discover, JCB, Diners Club, UnionPay: prefixes and lengths (ISO/IEC 7812)."""


def cards(window: bytes, first: int) -> Iterator[Span]:
    """Payment cards: digits in the usual groups, of a known issuer, with a valid check digit."""
    for match in _CARD.finditer(window, first):
        digits = match[0].replace(b" ", b"").replace(b"-", b"")
        if _ISSUERS.fullmatch(digits) and luhn(digits):
            yield "card", *match.span()


def luhn(digits: bytes) -> bool:
    """The check of ISO/IEC 7812-1, annex B: every second digit from the right doubled, the sum divisible by ten."""
    odd = sum(digit - 48 for digit in digits[-1::-2])
    return (odd + sum((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)[digit - 48] for digit in digits[-2::-2])) % 10 == 0


_INTERNATIONAL = re.compile(rb"(?<![\w+])\+[1-9](?:[ .\-/]?[( ]?\d\)?){6,14}(?<=\d)(?!\w)")
_NORTH_AMERICAN = re.compile(
    rb"(?<![\w.+\-/])(?:\+?1[ .\-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d([.\-]))[2-9]\d\d(?(1)\1|[.\-])\d{4}(?![\w\-]|\.\d)"
)
_AFTER_A_WORD = re.compile(
    rb"\b(?:tel|telephone|phone|mobile|mob|cell|fax|call|whatsapp|telefon|telefono|telefone)\b\W{0,4}"
    rb"(?:n[or]\.?|number)?\W{0,4}(0\d(?:[ .\-/()]{0,2}\d){6,11})(?!\d)",
    re.I,
)
_FICTIONAL = re.compile(rb".*555\D?01\d\d", re.S)


def phones(window: bytes, first: int) -> Iterator[Span]:
    """Numbers with a country code, North American ones, and others after a word such as "tel"."""
    for match in _INTERNATIONAL.finditer(window, max(first - 3, 0)):
        groups = re.split(rb"[ .\-/()]+", match[0])
        bare = len(groups) == 1 and len(match[0]) < 11
        decimal = len(groups) == 2 and b"." in match[0]
        if not (bare or decimal or len(groups) > 7 or _FICTIONAL.fullmatch(match[0])):
            yield "phone", *match.span()
    for match in _NORTH_AMERICAN.finditer(window, max(first - 3, 0)):
        if not _FICTIONAL.fullmatch(match[0]):
            yield "phone", *match.span()
    for match in _AFTER_A_WORD.finditer(window):
        if match.start(1) >= first - 1:
            yield "phone", *match.span(1)


_IBAN_COUNTRIES = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
"""Countries by the length of their IBAN (SWIFT IBAN registry)."""
_IBAN_LENGTHS = {country: length for length, names in _IBAN_COUNTRIES.items() for country in names.split()}


def ibans(window: bytes, first: int) -> Iterator[Span]:
    """An account that begins at `first`: the country's length and the check of ISO 7064 (mod 97-10)."""
    length = _IBAN_LENGTHS.get(window[first : first + 2].decode("latin-1"), 0)
    compact = bytearray()
    end = first
    while end < len(window) and len(compact) < length:
        byte = window[end]
        if not (48 <= byte <= 57 or 65 <= byte <= 90):
            if byte != 32 or len(compact) % 4:
                return
        else:
            compact.append(byte)
        end += 1
    if length and len(compact) == length and not window[end : end + 1].isalnum():
        number = "".join(str(int(chr(byte), 36)) for byte in compact[4:] + compact[:4])
        if int(number) % 97 == 1:
            yield "iban", first, end


_KNOWN_TOKEN = re.compile(
    rb"(?<![A-Za-z0-9])(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{50,255}"
    rb"|glpat-[\w\-]{20,64}|xox[abeprs]-[A-Za-z0-9\-]{10,250}|AIza[\w\-]{35}|sk-[\w\-]{20,250}"
    rb"|[sr]k_live_[A-Za-z0-9]{16,250}|hf_[A-Za-z0-9]{30,64}|npm_[A-Za-z0-9]{36}|pypi-[\w\-]{50,250}"
    rb"|eyJ[\w\-]{10,2000}\.eyJ[\w\-]{10,4000}\.[\w\-]{10,2000})(?![A-Za-z0-9])"
)
"""AWS, GitHub, GitLab, Slack, Google, OpenAI and others with sk-, Stripe, Hugging Face, npm, PyPI, JSON web tokens."""
_ASSIGNED = re.compile(
    rb"(?:password|passwd|pwd|secret|token|api[_\-]?key|access[_\-]?key|private[_\-]?key|auth[_\-]?key|credential)"
    rb"[\w\-]{0,24}[\"']?\s{0,3}(?::=|=>|:|=)\s{0,3}(?:Bearer )?[\"']?([A-Za-z0-9+/_=\-]{16,512})(?![\w(.\[])",
    re.I,
)
_PLACEHOLDER = re.compile(
    rb"example|sample|placeholder|changeme|your|dummy|fake|test|xxxx|1234567|abcdef|redacted", re.I
)
_HEX = re.compile(rb"[0-9a-fA-F]+")


def tokens(window: bytes, first: int) -> Iterator[Span]:
    """Keys and tokens of known forms, and random text that is assigned to the name of a secret."""
    for match in _KNOWN_TOKEN.finditer(window):
        if match.end() > first and (not match[0].startswith(b"sk-") or _is_random(match[0])):
            yield "secret", *match.span()
    for match in _ASSIGNED.finditer(window):
        if match.end() > first and _is_random(match[1]) and not _PLACEHOLDER.search(match[1]):
            yield "secret", *match.span(1)


def _is_random(value: bytes) -> bool:
    """Whether no one would have typed it: digits and letters mixed, near the entropy of a draw of that length."""
    digits = sum(48 <= byte <= 57 for byte in value)
    if digits < 2 or digits == len(value):
        return False
    is_hex = _HEX.fullmatch(value) is not None
    mixed = value.lower() != value != value.upper()
    if not (is_hex or mixed or digits * 6 >= len(value)):
        return False
    counts = Counter(value).values()
    entropy = -sum(count / len(value) * math.log2(count / len(value)) for count in counts)
    return entropy >= 0.75 * min(math.log2(len(value)), 4.0 if is_hex else 5.2)


_PRIVATE_KEY = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]{0,24})PRIVATE KEY( BLOCK|)-----[\s\S]{20,}?-----END \1PRIVATE KEY\2-----"
)


def private_keys(window: bytes, first: int) -> Iterator[Span]:
    """A whole private key in PEM or PGP armour."""
    match = _PRIVATE_KEY.match(window, first)
    if match:
        yield "secret", *match.span()
