"""The one way to send to an address that somebody else chose: checked, pinned, bounded, no redirects.

A name is resolved once, every address it has must be public, and the connection goes to the address
that was checked, so a second answer of the name server changes nothing.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

TIMEOUT_SECONDS = 5.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_URL = 500
_PORTS = {"http": 80, "https": 443}
_LOWEST_FREE_PORT = 1024
_VISIBLE = re.compile(r"[\x21-\x7e]+\Z")
# Names that only mean something inside a network.
_INTERNAL = re.compile(r"(?:.*\.)?(?:localhost|local|internal|intranet|lan|home\.arpa|localdomain)\Z")
_BROKEN = (OSError, HTTPException, urllib3.exceptions.HTTPError, ValueError)
_TRANSLATED = [ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")]


class UndeliverableError(Exception):
    """Nothing answered: the message says why in one sentence."""


@dataclass(frozen=True)
class Target:
    """A checked URL: its parts, and whether the deployment's allow-list names its host."""

    scheme: str
    host: str
    port: int
    path: str
    allowed: bool

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def target(url: str, *, allowed_hosts: Collection[str] = ()) -> Target:
    """The parts of a URL that may be sent to; raises ValueError with the reason for any other.

    >>> target("https://hooks.example.com/a?b=1").path
    '/a?b=1'
    >>> target("https://user@example.com/")
    Traceback (most recent call last):
    ValueError: a URL with a user name or password is refused
    """
    if len(url) > MAX_URL or not _VISIBLE.match(url) or "\\" in url:
        raise ValueError(f"a URL has at most {MAX_URL} visible ASCII characters and no backslash")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError("a URL begins with https:// or http://")
    if "@" in parts.netloc:
        raise ValueError("a URL with a user name or password is refused")
    if "#" in url:
        raise ValueError("a URL with a fragment is refused")
    host = (parts.hostname or "").rstrip(".")
    if not host or "%" in host:
        raise ValueError("the URL names no host")
    port = parts.port if parts.port is not None else _PORTS[parts.scheme]
    allowed = host in {name.lower().rstrip(".") for name in allowed_hosts}
    if not allowed:
        if port not in _PORTS.values() and port < _LOWEST_FREE_PORT:
            raise ValueError(f"port {port} belongs to another protocol")
        if _INTERNAL.match(host) or ("." not in host and ":" not in host and not host.isdigit()):
            raise ValueError(f"{host} is a name inside a network; the deployment's allow-list does not name it")
    path = parts.path or "/"
    return Target(parts.scheme, host, port, f"{path}?{parts.query}" if parts.query else path, allowed)


def address(place: Target) -> str:
    """The address to connect to.

    Raises ValueError when any address of the host is not public, OSError when it has none.
    """
    found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not place.allowed and not all(map(is_public, addresses)):
        raise ValueError(f"{place.host} has an address that is not public")
    return addresses[0]


def is_public(text: str) -> bool:
    """Whether an IP address belongs to the internet at large.

    >>> [is_public(a) for a in ("93.184.216.34", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::7f00:1")]
    [True, False, False, False, False]
    """
    found = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif any(found in net for net in _TRANSLATED):
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def post(url: str, *, body: bytes, headers: dict[str, str], allowed_hosts: Collection[str] = ()) -> int:
    """POST and return the status code, whatever it is; raises UndeliverableError when nothing answered in time."""
    try:
        place = target(url, allowed_hosts=allowed_hosts)
        connection = _connection(place, address(place))
    except (ValueError, OSError) as error:
        raise UndeliverableError(str(error)) from None
    headers = {"Host": place.authority, "User-Agent": "ReviewHub", **headers}
    try:
        connection.connect()
        with _cut_after(TIMEOUT_SECONDS, connection.sock):
            connection.request("POST", place.path, body=body, headers=headers, preload_content=False)
            answer = connection.getresponse()
            with contextlib.suppress(*_BROKEN):
                answer.read(MAX_ANSWER_BYTES, decode_content=False)
    except _BROKEN as error:
        raise UndeliverableError(f"{type(error).__name__}: {error}") from None
    finally:
        connection.close()
    return answer.status


def _connection(place: Target, pinned: str) -> HTTPConnection:
    if place.scheme == "http":
        return HTTPConnection(pinned, place.port, timeout=TIMEOUT_SECONDS)
    return HTTPSConnection(
        pinned,
        place.port,
        timeout=TIMEOUT_SECONDS,
        cert_reqs="CERT_REQUIRED",
        server_hostname=place.host,
        assert_hostname=place.host,
    )


@contextlib.contextmanager
def _cut_after(seconds: float, sock: socket.socket | None) -> Iterator[None]:
    """End the conversation after so long: a receiver that drips bytes would renew every single time-out."""

    def cut() -> None:
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(seconds, cut)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
