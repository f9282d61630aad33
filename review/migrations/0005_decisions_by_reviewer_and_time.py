from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("review", "0004_leaner_prediction_indexes")]

    operations = [
        migrations.AddIndex(
            model_name="reviewdecision",
            index=models.Index(fields=["reviewer", "decided_at"], name="decision_by_reviewer_and_time"),
        ),
    ]
