"""Connections that we open to hosts which people typed in: only to public addresses, or to those that are allowed.

A name is resolved once and the connection goes to one of the addresses that were looked at, so a name that changes
its mind between the look and the connection gains nothing. OUTBOUND_ALLOW lists exceptions: names, addresses, or
networks such as 10.0.0.0/8.
"""

import ipaddress
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx
from flask_babel import gettext as _

from helpdesk.config import settings
from helpdesk.errors import Refused

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::ffff:0:0:0/96"))  # RFC 6052, RFC 2765
# Local by their definition, though `is_global` of older Pythons knows nothing of them: IPv4-compatible addresses
# (RFC 4291 2.5.5.1), translation within a site (RFC 8215), segment routing (RFC 9602), examples (RFC 9637), site-local.
_NOT_GLOBAL = [
    ipaddress.IPv6Network(one) for one in ("::/96", "64:ff9b:1::/48", "5f00::/16", "3fff::/20", "fec0::/10")
]
_KEEP_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}


class OutboundRefused(Refused):
    """The host may not be reached from here; the text says why and which setting would allow it."""


def check_host(host: str) -> list[str]:
    """The addresses of `host` that may be connected to, in the resolver's order.

    Raises OutboundRefused when one of them is private and not allowed, OSError when the name cannot be resolved.
    """
    found = list(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)))
    if host.lower().rstrip(".") in _allowed_names():
        return found
    for address in found:
        if not _may_reach(ipaddress.ip_address(address.partition("%")[0])):
            raise OutboundRefused(
                _(
                    "%(host)s is at the private address %(address)s. If it is meant, allow it by the setting "
                    "OUTBOUND_ALLOW, for example OUTBOUND_ALLOW=%(address)s, and start again.",
                    host=host,
                    address=address,
                )
            )
    return found


def connect(host: str, port: int, timeout: float) -> socket.socket:
    """A TCP connection to the first checked address that answers, with keep-alives; `timeout` in seconds.

    Raises OutboundRefused, or OSError of the last address tried.
    """
    trouble: OSError = OSError(f"no address for {host}")
    for address in check_host(host):
        try:
            connection = socket.create_connection((address, port), timeout)
        except OSError as error:
            trouble = error
            continue
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE.items():
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        return connection
    raise trouble


def web_client(timeout: float = 10.0) -> httpx.Client:
    """An HTTP client for addresses that people typed in: checked hosts, no redirects, no proxies of the environment."""
    return httpx.Client(
        transport=_CheckedTransport(verify=ssl.create_default_context(), trust_env=False),
        timeout=httpx.Timeout(timeout, connect=min(timeout, 5.0)),
        follow_redirects=False,
        trust_env=False,
    )


def check_url(url: str) -> list[str]:
    """Refuse an address that is neither https nor a plain one to an allowed host; else the addresses of its host.

    Raises OutboundRefused, OSError when the name cannot be resolved.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    addresses = check_host(host)
    if parts.scheme == "https":
        return addresses
    listed = host in _allowed_names() or all(_is_allowed(ipaddress.ip_address(found)) for found in addresses)
    if parts.scheme != "http" or not listed:
        raise OutboundRefused(_("%(url)s is not encrypted. Use an address that begins with https://.", url=url))
    return addresses


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to a checked address; TLS still verifies the name, which httpcore keeps apart."""

    def __init__(self) -> None:
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = check_host(host)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        return self._plain.connect_tcp(addresses[0], port, timeout, local_address, socket_options)


class _CheckedTransport(httpx.HTTPTransport):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # httpx has no public way to choose the network backend; the pin in pyproject.toml keeps this attribute
        self._pool._network_backend = _CheckedBackend()


def _allowed_names() -> set[str]:
    return {entry.lower().rstrip(".") for entry in settings().outbound_allow}


def _is_allowed(address: IpAddress) -> bool:
    for entry in settings().outbound_allow:
        with suppress(ValueError):  # an entry that is a name
            if address in ipaddress.ip_network(entry, strict=False):
                return True
    return False


def _may_reach(address: IpAddress) -> bool:
    inner = _embedded_v4(address)
    if _is_allowed(address) or (inner is not None and _is_allowed(inner)):
        return True
    return all(_is_public(one) for one in (address, inner) if one is not None)


def _is_public(address: IpAddress) -> bool:
    return address.is_global and not address.is_multicast and not any(address in network for network in _NOT_GLOBAL)


def _embedded_v4(address: IpAddress) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to: mapped, translated, 6to4, or Teredo."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if any(address in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo
