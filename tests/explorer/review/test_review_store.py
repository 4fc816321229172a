from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from made_review import made_cases, made_review, said

from explorer.errors import BadReview, Damaged, StoreError
from explorer.review.database import FILE
from explorer.review.records import Ballot
from explorer.review.store import ReviewStore

HERE = Path(__file__).parent


def test_what_was_saved_is_there_after_the_store_is_opened_again(store, review, tmp_path):
    seat = store.sit(review.id, "AB")
    assert store.save(seat, 1, 1, "rank", said(levels=[1, 2, 2]))
    assert store.save(seat, 1, 2, "comment", said(levels=[1, 2, 2], comment="left base"))
    again = ReviewStore.open(tmp_path / "data")
    answer = again.answer(review.id, 1, "AB")
    assert (answer.levels, answer.comment) == ((1, 2, 2), "left base")
    assert again.reviews() == (review,)
    assert again.cases(review.id) == made_cases()
    again.close()


def test_reviewers_do_not_see_or_touch_each_other(store, review):
    one, other = store.sit(review.id, "AB"), store.sit(review.id, "CD")
    store.save(one, 1, 1, "rank", said(levels=[1, 2, 3]))
    store.save(other, 1, 1, "rank", said(levels=[3, 2, 1]))
    assert store.answer(review.id, 1, "AB").levels == (1, 2, 3)
    assert store.answer(review.id, 1, "CD").levels == (3, 2, 1)
    assert list(store.answers(review.id)) == ["AB", "CD"]


def test_undo_goes_back_change_by_change_and_keeps_the_time(store, review):
    seat = store.sit(review.id, "AB")
    store.save(seat, 1, 1, "rank", said(levels=[1, 0, 0], seconds=3))
    store.save(seat, 1, 2, "rank", said(levels=[1, 2, 0], seconds=5))
    store.save(seat, 1, 3, "comment", said(levels=[1, 2, 0], comment="a", seconds=6))
    store.save(seat, 1, 4, "comment", said(levels=[1, 2, 0], comment="ab", seconds=7))  # typed on: one change
    undone = [store.undo(seat, 1, 5 + step) for step in range(4)]
    assert [(one.levels, one.comment) for one in undone] == [((1, 2, 0), ""), ((1, 0, 0), ""), ((), ""), ((), "")]
    assert undone[-1].seconds == 7
    store.save(seat, 1, 20, "rank", said(levels=[0, 0, 1]))
    assert store.undo(seat, 1, 21).levels == ()


def test_the_same_undo_twice_takes_back_one_change(store, review):
    seat = store.sit(review.id, "AB")
    store.save(seat, 1, 1, "rank", said(levels=[1, 0, 0]))
    store.save(seat, 1, 2, "rank", said(levels=[1, 2, 0]))
    assert [store.undo(seat, 1, 3).levels for _ in range(2)] == [(1, 0, 0), (1, 0, 0)]
    assert store.undo(seat, 1, 4).levels == ()


def test_undo_passes_over_what_nobody_can_see(store, review):
    seat = store.sit(review.id, "AB")
    store.save(seat, 1, 1, "rank", said(levels=[1, 0, 0]))
    store.save(seat, 1, 2, "comment", said(levels=[1, 0, 0], comment="a"))
    store.save(seat, 1, 3, "comment", said(levels=[1, 0, 0]))  # typed and taken away again: nothing is left of it
    assert store.undo(seat, 1, 4).levels == ()


def test_a_window_that_names_its_session_keeps_the_seat_unless_another_took_it(store, review):
    first = store.sit(review.id, "AB")
    assert store.sit(review.id, "AB", first.session) == first
    store.sit(review.id, "AB")
    assert store.sit(review.id, "AB", first.session) != first


def test_every_change_and_every_undo_is_in_the_trail(store, review):
    seat = store.sit(review.id, "AB")
    store.save(seat, 1, 1, "rank", said(levels=[1, 0, 0]))
    store.undo(seat, 1, 2)
    assert [(one["action"], one["answer"]["levels"]) for one in store.changes(review.id)] == [
        ("rank", [1, 0, 0]),
        ("undo", []),
    ]
    assert [(one.who, one.what) for one in store.events(review.id)] == [
        ("", "review made, 3 cases, seed 7"),
        ("AB", "began"),
    ]


def test_a_message_that_comes_late_changes_nothing(store, review):
    seat = store.sit(review.id, "AB")
    assert store.save(seat, 1, 7, "rank", said(levels=[1, 2, 3]))
    assert not store.save(seat, 1, 6, "rank", said(levels=[1, 2, 0]))
    assert not store.save(seat, 1, 7, "rank", said(levels=[0, 0, 0]))
    assert store.answer(review.id, 1, "AB").levels == (1, 2, 3)


def test_only_the_newest_window_of_a_reviewer_writes(store, review):
    old, new = store.sit(review.id, "AB"), store.sit(review.id, "AB")
    with pytest.raises(BadReview, match="another window"):
        store.save(old, 1, 1, "rank", said())
    assert store.save(new, 1, 1, "rank", said())


@pytest.mark.parametrize("name", ["", "   ", "x" * 41, "a\0b"])
def test_a_reviewer_needs_a_name(store, review, name):
    with pytest.raises(BadReview, match="name"):
        store.sit(review.id, name)


def test_names_are_told_only_when_no_case_is_open_and_then_nothing_changes_any_more(store, review):
    seat = store.sit(review.id, "AB")
    with pytest.raises(BadReview, match="3 cases are still open"):
        store.close_for(seat)
    for number, state in ((1, "submitted"), (2, "skipped"), (3, "submitted")):
        store.save(seat, number, 1, "submit", said(levels=[1, 2, 3], state=state))
    store.close_for(seat)
    assert store.is_closed(review.id, "AB")
    again = store.sit(review.id, "AB")
    store.close_for(again)
    with pytest.raises(BadReview, match="closed"):
        store.save(again, 1, 9, "rank", said(levels=[3, 2, 1]))


def test_a_deleted_reviewer_leaves_no_byte_behind(store, review, tmp_path):
    seat = store.sit(review.id, "Quetzalcoatl")
    store.save(seat, 1, 1, "comment", said(comment="axolotl"))
    store.sit(review.id, "CD")
    store.forget(review.id, "Quetzalcoatl")
    kept = b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir())
    assert b"Quetzalcoatl" not in kept
    assert b"axolotl" not in kept
    assert list(store.answers(review.id)) == ["CD"]
    assert store.events(review.id)[-1].what == "the data of one reviewer were deleted"


def test_a_deleted_review_is_gone_whole(store, review, tmp_path):
    store.delete(review.id)
    assert store.reviews() == ()
    with pytest.raises(BadReview, match="not there any more"):
        store.sit(review.id, "AB")
    assert b"Truth 1" not in (tmp_path / "data" / FILE).read_bytes()


def test_a_judge_that_judges_again_replaces_its_ballots(store, review):
    ballot = Ballot("rule judge", "rule", 1, {"alpha": 1, "beta": 2})
    store.judge(review.id, [ballot], {1: ["–"]})
    store.judge(review.id, [Ballot("rule judge", "rule", 1, {"alpha": 2, "beta": 1})], {})
    (kept,) = store.judgements(review.id)
    assert kept.ranks == {"alpha": 2, "beta": 1}


def test_the_file_is_for_its_owner_only(store, review, tmp_path):
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "data" / FILE).stat().st_mode & 0o777 == 0o600


def test_what_is_no_database_is_told(tmp_path):
    (tmp_path / FILE).write_bytes(b"not a database, and long enough to be read as one" * 40)
    with pytest.raises(Damaged, match="damaged"):
        ReviewStore.open(tmp_path)


def test_a_file_of_another_version_is_told(tmp_path):
    ReviewStore.open(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("PRAGMA user_version=9")
    with pytest.raises(Damaged, match="another version"):
        ReviewStore.open(tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        ReviewStore.open(tmp_path / "file" / "data")


def test_two_processes_write_side_by_side(store, review, tmp_path):
    other = ReviewStore.open(tmp_path / "data")
    seats = store.sit(review.id, "AB"), other.sit(review.id, "CD")
    for seq in range(1, 6):
        assert store.save(seats[0], 1, seq, "rank", said(levels=[1, seq % 3 + 1, 3]))
        assert other.save(seats[1], 1, seq, "rank", said(levels=[seq % 3 + 1, 1, 3]))
    assert len(store.changes(review.id)) == 10
    other.close()


@pytest.mark.slow
def test_kill_9_while_saving_loses_at_most_the_last_keystroke(tmp_path):
    """Fifty times: a process types letter by letter, says which are saved, and is killed at a moment of its own."""
    draw = random.Random(4096)
    for trial in range(50):
        folder = tmp_path / str(trial)
        store = ReviewStore.open(folder)
        store.create(made_review(), made_cases())
        store.close()
        typing = subprocess.Popen(
            [sys.executable, HERE / "typing_process.py", folder],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": f"{HERE.parents[2]}:{HERE}"},
        )
        assert typing.stdout is not None
        assert typing.stdout.readline() == b"1\n"
        time.sleep(draw.uniform(0, 0.12))
        typing.send_signal(signal.SIGKILL)
        confirmed = int([b"1", *typing.stdout.read().split()][-1])
        typing.wait()
        store = ReviewStore.open(folder)
        comment = store.answer("r1", 1, "AB").comment
        assert comment == "x" * len(comment)
        assert confirmed <= len(comment) <= confirmed + 1
        assert store._rows("PRAGMA integrity_check") == [("ok",)]
        store.close()


def test_a_file_of_the_version_before_films_is_taken_as_it_is(tmp_path, review):
    store = ReviewStore.open(tmp_path)
    store.create(review, made_cases())
    store.close()
    with sqlite3.connect(tmp_path / FILE) as old:
        old.execute("DROP TABLE films")
        for number, content in old.execute("SELECT number, content FROM cases").fetchall():
            before = {name: value for name, value in json.loads(content).items() if name not in ("film", "reported")}
            old.execute("UPDATE cases SET content = ? WHERE number = ?", (json.dumps(before), number))
        old.execute("PRAGMA user_version=1")
    old.close()
    store = ReviewStore.open(tmp_path)
    assert store.cases(review.id) == made_cases()
    with pytest.raises(BadReview):
        store.film(review.id, "")
