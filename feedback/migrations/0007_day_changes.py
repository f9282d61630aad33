from __future__ import annotations

from django.db import migrations

DAY = "(p.occurred_at AT TIME ZONE 'UTC')::date"
# Each name of a trigger, its table, when it fires, and the days that have changed.
CHANGED = """
CREATE FUNCTION feedback_mark_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO feedback_daychange (model_id, day)
    SELECT DISTINCT p.model_id, """ + DAY + """
    FROM changed c JOIN review_prediction p ON p.id = c.prediction_id;
    RETURN NULL;
END $$;
"""
ON_INSERT = "AFTER INSERT ON {table} REFERENCING NEW TABLE AS changed FOR EACH STATEMENT"
ON_UPDATE = "AFTER UPDATE ON {table} REFERENCING NEW TABLE AS changed FOR EACH STATEMENT"
# Only what moves a prediction in or out of its day's sums: routing and decisions change the status all the time.
PREDICTION = """
CREATE FUNCTION feedback_mark_prediction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO feedback_daychange (model_id, day)
    SELECT OLD.model_id, (OLD.occurred_at AT TIME ZONE 'UTC')::date
    UNION SELECT NEW.model_id, (NEW.occurred_at AT TIME ZONE 'UTC')::date;
    RETURN NULL;
END $$;
CREATE TRIGGER feedback_prediction_changed AFTER UPDATE ON review_prediction FOR EACH ROW
WHEN ((OLD.status = 'withdrawn') <> (NEW.status = 'withdrawn')
      OR (OLD.occurred_at, OLD.version_id, OLD.predicted, OLD.scores)
         IS DISTINCT FROM (NEW.occurred_at, NEW.version_id, NEW.predicted, NEW.scores))
EXECUTE FUNCTION feedback_mark_prediction();
"""
EXISTING = f"""
INSERT INTO feedback_daychange (model_id, day)
SELECT DISTINCT p.model_id, {DAY} FROM review_prediction p WHERE p.status <> 'received'
"""


def marking(name: str, table: str, when: str) -> migrations.RunSQL:
    made = CHANGED.format(name=name) + f"CREATE TRIGGER feedback_{name} {when.format(table=table)} "
    return migrations.RunSQL(
        f"{made} EXECUTE FUNCTION feedback_mark_{name}()",
        f"DROP TRIGGER feedback_{name} ON {table}; DROP FUNCTION feedback_mark_{name}()",
    )


class Migration(migrations.Migration):
    """Whatever changes a day's sums marks the day, in its own transaction; all days there are begin marked."""

    dependencies = [("feedback", "0006_day_sums"), ("review", "0009_predictions_by_day")]
    operations = [
        marking("routed", "review_routingdecision", ON_INSERT),
        marking("labelled", "feedback_label", ON_INSERT),
        marking("relabelled", "feedback_label", ON_UPDATE),
        marking("truth_known", "feedback_simulatedtruth", ON_INSERT),
        migrations.RunSQL(
            PREDICTION,
            "DROP TRIGGER feedback_prediction_changed ON review_prediction; DROP FUNCTION feedback_mark_prediction()",
        ),
        migrations.RunSQL(EXISTING, migrations.RunSQL.noop),
    ]
