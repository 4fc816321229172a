from __future__ import annotations

import pytest

from explorer.errors import BadQuery, Damaged
from explorer.query_sets import MOST, read_queries, task_notes


def test_a_set_is_its_different_lines_in_order():
    assert read_queries("sm R PTX\n\n  RLL PNA \r\nsm R PTX\n") == ("sm R PTX", "RLL PNA")


def test_an_empty_or_a_very_long_set_is_refused():
    with pytest.raises(BadQuery, match="no query"):
        read_queries(" \n ")
    with pytest.raises(BadQuery, match="501 queries"):
        read_queries("\n".join(f"note {number}" for number in range(MOST + 1)))


def test_the_notes_of_task_4_are_a_set_of_their_short_forms():
    notes = task_notes()
    assert notes[0] == "sm R apical PTX, no shift"
    assert len(notes) == len(read_queries("\n".join(notes))) == 262


def test_notes_that_are_missing_are_told_without_a_path(tmp_path):
    with pytest.raises(Damaged) as refused:
        task_notes(tmp_path / "gone.tsv")
    assert str(tmp_path) not in str(refused.value)
