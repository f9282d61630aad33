from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('review', '0007_audits_share_of_claims'),
    ]

    operations = [
        migrations.AlterField(
            model_name='queueitem',
            name='kind',
            field=models.CharField(choices=[('gate', 'Gate'), ('audit', 'Audit'), ('manual', 'Manual'), ('gold', 'Gold')], max_length=6),
        ),
    ]
