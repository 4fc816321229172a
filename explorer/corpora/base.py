"""What every corpus reader returns."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.types import Report


@dataclass(frozen=True)
class Corpus:
    """A whole corpus as read from its source, with the terms under which its text may be shown."""

    name: str  # "openi"
    title: str  # for the screen
    licence: str
    attribution: str  # the citation its owners ask for
    sha256: str  # over the source files, so that an index can tell whose vectors it holds
    reports: tuple[Report, ...]
