"""What a report says of an organ: "heart size is normal", "clear lungs", "blunted costophrenic angle"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from explorer.language.phrases import Match, Phrases, Word, table

_ANY = "any"
_FARTHEST = 14  # words between an organ and what is said of it
_ADJECTIVES = frozenset(
    {"of", "the", "in", "right", "left", "both", "bilateral", "lateral", "posterior", "anterior", "upper", "lower"}
    | {"visualized", "visualised", "imaged", "remaining", "overall", "cardiac", "thoracic", "pulmonary", "size"}
)
_JOINED = _ADJECTIVES | {"and", "or", ",", "/", "as", "well", "a", "to", "contour", "silhouette"}
_NOUN_ENDS = frozenset({",", ";", ":", "with", "and", "or", "but", "of", "in", "without"})
_NEAREST_NOUN = 3


@dataclass(frozen=True)
class Organ:
    """The findings an organ's state decides, and the family of states that can be said of it."""

    findings: tuple[str, ...]  # empty: an organ that only keeps its state to itself
    family: str


@dataclass(frozen=True)
class Said:
    """An organ, and the state said of it: "absent", "present" or "uncertain"."""

    organ: Match[Organ]
    state: Match[str]


class OrganReader:
    """Finds organs in a sentence and pairs each with what is said of it."""

    def __init__(self, organs: Phrases[Organ], states: Mapping[str, Phrases[str]]) -> None:
        self._organs = organs
        self._states = states

    @classmethod
    def open(cls) -> OrganReader:
        """Read `organs.tsv` and `states.tsv`."""
        rows = [(row["family"], row["status"], row["phrase"]) for row in table("states.tsv")]
        families = {family for family, _, _ in rows} - {_ANY}
        states = {
            family: Phrases((phrase, status) for of, status, phrase in rows if of in (family, _ANY))
            for family in families
        }
        organs = ((row["phrase"], Organ(_names(row["finding"]), row["family"])) for row in table("organs.tsv"))
        return cls(Phrases(organs), states)

    def read(self, among: Sequence[Word], named: Sequence[Match[object]]) -> Iterator[Said]:
        """Yield what is said of each organ; words of the findings already `named` are no organs."""
        taken = {index for match in named for index in match.named}
        organs = [organ for organ in self._organs.find(among) if taken.isdisjoint(organ.named)]
        families = {organ.meaning.family for organ in organs if organ.meaning.findings}
        states = {family: self._states_in(among, family, taken) for family in families}
        for organ in organs:
            if organ.meaning.findings:
                state = _Clause(among, organs, named, states[organ.meaning.family]).state_of(organ)
                if state is not None:
                    yield Said(organ, state)

    def _states_in(self, among: Sequence[Word], family: str, taken: set[int]) -> list[Match[str]]:
        return [state for state in self._states[family].find(among) if taken.isdisjoint(state.named)]


@dataclass(frozen=True)
class _Clause:
    among: Sequence[Word]
    organs: Sequence[Match[Organ]]
    named: Sequence[Match[object]]
    states: Sequence[Match[str]]

    def state_of(self, organ: Match[Organ]) -> Match[str] | None:
        """Right before the organ, else the next one after it, else the one before its whole list."""
        before = self._right_before(organ)
        if before is not None and before.meaning != "neutral":
            return before
        return self._after(organ) or self._before_list(organ)

    def _right_before(self, organ: Match[Organ]) -> Match[str] | None:
        near = [state for state in self.states if self._only(state.stop, organ.first, _ADJECTIVES)]
        return near[-1] if near else None

    def _after(self, organ: Match[Organ]) -> Match[str] | None:
        for state in self.states:
            if state.meaning == "neutral" or not 0 <= state.first - organ.stop <= _FARTHEST:
                continue
            if not self._joined(organ, state.first):
                return None
            if not self._belongs_elsewhere(state):
                return state
        return None

    def _before_list(self, organ: Match[Organ]) -> Match[str] | None:
        organ_words = {index for other in self.organs for index in other.named}
        before = [state for state in self.states if state.stop <= organ.first]
        if not before or not self._only(before[-1].stop, organ.first, _JOINED, organ_words):
            return None
        if before[-1].meaning != "neutral":
            return before[-1]
        pair = before[-2:]  # "normal and stable mediastinum"
        joined = len(pair) > 1 and self._only(pair[0].stop, pair[1].first, frozenset({"and"}))
        return pair[0] if joined and pair[0].meaning != "neutral" else None

    def _joined(self, organ: Match[Organ], goal: int) -> bool:
        """Whether every organ between this one and the goal is listed together with it."""
        here = organ
        for other in self.organs:
            if here.stop <= other.first < goal:
                if not self._only(here.stop, other.first, _JOINED):
                    return False
                here = other
        return not any(self.among[index].form in (";", ":", "but") for index in range(here.stop, goal)) or (
            self.among[here.stop].form == ":"
        )

    def _belongs_elsewhere(self, state: Match[str]) -> bool:
        """Whether a state is the adjective of a later organ or finding ("large effusion")."""
        if any(self._only(state.stop, other.first, _ADJECTIVES) for other in self.organs):
            return True
        return any(self._adjective_of(state, match) for match in self.named)

    def _adjective_of(self, state: Match[str], match: Match[object]) -> bool:
        between = match.first - state.stop
        return 0 <= between <= _NEAREST_NOUN and not any(
            self.among[index].form in _NOUN_ENDS for index in range(state.stop, match.first)
        )

    def _only(
        self, start: int, stop: int, allowed: frozenset[str], places: frozenset[int] | set[int] = frozenset()
    ) -> bool:
        return start <= stop and all(
            self.among[index].form in allowed or index in places for index in range(start, stop)
        )


def _names(cell: str) -> tuple[str, ...]:
    return tuple(name for name in cell.split(" + ") if name != "-")
