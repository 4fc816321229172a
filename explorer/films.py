"""The films of a corpus as vectors in the space they share with reports: a sample, encoded once and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explorer import preparing
from explorer.corpora import open_source
from explorer.corpora.base import Study
from explorer.corpora.split import Split
from explorer.errors import BadQuery, IntakeError, NotPrepared, TowerError
from explorer.files import Manifest, damaged, open_published, publish
from explorer.neighbourhoods import Floats
from explorer.progress import Progress
from explorer.settings import Settings
from explorer.store import CorpusInfo
from explorer.types import QueryImage
from models.interfaces import ImageEncoder

MOST = 500  # films encoded at most, drawn by a fixed seed where there are more
FEWEST = 10  # films below which a cloud of them says nothing

_WHAT = "films"
_VECTORS = "vectors.npy"
_AT_ONCE = 8


@dataclass(frozen=True)
class FilmVectors:
    """Frontal films of a corpus. Holds no pixel and no path."""

    studies: tuple[str, ...]  # the study of each
    vectors: Floats  # [f, d]
    unread: int  # films of the sample that could not be read

    @property
    def digest(self) -> str:
        """Return the sha256 of what is in here."""
        named = json.dumps(self.studies).encode()
        return hashlib.sha256(named + np.ascontiguousarray(self.vectors).tobytes()).hexdigest()


def film_vectors(
    settings: Settings, corpus: str, tower: ImageEncoder, read: Callable[[bytes], QueryImage], progress: Progress
) -> FilmVectors:
    """Return a sample of a corpus's frontal films in the tower's space, from disk or encoded now.

    read: decodes a file, in the sandbox. Raises BadQuery where the corpus has fewer than `FEWEST` films on this
    machine, TowerError, StoreError.
    """
    chosen = _sample(frontal_films(settings, corpus))
    named = json.dumps([corpus, tower.info.name, tower.info.revision, [study for study, _ in chosen]])
    folder = settings.cache / "films" / corpus / hashlib.sha256(named.encode()).hexdigest()[:16]
    try:
        return open_published(folder, _WHAT, _load)
    except NotPrepared:
        made = _encoded(chosen, tower, read, progress)
        about = {"studies": list(made.studies), "unread": made.unread, "dim": tower.info.dim}
        publish(folder, _WHAT, about, lambda place: np.save(place / _VECTORS, made.vectors, allow_pickle=False))
        return made


def frontal_films(settings: Settings, corpus: str, split: Split | None = None) -> list[tuple[str, Path]]:
    """Return (study, file) of the frontal films of a prepared corpus that lie on this machine; of a split, if named.

    Raises CorpusError if the source is not there any more.
    """
    order = preparing.remembered(settings, corpus)
    if order is None:
        return []
    source = open_source(order.reader, order.place, order.options)
    studies = (item for item in source.items if isinstance(item, Study) and split in (None, item.split))
    return [(one.report.id, film.path) for one in studies for film in one.films if film.frontal and film.path]


def film_corpora(settings: Settings) -> tuple[CorpusInfo, ...]:
    """Return the prepared corpora that were read from a folder of this machine, which may hold films; also those that
    have films alone.
    """
    return tuple(store.info for store in preparing.prepared_beside(settings, "") if store.origin.get("root"))


def _sample(films: Sequence[tuple[str, Path]]) -> list[tuple[str, Path]]:
    if len(films) < FEWEST:
        raise BadQuery(
            f"This corpus has {len(films)} frontal films on this machine; {FEWEST} are needed for a cloud of films. "
            "Prepare it with its films: `python -m explorer index build --corpus NAME --root DIR`."
        )
    if len(films) <= MOST:
        return list(films)
    drawn = np.random.default_rng(0).choice(len(films), MOST, replace=False)
    return [films[row] for row in sorted(drawn)]


def _encoded(
    films: Sequence[tuple[str, Path]], tower: ImageEncoder, read: Callable[[bytes], QueryImage], progress: Progress
) -> FilmVectors:
    studies: list[str] = []
    vectors: list[NDArray[np.float32]] = []
    unread = 0
    for start in range(0, len(films), _AT_ONCE):
        progress("Encoding films", start / len(films))
        pixels: list[NDArray[np.uint8]] = []
        for study, path in films[start : start + _AT_ONCE]:
            try:
                pixels.append(read(path.read_bytes()).pixels)
                studies.append(study)
            except (OSError, IntakeError):
                unread += 1
        if pixels:
            vectors.append(_checked(tower, tower.encode(pixels), len(pixels)))
    if len(studies) < FEWEST:
        raise BadQuery(f"Of {len(films)} films only {len(studies)} could be read: too few for a cloud of films.")
    return FilmVectors(tuple(studies), np.concatenate(vectors), unread)


def _checked(tower: ImageEncoder, vectors: Floats, count: int) -> Floats:
    if vectors.shape != (count, tower.info.dim) or not np.isfinite(vectors).all():
        raise TowerError(f"The image tower {tower.info.name!r} gave vectors that cannot be used. Choose another.")
    return vectors


def _load(folder: Path, about: Manifest) -> FilmVectors:
    vectors = np.load(folder / _VECTORS, allow_pickle=False)
    if vectors.shape != (len(about["studies"]), about["dim"]):
        raise damaged(_WHAT)
    return FilmVectors(tuple(about["studies"]), vectors, about["unread"])
