"""The five other ways to tell a report that the encoders learn from, made by rules, without a connection.

Paper section 3 and Appendix A: similar, split, prior-omitted, anatomical, and findings with impression; and the
indication as typed with its short forms read out. Texts are given without redactions
(`explorer.corpora.sections.without_redactions`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from explorer.corpora.sections import without_redactions
from explorer.language.abbreviations import Expander
from explorer.language.paraphrase import Paraphraser
from explorer.language.prior_omission import PriorOmitter
from explorer.language.regions import RegionTeller
from explorer.language.shorthand import Shortener
from explorer.language.splitting import Splitter

Kind = Literal["similar", "split", "prior-omitted", "anatomical"]


class VariantMaker:
    """Makes variants. Holds tables only, so one maker serves any number of threads."""

    def __init__(
        self, paraphraser: Paraphraser, splitter: Splitter, omitter: PriorOmitter, teller: RegionTeller
    ) -> None:
        self._paraphraser = paraphraser
        self._splitter = splitter
        self._omitter = omitter
        self._teller = teller

    @classmethod
    def open(cls) -> VariantMaker:
        """Read the tables in `assets/lexicons/`."""
        return cls(Paraphraser.open(), Splitter.open(), PriorOmitter.open(), RegionTeller.open())

    def similar(self, text: str, draw: np.random.Generator) -> str:
        """Return the report in other words and order, with its findings, sides and amounts; a function of the draw."""
        return self._paraphraser.similar(text, draw)

    def split(self, text: str) -> str:
        """Return the report with one finding a sentence, views apart, technique left out."""
        return " ".join(self._splitter.split(text))

    def prior_omitted(self, text: str) -> str:
        """Return the report without comparisons and words of change; "" if it said nothing else."""
        return self._omitter.omit(text)

    def anatomical(self, text: str) -> str:
        """Return the report as lines `Region: sentences`, regions in a fixed order."""
        return self._teller.tell(text)


def findings_and_impression(sections: Mapping[str, str]) -> tuple[str, str] | None:
    """Return both sections without redactions, or None if one is missing."""
    findings, impression = (without_redactions(sections.get(name, "")) for name in ("findings", "impression"))
    return (findings, impression) if findings and impression else None


class IndicationPairs:
    """Pairs an indication in short forms with the same in full."""

    def __init__(self, expander: Expander, shortener: Shortener) -> None:
        self._expander = expander
        self._shortener = shortener

    @classmethod
    def open(cls) -> IndicationPairs:
        """Read the tables in `assets/lexicons/`."""
        return cls(Expander.open(), Shortener.open())

    def pair(self, sections: Mapping[str, str], draw: np.random.Generator) -> tuple[str, str] | None:
        """Return (short, full); None if there is no indication, or nothing in it that has a short form.

        An indication typed in short forms is read out; one typed in full is shortened as far as that can be undone.
        """
        typed = without_redactions(sections.get("indication", ""))
        expansion = self._expander.expand(typed)
        if expansion.spans:
            return typed, expansion.expanded
        short = self._shortener.shorten(typed, draw)
        return (short, typed) if self._expander.expand(short).spans else None
