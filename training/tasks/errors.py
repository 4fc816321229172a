"""Task 3: findings, and the impression of the study among three copies of it that each hold one error.

The errors are made of rows of `errors.tsv` that no training sees. One that the findings bear out, such as an added
finding that they name, would be no error: it is not used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from explorer.corpora.base import Corpus
from explorer.corpora.split import Split
from explorer.error_lab import borne_out
from explorer.language.error_injection import CATEGORIES, Injected, Injector, Use
from explorer.language.findings import FindingsReader
from explorer.metrics.choice import Choices, choices
from explorer.metrics.retrieval import Scores
from models.interfaces import SUMMARY_INSTRUCTION
from training.tasks.base import Figure, Parts, Ranker, TaskCard
from training.tasks.retrieval import SEED, SHUFFLES, banked, seen_and_unseen, studies_with, whole_parts

ERRORS = 3
_TRUE = 0  # column of the true impression


@dataclass(frozen=True, eq=False)
class ErrorTask:
    """Choices between a true impression and erroneous ones."""

    card: TaskCard
    queries: tuple[str, ...]  # findings of every study, also of those left out
    bank: tuple[str, ...]  # distinct candidates, sorted
    asked: NDArray[np.int64]  # [n] rows of `queries`
    candidates: NDArray[np.int64]  # [n, 4] columns of `bank`, the true impression first
    categories: NDArray[np.str_]  # [n, 3] of the erroneous ones
    familiar: NDArray[np.float64]  # [n, 4] how often training studies have that very impression
    instruction: str
    parts: Parts

    def figures(self, ranker: Ranker) -> list[Figure]:
        """Return the four-way measures in every part, then true against false for every category of error."""
        scores = ranker.scores(self.queries, self.bank, self.instruction)[self.asked[:, None], self.candidates]
        whole = [
            figure
            for part, chosen in self.parts.items()
            for figure in _four_way(part, scores[chosen], self.familiar[chosen])
        ]
        return whole + [figure for name in CATEGORIES for figure in self._against(name, scores)]

    def _against(self, category: str, scores: Scores) -> list[Figure]:
        rows, columns = np.nonzero(self.categories == category)
        if not len(rows):
            return []
        pairs, familiar = (np.stack([of[rows, _TRUE], of[rows, columns + 1]], 1) for of in (scores, self.familiar))
        found, blind = (_judged(of).tie_aware for of in (pairs, familiar))
        shuffled = float(np.mean([judged.tie_aware.mean() for judged in _relabelled(pairs)]))
        return [Figure(category, "pairwise accuracy", found[:, None], 0.5, float(blind.mean()), shuffled)]


def erroneous_impressions(corpus: Corpus, split: Split, use: Use = "testing", seed: int = SEED) -> ErrorTask:
    """Build Task 3; studies whose impression takes fewer than three errors are left out.

    Args:
        corpus, split: whose studies are asked.
        use: which rows of `errors.tsv` the errors are made of.
        seed: of the draw of errors.
    """
    studies = studies_with(corpus, split, "findings", "impression")
    injector, reader = Injector.open(use), FindingsReader.open()
    drawn = [
        _errors(study["findings"], study["impression"], injector, reader, np.random.default_rng((seed, number)))
        for number, study in enumerate(studies)
    ]
    asked = [number for number, errors in enumerate(drawn) if len(errors) == ERRORS]
    told = [[studies[number]["impression"], *(error.text for error in drawn[number])] for number in asked]
    bank, columns = banked(texts := [text for four in told for text in four], texts)
    known = Counter(study["impression"] for study in studies_with(corpus, "train", "impression"))
    return ErrorTask(
        _card(len(asked), len(studies), len(bank)),
        tuple(study["findings"] for study in studies),
        bank,
        np.array(asked, dtype=np.int64),
        columns.reshape(-1, 1 + ERRORS),
        np.array([[error.category for error in drawn[number]] for number in asked], dtype=np.str_),
        np.array([[known[text] for text in four] for four in told], dtype=np.float64),
        SUMMARY_INSTRUCTION,
        whole_parts(seen_and_unseen([four[_TRUE] for four in told], corpus, "impression")),
    )


def _card(n: int, of: int, n_distinct: int) -> TaskCard:
    return TaskCard(
        "3",
        "True impression among erroneous ones",
        f"The findings of {n} studies, and four impressions: the true one and three copies with one error each, of "
        f"different categories; {of - n} of {of} studies take fewer than three errors and are left out. The floor "
        "ignores the findings and takes the impression that is commonest in training.",
        "findings",
        "four impressions of the study, one of them true",
        n_distinct,
    )


def _errors(
    findings: str, impression: str, injector: Injector, reader: FindingsReader, draw: np.random.Generator
) -> list[Injected]:
    made = injector.each(impression, draw)
    return list(islice((error for error in made if not borne_out(error.text, impression, findings, reader)), ERRORS))


def _four_way(part: str, scores: Scores, familiar: Scores) -> list[Figure]:
    found, blind, relabelled = _judged(scores), _judged(familiar), _relabelled(scores)
    guessed = 1 / scores.shape[1]
    rows = (
        ("accuracy (strict)", found.strict, guessed, blind.strict, [one.strict for one in relabelled]),
        ("accuracy (tie-aware)", found.tie_aware, guessed, blind.tie_aware, [one.tie_aware for one in relabelled]),
        ("mean rank", found.rank, (1 + scores.shape[1]) / 2, blind.rank, [one.rank for one in relabelled]),
        ("mean margin", found.margin, None, None, [one.margin for one in relabelled]),
    )
    return [
        Figure(part, measure, values[:, None], chance, _mean(floor), float(np.mean(shuffled)))
        for measure, values, chance, floor, shuffled in rows
    ]


def _judged(scores: Scores) -> Choices:
    return choices(scores, np.zeros(len(scores), dtype=np.int64))


def _relabelled(scores: Scores) -> Sequence[Choices]:
    """Judge as if a candidate drawn at random were the true one, many times."""
    draw = np.random.default_rng(SEED)
    return [choices(scores, draw.integers(scores.shape[1], size=len(scores))) for _ in range(SHUFFLES)]


def _mean(values: NDArray[np.float64] | None) -> float | None:
    return None if values is None else float(values.mean())
