"""The ways to rank, as a person chooses them, and where their towers come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from models.interfaces import Dual, TextEncoder, UnknownTower

WORDS = "bm25"


@dataclass(frozen=True)
class RankerChoice:
    """A way to rank, as a person chooses it."""

    name: str
    label: str
    kinds: frozenset[Literal["text", "image"]]  # what it can be asked with; both together needs "image"
    note: str  # "" or how it falls short


def chosen(choices: Sequence[RankerChoice], name: str) -> RankerChoice:
    """Return the way to rank of a name. Raises UnknownTower with the known ones."""
    for choice in choices:
        if choice.name == name:
            return choice
    known = ", ".join(choice.name for choice in choices)
    raise UnknownTower(f"There is no encoder {name!r}. Known: {known}. `python -m explorer doctor` tells of each.")


class Towers(Protocol):
    """Where the towers come from; loads each at most once."""

    def text(self, name: str) -> TextEncoder:
        """Return a report-space encoder. Raises TowerError."""
        ...

    def dual(self, name: str) -> Dual:
        """Return two towers with a shared space. Raises TowerError."""
        ...
