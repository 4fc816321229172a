"""Tables of any length: read row by row, brought together by study on disk."""

from __future__ import annotations

import csv
import gzip
import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TextIO

from explorer.errors import CorpusError, CorpusMissing

Row = Mapping[str, str]
PARQUET_BATCH = 1_024  # rows in memory at a time


def rows(path: Path, columns: Sequence[str], what: str) -> Iterator[Row]:
    """Yield the named columns of a .csv or .tsv file, also gzipped, or of a .parquet file; "" for a cell without value.

    Columns a row lacks at its end are "". `what` names the table in errors, which hold nothing of its content.
    Raises CorpusMissing if the file is not there, CorpusError if it is damaged or lacks a column.
    """
    if path.suffix == ".parquet":
        yield from _parquet_rows(path, columns, what)
        return
    with _opened(path, what) as lines:
        table = csv.DictReader(lines, delimiter="\t" if ".tsv" in path.suffixes else ",")
        _check_columns(table.fieldnames or (), columns, what)
        for row in table:
            yield {name: row[name] or "" for name in columns}


class Grouped:
    """Rows brought together by one column, in a file of SQLite's own that vanishes when the process ends."""

    def __init__(self, table: Iterable[Row], by: str) -> None:
        self._rows = sqlite3.connect("")
        self._rows.execute("CREATE TABLE rows (key TEXT, row TEXT)")
        pairs = ((row[by], json.dumps(list(row.items()))) for row in table)
        self._rows.executemany("INSERT INTO rows VALUES (?, ?)", pairs)
        self._rows.execute("CREATE INDEX by_key ON rows (key)")

    def __len__(self) -> int:
        return int(self._rows.execute("SELECT COUNT(DISTINCT key) FROM rows").fetchone()[0])

    def __iter__(self) -> Iterator[tuple[str, list[Row]]]:
        """Yield each key, in order, with its rows in the order of the table."""
        found = self._rows.execute("SELECT key, row FROM rows ORDER BY key, rowid")
        for key, group in groupby(found, lambda pair: str(pair[0])):
            yield key, [dict(json.loads(row)) for _, row in group]

    def of(self, key: str) -> list[Row]:
        """Return the rows of one key; none if it has none."""
        found = self._rows.execute("SELECT row FROM rows WHERE key = ? ORDER BY rowid", (key,))
        return [dict(json.loads(row)) for (row,) in found]


def years(written: str) -> int | None:
    """Return an age in whole years from "62", "62.0" or "062Y"; None if it is no age of a person."""
    digits = written.strip().upper().removesuffix("Y").partition(".")[0]
    age = int(digits) if digits.isascii() and digits.isdigit() else -1
    return age if 0 <= age <= 120 else None


def _check_columns(present: Sequence[str], wanted: Sequence[str], what: str) -> None:
    if absent := [name for name in wanted if name not in present]:
        raise CorpusError(f"{what} has no column {', '.join(absent)}. Check that it is the right table.")


def _parquet_rows(path: Path, columns: Sequence[str], what: str) -> Iterator[Row]:
    """Yield the rows as text, a batch of them in memory at a time."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as table:
            _check_columns(table.schema_arrow.names, columns, what)
            for batch in table.iter_batches(batch_size=PARQUET_BATCH, columns=list(columns)):
                for row in batch.to_pylist():
                    yield {name: _cell(row[name]) for name in columns}
    except FileNotFoundError as error:
        raise CorpusMissing(f"{what} is not there. Check --root.") from error
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(f"{what} is damaged, or is no Parquet file. Download or save it again.") from error


def _cell(value: object) -> str:
    """Return a typed value as a table of text would hold it; whole numbers that were kept as floats stay whole."""
    if isinstance(value, float):
        return "" if math.isnan(value) else str(int(value)) if value.is_integer() else str(value)
    return "" if value is None else str(value)


@contextmanager
def _opened(path: Path, what: str) -> Iterator[TextIO]:
    try:
        with _lines(path) as lines:
            yield lines
    except FileNotFoundError as error:
        raise CorpusMissing(f"{what} is not there. Check --root.") from error
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{what} is damaged, or is no table in UTF-8. Download or save it again.") from error


def _lines(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")
