from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from reviewhub.demo import story
from tests.conftest import Cast, make_model


@pytest.mark.django_db
def test_an_empty_database_takes_the_demo():
    assert story.obstacle() == ""


def test_the_demo_never_joins_a_database_in_use(cast: Cast):
    with pytest.raises(CommandError, match=r"this database is in use|somebody.s own"):
        call_command("seed_demo")
    assert not get_user_model().objects.filter(username="owner").exists()


@pytest.mark.django_db
def test_one_user_is_enough_to_keep_the_demo_out():
    get_user_model().objects.create_user("owner", password="a-real-person-1")
    assert story.obstacle() == "this database is in use: the demo and its logins are for an empty one"


@pytest.mark.django_db
def test_an_interrupted_demo_is_named():
    make_model("tumours")
    assert story.obstacle().startswith("seeding the demo was interrupted")


@pytest.mark.django_db
def test_production_has_no_demo(settings):
    settings.REVIEWHUB = {**settings.REVIEWHUB, "PRODUCTION": True}
    with pytest.raises(CommandError, match="never exist in production"):
        call_command("seed_demo")
