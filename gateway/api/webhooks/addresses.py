"""Where webhooks may be delivered to: public addresses, looked at when a connection is made.

A name that is checked before it is connected to could mean another address by then (DNS rebinding). So what
is checked is the address of each connection itself.
"""

import socket
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

from yarl import URL

from gateway.api.problems import Problem
from gateway.settings.settings import is_this_machine

LONGEST_URL: Final = 2_000
#: Translated to IPv4 addresses, which may be private, in some networks (RFC 6052).
_NAT64: Final = IPv6Network("64:ff9b::/96")


class NotPublic(OSError):
    """A host has an address that nothing is delivered to."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet, by the registries of IANA."""
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
        if found in _NAT64:
            inner = IPv4Address(found.packed[-4:])
        if inner:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast


class Sockets:
    """Makes sockets for connections. local: to this machine, too."""

    def __init__(self, *, local: bool) -> None:
        self._local = local

    def __call__(self, address: tuple[Any, ...]) -> socket.socket:
        """A socket for an address as getaddrinfo gives it. Raises NotPublic."""
        family, kind, protocol, _, where = address
        host = str(where[0]).partition("%")[0]
        if not is_public(host) and not (self._local and ip_address(host).is_loopback):
            raise NotPublic("not a public address")
        return socket.socket(family, kind, protocol)


def checked_url(text: object, *, local: bool) -> str:
    """A URL to deliver to. local: http to this machine is taken as well. Raises Problem."""
    try:
        url = URL(text) if isinstance(text, str) and len(text) <= LONGEST_URL else URL()
        scheme, host, user = url.scheme, url.host or "", url.user or url.password
        _ = url.port
    except ValueError:
        raise _wrong("url is not a URL; give one such as https://HOST/PATH.") from None
    if local and scheme in {"http", "https"} and is_this_machine(host):
        return str(url)
    if scheme != "https" or not host or user or url.fragment:
        where = ", or http to this machine" if local else ""
        raise _wrong(
            f"url must be https://HOST/PATH{where}, of at most {LONGEST_URL:,} characters, without a user "
            "or a fragment."
        )
    try:
        public = is_public(host)
    except ValueError:  # it is a name, whose addresses are looked at when it is connected to
        public = host != "localhost" and not host.endswith(".localhost")
    if not public:
        raise _wrong("url leads to an address that is not public; give one that the internet reaches.")
    return str(url)


def _wrong(detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, detail, code="BAD_WEBHOOK_URL", field="url")
