from __future__ import annotations

from importlib import import_module

from django.db import migrations, models

changes = import_module("feedback.migrations.0007_day_changes")
STORED = """
INSERT INTO feedback_daychange (model_id, day)
SELECT s.model_id, s.day FROM feedback_daysums s
WHERE NOT EXISTS (SELECT FROM feedback_daychange c WHERE c.model_id = s.model_id AND c.day = s.day)
"""


class Migration(migrations.Migration):
    """Delays are counted beside the sums of a day: decisions and reports mark it too, and all days begin marked."""

    dependencies = [("feedback", "0007_day_changes"), ("review", "0009_predictions_by_day")]
    operations = [
        migrations.AddField("daysums", "waits", models.BinaryField(default=bytes)),
        changes.marking("decided", "review_reviewdecision", changes.ON_INSERT),
        changes.marking("reported", "feedback_outcomeevent", changes.ON_INSERT),
        migrations.RunSQL(STORED, migrations.RunSQL.noop),
    ]
