"""Several answers to one query side by side: which studies they share, and what they say of the findings asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from explorer.errors import BadQuery
from explorer.language.findings import observation_of
from explorer.language.labels import NO_FINDING
from explorer.metrics.overlap import rank_biased_overlap
from explorer.types import Finding, Hit, SearchResult

RANKERS = range(2, 5)  # how many answers are put side by side


@dataclass(frozen=True)
class Joined:
    """A study, or several with identical texts, and the rank it has in each answer."""

    id: str
    ranks: tuple[int | None, ...]  # from 1, one for each answer; None where it is not among the hits

    @property
    def found_by(self) -> int:
        """Return in how many answers it is."""
        return sum(rank is not None for rank in self.ranks)


@dataclass(frozen=True)
class Asked:
    """A finding of the query, and how many of an answer's hits agree with it."""

    finding: Finding
    kept: int  # hits that agree
    lost: int  # hits that contradict it or do not mention it
    uncertain: int


@dataclass(frozen=True)
class Account:
    """What the hits of one answer make of the query's findings. Counts are hits times findings."""

    asked: tuple[Asked, ...]  # in the order of the query
    others: tuple[tuple[str, int], ...]  # finding the query does not name, hits that have it; the commonest first

    @property
    def kept(self) -> int:
        """Return how often a finding asked for is found again."""
        return sum(one.kept for one in self.asked)

    @property
    def lost(self) -> int:
        """Return how often a finding asked for is contradicted or not mentioned."""
        return sum(one.lost for one in self.asked)

    @property
    def uncertain(self) -> int:
        """Return how often a finding asked for is told with doubt."""
        return sum(one.uncertain for one in self.asked)

    @property
    def invented(self) -> int:
        """Return how often a finding is present that the query does not name."""
        return sum(count for _, count in self.others)


@dataclass(frozen=True)
class Moved:
    """How far the answer moves between two forms of a query."""

    stay: int  # studies in both
    of: int  # hits of the longer one
    overlap: float  # rank-biased, 0–1


@dataclass(frozen=True)
class Comparison:
    """Answers to one query, or to two forms of it, joined by study."""

    results: tuple[SearchResult, ...]
    studies: tuple[Joined, ...]  # in the order in which the answers, read one after the other, bring them
    accounts: tuple[Account, ...]  # one for each answer

    @cached_property
    def lists(self) -> tuple[tuple[str, ...], ...]:
        """Return the studies of each answer, best first, by the names of `studies`."""
        return tuple(self._list(column) for column in range(len(self.results)))

    def overlap(self, one: int, other: int) -> float:
        """Return the rank-biased overlap of two answers, 0–1."""
        return rank_biased_overlap(self.lists[one], self.lists[other])

    @property
    def moved(self) -> Moved:
        """Return how far the second answer is from the first."""
        return Moved(self.shared(0, 1), max(map(len, self.lists)), self.overlap(0, 1))

    def shared(self, one: int, other: int) -> int:
        """Return how many studies two answers have in common."""
        return len(set(self.lists[one]) & set(self.lists[other]))

    @property
    def disagreement(self) -> float:
        """Return one minus the mean rank-biased overlap of every two answers, 0–1."""
        overlaps = [self.overlap(*pair) for pair in combinations(range(len(self.results)), 2)]
        return 1.0 - sum(overlaps) / len(overlaps)

    def _list(self, column: int) -> tuple[str, ...]:
        ranked = [(rank, study.id) for study in self.studies if (rank := study.ranks[column]) is not None]
        return tuple(study for _, study in sorted(ranked))


def check_rankers(names: Sequence[str]) -> None:
    """Raise BadQuery unless there are two to four different rankers."""
    if len(names) not in RANKERS or len(set(names)) != len(names):
        raise BadQuery(f"Choose {RANKERS.start} to {RANKERS.stop - 1} different rankers to compare.")


def compared(results: Sequence[SearchResult]) -> Comparison:
    """Join answers over one corpus and scope. Raises ValueError if there are fewer than two."""
    if len(results) < RANKERS.start:
        raise ValueError("One answer has nothing to be compared with.")
    return Comparison(tuple(results), _joined(results), tuple(_account(result.hits) for result in results))


def _joined(results: Sequence[SearchResult]) -> tuple[Joined, ...]:
    """Identical texts are one study, whichever of them an answer names."""
    group_of: dict[str, int] = {}
    names: list[str] = []
    ranks: list[list[int | None]] = []
    for column, result in enumerate(results):
        for hit in result.hits:
            same = (hit.report.id, *hit.identical)
            group = next((group_of[study] for study in same if study in group_of), len(names))
            if group == len(names):
                names.append(hit.report.id)
                ranks.append([None] * len(results))
            group_of.update(dict.fromkeys(same, group))
            ranks[group][column] = hit.rank
    return tuple(Joined(name, tuple(places)) for name, places in zip(names, ranks, strict=True))


def _account(hits: Sequence[Hit]) -> Account:
    asked = [one.asked for one in hits[0].agreement] if hits else []
    verdicts = [Counter(hit.agreement[number].verdict for hit in hits) for number in range(len(asked))]
    counts = (
        Asked(finding, said["agrees"], said["contradicts"] + said["not mentioned"], said["uncertain"])
        for finding, said in zip(asked, verdicts, strict=True)
    )
    named = {observation_of(finding.name) for finding in asked} | {NO_FINDING}
    others = Counter(name for hit in hits for name in _present(hit) if observation_of(name) not in named)
    return Account(tuple(counts), tuple(sorted(others.items(), key=lambda pair: (-pair[1], pair[0]))))


def _present(hit: Hit) -> set[str]:
    return {finding.name for finding in hit.report.findings if finding.status == "present"}
