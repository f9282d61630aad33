"""Features that their contract marks as sensitive: who sees them masked, and the mask itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from models_registry.access import Principal
    from review.models import Prediction

# What a page writes in the place of the value.
MASK = "hidden by policy"


def of_contract(document: dict[str, Any]) -> frozenset[str]:
    """The names of the sensitive features.

    >>> sorted(of_contract({"features": [{"name": "age", "sensitive": True}, {"name": "amount"}]}))
    ['age']
    """
    return frozenset(feature["name"] for feature in document["features"] if feature.get("sensitive"))


def names(prediction: Prediction) -> frozenset[str]:
    """The sensitive features of the prediction's version; reads its contract."""
    return of_contract(prediction.version.contract.document)


def is_masked(principal: Principal | None, abilities: Collection[str]) -> bool:
    """Whether the values are hidden from the principal, who has these abilities on the model.

    From every person whatever the role, and from a key that only reviews: it shows to persons what it is given.
    Other keys belong to the systems that sent the values.
    """
    if principal is None or principal.key is None:
        return True
    return not {"read", "ingest", "admin"} & set(abilities)


def hidden_from(principal: Principal | None, prediction: Prediction) -> frozenset[str]:
    """The features of the prediction whose values are masked for the principal."""
    abilities = principal.abilities() if principal is not None and principal.key is not None else set()
    return names(prediction) if is_masked(principal, abilities) else frozenset()


def masked(values: dict[str, Any], hidden: Collection[str]) -> dict[str, Any]:
    """The values with null for the hidden ones.

    >>> masked({"age": 41, "amount": 2.5}, {"age"})
    {'age': None, 'amount': 2.5}
    """
    return {name: None if name in hidden else value for name, value in values.items()}


def masked_rows(rows: list[dict[str, Any]], hidden: Collection[str]) -> list[dict[str, Any]]:
    """Rows of ``{"feature", "value", …}`` with null for the values of the hidden ones.

    >>> masked_rows([{"feature": "age", "value": 41, "contribution": 0.2}], {"age"})
    [{'feature': 'age', 'value': None, 'contribution': 0.2}]
    """
    return [{**row, "value": None} if row.get("feature") in hidden else row for row in rows]
