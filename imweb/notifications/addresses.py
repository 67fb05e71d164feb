"""Where a webhook may go: http and https alone, to addresses of the public internet unless a setting allows others.

A name is resolved here and the connection is made to the address that was checked, so that a second answer of the
name server leads nowhere else.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# An address without spaces, quotes or control characters cannot end a header line or begin another.
_PLAIN = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]+")
# RFC 6052: an IPv4 address stands in the last 32 bits.
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
# Special by IANA's registries and taken for global by older releases of Python (CVE-2024-4032).
_SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "100::/64", "2001::/23", "3fff::/20", "5f00::/16")
)


@dataclass(frozen=True, slots=True)
class Target:
    """A webhook's address taken apart; `host` is the name or address, `authority` what stands in the Host header."""

    secure: bool
    host: str
    port: int
    authority: str
    path: str


def url_fault(url: str) -> str:
    """Return what is wrong with a webhook's address, an empty text when nothing is."""
    if not url:
        return "is needed"
    if not _PLAIN.fullmatch(url):
        return "has characters that an address cannot have; write others as %xx, and names of domains as xn--…"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is no address such as https://receiver.example/hook"
    if parts.scheme not in ("http", "https"):
        return "begins with https:// or http://"
    if not parts.hostname or port == 0:
        return "is no address such as https://receiver.example/hook"
    if "@" in parts.netloc:
        return "carries a user or password; settings keep no secrets, the receiver checks the signature"
    if parts.fragment:
        return "carries a fragment (#…), which is never sent"
    return ""


def target_of(url: str) -> Target:
    """Return an address taken apart; raises `ValueError` for one that has a fault."""
    if fault := url_fault(url):
        raise ValueError(fault)
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(secure, parts.hostname or "", parts.port or (443 if secure else 80), parts.netloc, path)


def resolve(host: str, port: int) -> list[Address]:
    """Return the addresses of a name, each once, in the resolver's order; raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in found))


def permitted(address: Address, allowed: Iterable[Network]) -> bool:
    """Return whether a webhook may go to an address: a global one, also by what it embeds, or one that is allowed."""
    if any(address.version == network.version and address in network for network in allowed):
        return True
    inner = _embedded(address)
    if inner is not None:
        return permitted(inner, allowed)
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address.version == network.version and address in network for network in _SPECIAL)
        and not (isinstance(address, ipaddress.IPv6Address) and address.is_site_local)
    )


def _embedded(address: Address) -> Address | None:
    """Return the IPv4 address that an IPv6 address leads to by itself."""
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None
