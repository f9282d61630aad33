"""Who may do what: people with roles on models, services with scoped keys.

A principal is either. ``review`` covers claiming and deciding, ``read`` everything that GETs,
``ingest`` predictions, outcomes and champions, ``admin`` all of it.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from models_registry.errors import Conflict, Fault, Forbidden, Invalid, NotFound
from models_registry.ledger import record
from models_registry.models import Invitation, Membership, Person, RegisteredModel, ServiceKey
from models_registry.models.lookups import by_unique

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

# What each role of a person may do, in the words of the key scopes, plus the pages' finer ones.
ABILITIES = {
    Membership.Role.REVIEWER: {"read", "review"},
    Membership.Role.LEAD: {"read", "review", "preview"},
    Membership.Role.ANALYST: {"read", "export"},
    Membership.Role.OWNER: {"read", "review", "preview", "export", "ingest", "admin"},
}
# What each scope of a key may do.
SCOPES = {
    ServiceKey.Scope.INGEST: {"ingest"},
    ServiceKey.Scope.READ: {"read", "export"},
    ServiceKey.Scope.REVIEW: {"review"},
    ServiceKey.Scope.ADMIN: {"ingest", "read", "review", "preview", "export", "admin"},
}
SECRET_BYTES = 32
LAST_USED_RESOLUTION = timedelta(minutes=1)


@dataclass(frozen=True)
class Principal:
    """The caller of one request: a signed-in person or a service key, never both."""

    name: str
    pseudonym: str
    user: Any = None
    key: ServiceKey | None = None

    # What DRF and Django ask of request.user.
    is_authenticated = True
    is_active = True

    @property
    def is_superuser(self) -> bool:
        return self.user is not None and bool(self.user.is_superuser)

    def abilities(self, model: RegisteredModel | None = None) -> set[str]:
        """What the principal may do on a model; without one, on any model at all."""
        if self.is_superuser:
            return set.union(*ABILITIES.values())
        if self.key is not None:
            if model is not None and self.key.model_id not in (None, model.pk):
                return set()
            return set().union(*(SCOPES[ServiceKey.Scope(scope)] for scope in self.key.scopes))
        roles = Membership.objects.filter(user=self.user)
        if model is not None:
            roles = roles.filter(model=model)
        return set().union(*(ABILITIES[Membership.Role(role)] for role in roles.values_list("role", flat=True)))

    def models(self, ability: str | tuple[str, ...] = "read") -> QuerySet[RegisteredModel]:
        """The models on which the principal has that ability, or any of several."""
        everything = RegisteredModel.objects.all()
        if self.is_superuser:
            return everything
        wanted = any_of(ability)
        if self.key is not None:
            if not wanted & self.abilities():
                return everything.none()
            return everything if self.key.model_id is None else everything.filter(pk=self.key.model_id)
        roles = [role for role, can in ABILITIES.items() if wanted & can]
        held = Membership.objects.filter(user=self.user, role__in=roles).values("model")
        return everything.filter(pk__in=held)

    def require(self, ability: str | tuple[str, ...], model: RegisteredModel) -> None:
        """Raise NotFound where the principal has no part in the model, Forbidden where the ability lacks."""
        held = self.abilities(model)
        if not held:
            raise NotFound
        if not any_of(ability) & held:
            raise Forbidden(f"this needs {' or '.join(sorted(any_of(ability)))!r} on model {model.slug!r}")

    @property
    def is_unbound(self) -> bool:
        """Whether the principal's abilities hold for every model, present and future."""
        return self.is_superuser or (self.key is not None and self.key.model_id is None)


def any_of(ability: str | tuple[str, ...]) -> set[str]:
    """One ability, or several of which any suffices, as a set."""
    return {ability} if isinstance(ability, str) else set(ability)


def model_for(principal: Principal, slug: str, ability: str | tuple[str, ...]) -> RegisteredModel:
    """The model of that slug, if the principal has the ability on it; NotFound hides all others."""
    model = by_unique(RegisteredModel, "slug", slug)
    if model is None:
        raise NotFound(f"there is no model {slug!r}")
    try:
        principal.require(ability, model)
    except NotFound:
        raise NotFound(f"there is no model {slug!r}") from None
    return model


def person_of(user: User) -> Person:
    """The person behind a Django user, made on first sight."""
    person, _ = Person.objects.get_or_create(user=user, defaults={"pseudonym": f"r-{secrets.token_hex(4)}"})
    return person


def principal_of_user(user: User) -> Principal:
    return Principal(name=user.get_username(), pseudonym=person_of(user).pseudonym, user=user)


def principal_of_key(key: ServiceKey) -> Principal:
    return Principal(name=f"key:{key.prefix}", pseudonym=f"k-{key.prefix}", key=key)


def find_key(secret: str) -> ServiceKey | None:
    """The usable key with that secret, or None. The secret is random, so its plain hash is the index."""
    digest = hashlib.sha256(secret.encode()).hexdigest()
    key = by_unique(ServiceKey, "secret_sha256", digest)
    now = timezone.now()
    if key is None or not key.usable(now):
        return None
    if key.last_used_at is None or now - key.last_used_at > LAST_USED_RESOLUTION:
        ServiceKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


def create_service_key(
    *, name: str, scopes: list[str], model: RegisteredModel | None = None, created_by: str
) -> tuple[ServiceKey, str]:
    """Make a key; returns it with the secret, which is stored nowhere and shown once."""
    unknown = sorted(set(scopes) - set(ServiceKey.Scope.values))
    if unknown or not scopes:
        known = ", ".join(ServiceKey.Scope.values)
        raise Invalid(errors=[Fault("/scopes", "not_allowed", f"choose at least one of {known}")])
    if not name.strip() or len(name) > 100:
        raise Invalid(errors=[Fault("/name", "length", "a key needs a name of 1 to 100 characters")])
    prefix = secrets.token_hex(4)
    secret = f"rh_{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"
    with transaction.atomic():
        key = ServiceKey.objects.create(
            name=name.strip(),
            prefix=prefix,
            secret_sha256=hashlib.sha256(secret.encode()).hexdigest(),
            scopes=sorted(set(scopes)),
            model=model,
            created_by=created_by,
        )
        record(
            actor=created_by, action="service_key.created", subject=key.prefix, model=model, detail={"scopes": scopes}
        )
    return key, secret


def revoke_service_key(*, key: ServiceKey, actor: str) -> None:
    """Revoke a key from the next request on; safe to repeat."""
    with transaction.atomic():
        if ServiceKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=timezone.now()):
            record(actor=actor, action="service_key.revoked", subject=key.prefix, model=key.model)


def grant_role(*, user: User, model: RegisteredModel, role: str, actor: str) -> Membership:
    with transaction.atomic():
        person_of(user)
        membership, created = Membership.objects.get_or_create(
            user=user, model=model, role=Membership.Role(role), defaults={"created_by": actor}
        )
        if created:
            record(actor=actor, action="role.granted", subject=user.get_username(), model=model, detail={"role": role})
    return membership


def revoke_role(*, membership: Membership, actor: str) -> None:
    """Take a role away, and from an owner the links that could let them back in.

    Raises Conflict ``last_owner`` where the model would be left without any owner.
    """
    with transaction.atomic():
        # The weaker lock: writers of rows that point at the model need not wait.
        model = RegisteredModel.objects.select_for_update(no_key=True).get(pk=membership.model_id)
        others = model.memberships.filter(role=Membership.Role.OWNER).exclude(pk=membership.pk)
        if membership.role == Membership.Role.OWNER and not others.exists():
            raise Conflict("a model needs at least one owner", code="last_owner")
        subject = membership.user.get_username()
        Membership.objects.filter(pk=membership.pk).delete()
        if membership.role == Membership.Role.OWNER:
            for invitation in model.invitations.filter(created_by=subject, accepted_at__isnull=True):
                revoke_invitation(invitation=invitation, actor=actor)
        record(actor=actor, action="role.revoked", subject=subject, model=model, detail={"role": membership.role})


def invite(*, model: RegisteredModel, role: str, note: str, actor: str, days: int) -> tuple[Invitation, str]:
    """Make an invitation; returns it with the token for the link, which is stored nowhere."""
    token = secrets.token_urlsafe(SECRET_BYTES)
    with transaction.atomic():
        invitation = Invitation.objects.create(
            model=model,
            role=Membership.Role(role),
            note=note,
            token_sha256=hashlib.sha256(token.encode()).hexdigest(),
            created_by=actor,
            expires_at=timezone.now() + timedelta(days=days),
        )
        record(actor=actor, action="invitation.created", subject=str(invitation.pk), model=model, detail={"role": role})
    return invitation, token


def revoke_invitation(*, invitation: Invitation, actor: str) -> None:
    """Make a link useless; safe to repeat, and without effect on one that was accepted."""
    with transaction.atomic():
        unused = Invitation.objects.filter(pk=invitation.pk, accepted_at__isnull=True, revoked_at__isnull=True)
        if unused.update(revoked_at=timezone.now()):
            record(actor=actor, action="invitation.revoked", subject=str(invitation.pk), model=invitation.model)


def open_invitation(token: str) -> Invitation:
    """The invitation behind a link, or NotFound when it is unknown, used, revoked or expired."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    invitation = Invitation.objects.select_related("model").filter(token_sha256=digest).first()
    if invitation is None or invitation.accepted_at or invitation.revoked_at or invitation.expires_at < timezone.now():
        raise NotFound("this invitation is unknown, used or expired; ask for a new one")
    return invitation


def accept_invitation(*, token: str, user: User) -> Membership:
    """Turn an open invitation into a role, once."""
    with transaction.atomic():
        invitation = open_invitation(token)
        claimed = Invitation.objects.filter(pk=invitation.pk, accepted_at__isnull=True, revoked_at__isnull=True).update(
            accepted_at=timezone.now(), accepted_by=user
        )
        if not claimed:
            raise Conflict("this invitation was used a moment ago", code="invitation_used")
        return grant_role(user=user, model=invitation.model, role=invitation.role, actor=invitation.created_by)


def create_user(*, username: str, password: str) -> User:
    """A new person who can sign in; the caller has validated the password."""
    users = get_user_model()
    with transaction.atomic():
        user: User = users.objects.create_user(username=username, password=password)
        person_of(user)
    return user
