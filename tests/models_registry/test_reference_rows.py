"""Reference rows as uploaded are typed by the contract; every fault names its row and column."""

from __future__ import annotations

import io

import numpy as np
import pandas
import pytest

from models_registry import frames, reference
from models_registry.errors import Invalid, TooLarge
from tests.models_registry.model_makers import CLASSES, CONTRACT

HEADER = "amount,age,country,member,label\n"


def read(text: str, **changes):
    return reference.read(text.encode(), CONTRACT, CLASSES, **changes)


def refusal(content: str | bytes, **changes) -> Invalid:
    with pytest.raises((Invalid, TooLarge)) as caught:
        reference.read(content.encode() if isinstance(content, str) else content, CONTRACT, CLASSES, **changes)
    return caught.value


def test_csv_cells_become_the_contracts_types():
    found = read(HEADER + "1.5,41,DE,true,ok\n2,,NL,False,fraud\n3e2,7.0,FR,0,ok\n")
    assert found.rows == [
        {"amount": 1.5, "age": 41, "country": "DE", "member": True},
        {"amount": 2.0, "age": None, "country": "NL", "member": False},
        {"amount": 300.0, "age": 7, "country": "FR", "member": False},
    ]
    assert found.labels == ["ok", "fraud", "ok"]
    assert found.scores is None


def test_parquet_and_csv_of_the_same_rows_read_the_same():
    table = pandas.DataFrame(
        {"amount": [1.5, 2.0], "age": [41, None], "country": pandas.Categorical(["DE", "NL"]), "member": [True, False],
         "label": ["ok", "fraud"], "score.ok": [0.25, 0.75], "score.fraud": [0.75, 0.25]}
    )  # fmt: skip
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    found = [
        reference.read(content, CONTRACT, CLASSES)
        for content in (buffer.getvalue(), table.to_csv(index=False).encode())
    ]
    assert found[0].rows == found[1].rows
    assert np.array_equal(found[0].scores, found[1].scores)
    assert found[0].scores.tolist() == [[0.25, 0.75], [0.75, 0.25]]


def test_columns_may_come_in_any_order_and_strange_ones_are_named():
    found = read("label,note,member,country,age,amount\nok,x,1,DE,3,4\n")
    assert found.rows == [{"amount": 4.0, "age": 3, "country": "DE", "member": True}]
    assert found.ignored == ["note"]


def test_every_bad_cell_is_named_with_row_and_column():
    error = refusal(HEADER + "x,41,DE,true,ok\n1,4.5,DE,maybe,ok\n1,2,,true,what\n")
    assert [fault.pointer for fault in error.errors] == [
        "/reference/1/amount", "/reference/2/age", "/reference/3/country", "/reference/2/member", "/reference/3/label",
    ]  # fmt: skip
    assert error.detail.startswith(
        "the reference rows do not fit the contract: row 1, column 'amount': 'x' is not a number"
    )
    assert error.code == "invalid_reference"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "empty"),
        (HEADER, "no rows"),
        ("amount,age,country,member\n1,2,DE,1\n", "label"),
        ("amount,label\n1,ok\n", "age, country, member"),
        (HEADER.replace("\n", ",score.ok\n") + "1,2,DE,1,ok,0.5\n", "score.fraud"),
        (
            HEADER.replace("\n", ",score.ok,score.fraud,score.x\n") + "1,2,DE,1,ok,0.5,0.5,0\n",
            "unknown classes: score.x",
        ),
        (HEADER.replace("\n", ",score.ok,score.fraud\n") + "1,2,DE,1,ok,0.5,0.9\n", "sum to 1"),
        (HEADER + "1,2,DE,1,ok\n1,2,DE,1,ok,7,8\n", "row 2 of the reference file has 7 cells, its header has 5"),
        (HEADER + '1,2,"DE,1,ok\n', "CSV"),
        (HEADER + "inf,2,DE,1,ok\n", "finite"),
        (HEADER + "1_000,2,DE,1,ok\n", "'1_000' is not a number"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"PAR1" + bytes(40) + b"PAR1", "Parquet"),
        (HEADER.replace("age", "amount") + "1,2,DE,1,ok\n", "two columns named 'amount'"),
    ],
)
def test_an_unusable_file_is_refused_in_a_sentence(content, named):
    error = refusal(content)
    assert named in error.detail
    assert "\n" not in error.detail


def test_too_many_rows_are_refused():
    assert refusal(HEADER + "1,2,DE,1,ok\n" * 11, max_rows=10).code == "too_large"


def test_a_frame_has_the_contracts_order_and_types():
    rows = [
        {"member": True, "age": 3, "amount": 1, "country": "DE", "extra": 1},
        {"amount": 2.5, "member": False, "age": 4},
    ]
    table = frames.frame(rows, CONTRACT)
    assert list(table.columns) == ["amount", "age", "country", "member"]
    assert [kind.kind for kind in (table.amount.dtype, table.age.dtype, table.member.dtype)] == ["f", "i", "b"]
    assert list(table.select_dtypes(include="str").columns) == ["country"]
    assert table.country.isna().tolist() == [False, True]
    with_null = frames.frame([*rows, {}], CONTRACT)
    assert (with_null.age.dtype, with_null.member.dtype) == (np.float64, object)


def test_times_become_utc():
    contract = {"features": [{"name": "at", "dtype": "timestamp", "nullable": True}]}
    found = reference.read(b"at,label\n2026-01-02T03:04:05+02:00,ok\n2026-01-02,ok\n,ok\n", contract, CLASSES)
    assert found.cells["at"] == ["2026-01-02T01:04:05+00:00", "2026-01-02T00:00:00+00:00", None]
    table = frames.frame(found.rows, contract)
    assert str(table["at"].dt.tz) == "UTC"
    seconds = found.profile_columns(contract)["at"]
    assert seconds[1] == pandas.Timestamp("2026-01-02", tz="UTC").timestamp()


def test_a_bare_matrix_needs_the_contracts_width():
    class Bare:
        n_features_in_ = 4

    numbers = {"features": [feature for feature in CONTRACT["features"] if feature["name"] != "country"]}
    rows = [{"amount": 1, "age": None, "country": "DE", "member": True}]
    assert frames.inputs(Bare(), rows, CONTRACT).dtype == object
    known = frames.frame([{"amount": 1, "age": 2, "member": True}], numbers)
    assert frames.as_matrix(known).tolist() == [[1.0, 2.0, 1.0]]
    with pytest.raises(Invalid, match="takes 4 columns, the contract has 3"):
        frames.inputs(Bare(), rows, numbers)
