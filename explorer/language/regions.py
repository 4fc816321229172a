"""A report told region by region: lungs, pleura, heart, mediastinum, bones, devices, abdomen, and what is left.

Paper section 3, "anatomical" reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from explorer.language.findings import FindingsReader, observation_of
from explorer.language.labels import NO_FINDING
from explorer.language.phrases import Phrases, table, words
from explorer.language.sentences import sentences
from explorer.language.splitting import LIST_NUMBER, Splitter, finished

ELSEWHERE = "Other"  # views, conclusions, whatever names no region


class RegionTeller:
    """Sorts sentences by region. Holds tables only."""

    def __init__(
        self, reader: FindingsReader, splitter: Splitter, findings: Mapping[str, str], phrases: Phrases[str]
    ) -> None:
        self._reader = reader
        self._splitter = splitter
        self._of_finding = findings
        self._phrases = phrases
        self._order = (*dict.fromkeys(findings.values()), ELSEWHERE)

    @classmethod
    def open(cls) -> RegionTeller:
        """Read `regions.tsv` and the tables of the findings."""
        rows = list(table("regions.tsv"))
        findings = {row["phrase"]: row["region"] for row in rows if row["kind"] == "finding"}
        phrases = Phrases((row["phrase"], row["region"]) for row in rows if row["kind"] == "phrase")
        return cls(FindingsReader.open(), Splitter.open(), findings, phrases)

    def by_region(self, text: str) -> Mapping[str, tuple[str, ...]]:
        """Return the sentences of each region that has any, regions in the fixed order, sentences in the text's.

        A sentence is kept whole and told once; only one that speaks of several regions is split first.
        """
        told: dict[str, list[str]] = {region: [] for region in self._order}
        for sentence in sentences(text):
            for piece in self._pieces(finished(LIST_NUMBER.sub("", sentence.text))):
                told[self._region(piece)].append(piece)
        return {region: tuple(pieces) for region, pieces in told.items() if pieces}

    def tell(self, text: str) -> str:
        """Return the report as lines `Region: sentences`."""
        return "\n".join(f"{region}: {' '.join(pieces)}" for region, pieces in self.by_region(text).items())

    def _pieces(self, sentence: str) -> Iterable[str]:
        if not sentence:
            return ()
        return self._splitter.split(sentence) if len(self._regions_found(sentence)) > 1 else (sentence,)

    def _regions_found(self, sentence: str) -> list[str]:
        """Return the regions of a sentence's findings, in order; what one stretch of text names counts once."""
        places: dict[tuple[int, int], str] = {}
        for finding in self._reader.read(sentence, ""):
            if finding.name != NO_FINDING:
                places.setdefault((finding.start, finding.end), self._of_finding[observation_of(finding.name)])
        return list(dict.fromkeys(places.values()))

    def _region(self, sentence: str) -> str:
        found = self._regions_found(sentence) or [match.meaning for match in self._phrases.find(words(sentence))]
        return found[0] if found else ELSEWHERE
