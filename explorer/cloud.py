"""What is known of the studies on a map: where each lies, what it says, and by what it can be coloured or exported."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from explorer import clusters
from explorer.corpora.sections import scope_text
from explorer.errors import BadQuery
from explorer.index import ReportIndex
from explorer.language.findings import observations
from explorer.language.labels import LABELS
from explorer.modality import ModalityGap
from explorer.neighbourhoods import Floats
from explorer.projection import Projection
from explorer.types import Report, Scope

Codes = NDArray[np.int8]
Rows = NDArray[np.int32]
Tone = Literal["status", "steps", "groups"]  # of a colouring: a finding's statuses, an order, or neither

STATUSES = ("present", "uncertain", "absent", "not mentioned")
AGES = (20, 40, 60, 80)  # years at which a new group begins
UNKNOWN = "unknown"
MOST_GROUPS = 20  # groups with a colour of their own; the smaller ones share "other"
WITH_TEXTS = 20_000  # studies up to which the page gets every text; beyond, the words of one come when it is picked
LISTED = 200  # studies of a selection that are listed; all of them are counted and exported


@dataclass(frozen=True)
class Colouring:
    """One way to colour the studies: a group for each, and what the groups are called."""

    name: str
    tone: Tone
    labels: tuple[str, ...]
    codes: Codes  # [s], places in `labels`


@dataclass(frozen=True)
class Studies:
    """The studies of a corpus that have a text in one scope, in the order of the corpus."""

    corpus: str
    title: str
    scope: Scope
    reports: tuple[Report, ...]
    texts: tuple[str, ...]  # as stored, of the scope
    colourings: tuple[Colouring, ...]

    def __len__(self) -> int:
        return len(self.reports)

    @property
    def ids(self) -> list[str]:
        """Return the id of every study."""
        return [report.id for report in self.reports]

    def matching(self, words: str) -> Rows:
        """Return the studies whose text holds every one of the words, in any case, as rows."""
        wanted = words.casefold().split()
        if not wanted:
            return np.empty(0, np.int32)
        held = (text.casefold() for text in self.texts)
        return np.array([row for row, text in enumerate(held) if all(word in text for word in wanted)], np.int32)


@dataclass(frozen=True)
class Panel:
    """One encoder's map of the studies."""

    encoder: str
    projection: Projection
    places: Floats  # [s, 2]
    clusters: Colouring
    films: Floats = field(default_factory=lambda: np.empty((0, 2), np.float32))  # [f, 2], places of films among them
    gap: ModalityGap | None = None


@dataclass(frozen=True)
class Cloud:
    """Studies, and one map of them or two side by side."""

    studies: Studies
    panels: tuple[Panel, ...]

    def payload(self) -> dict[str, object]:
        """Return everything a browser needs to draw, JSON values only: arrays are base64 of little-endian numbers."""
        studies = self.studies
        return {
            "title": studies.title,
            "scope": studies.scope,
            "ids": studies.ids,
            "texts": list(studies.texts) if len(studies) <= WITH_TEXTS else None,
            "colourings": [_drawn(one) for one in studies.colourings],
            "panels": [_panel(one) for one in self.panels],
        }

    def picked(self, rows: Rows) -> dict[str, object]:
        """Return what a selection is told as: counts of each finding among it and in all, and the first studies."""
        counts = [
            {"finding": one.name, "selected": int((one.codes[rows] == 0).sum()), "all": int((one.codes == 0).sum())}
            for one in self.studies.colourings
            if one.tone == "status"
        ]
        listed = [self.line(int(row)) for row in rows[:LISTED]]
        return {"count": len(rows), "of": len(self.studies), "findings": counts, "studies": listed}

    def line(self, row: int) -> dict[str, object]:
        """Return a study as a line of a list."""
        return {"row": row, "id": self.studies.reports[row].id, "text": self.studies.texts[row]}

    def point(self, row: int, near: Sequence[tuple[int, float]], panel: int) -> dict[str, object]:
        """Return what is told of a study that is picked: its words, and the studies near it with their scores."""
        report = self.studies.reports[row]
        facts = (
            "" if report.meta.age is None else f"{report.meta.age} y",
            report.meta.sex or "",
            " + ".join(report.meta.views),
            report.source,
            report.licence,
        )
        return {
            "panel": panel,
            "row": row,
            "id": report.id,
            "facts": [fact for fact in facts if fact],
            "sections": [[name, text] for name, text in report.sections.items() if text.strip()],
            "score": self.panels[panel].projection.key.index.score,
            "near": [{**self.line(other), "score": round(score, 4)} for other, score in near],
        }

    def located(self, scores: Mapping[str, float]) -> list[tuple[int, float]]:
        """Return the studies of these ids that are on the map, as rows with their scores, in the order given."""
        known = {study: row for row, study in enumerate(self.studies.ids) if study in scores}
        return [(known[study], score) for study, score in scores.items() if study in known]

    def rows_in(self, bits: str) -> Rows:
        """Return the rows of a selection as a browser sends it: base64 of one bit a study, the lowest first.

        Raises BadQuery for what is not one of this map.
        """
        try:
            sent = np.frombuffer(base64.b64decode(bits, validate=True), np.uint8)
        except ValueError:
            sent = np.empty(0, np.uint8)
        if len(sent) != -(-len(self.studies) // 8):
            raise BadQuery("The selection is not one of this map. Draw the map again.")
        return np.flatnonzero(np.unpackbits(sent, count=len(self.studies), bitorder="little")).astype(np.int32)

    def columns(self, rows: Rows) -> dict[str, list[object]]:
        """Return the studies of a selection as a table: id, text, x and y first, as embedding viewers look for them."""
        reports = [self.studies.reports[row] for row in rows]
        first, *others = self.panels
        table: dict[str, list[object]] = {
            "id": [one.id for one in reports],
            "text": [self.studies.texts[row] for row in rows],
            "x": first.places[rows, 0].tolist(),
            "y": first.places[rows, 1].tolist(),
        }
        for panel in others:
            table[f"x_{panel.encoder}"] = panel.places[rows, 0].tolist()
            table[f"y_{panel.encoder}"] = panel.places[rows, 1].tolist()
        table |= {
            f"cluster_{panel.encoder}" if others else "cluster": _labels(panel.clusters, rows) for panel in self.panels
        }
        table |= {
            "age": [one.meta.age for one in reports],
            "sex": [one.meta.sex for one in reports],
            "views": [" + ".join(one.meta.views) for one in reports],
            "sections": [", ".join(sorted(one.sections)) for one in reports],
            "source": [one.source for one in reports],
            "licence": [one.licence for one in reports],
        }
        return table | {one.name: _labels(one, rows) for one in self.studies.colourings if one.tone == "status"}


def studies_of(reports: Iterable[Report], indexed: frozenset[str], corpus: str, title: str, scope: Scope) -> Studies:
    """Gather the reports that have a vector, with every way to colour them."""
    held = tuple(report for report in reports if report.id in indexed)
    texts = tuple(scope_text(report.sections, scope) for report in held)
    said = [observations(report.findings) for report in held]
    findings = [
        Colouring(name, "status", STATUSES, _coded([STATUSES.index(one.get(name, STATUSES[3])) for one in said]))
        for name in LABELS
        if any(name in one for one in said)
    ]
    others = (
        grouped("section", ["+".join(_sections(report)) or UNKNOWN for report in held]),
        grouped("view", [" + ".join(sorted(set(report.meta.views))) or UNKNOWN for report in held]),
        grouped("sex", [report.meta.sex or UNKNOWN for report in held]),
        grouped("source", [report.source for report in held]),
        _by_age([report.meta.age for report in held]),
    )
    return Studies(corpus, title, scope, held, texts, (*others, *findings))


def grouped(name: str, values: Sequence[str]) -> Colouring:
    """Return a colouring by value, the commonest first; beyond `MOST_GROUPS` the rest are "other"."""
    found, codes, counts = np.unique(np.array(values, str), return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    place = np.empty(len(found), np.int64)
    place[order] = np.arange(len(found))
    labels = [str(one) for one in found[order]]
    if len(labels) > MOST_GROUPS:
        labels = [*labels[: MOST_GROUPS - 1], "other"]
    return Colouring(name, "groups", tuple(labels), _coded(np.minimum(place[codes], len(labels) - 1)))


def panel(studies: Studies, index: ReportIndex, projection: Projection) -> Panel:
    """Return a map of the studies: each lies where its text does. Raises BadQuery if the map is of other texts."""
    rows = row_of_each(studies, index)
    if len(projection.places) < len(index.vectors):
        raise BadQuery("The map is one of other texts. Draw it again.")
    groups = projection.clusters[: len(index.vectors)]
    first = np.unique(rows, return_index=True)[1]
    named = clusters.names((studies.texts[one] for one in first), groups[rows[first]].tolist(), int(groups.max()) + 1)
    colouring = Colouring("cluster", "groups", named, _coded(groups[rows]))
    return Panel(index.key.encoder, projection, projection.places[rows], colouring)


def row_of_each(studies: Studies, index: ReportIndex) -> NDArray[np.int64]:
    """Return for each study [s] the row of its text in an index."""
    known = {study: row for row, group in enumerate(index.studies) for study in group}
    return np.array([known[study] for study in studies.ids], np.int64)


def packed(values: NDArray[np.generic]) -> str:
    """Return an array as base64 of its little-endian bytes."""
    return base64.b64encode(np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()).decode()


def _drawn(one: Colouring) -> dict[str, object]:
    return {"name": one.name, "tone": one.tone, "labels": list(one.labels), "codes": packed(one.codes)}


def _panel(one: Panel) -> dict[str, object]:
    kept, settings = one.projection.preservation, one.projection.key.settings
    return {
        "encoder": one.encoder,
        "x": packed(one.places[:, 0]),
        "y": packed(one.places[:, 1]),
        "clusters": _drawn(one.clusters),
        "films": {"x": packed(one.films[:, 0]), "y": packed(one.films[:, 1]), "count": len(one.films)},
        "centred": one.projection.key.centred,
        "gap": None if one.gap is None else vars(one.gap),
        "kept": vars(kept),
        "fitted": one.projection.fitted,
        "settings": vars(settings),
        "seconds": one.projection.seconds,
    }


def _sections(report: Report) -> list[str]:
    return [name for name in ("findings", "impression") if report.sections.get(name, "").strip()]


def _by_age(ages: Sequence[int | None]) -> Colouring:
    edges = (0, *AGES)
    labels = (*(f"{low}–{high - 1}" for low, high in zip(edges, AGES, strict=False)), f"{AGES[-1]} and over", UNKNOWN)
    codes = [len(labels) - 1 if age is None else int(np.searchsorted(AGES, age, side="right")) for age in ages]
    return Colouring("age", "steps", labels, _coded(codes))


def _labels(one: Colouring, rows: Rows) -> list[object]:
    return [one.labels[code] for code in one.codes[rows]]


def _coded(codes: Sequence[int] | NDArray[np.integer]) -> Codes:
    return np.asarray(codes, np.int8)
