"""Whether more comes to people than they can do: an alert while there is still time."""

from __future__ import annotations

from datetime import datetime

from feedback import alerts
from feedback.models import Alert
from feedback.monitoring.workload import workload
from models_registry.models import RegisteredModel
from models_registry.wording import number, span

KIND = "workload"
# The newest items tell the rates well enough for a look every few minutes.
NEWEST = 20_000


def watch_workload(model: RegisteredModel, *, now: datetime | None = None) -> None:
    """Open, refresh or resolve the alert that a model's reviews surge, or will pass their due times."""
    found = workload(model=model, by="hour", now=now, newest=NEWEST)
    breach, inflow = found["forecast"]["breach"], found["inflow"]
    if breach is None and not inflow["unusual"]:
        alerts.resolve(model=model, kind=KIND)
        return
    said = []
    if inflow["unusual"]:
        said.append(f"{inflow['last_hour']} reviews came in an hour, usual are {number(inflow['usual_per_hour'], 2)}")
    if breach is not None:
        said.append(f"at this rate the first is late in {span(breach)}")
    title = "; ".join(said)
    alerts.raise_alert(
        model=model,
        kind=KIND,
        title=title[:1].upper() + title[1:],
        detail={name: found[name] for name in ("inflow", "forecast", "open", "capacity")},
        severity=Alert.Severity.WARNING,
    )
