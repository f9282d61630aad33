"""Reference rows as uploaded, CSV or Parquet, typed by the data contract. Runs in the child process.

Every fault names its row (the first row of values is 1) and its column. Nothing is guessed beyond what a
file format loses: CSV knows only text, and a column of whole numbers with a null is often stored as floats.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from models_registry.errors import Fault, Invalid, TooLarge
from models_registry.frames import as_class, as_text

MAX_PARQUET_BYTES = 1024**3
MAX_COLUMNS = 2000
DEFAULT_MAX_ROWS = 1_000_000
MAX_FAULTS = 20
LABEL = "label"
SCORE_PREFIX = "score."
SCORE_SUM_TOLERANCE = 1e-3
_DIGITS = re.compile(r"[+-]?[0-9]{1,18}\Z")
_NULLS = {"", "nan", "NaN", "NA", "N/A", "null", "NULL", "None", "NaT", "<NA>"}
_FLAGS = {"true": True, "True": True, "TRUE": True, "1": True, "1.0": True}
_FLAGS |= {"false": False, "False": False, "FALSE": False, "0": False, "0.0": False}


# One list of cells per column, all of one length; empty where there are no rows.
Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class Reference:
    """``cells``: per feature its values as the API would send them, None for null; ``labels``: one class
    per row; ``scores``: float64 (rows, classes) in class order, or None where none were sent; ``ignored``:
    columns that mean nothing here."""

    cells: dict[str, list[Any]]
    labels: list[str]
    scores: Any
    ignored: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The records, as `frames.frame` takes them."""
        return [dict(zip(self.cells, values, strict=True)) for values in zip(*self.cells.values(), strict=True)]

    def profile_columns(self, contract: Mapping[str, Any]) -> dict[str, Any]:
        """The features as `profiles.build_profile` takes them."""
        return {f["name"]: _profile_column(self.cells[f["name"]], f["dtype"]) for f in contract["features"]}


def read(
    content: bytes, contract: Mapping[str, Any], classes: Sequence[str], *, max_rows: int = DEFAULT_MAX_ROWS
) -> Reference:
    """Reference rows from an upload.

    Raises Invalid (``invalid_reference``) with one Fault per bad cell, up to 20, pointers
    ``/reference/ROW/COLUMN``; TooLarge over ``max_rows``.
    """
    raw = _parquet(content, max_rows) if content.startswith(b"PAR1") else _csv(content, max_rows)
    if not raw:
        raise _invalid("the reference file has no rows")
    known = _required_columns(raw, contract, classes)
    faults: list[Fault] = []
    values = {}
    rows = len(raw[LABEL])
    for feature in contract["features"]:
        name = feature["name"]
        cells = raw.get(name, [None] * rows)
        values[name] = _cells(cells, name, _reader(feature), faults, nullable=_nullable(feature))
    labels = _cells(raw[LABEL], LABEL, _label_reader(classes), faults, nullable=False)
    scores = _scores(raw, classes, faults)
    if faults:
        more = "" if len(faults) < MAX_FAULTS else ", and possibly more"
        message = f"the reference rows do not fit the contract: {faults[0].message}{more}"
        raise Invalid(message, code="invalid_reference", errors=faults)
    return Reference(values, labels, scores, sorted(raw.keys() - known))


def _csv(content: bytes, max_rows: int) -> Columns:
    """Cells as text. Python's own reader: it neither guesses types nor fills rows that are too short."""
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        names = _names(next(lines, []))
        rows = [row for row in itertools.islice(lines, max_rows + 1) if row]
    except UnicodeDecodeError:
        raise _invalid("the reference file is neither Parquet nor CSV in UTF-8")
    except csv.Error as error:
        raise _invalid(f"the reference file cannot be read as CSV: {error}")
    if len(rows) > max_rows:
        raise TooLarge(f"the reference file has more than {max_rows} rows")
    for place, row in enumerate(rows, start=1):
        if len(row) != len(names):
            raise _invalid(f"row {place} of the reference file has {len(row)} cells, its header has {len(names)}")
    return {name: list(cells) for name, cells in zip(names, zip(*rows, strict=True), strict=True)} if rows else {}


def _parquet(content: bytes, max_rows: int) -> Columns:
    """Cells as Python values; size and number of rows are known before any of them is read."""
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
        sizes = (file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups))
        if file.metadata.num_rows > max_rows:
            raise TooLarge(f"the reference file has more than {max_rows} rows")
        if sum(sizes) > MAX_PARQUET_BYTES:
            raise TooLarge(f"the reference file would unpack to more than {MAX_PARQUET_BYTES} bytes")
        table = file.read(use_threads=False)
        names = _names(table.column_names)
        return (
            {name: column.to_pylist() for name, column in zip(names, table.columns, strict=True)} if len(table) else {}
        )
    except (pyarrow.ArrowException, OSError, ValueError, KeyError) as error:
        raise _invalid(f"the reference file cannot be read as Parquet: {' '.join(str(error).split())[:200]}")


def _names(header: list[str]) -> list[str]:
    if not header:
        raise _invalid("the reference file is empty: a CSV starts with the names of its columns")
    if len(header) > MAX_COLUMNS:
        raise TooLarge(f"the reference file has more than {MAX_COLUMNS} columns")
    if doubled := sorted({name for name in header if header.count(name) > 1}):
        raise _invalid(f"the reference file has two columns named {doubled[0][:80]!r}")
    return header


def _required_columns(raw: Columns, contract: Mapping[str, Any], classes: Sequence[str]) -> set[str]:
    """The columns that mean something here; raises Invalid naming every one that is missing or unknown."""
    features = {feature["name"]: feature for feature in contract["features"]}
    missing = [name for name, feature in features.items() if feature.get("required", True) and name not in raw]
    missing += [LABEL] if LABEL not in raw else []
    scores = [f"{SCORE_PREFIX}{name}" for name in classes]
    sent = [name for name in raw if name.startswith(SCORE_PREFIX) and name not in features]
    missing += [name for name in scores if sent and name not in raw]
    if missing:
        raise _invalid(f"the reference file lacks the columns {', '.join(missing[:MAX_FAULTS])}")
    if strange := [name for name in sent if name not in scores]:
        raise _invalid(f"the reference file has scores of unknown classes: {', '.join(strange[:MAX_FAULTS])}")
    return {*features, LABEL, *scores}


def _cells(
    cells: list[Any], name: str, reader: Callable[[Any], Any], faults: list[Fault], *, nullable: bool
) -> list[Any]:
    """Every cell read; a null or unreadable one becomes a fault and None."""
    read_cells: list[Any] = []
    for place, cell in enumerate(cells, start=1):
        value = None
        try:
            value = reader(cell)
            problem = "" if value is not None or nullable else f"column {name!r} must not be null and is empty"
        except (ValueError, TypeError, OverflowError) as error:
            problem = f"column {name!r}: {error}"
        if problem and len(faults) < MAX_FAULTS:
            faults.append(Fault(f"/reference/{place}/{name}", "type", f"row {place}, {problem}"))
        read_cells.append(value)
    return read_cells


def _nullable(feature: Mapping[str, Any]) -> bool:
    return bool(feature.get("nullable", False)) or not feature.get("required", True)


def _is_null(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def _reader(feature: Mapping[str, Any]) -> Callable[[Any], Any]:
    """A function from a raw cell to the contract's value, None for null; raises ValueError for another type."""
    kind = feature["dtype"]
    if kind in ("category", "text"):
        values = set(feature.get("values") or ())
        return lambda cell: _text(cell, values)
    read_value = {"int": _int, "float": _float, "bool": _flag, "timestamp": _time}[kind]

    def read_cell(cell: Any) -> Any:
        absent = _is_null(cell) or (isinstance(cell, str) and cell.strip() in _NULLS)
        return None if absent else read_value(cell)

    return read_cell


def _text(cell: Any, values: set[str]) -> str | None:
    if _is_null(cell):
        return None
    text = as_text(cell)
    # A word such as "NA" or "None" is a value where the contract lists it, or lists nothing.
    return None if text not in values and (text == "" or (values and text in _NULLS)) else text


def _int(cell: Any) -> int:
    if isinstance(cell, str) and _DIGITS.match(cell):
        return int(cell)
    number = _float(cell)
    if not number.is_integer() or isinstance(cell, (bool, np.bool_)):
        raise ValueError(f"{str(cell)[:40]!r} is not a whole number")
    return int(cell) if isinstance(cell, (int, np.integer)) else int(number)


def _float(cell: Any) -> float:
    try:
        # Python would read 1_000 as a number; nobody else does.
        number = float(cell if not isinstance(cell, str) or "_" not in cell else "")
    except ValueError:
        raise ValueError(f"{str(cell)[:40]!r} is not a number")
    if not np.isfinite(number) or isinstance(cell, (bool, np.bool_)):
        raise ValueError(f"{str(cell)[:40]!r} is not a finite number")
    return number


def _flag(cell: Any) -> bool:
    flag = _FLAGS.get(str(cell).strip())
    if flag is None:
        raise ValueError(f"{str(cell)[:40]!r} is neither true nor false")
    return flag


def _time(cell: Any) -> str:
    import pandas

    moment = pandas.Timestamp(cell)
    moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")
    return str(moment.isoformat())


def _label_reader(classes: Sequence[str]) -> Callable[[Any], Any]:
    def read_label(cell: Any) -> str | None:
        if _is_null(cell) or cell == "":
            return None
        found = as_class(cell, classes)
        if found is None and isinstance(cell, str):
            # CSV writes a column of whole numbers with floats beside it as 1.0.
            try:
                found = as_class(float(cell), classes)
            except ValueError:
                found = None
        if found is None:
            raise ValueError(f"{str(cell)[:40]!r} is not one of the classes {', '.join(classes)}")
        return found

    return read_label


def _scores(raw: Columns, classes: Sequence[str], faults: list[Fault]) -> Any:
    names = [f"{SCORE_PREFIX}{name}" for name in classes]
    if not raw.keys() >= set(names):
        return None
    reader = _reader({"dtype": "float"})
    columns = [_cells(raw[name], name, reader, faults, nullable=False) for name in names]
    if faults:
        return None
    scores = np.asarray(columns, dtype=np.float64).T
    wrong = np.flatnonzero((np.abs(scores.sum(axis=1) - 1) > SCORE_SUM_TOLERANCE) | (scores < 0).any(axis=1))
    for place in wrong[:MAX_FAULTS].tolist():
        message = f"row {place + 1}, the scores are not probabilities that sum to 1"
        faults.append(Fault(f"/reference/{place + 1}/{names[0]}", "scores", message))
    return scores


def _profile_column(cells: list[Any], dtype: str) -> Any:
    if dtype == "timestamp":
        return np.asarray([math.nan if cell is None else datetime.fromisoformat(cell).timestamp() for cell in cells])
    if dtype in ("int", "float"):
        return np.asarray([math.nan if cell is None else cell for cell in cells], dtype=np.float64)
    return [None if cell is None else as_text(cell) for cell in cells]


def _invalid(message: str) -> Invalid:
    return Invalid(message, code="invalid_reference")
