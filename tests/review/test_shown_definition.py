from __future__ import annotations

from django.test import Client
from django.urls import reverse

from models_registry.models import LabelDefinition
from tests.conftest import Cast
from tests.review.items import make_item
from tests.review.test_deciding import claim, decide


def test_the_page_shows_the_definition_by_which_the_answer_is_checked(cast: Cast) -> None:
    make_item(cast.model)
    held = claim(cast, cast.alice)
    at_claim = cast.model.definitions.order_by("-number").first()
    assert at_claim is not None
    LabelDefinition.objects.create(
        model=cast.model, number=at_claim.number + 1, classes=at_claim.classes, guidelines="new",
        reason_codes={}, created_by="test",
    )  # fmt: skip
    client = Client()
    client.force_login(cast.alice)

    page = client.get(reverse("review", args=[cast.model.slug]), {"plain": ""})

    assert page.context["definition"] == at_claim
    assert decide(cast, cast.alice, held.lease_token).definition == at_claim
