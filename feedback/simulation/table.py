"""A CSV file as a table of features, classes and a risk tier. Every refusal is one sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from review import rules

if TYPE_CHECKING:
    import pandas as pd

# A fifth is learnt from; a window of two fifths needs this many rows to hold more than a handful of reviews.
FEWEST_ROWS = 500
# What stands for no value in a feature; in the target only an empty cell does, as "None" may be a class.
NULLS = ("", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "<NA>")
MOST_CLASSES = 50
SEPARATORS = (",", ";", "\t", "|")
_TIER = re.compile(r"(.+):(lt|lte|gt|gte|eq|ne):(.+)", re.DOTALL)


class Unreadable(Exception):
    """The table cannot be simulated on; the message says why in one line."""


@dataclass(frozen=True)
class Table:
    """N rows in file order: ``features`` as the model may see them, ``labels`` (N,) class indexes.

    ``positive`` is the index of the positive class of two, None for more; ``tier`` (N,) marks the rows that
    routing treats as risky.
    """

    features: pd.DataFrame
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    positive: int | None
    tier: NDArray[np.bool_]


def read(
    path: Path, *, target: str, positive: str | None = None, hidden: Sequence[str] = (), tier: Sequence[str] = ()
) -> Table:
    """The table of a CSV file with a header; raises Unreadable.

    ``hidden`` columns stay out of the features; ``tier`` conditions ``COLUMN:OP:VALUE``, any of which marks a
    row. With ``positive`` every other value of the target is the negative class.
    """
    frame = _frame(path)
    conditions = [_condition(text) for text in tier]
    for name in (target, *hidden, *(column for column, _ in conditions)):
        if name not in frame:
            raise Unreadable(f"{path} has no column {name!r}; it has {', '.join(map(repr, frame.columns))[:300]}")
    frame = frame[frame[target].str.strip() != ""].reset_index(drop=True)
    if len(frame) < FEWEST_ROWS:
        raise Unreadable(
            f"{path} has {len(frame)} rows with a value of {target!r}; at least {FEWEST_ROWS} are needed: a fifth to "
            f"learn from and windows out of the rest"
        )
    classes, labels, place = _classes(frame[target], target, positive)
    marked = np.zeros(len(frame), dtype=bool)
    for column, leaf in conditions:
        cells = [_value(cell) for cell in frame[column]]
        marked |= leaf.truths({column: cells}.__getitem__) == 1
    features = frame.drop(columns=[target, *set(hidden)])
    if not len(features.columns):
        raise Unreadable("no column is left for the model: the target and the hidden ones are all there are")
    return Table(_typed(features), labels, classes, place, marked)


def _frame(path: Path) -> pd.DataFrame:
    """All cells as text."""
    import pandas as pd

    try:
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline()
        separator = max(SEPARATORS, key=header.count)
        return pd.read_csv(
            path, sep=separator, dtype=str, encoding="utf-8-sig", skipinitialspace=True, keep_default_na=False
        ).rename(columns=lambda name: str(name).strip())
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"{path} cannot be read: {error}") from None
    except (ValueError, pd.errors.ParserError) as error:
        raise Unreadable(f"{path} is no CSV file: {' '.join(str(error).split())[:200]}") from None


def _classes(column: pd.Series[str], target: str, positive: str | None) -> tuple[tuple[str, ...], Any, int | None]:
    """Class names, the index of each row's class, and that of the positive one of two: named, else the rarer."""
    values, counts = np.unique(column.str.strip().to_numpy(dtype=str), return_counts=True)
    text = column.str.strip().to_numpy(dtype=str)
    if positive is not None:
        if positive not in values:
            raise Unreadable(f"column {target!r} has no value {positive!r}; it has {', '.join(values[:10])}")
        rest = values[0] if len(values) == 2 and values[0] != positive else f"not {positive}"
        rest = values[1] if len(values) == 2 and values[0] == positive else rest
        labels = (text == positive).astype(np.int64)
        if len(values) == 1:
            raise Unreadable(f"column {target!r} has only the value {positive!r}; two classes are needed")
        return (str(rest), positive), labels, 1
    if len(values) < 2:
        raise Unreadable(f"column {target!r} has only the value {str(values[0])!r}; two classes are needed")
    if len(values) > MOST_CLASSES:
        raise Unreadable(
            f"column {target!r} has {len(values)} different values, at most {MOST_CLASSES} are classes; "
            f"say with --positive which one is to be found"
        )
    labels = np.searchsorted(values, text).astype(np.int64)
    rarer = int(np.argmin(counts)) if len(values) == 2 else None
    return tuple(map(str, values)), labels, rarer


def _typed(features: pd.DataFrame) -> pd.DataFrame:
    """Columns whose every known cell is a number as float64, all others as text."""
    import pandas as pd

    typed: dict[str, Any] = {}
    for name in features.columns:
        cells = features[name].where(~features[name].str.strip().isin(NULLS))
        numbers = pd.to_numeric(cells, errors="coerce")
        is_number = numbers.notna().sum() == cells.notna().sum()
        typed[str(name)] = numbers.astype(np.float64) if is_number else cells.fillna("").astype(object)
    return pd.DataFrame(typed)


def _condition(text: str) -> tuple[str, rules.Leaf]:
    found = _TIER.fullmatch(text)
    if found is None:
        raise Unreadable(f"--tier {text!r} is not COLUMN:OP:VALUE with OP one of lt, lte, gt, gte, eq, ne")
    column, operator, value = found.groups()
    operand = _value(value)
    if operator in rules.ORDERED and isinstance(operand, str):
        raise Unreadable(f"--tier {text!r} compares with {value!r}, which is no number")
    return column, rules.Leaf(column, operator, operand)


def _value(cell: Any) -> Any:
    """A number where the text is one, None for a null."""
    if not isinstance(cell, str) or cell.strip() in NULLS:
        return None
    try:
        number = float(cell)
    except ValueError:
        return cell.strip()
    return number if np.isfinite(number) else None
