"""Queries that arrive together share one run of a tower."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.interfaces import Dual, EncoderInfo, FilmPatches, ImageEncoder, PatchEncoder, TextEncoder, Vectors

MOST = 16  # queries in one run: as many as the server lets wait
Item = TypeVar("Item")
Film = NDArray[np.uint8]


@dataclass(eq=False)
class _Waiting(Generic[Item]):
    """One query in line; `vector` or `error` is set once it has been run."""

    item: Item
    group: str  # only queries of one group can share a run
    vector: Vectors | None = None
    error: Exception | None = None

    @property
    def settled(self) -> bool:
        return self.vector is not None or self.error is not None


class _Line(Generic[Item]):
    """Whoever finds the tower free runs it for everyone in line.

    There is no thread of its own and nobody waits for company: a lone query is as fast as without.
    """

    def __init__(self, run: Callable[[Sequence[Item], str], Vectors]) -> None:
        self._encode = run
        self._waiting: list[_Waiting[Item]] = []
        self._changing = threading.Lock()
        self._running = threading.Lock()

    def vector_of(self, item: Item, group: str) -> Vectors:
        """Return [1, d]. Raises what the tower raises for this item."""
        mine = _Waiting(item, group)
        with self._changing:
            self._waiting.append(mine)
        with self._running:
            while not mine.settled:
                self._run(self._next_batch())
        if mine.vector is None:
            raise mine.error or RuntimeError
        return mine.vector

    def _next_batch(self) -> list[_Waiting[Item]]:
        """Take the first in line, and those behind it that can share its run."""
        with self._changing:
            batch = [one for one in self._waiting if one.group == self._waiting[0].group][:MOST]
            self._waiting = [one for one in self._waiting if one not in batch]
        return batch

    def _run(self, batch: Sequence[_Waiting[Item]]) -> None:
        try:
            vectors = self._encode([one.item for one in batch], batch[0].group)
            for one, vector in zip(batch, vectors, strict=True):
                one.vector = np.asarray(vector)[None]
        except Exception as error:  # noqa: BLE001 - given to those who asked
            self._run_apart(batch, error)

    def _run_apart(self, batch: Sequence[_Waiting[Item]], error: Exception) -> None:
        """Let only those fail whose own query the tower cannot take."""
        if len(batch) == 1:
            batch[0].error = error
        else:
            for one in batch:
                self._run([one])


class SharedTexts:
    """`TextEncoder` over another: single texts that arrive while it runs are encoded together in its next run.

    Lists of texts, as a corpus has them, go straight through. Safe to call from many threads.
    """

    def __init__(self, tower: TextEncoder) -> None:
        self._tower = tower
        self._line: _Line[str] = _Line(tower.encode)

    @property
    def info(self) -> EncoderInfo:
        """Return the tower's description."""
        return self._tower.info

    def encode(self, texts: Sequence[str], instruction: str = "") -> Vectors:
        """Encode texts → [n, d] float32. Raises what the tower raises for these texts."""
        if len(texts) == 1:
            return self._line.vector_of(texts[0], instruction)
        return self._tower.encode(texts, instruction)


class SharedFilms:
    """`ImageEncoder` over another, as `SharedTexts`."""

    def __init__(self, tower: ImageEncoder) -> None:
        self._tower = tower
        self._line: _Line[Film] = _Line(lambda films, _: tower.encode(films))

    @property
    def info(self) -> EncoderInfo:
        """Return the tower's description."""
        return self._tower.info

    def encode(self, images: Sequence[Film]) -> Vectors:
        """Encode grey films, each [h, w] → [n, d] float32. Raises what the tower raises for these films."""
        if len(images) == 1:
            return self._line.vector_of(images[0], "")
        return self._tower.encode(images)


class SharedPlaces(SharedFilms):
    """`SharedFilms` over a tower that tells places apart; a film's places are made for whoever asks, one by one."""

    def __init__(self, tower: PatchEncoder) -> None:
        super().__init__(tower)
        self._places = tower

    def patches(self, image: Film) -> FilmPatches:
        """Encode the places of a grey film [h, w]."""
        return self._places.patches(image)


def shared(dual: Dual) -> Dual:
    """Let queries share the runs of both towers."""
    films = SharedPlaces(dual.image) if isinstance(dual.image, PatchEncoder) else SharedFilms(dual.image)
    return replace(dual, text=SharedTexts(dual.text), image=films)
