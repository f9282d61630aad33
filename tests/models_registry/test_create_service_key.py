from __future__ import annotations

import hashlib
import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from models_registry import access
from models_registry.models import ServiceKey
from tests.conftest import make_model

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("create_service_key", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_json_is_one_document_with_a_key_that_works():
    out, _ = run("checkout", "--scope", "ingest", "--scope", "read", "--json")
    made = json.loads(out)
    assert made["scopes"] == ["ingest", "read"]
    assert made["key"].startswith(f"rh_{made['prefix']}_")
    key = access.find_key(made["key"])
    assert key is not None
    assert (key.name, key.model, key.prefix) == ("checkout", None, made["prefix"])


def test_only_the_hash_of_the_key_is_kept():
    key = json.loads(run("checkout", "--scope", "read", "--json")[0])["key"]
    stored = ServiceKey.objects.values().get()
    assert stored["secret_sha256"] == hashlib.sha256(key.encode()).hexdigest()
    assert key not in str(stored)


def test_without_json_the_key_alone_is_on_stdout():
    out, err = run("checkout", "--scope", "read")
    assert access.find_key(out.strip()) is not None
    assert "read" in err


def test_a_name_may_be_used_twice_and_a_key_may_belong_to_one_model():
    model, _ = make_model("payments")
    for _ in range(2):
        run("checkout", "--scope", "admin", "--model", "payments")
    assert ServiceKey.objects.filter(name="checkout", model=model).count() == 2


def test_a_dry_run_makes_nothing():
    out, _ = run("checkout", "--scope", "read", "--json", "--dry-run")
    assert json.loads(out) == {"key": None, "prefix": None, "scopes": ["read"]}
    assert not ServiceKey.objects.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["checkout"],
        ["checkout", "--scope", "root"],
        ["checkout", "--scope", "read", "--model", "nowhere"],
        [" ", "--scope", "read"],
    ],
)
def test_wrong_arguments_are_one_line(arguments: list[Any]):
    with pytest.raises(CommandError):
        run(*arguments)
    assert not ServiceKey.objects.exists()
