"""A flat picture of an encoder's space: UMAP with a fixed seed, made once and kept.

It is made in a process of its own, which can be stopped at any moment and keeps nothing of the server waiting. What is
kept are places, clusters and how far to trust them, as `.npy` and JSON; never the fitted reducer, which is a pickle.
"""

from __future__ import annotations

import hashlib
import json
import re
import selectors
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from explorer.errors import BadQuery, StoreError
from explorer.files import Manifest, damaged, open_published, publish
from explorer.index import IndexKey
from explorer.neighbourhoods import Floats, Preservation, unit_rows
from explorer.progress import Progress, silent

FilmsShown = Literal["none", "beside", "centred"]
FILMS: tuple[FilmsShown, ...] = ("none", "beside", "centred")
NEIGHBOURS = (5, 15, 50)
SPREADS = (0.0, 0.1, 0.5)
CLUSTERS = (8, 12, 20)
FEWEST = 5  # distinct texts below which there is nothing to draw

_WHAT = "map"
_BEAT = 0.5  # seconds without a step after which the last one is told again
_PLACES, _CLUSTERS, _VECTORS, _ANSWER = "places.npy", "clusters.npy", "vectors.npy", "answer.json"
_PROJECT = Path(__file__).resolve().parents[1]
# The project comes last on the path: a folder in it must not be picked up in place of a library.
_START = "import sys; sys.path.append(sys.argv[1]); from explorer.projecting import main; main(*sys.argv[2:])"


@dataclass(frozen=True)
class MapSettings:
    """What decides a picture, chosen before it is made. Raises BadQuery for what is not offered."""

    neighbours: int = 15  # UMAP's n_neighbors: small keeps islands, large keeps the whole
    spread: float = 0.1  # UMAP's min_dist: how close points may lie
    clusters: int = 12  # k of k-means in the original space
    seed: int = 0

    def __post_init__(self) -> None:
        offered = (NEIGHBOURS, SPREADS, CLUSTERS)
        if any(one not in few for one, few in zip((self.neighbours, self.spread, self.clusters), offered, strict=True)):
            raise BadQuery(
                f"A map has {_either(NEIGHBOURS)} neighbours, a spread of {_either(SPREADS)} and {_either(CLUSTERS)} "
                "clusters. Choose among these."
            )


@dataclass(frozen=True)
class MapKey:
    """Everything that decides a map: the vectors by their index, what was put beside them, and the settings."""

    index: IndexKey
    settings: MapSettings
    films: str = ""  # sha256 of the films drawn among the texts, "" for none
    centred: bool = False  # texts and films each moved to a mean of zero

    @property
    def folder_name(self) -> str:
        """Return a name for the map's folder: readable, the same on every machine, different for every key."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return f"{self.index.readable}-{digest[:16]}"


@dataclass(frozen=True)
class Projection:
    """A finished map. Row i of each array belongs to row i of the vectors it was made from."""

    key: MapKey
    places: Floats  # [n, 2], no unit
    clusters: NDArray[np.int16]  # [n], 0 to settings.clusters − 1
    preservation: Preservation
    fitted: int  # points UMAP laid out; the others were placed between their neighbours among these
    seconds: float  # what it took to make


class Maps:
    """A folder of maps, one for each key."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "maps"
        self._films = cache / "films"
        self._turn = threading.Lock()  # one is made at a time

    def open(self, key: MapKey) -> Projection:
        """Return a map that was made before. Raises NotPrepared, Damaged, Foreign."""
        return open_published(self._folder / key.folder_name, _WHAT, lambda *kept: _load(key, *kept))

    def make(self, key: MapKey, vectors: Floats, progress: Progress = silent) -> Projection:
        """Lay out vectors [n, d], keep the result and return it. Maps of earlier states of the corpus are removed.

        progress: is told what is done and the share, 0–1; what it raises ends the work, and nothing is kept.
        Raises BadQuery for fewer than `FEWEST` rows, StoreError.
        """
        if len(vectors) < FEWEST:
            raise BadQuery(f"A map needs at least {FEWEST} different texts; there are {len(vectors):,}.")
        about: dict[str, object] = {"key": asdict(key)}

        def write(generation: Path) -> None:
            np.save(generation / _VECTORS, unit_rows(vectors), allow_pickle=False)
            _run(generation, key.settings, progress)
            (generation / _VECTORS).unlink()
            about["answer"] = json.loads((generation / _ANSWER).read_bytes())
            (generation / _ANSWER).unlink()

        with self._turn:
            publish(self._folder / key.folder_name, _WHAT, about, write)
        self._forget_earlier(key)
        return self.open(key)

    def drop(self, corpus: str) -> None:
        """Remove every map of a corpus, and the vectors of its films."""
        for folder in (*self._of(corpus), self._films / corpus):
            shutil.rmtree(folder, ignore_errors=True)

    def _forget_earlier(self, key: MapKey) -> None:
        for folder, about in self._of(key.index.corpus).items():
            if about["index"]["corpus_sha256"] != key.index.corpus_sha256:
                shutil.rmtree(folder, ignore_errors=True)

    def _of(self, corpus: str) -> dict[Path, Mapping[str, Any]]:
        found: dict[Path, Mapping[str, Any]] = {}
        prefix = re.sub(r"[^A-Za-z0-9_-]+", "_", corpus)
        for folder in sorted(self._folder.glob(f"{prefix}-*")):
            with suppress(StoreError):
                key = open_published(folder, _WHAT, lambda _, about: about["key"])
                if key["index"]["corpus"] == corpus:
                    found[folder] = key
        return found


def _load(key: MapKey, generation: Path, about: Manifest) -> Projection:
    places = np.load(generation / _PLACES, allow_pickle=False)
    clusters = np.load(generation / _CLUSTERS, allow_pickle=False)
    answer = about["answer"]
    points = answer["preservation"]["points"]
    if about["key"] != asdict(key) or places.shape != (points, 2) or clusters.shape != (points,):
        raise damaged(_WHAT)
    return Projection(
        key, places, clusters, Preservation(**answer["preservation"]), answer["fitted"], answer["seconds"]
    )


def _run(folder: Path, settings: MapSettings, progress: Progress) -> None:
    """Let a child process make the map in `folder`; it is ended with whatever ends this."""
    child = subprocess.Popen(
        [sys.executable, "-I", "-W", "ignore", "-c", _START, str(_PROJECT), str(folder), json.dumps(asdict(settings))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        bufsize=0,
        start_new_session=True,  # Ctrl-C in the terminal is ours to handle
    )
    try:
        for share, what in _steps(child.stdout):
            progress(what, share)
    finally:
        child.kill()
        child.wait()
    if not (folder / _ANSWER).is_file():
        raise StoreError("The map could not be made: its process ended early. Make room in memory, and draw it again.")


def _steps(lines: IO[bytes] | None) -> Iterator[tuple[float, str]]:
    """Yield each step of the child; the last one again while none comes, so that whoever is told can end the work."""
    last = (0.0, "Starting")
    yield last
    if lines is None:
        return
    with selectors.DefaultSelector() as ready:
        ready.register(lines, selectors.EVENT_READ)
        while True:
            if ready.select(_BEAT):
                line = lines.readline()
                if not line:
                    return
                last = _step(line.decode("utf-8", "replace")) or last
            yield last


def _step(line: str) -> tuple[float, str] | None:
    """Return a step as the child writes it; None for what a library prints."""
    share, _, what = line.strip().partition(" ")
    try:
        return float(share), what
    except ValueError:
        return None


def _either(values: tuple[float, ...]) -> str:
    return f"{', '.join(f'{value:g}' for value in values[:-1])} or {values[-1]:g}"
