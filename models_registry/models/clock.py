from __future__ import annotations

from django.db.models import DateTimeField, Func


class DatabaseNow(Func):
    """The database's wall clock at the moment the row is touched.

    Django's ``Now()`` is the statement's start: an UPDATE that waited on a row lock past the end of
    a lease would still see the lease alive. ``clock_timestamp()`` does not have that gap.
    """

    function = "clock_timestamp"
    arity = 0
    output_field = DateTimeField()
