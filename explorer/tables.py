"""A table of studies as CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from explorer.errors import BadQuery
from explorer.export import cell

Format = Literal["csv", "json", "parquet"]
MEDIA = {"csv": "text/csv;charset=utf-8", "json": "application/json", "parquet": "application/vnd.apache.parquet"}


def format_of(name: object) -> Format:
    """Return a format by its name. Raises BadQuery with the known ones."""
    for known in get_args(Format):
        if known == name:
            return known  # type: ignore[no-any-return]
    raise BadQuery(f"A selection is written as {', '.join(get_args(Format))}. Choose one of them.")


def written(table: Mapping[str, Sequence[object]], kind: Format) -> bytes:
    """Return columns of equal length as a file."""
    if kind == "csv":
        return _csv(table)
    if kind == "json":
        rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
        return json.dumps(rows, ensure_ascii=False, indent=1).encode()
    return _parquet(table)


def _csv(table: Mapping[str, Sequence[object]]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow([cell(name) for name in table])
    writer.writerows([_cell(value) for value in row] for row in zip(*table.values(), strict=True))
    return file.getvalue().encode("utf-8-sig")


def _cell(value: object) -> object:
    return cell(value) if isinstance(value, str) else value


def _parquet(table: Mapping[str, Sequence[object]]) -> bytes:
    import pyarrow as arrow
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(arrow.table({name: list(values) for name, values in table.items()}), file)
    return file.getvalue()
