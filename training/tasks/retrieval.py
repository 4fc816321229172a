"""Tasks 1, 2 and 4: a query, a bank of distinct texts, and the one text of the bank that answers it (paper section 5).

Texts are as the encoders see them, without redactions; equal texts are one document and one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.corpora.base import Corpus
from explorer.corpora.sections import has_words, without_redactions
from explorer.corpora.split import Split
from explorer.language.variants import VariantMaker
from explorer.metrics.retrieval import all_ranks, floor_at
from models.interfaces import SEARCH_INSTRUCTION, SUMMARY_INSTRUCTION
from training.tasks.base import Figure, Parts, Ranker, TaskCard
from training.tasks.notes import Note

RANKS = (1, 5, 10)
NOTE_RANKS = (1, 3, 5, 10)  # the paper's text says 1, 5, 10, its Table 3 1, 3, 5
SHUFFLES, SEED = 100, 4096


@dataclass(frozen=True, eq=False)
class RetrievalTask:
    """Queries and the documents that answer them; `queries`, `answers` and every part have the same length."""

    task: str
    title: str
    about: str
    query: str  # what the queries and the bank are, in words
    documents: str
    queries: tuple[str, ...]
    bank: tuple[str, ...]  # distinct, sorted
    answers: NDArray[np.int64]  # [q] columns of `bank`
    instruction: str
    parts: Parts  # name → [q] bool; none is empty
    ranks: tuple[int, ...] = RANKS

    @property
    def card(self) -> TaskCard:
        """Return what is asked."""
        return TaskCard(self.task, self.title, self.about, self.query, self.documents, len(self.bank))

    def figures(self, ranker: Ranker) -> list[Figure]:
        """Return recall at every rank and in every part."""
        found = all_ranks(ranker.scores(self.queries, self.bank, self.instruction))
        rows = np.arange(len(found))
        own = found[rows, self.answers]
        shuffled = np.stack([found[rows, deal[self.answers]] for deal in deals(len(self.bank), SHUFFLES)])  # [s, q]
        return [
            Figure(
                part,
                f"recall@{k}",
                (own[chosen] <= k).astype(np.float64)[:, None],
                chance=min(1.0, k / len(self.bank)),
                floor=float(floor_at(self.answers, k)[chosen].mean()),
                shuffled=float((shuffled[:, chosen] <= k).mean()),
            )
            for part, chosen in self.parts.items()
            for k in self.ranks
        ]


def prior_omitted(corpus: Corpus, split: Split) -> RetrievalTask:
    """Task 1: findings told without an earlier film → the findings, where the two differ."""
    return _retold(corpus, split, "omitted", "without comparisons and words of change", VariantMaker.prior_omitted)


def split_reports(corpus: Corpus, split: Split) -> RetrievalTask:
    """Task 1: findings told one to a sentence → the findings, where the two differ."""
    return _retold(corpus, split, "split", "one to a sentence", VariantMaker.split)


def findings_to_impression(corpus: Corpus, split: Split) -> RetrievalTask:
    """Task 2: findings → the impression of the same study."""
    studies = studies_with(corpus, split, "findings", "impression")
    impressions = [study["impression"] for study in studies]
    return RetrievalTask(
        "2",
        "Findings → impression",
        f"The findings of {len(studies)} studies; a hit is the impression of the same study, among all of the split.",
        "findings",
        "distinct impressions of the split",
        tuple(study["findings"] for study in studies),
        *banked(impressions, impressions),
        SUMMARY_INSTRUCTION,
        seen_and_unseen(impressions, corpus, "impression"),
    )


def notes(read: Sequence[Note]) -> RetrievalTask:
    """Task 4: a note in shorthand, as typed → the same in full, among all notes."""
    long = [without_redactions(note.long) for note in read]
    styles = np.array([note.style for note in read], dtype=np.str_)
    return RetrievalTask(
        "4 retrieval",
        "Abbreviated note → long form",
        f"{len(read)} notes in shorthand, encoded as typed; a hit is the note in full. The notes are our own.",
        "note in shorthand",
        "notes in full",
        tuple(without_redactions(note.short) for note in read),
        *banked(long, long),
        SEARCH_INSTRUCTION,
        by_style(styles),
        NOTE_RANKS,
    )


def by_style(styles: NDArray[np.str_]) -> Parts:
    """Return all notes, and those of each style."""
    named = {str(style): styles == style for style in dict.fromkeys(styles.tolist())}
    return {"all": np.ones(len(styles), dtype=np.bool_), **named}


def studies_with(corpus: Corpus, split: Split, *sections: str) -> list[Mapping[str, str]]:
    """Return, of each study of a split that has all these sections, their text without redactions."""
    told = [
        {name: without_redactions(report.sections.get(name, "")) for name in sections} for report in corpus.of(split)
    ]
    return [texts for texts in told if all(map(has_words, texts.values()))]


def banked(texts: Sequence[str], answers: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the distinct texts, sorted, and the column of each answer, which is one of them."""
    bank = tuple(sorted(set(texts)))
    column = {text: number for number, text in enumerate(bank)}
    return bank, np.array([column[text] for text in answers], dtype=np.int64)


def seen_and_unseen(answers: Sequence[str], corpus: Corpus, section: str) -> Parts:
    """Return all queries, and those whose answer does not and does occur in that section of a training study."""
    trained = {study[section] for study in studies_with(corpus, "train", section)}
    seen = np.array([text in trained for text in answers], dtype=np.bool_)
    return whole_parts({"all": np.ones_like(seen), "unseen": ~seen, "seen": seen})


def whole_parts(parts: Parts) -> Parts:
    """Return the parts that hold a query."""
    return {name: chosen for name, chosen in parts.items() if chosen.any()}


def deals(size: int, count: int) -> list[NDArray[np.int64]]:
    """Return so many orders in which the labels of a bank are dealt out anew, the same every time.

    Every text of the bank becomes anybody's answer equally often, so that a ranker's figure falls to chance, not to the
    floor of what it likes to answer.
    """
    draw = np.random.default_rng(SEED)
    return [draw.permutation(size) for _ in range(count)]


def _retold(
    corpus: Corpus, split: Split, name: str, how: str, retell: Callable[[VariantMaker, str], str]
) -> RetrievalTask:
    maker = VariantMaker.open()
    originals = [study["findings"] for study in studies_with(corpus, split, "findings")]
    told = [(retell(maker, text), text) for text in originals]
    pairs = [(query, text) for query, text in told if query != text and has_words(query)]
    answers = [text for _, text in pairs]
    return RetrievalTask(
        f"1 {name}",
        f"Retold findings → original ({name})",
        f"Findings told {how}, of the {len(pairs)} studies among {len(originals)} where that changes the text; a hit "
        "is the original, among all of the split.",
        f"findings, {name}",
        "distinct findings of the split",
        tuple(query for query, _ in pairs),
        *banked(originals, answers),
        SEARCH_INSTRUCTION,
        seen_and_unseen(answers, corpus, "findings"),
    )
