from __future__ import annotations

import re
from uuid import uuid4

from django.test import Client
from django.urls import reverse

from review import leases
from tests.conftest import Cast
from tests.review.items import expire, make_item
from tests.review.test_deciding import claim


def seconds_in(page: str) -> float:
    [left] = re.findall(r'data-left="([0-9.]+)"', page)
    return float(left)


def test_the_page_carries_how_long_the_case_is_held_and_not_a_time_of_day(cast: Cast) -> None:
    item = make_item(cast.model)
    item.queue.lease_seconds = 300
    item.queue.save()
    held = claim(cast, cast.alice)
    client = Client()
    client.force_login(cast.alice)

    address = reverse("review-cards", args=[cast.model.slug])
    page = client.post(address, {"tokens": str(held.lease_token)}).content.decode()
    kept = client.post(reverse("keep", args=[cast.model.slug, held.lease_token])).json()

    assert 200 < seconds_in(page) <= 300
    assert seconds_in(page) < kept["left"] <= 300


def test_a_lease_that_is_over_or_unknown_has_no_time_left(cast: Cast) -> None:
    make_item(cast.model)
    held = claim(cast, cast.alice)
    expire(held)

    assert held.lease_token is not None
    assert [leases.seconds_left(token) for token in (held.lease_token, uuid4())] == [0.0, 0.0]
