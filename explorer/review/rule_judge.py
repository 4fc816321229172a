"""A judge made of rules, not a language model: it compares what two reports say of each finding.

Each report is read into (finding, location, severity, status) tuples by the rules of `findings.py`. A difference is one
of the four errors of the paper's protocol, with a penalty of 4 (false prediction), 3 (omission), 2 (wrong location) or
1 (wrong severity, or another length); half of it where the two agree in part. Findings that must not be missed weigh
twice. It reads no more than the rules do: what they do not know goes unseen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from explorer.language.findings import DEVICES, FindingsReader
from explorer.language.labels import NO_FINDING
from explorer.review.ranks import competition
from explorer.review.records import PRACTICE, Ballot, Case, ErrorKind
from explorer.review.statistics import ranks_of
from explorer.types import Finding

NAME = "rule judge"
PENALTY: Mapping[ErrorKind, float] = {"false prediction": 4, "omission": 3, "wrong location": 2, "wrong severity": 1}
CRITICAL = frozenset({"Pneumothorax", "Lung Lesion"})  # a nodule or a mass is a Lung Lesion
LARGE = frozenset({"large", "severe", "massive"})
_TWICE = 2
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(mm|cm)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Fault:
    """One difference, and what it costs."""

    kind: ErrorKind
    finding: str
    penalty: float
    critical: bool


@dataclass(frozen=True)
class _Said:
    """What a report says of one finding."""

    affirmed: frozenset[tuple[str, str]]  # (location, side), of each time it is stated or suspected
    severities: frozenset[str]
    denied: bool
    doubted: bool  # never more than suspected


class RuleJudge:
    """Ranks candidates by their penalty. Holds its tables only: one judge serves any number of threads."""

    def __init__(self, reader: FindingsReader) -> None:
        self._reader = reader

    def faults(self, truth: str, candidate: str) -> tuple[Fault, ...]:
        """Return what a candidate gets wrong, in order of the findings' names; nothing for the very same text."""
        wanted, read = (_said(self._reader.read(text, "")) for text in (truth, candidate))
        found = [
            fault for name in sorted({*wanted, *read}) for fault in _compared(name, wanted.get(name), read.get(name))
        ]
        lengths = [_lengths(text) for text in (truth, candidate)]
        if lengths[0] != lengths[1] and all(lengths):
            found.append(Fault("wrong severity", "a length", PENALTY["wrong severity"], critical=False))
        return tuple(found)

    def penalty(self, truth: str, candidate: str) -> float:
        """Return the sum of a candidate's penalties; 0 where the rules see no difference."""
        return sum(fault.penalty for fault in self.faults(truth, candidate))

    def ballot(self, case: Case) -> Ballot:
        """Return the judge's ranks of the models of a case; equal penalties tie."""
        penalties = [self.penalty(case.truth, candidate.text) for candidate in case.candidates]
        return Ballot(NAME, "rule", case.number, ranks_of(case, competition(penalties)))

    def notes(self, case: Case) -> tuple[str, ...]:
        """Return a line for each candidate in the order shown: its faults in words."""
        return tuple(_in_words(self.faults(case.truth, candidate.text)) for candidate in case.candidates)


def judged(judge: RuleJudge, cases: Sequence[Case]) -> tuple[tuple[Ballot, ...], dict[int, tuple[str, ...]]]:
    """Return the judge's ballots and its reasons, for all cases that count and have a report as their ground truth."""
    counted = [case for case in cases if case.number != PRACTICE and case.reported]
    return tuple(judge.ballot(case) for case in counted), {case.number: judge.notes(case) for case in counted}


def _said(findings: Iterable[Finding]) -> dict[str, _Said]:
    grouped: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.name != NO_FINDING:
            grouped.setdefault(finding.name, []).append(finding)
    return {name: _summed(its) for name, its in grouped.items()}


def _summed(its: Sequence[Finding]) -> _Said:
    stated = [one for one in its if one.status != "absent"]
    return _Said(
        frozenset((one.location, one.laterality) for one in stated),
        frozenset(one.severity for one in stated if one.severity),
        any(one.status == "absent" for one in its),
        bool(stated) and all(one.status == "uncertain" for one in stated),
    )


_NOTHING = _Said(frozenset(), frozenset(), denied=False, doubted=False)


def _compared(name: str, wanted: _Said | None, read: _Said | None) -> list[Fault]:
    truth, told = wanted or _NOTHING, read or _NOTHING
    critical = name in CRITICAL or bool(LARGE & (truth.severities | told.severities))
    shares: list[tuple[ErrorKind, float]] = []
    if told.affirmed and not truth.affirmed:
        shares.append(("false prediction", 0.5 if told.doubted else 1))
    elif truth.affirmed and not told.affirmed:
        shares.append(("omission", 0.5 if truth.doubted and not told.denied else 1))
    elif truth.affirmed:
        shares += _differences(truth, told)
        critical = critical or name in DEVICES  # a device in another place
    return [Fault(kind, name, PENALTY[kind] * share * (_TWICE if critical else 1), critical) for kind, share in shares]


def _differences(truth: _Said, told: _Said) -> list[tuple[ErrorKind, float]]:
    """What two reports that both state a finding say otherwise of it."""
    shares: list[tuple[ErrorKind, float]] = []
    if told.denied and not truth.denied:
        shares.append(("omission", 1))  # stated and denied at once
    if truth.affirmed != told.affirmed:
        shares.append(("wrong location", 0.5 if _in_part(truth.affirmed, told.affirmed) else 1))
    if truth.severities != told.severities:
        shares.append(("wrong severity", 0.5 if not (truth.severities and told.severities) else 1))
    return shares


def _in_part(truth: frozenset[tuple[str, str]], told: frozenset[tuple[str, str]]) -> bool:
    """Whether two sets of places share one, or one of them says only part of what the other does."""
    if truth & told:
        return True
    return any(
        all(not mine or not its or mine == its for mine, its in zip(one, other, strict=True))
        for one in truth
        for other in told
    )


def _lengths(text: str) -> tuple[float, ...]:
    """Return the lengths of a text in mm, sorted."""
    found = ((float(number), unit.lower()) for number, unit in _LENGTH.findall(text))
    return tuple(sorted(number * (10 if unit == "cm" else 1) for number, unit in found))


def _in_words(faults: Sequence[Fault]) -> str:
    return (
        "; ".join(f"{fault.kind}: {fault.finding}{' (critical)' if fault.critical else ''}" for fault in faults) or "–"
    )
