"""The mail digest: to whoever wants it, only when something waits, once a period whatever the workers do."""

from __future__ import annotations

import re
import socket
import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.core.management import call_command
from django.db.models import F

from models_registry import access
from models_registry.models import DatabaseNow
from review import digests, preferences, tasks
from review.models import QueueItem, ReviewerSettings
from tests.conftest import make_model
from tests.review.items import make_items
from tests.threads import in_threads


@pytest.fixture(autouse=True)
def postbox(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.REVIEWHUB = {**settings.REVIEWHUB, "PUBLIC_URL": "https://review.example.org/"}
    mail.outbox = []


def wants(user, digest="hourly", email="alice@example.org"):
    values = {"keys_on": True, "keys": {}, "ahead": 2, "long_lease": False, "why_folded": False}
    preferences.prefer(user=user, digest=digest, email=email, **values)


def age(**period):
    ReviewerSettings.objects.update(digest_sent_at=F("digest_sent_at") - timedelta(**period))


def test_it_says_what_waits_where_and_nothing_of_any_case(cast):
    items = make_items(cast.model, 4)
    QueueItem.objects.filter(pk=items[0].pk).update(tier=1, enqueued_at="2026-01-02T03:04:00Z")
    erin = access.principal_of_user(cast.erin).pseudonym
    QueueItem.objects.filter(pk=items[1].pk).update(assigned_to=erin, assigned_until=DatabaseNow() + timedelta(hours=1))
    wants(cast.erin, email="erin@example.org")
    tasks.send_digests()
    [sent] = mail.outbox
    assert (sent.to, sent.subject) == (["erin@example.org"], "ReviewHub: 4 cases wait for you")
    assert "payments: 4 waiting, the oldest since 2 January, 03:04 UTC" in sent.body
    assert "1 escalated to you as lead; 1 handed over to you" in sent.body
    assert "https://review.example.org/queues/payments/review/" in sent.body
    assert "https://review.example.org/settings/" in sent.body
    assert not re.search(r"m-\d|fraud|ok\b|DE", sent.body)


def test_who_does_not_want_it_or_has_nothing_waiting_gets_none(cast):
    wants(cast.alice, "none")
    wants(cast.bob, "daily", "bob@example.org")
    tasks.send_digests()
    assert mail.outbox == []
    # Nothing waited for bob, so nothing counts as sent and the next case reaches him at once.
    make_items(cast.model, 1)
    tasks.send_digests()
    assert [sent.to for sent in mail.outbox] == [["bob@example.org"]]


def test_a_closed_account_gets_none(cast):
    make_items(cast.model, 1)
    wants(cast.alice)
    type(cast.alice).objects.filter(pk=cast.alice.pk).update(is_active=False)
    tasks.send_digests()
    assert mail.outbox == []


@pytest.mark.parametrize(("digest", "period"), [("hourly", {"minutes": 61}), ("daily", {"hours": 25})])
def test_it_comes_once_a_period(cast, digest, period):
    make_items(cast.model, 1)
    wants(cast.alice, digest)
    for _ in range(3):
        tasks.send_digests()
    assert len(mail.outbox) == 1
    age(**{name: value - 2 for name, value in period.items()})
    tasks.send_digests()
    assert len(mail.outbox) == 1
    age(**period)
    tasks.send_digests()
    assert len(mail.outbox) == 2


def race(mark) -> int:
    """How many of eight workers mark one digest as sent when all have seen that it is due."""
    all_have_read = threading.Barrier(8)

    def work(number: int) -> bool:
        one = digests.wanted().filter(digests.due()).get()
        all_have_read.wait()
        return bool(mark(one))

    return sum(in_threads(8, work))


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_sends(django_user_model):
    make_model("payments")
    wants(django_user_model.objects.create_user("alice"))
    assert race(digests.take) == 1


@pytest.mark.django_db(transaction=True)
def test_marking_without_looking_again_is_caught(django_user_model):
    make_model("payments")
    wants(django_user_model.objects.create_user("alice"))
    careless = ReviewerSettings.objects.filter
    assert race(lambda one: careless(pk=one.pk).update(digest_sent_at=DatabaseNow())) == 8


def test_a_mail_server_that_is_away_costs_nobody_their_digest(cast, settings):
    make_items(cast.model, 1)
    wants(cast.alice)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", taken.getsockname()[1]
        tasks.send_digests()
    assert ReviewerSettings.objects.get().digest_sent_at is None
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    tasks.send_digests()
    assert len(mail.outbox) == 1


def test_a_real_mail_server_takes_it(cast, settings):
    make_items(cast.model, 1)
    wants(cast.alice)
    with socket.create_server(("127.0.0.1", 0)) as server:
        got: list[str] = []
        listening = threading.Thread(target=sink, args=(server, got))
        listening.start()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.getsockname()
        tasks.send_digests()
        listening.join(10)
    assert "rcpt TO:<alice@example.org>" in got
    assert any("payments: 1 waiting" in line for line in got)


def sink(server: socket.socket, got: list[str]) -> None:
    """One conversation of SMTP in which everything is accepted."""
    connected, _ = server.accept()
    with connected, connected.makefile("rwb") as talk:
        data = False
        say(talk, "220 ready")
        for raw in talk:
            line = raw.decode().rstrip("\r\n")
            got.append(line)
            if data and line != ".":
                continue
            if line.upper() == "QUIT":
                return say(talk, "221 bye")
            data = line.upper() == "DATA"
            say(talk, "354 go on" if data else "250 ok")
    return None


def say(talk, line: str) -> None:
    talk.write(line.encode() + b"\r\n")
    talk.flush()


def test_without_a_mail_server_nothing_is_sent_and_doctor_says_who_waits(cast, settings, capsys):
    settings.EMAIL_BACKEND = digests.NO_SERVER
    make_items(cast.model, 1)
    wants(cast.alice)
    tasks.send_digests()
    assert ReviewerSettings.objects.get().digest_sent_at is None
    with pytest.raises(SystemExit):
        call_command("doctor")
    assert re.search(r"mail +EMAIL_URL is not set, and 1 wait for a mail digest", capsys.readouterr().out)
