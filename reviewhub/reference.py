"""From an OpenAPI document to what a reader needs of each endpoint: its fields in words, an example call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

DEEPEST = 3
# Whoever reads an answer sees the shape of inner documents at their own endpoint.
DEEPEST_ANSWER = 2
JSON = "application/json"
FORM = "multipart/form-data"
# Stand-ins for what a schema alone cannot say; a test holds every example to its schema.
EXAMPLES: dict[str, Any] = {
    "attributions": {"amount": 0.21, "country": -0.04},
    "classes": ["legit", "fraud"],
    "contract": {"features": [{"name": "amount", "dtype": "float", "min": 0}]},
    "document": {"audit_floor": 0.05},
    "external_id": "order-17",
    "features": {"amount": 129.9, "country": "DE"},
    "id": "17",
    "guidelines": "Look at the amount first.",
    "label": "fraud",
    "model": "payments",
    "name": "Payments",
    "number": 2,
    "observed_at": "2026-01-31T12:00:00Z",
    "on": True,
    "place": 0,
    "reason": "monthly retraining",
    "scores": {"legit": 0.62, "fraud": 0.38},
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "slug": "payments",
    "source": "chargebacks",
    "task": "binary",
    "token": "6f1c3a52-9d0e-4b7e-8a53-0c6f2f9f5f11",
    "url": "https://example.com/hooks/reviewhub",
    "value": "fraud",
    "version": "2",
}
FILES = {"contract": "@contract.json", "artifact": "@model.skops", "reference": "@rows.csv", "held_out": "true"}
# Bodies of which the useful part is optional.
BODIES: dict[str, Any] = {
    "leases_decide_create": {"label": "fraud", "confidence": 0.9},
    "queues_claim_create": {"prefetch": 2},
    "queues_partial_update": {"mode": "blind_first", "required_decisions": 2},
    "models_policies_create": {
        "review": [{"name": "unsure", "when": {"field": "confidence", "lt": 0.75}, "p": 1.0, "kind": "gate"}],
        "sampling": {"kind": "uniform", "budget": 0.15},
        "audit_floor": 0.05,
    },
}
BODIES["models_policies_preview_create"] = BODIES["models_policies_create"]


@dataclass(frozen=True)
class Field:
    """One member of a body or one parameter; ``place`` is where it stands, ``[]`` is any element of an array."""

    place: str
    kind: str
    required: bool
    words: str


@dataclass(frozen=True)
class Answer:
    status: str
    words: str
    kinds: tuple[str, ...]
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Endpoint:
    method: str
    path: str
    operation: str
    summary: str
    paragraphs: tuple[str, ...]
    scopes: tuple[str, ...]
    roles: tuple[str, ...]
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    body_kinds: tuple[str, ...]
    answers: tuple[Answer, ...]
    curl: str


def endpoints(document: Schema, base: str) -> dict[str, list[Endpoint]]:
    """The endpoints under their tags, in the order of the document; ``base`` is scheme and host of the example."""
    found: dict[str, list[Endpoint]] = {tag["name"]: [] for tag in document["tags"]}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            found[operation["tags"][0]].append(_endpoint(path, method, operation, base))
    return found


def _endpoint(path: str, method: str, operation: Schema, base: str) -> Endpoint:
    content: dict[str, Schema] = operation.get("requestBody", {}).get("content", {})
    # Of two kinds of body the first is the fuller one.
    body: Schema = next((kind["schema"] for kind in content.values()), {})
    return Endpoint(
        method=method.upper(),
        path=path,
        operation=operation["operationId"],
        summary=operation["summary"],
        paragraphs=tuple(plain(part) for part in operation["description"].split("\n\n")),
        scopes=tuple(operation["x-scopes"]),
        roles=tuple(operation["x-roles"]),
        parameters=tuple(_parameter(parameter) for parameter in operation["parameters"]),
        body=tuple(fields(body)),
        body_kinds=tuple(content),
        answers=tuple(_answer(status, answer) for status, answer in operation["responses"].items() if status != "4XX"),
        curl=curl(path, method, operation, base),
    )


def _parameter(parameter: Schema) -> Field:
    where = {"path": "in the path", "query": "in the query", "header": "header"}[parameter["in"]]
    words = "; ".join(
        part for part in (where, plain(parameter.get("description", "")), limits(parameter["schema"])) if part
    )
    return Field(parameter["name"], kind(parameter["schema"]), parameter.get("required", False), words)


def _answer(status: str, answer: Schema) -> Answer:
    content = answer.get("content", {})
    schema = content.get(JSON, {}).get("schema", {})
    return Answer(status, answer["description"], tuple(content), tuple(fields(schema, deepest=DEEPEST_ANSWER)))


def fields(schema: Schema, *, prefix: str = "", level: int = 1, deepest: int = DEEPEST) -> Iterator[Field]:
    """Every named member of an object schema and of the objects inside it.

    >>> [f.place for f in fields({"properties": {"a": {"type": "array", "items": {"properties": {"b": {}}}}}})]
    ['a', 'a[].b']
    """
    for name, member in schema.get("properties", {}).items():
        place = f"{prefix}{name}"
        words = "; ".join(part for part in (plain(member.get("description", "")), limits(member)) if part)
        yield Field(place, kind(member), name in schema.get("required", ()), words)
        if level < deepest:
            inner, step = _inner(member)
            yield from fields(inner, prefix=f"{place}{step}.", level=level + 1, deepest=deepest)


def plain(text: str) -> str:
    """The text without the marks of code.

    >>> plain("``a`` and `b`")
    'a and b'
    """
    return text.replace("`", "")


def _inner(member: Schema) -> tuple[Schema, str]:
    """What a member holds, and how its place is written."""
    if "items" in member:
        return member["items"], "[]"
    if isinstance(member.get("additionalProperties"), dict):
        return member["additionalProperties"], ".*"
    return member, ""


def kind(schema: Schema) -> str:
    """The type in words.

    >>> kind({"type": ["string", "null"]}), kind({"enum": ["a", None]}), kind({"type": "array", "items": {}})
    ('string or null', '"a", null', 'array')
    """
    if "enum" in schema:
        return ", ".join(json.dumps(value) for value in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "anyOf" in schema:
        return " or ".join(kind(part) for part in schema["anyOf"])
    types = schema.get("type", "any")
    names = [types] if isinstance(types, str) else list(types)
    if "array" in names and schema.get("items", {}).get("type"):
        names[names.index("array")] = f"array of {kind(schema['items'])}"
    if schema.get("format") in ("date-time", "binary"):
        names[0] = {"date-time": "time", "binary": "file"}[schema["format"]]
    return " or ".join(names)


def limits(schema: Schema) -> str:
    """The bounds of a value.

    >>> limits({"minimum": 0, "maximum": 1}), limits({"maxLength": 100}), limits({"minItems": 1, "maxItems": 1000})
    ('0 to 1', 'at most 100 characters', '1 to 1000 items')
    """
    parts = []
    for low, high, unit in (("minimum", "maximum", ""), ("minLength", "maxLength", " characters"),
                            ("minItems", "maxItems", " items")):  # fmt: skip
        least, most = schema.get(low), schema.get(high)
        if least is not None and most is not None:
            parts.append(f"{least} to {most}{unit}")
        elif most is not None:
            parts.append(f"at most {most}{unit}")
        elif least is not None:
            parts.append(f"at least {least}{unit}")
    return ", ".join(parts)


def example(schema: Schema, name: str = "") -> Any:
    """A value that the schema accepts, with what is required and no more."""
    if name in EXAMPLES:
        return EXAMPLES[name]
    if "enum" in schema:
        return schema["enum"][0]
    if "properties" in schema:
        return {key: example(schema["properties"][key], key) for key in schema.get("required", ())}
    if schema.get("type") == "array":
        return [example(schema["items"])]
    return {"integer": 1, "number": 0.5, "boolean": True, "object": {}}.get(str(schema.get("type")), "…")


def body_of(operation: Schema) -> Any:
    """The body of the example call; None where none is sent."""
    schema = operation.get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema")
    return None if schema is None else BODIES.get(operation["operationId"], example(schema))


def curl(path: str, method: str, operation: Schema, base: str) -> str:
    """The call as a line for a shell, in which $KEY holds a service key."""
    query = [f"{one['name']}={EXAMPLES[one['name']]}" for one in operation["parameters"]
             if one["in"] == "query" and one.get("required")]  # fmt: skip
    address = (
        re.sub(r"\{(\w+)\}", lambda found: str(EXAMPLES[found.group(1)]), path) + "?" * bool(query) + "&".join(query)
    )
    words = ["curl"] + ([] if method == "get" else [f"-X {method.upper()}"])
    lines = [" ".join([*words, f'"{base}{address}"']), '-H "Authorization: Bearer $KEY"']
    content = operation.get("requestBody", {}).get("content", {})
    if FORM in content:
        given = {"version": EXAMPLES["version"], **FILES}
        lines += [f"-F {name}={value}" for name, value in given.items()]
    elif content:
        body = json.dumps(body_of(operation))
        lines += ['-H "Content-Type: application/json"', f"-d '{body}'"]
    elif "application/x-ndjson" in operation["responses"].get("200", {}).get("content", {}):
        lines.append('-H "Accept: application/x-ndjson"')
    elif JSON not in operation["responses"].get("200", {}).get("content", {JSON: {}}):
        lines.append("-OJ")
    return " \\\n  ".join(lines)
