from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

# A candidate's parent is the champion that it was fitted from and compared with.
FILL = """
UPDATE models_registry_gateresult AS result SET compared_with_id = version.parent_id
  FROM models_registry_modelversion AS version
 WHERE version.id = result.version_id AND version.origin = 'retrained'
"""


class Migration(migrations.Migration):
    """A gate's verdict names the champion that it was given against."""

    dependencies = [("models_registry", "0002_append_only")]
    operations = [
        migrations.AddField(
            model_name="gateresult",
            name="compared_with",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="models_registry.modelversion",
            ),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
