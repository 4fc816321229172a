"""Which studies become cases: by the paper's rule, by a filter, or the queries a person brings.

The paper's rule (section 4 and Appendix A.3): 200 cases of Open-I, half of the normal studies left out before they are
drawn. Here the draw hangs on a stored seed, and on a corpus with splits only test studies are drawn: the towers have
learned from the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from explorer.corpora.openi import NAME as OPENI
from explorer.corpora.sections import has_words, scope_text
from explorer.corpora.split import in_split
from explorer.language.findings import DEVICES, FindingsReader
from explorer.language.labels import NO_FINDING
from explorer.types import Report, Scope

MOST_CASES = 200
MOST_FILMS = 60  # cases with a film: each keeps a picture of a megabyte or two
_NORMAL_CODES = (["normal"], ["no finding"])  # of Open-I, and of NIH ChestX-ray14

Normal = Callable[[Report], bool]


@dataclass(frozen=True)
class Wanted:
    """What a person asks for."""

    count: int  # cases at most, 1 to `MOST_CASES`
    seed: int
    asked: Scope  # the part of a study that encoders are asked with
    halve_normals: bool = True
    finding: str = ""  # only studies that state this finding; "" for any
    view: str = ""  # only studies with a film of this view
    min_age: int | None = None
    max_age: int | None = None


@dataclass(frozen=True)
class Selected:
    """The studies drawn, and how many there were at each step."""

    reports: tuple[Report, ...]
    pool: int  # studies that have the texts and pass the filter
    normal: int  # of these
    left_out: int  # normal studies left out before the draw


class NormalReader:
    """Tells normal studies: by the experts' code where a study has codes, else by the rules of `findings.py`."""

    def __init__(self, reader: FindingsReader) -> None:
        self._reader = reader

    def __call__(self, report: Report) -> bool:
        """Return whether nothing but devices is stated or suspected."""
        if report.meta.codes:
            return [code.lower() for code in report.meta.codes] in _NORMAL_CODES
        ignored = {NO_FINDING, *DEVICES}
        found = self._reader.read_report(report.sections)
        return all(one.status == "absent" or one.name in ignored for one in found)


def pool_of(reports: Iterable[Report], corpus: str, asked: Scope) -> tuple[Report, ...]:
    """Return the studies that can be a case: they have the part asked with, and of Open-I they are test studies."""
    kept = in_split(reports, "test") if corpus == OPENI else tuple(reports)
    return tuple(report for report in kept if has_words(scope_text(report.sections, asked)))


def select(pool: Iterable[Report], wanted: Wanted, reader: FindingsReader) -> Selected:
    """Draw cases from a pool: filter, leave out half of the normals, then draw, all by one seed."""
    normal = NormalReader(reader)
    fitting = [report for report in pool if _fits(report, wanted, reader)]
    normals = [report for report in fitting if normal(report)]
    draw = np.random.default_rng(wanted.seed)
    halved = len(normals) // 2 if wanted.halve_normals else 0
    gone = {normals[index].id for index in draw.permutation(len(normals))[:halved]}
    kept = [report for report in fitting if report.id not in gone]
    drawn = draw.permutation(len(kept))[: min(wanted.count, MOST_CASES)]
    return Selected(tuple(kept[index] for index in drawn), len(fitting), len(normals), halved)


def _fits(report: Report, wanted: Wanted, reader: FindingsReader) -> bool:
    age, youngest, oldest = report.meta.age, wanted.min_age, wanted.max_age
    if age is None and (youngest is not None or oldest is not None):
        return False
    if age is not None and not (youngest or 0) <= age <= (age if oldest is None else oldest):
        return False
    if wanted.view and wanted.view not in report.meta.views:
        return False
    if not wanted.finding or (not report.sections and wanted.finding in report.meta.codes):
        return True
    found = reader.read_report(report.sections)
    return any(one.name == wanted.finding and one.status == "present" for one in found)
