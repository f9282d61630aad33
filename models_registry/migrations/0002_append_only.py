from __future__ import annotations

from django.db import migrations

FUNCTION = """
CREATE FUNCTION reviewhub_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: a correction is a new row', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
"""
TABLES = ("models_registry_auditevent", "models_registry_promotion", "models_registry_datacontract")


def trigger(table: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION reviewhub_refuse_change()",
        f"DROP TRIGGER {table}_append_only ON {table}",
    )


class Migration(migrations.Migration):
    """Rows of history are never changed or removed, whoever tries."""

    dependencies = [("models_registry", "0001_initial")]
    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION reviewhub_refuse_change()"),
        *(trigger(table) for table in TABLES),
    ]
