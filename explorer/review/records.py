"""The records of a review. Frozen; what a browser gets of them before submission is decided in `explorer.ui`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np

from explorer.errors import BadReview
from explorer.review.ranks import competition

ErrorKind = Literal["false prediction", "omission", "wrong location", "wrong severity"]
ERROR_KINDS: tuple[ErrorKind, ...] = get_args(ErrorKind)  # most critical first, as the paper orders them
State = Literal["open", "submitted", "skipped"]
RaterKind = Literal["human", "rule", "llm"]
PRACTICE = 0  # number of the case that does not count
MOST_CANDIDATES = 9  # a number key for each
LONGEST_COMMENT = 2_000  # characters
LONGEST_NAME = 40  # characters of a reviewer's name
MOST_MARKS = 80  # of one answer
_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Origin:
    """Where a candidate's text comes from. Never sent to a browser before submission."""

    model: str  # the encoder, or the generator of an imported report
    study: str  # whose report it is; "" where it was generated


@dataclass(frozen=True)
class Candidate:
    """One text to be ranked. Models that gave the very same text share it."""

    text: str
    origins: tuple[Origin, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """Return the models that gave this text."""
        return tuple(origin.model for origin in self.origins)


@dataclass(frozen=True)
class Case:
    """A study under review; candidates stand in the order shown, as Report 1 to n."""

    number: int  # from 1; `PRACTICE` does not count
    study: str  # "" where the case is a query and no study
    query: str  # "" where a film was asked with
    truth: str  # "" where nothing is known of the film
    candidates: tuple[Candidate, ...]
    film: str = ""  # digest of the film asked with, as the store keeps it; "" for none
    reported: bool = True  # the ground truth is a report, or a text asked with, and not labels or nothing


@dataclass(frozen=True)
class Mark:
    """An error seen in a candidate. An omission's span is in the ground truth, every other one's in the candidate."""

    candidate: int  # from 0, in the order shown
    kind: ErrorKind
    start: int  # characters; start == end where nothing was marked in the text
    end: int
    critical: bool


@dataclass(frozen=True)
class Answer:
    """What a reviewer says of a case so far."""

    levels: tuple[int, ...] = ()  # one a candidate, lower is better, equal is a tie; 0: not ranked yet
    marks: tuple[Mark, ...] = ()
    comment: str = ""
    state: State = "open"
    flagged: bool = False  # to be discussed
    revealed: bool = False  # the ground truth was asked for after a first answer
    first: tuple[int, ...] = ()  # the ranks given before it was revealed
    seconds: float = 0.0  # the case was in view

    @property
    def ranked(self) -> bool:
        """Return whether every candidate has a place."""
        return bool(self.levels) and all(self.levels)

    @property
    def ranks(self) -> tuple[int, ...]:
        """Return competition ranks; () while a candidate has none."""
        return competition(self.levels) if self.ranked else ()


@dataclass(frozen=True)
class Review:
    """A set of cases, and how they came together."""

    id: str
    title: str
    corpus: str
    seed: int
    unknown: bool  # the ground truth is hidden until a first answer
    cases: int  # that count
    created: str  # ISO 8601, UTC
    about: Mapping[str, Any] = field(default_factory=dict)  # rule of selection, counts, encoders with revisions


@dataclass(frozen=True)
class Ballot:
    """One rater's ranks of the models of one case."""

    rater: str
    kind: RaterKind
    case: int
    ranks: Mapping[str, int]  # model → competition rank among the models of the case


def blinded(number: int, candidates: Sequence[Candidate], seed: int) -> tuple[Candidate, ...]:
    """Return the candidates of a case in an order that hangs on seed and case alone."""
    order = np.random.default_rng((seed, number)).permutation(len(candidates))
    return tuple(candidates[index] for index in order)


def plain(text: str) -> str:
    """Return a text without controls, and without marks that would show it in another order than it is stored."""
    return _UNSHOWN.sub("", text)


def merged(given: Sequence[tuple[Origin, str]]) -> tuple[Candidate, ...]:
    """Return the distinct texts, each with all its origins; white space apart, equal texts are one candidate."""
    found: dict[str, Candidate] = {}
    for origin, text in given:
        key = " ".join(text.split())
        known = found.get(key, Candidate(plain(text), ()))
        found[key] = replace(known, origins=(*known.origins, origin))
    return tuple(found.values())


def as_json(answer: Answer) -> dict[str, Any]:
    """Return an answer as JSON values."""
    return asdict(answer)


def read_answer(raw: object, case: Case) -> Answer:
    """Return the answer that JSON values from a browser or the database describe, held to the case.

    Raises BadReview for anything that is no answer to it.
    """
    try:
        return _answer(raw, case)  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadReview("This is no answer to the case. Reload the page.") from error


def _answer(raw: Mapping[str, Any], case: Case) -> Answer:
    count = len(case.candidates)
    levels = tuple(_whole(level, 0, count) for level in raw["levels"])
    first = tuple(_whole(level, 0, count) for level in raw["first"])
    marks = tuple(_mark(mark, case) for mark in raw["marks"])
    state = raw["state"]
    if {len(levels), len(first)} - {0, count} or len(marks) > MOST_MARKS or state not in get_args(State):
        raise ValueError(state)
    comment = str(raw["comment"])[:LONGEST_COMMENT]
    seconds = min(max(float(raw["seconds"]), 0.0), 86_400.0)
    flags = bool(raw["flagged"]), bool(raw["revealed"])
    return Answer(levels, marks, comment, state, *flags, first, round(seconds, 1))


def _mark(raw: Mapping[str, Any], case: Case) -> Mark:
    candidate = _whole(raw["candidate"], 0, len(case.candidates) - 1)
    kind = raw["kind"]
    if kind not in ERROR_KINDS:
        raise ValueError(kind)
    text = case.truth if kind == "omission" else case.candidates[candidate].text
    start = _whole(raw["start"], 0, len(text))
    return Mark(candidate, kind, start, _whole(raw["end"], start, len(text)), bool(raw["critical"]))


def _whole(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(value)
    return value
