from __future__ import annotations

from django.db import migrations

TABLES = ("review_caseview", "review_comment")


def trigger(table: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION reviewhub_refuse_change()",
        f"DROP TRIGGER {table}_append_only ON {table}",
    )


class Migration(migrations.Migration):
    """What was seen and what was written beside an answer is never changed or removed."""

    dependencies = [("review", "0012_honest_review"), ("models_registry", "0002_append_only")]
    operations = [trigger(table) for table in TABLES]
