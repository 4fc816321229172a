"""Writing reports to SQLite, one after another: memory stays flat however many there are.

Per study one row and one for each finding; per scope the passages (the distinct texts as encoders see them) with a
word index over them.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from explorer.corpora.base import LeftOut
from explorer.corpora.sections import has_words, scope_text, without_redactions
from explorer.language.findings import observation_of, observations
from explorer.types import SCOPES, Report, Scope

WORD_INDEX: Mapping[Scope, str] = {scope: f"words_{scope}" for scope in SCOPES}

_TABLES = """
PRAGMA journal_mode = OFF;  -- nobody sees this file before it is whole and on the disk
PRAGMA synchronous = OFF;
CREATE TABLE studies (id TEXT PRIMARY KEY, source TEXT NOT NULL, licence TEXT NOT NULL,
                      sections TEXT NOT NULL, findings TEXT NOT NULL, meta TEXT NOT NULL);
CREATE TABLE passages (scope TEXT, passage INTEGER, study TEXT, PRIMARY KEY (scope, passage, study)) WITHOUT ROWID;
CREATE TABLE findings (study TEXT, name TEXT, observation TEXT, status TEXT, laterality TEXT, severity TEXT,
                       section TEXT);
CREATE TABLE left_out (study TEXT, item TEXT, reason TEXT);
CREATE TEMP TABLE seen (scope TEXT, digest BLOB, passage INTEGER, PRIMARY KEY (scope, digest)) WITHOUT ROWID;
"""
_INDEXES = """
CREATE INDEX passage_of_study ON passages (scope, study);
CREATE INDEX study_of_finding ON findings (name, study, status);
CREATE INDEX study_of_observation ON findings (observation, study, status);
"""
_WORDS = "CREATE VIRTUAL TABLE {} USING fts5(text, content='', tokenize='porter unicode61 remove_diacritics 2')"
_ALL = 2**256
_FINDINGS = 4  # column of `studies`


class StoreWriter:
    """One new database file. Nothing of it may be used before `finish`."""

    def __init__(self, path: Path) -> None:
        self.studies = 0
        self.sections: Counter[str] = Counter()  # section → studies that have it
        self.scopes: Counter[str] = Counter(dict.fromkeys(SCOPES, 0))  # scope → studies that can be searched in it
        self.left_out: Counter[str] = Counter()  # reason → items
        self._passages = dict.fromkeys(SCOPES, 0)  # scope → distinct texts so far
        self._sum = 0
        self._database = sqlite3.connect(path)
        self._database.executescript(_TABLES)
        for table in WORD_INDEX.values():
            self._database.execute(_WORDS.format(table))

    def add(self, report: Report) -> None:
        """Write one study. A second one of the same id is listed as left out."""
        row = _row(report)
        try:
            self._database.execute("INSERT INTO studies VALUES (?, ?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            self.leave_out(LeftOut(report.id, report.id, "another study has this id"))
            return
        self.studies += 1
        self.sections.update(report.sections.keys())
        # A sum does not depend on the order: the same reports have one sha256, read at once or added bit by bit
        # Findings are read from the text, so reading them by better rules makes no other corpus.
        written = json.dumps(row[:_FINDINGS] + row[_FINDINGS + 1 :])
        self._sum = (self._sum + int.from_bytes(hashlib.sha256(written.encode()).digest())) % _ALL
        self._add_findings(report)
        for scope in SCOPES:
            self._add_passage(report, scope)

    def leave_out(self, item: LeftOut) -> None:
        """List something that is missing or cannot be read."""
        self._database.execute("INSERT INTO left_out VALUES (?, ?, ?)", (item.study, item.item, item.reason))
        self.left_out[item.reason] += 1

    def finish(self) -> str:
        """Have everything written; return the sha256 of the reports, the same in whatever order they came."""
        self._database.executescript(_INDEXES)
        self._database.commit()
        return f"{self._sum:064x}"

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _add_findings(self, report: Report) -> None:
        """Make the findings answer filters. "No Finding" counts as the study's only where `observations` lets it."""
        observed = observations(report.findings)
        rows = [
            (report.id, one.name, name, one.status, one.laterality, one.severity, one.section)
            for one in report.findings
            for name in (observation_of(one.name),)
            if name in observed
        ]
        self._database.executemany("INSERT INTO findings VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def _add_passage(self, report: Report, scope: Scope) -> None:
        text = without_redactions(scope_text(report.sections, scope))
        if has_words(text):
            self.scopes[scope] += 1
            passage = self._passage(scope, text)
            self._database.execute("INSERT INTO passages VALUES (?, ?, ?)", (scope, passage, report.id))

    def _passage(self, scope: Scope, text: str) -> int:
        digest = hashlib.sha256(text.encode()).digest()
        known = "SELECT passage FROM seen WHERE scope = ? AND digest = ?"
        for (passage,) in self._database.execute(known, (scope, digest)):
            return int(passage)
        passage = self._passages[scope]
        self._passages[scope] += 1
        self._database.execute("INSERT INTO seen VALUES (?, ?, ?)", (scope, digest, passage))
        self._database.execute(
            f"INSERT INTO {WORD_INDEX[scope]} (rowid, text) VALUES (?, ?)",  # noqa: S608  a name from WORD_INDEX
            (passage, text),
        )
        return passage


def _row(report: Report) -> tuple[str, ...]:
    findings = [asdict(finding) for finding in report.findings]
    columns = (dict(report.sections), findings, asdict(report.meta))
    return (report.id, report.source, report.licence, *map(json.dumps, columns))
