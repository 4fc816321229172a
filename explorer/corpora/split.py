"""Which split a study is in: the one of Open-I by study number, the one of every other source by patient."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Literal

from explorer.corpora.sections import collapse
from explorer.types import Report

Split = Literal["train", "validation", "test"]
OF_OPEN_I: Mapping[str, Split] = {}  # its study numbers decide


def split_of(study: int) -> Split:
    """Return the split of an Open-I study number: multiples of 5 test, other numbers ending in 1 validation."""
    if study % 5 == 0:
        return "test"
    return "validation" if study % 10 == 1 else "train"


def split_of_patient(patient: str) -> Split:
    """Return the split of a patient of a source that publishes none: one eighth for test, a sixteenth to validate.

    It hangs on the patient's name in the source alone, so that all studies of a patient, also later ones, are in one
    split.
    """
    digit = hashlib.sha256(patient.encode()).hexdigest()[-1]
    return "test" if digit in "01" else "validation" if digit == "2" else "train"


def study_number(report: Report) -> int:
    """Return the number in an id such as "openi:1234"."""
    return int(report.id.partition(":")[2])


def in_split(reports: Iterable[Report], split: Split, splits: Mapping[str, Split] = OF_OPEN_I) -> tuple[Report, ...]:
    """Return the reports of a split, in order.

    A training study whose findings equal a test study's, white space aside, is dropped from training. splits: study →
    split, for a corpus other than Open-I; a study it does not name is in none.
    """
    reports = tuple(reports)

    def of(wanted: Split) -> tuple[Report, ...]:
        if splits:
            return tuple(report for report in reports if splits.get(report.id) == wanted)
        return tuple(report for report in reports if split_of(study_number(report)) == wanted)

    chosen = of(split)
    if split != "train":
        return chosen
    tested = {_findings(report) for report in of("test")} - {""}
    return tuple(report for report in chosen if _findings(report) not in tested)


def _findings(report: Report) -> str:
    return collapse(report.sections.get("findings", ""))
