"""Reviews on disk: one SQLite file, in which every change of every reviewer is a row that is written at once.

A change is never rewritten by a later one, except that letters typed one after another into a comment are one change.
What a reviewer says of a case is the newest of their changes; undo goes back along `before` and is a change itself.
So the rows are the audit trail, and there is no second copy that could disagree with it. Write-ahead log and full
synchronisation: after a crash or a power cut every change whose saving was confirmed is there, whole.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from explorer.errors import BadReview
from explorer.review.database import opened, told
from explorer.review.records import (
    LONGEST_NAME,
    PRACTICE,
    Answer,
    Ballot,
    Candidate,
    Case,
    Origin,
    RaterKind,
    Review,
    as_json,
    read_answer,
)

TYPING = "comment"  # the one action that continues the change before it
UNDO = "undo"
NO_FILMS: Mapping[str, bytes] = {}
_NEWEST = """
SELECT number, reviewer, answer FROM changes WHERE id IN (
    SELECT max(id) FROM changes WHERE review = ? GROUP BY reviewer, number
) ORDER BY reviewer, number
"""
_LAST = """
SELECT id, session, seq, action, answer, before FROM changes WHERE review = ? AND number = ? AND reviewer = ?
ORDER BY id DESC LIMIT 1
"""
_ADD = """
INSERT INTO changes (review, number, reviewer, session, seq, at, action, answer, before)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_RETYPE = "UPDATE changes SET session = ?, seq = ?, at = ?, action = ?, answer = ? WHERE id = ?"
_CLOSE = "UPDATE seats SET closed = 1 WHERE review = ? AND reviewer = ?"


@dataclass(frozen=True)
class Seat:
    """A reviewer at a review, in one window of a browser: a later one takes the seat over."""

    review: str
    reviewer: str
    session: str


@dataclass(frozen=True)
class Event:
    """One line of the audit trail."""

    at: str
    who: str
    what: str


class ReviewStore:
    """Reviews in one folder. Threads and processes may share it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._turn = threading.RLock()

    @classmethod
    def open(cls, folder: Path) -> ReviewStore:
        """Open the reviews of a folder, which is made if it is not there, and readable by its owner only.

        Raises StoreError if it cannot be written, Damaged if the file is not a whole database of this version.
        """
        return cls(opened(folder))

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            self._connection.close()

    def create(self, review: Review, cases: Sequence[Case], films: Mapping[str, bytes] = NO_FILMS) -> None:
        """Add a review with its cases and the films they were asked with (digest → as it is shown), all or nothing."""
        with self._writing() as database:
            database.execute("INSERT INTO reviews VALUES (?, ?)", (review.id, _dumped(asdict(review))))
            rows = [(review.id, case.number, _dumped(asdict(case))) for case in cases]
            database.executemany("INSERT INTO cases VALUES (?, ?, ?)", rows)
            shown = {case.film for case in cases}
            kept = [(review.id, digest, content) for digest, content in films.items() if digest in shown]
            database.executemany("INSERT INTO films VALUES (?, ?, ?)", kept)
            self._log(review.id, "", f"review made, {review.cases} cases, seed {review.seed}")

    def reviews(self) -> tuple[Review, ...]:
        """Return all reviews, the newest first."""
        found = [Review(**json.loads(about)) for (about,) in self._rows("SELECT about FROM reviews")]
        return tuple(sorted(found, key=lambda review: review.created, reverse=True))

    def review(self, review: str) -> Review:
        """Return a review. Raises BadReview if there is none of that id."""
        for (about,) in self._rows("SELECT about FROM reviews WHERE id = ?", review):
            return Review(**json.loads(about))
        raise BadReview("This review is not there any more. Go back to the list of reviews.")

    def cases(self, review: str) -> tuple[Case, ...]:
        """Return the cases in order, the practice case first."""
        rows = self._rows("SELECT content FROM cases WHERE review = ? ORDER BY number", review)
        return tuple(_case(content) for (content,) in rows)

    def case(self, review: str, number: int) -> Case:
        """Return one case. Raises BadReview if the review has none of that number."""
        for (content,) in self._rows("SELECT content FROM cases WHERE review = ? AND number = ?", review, number):
            return _case(content)
        raise BadReview("This review has no such case. Go back to the list of reviews.")

    def film(self, review: str, digest: str) -> bytes:
        """Return a film as `create` took it. Raises BadReview if the review has none of that digest."""
        for (content,) in self._rows("SELECT content FROM films WHERE review = ? AND digest = ?", review, digest):
            return bytes(content)
        raise BadReview("This case has no film.")

    def sit(self, review: str, reviewer: str, session: str = "") -> Seat:
        """Let a reviewer take their seat, also in another window than before; then only the newest may write.

        A window that names the session it had keeps it, if nobody took the seat since.

        Raises BadReview for a name that is none, or a review that is not there.
        """
        name = " ".join(reviewer.split())
        if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
            raise BadReview(f"Give a reviewer's name or initials, 1 to {LONGEST_NAME} letters.")
        self.review(review)
        with self._writing() as database:
            old = database.execute(
                "SELECT closed, session FROM seats WHERE review = ? AND reviewer = ?", (review, name)
            ).fetchone()
            if old is None:
                self._log(review, name, "began")
            closed, before = old or (0, "")
            seat = Seat(review, name, before if session and session == before else secrets.token_hex(8))
            database.execute("INSERT OR REPLACE INTO seats VALUES (?, ?, ?, ?)", (review, name, seat.session, closed))
        return seat

    def answer(self, review: str, number: int, reviewer: str) -> Answer:
        """Return what a reviewer says of a case so far."""
        rows = self._rows(_LAST, review, number, reviewer)
        return read_answer(json.loads(rows[0][4]), self.case(review, number)) if rows else Answer()

    def save(self, seat: Seat, number: int, seq: int, action: str, raw: object) -> bool:
        """Save what a reviewer now says of a case; return False if something later is saved already.

        Args:
            seat: from `sit`.
            number: of the case.
            seq: grows with every change of one window, so that a message that was late changes nothing.
            action: what the reviewer did, in a word or two, for the audit trail.
            raw: the whole answer as JSON values.

        Raises:
            BadReview: it is no answer to the case, or the case is open in another window since.
            StoreError: it could not be written, and is not saved.
        """
        answer = read_answer(raw, self.case(seat.review, number))
        with self._writing() as database:
            self._check(seat)
            last = self._last(seat, number)
            if last and last["session"] == seat.session and last["seq"] >= seq:
                return False
            stamp = (seat.session, seq, _now(), action[:40], _dumped(as_json(answer)))
            if last and action == last["action"] == TYPING:
                database.execute(_RETYPE, (*stamp, last["id"]))
            else:
                database.execute(_ADD, (seat.review, number, seat.reviewer, *stamp, last["id"] if last else None))
        return True

    def undo(self, seat: Seat, number: int, seq: int) -> Answer:
        """Take back the last change of a case that can be seen, and return what then stands; time spent is kept.

        The same `seq` again takes nothing more back. Raises as `save`.
        """
        case = self.case(seat.review, number)
        with self._writing() as database:
            self._check(seat)
            last = self._last(seat, number)
            if last is None:
                return Answer()
            now = read_answer(json.loads(last["answer"]), case)
            if last["session"] == seat.session and last["seq"] >= seq:
                return now
            answer, before = self._earlier(last["before"], now, case)
            if not _alike(answer, now):
                stamp = (seat.session, seq, _now(), UNDO, _dumped(as_json(answer)))
                database.execute(_ADD, (seat.review, number, seat.reviewer, *stamp, before))
        return answer

    def _earlier(self, change: int | None, now: Answer, case: Case) -> tuple[Answer, int | None]:
        """Return the nearest answer, from a change backwards, that differs from the one now; and the change before."""
        while change is not None:
            (found, before) = self._rows("SELECT answer, before FROM changes WHERE id = ?", change)[0]
            answer = replace(read_answer(json.loads(found), case), seconds=now.seconds)
            if not _alike(answer, now):
                return answer, before
            change = before
        return Answer(seconds=now.seconds), None

    def close_for(self, seat: Seat) -> None:
        """Let a reviewer change nothing more, because they are now told which report is whose.

        Raises BadReview while they have left a case open.
        """
        if self.is_closed(seat.review, seat.reviewer):
            return
        given = self.answers(seat.review).get(seat.reviewer, {})
        left = [case.number for case in self.cases(seat.review) if case.number != PRACTICE]
        left = [number for number in left if given.get(number, Answer()).state == "open"]
        if left:
            raise BadReview(f"{len(left)} cases are still open. Submit or skip them first: the names are shown after.")
        with self._writing() as database:
            self._check(seat)
            database.execute(_CLOSE, (seat.review, seat.reviewer))
            self._log(seat.review, seat.reviewer, "finished, and was told which report is whose")

    def is_closed(self, review: str, reviewer: str) -> bool:
        """Return whether a reviewer was told which report is whose."""
        rows = self._rows("SELECT closed FROM seats WHERE review = ? AND reviewer = ?", review, reviewer)
        return bool(rows and rows[0][0])

    def answers(self, review: str) -> Mapping[str, Mapping[int, Answer]]:
        """Return reviewer → case → answer, for whoever has a seat; the practice case left out."""
        cases = {case.number: case for case in self.cases(review)}
        seats = self._rows("SELECT reviewer FROM seats WHERE review = ? ORDER BY reviewer", review)
        found: dict[str, dict[int, Answer]] = {reviewer: {} for (reviewer,) in seats}
        for number, reviewer, content in self._rows(_NEWEST, review):
            if number != PRACTICE:
                found.setdefault(reviewer, {})[number] = read_answer(json.loads(content), cases[number])
        return found

    def judge(self, review: str, ballots: Sequence[Ballot], notes: Mapping[int, Sequence[str]]) -> None:
        """Keep a judge's ballots, in place of those it cast before. `notes`: case → lines on why."""
        with self._writing() as database:
            for one in ballots:
                row = (review, one.case, one.rater, one.kind, _dumped(one.ranks), _dumped(notes.get(one.case, ())))
                database.execute("INSERT OR REPLACE INTO judgements VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, _now()))
            for rater in sorted({one.rater for one in ballots}):
                self._log(review, rater, f"judged {sum(one.rater == rater for one in ballots)} cases")

    def judgements(self, review: str) -> tuple[Ballot, ...]:
        """Return the judges' ballots."""
        rows = self._rows(
            "SELECT judge, kind, number, ranks FROM judgements WHERE review = ? ORDER BY judge, number", review
        )
        return tuple(Ballot(judge, _kind(kind), number, json.loads(ranks)) for judge, kind, number, ranks in rows)

    def note(self, review: str, who: str, what: str) -> None:
        """Add a line to the audit trail."""
        with self._writing():
            self._log(review, who, what)

    def events(self, review: str) -> tuple[Event, ...]:
        """Return what happened to a review beside the changes of its answers, in order."""
        return tuple(
            Event(*row)
            for row in self._rows("SELECT at, who, what FROM events WHERE review = ? ORDER BY rowid", review)
        )

    def changes(self, review: str) -> tuple[Mapping[str, Any], ...]:
        """Return every change of every answer, in order: who, when, which case, what was done, and the answer then."""
        sql = "SELECT id, number, reviewer, at, action, answer FROM changes WHERE review = ? ORDER BY id"
        names = ("change", "case", "reviewer", "at", "action")
        return tuple(
            {**dict(zip(names, row, strict=False)), "answer": json.loads(row[5])} for row in self._rows(sql, review)
        )

    def forget(self, review: str, reviewer: str) -> None:
        """Delete everything a reviewer left in a review; the bytes are overwritten. That it was done is kept."""
        with self._writing() as database:
            for table, column in (("changes", "reviewer"), ("seats", "reviewer"), ("events", "who")):
                database.execute(f"DELETE FROM {table} WHERE review = ? AND {column} = ?", (review, reviewer))  # noqa: S608
            self._log(review, "", "the data of one reviewer were deleted")
        self._shrink()

    def delete(self, review: str) -> None:
        """Delete a review with all that belongs to it; the bytes are overwritten."""
        with self._writing() as database:
            database.execute("DELETE FROM reviews WHERE id = ?", (review,))
            for table in ("cases", "changes", "seats", "judgements", "events", "films"):
                database.execute(f"DELETE FROM {table} WHERE review = ?", (review,))  # noqa: S608  our own names
        self._shrink()

    def _check(self, seat: Seat) -> None:
        if self.is_closed(seat.review, seat.reviewer):
            raise BadReview("You were told which report is whose: your answers are closed.")
        rows = self._rows("SELECT session FROM seats WHERE review = ? AND reviewer = ?", seat.review, seat.reviewer)
        if rows != [(seat.session,)]:
            raise BadReview("This case is open in another window since. Reload the page to go on here.")

    def _last(self, seat: Seat, number: int) -> dict[str, Any] | None:
        rows = self._rows(_LAST, seat.review, number, seat.reviewer)
        names = ("id", "session", "seq", "action", "answer", "before")
        return dict(zip(names, rows[0], strict=True)) if rows else None

    def _log(self, review: str, who: str, what: str) -> None:
        self._connection.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (review, _now(), who, what))

    def _rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self._turn, told():
            return self._connection.execute(sql, parameters).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """All that is written inside takes effect together, or not at all."""
        with self._turn, told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def _shrink(self) -> None:
        """Have nothing of what was deleted left in the file or its log."""
        with self._turn, told():
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _case(content: str) -> Case:
    raw = json.loads(content)
    candidates = tuple(
        Candidate(one["text"], tuple(Origin(**origin) for origin in one["origins"])) for one in raw["candidates"]
    )
    later = {name: raw[name] for name in ("film", "reported") if name in raw}
    return Case(raw["number"], raw["study"], raw["query"], raw["truth"], candidates, **later)


def _alike(one: Answer, other: Answer) -> bool:
    """Return whether a reviewer sees no difference: no rank yet is the same as no ranks at all."""
    first, second = (replace(answer, levels=answer.levels if any(answer.levels) else ()) for answer in (one, other))
    return first == second


def _kind(kind: str) -> RaterKind:
    return "rule" if kind == "rule" else "llm"


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
