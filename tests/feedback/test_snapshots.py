"""Snapshots: the same rows have the same hash, and the parts can be fetched in whole or by range."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime

import pyarrow
import pyarrow.parquet as parquet
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from rest_framework.test import APIClient

from feedback import datasets
from feedback.datasets import snapshots
from feedback.datasets.columns import Column, Kind
from feedback.models import DatasetSnapshot
from feedback.tasks import build_snapshot
from models_registry import artifacts
from models_registry.models import AuditEvent
from tests.feedback.cases import decide, make_case, undo

URL = "/api/v1/models/payments/snapshots/"


def _take(model):
    return datasets.build(snapshot_id=datasets.request_snapshot(model=model, actor="test").pk)


def _table(snapshot):
    files = [artifacts.path_of(part.artifact_id).read_bytes() for part in snapshot.parts.all()]
    return pyarrow.concat_tables(parquet.read_table(io.BytesIO(file)) for file in files)


def _hash(table, schema):
    content = datasets.ContentHash([Column(field["name"], Kind(field["type"])) for field in schema])
    for batch in table.to_batches():
        content.add({name: batch.column(name).to_pylist() for name in batch.schema.names})
    return content.hexdigest()


def _labelled(model, count=7):
    for number in range(count):
        decide(make_case(model, f"p-{number}"), "ok" if number % 3 else "fraud", reason_codes=["x"])


def test_a_snapshot_first_pulls_what_was_decided_and_holds_it_all(cast):
    _labelled(cast.model)
    snapshot = _take(cast.model)
    assert (snapshot.status, snapshot.row_count, snapshot.parts.count()) == ("ready", 7, 1)
    rows = _table(snapshot).to_pylist()
    assert [row["external_id"] for row in rows] == [f"p-{number}" for number in range(7)]
    assert rows[0] | {"label": "fraud", "weight": 4.0, "age": 41, "reason_codes": ["x"]} == rows[0]
    assert rows[0]["predicted_at"] == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert [field["name"] for field in snapshot.schema] == _table(snapshot).column_names
    assert AuditEvent.objects.get(action="snapshot.requested").subject == str(snapshot.pk)


def test_equal_rows_have_an_equal_hash_whatever_the_codec_the_row_groups_and_the_parts(cast, monkeypatch):
    _labelled(cast.model)
    snapshot = _take(cast.model)
    table = _table(snapshot)
    for codec, group in (("snappy", 2), ("gzip", 3), ("none", 100)):
        file = io.BytesIO()
        parquet.write_table(table, file, compression=codec, row_group_size=group)
        again = parquet.read_table(io.BytesIO(file.getvalue()))
        assert _hash(again, snapshot.schema) == snapshot.sha256
    monkeypatch.setattr(snapshots, "PART_ROWS", 3)
    monkeypatch.setattr(snapshots, "BLOCK", 2)
    many = _take(cast.model)
    assert [part.row_count for part in many.parts.all()] == [3, 3, 1]
    assert many.sha256 == snapshot.sha256


def test_one_other_cell_name_type_or_row_changes_the_hash(cast):
    _labelled(cast.model)
    snapshot = _take(cast.model)
    table, schema = _table(snapshot), snapshot.schema
    place = table.column_names.index("amount")
    amounts = pyarrow.array([12.5] * 6 + [12.6])
    seen = {
        snapshot.sha256,
        _hash(table.set_column(place, "amount", amounts), schema),
        _hash(table.slice(0, 6), schema),
        _hash(table.take([1, 0, *range(2, 7)]), schema),
        _hash(table, [{**field, "type": "text"} if field["name"] == "country2" else field for field in schema][:-1]),
    }
    assert len(seen) == 5


def test_an_undone_decision_is_not_in_the_next_snapshot(cast):
    decision = decide(make_case(cast.model, "p-1"), "ok")
    assert _take(cast.model).row_count == 1
    undo(decision)
    empty = _take(cast.model)
    assert (empty.status, empty.row_count, _table(empty).num_rows) == ("ready", 0, 0)


def test_building_twice_changes_nothing(cast):
    _labelled(cast.model)
    first = _take(cast.model)
    again = datasets.build(snapshot_id=first.pk)
    assert (again.sha256, again.ready_at, again.parts.count()) == (first.sha256, first.ready_at, 1)


def test_a_snapshot_whose_worker_died_is_started_over_by_the_sweeper(cast):
    _labelled(cast.model)
    snapshot = datasets.request_snapshot(model=cast.model, actor="test")
    DatasetSnapshot.objects.filter(pk=snapshot.pk).update(status="running")
    build_snapshot()
    assert DatasetSnapshot.objects.get().status == "ready"


def test_a_failure_is_kept_with_its_reason_and_the_sweeper_leaves_it(cast, monkeypatch):
    monkeypatch.setattr(snapshots.artifacts, "store", lambda *_, **__: 1 / 0)
    failed = _take(cast.model)
    assert (failed.status, failed.failure) == ("failed", "ZeroDivisionError: division by zero")
    assert datasets.unfinished() == []


@pytest.mark.django_db(transaction=True)
def test_two_workers_make_one_snapshot(cast):
    _labelled(cast.model)
    snapshot = datasets.request_snapshot(model=cast.model, actor="test")
    failures = []

    def work():
        try:
            datasets.build(snapshot_id=snapshot.pk)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert not failures
    snapshot.refresh_from_db()
    assert (snapshot.status, snapshot.parts.count()) == ("ready", 1)


@pytest.fixture
def part(cast, client_with):
    _labelled(cast.model)
    admin = client_with("admin")
    asked = admin.post(URL)
    assert (asked.status_code, asked.json()["status"]) == (202, "queued")
    build_snapshot()
    manifest = client_with("read").get(f"{URL}{asked.json()['id']}/").json()
    assert manifest["status"] == "ready"
    assert manifest.keys() >= {"sha256", "row_count", "schema", "query", "parts"}
    [found] = manifest["parts"]
    return found


def _fetch(client, url, method="get", **headers):
    response = getattr(client, method)(url, **headers)
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return response, content


def test_a_part_is_served_whole_and_by_range(part, client_with):
    read = client_with("read")
    whole, content = _fetch(read, part["url"])
    assert parquet.read_table(io.BytesIO(content)).num_rows == 7
    assert (whole["Content-Length"], whole["Accept-Ranges"]) == (str(part["size"]), "bytes")
    for given, piece in (("bytes=0-3", content[:4]), ("bytes=5-", content[5:]), ("bytes=-8", content[-8:])):
        answer, got = _fetch(read, part["url"], HTTP_RANGE=given)
        assert (answer.status_code, got) == (206, piece)
        assert answer["Content-Length"] == str(len(piece))
    first, _ = _fetch(read, part["url"], HTTP_RANGE="bytes=0-3")
    assert first["Content-Range"] == f"bytes 0-3/{part['size']}"
    beyond, got = _fetch(read, part["url"], HTTP_RANGE=f"bytes=0-{10**9}")
    assert (beyond.status_code, got) == (206, content)


def test_ranges_that_cannot_be_given(part, client_with):
    read = client_with("read")
    for given in (f"bytes={part['size']}-", "bytes=-0"):
        answer, _ = _fetch(read, part["url"], HTTP_RANGE=given)
        assert (answer.status_code, answer["Content-Range"]) == (416, f"bytes */{part['size']}")
        assert (answer["Content-Type"], answer.json()["code"]) == ("application/problem+json", "range_not_satisfiable")
    for given in ("bytes=0-1,4-5", "bytes=9-2", "bytes=-", "lines=1-2", "bytes=a-b"):
        assert _fetch(read, part["url"], HTTP_RANGE=given)[0].status_code == 200
    changed, _ = _fetch(read, part["url"], HTTP_RANGE="bytes=0-1", HTTP_IF_RANGE='"other"')
    assert changed.status_code == 200


def test_head_and_a_known_etag_send_no_body(part, client_with):
    read = client_with("read")
    head, content = _fetch(read, part["url"], "head")
    assert (head.status_code, head["Content-Length"], content) == (200, str(part["size"]), b"")
    assert head["ETag"] == f'"{part["sha256"]}"'
    assert _fetch(read, part["url"], HTTP_IF_NONE_MATCH=head["ETag"])[0].status_code == 304
    assert _fetch(read, part["url"], "head", HTTP_RANGE="bytes=0-3")[0]["Content-Length"] == "4"


def test_snapshots_are_for_those_who_may_export(part, cast, client_with):
    assert client_with("read").post(URL).status_code == 403
    for name, asked, fetched in (("alice", 403, 403), ("dana", 202, 200), ("erin", 202, 200), ("mallory", 404, 404)):
        client = APIClient()
        client.force_login(getattr(cast, name))
        assert (client.post(URL).status_code, _fetch(client, part["url"])[0].status_code) == (asked, fetched)


@pytest.mark.parametrize("path", ["999/", "x/", "999/parts/0"])
def test_what_does_not_exist_is_not_found_as_a_problem(cast, client_with, path):
    response = client_with("admin").get(URL + path)
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")


def test_a_body_with_an_unknown_field_is_refused(cast, client_with):
    response = client_with("admin").post(URL, {"rows": 1}, format="json")
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (400, "/rows")


def test_the_command_takes_a_snapshot_and_a_dry_run_takes_none(cast, capsys):
    _labelled(cast.model)
    call_command("take_snapshot", "--model", "payments", "--dry-run", "--json")
    assert not DatasetSnapshot.objects.exists()
    call_command("take_snapshot", "--model", "payments", "--json")
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2
    assert DatasetSnapshot.objects.get().sha256 in printed[1]
    with pytest.raises(CommandError, match="there is no model"):
        call_command("take_snapshot", "--model", "nothing")
