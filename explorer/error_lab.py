"""Task 3 as a demonstration: one error put into an impression, and whether an encoder notices.

The query is the findings of a study; its true impression should be nearer to them than the same impression with one
error. The margin is the difference of the two scores: above 0 the encoder noticed. A score is a cosine, or BM25 for the
ranker that has no vectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.corpora.sections import has_words, without_redactions
from explorer.language.agreement import agreements
from explorer.language.error_injection import CATEGORIES, Category, Injected, Injector
from explorer.language.findings import FindingsReader
from explorer.language.sentences import sentences
from explorer.metrics.significance import Interval, bootstrap
from explorer.progress import Progress, silent
from explorer.types import Report
from explorer.word_scores import word_scores
from models.interfaces import SUMMARY_INSTRUCTION, TextEncoder

Scoring = Callable[[Sequence[str], Sequence[str]], NDArray[np.float64]]  # q queries, n different texts → [q, n]
TIE = 1e-6  # a margin up to this is none
AT_ONCE = 16  # studies encoded between two steps of the progress


@dataclass(frozen=True)
class Corrupted:
    """An impression with one error, and the sentence it is in, before and after."""

    category: Category
    text: str
    before: str  # the sentence that is gone; "" where one was added
    after: str
    start: int  # characters of `after` that were changed or added
    end: int


@dataclass(frozen=True)
class Pair:
    """Findings, their impression, and the impression with one error."""

    findings: str
    impression: str
    corrupted: str
    category: Category


@dataclass(frozen=True)
class Noticed:
    """The share of errors of a category that an encoder noticed, with its 95 % interval; a tie counts half."""

    encoder: str
    category: Category
    interval: Interval


class ErrorLab:
    """Puts errors into impressions. Holds tables only: one lab serves any number of threads."""

    def __init__(self, injector: Injector, reader: FindingsReader) -> None:
        self._injector = injector
        self._reader = reader

    @classmethod
    def open(cls) -> ErrorLab:
        """Read the tables; of `errors.tsv` the rows that no training sees."""
        return cls(Injector.open("testing"), FindingsReader.open())

    def errors(self, findings: str, impression: str, seed: int) -> tuple[Corrupted, ...]:
        """Return the impression with each category of error that applies to it, in the order of `CATEGORIES`.

        One that the findings bear out would be no error, and is left out.
        """
        found: list[Corrupted] = []
        for number, category in enumerate(CATEGORIES):
            made = self._injector.inject(impression, category, np.random.default_rng((seed, number)))
            if made is not None and not borne_out(made.text, impression, findings, self._reader):
                found.append(_shown(made, impression))
        return tuple(found)

    def pairs(self, reports: Iterable[Report], seed: int) -> Iterator[list[Pair]]:
        """Yield for each report that has findings and impression its impression with every error that applies."""
        for number, report in enumerate(reports):
            findings, impression = texts_of(report)
            errors = self.errors(findings, impression, seed + number)
            yield [Pair(findings, impression, one.text, one.category) for one in errors]


def texts_of(report: Report) -> tuple[str, str]:
    """Return findings and impression as encoders see them, "" where one is missing."""
    findings, impression = (without_redactions(report.sections.get(name, "")) for name in ("findings", "impression"))
    return findings, impression


def has_both(report: Report) -> bool:
    """Return whether a report has findings and an impression with words in them."""
    return all(has_words(text) for text in texts_of(report))


def borne_out(told: str, impression: str, findings: str, reader: FindingsReader) -> bool:
    """Return whether all that an erroneous impression says and the true one does not, is said by the findings."""
    said = {(one.name, one.status, one.laterality, one.location) for one in reader.read(impression, "")}
    added = [one for one in reader.read(told, "") if (one.name, one.status, one.laterality, one.location) not in said]
    verdicts = agreements(added, reader.read(findings, ""))
    return bool(verdicts) and all(one.verdict == "agrees" for one in verdicts)


def by_vectors(encoder: TextEncoder) -> Scoring:
    """Score by cosine. An instructed encoder is told what Task 3 tells it."""

    def scores(queries: Sequence[str], texts: Sequence[str]) -> NDArray[np.float64]:
        asked = encoder.encode(queries, SUMMARY_INSTRUCTION if encoder.info.instructed else "")
        return asked.astype(np.float64) @ encoder.encode(texts).T.astype(np.float64)

    return scores


def by_words(known: Sequence[str]) -> Scoring:
    """Score by BM25 as Task 3 does; a word counts the more, the fewer of the known impressions have it."""

    def scores(queries: Sequence[str], texts: Sequence[str]) -> NDArray[np.float64]:
        return word_scores(queries, list(dict.fromkeys((*texts, *known))))[:, : len(texts)]

    return scores


def margins(pairs: Sequence[Pair], scoring: Scoring) -> NDArray[np.float64]:
    """Return [n]: the score of the true impression for the findings, less that of the one with an error."""
    if not pairs:
        return np.zeros(0)
    queries = list(dict.fromkeys(pair.findings for pair in pairs))
    texts = list(dict.fromkeys(text for pair in pairs for text in (pair.impression, pair.corrupted)))
    scores = scoring(queries, texts)
    row, column = ({text: place for place, text in enumerate(given)} for given in (queries, texts))
    return np.array(
        [
            scores[row[one.findings], column[one.impression]] - scores[row[one.findings], column[one.corrupted]]
            for one in pairs
        ]
    )


def strip(
    made: Sequence[Sequence[Pair]],
    encoders: Sequence[tuple[str, Callable[[], Scoring]]],
    progress: Progress = silent,
) -> tuple[Noticed, ...]:
    """Measure encoders on the errors of many reports: one figure for each encoder and category that has any.

    Args:
        made: of each report its pairs.
        encoders: name, and how its scores are had.
        progress: is told before every few reports; what it raises ends the work.
    """
    found: list[Noticed] = []
    for place, (name, scoring) in enumerate(encoders):
        seen: dict[Category, list[float]] = {category: [] for category in CATEGORIES}
        for start in range(0, len(made), AT_ONCE):
            progress(f"Asking {name}", (place + start / len(made)) / len(encoders))
            some = [pair for pairs in made[start : start + AT_ONCE] for pair in pairs]
            for pair, margin in zip(some, margins(some, scoring()), strict=True):
                seen[pair.category].append(_credit(float(margin)))
        found += [Noticed(name, category, bootstrap(values)) for category, values in seen.items() if values]
    return tuple(found)


def _credit(margin: float) -> float:
    return 0.5 if abs(margin) <= TIE else float(margin > 0)


def _shown(made: Injected, impression: str) -> Corrupted:
    """Find the sentence that was changed or added, and the one that is gone for it."""
    gone = Counter(one.text for one in sentences(impression)) - Counter(one.text for one in sentences(made.text))
    within = [one for one in sentences(made.text) if one.start <= made.start < one.end]
    after, at = (within[0].text, within[0].start) if within else (made.text, 0)
    start, end = made.start - at, min(made.end - at, len(after))
    return Corrupted(made.category, made.text, next(iter(gone), ""), after, start, end)
