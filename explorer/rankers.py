"""The ways to order reports for a query: by meaning (an encoder's vectors) and by words (BM25)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from explorer.corpora.sections import has_words, scope_text, without_redactions
from explorer.errors import BadQuery, TowerError
from explorer.store import Neighbour, ReportStore
from explorer.types import Filters, Hit, Query, Scope
from explorer.vector_index import VectorIndex
from models.interfaces import Vectors

REPORT_WORDS = 20  # of a text that is set against reports as one of them


class Ranker(Protocol):
    """Orders the reports of one corpus and scope."""

    def rank(self, query: Query, k: int, filters: Filters) -> list[Hit]:
        """Return the k best hits, rank from 1, one per distinct text; fewer if fewer pass the filters."""
        ...


@dataclass(frozen=True)
class DenseRanker:
    """Nearest vectors.

    encode_query: a query → [1, dim] float32 in the space of `index`; it knows the encoder and its instruction, and
    gets the text without redactions.
    """

    store: ReportStore
    index: VectorIndex
    encode_query: Callable[[Query], Vectors]

    def rank(self, query: Query, k: int, filters: Filters) -> list[Hit]:
        """Return the k nearest hits, without the study asked for; score as `index.key.score` names it.

        `closer_than` is told of studies and of texts as long as a report: it is measured between reports, and a film
        or a short note lies farther from every report than reports do from each other. Raises BadQuery if the query
        cannot be encoded in this space.
        """
        if query.image is not None and self.index.key.space == "report":
            raise BadQuery("This encoder reads text only. Choose one that also reads radiographs.")
        if query.text is not None:
            query = replace(query, text=_words_of(query.text))
        vectors = self.encode_query(query)
        if len(vectors) != 1:
            raise TowerError("The encoder did not give one vector for the query. Choose another encoder.")
        (neighbours,) = self.index.search(vectors, k + (query.study is not None), self.store.matching(filters))
        neighbours = _others(neighbours, self.store, query.study, self.index.key.scope)[:k]
        calibrated = query.study is not None or (query.text is not None and len(query.text.split()) >= REPORT_WORDS)
        closer_than = [self.index.closer_than(near.score) if calibrated else None for near in neighbours]
        return _hits(self.store, neighbours, closer_than)


@dataclass(frozen=True)
class WordRanker:
    """BM25 over words: what a search without any encoder finds."""

    store: ReportStore
    scope: Scope

    def rank(self, query: Query, k: int, filters: Filters) -> list[Hit]:
        """Return the k hits that share the rarest words, without the study asked for.

        Raises BadQuery for a film, or a text without words.
        """
        words = _words_of(query.text if query.study is None else self._text_of(query.study))
        wanted = k + (query.study is not None)
        neighbours = self.store.bm25(words, self.scope, wanted, self.store.matching(filters))
        neighbours = _others(neighbours, self.store, query.study, self.scope)[:k]
        return _hits(self.store, neighbours, [None] * len(neighbours))

    def _text_of(self, study: str) -> str:
        return scope_text(self.store.get([study])[0].sections, self.scope)


def _words_of(text: str | None) -> str:
    if text is None:
        raise BadQuery("Words cannot be searched by a radiograph. Type a text, or choose an image encoder.")
    if not has_words(text):
        raise BadQuery("The query holds no word to search for. Type a finding or a sentence.")
    return without_redactions(text)


def _others(found: list[Neighbour], store: ReportStore, study: str | None, scope: Scope) -> list[Neighbour]:
    """Leave out the study asked for, and what says the very same."""
    same = frozenset() if study is None else store.same_text(study, scope)
    return [near for near in found if near.id not in same]


def _hits(store: ReportStore, neighbours: Sequence[Neighbour], closer_than: Sequence[float | None]) -> list[Hit]:
    reports = store.get([near.id for near in neighbours])
    return [
        Hit(rank, near.score, report, near.identical, closer)
        for rank, (near, report, closer) in enumerate(zip(neighbours, reports, closer_than, strict=True), 1)
    ]
