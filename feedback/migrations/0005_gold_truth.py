from __future__ import annotations

import django.db.models.deletion
import models_registry.models.clock
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('feedback', '0004_alerts'),
        ('review', '0008_gold_items'),
    ]

    operations = [
        migrations.CreateModel(
            name='GoldTruth',
            fields=[
                ('prediction', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='gold', serialize=False, to='review.prediction')),
                ('value', models.CharField(max_length=100)),
                ('set_by', models.CharField(max_length=150)),
                ('set_at', models.DateTimeField(db_default=models_registry.models.clock.DatabaseNow())),
            ],
        ),
    ]
