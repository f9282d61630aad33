from __future__ import annotations

from django.db import migrations

TABLES = ("models_registry_gateresult", "models_registry_evaluation")


def trigger(table: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION reviewhub_refuse_change()",
        f"DROP TRIGGER {table}_append_only ON {table}",
    )


class Migration(migrations.Migration):
    """What decided a promotion stays as it was: a new judgement is a new row."""

    dependencies = [("models_registry", "0003_gateresult_compared_with")]
    operations = [trigger(table) for table in TABLES]
