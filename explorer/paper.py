"""The paper's Tables 5, 6 and C.9, transcribed into the result file `paper.json` beside its Table 3.

Figures of films, generators and raters that cannot be measured here: they stand on Results as reported, and beside
each table what may and may not be set against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import NoneType

from explorer.results import FOLDER, lists_of, object_of, read_result, words_of


@dataclass(frozen=True)
class PaperGroup:
    """Columns that belong together: measures on one test set, or one measure of several raters."""

    name: str
    decimals: int  # of its figures, as the paper prints them
    measures: tuple[str, ...]


@dataclass(frozen=True)
class PaperRow:
    """One model of the paper."""

    model: str
    made_of: str  # kind and training data, as the paper abbreviates them; "" where the table has none
    values: tuple[float | None, ...]  # one for each measure of every group; None where the paper prints nothing


@dataclass(frozen=True)
class PaperTable:
    """A table as the paper prints it, and how to read it."""

    title: str
    about: str
    notes: tuple[str, ...]
    groups: tuple[PaperGroup, ...]
    rows: tuple[PaperRow, ...]


def read_paper_tables(folder: Path = FOLDER) -> tuple[PaperTable, ...]:
    """Read the paper's further tables. Raises as `results.read_measured`."""
    return read_result(folder / "paper.json", lambda raw: tuple(map(_table, lists_of(raw, ("tables",))["tables"])))


def _table(raw: object) -> PaperTable:
    about = words_of(raw, ("title", "about"))
    lists = lists_of(raw, ("notes", "columns", "rows"))
    groups = tuple(_group(one) for one in lists["columns"])
    rows = tuple(_row(one, sum(len(group.measures) for group in groups)) for one in lists["rows"])
    return PaperTable(about["title"], about["about"], tuple(map(str, lists["notes"])), groups, rows)


def _group(raw: object) -> PaperGroup:
    decimals, measures = object_of(raw)["decimals"], lists_of(raw, ("measures",))["measures"]
    if type(decimals) is not int or not 0 <= decimals <= 3:
        raise ValueError(decimals)
    return PaperGroup(words_of(raw, ("name",))["name"], decimals, tuple(map(str, measures)))


def _row(raw: object, width: int) -> PaperRow:
    words = words_of(raw, ("model", "made_of"))
    return PaperRow(words["model"], words["made_of"], _values(object_of(raw)["values"], width))


def _values(raw: object, width: int) -> tuple[float | None, ...]:
    if not isinstance(raw, list) or len(raw) != width or {type(one) for one in raw} - {int, float, NoneType}:
        raise ValueError(raw)
    return tuple(None if one is None else float(one) for one in raw)
