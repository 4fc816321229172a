from __future__ import annotations

import csv
import io
import json

from made_review import said

from explorer.review.records import Ballot
from explorer.review.summary import as_record, blinding_key, csv_text, ratings, summarise, table_6, table_c9

MARK = {"candidate": 0, "kind": "omission", "start": 0, "end": 5, "critical": True}


def answered(store, review):
    seat = store.sit(review.id, "=AB")
    store.save(seat, 1, 1, "submit", said(levels=[1, 2, 2], state="submitted", marks=[MARK], comment="-2+3", seconds=4))
    store.save(seat, 2, 2, "submit", said(levels=[1, 2, 3], state="submitted"))  # gamma alpha beta
    store.save(seat, 3, 3, "skip", said(state="skipped"))
    judged = [Ballot("rule judge", "rule", 1, {"alpha": 3, "beta": 1, "gamma": 2})]
    store.judge(review.id, judged, {})
    return summarise(store, review.id)


def test_tables_by_hand(store, review):
    found = answered(store, review)
    assert table_c9(found) == [
        ["model", "=AB mean rank", "=AB #1", "=AB n", "rule judge mean rank", "rule judge #1", "rule judge n"],
        ["beta", 2.5, 0, 2, 1.0, 1, 1],
        ["gamma", 1.5, 1, 2, 2.0, 0, 1],
        ["alpha", 1.5, 1, 2, 3.0, 0, 1],
    ]
    assert table_6(found)[1:] == [
        ["beta", 2.5, 1.0, 1.75, 0, 1],
        ["gamma", 1.5, 2.0, 1.75, 1, 0],
        ["alpha", 1.5, 3.0, 2.25, 1, 0],
    ]


def test_every_ballot_is_exported_with_the_report_it_was_shown_as(store, review):
    rows = ratings(answered(store, review))
    assert rows[1] == [1, "made-up:91", "=AB", "human", 1, "alpha", 1, "omission", 1, "-2+3", 0, 4.0]
    assert [row[4:7] for row in rows[4:7]] == [[1, "gamma", 1], [2, "alpha", 2], [3, "beta", 3]]
    assert rows[7][2:7] == ["rule judge", "rule", 1, "alpha", 3]


def test_no_cell_of_an_export_is_a_formula(store, review):
    text = csv_text(ratings(answered(store, review)))
    cells = [cell for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"))) for cell in row]
    assert "'=AB" in cells
    assert "'-2+3" in cells
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []


def test_the_key_says_whose_each_report_is(store, review):
    rows = blinding_key(answered(store, review))
    assert rows[4:7] == [
        [7, 2, "made-up:92", 1, "gamma", "made-up:2"],
        [7, 2, "made-up:92", 2, "alpha", "made-up:0"],
        [7, 2, "made-up:92", 3, "beta", "made-up:1"],
    ]


def test_everything_is_json_and_holds_the_trail(store, review):
    found = answered(store, review)
    record = json.loads(json.dumps(as_record(found, store.changes(review.id))))
    assert record["answers"]["=AB"]["2"]["ranks"] == {"gamma": 1, "alpha": 2, "beta": 3}
    assert [one["action"] for one in record["changes"]] == ["submit", "submit", "skip"]
    assert record["agreement"]["judges_with_humans"][0]["raters"] == ["=AB", "rule judge"]


def test_a_review_nobody_answered_adds_up_to_nothing(store, review):
    found = summarise(store, review.id)
    assert (found.cast, found.models, found.differences) == ((), (), ())
    assert len(table_c9(found)) == 1
