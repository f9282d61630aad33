from __future__ import annotations

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from models_registry import access
from models_registry.models import Membership
from review import queue
from review.models import Lease, QueueItem, ReviewQueue
from tests.conftest import Cast
from tests.review.items import make_item
from tests.review.test_deciding import claim, sound


def owner(cast: Cast) -> Client:
    client = Client()
    client.force_login(cast.erin)
    return client


def revoke(cast: Cast, membership: Membership) -> None:
    answer = owner(cast).post(reverse("revoke-member", args=[cast.model.slug, membership.pk]))
    assert answer.status_code == 302


def test_taking_a_role_away_gives_its_cases_back_at_once(cast: Cast) -> None:
    item = make_item(cast.model)
    held = claim(cast, cast.alice)

    revoke(cast, Membership.objects.get(user=cast.alice, model=cast.model))

    lease = Lease.objects.get(token=held.lease_token)
    assert (lease.ending, lease.reason) == ("released", "role revoked")
    assert claim(cast, cast.bob) == item
    assert sound()


def test_who_may_still_review_by_another_role_keeps_the_case(cast: Cast) -> None:
    make_item(cast.model)
    held = claim(cast, cast.alice)
    lead = access.grant_role(user=cast.alice, model=cast.model, role="lead", actor="test")

    revoke(cast, lead)

    assert QueueItem.objects.get().lease_token == held.lease_token


def test_a_refused_revocation_releases_nothing(cast: Cast) -> None:
    make_item(cast.model)
    held = claim(cast, cast.erin)

    revoke(cast, Membership.objects.get(user=cast.erin, model=cast.model, role="owner"))

    assert QueueItem.objects.get().lease_token == held.lease_token


def test_revoking_a_key_gives_its_cases_back_in_one_statement(cast: Cast) -> None:
    for number in range(3):
        make_item(cast.model, f"p-{number}")
    key, _ = access.create_service_key(name="ui", scopes=["review"], model=cast.model, created_by="test")
    holder = access.principal_of_key(key).pseudonym
    line = ReviewQueue.objects.get(slug=cast.model.slug)
    queue.claim(queue=line, models=[cast.model], holder=holder, count=3)

    with CaptureQueriesContext(connection) as queries:
        owner(cast).post(reverse("revoke-key", args=[cast.model.slug, key.pk]))

    assert len([q for q in queries if "review_queueitem" in q["sql"]]) == 1
    assert not QueueItem.objects.leased().exists()
    assert set(Lease.objects.values_list("ending", flat=True)) == {"released"}
