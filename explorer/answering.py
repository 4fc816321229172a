"""From a question and a ranker to an answer: its hits, how they agree with what was asked for, and how to read it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from explorer.answers import Answers
from explorer.choices import WORDS
from explorer.errors import BadQuery
from explorer.language.abbreviations import Expander
from explorer.language.agreement import agreements
from explorer.language.findings import FindingsReader
from explorer.rankers import DenseRanker, Ranker, WordRanker
from explorer.store import ReportStore
from explorer.types import Filters, Finding, Query, Scope, SearchResult
from models.interfaces import EncoderInfo

NOT_ALL = "Among so many reports only the likeliest are looked at: one of the nearest may be missing now and then."


@dataclass(frozen=True)
class Question:
    """A query, and where and how it is to be answered."""

    query: Query
    store: ReportStore
    scope: Scope
    k: int
    filters: Filters


class Described(Protocol):
    """A tower that says what it is, as it runs now."""

    @property
    def info(self) -> EncoderInfo:
        """Return the tower's description."""
        ...


class Answering:
    """Answers questions, those that were just answered from memory.

    Holds the readers of their texts; `most` is the number of hits that may be asked for.
    """

    def __init__(self, expander: Expander, most: int) -> None:
        self._expander = expander
        self._findings = FindingsReader.open()
        self._most = most
        self._answers = Answers()

    def by_vectors(self, asked: Question, towers: Sequence[Described], ranker: DenseRanker) -> SearchResult:
        """Answer by an encoder; what its towers fall short in is said, also if that came about with this very query.

        towers: those that encode the query, of one shared space if there are two.

        Raises BadQuery for a number of hits out of range.
        """
        info = towers[0].info
        empty = SearchResult(
            asked.query, info.name, info.space, info.score, asked.store.info.name, asked.scope, (), 0.0
        )
        more = () if ranker.index.exact else (NOT_ALL,)
        return self._filled(empty, asked, ranker, info.revision, lambda: (*_notes(towers), *more))

    def by_words(self, asked: Question) -> SearchResult:
        """Answer by words alone. Raises BadQuery for a number of hits out of range, or a query without words."""
        empty = SearchResult(asked.query, WORDS, "words", WORDS, asked.store.info.name, asked.scope, (), 0.0)
        return self._filled(empty, asked, WordRanker(asked.store, asked.scope), "", tuple)

    def forget(self) -> None:
        """Forget the answers that were given."""
        self._answers.clear()

    def recognises(self, text: str) -> bool:
        """Return whether a finding, or a short form of the lexicon, is read in a text."""
        expansion = self._expander.expand(text)
        return bool(expansion.spans or self._findings.read(expansion.expanded, "query"))

    def _filled(
        self, empty: SearchResult, asked: Question, ranker: Ranker, revision: str, notes: Callable[[], tuple[str, ...]]
    ) -> SearchResult:
        if not 1 <= asked.k <= self._most:
            raise BadQuery(f"Ask for 1 to {self._most} hits.")
        corpus = (asked.store.info.name, asked.store.info.sha256)
        options = (empty.encoder, empty.space, revision, *corpus, asked.scope, asked.k, asked.filters)
        given = self._answers.get(asked.query, options)
        if given is not None:
            return given
        begun = time.perf_counter()
        found = ranker.rank(asked.query, asked.k, asked.filters)
        findings = self._asked_for(asked)
        hits = tuple(replace(hit, agreement=agreements(findings, hit.report.findings)) for hit in found)
        seconds = round(time.perf_counter() - begun, 4)
        answer = replace(empty, hits=hits, seconds=seconds, notes=notes(), findings=findings, filters=asked.filters)
        self._answers.put(asked.query, options, answer)
        return answer

    def _asked_for(self, asked: Question) -> tuple[Finding, ...]:
        """Return the findings of a query: those of its text, or of the study that others shall be like."""
        query = asked.query
        if query.study is not None:
            return asked.store.get([query.study])[0].findings
        return self._findings.read(self._expander.expand(query.text).expanded, "query") if query.text else ()


def _notes(towers: Sequence[Described]) -> tuple[str, ...]:
    """Return how towers fall short, as one sentence for the screen, what several have in common once."""
    parts = dict.fromkeys(part for tower in towers for part in tower.info.note.split("; ") if part)
    line = "; ".join(parts)
    return (f"{line[0].upper()}{line[1:]}.",) if line else ()
