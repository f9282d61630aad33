from __future__ import annotations

import socket
from typing import Any

import pytest

from models_registry import outbound, webhooks
from models_registry.errors import Invalid
from models_registry.models import WebhookEndpoint
from tests.models_registry.receiver import receiving

REFUSED = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://0.0.0.0/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fd00::1]/",
    "http://[fe80::1%25eth0]/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://localhost/",
    "http://LocalHost./",
    "http://app.localhost/",
    "http://metadata.google.internal/",
    "http://printer.local/",
    "http://router/",
    "ftp://example.com/",
    "file:///etc/hostname",
    "gopher://example.com/",
    "data:text/plain,x",
    "//example.com/",
    "example.com",
    "",
    "http://",
    "http:///path",
    "http://user@example.com/",
    "http://user:password@example.com/",
    "http://@example.com/",
    "http://example.com/#fragment",
    "http://example.com:22/",
    "http://example.com:0/",
    "http://example.com:65536/",
    "http://example.com:x/",
    "http://example.com\\@127.0.0.1/",
    "http://example.com/\r\nX-Evil: 1",
    "http://exa mple.com/",
    "http://exa\tmple.com/",
    "http://exämple.com/",
    "http://①②⑦.0.0.1/",
    "http://a..b/",
    "http://[::1",
    "http://example.com/" + "x" * 500,
]


@pytest.mark.django_db
@pytest.mark.parametrize("url", REFUSED)
def test_a_url_that_must_not_be_sent_to_is_refused_at_save(url: str):
    with pytest.raises(Invalid) as refused:
        webhooks.create_endpoint(url=url, events=["model.promoted"], model=None, actor="test")
    assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [("/url", "refused_url")]
    assert not WebhookEndpoint.objects.exists()


@pytest.mark.parametrize("url", REFUSED)
def test_and_refused_again_when_it_is_sent(url: str, monkeypatch: pytest.MonkeyPatch):
    def connect(*_: Any) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(outbound, "_connection", connect)
    with pytest.raises(outbound.UndeliverableError):
        outbound.post(url, body=b"{}", headers={})


def resolving_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """A name server that gives these answers, one after the other; returns the names it was asked for."""
    asked: list[str] = []
    waiting = iter(answers)

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(waiting)]

    monkeypatch.setattr(outbound.socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["93.184.216.34", "127.0.0.1"]])
def test_a_public_name_with_any_private_address_is_refused(monkeypatch: pytest.MonkeyPatch, addresses: list[str]):
    resolving_to(monkeypatch, addresses)
    with pytest.raises(ValueError, match="not public"):
        outbound.address(outbound.target("https://hooks.example.com/"))


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch):
    asked = resolving_to(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    pinned: list[tuple[str, str]] = []

    def connect(place: outbound.Target, address: str) -> None:
        pinned.append((place.host, address))
        raise OSError("no network in this test")

    monkeypatch.setattr(outbound, "_connection", connect)
    with pytest.raises(outbound.UndeliverableError, match="no network"):
        outbound.post("https://hooks.example.com/a", body=b"{}", headers={})
    assert asked == ["hooks.example.com"]
    assert pinned == [("hooks.example.com", "93.184.216.34")]


def test_a_certificate_is_checked_against_the_name_not_the_address():
    connection = outbound._connection(outbound.target("https://hooks.example.com/"), "93.184.216.34")
    assert (connection.host, connection.port) == ("93.184.216.34", 443)
    assert connection.server_hostname == connection.assert_hostname == "hooks.example.com"
    assert connection.cert_reqs == "CERT_REQUIRED"


def test_only_the_allow_list_opens_a_private_address():
    with receiving() as receiver:
        assert outbound.post(receiver.url, body=b"{}", headers={}, allowed_hosts=["127.0.0.1"]) == 204
        with pytest.raises(outbound.UndeliverableError, match="not public"):
            outbound.post(receiver.url, body=b"{}", headers={}, allowed_hosts=["127.0.0.2", "localhost"])
    assert len(receiver.received) == 1
