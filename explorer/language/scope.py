"""Whether a finding is there: negation, doubt and alternatives, by the words around it.

After NegEx (Chapman et al. 2001, https://doi.org/10.1006/jbin.2001.1029): a cue reaches forward or back until a
word that ends it. Ours adds lists ("No A, B, or C"), alternatives ("A versus B") and hedges hidden by redaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from explorer.language.headings import heading_end
from explorer.language.phrases import Match, Phrases, Word, table
from explorer.types import Status

_LISTED = frozenset({"or", "nor"})
_JOINS = frozenset({",", "and"})
_REACH = 40  # words a cue reaches forward: the longest lists of negatives
_BACK_REACH = 9  # words between a finding and what is said of it afterwards
_ALTERNATIVE_REACH = (6, 5)  # words before and after "or", "versus"
_SLASH_REACH = (0, 3)


@dataclass(frozen=True)
class Cue:
    """What a cue word does, and on which side of it the finding stands."""

    kind: Literal["negation", "uncertainty", "claim", "alternative", "none", "stop"]
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
        stops = tuple(cue.first for cue in cues if cue.meaning.kind == "stop")
        return Scope(tuple(among), tuple(places), tuple(cues), stops, fresh, loose, heading_end(among, inside))


@dataclass(frozen=True)
class Scope:
    """One sentence with its cues."""

    among: tuple[Word, ...]
    places: tuple[Place, ...]
    cues: tuple[Match[Cue], ...]
    stops: tuple[int, ...]
    fresh: frozenset[int]  # words that open a new statement after a comma
    loose: frozenset[int]  # words that may stand between the items of a list
    heading: int  # the colon of a heading that names places, 0 without one

    def statuses(self) -> tuple[Status, ...]:
        """Return the status of every place; one that is said, but as an alternative, is uncertain."""
        said = [self.status(place) for place in self.places]
        for left, right in self._alternatives():
            if "absent" not in (said[left], said[right]):
                said[left] = said[right] = "uncertain"
        return tuple(said)

    def status(self, place: Place) -> Status:
        """Return the status the cues give to a place: denied before doubted before said."""
        kinds = {self._answer()} if place.stop <= self.heading else {self._ahead(place), self._behind(place)}
        if "negation" in kinds:
            return "absent"
        return "uncertain" if "uncertainty" in kinds else "present"

    def _answer(self) -> str:
        """The kind of the cue that a heading's colon introduces ("LINES: none"); "" if something else follows."""
        return next((cue.meaning.kind for cue in self.cues if cue.first == self.heading + 1), "")

    def _ahead(self, place: Place) -> str:
        """The kind of the nearest cue before a place that reaches it; "" if none does.

        "No opacity to suggest pneumonia": a claim gives way to a denial before it.
        """
        claimed = ""
        for cue in reversed(self.cues):
            if cue.stop > place.first or cue.meaning.side not in ("before", "either"):
                continue
            if not self._reaches(cue.stop, place.first):
                return claimed
            if cue.meaning.kind == "claim":
                claimed = "uncertainty"
            elif cue.meaning.kind == "negation" or not claimed:
                return cue.meaning.kind
        return claimed

    def _behind(self, place: Place) -> str:
        """The kind of the nearest cue after a place that reaches back to it; "" if none does."""
        for cue in self.cues:
            if cue.first - place.stop > _BACK_REACH:
                return ""
            if cue.first < place.stop or cue.meaning.side not in ("after", "either"):
                continue
            if cue.meaning.side == "after" or not self._has_its_own(cue):
                return cue.meaning.kind if self._reaches_back(place.stop, cue.first) else ""
        return ""

    def _has_its_own(self, cue: Match[Cue]) -> bool:
        """Whether a cue of either side has a place after it, so that it says nothing of those before."""
        after = next((place for place in self.places if place.first >= cue.stop), None)
        return after is not None and self._reaches(cue.stop, after.first)

    def _reaches(self, start: int, goal: int) -> bool:
        if goal - start > _REACH or self._stopped(start, goal):
            return False
        return all(self._continues(join, goal) for join in range(start, goal) if self.among[join].form in _JOINS)

    def _continues(self, join: int, goal: int) -> bool:
        """Whether a comma or "and" goes on with the same list up to the goal."""
        following = join + 1
        if self.among[join].form == "," and self.among[following].form in {"and", "or", "nor"}:
            following += 1
        if following in self.fresh and following < goal:
            return False
        if self.among[join].form == "and" or all(index in self.loose for index in range(join + 1, goal)):
            return True
        ahead = range(join + 1, min(join + _REACH, len(self.among)))
        listed = next((index for index in ahead if self.among[index].form in _LISTED), None)
        return listed is not None and not self._stopped(join, listed)

    def _reaches_back(self, start: int, goal: int) -> bool:
        commas = [index for index in range(start, goal) if self.among[index].form == ","]
        return not self._stopped(start, goal) and (not commas or commas == [goal - 1])

    def _stopped(self, start: int, goal: int) -> bool:
        return any(start <= stop < goal for stop in self.stops)

    def _alternatives(self) -> Iterator[tuple[int, int]]:
        """The pairs of places, by number, of which a sentence says that it is one or the other."""
        for cue in self.cues:
            pair = self._around(cue) if cue.meaning.kind == "alternative" else None
            if pair and self.places[pair[0]].name != self.places[pair[1]].name:
                yield pair

    def _around(self, cue: Match[Cue]) -> tuple[int, int] | None:
        left_reach, right_reach = _SLASH_REACH if self.among[cue.first].form == "/" else _ALTERNATIVE_REACH
        comma = 1 if cue.first and self.among[cue.first - 1].form == "," else 0
        places = list(enumerate(self.places))
        left = [number for number, place in places if 0 <= cue.first - comma - place.stop <= left_reach]
        right = [number for number, place in places if 0 <= place.first - cue.stop <= right_reach]
        if not left or not right or self._stopped(self.places[left[-1]].stop, self.places[right[0]].first):
            return None
        return left[-1], right[0]
