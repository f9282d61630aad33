from __future__ import annotations

from django.db import migrations

# Before there were modes every claim carried the model's answer. Without its time a lease or decision of then would
# count as one made without the model. With the first claim under a mode the server began to write the time itself, so
# rows that have one, or another mode, are left alone.
SHOWN = """
UPDATE review_lease SET model_shown_at = claimed_at WHERE mode = 'assisted' AND model_shown_at IS NULL;
ALTER TABLE review_reviewdecision DISABLE TRIGGER review_reviewdecision_append_only;
UPDATE review_reviewdecision SET model_shown_at = coalesce(claimed_at, decided_at)
WHERE kind = 'decision' AND mode = 'assisted' AND model_shown_at IS NULL;
ALTER TABLE review_reviewdecision ENABLE TRIGGER review_reviewdecision_append_only;
"""


class Migration(migrations.Migration):
    """Leases and answers of before there were modes were given with the model in sight; the record says so."""

    dependencies = [("review", "0015_answers_of_several")]
    operations = [migrations.RunSQL(SHOWN, migrations.RunSQL.noop)]
