"""The reports of one corpus: a SQLite file with one row per study and, for each scope, a word index (FTS5).

Identical texts are one passage: "No acute disease." fills one place in a list of results, not ten.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from explorer.corpora.base import Corpus, LeftOut, Source, Study
from explorer.corpora.sections import scope_text, without_redactions
from explorer.errors import BadQuery, CorpusError
from explorer.files import Manifest, damaged, open_published, publish
from explorer.progress import Progress, silent
from explorer.store_filters import COUNTS, FINDING_COUNTS, STATUSES, Facets, matching
from explorer.store_writer import WORD_INDEX, StoreWriter
from explorer.types import Filters, Finding, Report, Scope, Status, StudyMeta

NO_ORIGIN: Mapping[str, str | None] = {}

_WHAT = "reports"
_FILE = "reports.sqlite"
_WORD = re.compile(r"\w+")
_PAGE = 512  # rows held at once where all are gone through

_PASSAGES = """
SELECT passage, study, sections FROM passages JOIN studies ON studies.id = study
WHERE scope = ? AND passage >= ? AND passage < ? ORDER BY passage, study
"""
_STUDIES = """
SELECT rowid, id, source, sections, findings, meta, licence FROM studies WHERE rowid > ? ORDER BY rowid LIMIT ?
"""
_LEFT_OUT = "SELECT rowid, study, item, reason FROM left_out WHERE rowid > ? ORDER BY rowid LIMIT ?"
_ASKED = """
SELECT studies.id, source, sections, findings, meta, licence
FROM json_each(?) AS asked JOIN studies ON studies.id = asked.value ORDER BY asked.key
"""
_SAME_TEXT = """
SELECT other.study FROM passages JOIN passages AS other USING (scope, passage)
WHERE passages.scope = ? AND passages.study = ?
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
    left_out: Mapping[str, int] = field(default_factory=dict)  # reason → items that are missing or cannot be read


@dataclass(frozen=True)
class Neighbour:
    """One distinct text near a query, standing for every study that has it."""

    id: str  # the first of those studies, by id
    score: float  # larger is nearer
    identical: tuple[str, ...]  # the others, by id


class ReportStore:
    """The reports of one corpus, read-only once built. May be used from many threads."""

    def __init__(
        self, connection: sqlite3.Connection, info: CorpusInfo, origin: Mapping[str, str | None], read_by: str
    ) -> None:
        self.info = info
        self.origin = origin
        self.read_by = read_by  # what its findings were read by, see `findings.revision`; "" if by nothing
        self._connection = connection
        self._turn = threading.Lock()

    @classmethod
    def build(cls, folder: Path, corpus: Corpus) -> ReportStore:
        """Write a corpus to `folder`, replacing what was there in one step, and open it.

        Raises CorpusError if two studies share an id, StoreError if the folder cannot be written.
        """
        if len({report.id for report in corpus.reports}) < len(corpus.reports):
            raise CorpusError("Two studies of this corpus carry the same id. Give every study its own.")
        studies = (Study(report) for report in corpus.reports)
        terms = (corpus.name, corpus.title, corpus.licence, corpus.attribution)
        return cls.write(folder, Source(*terms, len(corpus.reports), studies, corpus.sha256))

    @classmethod
    def write(
        cls,
        folder: Path,
        source: Source,
        progress: Progress = silent,
        origin: Mapping[str, str | None] = NO_ORIGIN,
        read_by: str = "",
    ) -> ReportStore:
        """Write what a source gives to `folder`, one study after another, and make it current in one step.

        progress: is told what is done and the share, 0–1. origin: how this was asked for, so that it can be asked
        for again; kept beside the reports and shown nowhere. read_by: what the findings of the source were read by.
        Raises CorpusError if the source cannot be read, StoreError if the folder cannot be written; what was there
        before then stays.
        """
        about: dict[str, object] = {"origin": dict(origin), "read_by": read_by}
        publish(folder, _WHAT, about, lambda generation: about.update(_write(generation / _FILE, source, progress)))
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
        known = {name: value for name, value in about.items() if name not in {"origin", "read_by"}}
        return cls(connection, CorpusInfo(**known), about.get("origin", NO_ORIGIN), about.get("read_by", ""))

    def get(self, ids: Sequence[str]) -> tuple[Report, ...]:
        """Return the reports of these studies in the order asked. Raises BadQuery for an id not in the corpus."""
        rows = self._rows(_ASKED, (json.dumps(list(ids)),))
        if len(rows) < len(ids):
            raise BadQuery(f"No study of that id in {self.info.title}.")
        return tuple(_report(row) for row in rows)

    def find(self, study: str) -> Report | None:
        """Return the report of a study; None if it is not in the corpus."""
        rows = self._rows(_ASKED, (json.dumps([study]),))
        return _report(rows[0]) if rows else None

    def same_text(self, study: str, scope: Scope) -> frozenset[str]:
        """Return the studies with the very same text in a scope, itself among them; none if it has no text there."""
        return frozenset(name for (name,) in self._rows(_SAME_TEXT, (scope, study)))

    def passages(self, scope: Scope) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield each distinct text of a scope as encoders see it, with the sorted ids of the studies that have it.

        They come in the order in which the corpus first says them; a few hundred are held at once.
        """
        start = 0
        while rows := self._rows(_PASSAGES, (scope, start, start + _PAGE)):
            for _, group in groupby(rows, lambda row: row[0]):
                same = list(group)
                text = without_redactions(scope_text(json.loads(same[0][2]), scope))
                yield text, tuple(study for _, study, _ in same)
            start += _PAGE

    def passage_count(self, scope: Scope) -> int:
        """Return how many distinct texts a scope has."""
        return int(self._rows("SELECT COUNT(DISTINCT passage) FROM passages WHERE scope = ?", (scope,))[0][0])

    def items(self) -> Iterator[Study | LeftOut]:
        """Yield every study and everything that was left out, as a source does."""
        yield from map(Study, self.reports())
        yield from self.left_out()

    def left_out(self) -> Iterator[LeftOut]:
        """Yield what was missing or could not be read."""
        if self.info.left_out:
            yield from (LeftOut(*row[1:]) for row in self._paged(_LEFT_OUT))

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            self._connection.close()

    def matching(self, filters: Filters) -> frozenset[str] | None:
        """Return the studies that pass the filters; None if all do. What is not known of a study passes no limit."""
        if filters == Filters():
            return None
        return frozenset(study for (study,) in self._rows(*matching(filters)))

    @cached_property
    def facets(self) -> Facets:
        """What there is to filter by."""
        findings: dict[str, dict[Status, int]] = {}
        for name, rank, count in self._rows(FINDING_COUNTS):
            findings.setdefault(name, {})[STATUSES[rank]] = count
        return Facets(findings, **{what: dict(self._rows(sql)) for what, sql in COUNTS.items()})

    def reports(self) -> Iterator[Report]:
        """Yield every report with its findings, in the order of the corpus; a few hundred are held at once."""
        return (_report(row[1:]) for row in self._paged(_STUDIES))

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
        table = WORD_INDEX[scope]
        found = self._rows(
            f"SELECT rowid, -bm25({table}) AS score FROM {table} "  # noqa: S608  a name from WORD_INDEX
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

    def _paged(self, sql: str) -> Iterator[tuple[Any, ...]]:
        last = 0
        while rows := self._rows(sql, (last, _PAGE)):
            yield from rows
            last = rows[-1][0]

    def _rows(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        # One connection for all threads: it keeps reading its file even after a newer generation replaced it.
        with self._turn:
            try:
                return self._connection.execute(sql, parameters).fetchall()
            except sqlite3.Error as error:
                raise damaged(_WHAT) from error


def nearest(scored: Iterable[tuple[float, Sequence[str]]], k: int) -> list[Neighbour]:
    """Return the k best of (score, ids that share the text, sorted), best first, ties by first id."""
    ranked = sorted(scored, key=lambda group: (-group[0], group[1][0]))
    return [Neighbour(studies[0], score, tuple(studies[1:])) for score, studies in ranked[:k]]


def _write(path: Path, source: Source, progress: Progress) -> dict[str, object]:
    """Fill a new database; return what the manifest says of it."""
    what = f"Reading {source.title}"
    try:
        with closing(StoreWriter(path)) as writer:
            for number, item in enumerate(source.items):
                if number % _PAGE == 0:
                    progress(what, min(writer.studies / max(source.total, 1), 1.0))
                if isinstance(item, LeftOut):
                    writer.leave_out(item)
                else:
                    writer.add(item.report)
            summed = writer.finish()
    except sqlite3.OperationalError as error:  # what SQLite calls a full disk
        raise OSError("the database could not be written") from error
    info = CorpusInfo(
        name=source.name,
        title=source.title,
        licence=source.licence,
        attribution=source.attribution,
        sha256=source.sha256 or summed,
        studies=writer.studies,
        sections=dict(writer.sections),
        scopes=dict(writer.scopes),
        left_out=dict(writer.left_out),
    )
    progress(what, 1.0)
    return asdict(info)


def _report(row: tuple[str, ...]) -> Report:
    study, source, sections, findings, meta, licence = row
    known = json.loads(meta)
    return Report(
        id=study,
        source=source,
        sections=json.loads(sections),
        findings=tuple(Finding(**finding) for finding in json.loads(findings)),
        meta=StudyMeta(known["age"], tuple(known["views"]), known["films"], tuple(known["codes"]), known.get("sex")),
        licence=licence,
    )
