from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    """Answers while practising are kept as given."""

    dependencies = [("feedback", "0010_gold_planting"), ("models_registry", "0002_append_only")]
    operations = [
        migrations.RunSQL(
            "CREATE TRIGGER feedback_practiceanswer_append_only BEFORE UPDATE OR DELETE ON feedback_practiceanswer "
            "FOR EACH ROW EXECUTE FUNCTION reviewhub_refuse_change()",
            "DROP TRIGGER feedback_practiceanswer_append_only ON feedback_practiceanswer",
        )
    ]
