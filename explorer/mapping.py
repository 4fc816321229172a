"""From an engine to a map: which encoders, scope and settings; the query and its hits; who is near a study."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from explorer.choices import WORDS
from explorer.cloud import Cloud, Panel, Studies, panel, row_of_each, studies_of
from explorer.errors import BadQuery, NotPrepared
from explorer.films import FilmVectors, film_vectors
from explorer.index import ReportIndex
from explorer.modality import ModalityGap, centred, modality_gap
from explorer.neighbourhoods import between_neighbours, unit_rows
from explorer.progress import Progress, silent
from explorer.projection import FILMS, FilmsShown, MapKey, Maps, MapSettings, Projection
from explorer.search import Explorer
from explorer.types import Query, Scope

NEAR = 10  # neighbours of a study, and hits of a query, to which lines are drawn
_KEPT = 4  # maps held in memory


@dataclass(frozen=True)
class MapOrder:
    """Which map is wanted. Raises BadQuery for no encoder, more than two, or the same twice."""

    encoders: tuple[str, ...]
    corpus: str
    scope: Scope = "report"
    settings: MapSettings = MapSettings()  # noqa: RUF009 - frozen
    films: FilmsShown = "none"  # beside: films among the reports, in the space both share

    def __post_init__(self) -> None:
        if not 1 <= len(self.encoders) <= 2 or len(set(self.encoders)) < len(self.encoders):
            raise BadQuery("A map shows one encoder, or two different ones side by side. Choose another second one.")
        if self.films not in FILMS:
            raise BadQuery("Films are left out, drawn beside the reports, or both are centred. Choose one of them.")


class _Ask(TypedDict):
    encoder: str
    corpus: str
    scope: Scope
    k: int


class Cartographer:
    """Draws maps for an engine, and holds the latest ones. Safe to call from many threads."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self._maps = Maps(explorer.settings.cache)
        self._held: dict[MapOrder, Cloud] = {}
        self._turn = threading.Lock()

    def encoders(self) -> list[str]:
        """Return the encoders whose space can be drawn, the default first."""
        return [choice.name for choice in self._explorer.choices() if choice.name != WORDS and "text" in choice.kinds]

    def film_encoders(self) -> list[str]:
        """Return those of them that share a space with films."""
        able = {choice.name for choice in self._explorer.choices() if "image" in choice.kinds}
        return [name for name in self.encoders() if name in able]

    def default(self) -> MapOrder:
        """Return what is drawn where nothing is said."""
        return MapOrder((self.encoders()[0],), self._explorer.corpus.name)

    def kept(self, order: MapOrder) -> Cloud | None:
        """Return a map that was made before; None if it has to be drawn."""
        with self._turn:
            if order in self._held:
                return self._held[order]
        try:
            return self._cloud(order, silent, make=False)
        except NotPrepared:
            return None

    def draw(self, order: MapOrder, progress: Progress = silent) -> Cloud:
        """Return a map, made now if it was not before. What `progress` raises ends the work.

        Raises BadQuery, UnknownCorpus, TowerError, StoreError.
        """
        return self._cloud(order, progress, make=True)

    def indexes(self, order: MapOrder, progress: Progress = silent) -> list[ReportIndex]:
        """Return the vectors behind each panel."""
        return [self._vectors(order, encoder, progress) for encoder in order.encoders]

    def near(self, cloud: Cloud, order: MapOrder, row: int, encoder: str) -> list[tuple[int, float]]:
        """Return the studies nearest to one in the original space of a panel, as rows with their scores, best first.

        Neither itself nor a study with the very same text is among them.
        """
        study = cloud.studies.reports[row].id
        index = self._vectors(order, encoder, silent)
        (found,) = index.search(index.vector_of(study), NEAR + 1, None)
        others = [one for one in found if study not in (one.id, *one.identical)][:NEAR]
        return cloud.located({one.id: one.score for one in others})

    def hits(self, cloud: Cloud, order: MapOrder, query: Query, encoder: str) -> list[tuple[int, float]]:
        """Return the hits of a query as rows with their scores. Raises BadQuery if the encoder cannot read it."""
        ask: _Ask = {"encoder": encoder, "corpus": order.corpus, "scope": order.scope, "k": NEAR}
        engine = self._explorer
        if query.study is not None:
            found = engine.neighbours(query.study, **ask)
        elif query.image is None:
            found = engine.by_text(query.text or "", **ask)
        elif query.text is None:
            found = engine.by_image(query.image, **ask)
        else:
            found = engine.by_both(query.text, query.image, weight=query.weight, **ask)
        return cloud.located({hit.report.id: hit.score for hit in found.hits})

    def _cloud(self, order: MapOrder, progress: Progress, *, make: bool) -> Cloud:
        indexes = self.indexes(order, progress)
        studies = self._studies(order, indexes)
        panels = tuple(self._panel(order, studies, index, progress, make=make) for index in indexes)
        cloud = Cloud(studies, panels)
        with self._turn:
            self._held = dict([*self._held.items(), (order, cloud)][-_KEPT:])
        return cloud

    def _vectors(self, order: MapOrder, encoder: str, progress: Progress) -> ReportIndex:
        if encoder not in self.encoders():
            raise BadQuery(f"There is no map of {encoder}: it makes no vectors of reports. Choose another encoder.")
        return self._explorer.vectors(
            encoder,
            corpus=order.corpus,
            scope=order.scope,
            space="report" if order.films == "none" else "image",
            progress=progress,
        )

    def _studies(self, order: MapOrder, indexes: Sequence[ReportIndex]) -> Studies:
        with self._turn:
            for held, cloud in self._held.items():
                if (held.corpus, held.scope) == (order.corpus, order.scope):
                    return cloud.studies
        title = next(one.title for one in self._explorer.corpora() if one.name == order.corpus)
        indexed = frozenset(study for group in indexes[0].studies for study in group)
        return studies_of(self._explorer.reports(order.corpus), indexed, order.corpus, title, order.scope)

    def _panel(self, order: MapOrder, studies: Studies, index: ReportIndex, progress: Progress, *, make: bool) -> Panel:
        if order.films == "none":
            projection = self._projection(MapKey(index.key, order.settings), index.vectors, progress, make=make)
            return panel(studies, index, projection)
        films = self._films(order, index.key.encoder, progress)
        texts, seen = unit_rows(index.vectors), unit_rows(films.vectors)
        gap = modality_gap(texts, seen, _pairs(studies, index, films))
        shifted = order.films == "centred"
        vectors = np.concatenate((centred(texts), centred(seen)) if shifted else (texts, seen))
        key = MapKey(index.key, order.settings, films.digest, shifted)
        return _with_films(panel(studies, index, self._projection(key, vectors, progress, make=make)), gap, len(texts))

    def _films(self, order: MapOrder, encoder: str, progress: Progress) -> FilmVectors:
        tower = self._explorer.dual(encoder).image
        return film_vectors(self._explorer.settings, order.corpus, tower, self._explorer.read_image, progress)

    def _projection(self, key: MapKey, vectors: NDArray[np.float32], progress: Progress, *, make: bool) -> Projection:
        try:
            return self._maps.open(key)
        except NotPrepared:
            if not make:
                raise
            return self._maps.make(key, vectors, progress)


def between(panel: Panel, found: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Return where a query is drawn: it is no part of the map, and lies between its hits, the nearer the heavier.

    found: rows with scores, at least one.
    """
    rows, scores = (np.array([[one[part] for one in found]]) for part in (0, 1))
    x, y = between_neighbours(panel.places, rows.astype(np.int32), scores.astype(np.float32))[0]
    return float(x), float(y)


def _pairs(studies: Studies, index: ReportIndex, films: FilmVectors) -> NDArray[np.int64]:
    row_of = dict(zip(studies.ids, row_of_each(studies, index), strict=True))
    pairs = [(row_of[study], film) for film, study in enumerate(films.studies) if study in row_of]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _with_films(one: Panel, gap: ModalityGap, texts: int) -> Panel:
    return Panel(one.encoder, one.projection, one.places, one.clusters, one.projection.places[texts:], gap)
