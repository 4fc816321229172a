"""How well the rules read: against sentences labelled by hand, and against the experts' codes of a whole corpus.

`python -m explorer.language.report_card HAND_LABELS.tsv …` prints the tables; the hand labels say themselves how
they were drawn and labelled.
"""

from __future__ import annotations

import csv
import hashlib
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from explorer.corpora import openi
from explorer.corpora.split import study_number
from explorer.errors import CorpusError
from explorer.language.findings import FindingsReader, observation_of, observations
from explorer.language.labels import LABELS, NO_FINDING, labels_of_codes
from explorer.language.temporal import without_temporal
from explorer.types import Finding, Report, Status

Half = Literal["development", "held-out"]
Statuses = Mapping[str, Status]
ENOUGH = 5  # a finding labelled fewer times has no F1 worth averaging
PAPER_KEPT = 1_825  # reports the paper kept after its temporal filter; its frontal and section rules are not given
_STATUSES: Mapping[str, Status] = {status: status for status in get_args(Status)}
_SIDES = frozenset({"left", "right", "bilateral"})


@dataclass(frozen=True)
class HandLabel:
    """A sentence's place in its section, and the status of each finding it mentions."""

    study: int
    section: str
    start: int
    end: int
    statuses: Statuses

    @property
    def half(self) -> Half:
        """Return which half of the labels it belongs to, by its study."""
        odd = hashlib.sha256(str(self.study).encode()).digest()[-1] % 2
        return "held-out" if odd else "development"


@dataclass
class Tally:
    """Right, invented and missed mentions."""

    right: int = 0
    invented: int = 0
    missed: int = 0

    @property
    def precision(self) -> float:
        """Return the share of what was read that is right; 0 if nothing was read."""
        return self.right / max(1, self.right + self.invented)

    @property
    def recall(self) -> float:
        """Return the share of what is there that was read; 0 if nothing is there."""
        return self.right / max(1, self.right + self.missed)

    @property
    def f1(self) -> float:
        """Return the harmonic mean of precision and recall, 2r / (2r + invented + missed)."""
        return 2 * self.right / max(1, 2 * self.right + self.invented + self.missed)

    @property
    def there(self) -> int:
        """Return how many mentions the reference has."""
        return self.right + self.missed


def read_hand_labels(file: Path) -> tuple[HandLabel, ...]:
    """Read hand labels, one sentence a row.

    Raises:
        CorpusError: a row names an unknown label or status.
    """
    with file.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t")
        return tuple(
            HandLabel(int(row["study"]), row["section"], int(row["start"]), int(row["end"]), _statuses(row["labels"]))
            for row in rows
        )


def _statuses(cell: str) -> Statuses:
    return dict(_status(pair) for pair in cell.split("; ") if pair)


def _status(pair: str) -> tuple[str, Status]:
    name, _, written = pair.partition("=")
    status = _STATUSES.get(written)
    if name not in LABELS or status is None:
        raise CorpusError("The hand labels name an unknown label or status. Correct the file.")
    return name, status


def tally(pairs: Iterable[tuple[Statuses, Statuses]], key: Callable[[str, Status], str]) -> Mapping[str, Tally]:
    """Count (wanted, read) statuses; a mention is right if finding and status agree. `key` names the rows."""
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    for wanted, read in pairs:
        for name, status in wanted.items() & read.items():
            tallies[key(name, status)].right += 1
        for name, status in read.items() - wanted.items():
            tallies[key(name, status)].invented += 1
        for name, status in wanted.items() - read.items():
            tallies[key(name, status)].missed += 1
    return tallies


def macro_f1(tallies: Mapping[str, Tally]) -> float:
    """Return the mean F1 over the rows with at least `ENOUGH` mentions in the reference."""
    scores = [row.f1 for row in tallies.values() if row.there >= ENOUGH]
    return sum(scores) / max(1, len(scores))


def micro_f1(tallies: Mapping[str, Tally]) -> float:
    """Return the F1 of all mentions together."""
    rows = tallies.values()
    whole = Tally(sum(row.right for row in rows), sum(row.invented for row in rows), sum(row.missed for row in rows))
    return whole.f1


def hand_pairs(
    labels: Iterable[HandLabel], reports: Mapping[int, Report], reader: FindingsReader
) -> list[tuple[Statuses, Statuses]]:
    """Return (labelled, read) statuses of each sentence."""
    return [(label.statuses, observations(reader.read(_sentence(label, reports), label.section))) for label in labels]


def _sentence(label: HandLabel, reports: Mapping[int, Report]) -> str:
    return reports[label.study].sections[label.section][label.start : label.end]


def report_card(files: Sequence[Path]) -> str:
    """Return the measured tables as text, one table for each half of each file of hand labels."""
    reader = FindingsReader.open()
    reports = openi.read().reports
    started = time.perf_counter()
    read = {report.id: reader.read_report(report.sections) for report in reports}
    seconds = time.perf_counter() - started
    parts = [f"{len(reports)} reports read, {1000 * seconds / len(reports):.2f} ms each\n"]
    for file in files:
        parts += _hand_tables(file, {study_number(report): report for report in reports}, reader)
    parts += _expert_table(reports, read)
    parts += _side_lines(reports, read)
    parts += _temporal_lines(reports)
    return "\n".join(parts) + "\n"


def _hand_tables(file: Path, reports: Mapping[int, Report], reader: FindingsReader) -> Iterator[str]:
    labels = read_hand_labels(file)
    for half in get_args(Half):
        chosen = [label for label in labels if label.half == half]
        if chosen:
            yield f"{file.stem}, {half} half: {len(chosen)} sentences. Right: finding and status agree."
            yield from _hand_table(hand_pairs(chosen, reports, reader))


def _hand_table(pairs: Sequence[tuple[Statuses, Statuses]]) -> Iterator[str]:
    rows = tally(pairs, lambda name, _: name)
    strict = tally(pairs, lambda name, status: f"{name} {status}")
    yield f"{'':28}{'n':>5}{'precision':>11}{'recall':>8}{'F1':>7}"
    for name in LABELS:
        row = rows.get(name, Tally())
        yield f"{name:28}{row.there:5}{row.precision:11.2f}{row.recall:8.2f}{row.f1:7.2f}"
    yield f"micro-F1 {micro_f1(rows):.3f}; macro-F1 over findings with n >= {ENOUGH} {macro_f1(rows):.3f};"
    yield f"macro-F1 over (finding, status) with n >= {ENOUGH} {macro_f1(strict):.3f}\n"


def _expert_table(reports: Sequence[Report], read: Mapping[str, tuple[Finding, ...]]) -> Iterator[str]:
    wanted = [dict.fromkeys(labels_of_codes(report.meta.codes), True) for report in reports]
    statuses = [observations(read[report.id]) for report in reports]
    certain = _agreement(wanted, statuses, {"present"})
    lenient = _agreement(wanted, statuses, {"present", "uncertain"})
    yield f"Expert codes, {len(reports)} whole reports: labels coded against labels read as present,"
    yield "and as present or uncertain (the experts coded what a report calls probable)."
    yield f"{'':28}{'n':>5}{'precision':>11}{'recall':>8}{'F1':>7}{'precision':>13}{'recall':>8}{'F1':>7}"
    for name in LABELS:
        one, two = certain[name], lenient[name]
        yield (
            f"{name:28}{one.there:5}{one.precision:11.2f}{one.recall:8.2f}{one.f1:7.2f}"
            f"{two.precision:13.2f}{two.recall:8.2f}{two.f1:7.2f}"
        )
    yield ""


def _agreement(
    wanted: Sequence[Mapping[str, bool]], statuses: Sequence[Statuses], counted: set[str]
) -> Mapping[str, Tally]:
    tallies = {name: Tally() for name in LABELS}
    for coded, said in zip(wanted, statuses, strict=True):
        found = {name for name, status in said.items() if status in counted}
        for name in LABELS:
            tallies[name].right += name in coded and name in found
            tallies[name].invented += name in found and name not in coded
            tallies[name].missed += name in coded and name not in found
    return tallies


def _side_lines(reports: Sequence[Report], read: Mapping[str, tuple[Finding, ...]]) -> Iterator[str]:
    """Side agreement where expert and rules each give one side to a label both have."""
    same = total = 0
    for report in reports:
        coded, said = _coded_sides(report), _read_sides(read[report.id])
        for name in coded.keys() & said.keys():
            if len(coded[name]) == len(said[name]) == 1:
                total += 1
                same += coded[name] == said[name]
    yield f"Laterality: {same} of {total} labels with one side in both codes and reading agree\n"


def _coded_sides(report: Report) -> Mapping[str, set[str]]:
    sides: defaultdict[str, set[str]] = defaultdict(set)
    for code in report.meta.codes:
        for name in labels_of_codes((code,)):
            sides[name].update(_SIDES.intersection(code.split("/")))
    return sides


def _read_sides(findings: Iterable[Finding]) -> Mapping[str, set[str]]:
    sides: defaultdict[str, set[str]] = defaultdict(set)
    for finding in findings:
        if finding.status != "absent" and finding.laterality and finding.name != NO_FINDING:
            sides[observation_of(finding.name)].add(finding.laterality)
    return sides


def _temporal_lines(reports: Sequence[Report]) -> Iterator[str]:
    whole = without_temporal(reports)
    both = without_temporal(r for r in reports if r.sections.get("findings") and r.sections.get("impression"))
    commonest = ", ".join(f"{word} {count}" for word, count in list(whole.removed_by.items())[:10])
    yield f"Temporal filter: {len(whole.kept)} of {len(whole.kept) + whole.removed} reports kept;"
    yield f"{len(both.kept)} of {len(both.kept) + both.removed} with findings and impression; the paper: {PAPER_KEPT}"
    yield f"Reports per keyword: {commonest}, …"


if __name__ == "__main__":
    sys.stdout.write(report_card([Path(name) for name in sys.argv[1:]]))
