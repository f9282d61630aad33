"""The fixed cast: Alice and Bob review, Dana analyses, Erin owns, Mallory must be refused."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.test import override_settings
from rest_framework.test import APIClient

from models_registry import access
from models_registry.models import (
    AuditEvent,
    DataContract,
    LabelDefinition,
    Membership,
    ModelVersion,
    Person,
    RegisteredModel,
)
from review.models import PolicyVersion, ReviewQueue, RoutingControl
from tests.flushing import quick_flush

CONTRACT: dict[str, Any] = {
    "features": [
        {"name": "amount", "dtype": "float", "min": 0, "max": 100000, "unit": "EUR", "label": "Amount"},
        {"name": "age", "dtype": "int", "min": 0, "max": 130, "nullable": True},
        {"name": "country", "dtype": "category", "values": ["DE", "FR", "NL"]},
    ]
}
POLICY: dict[str, Any] = {
    "review": [{"name": "low_confidence", "when": {"field": "confidence", "lt": 0.75}, "p": 1.0, "kind": "gate"}],
    "sampling": {"kind": "uniform", "budget": 0.3},
    "audit_floor": 0.05,
}


@pytest.fixture(scope="session", autouse=True)
def static_files_as_they_are() -> Iterator[None]:
    """Pages name static files without the manifest that only collectstatic makes."""
    Path(str(settings.STATIC_ROOT)).mkdir(parents=True, exist_ok=True)
    plain = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    with override_settings(STORAGES={**settings.STORAGES, **plain}):
        yield


@pytest.fixture(scope="session", autouse=True)
def flushed_quickly() -> Iterator[None]:
    with quick_flush():
        yield


@dataclass
class Cast:
    alice: Any
    bob: Any
    dana: Any
    erin: Any
    mallory: Any
    model: RegisteredModel
    other_model: RegisteredModel
    version: ModelVersion


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Hashing that is slow on purpose would be most of the suite's time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def cast(db: None) -> Cast:
    names = ("alice", "bob", "dana", "erin", "mallory")
    users = get_user_model()
    made = users.objects.bulk_create(users(username=n, password=make_password(f"{n}-password-1")) for n in names)
    people = {user.get_username(): user for user in made}
    model, version = make_model("payments")
    other_model, _ = make_model("secrets")
    roles = {"alice": "reviewer", "bob": "reviewer", "dana": "analyst", "erin": "owner"}
    grant_roles(model, {people[name]: role for name, role in roles.items()})
    Membership.objects.create(user=people["mallory"], model=other_model, role="owner", created_by="test")
    return Cast(**people, model=model, other_model=other_model, version=version)


def grant_roles(model: RegisteredModel, roles: dict[Any, str]) -> None:
    """The rows that `access.grant_role` leaves of people who are new, in bulk: most tests begin with them."""
    Person.objects.bulk_create(Person(user=user, pseudonym=f"r-{secrets.token_hex(4)}") for user in roles)
    Membership.objects.bulk_create(
        Membership(user=user, model=model, role=role, created_by="test") for user, role in roles.items()
    )
    AuditEvent.objects.bulk_create(
        AuditEvent(
            actor="test", action="role.granted", subject=user.get_username(), model=model, detail={"role": role}
        ) for user, role in roles.items()
    )  # fmt: skip


def make_model(
    slug: str, *, policy: dict[str, Any] | None = None, **fields: Any
) -> tuple[RegisteredModel, ModelVersion]:
    """A binary model with a ready champion, a queue and an active policy, made without the HTTP API."""
    classes = fields.pop("classes", ["ok", "fraud"])
    defaults = {"name": slug.title(), "task": "binary", "classes": classes, "positive_class": "fraud"}
    model = RegisteredModel.objects.create(slug=slug, **{**defaults, **fields})
    contract = DataContract.objects.create(model=model, number=1, document=CONTRACT, sha256="0" * 64)
    version = ModelVersion.objects.create(model=model, version="1", contract=contract, state="ready", created_by="test")
    model.champion = version
    model.save()
    LabelDefinition.objects.create(model=model, number=1, classes=classes, guidelines="Look twice.", created_by="test")
    queue = ReviewQueue.objects.create(slug=slug)
    queue.models.add(model)
    stored = PolicyVersion.objects.create(model=model, number=1, document=policy or POLICY, created_by="test")
    RoutingControl.objects.create(model=model, active=stored)
    return model, version


@pytest.fixture
def client_with():
    """An API client with a fresh service key of the given scopes: client_with("ingest", model=…)."""

    def make(*scopes: str, model: RegisteredModel | None = None) -> APIClient:
        _, secret = access.create_service_key(name="test", scopes=list(scopes), model=model, created_by="test")
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        return client

    return make


def prediction_body(external_id: str = "p-1", **changes: Any) -> dict[str, Any]:
    """A valid body for POST /predictions/ against CONTRACT."""
    body: dict[str, Any] = {
        "model": "payments",
        "external_id": external_id,
        "features": {"amount": 12.5, "age": 41, "country": "DE"},
        "scores": {"ok": 0.6, "fraud": 0.4},
    }
    return {**body, **changes}
