"""Task 4 as stability: a note in shorthand and in full should find reports that say the same.

The first ten reports of both forms are compared by the findings they state. A ranker that answers everything with the
same ten reports is stable too; so each figure stands beside what two different notes give (chance), and beside how many
of the ten reports say what the note says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.corpora.base import Corpus
from explorer.corpora.sections import has_words, scope_text, without_redactions
from explorer.corpora.split import Split
from explorer.language.agreement import agreements
from explorer.language.findings import FindingsReader
from explorer.metrics.overlap import bag_f1, off_diagonal_mean
from explorer.types import Finding
from models.interfaces import SEARCH_INSTRUCTION
from training.tasks.base import Figure, Parts, Ranker, TaskCard
from training.tasks.notes import Note
from training.tasks.retrieval import SHUFFLES, by_style, deals, whole_parts

K = 10
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StabilityTask:
    """Notes in two forms, and a bank of reports; row i of every array is note i."""

    card: TaskCard
    short: tuple[str, ...]
    long: tuple[str, ...]
    bank: tuple[str, ...]  # distinct, sorted
    stated: Array  # [bank, claims] 1 where a report states a finding with a status
    agreeing: Array  # [n, bank] share of the note's findings that a report states the same way
    instruction: str
    parts: Parts

    def figures(self, ranker: Ranker) -> list[Figure]:
        """Return stability and overlap of the two lists, and for each form how far its list agrees with the note."""
        short, long = (self._first(form, ranker) for form in (self.short, self.long))
        said = [self.stated[top].sum(axis=1) for top in (short, long)]
        picked = [_picked(top, len(self.bank)) for top in (short, long)]
        return [
            *self._paired("stability@10", bag_f1(said[0], said[1]), bag_f1(said[1], said[1])),
            *self._paired("overlap@10", picked[0] @ picked[1].T / K, picked[1] @ picked[1].T / K),
            *self._agreement("short", short),
            *self._agreement("long", long),
        ]

    def _first(self, form: Sequence[str], ranker: Ranker) -> NDArray[np.int64]:
        scores = ranker.scores(form, self.bank, self.instruction)
        return np.argsort(-scores, axis=1, kind="stable")[:, :K]

    def _paired(self, measure: str, found: Array, apart: Array) -> list[Figure]:
        """Both are [n, n]: `found` of one note's short form and another's long form, `apart` of two long forms."""
        return [
            Figure(
                part,
                measure,
                np.diagonal(found)[chosen][:, None].copy(),
                chance=off_diagonal_mean(apart[np.ix_(chosen, chosen)]),
                floor=None,
                shuffled=off_diagonal_mean(found[np.ix_(chosen, chosen)]),
            )
            for part, chosen in self.parts.items()
        ]

    def _agreement(self, form: str, top: NDArray[np.int64]) -> list[Figure]:
        rows = np.arange(len(top))[:, None]
        constant = np.argsort(-self.agreeing.mean(axis=0), kind="stable")[:K]  # the ten that agree with most notes
        shuffled = [self.agreeing[rows, deal[top]].mean(axis=1) for deal in deals(len(self.bank), SHUFFLES)]
        return [
            Figure(
                part,
                f"agreement@10 {form}",
                self.agreeing[rows, top].mean(axis=1)[chosen][:, None],
                chance=float(self.agreeing[chosen].mean()),
                floor=float(self.agreeing[chosen][:, constant].mean()),
                shuffled=float(np.mean(shuffled, axis=0)[chosen].mean()),
            )
            for part, chosen in self.parts.items()
        ]


def stability(corpus: Corpus, split: Split, read: Sequence[Note]) -> StabilityTask:
    """Build the task; notes that state no finding, or only doubtful ones, are left out, and parts of a single note."""
    reader = FindingsReader.open()
    stated = [(note, [one for one in reader.read(note.long, "") if one.status != "uncertain"]) for note in read]
    asked = [(note, found) for note, found in stated if found]  # with a doubtful finding no report can agree
    told = {without_redactions(scope_text(one.sections, "report")) for one in corpus.of(split)}
    bank = tuple(sorted(filter(has_words, told)))
    reports = [reader.read(text, "") for text in bank]
    notes, findings = [note for note, _ in asked], [found for _, found in asked]
    styles = by_style(np.array([note.style for note in notes], dtype=np.str_))
    return StabilityTask(
        _card(len(notes), len(read), len(bank)),
        tuple(without_redactions(note.short) for note in notes),
        tuple(without_redactions(note.long) for note in notes),
        bank,
        _claims(reports),
        agreeing_shares(findings, reports),
        SEARCH_INSTRUCTION,
        whole_parts({name: chosen for name, chosen in styles.items() if chosen.sum() > 1}),
    )


def _card(n: int, of: int, n_distinct: int) -> TaskCard:
    about = (
        f"{n} notes in shorthand and in full ({of - n} of {of} state no sure finding and are left out), and the first "
        f"{K} reports of each. Stability: agreement of the findings of the two lists; overlap: reports in both; chance "
        "of both: two different notes in full. Agreement: share of the note's findings that a report states alike."
    )
    return TaskCard("4 stability", "Same reports for both forms", about, "note in either form", "reports", n_distinct)


def agreeing_shares(asked: Sequence[Sequence[Finding]], said: Sequence[Sequence[Finding]]) -> Array:
    """Return [asked, said] 0–1: the share of the findings asked for that a report states alike; see `agreements`."""
    once = [list(dict.fromkeys((one.name, one.laterality, one.status) for one in found)) for found in asked]
    first = {(one.name, one.laterality, one.status): one for found in asked for one in found}
    stated = {
        claim: np.array([agreements([one], found)[0].verdict == "agrees" for found in said], dtype=np.float64)
        for claim, one in first.items()
    }
    return np.array([np.mean([stated[claim] for claim in claims], axis=0) for claims in once])


def _claims(reports: Sequence[Sequence[Finding]]) -> Array:
    """Return [reports, claims]: whether a report holds each (finding, status) that any of them holds."""
    said = [{(one.name, one.status) for one in found} for found in reports]
    every = sorted(set().union(*said))
    return np.array([[claim in claims for claim in every] for claims in said], dtype=np.float64)


def _picked(top: NDArray[np.int64], size: int) -> Array:
    """Return [n, size]: 1 where a report is among the first."""
    picked = np.zeros((len(top), size))
    np.put_along_axis(picked, top, 1, axis=1)
    return picked
