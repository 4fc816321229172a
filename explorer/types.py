"""The records that travel between the rooms. All frozen; arrays inside them are never written to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.interfaces import Space

Scope = Literal["report", "findings", "impression"]
SCOPES: tuple[Scope, ...] = ("report", "findings", "impression")
Status = Literal["present", "absent", "uncertain"]
Sex = Literal["F", "M"]


@dataclass(frozen=True)
class Finding:
    """One observation in a report; `start` and `end` are characters of the named section as stored."""

    name: str
    status: Status
    location: str
    laterality: str  # "left" | "right" | "bilateral" | ""
    severity: str
    section: str
    start: int
    end: int


QueryKind = Literal["text", "image", "both", "study"]
Verdict = Literal["agrees", "contradicts", "uncertain", "not mentioned"]


@dataclass(frozen=True)
class Agreement:
    """What a report says about one finding that was asked for."""

    asked: Finding
    verdict: Verdict
    found: Finding | None  # what in the report decided; None if it is not mentioned


@dataclass(frozen=True)
class StudyMeta:
    """What is known about a study beside its text."""

    age: int | None = None  # years at the study
    views: tuple[str, ...] = ()  # "PA" | "AP" | "LATERAL", one per film; empty where the source is silent
    films: int = 0  # number of images the source lists
    codes: tuple[str, ...] = ()  # expert codes as the source writes them, e.g. "Opacity/lung/base/left"
    sex: Sex | None = None  # as the source says, or the indication ("34-year-old male"); None where neither does


@dataclass(frozen=True)
class Report:
    """One study's report. `sections` keeps the original text of findings, impression, indication, comparison."""

    id: str  # "openi:1234"
    source: str  # "openi"
    sections: Mapping[str, str]
    findings: tuple[Finding, ...]
    meta: StudyMeta
    licence: str


@dataclass(frozen=True)
class QueryImage:
    """A radiograph after intake. Holds no patient data: only pixels and what was done to them.

    Two are equal if their digests are, and what is told of them.
    """

    pixels: NDArray[np.uint8] = field(compare=False)  # [h, w], default window applied, bright = dense
    display: NDArray[np.uint16] = field(compare=False)  # [h, w], full range before the window, bright = dense
    window: tuple[float, float]  # default centre and width in units of `display`
    source: str  # "DICOM" | "PNG" | "JPEG"
    digest: str  # sha256 of the decoded pixels, for "same film as before"
    notes: tuple[str, ...]  # what was inverted, windowed, ignored; whole sentences for the screen


@dataclass(frozen=True)
class Query:
    """What is searched for: a text, a film, both together, or what is like a study."""

    text: str | None = None
    image: QueryImage | None = None
    weight: float = 0.5  # of the film beside the text, 0–1; counts only where both are there
    study: str | None = None  # id of the study that others shall be like

    @property
    def kind(self) -> QueryKind:
        """Return which of them it is."""
        if self.study is not None:
            return "study"
        if self.image is None:
            return "text"
        return "image" if self.text is None else "both"


@dataclass(frozen=True)
class FindingFilter:
    """A finding that an answer must speak of: a label ("Support Devices") or the name of a device."""

    name: str
    status: Status | None = None  # of the study: present before uncertain before absent. None: whichever


@dataclass(frozen=True)
class Filters:
    """Which studies may answer. The default lets every study through; what is not known of a study passes no limit."""

    min_age: int | None = None
    max_age: int | None = None
    view: str | None = None  # "PA" | "AP" | "LATERAL"
    sex: Sex | None = None
    section: str | None = None  # a section the report must have, as in `Report.sections`
    source: str | None = None  # as in `Report.source`
    findings: tuple[FindingFilter, ...] = ()  # all of them
    without: tuple[str, ...] = ()  # findings of which none may be present or uncertain


@dataclass(frozen=True)
class Hit:
    """A study that answers a query."""

    rank: int  # from 1
    score: float  # in the result's `score_name`
    report: Report
    identical: tuple[str, ...] = ()  # other studies with the very same text in this scope
    closer_than: float | None = None  # share of unrelated pairs this score is above, 0–1; None if unknown
    agreement: tuple[Agreement, ...] = ()  # one for each finding of a text query, in the order asked


@dataclass(frozen=True)
class SearchResult:
    """The answer to one query, with everything needed to read its scores."""

    query: Query
    encoder: str
    space: Space | Literal["words"]  # "words" for BM25
    score_name: str  # "cosine" | "clip_raw" | "bm25"
    corpus: str
    scope: Scope
    hits: tuple[Hit, ...]
    seconds: float
    notes: tuple[str, ...] = field(default=())
    caution: str = ""  # why the answer should not be believed, in words for the screen; "" where nothing says so
    findings: tuple[Finding, ...] = ()  # asked for: those of the text with its shorthand written out, or of the study
    filters: Filters = field(default_factory=Filters)
