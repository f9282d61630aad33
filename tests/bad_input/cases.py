"""Every malformed request that ingest must refuse, as the bytes that go over the socket."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.conftest import prediction_body

SINGLE, BULK = "/api/v1/predictions/", "/api/v1/predictions/bulk/"
JSON = {"Content-Type": "application/json"}
MANY_KEYS = dict.fromkeys(map(str, range(100_000)))
MEDIA_TYPE = "unsupported_media_type"


@dataclass(frozen=True)
class Case:
    """One request and its refusal; ``code`` is the problem's own or that of one of its errors."""

    id: str
    raw: bytes
    status: int
    code: str
    pointer: str | None = None
    path: str = SINGLE
    headers: dict[str, str] = field(default_factory=lambda: JSON)
    method: str = "POST"


def body(**changes: Any) -> bytes:
    return json.dumps({**prediction_body("bad"), **changes}).encode()


def put(place: bytes, text: bytes) -> bytes:
    """A valid body with the value of one key replaced by these bytes."""
    sample = json.dumps(prediction_body("bad", raw="RAW", value=1.25)).encode()
    old = {b"raw": b'"RAW"', b"external_id": b'"bad"', b"ok": b"0.6", b"value": b"1.25"}[place]
    assert sample.count(old) == 1
    return sample.replace(old, text)


def many(*bodies: dict[str, Any]) -> bytes:
    return json.dumps({"predictions": list(bodies)}).encode()


def without(key: str) -> bytes:
    return json.dumps({name: value for name, value in prediction_body("bad").items() if name != key}).encode()


def features(**changes: Any) -> bytes:
    return body(features={"amount": 1.0, "age": 40, "country": "DE", **changes})


def content_type(value: str) -> dict[str, str]:
    return {"Content-Type": value}


TEXT = [
    Case("nul-in-text", put(b"raw", b'{"a": "x\\u0000y"}'), 400, "invalid_text", "/raw/a"),
    Case("nul-in-a-key", put(b"raw", b'{"a\\u0000b": 1}'), 400, "invalid_text", "/raw"),
    Case("nul-in-the-external-id", put(b"external_id", b'"a\\u0000"'), 400, "invalid_text", "/external_id"),
    Case("lone-surrogate", put(b"external_id", b'"\\ud800"'), 400, "malformed_json"),
    Case("lone-low-surrogate", put(b"raw", b'"\\udc00\\ud800"'), 400, "malformed_json"),
    Case("lone-surrogate-in-a-key", put(b"raw", b'{"\\udfff": 1}'), 400, "malformed_json"),
    Case("surrogate-as-utf-8", put(b"raw", b'"\xed\xa0\x80"'), 400, "malformed_json"),
    Case("invalid-utf-8", put(b"raw", b'"\xff\xfe"'), 400, "malformed_json"),
    Case("overlong-utf-8", put(b"raw", b'"\xc0\xaf"'), 400, "malformed_json"),
    Case("control-character-in-text", put(b"raw", b'"a\x01b"'), 400, "malformed_json"),
    Case("byte-order-mark", b"\xef\xbb\xbf" + body(), 400, "malformed_json"),
    Case("a-megabyte-of-text", many(prediction_body(raw="x" * 1_000_000)), 400, "too_long", path=BULK),
]
SHAPE = [
    Case("3000-deep", put(b"raw", b"[" * 3_000 + b"]" * 3_000), 400, "too_deep"),
    Case("100000-deep", put(b"raw", b"[" * 100_000 + b"]" * 100_000), 400, "too_deep"),
    Case("33-deep", put(b"raw", b'{"a":' * 33 + b"1" + b"}" * 33), 400, "too_deep"),
    Case("unclosed-and-deep", b"[" * 100_000, 400, "too_deep"),
    Case("array", b"[]", 400, "type", ""),
    Case("string", b'"x"', 400, "type", ""),
    Case("number", b"1", 400, "type", ""),
    Case("null", b"null", 400, "type", ""),
    Case("empty", b"", 400, "required"),
    Case("white-space", b"  \n", 400, "malformed_json"),
    Case("empty-object", b"{}", 400, "required", "/external_id"),
    Case("two-documents", body() + body(), 400, "malformed_json"),
    Case("cut-off", body()[:-3], 400, "malformed_json"),
    Case("trailing-comma", body()[:-1] + b",}", 400, "malformed_json"),
    Case("comment", b"/* */" + body(), 400, "malformed_json"),
    Case("single-quotes", b"{'model': 'payments'}", 400, "malformed_json"),
    Case("same-key-twice", body()[:-1] + b', "external_id": "other"}', 400, "duplicate_key"),
    Case("same-key-twice-escaped", body()[:-1] + b', "mod\\u0065l": "secrets"}', 400, "duplicate_key"),
    Case(
        "100000-keys", many(prediction_body(raw={str(n): 1 for n in range(100_000)})), 400, "too_many_keys", path=BULK
    ),
    Case("compressed", b"\x1f\x8b\x08\x00", 400, "malformed_json", headers={**JSON, "Content-Encoding": "gzip"}),
]
NUMBERS = [
    Case("4000-digits", put(b"raw", b"1" * 4_000), 400, "out_of_range", "/raw"),
    Case("5000-digits", put(b"raw", b"1" * 5_000), 400, "malformed_json"),
    Case("beyond-2-to-the-53", put(b"raw", b"[9007199254740992]"), 400, "out_of_range", "/raw/0"),
    Case("1e400-as-score", put(b"ok", b"1e400"), 400, "malformed_json"),
    Case("1e400-in-raw", put(b"raw", b"[-1e400]"), 400, "malformed_json"),
    Case("decimal-of-a-million-zeros", put(b"value", b"1e1000000"), 400, "malformed_json"),
    Case("nan-literal", put(b"ok", b"NaN"), 400, "malformed_json"),
    Case("infinity-literal", put(b"value", b"-Infinity"), 400, "malformed_json"),
    Case("leading-zero", put(b"value", b"01"), 400, "malformed_json"),
    Case("hexadecimal", put(b"value", b"0x10"), 400, "malformed_json"),
    Case("score-nan-as-text", put(b"ok", b'"nan"'), 400, "type", "/scores/ok"),
    Case("score-infinity-as-text", put(b"ok", b'"Infinity"'), 400, "type", "/scores/ok"),
    Case("score-as-text", put(b"ok", b'"0.5"'), 400, "type", "/scores/ok"),
    Case("score-true", put(b"ok", b"true"), 400, "type", "/scores/ok"),
    Case("score-null", put(b"ok", b"null"), 400, "type", "/scores/ok"),
    Case("score-above-one", put(b"ok", b"1.6"), 400, "out_of_range", "/scores/ok"),
    Case("score-below-zero", put(b"ok", b"-0.1"), 400, "out_of_range", "/scores/ok"),
    Case("value-as-text", put(b"value", b'"12"'), 400, "type", "/value"),
    Case("value-true", put(b"value", b"true"), 400, "type", "/value"),
]
SCORES = [
    Case("scores-add-up-to-two", body(scores={"ok": 1.0, "fraud": 1.0}), 400, "scores_sum", "/scores"),
    Case("scores-empty", body(scores={}), 400, "length", "/scores"),
    Case("scores-a-list", body(scores=[0.5, 0.5]), 400, "type", "/scores"),
    Case("10000-classes", body(scores={f"c{n}": 0.0001 for n in range(10_000)}), 400, "too_many_keys", "/scores"),
    Case("class-twice", put(b"ok", b'0.3, "ok": 0.3'), 400, "duplicate_key"),
    Case("class-of-other-case", body(scores={"OK": 0.6, "fraud": 0.4}), 400, "unknown_label", "/scores/OK"),
    Case("class-of-other-unicode-form", body(scores={"ｏｋ": 0.6, "fraud": 0.4}), 400, "unknown_label", "/scores/ｏｋ"),
    Case("unknown-class", body(scores={"ok": 0.5, "fraud": 0.5, "x/y": 0}), 400, "unknown_label", "/scores/x~1y"),
    Case("class-missing", body(scores={"ok": 0.5, "other": 0.5}), 400, "required", "/scores/fraud"),
]
FIELDS = [
    *[Case(f"unknown-{name}", body(**{name: 1}), 400, "unknown_field", f"/{name}")
      for name in ("id", "project", "state", "status", "is_admin", "__proto__")],
    *[Case(f"without-{name}", without(name), 400, "required", f"/{name}")
      for name in ("model", "external_id", "features", "scores")],
    Case("external-id-empty", body(external_id=""), 400, "length", "/external_id"),
    Case("external-id-too-long", body(external_id="x" * 201), 400, "length", "/external_id"),
    Case("external-id-a-number", body(external_id=7), 400, "type", "/external_id"),
    Case("entity-id-null", body(entity_id=None), 400, "type", "/entity_id"),
    Case("version-a-number", body(version=1), 400, "type", "/version"),
    Case("version-unknown", body(version="99"), 400, "unknown_version", "/version"),
    Case("time-without-zone", body(occurred_at="2026-01-02T03:04:05"), 400, "format", "/occurred_at"),
    Case("time-as-number", body(occurred_at=1767323045), 400, "type", "/occurred_at"),
    Case("day-that-is-not", body(occurred_at="2026-02-30T00:00:00Z"), 400, "format", "/occurred_at"),
    Case("leap-second", body(occurred_at="2026-12-31T23:59:60Z"), 400, "format", "/occurred_at"),
    Case("year-one", body(occurred_at="0001-01-01T00:00:00+14:00"), 400, "out_of_range", "/occurred_at"),
    Case("tomorrow", body(occurred_at="2199-01-01T00:00:00Z"), 422, "in_future", "/occurred_at"),
    Case("as-of-without-zone", body(as_of={"core": "2026-01-02T03:04:05"}), 400, "format", "/as_of/core"),
    Case("groups-nested", body(groups={"segment": {"a": 1}}), 400, "type", "/groups/segment"),
    Case("counters-as-text", body(counters={"tries": "2"}), 400, "type", "/counters/tries"),
    Case("latency-negative", body(latency_ms=-1), 400, "out_of_range", "/latency_ms"),
    Case("context-a-string", body(context="x"), 400, "type", "/context"),
    Case("context-text-a-number", body(context={"text": 1}), 400, "type", "/context/text"),
    Case("context-script-link", body(context={"links": [{"url": "javascript:alert(1)"}]}), 400, "format",
         "/context/links/0/url"),
    Case("context-svg", body(context={"images": [{"data": "data:image/svg+xml;base64,PHN2Zy8+"}]}), 400, "not_allowed",
         "/context/images/0/data"),
    Case("context-image-of-text", body(context={"images": [{"data": "aGVsbG8="}]}), 400, "format",
         "/context/images/0/data"),
    Case("context-array-ragged", body(context={"array": {"values": [[1, 2], [3]]}}), 400, "length",
         "/context/array/values/1"),
    Case("context-array-nan", put(b"raw", b'1, "context": {"array": {"values": [[NaN]]}}'), 400, "malformed_json"),
    Case("context-array-of-unknown-features", body(context={"array": {"values": [[1]], "features": [["x"]]}}),
         422, "unknown_feature", "/context/array/features/0/0"),
    Case("attribution-as-text", body(attributions={"amount": "1"}), 400, "type", "/attributions/amount"),
    Case("attribution-unknown", body(attributions={"height": 1}), 422, "unknown_feature", "/attributions/height"),
]  # fmt: skip
CONTRACT = [
    Case("features-a-vector", body(features=[1, 2]), 400, "type", "/features"),
    Case("feature-missing", body(features={"amount": 1, "age": 4}), 422, "contract_violation", "/features/country"),
    Case("feature-extra", features(height=1), 422, "contract_violation", "/features/height"),
    Case("feature-proto", features(constructor={}, __proto__={}), 422, "contract_violation", "/features/__proto__"),
    Case("feature-a-number-as-text", features(amount="1.0"), 422, "contract_violation", "/features/amount"),
    Case("feature-true-as-number", features(amount=True), 422, "contract_violation", "/features/amount"),
    Case("feature-fraction-as-int", features(age=40.5), 422, "contract_violation", "/features/age"),
    Case("feature-out-of-range", features(age=131), 422, "contract_violation", "/features/age"),
    Case("feature-null", features(amount=None), 422, "contract_violation", "/features/amount"),
    Case("feature-unknown-category", features(country="de"), 422, "contract_violation", "/features/country"),
]
BATCHES = [
    Case("batch-third-breaks-the-contract", many(prediction_body("a"), prediction_body("b"),
         prediction_body("c", features={"amount": 1, "age": "4", "country": "DE"})),
         422, "contract_violation", "/predictions/2/features/age", path=BULK),
    Case("batch-second-malformed", many(prediction_body("a"), prediction_body("b", extra=1)),
         400, "unknown_field", "/predictions/1/extra", path=BULK),
    Case("batch-contradicts-itself", many(prediction_body("a"), prediction_body("a", value=2)),
         409, "external_id_reused", "/predictions/1/external_id", path=BULK),
    Case("batch-with-a-foreign-model", many(prediction_body("a"), prediction_body("b", model="elsewhere")),
         404, "not_found", "/predictions/1/model", path=BULK),
    Case("batch-second-with-a-faulty-context", many(prediction_body("a"),
         prediction_body("b", context={"links": [{"url": "https://u:p@x.example/"}]})),
         400, "format", "/predictions/1/context/links/0/url", path=BULK),
    Case("batch-empty", many(), 400, "length", "/predictions", path=BULK),
    Case("batch-of-1001", many(*map(prediction_body, map(str, range(1001)))), 400, "length", "/predictions", path=BULK),
    Case("batch-of-null", b'{"predictions": [null]}', 400, "type", "/predictions/0", path=BULK),
    Case("batch-not-a-list", b'{"predictions": {}}', 400, "type", "/predictions", path=BULK),
    Case("batch-bare-list", b"[]", 400, "type", "", path=BULK),
    Case("batch-over-the-limit", b'{"predictions": "' + b"x" * 17_000_000 + b'"}', 413, "too_large", path=BULK),
]  # fmt: skip
MEDIA = [
    *[Case(f"charset-{name}", body(), 415, MEDIA_TYPE, headers=content_type(f"application/json; charset={name}"))
      for name in ("utf-16", "utf-7", "idna", "bogus", '"latin-1"')],
    Case("text-plain", body(), 415, MEDIA_TYPE, headers=content_type("text/plain")),
    Case("no-content-type", body(), 415, MEDIA_TYPE, headers={}),
    Case("multipart-without-boundary", body(), 415, MEDIA_TYPE, headers=content_type("multipart/form-data")),
    Case("multipart", b"--b\r\n\r\nx\r\n--b--\r\n", 415, MEDIA_TYPE,
         headers=content_type("multipart/form-data; boundary=b")),
    Case("form", b"model=payments", 415, MEDIA_TYPE,
         headers=content_type("application/x-www-form-urlencoded")),
    Case("two-megabytes", body(raw=["x" * 400_000] * 5), 413, "too_large"),
]  # fmt: skip
REQUESTS = [
    Case("unknown-parameter", body(), 400, "unknown_parameter", path=SINGLE + "?dry_run=1"),
    Case("unknown-model", body(model="nowhere"), 404, "not_found"),
    Case("foreign-model", body(model="secrets"), 404, "not_found"),
    Case("method", body(), 405, "method_not_allowed", method="PUT"),
    Case("short-idempotency-key", body(), 400, "invalid_key", headers={**JSON, "Idempotency-Key": "short"}),
    Case("idempotency-key-of-blanks", body(), 400, "invalid_key", headers={**JSON, "Idempotency-Key": "a b" * 8}),
    Case("no-such-route", body(), 404, "not_found", path="/api/v1/prediction/"),
    Case("forged-cursor", b"", 400, "invalid_cursor", path=SINGLE + "?cursor=cD1hYmM%3D", method="GET", headers={}),
    Case("forged-cursor-with-nul", b"", 400, "invalid_cursor", path=SINGLE + "?cursor=cD0A", method="GET", headers={}),
    Case("cursor-not-base64", b"", 400, "invalid_cursor", path=SINGLE + "?cursor=%FF%00", method="GET", headers={}),
    Case("withdraw-unknown", b'{"reason": "x"}', 404, "not_found", path=SINGLE + "999999/withdraw/"),
    Case("withdraw-20-digits", b'{"reason": "x"}', 404, "not_found", path=SINGLE + "9" * 20 + "/withdraw/"),
    Case("withdraw-text", b'{"reason": "x"}', 404, "not_found", path=SINGLE + "abc/withdraw/"),
    Case("withdraw-negative", b'{"reason": "x"}', 404, "not_found", path=SINGLE + "-1/withdraw/"),
]
CASES = [*TEXT, *SHAPE, *NUMBERS, *SCORES, *FIELDS, *CONTRACT, *BATCHES, *MEDIA, *REQUESTS]
