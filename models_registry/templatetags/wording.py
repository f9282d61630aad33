"""What templates need to put numbers, times and states into words."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from models_registry import wording

if TYPE_CHECKING:
    from django.forms import BoundField

register = template.Library()

register.filter("number", wording.number)
register.filter("share", wording.share)
register.filter("span", wording.span)
register.filter("points", wording.points)
register.filter("figure", wording.figure)

_TONES = {
    "good": {"ready", "passed", "succeeded", "proceed", "decided", "champion", "final", "on"},
    "warn": {"checking", "queued", "running", "pending", "hold", "received", "insufficient_data", "paused", "expiring"},
    "bad": {"rejected", "failed", "refuse", "withdrawn", "revoked", "expired", "cancelled"},
}


@register.filter
def tone(state: str) -> str:
    """The colour family of a state word; the word itself is always shown too."""
    return next((name for name, states in _TONES.items() if state in states), "plain")


@register.filter
def words(code: str | None) -> str:
    """A code such as ``insufficient_data`` as words."""
    return str(code or "").replace("_", " ")


@register.filter
def at(mapping: dict[str, Any] | None, key: str) -> Any:
    """``mapping[key]``, or None."""
    return None if mapping is None else mapping.get(key)


@register.simple_tag
def moment(when: datetime | None, exact: bool = False) -> SafeString | str:
    """A time relative to now, exact on hover and in ``datetime``; with ``exact`` the other way round."""
    if when is None:
        return "–"
    relative = wording.ago((timezone.now() - when).total_seconds())
    full = when.astimezone(timezone.get_current_timezone()).strftime("%Y-%m-%d %H:%M:%S %Z")
    shown, title = (full, relative) if exact else (relative, full)
    return format_html('<time datetime="{}" title="{}">{}</time>', when.isoformat(), title, shown)


@register.simple_tag
def instant(when: datetime) -> SafeString:
    """A time to the millisecond, for a timeline."""
    local = when.astimezone(timezone.get_current_timezone())
    shown = f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d} {local:%Z}"
    return format_html('<time datetime="{}">{}</time>', when.isoformat(), shown)


@register.simple_tag
def described(field: BoundField) -> SafeString:
    """The field's widget with aria-invalid and a description that names its help and its errors."""
    parts = [f"{field.auto_id}_help"] if field.help_text else []
    parts += [f"{field.auto_id}_errors"] if field.errors else []
    attrs: dict[str, Any] = {}
    if parts:
        attrs["aria-describedby"] = " ".join(parts)
    return mark_safe(field.as_widget(attrs=attrs))  # noqa: S308  (Django's own rendering, already escaped)
