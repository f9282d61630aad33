from __future__ import annotations

from django.db import migrations

TABLES = ("review_routingdecision", "review_reviewdecision", "review_policyversion", "review_resolution")


def trigger(table: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION reviewhub_refuse_change()",
        f"DROP TRIGGER {table}_append_only ON {table}",
    )


class Migration(migrations.Migration):
    """Routing choices, decisions, policies and resolutions are never changed or removed."""

    dependencies = [("review", "0001_initial"), ("models_registry", "0002_append_only")]
    operations = [trigger(table) for table in TABLES]
