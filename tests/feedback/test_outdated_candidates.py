from __future__ import annotations

from django.test import Client

from models_registry.models import GateResult, ModelVersion
from tests.conftest import Cast


def test_a_candidate_judged_against_an_earlier_champion_is_not_offered(cast: Cast, client: Client):
    model, first = cast.model, cast.version
    made = {"model": model, "contract": first.contract, "state": "ready", "created_by": "test", "parent": first}
    candidate = ModelVersion.objects.create(version="retrained-1", origin="retrained", **made)
    passed = {"gate": "better_log_loss", "verdict": "passed", "reason": "better", "compared_with": first}
    GateResult.objects.create(version=candidate, **passed)
    client.force_login(cast.erin)
    offer = 'Promote <span class="mono">retrained-1</span>'
    assert offer in client.get("/models/payments/").content.decode()

    model.champion = ModelVersion.objects.create(version="2", **made)
    model.save()
    page = client.get("/models/payments/").content.decode()
    assert offer not in page
    assert 'judged against <span class="mono">1</span>, which no longer serves' in page
