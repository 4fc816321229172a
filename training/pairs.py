"""What the contrastive stage learns from: a query, the document that answers it, and documents that look like it.

Six families of paper section 3, and notes made from the lexicon. Only training-split studies give pairs. A pure
function of the studies, the seed and the epoch: each epoch tells the same studies in other words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from explorer.corpora.sections import collapse
from explorer.error_lab import borne_out
from explorer.language.error_injection import Injector
from explorer.language.findings import FindingsReader
from explorer.language.labels import NO_FINDING, labels_of_codes
from explorer.language.sentences import sentences
from explorer.language.shorthand import Shortener
from explorer.types import Finding
from models.interfaces import SEARCH_INSTRUCTION, SUMMARY_INSTRUCTION
from training.made_errors import reserved_sentences, training_injector
from training.made_notes import NoteMaker, excerpt
from training.made_reports import ReportMaker
from training.texts import Told

Family = Literal["summary", "search", "variant", "note", "indication", "status", "term", "made"]
LOOSE: frozenset[Family] = frozenset({"search"})  # normal studies answer one another here
ERRORS = 3  # copies of a document with one error each, at most
COMMON = 3  # studies that share an impression from which on it is always in the bank


@dataclass(frozen=True)
class Pair:
    """A query, the document that answers it, and the family it belongs to."""

    family: Family
    instruction: str
    query: str
    document: str
    study: str
    normal: bool  # the study is coded normal
    wrong: tuple[str, ...] = ()  # documents like the right one, with an error: hard negatives


@dataclass(frozen=True)
class Mix:
    """How often a study gives a pair of each family in an epoch, each 0–1; and how the pairs are roughened."""

    summary: float = 1.0
    search: float = 0.5
    variant: float = 0.5
    note: float = 1.0
    indication: float = 0.3
    status: float = 0.3
    term: float = 0.3
    made: float = 0.0  # made findings and their impression, beside each study
    again: float = 0.0  # a study whose impression is abnormal gives a second pair of findings and impression
    wrong: float = 0.5  # pairs with a hard negative, among those that can have one
    shorthand: float = 0.3  # findings asked in shorthand
    thinned: float = 0.5  # findings that lose some of their sentences without an abnormality


class PairMaker:
    """Makes pairs of studies told in every way. Holds tables only."""

    def __init__(
        self,
        mix: Mix,
        reader: FindingsReader,
        injector: Injector,
        shortener: Shortener,
        notes: NoteMaker,
        reports: ReportMaker,
    ) -> None:
        self._mix = mix
        self._notes = notes
        self._reports = reports
        self._reader = reader
        self._injector = injector
        self._shorten = shortener.shorten

    @classmethod
    def open(cls, mix: Mix) -> PairMaker:
        """Read the tables in `assets/lexicons/`; no error is told in a sentence that an evaluation puts in."""
        reserved = reserved_sentences()
        injector, reports = training_injector(reserved), ReportMaker(reserved)
        return cls(mix, FindingsReader.open(), injector, Shortener.open(), NoteMaker.open(), reports)

    def epoch(self, studies: Sequence[Told], seed: int, epoch: int) -> list[Pair]:
        """Return one epoch's pairs, shuffled."""
        draw = np.random.default_rng((seed, epoch))
        pairs = [pair for study in studies for pair in self._pairs(study, draw)]
        return [pairs[index] for index in draw.permutation(len(pairs))]

    def _pairs(self, study: Told, draw: np.random.Generator) -> list[Pair]:
        makers: tuple[tuple[float, Callable[[Told, np.random.Generator], Pair | None]], ...] = (
            (self._mix.summary, self._summary),
            (self._mix.search, self._search),
            (self._mix.variant, _variant),
            (self._mix.note, self._note),
            (self._mix.indication, _indication),
            (self._mix.status, self._status),
            (self._mix.term, self._term),
            (self._mix.made, self._report),
            (self._mix.again, self._again),
        )
        made = (make(study, draw) for share, make in makers if draw.random() < share)
        return [pair for pair in made if pair is not None]

    def _summary(self, study: Told, draw: np.random.Generator) -> Pair | None:
        if not (study.findings and study.impression):
            return None
        findings = self._roughened(study.findings, draw)
        wrong = self._wrong(study.impression, draw, study.findings)
        return _pair("summary", SUMMARY_INSTRUCTION, findings, study.impression, study, wrong)

    def _again(self, study: Told, draw: np.random.Generator) -> Pair | None:
        return self._summary(study, draw) if self._abnormal(study.impression) else None

    def _report(self, study: Told, draw: np.random.Generator) -> Pair:
        """Made findings → the made impression; of no study."""
        made = self._reports.make(draw)
        wrong = made.wrong if draw.random() < self._mix.wrong else ()
        beside = f"made beside {study.id}"
        return Pair("made", SUMMARY_INSTRUCTION, made.findings, made.impression, beside, False, wrong)

    def _search(self, study: Told, draw: np.random.Generator) -> Pair | None:
        if not study.report:
            return None
        parts = _shuffled([part.text for part in sentences(study.report)], draw)
        some = " ".join(parts[: 1 + int(draw.integers(len(parts)))])
        return _pair("search", SEARCH_INSTRUCTION, self._maybe_short(some, 0.6, draw), study.report, study)

    def _note(self, study: Told, draw: np.random.Generator) -> Pair | None:
        """One to three sentences in shorthand → the same in full; the abnormal ones first, as notes are written."""
        if not study.report:
            return None
        long = excerpt(study.report, self._abnormal, draw)
        short = self._shorten(long, draw)
        return _pair("note", SEARCH_INSTRUCTION, short, long, study, self._wrong(long, draw)) if short != long else None

    def _status(self, study: Told, draw: np.random.Generator) -> Pair | None:
        """A report, asked about one finding → a sentence with its status; the opposite status is the hard negative."""
        read = self._reader.read(study.report, "")
        found = [finding for finding in read if finding.status != "uncertain" and finding.name != NO_FINDING]
        if not found:
            return None
        one = found[int(draw.integers(len(found)))]
        right, wrong = _status_sentences(one)
        instruction = f"Determine the change or status of the {one.name.lower()}"
        return _pair("status", instruction, study.report, right, study, (wrong,))

    def _term(self, study: Told, draw: np.random.Generator) -> Pair:
        """A note made from the lexicon → the same in full; of no study, so that it answers no other pair."""
        note = self._notes.make(draw)
        wrong = note.wrong if draw.random() < self._mix.wrong else ()
        return Pair("term", SEARCH_INSTRUCTION, note.short, note.full, f"made beside {study.id}", False, wrong)

    def _roughened(self, findings: str, draw: np.random.Generator) -> str:
        """Findings in another order, in shorthand, or without some of what is normal: the impression stays true."""
        parts = [part.text for part in sentences(findings)]
        if draw.random() < self._mix.thinned:
            kept = [part for part in parts if self._abnormal(part) or draw.random() < 0.6]
            parts = kept or parts
        if draw.random() < 0.5:
            parts = _shuffled(parts, draw)
        return self._maybe_short(" ".join(parts), self._mix.shorthand, draw)

    def _maybe_short(self, text: str, share: float, draw: np.random.Generator) -> str:
        return self._shorten(text, draw) if draw.random() < share else text

    def _wrong(self, text: str, draw: np.random.Generator, findings: str = "") -> tuple[str, ...]:
        """Return copies with one error each; one that the study's findings bear out is none."""
        if draw.random() >= self._mix.wrong:
            return ()
        told = [injected.text for injected in self._injector.several(text, ERRORS, draw)]
        return tuple(one for one in told if not (findings and borne_out(one, text, findings, self._reader)))

    def _abnormal(self, text: str) -> bool:
        return any(one.status != "absent" and one.name != NO_FINDING for one in self._reader.read(text, ""))


def _variant(study: Told, draw: np.random.Generator) -> Pair | None:
    """A retelling → the original, or the other way; paper section 3: similar, split, prior-omitted, anatomical."""
    told = [
        *((text, study.report) for text in study.similar[:1]),
        *((text, study.findings) for text in (study.split, study.omitted, study.anatomical)),
    ]
    differing = [pair for pair in told if pair[0] and pair[0] != pair[1]]
    if not differing:
        return None
    one, other = differing[int(draw.integers(len(differing)))]
    query, document = (one, other) if draw.random() < 0.7 else (other, one)
    return _pair("variant", SEARCH_INSTRUCTION, query, document, study)


def _indication(study: Told, draw: np.random.Generator) -> Pair | None:
    if len(study.indication) < 2:
        return None
    short, full = study.indication if draw.random() < 0.8 else study.indication[::-1]
    return _pair("indication", SEARCH_INSTRUCTION, short, full, study)


def _status_sentences(finding: Finding) -> tuple[str, str]:
    name = finding.name.capitalize()
    seen = f"{name} is seen{f' on the {finding.laterality}' if finding.laterality in ('left', 'right') else ''}."
    absent = f"No {finding.name.lower()}."
    return (absent, seen) if finding.status == "absent" else (seen, absent)


def _pair(
    family: Family, instruction: str, query: str, document: str, study: Told, wrong: tuple[str, ...] = ()
) -> Pair:
    normal = NO_FINDING in labels_of_codes(study.codes)
    return Pair(family, instruction, query, document, study.id, normal, wrong)


def _shuffled(parts: list[str], draw: np.random.Generator) -> list[str]:
    return [parts[index] for index in draw.permutation(len(parts))]


def documents_of(pairs: Sequence[Pair], bank: Sequence[str] = ()) -> list[str]:
    """Return the documents of a batch: the right ones in the order of the pairs, every hard negative, the bank."""
    return [pair.document for pair in pairs] + [text for pair in pairs for text in pair.wrong] + list(bank)


def says_the_same(pairs: Sequence[Pair], bank: Sequence[str] = ()) -> np.ndarray:
    """Return [b, b + n + m] bool: True where a document is no negative of a query, columns as `documents_of`.

    Equal texts; documents of the query's own study; and, for the family that asks what a study means rather than how it
    is told, two studies coded normal. A hard negative is a negative of every query but those whose document it equals.
    A text that the batch holds many times is a negative once: otherwise what is common would be pushed away from
    everything, and a query could not be taught that a common answer is the likely one. The bank holds impressions, and
    is for queries that ask for one.
    """
    texts = np.array([collapse(text) for text in documents_of(pairs, bank)], dtype=np.object_)
    studies = np.array([pair.study for pair in pairs])
    normal = np.array([pair.normal for pair in pairs])
    loose = np.array([pair.family in LOOSE for pair in pairs])
    same: np.ndarray = texts[: len(pairs), None] == texts[None, :]
    alike = (studies[:, None] == studies) | ((normal & loose)[:, None] & normal)
    same[:, : len(pairs)] |= alike
    asks_other = np.array([pair.family != "summary" for pair in pairs])
    same[asks_other, len(texts) - len(bank) :] = True
    same |= _repeated(texts)
    return same


def _repeated(texts: np.ndarray) -> np.ndarray:
    """Return [n] bool: True where a text stands in an earlier place."""
    repeated = np.ones(len(texts), dtype=np.bool_)
    repeated[np.unique(texts.astype(np.str_), return_index=True)[1]] = False
    return repeated


def impression_bank(impressions: Sequence[str], drawn: int, draw: np.random.Generator) -> list[str]:
    """Return distinct impressions to tell the right one from: all common ones, and so many of the others.

    Args:
        impressions: one a study.
        drawn: how many that fewer than `COMMON` studies share.
        draw: chooses these.
    """
    counted = Counter(impressions)
    common = [text for text, count in counted.items() if count >= COMMON]
    rare = [text for text, count in counted.items() if count < COMMON]
    return common + [rare[row] for row in draw.permutation(len(rare))[:drawn]]
