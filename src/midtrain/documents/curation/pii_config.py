"""What a recipe says about personal data: for each kind, whether it is counted, masked, or a reason to drop."""

from __future__ import annotations

from typing import Literal

from midtrain.core.config import Config

Policy = Literal["count", "mask", "drop"]
KINDS = ("email", "ipv4", "ipv6", "phone", "iban", "card", "secret")


class PiiConfig(Config):
    """What is done about each kind of personal data; all are counted in any case.

    E-mail and public IP addresses are masked as in FineWeb (Penedo et al. 2024, section 3.5); what is checked by a
    checksum or a known form is masked too; phone numbers have neither, so they are only counted.
    """

    email: Policy = "mask"
    """E-mail addresses; those at example.com and other reserved domains are nobody's."""
    ipv4: Policy = "mask"
    """IPv4 addresses; version and section numbers are not taken for one."""
    ipv6: Policy = "mask"
    """IPv6 addresses."""
    phone: Policy = "count"
    """Telephone numbers: international (+49 ...), North American, and national ones after a word such as "tel"."""
    iban: Policy = "mask"
    """Bank accounts (IBAN) of the right length with a valid check (ISO 7064 mod 97)."""
    card: Policy = "mask"
    """Payment cards with a known issuer, the right length and a valid check digit (Luhn)."""
    secret: Policy = "mask"
    """Keys and tokens: known forms (AWS, GitHub, ...), private key blocks, random text assigned to a secret's name."""
    reserved_ips: bool = False
    """Whether private, loopback and documentation addresses (10.0.0.1, 192.0.2.1, fe80::1) count as well."""

    def kinds(self, policy: Policy) -> tuple[str, ...]:
        """The kinds for which `policy` was chosen."""
        return tuple(kind for kind in KINDS if getattr(self, kind) == policy)
