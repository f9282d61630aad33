"""The API's description of itself: what every endpoint shares is said here once, the rest by its view."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from drf_spectacular.openapi import AutoSchema

from models_registry.access import ABILITIES, SCOPES, any_of

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457, with every fault of the body at once",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the body, or /name of a parameter"},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
                "required": ["pointer", "code", "message"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "instance", "code", "errors"],
}
_PROBLEM_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "minLength": 16, "maxLength": 128},
    "description": "the same key and body again get the first answer again",
}
_PAGE = [
    {"in": "query", "name": "cursor", "schema": {"type": "string"}, "description": "from `next` or `previous`"},
    {"in": "query", "name": "page_size", "schema": {"type": "integer", "minimum": 1, "maximum": 500, "default": 100}},
]


# By the first word of the path, or by the word after a model's slug.
_TAGS = {
    "Predictions and what became of them": ("predictions", "resolutions", "outcomes"),
    "Review": ("queues", "leases", "decisions"),
    "Models and versions": ("models", "versions", "champion", "definitions", "promotions", "artifacts"),
    "Policies": ("policies", "kill-switch", "overrides"),
    "Labels and quality": (
        "labels",
        "quality",
        "gold",
        "counterfactual",
        "delays",
        "reliance",
        "behaviour",
        "alerts",
    ),
    "Snapshots and training": ("snapshots", "retrainings"),
    "Webhooks": ("webhooks",),
}


_ORDER = [word for words in _TAGS.values() for word in words]


def _word(path: str) -> str:
    words = path.removeprefix("/api/v1/").strip("/").split("/")
    return words[2] if words[0] == "models" and len(words) > 2 else words[0]


class EndpointSchema(AutoSchema):
    """Adds who may call: the scopes of keys and the roles of people, from what the view declares."""

    def get_tags(self) -> list[str]:
        return [tag for tag, words in _TAGS.items() if _word(self.path) in words]

    def get_extensions(self) -> dict[str, Any]:
        ability = getattr(self.view, "scopes", {}).get(self.method.lower())
        if ability is None:
            return {}
        wanted = any_of(ability)
        return {
            "x-scopes": [str(scope) for scope, can in SCOPES.items() if wanted & can],
            "x-roles": [str(role) for role, can in ABILITIES.items() if wanted & can],
        }


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add to every operation what no view says: how it refuses, how a list is paged, how a POST is repeated."""
    result["tags"] = [{"name": tag} for tag in _TAGS]
    result["paths"] = dict(sorted(result["paths"].items(), key=lambda path: (_ORDER.index(_word(path[0])), path[0])))
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    for operations in result["paths"].values():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                response["description"] = response["description"] or HTTPStatus(int(status)).phrase
                if status >= "400":
                    response.setdefault("content", _PROBLEM_CONTENT)
            operation["responses"]["4XX"] = {"description": "a problem", "content": _PROBLEM_CONTENT}
            parameters = operation.setdefault("parameters", [])
            if method == "post":
                parameters.append(_IDEMPOTENCY_KEY)
            if operation["operationId"].endswith("_list"):
                parameters.extend(_PAGE)
    return result
