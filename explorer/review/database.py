"""The SQLite file that reviews are kept in: its tables, how it is opened, and what is said where it cannot be used."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from explorer.errors import Damaged, StoreError

FILE = "reviews.sqlite"
VERSION = 2
_SCHEMA = """
CREATE TABLE reviews (id TEXT PRIMARY KEY, about TEXT NOT NULL);
CREATE TABLE cases (review TEXT, number INTEGER, content TEXT NOT NULL, PRIMARY KEY (review, number));
CREATE TABLE changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, review TEXT, number INTEGER, reviewer TEXT, session TEXT, seq INTEGER,
    at TEXT, action TEXT, answer TEXT NOT NULL, before INTEGER
);
CREATE INDEX changes_of ON changes (review, reviewer, number, id);
CREATE TABLE seats (review TEXT, reviewer TEXT, session TEXT, closed INTEGER, PRIMARY KEY (review, reviewer));
CREATE TABLE judgements (review TEXT, number INTEGER, judge TEXT, kind TEXT, ranks TEXT NOT NULL, notes TEXT NOT NULL,
    at TEXT, PRIMARY KEY (review, number, judge));
CREATE TABLE events (review TEXT, at TEXT, who TEXT, what TEXT);
"""
_FILMS = "CREATE TABLE films (review TEXT, digest TEXT, content BLOB NOT NULL, PRIMARY KEY (review, digest))"  # since 2


def opened(folder: Path) -> sqlite3.Connection:
    """Open the file of a folder, which is made if it is not there, and readable by its owner only.

    Raises StoreError if it cannot be written, Damaged if it is not a whole database of this version.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / FILE
        file.touch(mode=0o600)
        connection = sqlite3.connect(file, timeout=10, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.OperationalError) as error:
        raise StoreError("The data folder cannot be written. Make room, or name another in CXR_DATA.") from error
    with told():
        _prepare(connection)
    return connection


@contextmanager
def told() -> Iterator[None]:
    """Say in our words what SQLite says. Raises StoreError where it cannot write, Damaged where it cannot read."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreError(
            "The review could not be saved: the data folder is full or not writable. Make room."
        ) from error
    except sqlite3.DatabaseError as error:
        raise Damaged(
            "The file of reviews is damaged. Put a copy of it back, or move it away to begin anew."
        ) from error


def _prepare(connection: sqlite3.Connection) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN IMMEDIATE")  # of two that open a new file, one makes the tables
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        for statement in _SCHEMA.split(";")[:-1]:
            connection.execute(statement)
    if version in (0, 1):
        connection.execute(_FILMS)
        connection.execute(f"PRAGMA user_version={VERSION}")
    connection.execute("COMMIT")
    if version not in (0, 1, VERSION):
        raise Damaged("The file of reviews was made by another version of this product. Update it, or move it away.")
