"""What searches ask of the vectors of a corpus, wherever they lie: on this machine or in a cluster."""

from __future__ import annotations

from typing import Protocol

from explorer.index import IndexKey
from explorer.store import Neighbour
from models.interfaces import Vectors


class VectorIndex(Protocol):
    """The distinct texts of a corpus in one encoder's space."""

    key: IndexKey

    @property
    def exact(self) -> bool:
        """Whether every row is looked at for a query."""
        ...

    @property
    def sample(self) -> Vectors:
        """[≤ 20,000, dim], rows that stand for all where only their mean or spread is asked for."""
        ...

    @property
    def centre(self) -> Vectors:
        """[dim], the mean vector of the texts."""
        ...

    def search(self, vectors: Vectors, k: int, allowed: frozenset[str] | None) -> list[list[Neighbour]]:
        """Return for each query the k nearest distinct texts, best first, ties by id."""
        ...

    def closer_than(self, score: float) -> float | None:
        """Return the share, 0–1, of unrelated pairs of texts this score is above; None where it is not known."""
        ...

    def vector_of(self, study: str) -> Vectors:
        """Return the vector [1, dim] of a study's text. Raises BadQuery if it has none in this scope."""
        ...
