from __future__ import annotations

import csv
import io
import json

import pytest

from explorer.errors import BadQuery
from explorer.tables import format_of, written

TABLE = {"id": ["a", "b"], "text": ["- small effusion\nclear", '=cmd|"/c"!A1'], "x": [0.5, -1.25], "age": [None, 61]}


def test_csv_keeps_numbers_and_disarms_formulas():
    rows = list(csv.DictReader(io.StringIO(written(TABLE, "csv").decode("utf-8-sig"), newline="")))
    assert rows[0] == {"id": "a", "text": "'- small effusion\nclear", "x": "0.5", "age": ""}
    assert rows[1] == {"id": "b", "text": '\'=cmd|"/c"!A1', "x": "-1.25", "age": "61"}


def test_json_is_one_object_a_study():
    assert json.loads(written(TABLE, "json")) == [
        {"id": "a", "text": "- small effusion\nclear", "x": 0.5, "age": None},
        {"id": "b", "text": '=cmd|"/c"!A1', "x": -1.25, "age": 61},
    ]


def test_parquet_keeps_the_kinds_of_the_columns():
    from pyarrow import parquet

    table = parquet.read_table(io.BytesIO(written(TABLE, "parquet")))
    assert [str(field.type) for field in table.schema] == ["string", "string", "double", "int64"]
    assert table.to_pydict() == TABLE


@pytest.mark.parametrize("name", ["pdf", "", None, 3])
def test_another_format_is_refused_with_the_known_ones(name):
    with pytest.raises(BadQuery, match="csv, json, parquet"):
        format_of(name)
