"""A report's findings, read by rules: what is named, whether it is there, where, on which side, how much.

The 14 observations of CheXpert (Irvin et al. 2019, https://arxiv.org/abs/1901.07031), NIH's Emphysema, Fibrosis
and Hernia, and devices by their own names. Every phrase is a row of `assets/lexicons/`; no model takes part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from explorer.language.anatomy import Anatomy, AnatomyReader
from explorer.language.headings import heading_end
from explorer.language.labels import NO_FINDING
from explorer.language.organs import OrganReader, Said
from explorer.language.phrases import LEXICONS, Match, Phrases, Word, table, words
from explorer.language.scope import Place, Scope, ScopeReader
from explorer.language.sentences import sentences
from explorer.types import Finding, Status

SECTIONS: tuple[str, ...] = ("findings", "impression")  # the indication asks, it does not observe
SUPPORT_DEVICES = "Support Devices"
DEVICES: frozenset[str] = frozenset(row["name"] for row in table("findings.tsv") if row["kind"] == "device")
TABLES = ("anatomy.tsv", "cues.tsv", "findings.tsv", "organs.tsv", "severity.tsv", "states.tsv")
MODULES = ("anatomy.py", "findings.py", "headings.py", "organs.py", "phrases.py", "scope.py", "sentences.py")
_CERTAINTY: tuple[Status, ...] = ("present", "uncertain", "absent")
_NOWHERE = frozenset({NO_FINDING, "Cardiomegaly", "Enlarged Cardiomediastinum"})  # one place, no side


@dataclass(frozen=True)
class Naming:
    """What a phrase names: one finding or several, and how (see `findings.tsv`)."""

    findings: tuple[str, ...]
    kind: Literal["named", "device", "hinted", "denial", "ignored"]


@dataclass(frozen=True)
class _Reading:
    name: str
    status: Status
    first: int
    stop: int


class FindingsReader:
    """Reads findings. Holds its tables only, so one reader serves any number of threads."""

    def __init__(
        self, namings: Phrases[Naming], organs: OrganReader, scopes: ScopeReader, anatomy: AnatomyReader
    ) -> None:
        self._namings = namings
        self._organs = organs
        self._scopes = scopes
        self._anatomy = anatomy

    @classmethod
    def open(cls) -> FindingsReader:
        """Read the tables in `assets/lexicons/`."""
        namings = (
            (row["phrase"], Naming(tuple(row["name"].split(" + ")), row["kind"]))  # type: ignore[arg-type]
            for row in table("findings.tsv")
        )
        return cls(Phrases(namings), OrganReader.open(), ScopeReader.open(), AnatomyReader.open())

    def read(self, text: str, section: str) -> tuple[Finding, ...]:
        """Return the findings of one section in order of place; any text is accepted.

        `start` and `end` of each are characters of `text`; a device is named by its kind, see `observation_of`.
        """
        return tuple(
            finding
            for sentence in sentences(text)
            for finding in self._sentence(words(sentence.text, sentence.start), section)
        )

    def read_report(self, sections: Mapping[str, str]) -> tuple[Finding, ...]:
        """Return the findings of the findings section, then those of the impression; other sections are not read."""
        return tuple(finding for name in SECTIONS for finding in self.read(sections.get(name, ""), name))

    def _sentence(self, among: Sequence[Word], section: str) -> Iterator[Finding]:
        readings = sorted(self._readings(among), key=lambda reading: (reading.first, reading.stop))
        readings = [reading for reading in readings if not any(_repeats(reading, other) for other in readings)]
        around = self._anatomy.read(among, [(reading.first, reading.stop) for reading in readings])
        for reading, anatomy in zip(readings, around, strict=True):
            yield _finding(reading, anatomy, among, section)

    def _readings(self, among: Sequence[Word]) -> Iterator[_Reading]:
        named = self._namings.find(among)
        said = list(self._organs.read(among, [match for match in named if NO_FINDING not in match.meaning.findings]))
        used = {index for pair in said for index in pair.state.named}
        named = _without_headings(among, [match for match in named if used.isdisjoint(match.named)])
        places = [Place(" + ".join(match.meaning.findings), match.first, match.stop) for match in named]
        if not places and not said:
            return
        scope = self._scopes.sentence(among, places, used)
        for match, status in zip(named, scope.statuses(), strict=True):
            yield from _named(match, status)
        for pair in said:
            yield from _said(pair, scope)


def revision() -> str:
    """Return the sha256 of everything that decides what is read: findings of another revision may differ."""
    digest = hashlib.sha256()
    for path in (*(LEXICONS / name for name in TABLES), *(Path(__file__).with_name(name) for name in MODULES)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def observation_of(name: str) -> str:
    """Return the label a finding's name counts under: "Support Devices" for a device, else the name itself."""
    return SUPPORT_DEVICES if name in DEVICES else name


def observations(findings: Iterable[Finding]) -> Mapping[str, Status]:
    """Return one status for each label mentioned, present before uncertain before absent.

    "No Finding" is left out where anything but a device is present or uncertain (as in CheXpert).
    """
    best: dict[str, Status] = {}
    for finding in findings:
        name = observation_of(finding.name)
        best[name] = min(best.get(name, finding.status), finding.status, key=_CERTAINTY.index)
    if any(status != "absent" for name, status in best.items() if name not in (NO_FINDING, SUPPORT_DEVICES)):
        best.pop(NO_FINDING, None)
    return best


def _without_headings(among: Sequence[Word], named: Sequence[Match[Naming]]) -> list[Match[Naming]]:
    """Leave out what a heading names if nothing follows it, or if what follows names it again.

    "Lines: right PICC" names a device again, "Opacity: scar or atelectasis" only says what the opacity may be.
    """
    colon = heading_end(among, (index for match in named for index in match.named))
    if not colon:
        return list(named)
    is_bare = colon == len(among) - 1

    def called(match: Match[Naming]) -> set[str]:
        is_device = match.meaning.kind == "device"
        return {SUPPORT_DEVICES} if is_device else {among[index].form for index in match.named}

    again = {name for match in named if match.first > colon for name in called(match)}
    return [match for match in named if match.first >= colon or not (is_bare or called(match) & again)]


def _named(match: Match[Naming], status: Status) -> Iterator[_Reading]:
    kind = match.meaning.kind
    if kind == "ignored" or (kind == "denial" and status != "absent"):
        return
    if kind == "hinted" and status == "present":
        status = "uncertain"
    for name in match.meaning.findings:
        said: Status = "present" if name == NO_FINDING else status
        yield _Reading(name, said, match.first, match.stop)


def _said(pair: Said, scope: Scope) -> Iterator[_Reading]:
    first, stop = min(pair.organ.first, pair.state.first), max(pair.organ.stop, pair.state.stop)
    status = _status_of_state(pair, scope)
    for name in pair.organ.meaning.findings:
        if name != NO_FINDING:
            yield _Reading(name, status, first, stop)
        elif status == "absent":
            yield _Reading(name, "present", first, stop)


def _repeats(reading: _Reading, other: _Reading) -> bool:
    """Whether another reading says the same over a longer stretch ("heart and cardiomediastinal silhouette")."""
    same = (reading.name, reading.status) == (other.name, other.status)
    inside = other.first <= reading.first and reading.stop <= other.stop
    return same and inside and (other.first, other.stop) != (reading.first, reading.stop)


def _status_of_state(pair: Said, scope: Scope) -> Status:
    if pair.state.meaning != "present":
        return "absent" if pair.state.meaning == "absent" else "uncertain"
    return scope.status(Place("state", pair.state.first, pair.state.stop))


def _finding(reading: _Reading, anatomy: Anatomy, among: Sequence[Word], section: str) -> Finding:
    somewhere = reading.name not in _NOWHERE
    return Finding(
        name=reading.name,
        status=reading.status,
        location=anatomy.location if somewhere else "",
        laterality=anatomy.laterality if somewhere else "",
        severity=anatomy.severity if reading.status != "absent" else "",
        section=section,
        start=among[reading.first].start,
        end=among[reading.stop - 1].end,
    )
