"""The mail digest: what waits, to whoever wants it, and only when something does.

The row is claimed before the mail goes out, by one conditional statement on the database's clock, so that two
workers never send two. What the mail server then refuses waits for the next period; a server that cannot be
reached at all costs nobody their digest.
"""

from __future__ import annotations

import logging
import smtplib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db.models import Case, DurationField, Q, Value, When
from django.template.loader import render_to_string

from models_registry.access import principal_of_user
from models_registry.models import DatabaseNow
from review.models import ReviewerSettings
from review.waiting import Waiting, waiting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.auth.models import User
    from django.db.models import QuerySet

logger = logging.getLogger("reviewhub.digest")
PERIODS = {ReviewerSettings.Digest.HOURLY: timedelta(hours=1), ReviewerSettings.Digest.DAILY: timedelta(days=1)}
NO_SERVER = "django.core.mail.backends.dummy.EmailBackend"


def is_set_up() -> bool:
    """Whether this installation was told of a mail server."""
    return bool(settings.EMAIL_BACKEND != NO_SERVER)


def wanted() -> QuerySet[ReviewerSettings]:
    """Who asked for a digest and can be written to."""
    return ReviewerSettings.objects.filter(digest__in=list(PERIODS), user__is_active=True).exclude(user__email="")


def due() -> Q:
    """That there was no digest within the period, by the database's clock.

    Of columns of the row itself only: an update that had to wait for another worker looks at those again.
    """
    periods = [When(digest=digest, then=Value(period)) for digest, period in PERIODS.items()]
    period = Case(*periods, output_field=DurationField())
    return Q(digest__in=list(PERIODS)) & (
        Q(digest_sent_at__isnull=True) | Q(digest_sent_at__lte=DatabaseNow() - period)
    )


def take(settings_of: ReviewerSettings) -> bool:
    """Mark a digest as sent now; False where another worker did, or the person changed their mind."""
    rows = ReviewerSettings.objects.filter(due(), pk=settings_of.pk)
    return bool(rows.update(digest_sent_at=DatabaseNow()))


def send_next(*, after: int = 0) -> tuple[int | None, bool]:
    """The next person by number who is due: their number, and whether a digest went out; None when nobody is left.

    Raises OSError or SMTPException, with nothing marked as sent, where the mail server cannot be reached.
    """
    wanting = wanted().filter(due(), pk__gt=after).order_by("pk").select_related("user").first()
    if wanting is None:
        return None, False
    lines = [line for line in waiting(principal_of_user(wanting.user), oldest=True) if line.waiting]
    if not lines:
        return wanting.pk, False
    connection: Any = get_connection()
    connection.open()
    try:
        if not take(wanting):
            return wanting.pk, False
        return wanting.pk, _delivered(message(wanting.user, wanting.digest, lines), connection)
    finally:
        connection.close()


def message(user: User, period: str, lines: Iterable[Waiting]) -> EmailMessage:
    """The mail: figures of queues, nothing of any case."""
    lines = list(lines)
    total, more = sum(line.waiting for line in lines), any(line.more for line in lines)
    count = f"{total}{'+' if more else ''}"
    place = settings.REVIEWHUB["PUBLIC_URL"].rstrip("/")
    context = {"name": user.get_username(), "period": period, "lines": lines, "count": count, "place": place}
    body = render_to_string("review/digest.txt", context)
    subject = f"ReviewHub: {count} case{'' if count == '1' else 's'} wait{'s' if count == '1' else ''} for you"
    return EmailMessage(subject=subject, body=body, to=[user.email])


def _delivered(mail: EmailMessage, connection: Any) -> bool:
    mail.connection = connection
    try:
        mail.send()
    except (smtplib.SMTPException, OSError) as error:
        # Perhaps it went out all the same: sending again could make two.
        logger.warning("a digest was not taken by the mail server: %s", type(error).__name__)
        return False
    return True
