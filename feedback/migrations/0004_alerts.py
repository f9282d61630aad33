from __future__ import annotations

import django.db.models.deletion
import models_registry.models.clock
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('feedback', '0003_trainingrun_attempts'),
        ('models_registry', '0004_judgements_append_only'),
    ]

    operations = [
        migrations.CreateModel(
            name='Alert',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=40)),
                ('subject', models.CharField(blank=True, max_length=200)),
                ('severity', models.CharField(choices=[('warning', 'Warning'), ('critical', 'Critical')], default='warning', max_length=8)),
                ('title', models.CharField(max_length=300)),
                ('detail', models.JSONField(default=dict)),
                ('state', models.CharField(choices=[('open', 'Open'), ('acknowledged', 'Acknowledged'), ('resolved', 'Resolved')], default='open', max_length=12)),
                ('times_seen', models.PositiveIntegerField(db_default=1)),
                ('opened_at', models.DateTimeField(db_default=models_registry.models.clock.DatabaseNow())),
                ('last_seen_at', models.DateTimeField(db_default=models_registry.models.clock.DatabaseNow())),
                ('acknowledged_at', models.DateTimeField(null=True)),
                ('acknowledged_by', models.CharField(blank=True, db_default='', max_length=150)),
                ('resolved_at', models.DateTimeField(null=True)),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='alerts', to='models_registry.registeredmodel')),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['model', '-id'], name='alert_by_model')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('resolved_at__isnull', True)), fields=('model', 'kind', 'subject'), name='alert_one_unresolved'), models.CheckConstraint(condition=models.Q(models.Q(('resolved_at__isnull', True), ('state__in', ['open', 'acknowledged'])), models.Q(('resolved_at__isnull', False), ('state', 'resolved')), _connector='OR'), name='alert_resolved_has_its_time'), models.CheckConstraint(condition=models.Q(models.Q(('acknowledged_at__isnull', True), ('acknowledged_by', ''), models.Q(('state', 'acknowledged'), _negated=True)), models.Q(('acknowledged_at__isnull', False), models.Q(('acknowledged_by', ''), _negated=True), models.Q(('state', 'open'), _negated=True)), _connector='OR'), name='alert_acknowledged_by_somebody'), models.CheckConstraint(condition=models.Q(('severity__in', ['warning', 'critical'])), name='alert_severity_known')],
            },
        ),
    ]
