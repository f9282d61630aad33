from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    """Outcomes are kept as reported."""

    dependencies = [("feedback", "0001_initial"), ("models_registry", "0002_append_only")]
    operations = [
        migrations.RunSQL(
            "CREATE TRIGGER feedback_outcomeevent_append_only BEFORE UPDATE OR DELETE ON feedback_outcomeevent "
            "FOR EACH ROW EXECUTE FUNCTION reviewhub_refuse_change()",
            "DROP TRIGGER feedback_outcomeevent_append_only ON feedback_outcomeevent",
        )
    ]
