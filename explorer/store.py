"""The reports of one corpus: a SQLite file with one row per study and, for each scope, a word index (FTS5).

Identical texts are one passage: "No acute disease." fills one place in a list of results, not ten.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from explorer.corpora.base import Corpus
from explorer.corpora.sections import scope_text, without_redactions
from explorer.errors import BadQuery, CorpusError
from explorer.files import Manifest, damaged, open_published, publish
from explorer.types import SCOPES, Filters, Finding, Report, Scope, StudyMeta

_WHAT = "reports"
_FILE = "reports.sqlite"
_Passages = Mapping[str, Sequence[str]]  # text → studies that have it
_WORD = re.compile(r"\w+")
_WORD_INDEX: Mapping[Scope, str] = {scope: f"words_{scope}" for scope in SCOPES}

_TABLES = """
CREATE TABLE studies (id TEXT PRIMARY KEY, source TEXT NOT NULL, licence TEXT NOT NULL,
                      sections TEXT NOT NULL, findings TEXT NOT NULL, meta TEXT NOT NULL);
CREATE TABLE passages (scope TEXT, passage INTEGER, study TEXT, PRIMARY KEY (scope, passage, study)) WITHOUT ROWID;
CREATE INDEX passage_of_study ON passages (scope, study);
"""
_MATCHING = """
SELECT id FROM studies
WHERE (:min_age IS NULL OR json_extract(meta, '$.age') >= :min_age)
  AND (:max_age IS NULL OR json_extract(meta, '$.age') <= :max_age)
  AND (:view IS NULL OR EXISTS (SELECT 1 FROM json_each(meta, '$.views') WHERE value = :view))
"""
_SEARCHABLE = """
SELECT id, sections FROM studies
WHERE id IN (SELECT study FROM passages WHERE scope = ?) ORDER BY studies.rowid
"""
_ASKED = """
SELECT studies.id, source, sections, findings, meta, licence
FROM json_each(?) AS asked JOIN studies ON studies.id = asked.value ORDER BY asked.key
"""
_STUDIES_OF_PASSAGES = """
SELECT passage, study FROM passages
WHERE scope = ? AND passage IN (SELECT value FROM json_each(?)) ORDER BY study
"""


@dataclass(frozen=True)
class CorpusInfo:
    """Whose reports these are, and how many."""

    name: str
    title: str
    licence: str
    attribution: str
    sha256: str  # of the source the reports were read from
    studies: int
    sections: Mapping[str, int]  # section → studies that have it
    scopes: Mapping[str, int]  # scope → studies that can be searched in it


@dataclass(frozen=True)
class Neighbour:
    """One distinct text near a query, standing for every study that has it."""

    id: str  # the first of those studies, by id
    score: float  # larger is nearer
    identical: tuple[str, ...]  # the others, by id


class ReportStore:
    """The reports of one corpus, read-only once built. May be used from many threads."""

    def __init__(self, connection: sqlite3.Connection, info: CorpusInfo) -> None:
        self.info = info
        self._connection = connection
        self._turn = threading.Lock()

    @classmethod
    def build(cls, folder: Path, corpus: Corpus) -> ReportStore:
        """Write a corpus to `folder`, replacing what was there in one step, and open it.

        Raises CorpusError if two studies share an id, StoreError if the folder cannot be written.
        """
        if len({report.id for report in corpus.reports}) < len(corpus.reports):
            raise CorpusError("Two studies of this corpus carry the same id. Give every study its own.")
        passages = {scope: _passages(corpus.reports, scope) for scope in SCOPES}
        about = asdict(_info(corpus, passages))
        publish(folder, _WHAT, about, lambda generation: _write(generation / _FILE, corpus.reports, passages))
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> ReportStore:
        """Open what `build` wrote. Raises NotPrepared, Damaged, or Foreign (another version wrote it)."""
        return open_published(folder, _WHAT, cls._load)

    @classmethod
    def _load(cls, generation: Path, about: Manifest) -> ReportStore:
        # immutable: SQLite then looks for no journal and no lock, and reads from a write-protected folder
        address = f"{(generation / _FILE).resolve().as_uri()}?mode=ro&immutable=1"
        try:
            connection = sqlite3.connect(address, uri=True, check_same_thread=False)
            connection.execute("SELECT 1 FROM studies LIMIT 1")
        except sqlite3.Error as error:
            raise damaged(_WHAT) from error
        return cls(connection, CorpusInfo(**about))

    def get(self, ids: Sequence[str]) -> tuple[Report, ...]:
        """Return the reports of these studies in the order asked. Raises BadQuery for an id not in the corpus."""
        rows = self._rows(_ASKED, (json.dumps(list(ids)),))
        if len(rows) < len(ids):
            raise BadQuery(f"No study of that id in {self.info.title}.")
        return tuple(_report(row) for row in rows)

    def texts(self, scope: Scope) -> tuple[list[str], list[str]]:
        """Return ids and texts, as stored, of the studies that can be searched in `scope`, in corpus order."""
        rows = self._rows(_SEARCHABLE, (scope,))
        return [study for study, _ in rows], [scope_text(json.loads(sections), scope) for _, sections in rows]

    def matching(self, filters: Filters) -> frozenset[str] | None:
        """Return the studies that pass the filters; None if all do. A study of unknown age passes no age limit."""
        if filters == Filters():
            return None
        return frozenset(study for (study,) in self._rows(_MATCHING, asdict(filters)))

    def bm25(self, text: str, scope: Scope, k: int, allowed: frozenset[str] | None) -> list[Neighbour]:
        """Return the k passages that share the rarest words with `text`, best first, ties by id.

        Robertson's BM25 as FTS5 computes it (https://sqlite.org/fts5.html, section 5.1.1, sign turned so that larger
        is better), over distinct passages, words stemmed. Any of the words may match; nothing typed is an operator.
        Only studies in `allowed` answer (None: all). No word, or none found: no neighbour.
        """
        words = _WORD.findall(unicodedata.normalize("NFC", without_redactions(text)).lower())
        if not words or k < 1:
            return []
        only = None if allowed is None else json.dumps(sorted(allowed))
        table = _WORD_INDEX[scope]
        found = self._rows(
            f"SELECT rowid, -bm25({table}) AS score FROM {table} "  # noqa: S608  a name from _WORD_INDEX
            f"WHERE {table} MATCH :words AND (:only IS NULL OR rowid IN (SELECT passage FROM passages "
            "WHERE scope = :scope AND study IN (SELECT value FROM json_each(:only)))) ORDER BY score DESC",
            {"words": " OR ".join(f'"{word}"' for word in dict.fromkeys(words)), "only": only, "scope": scope},
        )
        worst = found[:k][-1][1] if found else 0.0
        scores = {passage: score for passage, score in found if score >= worst}
        studies = self._studies_of(scope, list(scores), allowed)
        return nearest(((scores[passage], studies[passage]) for passage in scores), k)

    def _studies_of(
        self, scope: Scope, passages: Sequence[int], allowed: frozenset[str] | None
    ) -> dict[int, list[str]]:
        studies: dict[int, list[str]] = {passage: [] for passage in passages}
        for passage, study in self._rows(_STUDIES_OF_PASSAGES, (scope, json.dumps(passages))):
            if allowed is None or study in allowed:
                studies[passage].append(study)
        return studies

    def _rows(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        # One connection for all threads: it keeps reading its file even after a newer generation replaced it.
        with self._turn:
            try:
                return self._connection.execute(sql, parameters).fetchall()
            except sqlite3.Error as error:
                raise damaged(_WHAT) from error


def has_words(text: str) -> bool:
    """Return whether anything is left to search once redactions are dropped."""
    return _WORD.search(without_redactions(text)) is not None


def distinct_texts(ids: Sequence[str], texts: Sequence[str]) -> dict[str, list[str]]:
    """Return each different text, as encoders see it, with the sorted ids of the studies that have it.

    A text without words is left out.
    """
    groups: dict[str, list[str]] = {}
    for study, text in zip(ids, map(without_redactions, texts), strict=True):
        if _WORD.search(text):
            groups.setdefault(text, []).append(study)
    return {text: sorted(studies) for text, studies in groups.items()}


def nearest(scored: Iterable[tuple[float, Sequence[str]]], k: int) -> list[Neighbour]:
    """Return the k best of (score, ids that share the text, sorted), best first, ties by first id."""
    ranked = sorted(scored, key=lambda group: (-group[0], group[1][0]))
    return [Neighbour(studies[0], score, tuple(studies[1:])) for score, studies in ranked[:k]]


def _passages(reports: Sequence[Report], scope: Scope) -> _Passages:
    return distinct_texts([report.id for report in reports], [scope_text(report.sections, scope) for report in reports])


def _info(corpus: Corpus, passages: Mapping[Scope, _Passages]) -> CorpusInfo:
    sections = Counter(name for report in corpus.reports for name, text in report.sections.items() if text.strip())
    return CorpusInfo(
        name=corpus.name,
        title=corpus.title,
        licence=corpus.licence,
        attribution=corpus.attribution,
        sha256=corpus.sha256,
        studies=len(corpus.reports),
        sections=dict(sections),
        scopes={scope: sum(map(len, passages[scope].values())) for scope in SCOPES},
    )


def _write(path: Path, reports: Sequence[Report], passages: Mapping[Scope, _Passages]) -> None:
    try:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executescript(_TABLES)
            connection.executemany("INSERT INTO studies VALUES (?, ?, ?, ?, ?, ?)", map(_row, reports))
            for scope in SCOPES:
                _write_passages(connection, scope, passages[scope])
    except sqlite3.OperationalError as error:  # what SQLite calls a full disk
        raise OSError("the database could not be written") from error


def _write_passages(connection: sqlite3.Connection, scope: Scope, passages: _Passages) -> None:
    table = _WORD_INDEX[scope]
    connection.execute(
        f"CREATE VIRTUAL TABLE {table} USING fts5(text, content='', tokenize='porter unicode61 remove_diacritics 2')"
    )
    connection.executemany(
        f"INSERT INTO {table} (rowid, text) VALUES (?, ?)",  # noqa: S608  a name from _WORD_INDEX
        enumerate(passages),
    )
    connection.executemany(
        "INSERT INTO passages VALUES (?, ?, ?)",
        ((scope, passage, study) for passage, studies in enumerate(passages.values()) for study in studies),
    )


def _row(report: Report) -> tuple[str, ...]:
    findings = [asdict(finding) for finding in report.findings]
    columns = (dict(report.sections), findings, asdict(report.meta))
    return (report.id, report.source, report.licence, *map(json.dumps, columns))


def _report(row: tuple[str, ...]) -> Report:
    study, source, sections, findings, meta, licence = row
    known = json.loads(meta)
    return Report(
        id=study,
        source=source,
        sections=json.loads(sections),
        findings=tuple(Finding(**finding) for finding in json.loads(findings)),
        meta=StudyMeta(known["age"], tuple(known["views"]), known["films"], tuple(known["codes"])),
        licence=licence,
    )
