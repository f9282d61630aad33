from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("feedback", "0002_append_only")]
    operations = [
        migrations.AddField("trainingrun", "attempts", models.PositiveSmallIntegerField(db_default=0)),
    ]
