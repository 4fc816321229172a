"""From studies or queries to the cases of a review: each encoder is asked, and what it finds first is a candidate.

A study never answers itself: its own report, and any with the very same text, are passed over. What is measured so is
what an encoder finds for a patient who is not in the corpus.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from explorer.corpora.sections import collapse, scope_text
from explorer.errors import BadReview
from explorer.progress import Progress, silent
from explorer.review.generated import Imported
from explorer.review.practice import practice_case
from explorer.review.records import MOST_CANDIDATES, Case, Origin, Review, blinded, merged, plain
from explorer.types import Hit, QueryImage, Report, Scope

if TYPE_CHECKING:
    from explorer.search import Explorer

SPARE = 6  # hits asked for beyond those needed: some are the study itself
LONGEST_TITLE = 80
NO_IMPORT = Imported((), ())

Asked = TypeVar("Asked", str, QueryImage)
Find = Callable[[str, str], Sequence[Hit]]  # a text, the name of a ranker → hits, the best first
FindByFilm = Callable[[QueryImage, str], Sequence[Hit]]


@dataclass(frozen=True)
class Sources:
    """Who gives candidates."""

    rankers: tuple[str, ...]
    generated: Imported = NO_IMPORT
    first: int = 1  # hits taken of each ranker

    def check(self) -> None:
        """Raise BadReview unless there are two models to compare, and not more candidates than keys to rank them."""
        count = len(self.rankers) * self.first + len(self.generated.models)
        if not 2 <= count <= MOST_CANDIDATES:
            raise BadReview(f"{count} candidates a case; choose encoders and imports for 2 to {MOST_CANDIDATES}.")
        if shared := set(self.rankers) & set(self.generated.models):
            raise BadReview(f"The imported reports are called {min(shared)!r}, as an encoder is. Rename them.")


@dataclass(frozen=True)
class Plan:
    """How a review is to be made, beside its cases."""

    title: str
    corpus: str
    seed: int
    unknown: bool
    about: dict[str, Any]


def finder(explorer: Explorer, corpus: str, scope: Scope, k: int) -> Find:
    """Return how rankers are asked: in one scope of one corpus."""

    def find(text: str, ranker: str) -> Sequence[Hit]:
        limit = explorer.settings.limits.query_characters
        return explorer.by_text(text[:limit], encoder=ranker, corpus=corpus, scope=scope, k=k).hits

    return find


def film_finder(explorer: Explorer, corpus: str, k: int) -> FindByFilm:
    """Return how rankers are asked with a film: over whole reports of one corpus."""

    def find(image: QueryImage, ranker: str) -> Sequence[Hit]:
        return explorer.by_image(image, encoder=ranker, corpus=corpus, scope="report", k=k).hits

    return find


def of_studies(
    reports: Sequence[Report], asked: Scope, sources: Sources, find: Find, progress: Progress = silent
) -> Iterator[Case]:
    """Yield a case for each study, its candidates in no particular order yet.

    The query is the part `asked` of the study; ground truth and candidates are whole reports.
    """
    sources.check()
    for number, report in enumerate(reports, 1):
        progress("Asking the encoders", (number - 1) / len(reports))
        query, truth = scope_text(report.sections, asked), scope_text(report.sections, "report")
        retrieved = _retrieved(query, sources, partial(_is_other, report.id, truth), find)
        given = [*retrieved, *((Origin(row.model, ""), row.text) for row in sources.generated.of(report.id))]
        yield Case(number, report.id, plain(query), plain(truth), merged(given))


def of_queries(queries: Sequence[str], sources: Sources, find: Find, progress: Progress = silent) -> Iterator[Case]:
    """Yield a case for each text a person asks with, which is its own ground truth."""
    sources.check()
    for number, query in enumerate(queries, 1):
        progress("Asking the encoders", (number - 1) / len(queries))
        given = list(_retrieved(query, sources, partial(_is_other, "", query), find))
        yield Case(number, "", plain(query), plain(query), merged(given))


def of_films(films: Iterable[tuple[Report, QueryImage]], sources: Sources, find: FindByFilm) -> Iterator[Case]:
    """Yield a case for each film: candidates are what is found with it, ground truth is what is known of its study."""
    sources.check()
    for number, (report, image) in enumerate(films, 1):
        truth = truth_of(report)
        given = [*_retrieved(image, sources, partial(_is_other, report.id, truth), find)]
        given += [(Origin(row.model, ""), row.text) for row in sources.generated.of(report.id)]
        reported = bool(scope_text(report.sections, "report"))
        yield Case(number, report.id, "", plain(truth), merged(given), image.digest, reported)


def truth_of(report: Report) -> str:
    """Return the report of a film's study; the labels of its source where it has none, "" where there are none."""
    if text := scope_text(report.sections, "report"):
        return text
    labels = ", ".join(report.meta.codes).replace("_", " ")
    return f"No report. The source labels this film: {labels}." if labels else ""


def make(plan: Plan, cases: Iterable[Case]) -> tuple[Review, tuple[Case, ...]]:
    """Return a new review and its cases, numbered, shuffled by the plan's seed, the practice case first.

    Cases in which fewer than two texts differ leave nothing to rank and are left out; `about` says how many. Raises
    BadReview if none is left.
    """
    found = list(cases)
    rankable = [case for case in found if len(case.candidates) > 1]
    if not rankable:
        raise BadReview("In none of the cases do the models give different reports. Choose others.")
    shown = tuple(
        replace(case, number=number, candidates=blinded(number, case.candidates, plan.seed))
        for number, case in enumerate(rankable, 1)
    )
    about = {**plan.about, "nothing_to_rank": len(found) - len(rankable)}
    made = datetime.now(UTC).isoformat(timespec="seconds")
    title = " ".join(plan.title.split())[:LONGEST_TITLE] or f"Review of {made[:10]}"
    review = Review(secrets.token_hex(6), title, plan.corpus, plan.seed, plan.unknown, len(shown), made, about)
    return review, (practice_case(), *shown)


def _retrieved(
    query: Asked, sources: Sources, is_other: Callable[[Hit], bool], find: Callable[[Asked, str], Sequence[Hit]]
) -> Iterator[tuple[Origin, str]]:
    for ranker in sources.rankers:
        hits = [hit for hit in find(query, ranker) if is_other(hit)][: sources.first]
        for place, hit in enumerate(hits, 1):
            name = ranker if sources.first == 1 else f"{ranker}, hit {place}"
            yield Origin(name, hit.report.id), scope_text(hit.report.sections, "report")


def _is_other(study: str, truth: str, hit: Hit) -> bool:
    own = study in (hit.report.id, *hit.identical) if study else False
    return not own and collapse(scope_text(hit.report.sections, "report")) != collapse(truth)
