"""Where a finding is, on which side, and how much of it there is, from the words beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from explorer.language.phrases import Match, Phrases, Word, table

SEVERITIES: tuple[str, ...] = ("trace", "minimal", "mild", "moderate", "severe")
_BOUNDS = frozenset({",", ";", ":", "and", "with", "without", "or", "but", "/", "versus", "vs"})
_VAGUE = frozenset({"lung", "hemithorax"})

T = TypeVar("T")
Span = tuple[int, int]  # first word, word after the last


@dataclass(frozen=True)
class Anatomy:
    """Canonical words; "" where the report does not say."""

    location: str  # several are joined by ", " in the order of the text
    laterality: str  # "left" | "right" | "bilateral" | ""
    severity: str  # one of `SEVERITIES`, or ""


class AnatomyReader:
    """Reads the surroundings of the findings of one sentence."""

    def __init__(self, places: Phrases[tuple[str, str]], severities: Phrases[str]) -> None:
        self._places = places
        self._severities = severities

    @classmethod
    def open(cls) -> AnatomyReader:
        """Read `anatomy.tsv` and `severity.tsv`."""
        places = ((row["phrase"], (row["location"], row["laterality"])) for row in table("anatomy.tsv"))
        severities = ((row["phrase"], row["severity"]) for row in table("severity.tsv"))
        return cls(Phrases(places), Phrases(severities))

    def read(self, among: Sequence[Word], spans: Sequence[Span]) -> tuple[Anatomy, ...]:
        """Return the anatomy of each span, which are in order of place.

        The words before a finding speak first, those after it ("in the left base") only where the former are
        silent; the words of a neighbour are not borrowed.
        """
        places = self._places.find(among)
        severities = self._severities.find(among)
        return tuple(_anatomy(places, severities, *_windows(among, spans, span)) for span in spans)


def _anatomy(
    places: Sequence[Match[tuple[str, str]]], severities: Sequence[Match[str]], before: Span, after: Span
) -> Anatomy:
    near, far = _inside(places, before), _inside(places, after)
    grades = _inside(severities, before) or _inside(severities, after)
    return Anatomy(
        _location([where for where, _ in near]) or _location([where for where, _ in far]),
        _side([side for _, side in near]) or _side([side for _, side in far]),
        max(grades, key=SEVERITIES.index, default=""),
    )


def _windows(among: Sequence[Word], spans: Sequence[Span], span: Span) -> tuple[Span, Span]:
    """The words before a finding, its own included, and those after it, that can belong to it."""
    first, stop = span
    start = max((end for _, end in spans if end <= first), default=0)
    goal = min((other for other, _ in spans if other >= stop), default=len(among))
    if start:
        bounds = [index for index in range(start, first) if among[index].form in _BOUNDS]
        start = bounds[-1] if bounds else start
    if goal < len(among):
        bounds = [index for index in range(stop, goal) if among[index].form in _BOUNDS]
        goal = bounds[-1] if bounds else goal
    return (start, stop), (stop, goal)


def _inside(matches: Sequence[Match[T]], window: Span) -> list[T]:
    return [match.meaning for match in matches if window[0] <= match.first and match.stop <= window[1]]


def _location(words: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(word for word in words if word))
    exact = [word for word in distinct if word not in _VAGUE]
    return ", ".join(exact or distinct)


def _side(words: Sequence[str]) -> str:
    sides = {word for word in words if word}
    return sides.pop() if len(sides) == 1 else "bilateral" if sides else ""
