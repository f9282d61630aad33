"""How a person wants to work, read and stored; where nothing was stored the usual holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from models_registry.errors import Fault, Invalid
from review import keys as page_keys
from review.models import ReviewerSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.contrib.auth.models import User

MOST_AHEAD = 5


def of(user: User) -> ReviewerSettings:
    """A person's settings; the usual ones, not stored, where they never chose any."""
    return ReviewerSettings.objects.filter(user=user).first() or ReviewerSettings(user=user)


def prefer(
    *,
    user: User,
    keys_on: bool,
    keys: Mapping[str, str],
    ahead: int,
    long_lease: bool,
    why_folded: bool,
    digest: str,
    email: str,
) -> ReviewerSettings:
    """Store how a person wants to work, all of it or nothing; Invalid names every fault at its place.

    ``keys`` are by action, an empty one is the usual one. The address is the account's own.
    """
    own = page_keys.moved(keys)
    faults = [
        Fault(f"/keys/{action}", "invalid_key", f"{why[:1].upper()}{why[1:]}.")
        for action, why in page_keys.faults(own).items()
    ]
    if not 1 <= ahead <= MOST_AHEAD:
        faults.append(Fault("/ahead", "out_of_range", f"From 1 to {MOST_AHEAD}."))
    if digest not in ReviewerSettings.Digest.values:
        faults.append(Fault("/digest", "not_allowed", "There is no such choice."))
    faults += _address_faults(email, wanted=digest != ReviewerSettings.Digest.NONE)
    if faults:
        raise Invalid("these settings cannot be stored", errors=faults)
    values: dict[str, Any] = {
        "keys_on": keys_on,
        "bindings": own,
        "ahead": ahead,
        "long_lease": long_lease,
        "why_folded": why_folded,
        "digest": digest,
    }
    with transaction.atomic():
        stored, _ = ReviewerSettings.objects.update_or_create(user=user, defaults=values)
        if user.email != email:
            user.email = email
            user.save(update_fields=["email"])
    return stored


def reset(*, user: User) -> None:
    """Go back to the usual; the account's address stays, and so does when the last digest went out."""
    usual = ReviewerSettings()
    names = ("keys_on", "bindings", "ahead", "long_lease", "why_folded", "digest")
    ReviewerSettings.objects.filter(user=user).update(**{name: getattr(usual, name) for name in names})


def _address_faults(email: str, *, wanted: bool) -> list[Fault]:
    if not email:
        return [Fault("/email", "required", "A digest needs an address to go to.")] if wanted else []
    try:
        validate_email(email)
    except ValidationError:
        return [Fault("/email", "invalid", "That is not an e-mail address.")]
    return [Fault("/email", "too_long", "At most 254 characters.")] if len(email) > 254 else []
