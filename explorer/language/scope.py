"""Whether a finding is there: negation, doubt and alternatives, by the words around it.

After NegEx (Chapman et al. 2001, https://doi.org/10.1006/jbin.2001.1029): a cue reaches forward or back until a
word that ends it. Ours adds lists ("No A, B, or C"), alternatives ("A versus B") and hedges hidden by redaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from explorer.language.phrases import Match, Phrases, Word, table
from explorer.types import Status

_LISTED = frozenset({"or", "nor"})
_JOINS = frozenset({",", "and"})
_BACK_REACH = 9  # words between a finding and what is said of it afterwards
_ALTERNATIVE_REACH = (6, 5)  # words before and after "or", "versus"
_SLASH_REACH = (0, 3)


@dataclass(frozen=True)
class Cue:
    """What a cue word does, and on which side of it the finding stands."""

    kind: Literal["negation", "uncertainty", "alternative", "none", "stop"]
    side: Literal["before", "after", "either", "-"]


@dataclass(frozen=True)
class Place:
    """Where something is named among words, from `first` to before `stop`."""

    name: str
    first: int
    stop: int


class ScopeReader:
    """Reads the status of places in one sentence."""

    def __init__(self, cues: Phrases[Cue], fresh: Phrases[str], listed: frozenset[str]) -> None:
        self._cues = cues
        self._fresh = fresh
        self._listed = listed

    @classmethod
    def open(cls) -> ScopeReader:
        """Read `cues.tsv`."""
        rows = [(row["kind"], row["side"], row["phrase"]) for row in table("cues.tsv")]
        cues = ((phrase, Cue(kind, side)) for kind, side, phrase in rows if kind not in ("fresh", "list"))  # type: ignore[arg-type]
        fresh = ((phrase, kind) for kind, _, phrase in rows if kind == "fresh")
        listed = frozenset(phrase for kind, _, phrase in rows if kind == "list")
        return cls(Phrases(cues), Phrases(fresh), listed)

    def sentence(self, among: Sequence[Word], places: Sequence[Place], used: Iterable[int]) -> Scope:
        """Return the reading of one sentence in which `places` are named; words already `used` are no cues."""
        inside = {index for place in places for index in range(place.first, place.stop)}
        spent = inside.union(used)
        cues = [cue for cue in self._cues.find(among) if spent.isdisjoint(cue.named)]
        fresh = frozenset(match.first for match in self._fresh.find(among))
        loose = frozenset(
            i for i, word in enumerate(among) if i in inside or word.form == "," or word.form in self._listed
        )
        return Scope(tuple(among), tuple(places), tuple(cues), fresh, loose)


@dataclass(frozen=True)
class Scope:
    """One sentence with its cues."""

    among: tuple[Word, ...]
    places: tuple[Place, ...]
    cues: tuple[Match[Cue], ...]
    fresh: frozenset[int]  # words that open a new statement after a comma
    loose: frozenset[int]  # words that may stand between the items of a list

    def status(self, place: Place) -> Status:
        """Return the status of a place: denied before doubted before said."""
        said = self._single(place)
        if said == "present" and any(place in pair for pair in self._alternatives()):
            return "uncertain"
        return said

    def _single(self, place: Place) -> Status:
        kinds = {self._ahead(place), self._behind(place)}
        if "negation" in kinds:
            return "absent"
        return "uncertain" if "uncertainty" in kinds else "present"

    def _ahead(self, place: Place) -> str:
        """The kind of the nearest cue before a place that reaches it; "" if none does."""
        for cue in reversed(self.cues):
            if cue.stop > place.first or cue.meaning.side not in ("before", "either"):
                continue
            if not self._reaches(cue.stop, place.first):
                return ""
            if cue.meaning.side == "before" or self._first_after(cue) is not None:
                return cue.meaning.kind
        return ""

    def _behind(self, place: Place) -> str:
        """The kind of the nearest cue after a place that reaches back to it; "" if none does."""
        for cue in self.cues:
            if cue.first < place.stop or cue.meaning.side not in ("after", "either"):
                continue
            if cue.meaning.side == "either" and self._first_after(cue) is not None:
                continue
            return cue.meaning.kind if self._reaches_back(place.stop, cue.first) else ""
        return ""

    def _first_after(self, cue: Match[Cue]) -> Place | None:
        after = (place for place in self.places if place.first >= cue.stop)
        nearest = min(after, key=lambda place: place.first, default=None)
        return nearest if nearest and self._reaches(cue.stop, nearest.first) else None

    def _reaches(self, start: int, goal: int) -> bool:
        if self._stopped(start, goal):
            return False
        return all(self._continues(join, goal) for join in range(start, goal) if self.among[join].form in _JOINS)

    def _continues(self, join: int, goal: int) -> bool:
        """Whether a comma or "and" goes on with the same list up to the goal."""
        following = join + 1
        if self.among[join].form == "," and self.among[following].form in {"and", "or", "nor"}:
            following += 1
        if following in self.fresh and following < goal:
            return False
        if self.among[join].form == "and" or all(i in self.loose for i in range(join + 1, goal)):
            return True
        return any(
            self.among[later].form in _LISTED and not self._stopped(join, later)
            for later in range(join + 1, len(self.among))
        )

    def _reaches_back(self, start: int, goal: int) -> bool:
        commas = [i for i in range(start, goal) if self.among[i].form == ","]
        near = goal - start <= _BACK_REACH and not self._stopped(start, goal)
        return near and (not commas or commas == [goal - 1])

    def _stopped(self, start: int, goal: int) -> bool:
        return any(cue.meaning.kind == "stop" and start <= cue.first < goal for cue in self.cues)

    def _alternatives(self) -> list[tuple[Place, ...]]:
        """The groups of different findings of which a sentence says that it is one or the other."""
        groups = (self._around(cue) for cue in self.cues if cue.meaning.kind == "alternative")
        return [group for group in groups if len({place.name for place in group}) > 1]

    def _around(self, cue: Match[Cue]) -> tuple[Place, ...]:
        slash = self.among[cue.first].form == "/"
        left_reach, right_reach = _SLASH_REACH if slash else _ALTERNATIVE_REACH
        comma = 1 if cue.first and self.among[cue.first - 1].form == "," else 0
        left = [place for place in self.places if 0 <= cue.first - comma - place.stop <= left_reach]
        right = [place for place in self.places if 0 <= place.first - cue.stop <= right_reach]
        if not left or not right or self._stopped(left[-1].stop, right[0].first):
            return ()
        if any(self._single(place) == "absent" for place in (left[-1], right[0])):
            return ()
        return (left[-1], right[0])
