"""What every corpus reader is asked for, and what it gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from explorer.corpora.sections import SectionRule, scope_text
from explorer.corpora.split import Split, in_split
from explorer.errors import CorpusMissing
from explorer.types import Report

Views = Literal["any", "frontal"]


@dataclass(frozen=True)
class Corpus:
    """A whole corpus as read from its source, with the terms under which its text may be shown."""

    name: str  # "openi"
    title: str  # for the screen
    licence: str
    attribution: str  # the citation its owners ask for
    sha256: str  # over the source files, so that an index can tell whose vectors it holds
    reports: tuple[Report, ...]
    splits: Mapping[str, Split] = field(default_factory=dict)  # study → split; empty for Open-I

    def of(self, split: Split) -> tuple[Report, ...]:
        """Return the reports of a split, as `in_split` does."""
        return in_split(self.reports, split, self.splits)


@dataclass(frozen=True)
class Place:
    """Where a corpus lies on this machine. Never shown, and never part of what is searched."""

    root: Path | None = None
    mapping: Path | None = None  # for `table`: which column is which


@dataclass(frozen=True)
class Options:
    """Which studies are taken, and which of their words."""

    views: Views = "any"  # "frontal": frontal films only, and studies that have one
    sections: SectionRule = "source"
    split: Split | None = None  # None: all


@dataclass(frozen=True)
class Film:
    """One radiograph of a study."""

    name: str  # as the source writes it
    path: Path | None  # None where the source has no films on this machine
    frontal: bool


@dataclass(frozen=True)
class Study:
    """One study: its report, its films on this machine, and the split of its patient."""

    report: Report
    split: Split | None = None  # None where it does not matter any more: read back from prepared reports
    films: tuple[Film, ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """Something that is missing or cannot be read. It is counted and listed, never replaced."""

    study: str  # id of the study it belongs to, as in `Report.id`
    item: str  # what it is, as the source writes it
    reason: str


@dataclass(frozen=True)
class Source:
    """A corpus that is read once, one study after another: memory does not grow with it."""

    name: str
    title: str
    licence: str
    attribution: str
    total: int  # studies there are to read, for progress
    items: Iterable[Study | LeftOut]
    sha256: str = ""  # of the source files where they are few; "" where the reports themselves are to be summed up


def selected(items: Iterable[Study | LeftOut], options: Options) -> Iterator[Study | LeftOut]:
    """Keep the studies and films the options ask for, and list what of them is not there.

    A study without findings and impression is kept and listed: it can be counted and shown, but not searched.
    """
    for item in items:
        if isinstance(item, LeftOut):
            yield item
        elif options.split is None or item.split == options.split:
            yield from _checked(item, options)


def root_of(place: Place, what: str) -> Path:
    """Return the folder of a corpus. Raises CorpusMissing if none is named, or it is not there."""
    if place.root is None:
        raise CorpusMissing(f"Say where {what} lies on this machine: --root DIR.")
    if not place.root.is_dir():
        raise CorpusMissing(f"The folder named for {what} is not there, or is no folder. Check --root.")
    return place.root


def only_file(root: Path, pattern: str, what: str) -> Path:
    """Return the file of a pattern, the last by name if there are several. Raises CorpusMissing."""
    found = sorted(root.glob(pattern))
    if not found:
        raise CorpusMissing(f"{what} needs the file {pattern} in its folder. Check --root.")
    return found[-1]


def _checked(study: Study, options: Options) -> Iterator[Study | LeftOut]:
    name = study.report.id
    films = study.films
    if options.views == "frontal":
        films = tuple(film for film in films if film.frontal)
        if not films:
            yield LeftOut(name, name, "no frontal film")
            return
    missing = tuple(film for film in films if film.path is not None and not _has_content(film.path))
    for film in missing:
        yield LeftOut(name, film.name, "the film is missing or empty")
    if not scope_text(study.report.sections, "report"):
        yield LeftOut(name, name, "no findings and no impression: kept, but not searched")
    yield replace(study, films=tuple(film for film in films if film not in missing))


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
